"""The real programs that the tests start: rbldnsd, unbound and tallyd."""
import os
import re
import signal
import socket
import subprocess

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode

from harness import TALLYD, Program, fresh_address, fresh_port, reversed_name


def query(address, port, name, type="A", tcp=False, edns=None, seconds=20, rdclass="IN", rd=True, options=None):
    """Ask one question: edns is None for none, or the payload size."""
    message = dns.message.make_query(name, type, rdclass)
    if not rd:
        message.flags &= ~dns.flags.RD
    if edns is not None:
        message.use_edns(0, payload=edns, options=options)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(message, address, seconds, port)


def answers(address, port, name, type="A"):
    """What a server that may not be up yet answers, or None. A closed port is noticed at once."""
    message = dns.message.make_query(name, type)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        try:
            sock.connect((address, port))
            sock.send(message.to_wire())
            return dns.message.from_wire(sock.recv(4096))
        except (OSError, dns.exception.DNSException):
            return None


class Rbldnsd(Program):
    """A real rbldnsd. zones: {"zone": {dataset type: lines}}; ttl and negative_ttl are those of its answers."""

    def __init__(self, stage, zones, ttl=300, negative_ttl=60, address=None, port=None):
        self.address = address or fresh_address()
        self.port = port or fresh_port(self.address)
        self.directory = stage.open / stage.name("zones")
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.ttl, self.negative_ttl = ttl, negative_ttl
        specs = []
        for zone, sets in zones.items():
            for kind, lines in sets.items():
                self._write(zone, kind, lines)
                specs.append(f"{zone}:{kind}:{zone}.{kind}")
        argv = ["/usr/sbin/rbldnsd", "-n", "-c", "0", "-b", f"{self.address}/{self.port}", "-w", self.directory, *specs]
        super().__init__(stage.name("rbldnsd"), argv, stage.directory)
        stage.add(self)
        zone = next(iter(zones))
        self.wait_ready(lambda: answers(self.address, self.port, zone, "SOA"))

    @property
    def server(self):
        return f"{self.address}@{self.port}"

    def rewrite(self, zone, kind, lines):
        """Other data for a zone; it is read soon after."""
        self._write(zone, kind, lines)
        self.process.send_signal(signal.SIGHUP)

    def _write(self, zone, kind, lines):
        soa = f"$SOA {self.negative_ttl} ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 {self.negative_ttl}"
        head = [soa, f"$NS 3600 ns.{zone}.", f"$TTL {self.ttl}"]
        text = "\n".join([*head, *lines]) + "\n"
        path = self.directory / f"{zone}.{kind}"
        path.write_text(text)
        path.chmod(0o644)


class Unbound(Program):
    """A real unbound. stubs: {"zone": "address@port"}; more: further lines of the server section."""

    def __init__(self, stage, stubs, more=(), address=None, port=None):
        self.address = address or fresh_address()
        self.port = port or fresh_port(self.address)
        lines = [
            "server:",
            f"interface: {self.address}@{self.port}",
            f"port: {self.port}",
            "access-control: 127.0.0.0/8 allow",
            'chroot: ""',
            'username: ""',
            'pidfile: ""',
            f'directory: "{stage.directory}"',
            "use-syslog: no",
            "do-daemonize: no",
            "do-not-query-localhost: no",
            "module-config: iterator",
            *more,
            "remote-control:",
            "control-enable: no",
        ]
        for zone, server in stubs.items():
            lines += ["stub-zone:", f'name: "{zone}"', f"stub-addr: {server}"]
        name = stage.name("unbound")
        path = stage.directory / f"{name}.conf"
        path.write_text("\n".join(lines) + "\n")
        super().__init__(name, ["/usr/sbin/unbound", "-d", "-c", path], stage.directory)
        stage.add(self)
        self.wait_ready(lambda: answers(self.address, self.port, "localhost"))

    @property
    def server(self):
        return f"{self.address}@{self.port}"


def render_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "{" + ", ".join(render_value(item) for item in value) + "}"


def render(options, lists, zones):
    """The text of a configuration file."""
    lines = [f"{name} = {render_value(value)}" for name, value in options.items()]
    for kind, sections in (("list", lists), ("zone", zones)):
        for title, section in sections.items():
            lines.append(f'{kind} "{title}" {{')
            lines += [f"\t{name} = {render_value(value)}" for name, value in section.items()]
            lines.append("}")
    return "\n".join(lines) + "\n"


def untested(lists, zones):
    """The same lists with test = false, for most lists of our tests have no test points: they would be set aside."""
    sites = [site for zone in zones.values() for site in (zone or {}).get("sites", [])]
    names = {re.split("[=*]", site)[0].lower() for site in sites} - {name.lower() for name in lists} - {"local.trust"}
    return {name: {"test": False, **section} for name, section in (*lists.items(), *((name, {}) for name in names))}


class Tallyd(Program):
    """The daemon under test, on an address of its own, asked through the methods below."""

    def __init__(
        self, stage, zones, lists=None, address=None, port=None, env=None, wait=True, pass_fds=(), wrap=(), includes=(),
        tested=False, **options,
    ):
        self.address = address or fresh_address()
        self.port = port or fresh_port(self.address)
        self.expected_status = 0
        name = stage.name("tallyd")
        self.path = stage.directory / f"{name}.conf"
        self.options = {
            "listen": [f"{self.address}@{self.port}"],
            "state-dir": str(stage.directory / f"{name}.state"),
            "control": str(stage.directory / f"{name}.control"),
            "cache-mib": 4,
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        self.lists, self.zones, self.includes, self.tested = dict(lists or {}), dict(zones), includes, tested
        self.write()
        super().__init__(name, [*wrap, TALLYD, "-c", self.path], stage.directory, env, pass_fds)
        stage.add(self)
        if wait:
            self.wait_ready(self.is_up)

    def is_up(self):
        reply = answers(self.address, self.port, "2.0.0.127." + self.zone)
        return reply is not None and reply.answer

    @property
    def zone(self):
        """The first zone."""
        return next(iter(self.zones))

    @property
    def server(self):
        return f"{self.address}@{self.port}"

    def write(self, text=None):
        """Write the configuration file anew, from the three dictionaries and the includes, or as given."""
        if text is None:
            text = "".join(f'include("{path}")\n' for path in self.includes)
            lists = self.lists if self.tested else untested(self.lists, self.zones)
            text += render(self.options, lists, self.zones)
        partial = self.path.with_suffix(".new")
        partial.write_text(text)
        os.replace(partial, self.path)

    def query(self, name, type="A", **how):
        return query(self.address, self.port, name, type, **how)

    def ask(self, subject, type="A", zone=None, **how):
        """Ask about an address as a mail server would."""
        return self.query(reversed_name(subject, zone or self.zone), type, **how)

    def verdict(self, subject, zone=None, **how):
        """The address answered, "clear", or the name of another response code."""
        return verdict_of(self.ask(subject, zone=zone, **how))

    def log_lines(self, words):
        return [line for line in self.stderr.splitlines() if words in line]

    def reload(self, refused=False):
        """SIGHUP, and wait for the log line that tells the end of it."""
        before = self.log_lines("info: reloaded"), self.log_lines("error: reload refused")
        self.process.send_signal(signal.SIGHUP)

        def ended():
            return before != (self.log_lines("info: reloaded"), self.log_lines("error: reload refused"))

        self.wait_ready(ended)
        assert refused == (before[1] != self.log_lines("error: reload refused")), self.stderr

    def teardown(self):
        status = self.stop()
        assert status == self.expected_status, f"exit status {status}\n{self.stderr}"
        # LMDB may stumble over a damaged file, in the child that reads it
        said = "\n".join(line for line in self.stderr.splitlines() if not line.startswith("mdb.c:"))
        for word in ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer", "Assertion"):
            assert word not in said, self.stderr


def verdict_of(reply):
    """The address answered, "clear", or the name of another response code."""
    if reply.rcode() == dns.rcode.NXDOMAIN:
        assert not reply.answer
        return "clear"
    if reply.rcode() != dns.rcode.NOERROR:
        assert not reply.answer
        return dns.rcode.to_text(reply.rcode())
    texts = [rdata.to_text() for rrset in reply.answer for rdata in rrset]
    assert len(texts) == 1, f"not exactly one record:\n{reply}"
    return texts[0]


def negative_ttl(reply):
    """The TTL of the only SOA record, which is its minimum as well."""
    assert len(reply.authority) == 1 and len(reply.authority[0]) == 1, reply
    soa = reply.authority[0]
    assert soa.ttl == soa[0].minimum, reply
    return soa.ttl


def text_of(reply):
    """The one string of the one TXT record."""
    assert len(reply.answer) == 1 and len(reply.answer[0]) == 1, reply
    strings = reply.answer[0][0].strings
    assert len(strings) == 1, reply
    return strings[0].decode("ascii")


def extended_errors(reply):
    """The info codes of the extended errors (RFC 8914)."""
    return [int(option.code) for option in reply.options if option.otype == dns.edns.EDE]


def run_tallyd(*arguments, env=None, seconds=20):
    """Run tallyd to its end."""
    argv = [str(TALLYD), *(str(argument) for argument in arguments)]
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **(env or {})},
        check=False,
    )


def served_by(server, *names, **options):
    """The list sections for names that one server has."""
    return {name: {"server": [server.server], **options} for name in names}
