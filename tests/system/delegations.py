"""Lists below a root and a top level domain, each a zone of its own behind a delegation; and how many questions each server gets."""
import collections
import contextlib
import socket
import struct
import threading

from internet import TOP, Nsd
from network import ROOTS
from programs import Rbldnsd

ALL, OUTGOING, SO_RCVBUFFORCE = 3, 4, 33
LEAF = [f"192.0.2.{n}" for n in range(20, 36)]  # two servers for each list


class Wire:
    """Counts the questions over UDP on the loopback of this network, by the address that they go to."""

    def __init__(self):
        self.name = "wire"
        self.questions = collections.Counter()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.settimeout(0.05)
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending.is_set():
            with contextlib.suppress(TimeoutError):
                packet, (_, _, kind, _, _) = self.socket.recvfrom(64)
                if kind != OUTGOING:  # on the loopback a packet is seen going and coming
                    self._count(packet)

    def _count(self, packet):
        if packet[0] >> 4 == 6:
            protocol, udp, family, server = packet[6], 40, socket.AF_INET6, packet[24:40]
        else:
            protocol, udp, family, server = packet[9], 4 * (packet[0] & 15), socket.AF_INET, packet[16:20]
        if protocol == socket.IPPROTO_UDP and struct.unpack("!H", packet[udp + 2 : udp + 4])[0] == 53:
            self.questions[socket.inet_ntop(family, server)] += 1

    def teardown(self):
        self.ending.set()
        self.thread.join()
        self.socket.close()

    def log(self):
        return f"--- {self.name}: {dict(self.questions)} ---"


class Delegated:
    """Lists in zones like l0.example, of two servers each: rbldnsd, below NSD for the root and for the top level.

    zones: as for Rbldnsd. ttl: of the delegations and of the addresses that come along.
    """

    def __init__(self, stage, network, zones, ttl=86400, list_ttl=3600):
        network.add_addresses(*ROOTS, TOP, *LEAF[: 2 * len(zones)])
        self.pids = []
        self._name_servers(stage, {".": self._root(), "example": self._top(zones, ttl)})
        for n, (zone, sets) in enumerate(zones.items()):
            for address in LEAF[2 * n : 2 * n + 2]:
                self.pids.append(Rbldnsd(stage, {zone: sets}, ttl=list_ttl, negative_ttl=list_ttl, address=address, port=53).pid)
        self.wire = stage.add(Wire())

    @staticmethod
    def _root():
        text = ". 86400 IN SOA a.root-servers.net. hostmaster.example. 1 3600 600 86400 300\n"
        for letter, address in zip("abcdefghijklm", ROOTS[:13], strict=True):
            text += f". 518400 IN NS {letter}.root-servers.net.\n{letter}.root-servers.net. 518400 IN A {address}\n"
        return text + f"example. 86400 IN NS ns.nic.example.\nns.nic.example. 86400 IN A {TOP}\n"

    @staticmethod
    def _top(zones, ttl):
        text = f"@ 3600 IN SOA ns.nic hostmaster.nic 1 3600 600 86400 300\n@ 3600 IN NS ns.nic\nns.nic 3600 IN A {TOP}\n"
        for n, zone in enumerate(zones):
            label = zone.removesuffix(".example")
            for k in (0, 1):
                text += f"{label} {ttl} IN NS ns{k}.{label}\nns{k}.{label} {ttl} IN A {LEAF[2 * n + k]}\n"
        return text

    @staticmethod
    def _name_servers(stage, zones):
        for (zone, text), addresses in zip(zones.items(), (ROOTS, [TOP]), strict=True):
            path = stage.open / f"{zone.strip('.') or 'root'}.zone"
            path.write_text(text)
            Nsd(stage, {zone: path}, addresses)

    def asked(self):
        """Questions so far: at the root, at the top level, at the lists."""
        seen = self.wire.questions.copy()
        return sum(seen[address] for address in ROOTS), seen[TOP], sum(seen[address] for address in LEAF)
