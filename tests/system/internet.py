"""A small Internet with DNSSEC from the root down: real keys, dnssec-signzone, and NSD on the addresses of the root servers."""
import contextlib
import hashlib
import os
import subprocess
from pathlib import Path

from harness import Program
from network import ROOTS
from programs import answers

TOP, LEAF, MAIL, SINK = "192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.40"
SOA = "@ 3600 IN SOA ns hostmaster 1 3600 600 86400 300\n@ 3600 IN NS ns\n"

ROOT_ZONE = """
. 86400 IN SOA a.root-servers.net. hostmaster.example. 1 3600 600 86400 300
. 86400 IN NS a.root-servers.net.
a.root-servers.net. 86400 IN A 198.41.0.4
example. 86400 IN NS ns.nic.example.
ns.nic.example. 86400 IN A {TOP}
"""
TOP_ZONE = """
@ 3600 IN SOA ns.nic hostmaster.nic 1 3600 600 86400 300
@ 3600 IN NS ns.nic
ns.nic 3600 IN A {TOP}
secure 3600 IN NS ns.secure
ns.secure 3600 IN A {LEAF}
tampered 3600 IN NS ns.secure
plain 3600 IN NS ns.secure
mail 3600 IN NS ns.secure
host 3600 IN NS ns.host
ns.host 3600 IN A 127.0.0.2
"""
SECURE_ZONE = """
@ 3600 IN MX 10 mx.Mail.example.
@ 3600 IN TXT "v=spf1 -all"
ns 3600 IN A {LEAF}
www 3600 IN A 192.0.2.80
www 3600 IN A 192.0.2.81
www 3600 IN AAAA 2001:db8::80
only6 3600 IN AAAA 2001:db8::6
alias 3600 IN CNAME www
chain 3600 IN CNAME alias
away 3600 IN CNAME www.plain
dangling 3600 IN CNAME nobody
outside 3600 IN CNAME www.plain.example.
loop 3600 IN CNAME loop2
loop2 3600 IN CNAME loop
sub 3600 IN DNAME plain.example.
*.wild 3600 IN A 192.0.2.90
a.deep.ent 3600 IN A 192.0.2.91
_sip._udp 3600 IN SRV 1 2 5060 www
web 3600 IN HTTPS 1 . alpn=h2
naptr 3600 IN NAPTR 1 1 "U" "E2U+sip" "!^.*$!sip:x@example!" .
strange 3600 IN TYPE65400 \\# 4 00c00c01
a\\.b 3600 IN A 192.0.2.92
\\000\\255 3600 IN A 192.0.2.93
short 2 IN A 192.0.2.94
big 3600 IN TXT {BIG}
huge 3600 IN TXT {HUGE}
"""
PLAIN_ZONE = """
@ 3600 IN MX 10 mx
mx 3600 IN A {MAIL}
ns 3600 IN A {LEAF}
www 3600 IN A 192.0.2.70
big 3600 IN TXT {BIG}
"""
MAIL_ZONE = """
@ 3600 IN MX 10 mx
ns 3600 IN A {LEAF}
mx 3600 IN A {MAIL}
_25._tcp.mx 3600 IN TLSA 3 1 1 {TLSA}
forged 3600 IN MX 10 mx.forged
mx.forged 3600 IN A {MAIL}
_25._tcp.mx.forged 3600 IN TLSA 3 1 1 {WRONG}
"""
TAMPERED_ZONE = """
@ 3600 IN MX 10 www
ns 3600 IN A {LEAF}
www 3600 IN A 192.0.2.60
fine 3600 IN A 192.0.2.62
"""


def mail_server_key(directory):
    """A file with a key and a certificate for mx.mail.example, and the SHA-256 of its public key for a TLSA record 3 1 1."""
    path = directory / "mx.pem"
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    subprocess.run([*run, "-subj", "/CN=mx.mail.example", "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    with path.open("a", encoding="ascii") as file:
        file.write((directory / "mx.pem.crt").read_text())
    return path, hashlib.sha256(public).hexdigest()


def strings(letters, length):
    return " ".join(f'"{letter * length}"' for letter in letters)


def descendants(pid):
    """All processes below this one."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return children + [below for child in children for below in descendants(child)]


class Nsd(Program):
    """NSD for some zones on some addresses, port 53. zones: {"name": path}."""

    def __init__(self, stage, zones, addresses):
        name = stage.name("nsd")
        lines = ["server:", 'username: ""', 'database: ""', f'zonesdir: "{stage.directory}"', f'pidfile: "{stage.directory}/{name}.pid"']
        lines += [f'xfrdfile: "{stage.directory}/{name}.xfrd"', f'zonelistfile: "{stage.directory}/{name}.list"', f'xfrdir: "{stage.directory}"']
        lines += ["server-count: 1", "rrl-ratelimit: 0", "rrl-whitelist-ratelimit: 0", "port: 53", *(f"ip-address: {a}" for a in addresses)]
        lines += ["remote-control:", "control-enable: no"]
        for zone, path in zones.items():
            lines += ["zone:", f'name: "{zone}"', f'zonefile: "{path}"']
        path = stage.directory / f"{name}.conf"
        path.write_text("\n".join(lines) + "\n")
        super().__init__(name, ["/usr/sbin/nsd", "-d", "-c", path], stage.directory)
        stage.add(self)
        self.wait_ready(lambda: answers(addresses[0], 53, next(iter(zones)), "SOA"))

    def teardown(self):
        """Those below it end a little later than it does, as children of ours."""
        below = descendants(self.pid)
        self.stop()
        for pid in below:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


class Internet:
    """Signs the zones and serves them. `anchor` is a file with the key of the root; tlsa: the key of the mail server."""

    def __init__(self, stage, network, tlsa):
        self.directory = stage.directory / stage.name("internet")
        self.directory.mkdir()
        network.add_addresses(*ROOTS, TOP, LEAF, MAIL, SINK)
        fill = {"BIG": strings("abcdefgh", 250), "HUGE": strings("klmnopqr" * 20, 255)}
        fill |= {"TOP": TOP, "LEAF": LEAF, "MAIL": MAIL, "TLSA": tlsa, "WRONG": "00" * 32}
        leaves = {"secure.example": SECURE_ZONE, "tampered.example": TAMPERED_ZONE, "mail.example": MAIL_ZONE}
        delegations = ""
        served = {"plain.example": self.write("plain.example", SOA + PLAIN_ZONE.format(**fill))}
        for zone, text in leaves.items():
            served[zone] = self.sign(zone, SOA + text.format(**fill))
            delegations += self.delegation(zone)
        tampered = served["tampered.example"]
        tampered.write_text(tampered.read_text().replace("192.0.2.60", "192.0.2.61"))
        top = self.sign("example", TOP_ZONE.format(**fill) + delegations)
        root = self.sign(".", ROOT_ZONE.format(**fill) + self.delegation("example"))
        key = next(self.directory.glob("K.+*.key")).read_text().splitlines()
        self.anchor = stage.open / "root.key"
        self.anchor.write_text("\n".join(line for line in key if not line.startswith(";")) + "\n")
        self.anchor.chmod(0o644)
        for zones, addresses in (({".": root}, ROOTS), ({"example": top}, [TOP]), (served, [LEAF])):
            Nsd(stage, zones, addresses)

    def run(self, *argv):
        subprocess.run([str(word) for word in argv], cwd=self.directory, check=True, capture_output=True)

    def write(self, zone, text):
        path = self.directory / f"{zone.rstrip('.') or 'root'}.zone"
        path.write_text(text)
        return path

    def sign(self, zone, text):
        plain = self.write(zone, text)
        signed = plain.with_suffix(".signed")
        self.run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", zone)
        self.run("dnssec-signzone", "-S", "-z", "-P", "-O", "full", "-o", zone, "-f", signed, plain)
        return signed

    def delegation(self, zone):
        return (self.directory / f"dsset-{zone}.").read_text()
