"""Lists that answer after a fixed time, and a client that knows when each of them answered: both in one process, on one clock.

When an answer comes to the client the kernel says, so that the client's own haste or hesitation is no part of it.
"""
import asyncio
import contextlib
import socket
import struct
import time

import flood
from harness import fresh_address, fresh_port

WEIGHT, THRESHOLD = 2, 4
SO_TIMESTAMPNS = 35


class List(asyncio.DatagramProtocol):
    """One list. delay_ms None: it never answers. Listed are subjects of which the last octet says so."""

    def __init__(self, number, delay_ms, replies):
        self.number, self.delay_ms, self.replies = number, delay_ms, replies
        self.name = f"l{number}.example"
        self.address = fresh_address()
        self.port = fresh_port(self.address)

    @property
    def server(self):
        return f"{self.address}@{self.port}"

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, packet, peer):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        subject = ".".join(reversed(labels[:4]))
        seen = self.replies.setdefault(subject, [])
        if self.delay_ms is None:
            return
        listed = is_listed(subject, self.number)
        head = packet[:2] + struct.pack("!5H", 0x8400 | (0 if listed else 3), 1, int(listed), int(not listed), 0)
        if listed:
            record = b"\xc0\x0c" + struct.pack("!HHIH4B", 1, 1, 3600, 4, 127, 0, 0, 2)
        else:
            rdata = b"\0\0" + struct.pack("!5I", 1, 3600, 600, 86400, 3600)
            record = b"\xc0" + bytes([12 + zone_offset(labels)]) + struct.pack("!HHIH", 6, 1, 3600, len(rdata)) + rdata
        reply = head + packet[12 : at + 5] + record
        asyncio.get_running_loop().call_later(self.delay_ms / 1000, self.answer, reply, peer, seen, listed)

    def answer(self, reply, peer, seen, listed):
        seen.append((time.time(), listed))
        self.transport.sendto(reply, peer)


def zone_offset(labels):
    return sum(1 + len(label) for label in labels[:4])


def is_listed(subject, number):
    """Three in ten subjects, each on every other list."""
    last = int(subject.rpartition(".")[2])
    return last % 10 < 3 and (last + number) % 2 == 0


class Asker:
    """Asks one server; came[i] is when the answer to question i came."""

    def __init__(self, server, loop):
        self.came, self.loop = {}, loop
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.connect((server.address, server.port))
        loop.add_reader(self.socket, self.receive)

    def receive(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, extra, _, _ = self.socket.recvmsg(2, 64)
                seconds, nanoseconds = struct.unpack("qq", extra[0][2])
                self.came[struct.unpack("!H", packet)[0]] = seconds + nanoseconds / 1e9

    def close(self):
        self.loop.remove_reader(self.socket)
        self.socket.close()


def decided(replies, lists):
    """When no further reply could change the verdict: all lists weigh the same and the threshold is two of them."""
    low, high = 0, lists * WEIGHT
    for when, listed in sorted(replies):
        low, high = (low + WEIGHT, high) if listed else (low, high - WEIGHT)
        if low >= THRESHOLD or high < THRESHOLD:
            return when
    return None


class Lists:
    """delays_ms: one for each list."""

    def __init__(self, delays_ms):
        self.replies = {}
        self.packets = 0
        self.list = [List(number, delay, self.replies) for number, delay in enumerate(delays_ms)]
        self.loop = asyncio.new_event_loop()
        for one in self.list:
            self.loop.run_until_complete(self._open(one))

    async def _open(self, one):
        await self.loop.create_datagram_endpoint(self._counting(one), local_addr=(one.address, one.port))

    def _counting(self, one):
        receive = one.datagram_received

        def counted(packet, peer):
            self.packets += 1
            receive(packet, peer)

        one.datagram_received = counted
        return lambda: one

    def close(self):
        for one in self.list:
            one.transport.close()
        self.loop.close()

    def ask(self, server, subjects, names, rate, patience=10):
        """`rate` subjects a second, of each the questions names(subject). (asked, when the last answer came) for each."""
        return self.loop.run_until_complete(self._ask(server, subjects, names, rate, patience))

    async def _ask(self, server, subjects, names, rate, patience):
        asker = Asker(server, self.loop)
        asked, ident, began = [], 0, time.time()
        for n, subject in enumerate(subjects):
            await asyncio.sleep(max(0, began + n / rate - time.time()))
            first = ident
            when = time.time()
            for name in names(subject):
                asker.socket.send(flood.question(ident, name, "A"))
                ident += 1
            asked.append((when, range(first, ident)))
        until = time.time() + patience
        while len(asker.came) < ident and time.time() < until:
            await asyncio.sleep(0.05)
        asker.close()
        assert len(asker.came) == ident, f"{ident - len(asker.came)} of {ident} questions not answered"
        return [(when, max(asker.came[i] for i in idents)) for when, idents in asked]
