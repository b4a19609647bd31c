"""The resolvers of a host, each on 127.0.0.1 port 53 and validating below a signed root that knows no tally.internal."""
import json
import re
import subprocess

from harness import ROOT, Program, reversed_name
from network import ROOTS
from programs import answers, query, verdict_of
from tallyctl import Tallyctl

SNIPPETS = ROOT / "contrib" / "resolvers"
ROOT_SERVERS = [root for root in ROOTS if ":" not in root]
OUTSIDE = "www.example.org"  # the one name that the root has


def snippet(name, without=None, uncomment=None, bare=False, rename=None):
    """A file of contrib/resolvers as shipped, but for what a test changes.

    One statement may be left out or be no comment any more; all of it may be missing; the zone may have another name.
    """
    lines = [] if bare else (SNIPPETS / name).read_text().splitlines()
    if without is not None:
        kept = [line for line in lines if not line.strip().startswith(without)]
        assert len(kept) == len(lines) - 1, f"{name} has not one line of {without}"
        lines = kept
    if uncomment is not None:
        changed = [re.sub(rf"^( *)(?://|#) ({uncomment})", r"\1\2", line) for line in lines]
        assert changed != lines, f"{name} has no comment of {uncomment}"
        lines = changed
    text = lines_of(lines)
    return text if rename is None else text.replace(RootedHost.ZONE, rename)


def lines_of(lines):
    return "".join(line + "\n" for line in lines)


def sign_root(directory):
    """A root zone with its own key: (path of the zone, its DS without the owner, its DNSKEY data)."""
    lines = ["$TTL 86400", "@ SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400"]
    for letter, address in zip("abcdefghijklm", ROOT_SERVERS, strict=False):
        lines += [f"@ NS {letter}.root-servers.net.", f"{letter}.root-servers.net. A {address}"]
    lines.append(f"{OUTSIDE}. A 203.0.113.80")

    def run(*argv):
        return subprocess.run(argv, cwd=directory, check=True, capture_output=True, text=True).stdout

    key = run("dnssec-keygen", "-a", "ECDSAP256SHA256", "-f", "KSK", ".").strip()
    lines.append(f"$INCLUDE {key}.key")
    (directory / "root").write_text("\n".join(lines) + "\n")
    run("dnssec-signzone", "-z", "-o", ".", "-f", "root.signed", "root", key)
    digest = run("dnssec-dsfromkey", "-2", f"{key}.key").split(" DS ")[1].strip()
    dnskey = (directory / f"{key}.key").read_text().strip().split(" DNSKEY ")[1]
    return directory / "root.signed", digest, dnskey


class Named(Program):
    """BIND, with a configuration file."""

    def __init__(self, stage, kind, configuration, ready):
        name = stage.name(kind)
        directory = stage.directory / name
        directory.mkdir()
        path = directory / "named.conf"
        path.write_text(configuration.replace("DIRECTORY", str(directory)))
        super().__init__(name, ["/usr/sbin/named", "-g", "-n", "1", "-c", path], stage.directory)
        stage.add(self)
        self.wait_ready(ready)


class RootedHost:
    """Root servers, one list and tallyd on 127.0.0.2; resolvers come and go on 127.0.0.1."""

    ZONE, BRIEF = "bl.tally.internal", "brief.bl.tally.internal"  # the second: answers for a second
    LISTED, CLEAR, LISTED6, CLEAR6 = "192.0.2.7", "192.0.2.8", "2001:db8::7", "2001:db8::8"

    def __init__(self, network, stage, signed_root):
        self.stage = stage
        self.signed = signed_root
        network.add_addresses(*ROOT_SERVERS)
        configuration = f"""
options {{
    directory "DIRECTORY"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
    listen-on {{ {" ".join(address + ";" for address in ROOT_SERVERS)} }}; listen-on-v6 {{ none; }};
}};
controls {{}};
zone "." {{ type primary; file "{signed_root[0]}"; }};
"""
        self.root = Named(stage, "root", configuration, lambda: answers(ROOT_SERVERS[0], 53, OUTSIDE))
        self.list = stage.rbldnsd({"a.example": {"ip4set": [self.LISTED], "ip6trie": [f"{self.LISTED6}/128"]}})
        self.zones = {
            self.ZONE: {"sites": ["a.example"], "text": "%a is on %l"},
            self.BRIEF: {"like": self.ZONE, "max-ttl": 1, "negative-ttl": 1},
        }
        self.lists = {"a.example": {"server": [self.list.server]}}
        self.tallyd = stage.tallyd(self.zones, self.lists, address="127.0.0.2", port=53, listen=["127.0.0.2"])
        self.tallyctl = Tallyctl(self.tallyd)
        self.resolver = None
        self.postfix = stage.open / "postfix"
        self.postfix.mkdir()
        self.resolv_conf = stage.open / "resolv.conf"
        self.resolv_conf.write_text("nameserver 127.0.0.1\n")

    def resolve(self, kind, **how):
        """Start one of the resolvers below, or start it anew in another way."""
        if self.resolver is not None:
            self.resolver.stop()
        self.resolver = RESOLVERS[kind](self, **how)

    def ask(self, subject, type="A", zone=None, **how):
        return query("127.0.0.1", 53, reversed_name(subject, zone or self.ZONE), type, **how)

    def verdict(self, subject, **how):
        """As a mail server sees it; "nothing" is NOERROR without a record."""
        reply = self.ask(subject, **how)
        return "nothing" if reply.rcode() == 0 and not reply.answer else verdict_of(reply)

    def doctor(self, *words, zone=ZONE, status=None, seconds=60):
        """tallyctl doctor: its JSON document, or with words its exit status, output and errors."""
        script = 'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /var/spool/postfix && shift && exec "$@"'
        argv = ["unshare", "-m", "sh", "-c", script, self.resolv_conf, self.postfix, *self.tallyctl.argv()]
        argv += ["--json", "doctor"] if not words else words
        argv += ["--zone", zone] if zone is not None else []
        done = subprocess.run(
            [str(word) for word in argv], capture_output=True, text=True, timeout=seconds, check=False
        )
        if words:
            return done
        assert done.stderr == "", done
        seen = json.loads(done.stdout)
        assert done.returncode == (0 if seen["well"] else 1), done
        assert seen["well"] == all(finding["level"] != "problem" for finding in seen["findings"])
        return seen


# Each of these starts one resolver on 127.0.0.1. It validates below our root, and has the snippets of
# contrib/resolvers, `more` for what the operator has set besides, and `cure`, further lines that should help.


def unbound(host, file="unbound-forward.conf", more="", cure=(), **changes):
    directory = host.stage.directory / host.stage.name("unbound")
    directory.mkdir()
    path = directory / "unbound.conf"
    path.write_text(
        f"""
server:
    interface: 127.0.0.1
    chroot: ""
    username: ""
    pidfile: ""
    directory: "{directory}"
    use-syslog: no
    do-daemonize: no
    do-ip6: no
    trust-anchor: ". DS {host.signed[1]}"
    {more}
{snippet(file, **changes)}
{lines_of(cure)}
remote-control:
    control-enable: no
"""
    )
    return start(host, "unbound", ["/usr/sbin/unbound", "-d", "-c", path])


def bind(host, more="", cure=(), **changes):
    inside = [line[len("options {") : -len("};")] for line in cure if line.startswith("options {")]
    outside = [line for line in cure if not line.startswith("options {")]
    if inside and inside[0].split()[0] in more:
        more = ""  # a statement stands once, so this one takes its place
    head, _, digest = host.signed[1].rpartition(" ")
    configuration = f"""
options {{
    directory "DIRECTORY"; pid-file none; session-keyfile none; dnssec-validation yes;
    listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    {more}
    {snippet("bind-options.conf", **changes)}
    {lines_of(inside)}
}};
controls {{}};
trust-anchors {{ "." static-ds {head} "{digest}"; }};
{snippet("bind-zone.conf", bare=changes.get("bare", False))}
{lines_of(outside)}
"""
    return Named(host.stage, "named", configuration, lambda: answers("127.0.0.1", 53, "localhost"))


def dnsmasq(host, more="", cure=(), **changes):
    path = host.stage.directory / host.stage.name("dnsmasq.conf")
    base = "no-resolv\nno-hosts\nlisten-address=127.0.0.1\nuser=root\npid-file=\n"
    path.write_text(base + more + "\n" + snippet("dnsmasq.conf", **changes) + lines_of(cure))
    return start(host, "dnsmasq", ["/usr/sbin/dnsmasq", "-k", "-C", path, "--log-facility=-"])


def pdns(host, more="", cure=(), **changes):
    directory = host.stage.directory / host.stage.name("pdns")
    (directory / "recursor.d").mkdir(parents=True)
    zone = snippet("pdns-recursor.conf", bare=changes.get("bare", False))
    settings = [line for line in cure if not line.startswith("addNTA")]
    (directory / "recursor.d" / "tally.conf").write_text(zone + lines_of(settings))
    lua = f'clearTA(".")\naddTA(".", "{host.signed[1]}")\n' + snippet("pdns-recursor.lua", **changes)
    (directory / "recursor.lua").write_text(lua + lines_of(line for line in cure if line.startswith("addNTA")))
    (directory / "recursor.conf").write_text(
        f"""
local-address=127.0.0.1
include-dir={directory}/recursor.d
lua-config-file={directory}/recursor.lua
hint-file=/usr/share/dns/root.hints
security-poll-suffix=
socket-dir={directory}
threads=1
{more}
"""
    )
    argv = ["/usr/sbin/pdns_recursor", f"--config-dir={directory}", "--daemon=no", "--write-pid=no"]
    return start(host, "pdns", argv)


def knot(host, more="", cure=(), **changes):
    directory = host.stage.directory / host.stage.name("kresd")
    directory.mkdir()
    lines = [
        "net.ipv6 = false",
        "net.listen('127.0.0.1', 53)",
        "cache.open(1 * MB, 'lmdb://cache')",
        "trust_anchors.remove('.')",
        f"trust_anchors.add('. 3600 IN DS {host.signed[1]}')",
        *cure,
        more,
        snippet("knot-resolver.conf", **changes),
    ]
    (directory / "kresd.conf").write_text(lines_of(lines))
    return start(host, "kresd", ["/usr/sbin/kresd", "-n", "-c", "kresd.conf", directory])


def start(host, kind, argv):
    program = host.stage.add(Program(host.stage.name(kind), argv, host.stage.directory))
    program.wait_ready(lambda: answers("127.0.0.1", 53, "localhost"))
    return program


RESOLVERS = {"unbound": unbound, "bind": bind, "dnsmasq": dnsmasq, "pdns": pdns, "knot": knot}
