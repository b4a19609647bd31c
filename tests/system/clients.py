"""What the tests of the mail servers share: the lists, tallyd as contrib/ ships it, a machine that asks it, and SMTP.

The mail servers read the snippets of contrib/ as shipped; only paths, addresses and ports differ. What they say is
compared with what contrib/README.md shows.
"""
import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
from pathlib import Path

from harness import ROOT, Program, wait_until
from network import with_files
from programs import Rbldnsd, Tallyd, render

CONTRIB = ROOT / "contrib"
UNPACKED = ROOT / "build-debian"
# An address of each kind, and one that nobody has asked about when the lists fall silent.
LISTED, GREY, TRUSTED, CLEAR, OPEN, LISTED6 = (
    "192.0.2.30", "192.0.2.20", "192.0.2.40", "192.0.2.50", "192.0.2.60", "2001:db8::30",
)  # fmt: skip
ADDRESSES = (LISTED, GREY, TRUSTED, CLEAR, OPEN, LISTED6)
TEST_POINT = "127.0.0.2:127.0.0.2:test point"  # tallyd is set up as shipped: it tests the lists
SPAMHAUS = {
    "ip4set": [TEST_POINT, f"{LISTED}:127.0.0.4:xbl", f"{TRUSTED}:127.0.0.4:xbl"],
    "ip6trie": [f"{LISTED6} :127.0.0.2:sbl"],
}
SPAMCOP = {"ip4set": [TEST_POINT, *(f"{subject}:127.0.0.2:spamcop" for subject in (LISTED, GREY, TRUSTED))]}
DNSWL = {"ip4set": [f"{TRUSTED}:127.0.5.2:dnswl"], "ip6trie": ["2001:db8:ffff::/48 :127.0.5.2:dnswl"]}


def snippet(path, **substitutes):
    """A file of contrib/, each key in it replaced by its value; a key that is not there is a mistake."""
    text = (CONTRIB / path).read_text()
    for old, new in substitutes.items():
        assert old in text, f"{path} has no {old}"
        text = text.replace(old, str(new))
    return text


def section(path, heading):
    """The text below a heading, up to the next of its level or a higher one; "# " is a prompt."""
    text = (ROOT / path).read_text()
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert start, f"{path} has no section {heading}"
    rest = text[start.end() :]
    end = re.search(rf"^#{{2,{len(start[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def shown(heading, path="contrib/README.md"):
    """The lines of the blocks marked as text in a section of the documentation: what a program says, as it says it."""
    blocks = re.findall(r"^```text\n(.*?)^```$", section(path, heading), re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


class Shipped(Tallyd):
    """tallyd with contrib/tallyd.conf and the catalogue, the lists being ours."""

    def __init__(self, stage, servers, **substitutes):
        self.servers, self.substitutes = servers, substitutes
        zones = dict.fromkeys(("bl.tally.internal", "plain.bl.tally.internal", "wl.tally.internal"))
        super().__init__(stage, zones, address="127.0.0.2", port=53, listen=["127.0.0.2"])

    def write(self, text=None):
        here = {'include("lists.conf")': f'include("{ROOT}/conf/lists.conf")', 'user = "tally"\n': ""}
        lists = {name: {"server": [program.server]} for name, program in self.servers.items()}
        policy = snippet("tallyd.conf", **here, **self.substitutes)
        super().write(policy + render(self.options, lists, {}))


class Lists:
    """Two real rbldnsd: one is Spamhaus, which may fall silent, the other is the rest."""

    name = "lists"

    def __init__(self, stage):
        self.spamhaus = Rbldnsd(stage, {"zen.spamhaus.org": SPAMHAUS}, negative_ttl=900)
        rest = Rbldnsd(stage, {"bl.spamcop.net": SPAMCOP, "list.dnswl.org": DNSWL}, negative_ttl=900)
        self.servers = {"zen.spamhaus.org": self.spamhaus, "bl.spamcop.net": rest, "list.dnswl.org": rest}
        stage.add(self)

    def fall_silent(self):
        """Spamhaus does not answer any more, nor does it refuse."""
        self.spamhaus.process.send_signal(signal.SIGSTOP)

    def teardown(self):
        self.spamhaus.process.send_signal(signal.SIGCONT)

    def log(self):
        return ""


class Host:
    """A host whose resolv.conf names tallyd, with the addresses of the clients on its loopback."""

    def __init__(self, stage, network, **substitutes):
        self.stage = stage
        network.add_addresses(*ADDRESSES)
        self.lists = Lists(stage)
        self.tallyd = Shipped(stage, self.lists.servers, **substitutes)
        # a verdict that needs no more lists does not wait for them, and its text names those that it has
        wait_until(lambda: "bl.spamcop.net" in str(self.tallyd.ask(LISTED, "TXT")), "the evidence of every list")
        self.files = {}
        self.see("/etc/resolv.conf", "nameserver 127.0.0.2\noptions timeout:5 attempts:2\n")

    def directory(self, name, *below, owner=0):
        """A directory that programs without root can enter, with others below it, which belong to a user by number."""
        path = self.stage.open / name
        for directory in (path, *(path / word for word in below)):
            directory.mkdir()
            directory.chmod(0o755)
        for word in below:
            os.chown(path / word, owner, owner)
        return path

    def see(self, path, text):
        """Programs of this host see this text in a file of /etc."""
        copy = self.stage.open / path.strip("/").replace("/", "-")
        copy.write_text(text)
        copy.chmod(0o644)
        self.files[path] = copy

    def add_user(self, name):
        """The number of a user that the installation of a package would have made, or has."""
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            pass
        number = 4900
        users = Path("/etc/passwd").read_text() + f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        self.see("/etc/passwd", users)
        self.see("/etc/group", Path("/etc/group").read_text() + f"{name}:x:{number}:\n")
        return number

    def run(self, *words, text="", **how):
        """Run a program on this host to its end: what it writes."""
        argv = with_files(self.files, words)
        return subprocess.run(argv, input=text, capture_output=True, text=True, timeout=120, check=True, **how).stdout

    def start(self, name, *words, ready, **how):
        """Start a program on this host and wait until it is ready."""
        program = Program(self.stage.name(name), with_files(self.files, words), self.stage.directory, **how)
        self.stage.add(program)
        program.wait_ready(ready)
        return program


def listens(port):
    """Does anybody take connections on this port of this network?"""
    with open("/proc/thread-self/net/tcp") as table:
        return any(f":{port:04X} 00000000:0000 0A" in line for line in table)


def told(subject, port=25):
    """What a client with this address is told up to RCPT: the first refusal, or else the reply to RCPT; as on the wire."""
    with smtplib.SMTP(timeout=60, local_hostname="client.example") as smtp:
        smtp.source_address = (subject, 0)
        smtp.sock = socket.create_connection(("::1" if ":" in subject else "127.0.0.1", port), 60, smtp.source_address)
        replies = [smtp.getreply()]
        for command in ("EHLO client.example", "MAIL FROM:<a@from.example>", "RCPT TO:<u@to.example>"):
            if replies[-1][0] >= 400:
                break
            replies.append(smtp.docmd(command))
    code, text = replies[-1]
    *lines, last = text.decode().split("\n")
    return "".join(f"{code}-{line}\n" for line in lines) + f"{code} {last}"


# What every Postfix of ours has in its main.cf, in place of what an installed one has; and the services of its master.cf.
POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {path}/spool
data_directory = {path}/data
maillog_file = {path}/maillog
maillog_file_prefixes = {path}
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
"""
POSTFIX_SERVICES = """
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
discard   unix - - n - - discard
error     unix - - n - - error
retry     unix - - n - - error
proxymap  unix - - n - - proxymap
anvil     unix - - n - 1 anvil
"""


class PostfixMaster(Program):
    """A Postfix with its directories below `path`, started by "postfix start-fg"."""

    path = None

    def teardown(self):
        """The command that was started only watches; the master is another process."""
        pid = self.path / "spool/pid/master.pid"
        if self.running() and pid.exists() and pid.read_text().strip():
            os.kill(int(pid.read_text()), signal.SIGTERM)
            self.process.wait(20)
        self.stop()

    def log(self):
        log = self.path / "maillog"
        return super().log() + (log.read_text() if log.exists() else "")

    def logged(self, pattern):
        """Wait for a line of the log that has this in it, and give what the pattern's group matched."""
        self.wait_ready(lambda: re.search(pattern, self.log()))
        return re.search(pattern, self.log())[1]
