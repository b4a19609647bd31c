"""A hand-made DNS server that behaves as badly as a test wants.

A behaviour is a function of Asked: it returns the reply (a dns.message.Message or raw bytes), None for silence, CLOSE to
close a TCP connection, or Later(seconds, behaviour).
"""
import collections
import heapq
import itertools
import random
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from harness import fresh_address, fresh_port

CLOSE = object()
SO_RCVBUFFORCE = 33


@dataclass
class Later:
    seconds: float
    then: object


@dataclass
class Asked:
    message: dns.message.Message
    zone: str
    tcp: bool

    @property
    def name(self):
        return self.message.question[0].name

    @property
    def type(self):
        return dns.rdatatype.to_text(self.message.question[0].rdtype)

    def reply(self, rcode=dns.rcode.NOERROR):
        reply = dns.message.make_response(self.message)
        reply.flags |= dns.flags.AA
        reply.set_rcode(rcode)
        return reply

    def soa(self, ttl, minimum):
        below = self.zone or "root-servers.net"
        text = f"ns.{below}. hostmaster.{below}. 1 3600 600 86400 {minimum}"
        return dns.rrset.from_text(self.zone + ".", ttl, "IN", "SOA", text)


def silent():
    return lambda asked: None


def slow(seconds, then):
    return lambda asked: Later(seconds, then)


def in_turn(*behaviours):
    """One behaviour after the other, a question each, and again from the first."""
    turn = itertools.cycle(behaviours)
    return lambda asked: next(turn)(asked)


def lossy(share, then, seed=1):
    """Loses this share of the packets, always the same ones."""
    chance = random.Random(seed)
    return lambda asked: None if chance.random() < share else then(asked)


def only_rcode(text):
    return lambda asked: asked.reply(dns.rcode.from_text(text))


def servfail():
    return only_rcode("SERVFAIL")


def refused():
    return only_rcode("REFUSED")


def nxdomain_bare():
    return only_rcode("NXDOMAIN")


def nxdomain(ttl=300, minimum=None):
    def behave(asked):
        reply = asked.reply(dns.rcode.NXDOMAIN)
        reply.authority.append(asked.soa(ttl, ttl if minimum is None else minimum))
        return reply

    return behave


def nodata(ttl=300, minimum=None):
    def behave(asked):
        reply = asked.reply()
        reply.authority.append(asked.soa(ttl, ttl if minimum is None else minimum))
        return reply

    return behave


def _address_records(name, ttl, rdatas):
    """A records of any content, also of the wrong length."""
    rrset = dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.A)
    for rdata in rdatas:
        rrset.add(dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.A, rdata), ttl)
    return rrset


def listed(*addresses, ttl=300):
    return raw_addresses(*(socket.inet_aton(address) for address in addresses), ttl=ttl)


def raw_addresses(*rdatas, ttl=300):
    def behave(asked):
        if asked.type != "A":
            return nodata()(asked)
        reply = asked.reply()
        reply.answer.append(_address_records(asked.name, ttl, rdatas))
        return reply

    return behave


def alias(*addresses, cname_ttl=300, ttl=300, hops=1):
    """A chain of CNAMEs within the zone, and A records at its end; without addresses the end does not exist."""

    def behave(asked):
        reply = asked.reply()
        name = asked.name
        first = name.labels[0].decode().lower()
        done = int(first[6:]) + 1 if first.startswith("target") else 0
        for hop in range(done, hops):
            target = dns.name.from_text(f"target{hop}.{asked.zone}.")
            reply.answer.append(dns.rrset.from_text(name, cname_ttl, "IN", "CNAME", str(target)))
            name = target
        if addresses:
            reply.answer.append(_address_records(name, ttl, [socket.inet_aton(a) for a in addresses]))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            reply.authority.append(asked.soa(ttl, ttl))
        return reply

    return behave


def moved(*addresses, ttl=300):
    """A DNAME: every name of the zone is below "moved" in it, and listed there."""

    def behave(asked):
        below = dns.name.from_text(f"moved.{asked.zone}.")
        if asked.name.is_subdomain(below):
            return listed(*addresses, ttl=ttl)(asked)
        owner = dns.name.Name(asked.name.labels[1:])
        target = dns.name.Name(asked.name.labels[:1]).concatenate(below)
        reply = asked.reply()
        reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", "DNAME", str(below)))
        reply.answer.append(dns.rrset.from_text(asked.name, ttl, "IN", "CNAME", str(target)))
        return reply

    return behave


def without_edns(then):
    """A server from before RFC 6891: FORMERR for whoever speaks EDNS."""

    def behave(asked):
        if asked.message.edns < 0:
            return then(asked)
        reply = asked.reply(dns.rcode.FORMERR)
        reply.use_edns(False)
        return reply

    return behave


def truncated(then):
    """TC over UDP; over TCP what `then` says."""

    def behave(asked):
        if asked.tcp:
            return then(asked)
        reply = asked.reply()
        reply.flags |= dns.flags.TC
        return reply

    return behave


def closing():
    return lambda asked: CLOSE


def unrelated():
    """A code, but for a name that nobody asked about."""
    return lambda asked: records((f"1.1.1.1.{asked.zone}.", 300, "A", "127.0.0.2"))(asked)


def poisoned(name):
    """Not listed, and a code for a name of another list on top of it."""

    def behave(asked):
        reply = nxdomain()(asked)
        reply.additional.append(dns.rrset.from_text(name + ".", 300, "IN", "A", "127.0.0.2"))
        return reply

    return behave


def twice(then):
    """The same record over and over in one reply."""

    def behave(asked):
        reply = then(asked)
        wire = bytearray(reply.to_wire())
        (record,) = [reply.answer[0].to_rdataset()]
        one = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 4) + record[0].to_wire()
        head, opt = wire[: wire.index(one)], wire[wire.index(one) + len(one) :]
        head[6:8] = struct.pack("!H", 20)
        return bytes(head) + one * 20 + bytes(opt)

    return behave


def pointer_loop():
    """An answer whose owner is a compression pointer to itself."""

    def behave(asked):
        wire = bytearray(asked.reply().to_wire())
        wire[6:8] = struct.pack("!H", 1)
        end = 12 + len(asked.name.to_wire()) + 4
        record = struct.pack("!H", 0xC000 | end) + struct.pack("!HHIH", 1, 1, 300, 4) + b"\x7f\0\0\2"
        return bytes(wire[:end]) + record + bytes(wire[end:])

    return behave


def cut(then, by=7):
    """The packet ends too early."""
    return lambda asked: then(asked).to_wire()[:-by]


def upward_referral():
    """Lame: it sends us to the root."""

    def behave(asked):
        reply = asked.reply()
        reply.flags &= ~dns.flags.AA
        reply.authority.append(dns.rrset.from_text(".", 3600, "IN", "NS", "a.root-servers.net."))
        return reply

    return behave


def other_spelling(then):
    """The question comes back in capitals."""

    def behave(asked):
        wire = bytearray(then(asked).to_wire())
        end = 12 + len(asked.name.to_wire())
        wire[12:end] = bytes(wire[12:end]).upper()
        return bytes(wire)

    return behave


def wrong_question():
    def behave(asked):
        other = dns.message.make_query("1.2.0.192.elsewhere.example.", "A")
        other.id = asked.message.id
        reply = dns.message.make_response(other)
        reply.answer.append(dns.rrset.from_text(other.question[0].name, 300, "IN", "A", "127.0.0.2"))
        return reply

    return behave


def wrong_id(then):
    def behave(asked):
        reply = then(asked)
        reply.id = (reply.id + 1) & 0xFFFF
        return reply

    return behave


def garbage(after_id=b"\xff" * 40):
    return lambda asked: struct.pack("!H", asked.message.id) + after_id


def referral(zone, servers, ttl=3600):
    """A delegation of zone: servers is {name: address}."""

    def behave(asked):
        reply = asked.reply()
        reply.flags &= ~dns.flags.AA
        names = [name + "." for name in servers]
        reply.authority.append(dns.rrset.from_text(zone + ".", ttl, "IN", "NS", *names))
        for name, address in servers.items():
            kind = "AAAA" if ":" in address else "A"
            reply.additional.append(dns.rrset.from_text(name + ".", ttl, "IN", kind, address))
        return reply

    return behave


def records(*rrsets):
    """A fixed answer section, from (name, ttl, type, text...) tuples."""

    def behave(asked):
        reply = asked.reply()
        for name, ttl, kind, *texts in rrsets:
            reply.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, *texts))
        return reply

    return behave


class Upstream:
    """One server for any number of zones. `zones` maps a zone, or a single name in one, to a behaviour.

    "." is the name of the root alone, "" everything that no other zone holds.
    """

    def __init__(self, zones, addresses=None, port=None, name="upstream"):
        self.name = name
        self.zones = dict(zones)
        self.addresses = addresses or [fresh_address()]
        self.port = port or fresh_port(self.addresses[0])
        self.counts = collections.Counter()
        self.asked = []
        self.lock = threading.Lock()
        self.failures = []
        self.thread = None
        self.start()

    @property
    def server(self):
        """As the `server` and `forward` options want it."""
        return f"{self.addresses[0]}@{self.port}"

    def start(self):
        self.selector = selectors.DefaultSelector()
        self.later = []
        self.tie = itertools.count()
        self.wake_in, self.wake_out = socket.socketpair()
        self.wake_in.setblocking(False)
        self.selector.register(self.wake_in, selectors.EVENT_READ, None)
        for address in self.addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)  # a flood must not be lost here
            udp.bind((address, self.port))
            tcp = socket.socket(family)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, self.port))
            tcp.listen(64)
            for sock, handler in ((udp, self._on_udp), (tcp, self._on_accept)):
                sock.setblocking(False)
                self.selector.register(sock, selectors.EVENT_READ, handler)
        self.stopping = False
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.thread.start()

    def stop(self):
        if self.thread is None:
            return
        self.stopping = True
        self.wake_out.send(b"x")
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.thread = None
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
        self.wake_out.close()

    def teardown(self):
        self.stop()
        assert not self.failures, self.failures

    def log(self):
        with self.lock:
            lines = [f"{name} {kind} {count}" for (name, kind), count in sorted(self.counts.items())]
        return f"--- {self.name} {self.server}: questions ---\n" + "\n".join(lines[:50])

    def count(self, name=None, type="A"):
        """How many questions came: for one name, or all of the type."""
        with self.lock:
            if name is not None:
                return self.counts[name.lower().rstrip("."), type]
            return sum(n for (_, kind), n in self.counts.items() if type in (None, kind))

    def behave(self, zone, behaviour):
        """From now on names in zone get this."""
        with self.lock:
            self.zones[zone] = behaviour

    def _behaviour(self, name):
        if name == dns.name.root:
            return "", self.zones["."]
        labels = name.to_text(omit_final_dot=True).lower().split(".")
        for i in range(len(labels) + 1):
            zone = ".".join(labels[i:])
            if zone in self.zones:
                return zone, self.zones[zone]
        return "", refused()

    def _answer(self, packet, tcp):
        """The behaviour's word on a packet."""
        message = dns.message.from_wire(packet)
        name = message.question[0].name
        with self.lock:
            kind = dns.rdatatype.to_text(message.question[0].rdtype)
            self.counts[name.to_text(omit_final_dot=True).lower(), kind] += 1
            self.asked.append((time.monotonic(), name.to_text(), kind, tcp))
            zone, behaviour = self._behaviour(name)
        asked = Asked(message, zone, tcp)
        return asked, behaviour(asked)

    def _send(self, asked, word, reply_to):
        if isinstance(word, Later):
            due = time.monotonic() + word.seconds
            with self.lock:
                heapq.heappush(self.later, (due, next(self.tie), asked, word.then, reply_to))
            self.wake_out.send(b"x")
            return
        if word is None:
            return
        if word is not CLOSE and not isinstance(word, bytes):
            word = self._fit(asked, word)
        try:
            reply_to(word)
        except OSError:
            pass  # the client is gone

    @staticmethod
    def _fit(asked, reply):
        wire = reply.to_wire(max_size=65535)
        limit = 65535 if asked.tcp else max(512, asked.message.payload)
        if len(wire) <= limit:
            return wire
        short = asked.reply(reply.rcode())
        short.flags |= dns.flags.TC
        return short.to_wire()

    def _take(self, packet, tcp, reply_to):
        try:
            asked, word = self._answer(packet, tcp)
            self._send(asked, word, reply_to)
        except dns.exception.DNSException as failure:
            self.failures.append(repr(failure))

    def _on_udp(self, sock):
        for _ in range(64):
            try:
                packet, peer = sock.recvfrom(65535)
            except BlockingIOError:
                return
            self._take(packet, False, lambda word, peer=peer: sock.sendto(word, peer))

    def _on_accept(self, listener):
        sock, _ = listener.accept()
        threading.Thread(target=self._serve_tcp, args=(sock,), daemon=True).start()

    def _serve_tcp(self, sock):
        def reply_to(word):
            if word is CLOSE:
                sock.close()
            else:
                sock.sendall(struct.pack("!H", len(word)) + word)

        sock.settimeout(20)
        with sock:
            try:
                while not self.stopping:
                    head = sock.recv(2, socket.MSG_WAITALL)
                    if len(head) < 2:
                        return
                    packet = sock.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                    self._take(packet, True, reply_to)
            except OSError:
                pass

    def _run(self):
        while not self.stopping:
            wait = max(0, self.later[0][0] - time.monotonic()) if self.later else 1
            for key, _ in self.selector.select(wait):
                if key.data is not None:
                    key.data(key.fileobj)
                else:
                    key.fileobj.recv(4096)
            while self.later and self.later[0][0] <= time.monotonic():
                with self.lock:
                    _, _, asked, then, reply_to = heapq.heappop(self.later)
                self._send(asked, then(asked), reply_to)
