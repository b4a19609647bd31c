"""Real programs ask: rblsmtpd, Postfix and a strict resolver, with tallyd on port 53 of a private network."""
import os
import signal
import smtplib
import subprocess
import sys

import pytest

import upstream as up
from harness import Program, reversed_name
from network import with_resolv_conf
from programs import query, served_by, text_of, verdict_of

LISTED, CLEAR, OPEN, LISTED6 = "198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::7"
TEXT = "%a is bad, see https://www.example.org/?ip=%a"
DIALOG = "EHLO client.example\r\nMAIL FROM:<a@from.example>\r\nRCPT TO:<u@to.example>\r\nQUIT\r\n"


@pytest.fixture
def world(network, stage):
    """One list that lists two addresses and fails for one, and three zones with other opinions of failure."""
    server = stage.upstream({"a.example": up.nxdomain(), "wl.example": up.nxdomain()})
    for subject in (LISTED, LISTED6):
        server.behave(reversed_name(subject, "a.example"), up.listed("127.0.0.4"))
    server.behave(reversed_name(OPEN, "a.example"), up.servfail())
    server.behave(reversed_name(LISTED, "wl.example"), up.listed("127.0.5.2"))
    zones = {
        "bl.tally.example": {"sites": ["a.example"], "text": TEXT},
        "defer.tally.example": {"like": "bl.tally.example", "on-failure": "defer"},
        "coded.tally.example": {"like": "bl.tally.example", "on-failure": "127.0.0.3"},
        "wl.tally.example": {"kind": "allow", "sites": ["wl.example"]},
    }
    tallyd = stage.tallyd(zones, served_by(server, "a.example", "wl.example"), address="127.0.0.2", port=53, listen=["127.0.0.2"])
    resolv_conf = stage.open / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.2\noptions timeout:5 attempts:2\n")
    resolv_conf.chmod(0o644)
    tallyd.resolv_conf = resolv_conf
    return tallyd


def rblsmtpd(world, subject, *options, cache_address="127.0.0.2"):
    """The SMTP side of rblsmtpd for a client with this address."""
    environment = {**os.environ, "TCPREMOTEIP": subject}
    if cache_address is not None:
        environment["DNSCACHEIP"] = cache_address
    argv = with_resolv_conf(world.resolv_conf, ["rblsmtpd", *options, "echo", "220 the next program"])
    done = subprocess.run(argv, input=DIALOG, capture_output=True, text=True, timeout=60, env=environment, check=False)
    return done.stdout


@pytest.mark.parametrize("cache_address", ["127.0.0.2", None], ids=["DNSCACHEIP", "resolv.conf"])
def test_rblsmtpd_refuses_a_listed_client_with_our_text(world, cache_address):
    told = f"{LISTED} is bad, see https://www.example.org/?ip={LISTED}"
    assert f"553 {told}\n" in rblsmtpd(world, LISTED, "-b", "-r", "bl.tally.example", cache_address=cache_address)
    assert f"451 {told}\n" in rblsmtpd(world, LISTED, "-r", "bl.tally.example", cache_address=cache_address)


def test_rblsmtpd_lets_a_clear_client_pass(world):
    for options in (["-b"], ["-c"], ["-b", "-c"]):
        assert rblsmtpd(world, CLEAR, *options, "-r", "bl.tally.example") == "220 the next program\n"


def test_rblsmtpd_accepts_whom_an_allow_zone_has(world):
    assert rblsmtpd(world, LISTED, "-b", "-a", "wl.tally.example", "-r", "bl.tally.example") == "220 the next program\n"
    assert "451 " in rblsmtpd(world, "127.0.0.2", "-r", "bl.tally.example")


def test_rblsmtpd_that_fails_closed_gives_451_when_the_verdict_is_deferred(world):
    assert "451 temporary RBL lookup error" in rblsmtpd(world, OPEN, "-c", "-r", "defer.tally.example")


def test_rblsmtpd_passes_at_once_where_the_zone_passes_on_failure(world):
    assert rblsmtpd(world, OPEN, "-c", "-r", "bl.tally.example") == "220 the next program\n"


def test_rblsmtpd_with_names_that_are_no_addresses_passes(world):
    for subject in ("2001:db8::2", "::ffff:192.0.2.2", "0", "unknown"):
        assert rblsmtpd(world, subject, "-c", "-r", "bl.tally.example") == "220 the next program\n"


MAIN_CF = """
compatibility_level = 3.6
queue_directory = {path}/spool
data_directory = {path}/data
maillog_file = {path}/maillog
maillog_file_prefixes = {path}
myhostname = mx.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks =
inet_protocols = all
relay_domains = to.example
relay_transport = discard
default_transport = discard
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
max_use = 1
rbl_reply_maps = texthash:{path}/etc/replies
postscreen_access_list =
postscreen_cache_map =
postscreen_greet_wait = 1s
postscreen_dnsbl_action = enforce
postscreen_dnsbl_sites = bl.tally.example=127.0.0.2
"""
SERVICES = {
    2525: "reject_rbl_client bl.tally.example=127.0.0.[2..11]",
    2526: "permit_dnswl_client wl.tally.example=127.0.0.2,reject_rbl_client bl.tally.example",
    2527: "reject_rbl_client defer.tally.example",
    2528: "reject_rbl_client coded.tally.example=127.0.0.2,reject_rbl_client coded.tally.example=127.0.0.3",
}
MASTER_CF = """
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
dnsblog   unix - - n - 0 dnsblog
tlsproxy  unix - - n - 0 tlsproxy
smtpd     pass - - n - - smtpd
127.0.0.1:2530 inet n - n - 1 postscreen
    -o postscreen_upstream_proxy_protocol=haproxy
"""


class Postfix(Program):
    """A Postfix instance of its own, that asks whom resolv.conf names."""

    def __init__(self, world, stage):
        path = self.path = stage.open / "postfix"
        for name in ("etc", "spool", "data"):
            (path / name).mkdir(parents=True)
            (path / name).chmod(0o755)
        path.chmod(0o755)
        subprocess.run(["chown", "postfix", path / "data"], check=True)
        master = MASTER_CF
        for port, restrictions in SERVICES.items():
            master += f"127.0.0.1:{port} inet n - n - - smtpd\n    -o {{ smtpd_recipient_restrictions = {restrictions} }}\n"
        (path / "etc/main.cf").write_text(MAIN_CF.format(path=path))
        (path / "etc/master.cf").write_text(master)
        (path / "etc/replies").write_text("coded.tally.example=127.0.0.3 450 4.7.1 try again later; $rbl_reason\n")
        argv = with_resolv_conf(world.resolv_conf, ["postfix", "-c", path / "etc", "start-fg"])
        super().__init__("postfix", argv, stage.directory)
        stage.add(self)
        self.wait_ready(lambda: self.listens(2530) and all(self.listens(port) for port in SERVICES))

    @staticmethod
    def listens(port):
        with open("/proc/thread-self/net/tcp") as table:
            return any(f":{port:04X} 00000000:0000 0A" in line for line in table)

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


@pytest.fixture
def postfix(world, stage):
    return Postfix(world, stage)


def recipient_reply(port, subject, source="127.0.0.1"):
    """What a client with this address is told at RCPT: one that Postfix is told of, or the source of the connection."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=60, source_address=(source, 0)) as smtp:
        smtp.ehlo()
        if subject is not None:
            address = f"IPV6:{subject}" if ":" in subject else subject
            code, text = smtp.docmd("XCLIENT", f"NAME=[UNAVAILABLE] ADDR={address}")
            assert code == 220, text
            smtp.ehlo()
        smtp.mail("a@from.example")
        code, text = smtp.rcpt("u@to.example")
    return code, text.decode()


def test_postfix_smtpd_refuses_listed_clients_with_our_text_and_takes_the_others(postfix):
    for subject in (LISTED, LISTED6):
        code, text = recipient_reply(2525, subject)
        assert code == 554
        host = f"Client host [{subject}] blocked using bl.tally.example"
        assert host in text and f"{subject} is bad, see https://www.example.org/?ip={subject}" in text
    for subject in (CLEAR, OPEN, "2001:db8::8", "192.168.1.1", "127.0.0.1"):
        assert recipient_reply(2525, subject)[0] == 250, subject
    code, text = recipient_reply(2525, None, source="127.0.0.2")
    assert code == 554 and "127.0.0.2 is bad" in text, "a real connection from the test point"


def test_postfix_smtpd_with_an_allow_zone_a_deferral_and_an_outage_code(postfix):
    assert recipient_reply(2526, LISTED)[0] == 250, "permit_dnswl_client goes first"
    assert recipient_reply(2526, LISTED6)[0] == 554
    assert recipient_reply(2527, LISTED)[0] == 554
    assert recipient_reply(2527, OPEN)[0] == 250, "SERVFAIL passes"
    assert recipient_reply(2528, LISTED)[0] == 554
    code, text = recipient_reply(2528, OPEN)
    assert code == 450 and "cannot be checked now" in text
    assert recipient_reply(2528, CLEAR)[0] == 250


def postscreen_reply(subject):
    """What postscreen tells a client with this address at RCPT."""
    with smtplib.SMTP(timeout=60, local_hostname="client.example") as smtp:
        smtp.sock = smtp._get_socket("127.0.0.1", 2530, 60)
        family = 6 if ":" in subject else 4
        smtp.sock.sendall(f"PROXY TCP{family} {subject} {'::1' if family == 6 else '127.0.0.1'} 4711 25\r\n".encode())
        code, _ = smtp.getreply()
        assert code == 220
        smtp.ehlo()
        smtp.mail("a@from.example")
        code, text = smtp.rcpt("u@to.example")
    return code, text.decode()


def test_postfix_postscreen_refuses_listed_clients_and_passes_on_the_others(postfix):
    code, text = postscreen_reply(LISTED)
    assert code == 550 and "blocked using bl.tally.example" in text
    assert postscreen_reply(CLEAR)[0] == 250


def test_a_resolver_that_asks_no_more_of_a_name_than_it_needs_finds_the_listing(world, stage):
    """With strict query name minimisation one NXDOMAIN on the way would turn listed into clear."""
    more = ["qname-minimisation: yes", "qname-minimisation-strict: yes", 'domain-insecure: "tally.example"']
    resolver = stage.unbound({"bl.tally.example": "127.0.0.2@53"}, more=more, address="127.0.0.9", port=53)
    for subject in (CLEAR, LISTED, LISTED6, "2001:db8::9"):
        reply = query(resolver.address, 53, reversed_name(subject, "bl.tally.example"))
        assert verdict_of(reply) == ("127.0.0.2" if subject in (LISTED, LISTED6) else "clear"), subject
    assert LISTED in text_of(query(resolver.address, 53, reversed_name(LISTED, "bl.tally.example"), "TXT"))


def test_the_c_library_with_two_servers_goes_on_to_the_second_for_other_names(world, stage):
    """The resolv.conf of the manual: ours first, the usual resolver second."""
    second = stage.upstream({"www.example.org": up.listed("203.0.113.80")}, addresses=["127.0.0.9"], port=53)
    world.resolv_conf.write_text("nameserver 127.0.0.2\nnameserver 127.0.0.9\noptions timeout:5\n")

    def addresses(name):
        script = "import socket, sys; print(*socket.gethostbyname_ex(sys.argv[1])[2])"
        argv = with_resolv_conf(world.resolv_conf, [sys.executable, "-c", script, name])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return set(done.stdout.split())

    assert addresses("www.example.org") == {"203.0.113.80"}
    assert addresses(reversed_name(LISTED, "bl.tally.example")) == {"127.0.0.2"}
    assert addresses(reversed_name(CLEAR, "bl.tally.example")) == set()
    assert not [name for _, name, _, _ in second.asked if "tally" in name]
