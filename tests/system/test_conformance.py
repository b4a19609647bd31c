"""Every case of the wire table over UDP and TCP, against one tallyd: the right reply or silence, and always a sane one."""
import os
import random
import socket
import struct
import time
from pathlib import Path

import dns.flags
import dns.rcode
import pytest

import dnswire as w
import upstream as up
import wirecases
from conftest import Theatre
from harness import SANITIZED
from programs import served_by
from wirecases import LISTED, TCP, UDP, ZONE

SENTINEL_ID = 0xBEEF
SENTINEL = struct.pack("!H", SENTINEL_ID) + w.query(LISTED)[2:]


class World:
    """One tallyd for all cases."""

    def __init__(self, stage):
        self.list = stage.upstream({"a.example": up.nxdomain()})
        self.tallyd = stage.tallyd({"bl.example.net": {"sites": ["a.example"]}}, served_by(self.list, "a.example"))
        self.place = (self.tallyd.address, self.tallyd.port)

    def udp(self, sent):
        """The replies to these bytes: a good question behind them shows that none is still to come."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.connect(self.place)
            sock.send(sent)
            sock.send(SENTINEL)
            replies = []
            while True:
                reply = sock.recv(65535)
                if struct.unpack("!H", reply[:2])[0] == SENTINEL_ID:
                    return replies
                replies.append(reply)

    def tcp(self, sent):
        """The same over TCP, where a closed connection is an answer as well."""
        with socket.create_connection(self.place, timeout=10) as sock:
            sock.sendall(frame(sent) + frame(SENTINEL))
            stream = Stream(sock)
            replies = []
            while (reply := stream.read()) is not None and struct.unpack("!H", reply[:2])[0] != SENTINEL_ID:
                replies.append(reply)
            return replies

    def replies(self, transport, sent):
        raw = self.tcp(sent) if transport == TCP else self.udp(sent)
        return [w.sane(sent, reply, transport == TCP, [ZONE]) for reply in raw]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.tallyd.pid}/fd"))

    def resident_kib(self):
        status = Path(f"/proc/{self.tallyd.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def frame(message):
    return struct.pack("!H", len(message)) + message


class Stream:
    """Messages out of a connection; None at its end."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def _fill(self, length):
        while len(self.buffer) < length:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return False
            self.buffer += more
        return True

    def read(self):
        if not self._fill(2) or not self._fill(2 + struct.unpack("!H", self.buffer[:2])[0]):
            assert not self.buffer, "half a reply"
            return None
        end = 2 + struct.unpack("!H", self.buffer[:2])[0]
        message, self.buffer = self.buffer[2:end], self.buffer[end:]
        return message


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    stage = Theatre(tmp_path_factory.mktemp("conformance"))
    world = World(stage)
    yield world
    stage.close()
    stage.clear()


@pytest.mark.parametrize(("transport", "what", "sent", "expected"), wirecases.CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_case(world, transport, what, sent, expected):
    began = time.monotonic()
    expected(world.replies(transport, sent))
    assert time.monotonic() - began < 2, "a slow answer"


def test_no_case_is_an_address_that_a_list_is_asked_about(world):
    assert world.list.count(type=None) == 0


def test_a_forward_address_is_not_the_one_that_is_listed(world):
    assert world.tallyd.verdict("2.0.0.127") == "clear"  # asked as 127.0.0.2.ZONE
    assert world.list.count("127.0.0.2.a.example") == 1


def test_the_soa_of_a_negative_answer_is_that_of_the_zone(world):
    """RFC 1035 3.3.13: names, serial and all but the minimum."""
    apex = world.replies(UDP, w.query(ZONE, w.SOA))[0].answer[0]
    for name in (wirecases.CLEAR, LISTED):
        negative = world.replies(UDP, w.query(name, w.AAAA))[0].authority[0]
        assert negative.data[:-4] == apex.data[:-4]


def test_what_is_too_long_for_udp_is_cut_and_whole_over_tcp(stage, network):
    """RFC 2181 9, RFC 7766 5: the addresses of a name server that has many, under a long name."""
    addresses = [f"fd00::{n}" for n in range(1, 17)]
    network.add_addresses(*addresses)
    zone = ".".join(["a" * 60, "b" * 60, "c" * 60])
    listen = {"listen": [f"{address}@5300" for address in addresses], "allow": ["fd00::/64"]}
    tallyd = stage.tallyd({zone: {"sites": ["a.example"]}}, address=addresses[0], port=5300, **listen)
    name = "ns." + zone
    for edns in (None, 512):
        short, whole = tallyd.query(name, "AAAA", edns=edns), tallyd.query(name, "AAAA", edns=edns, tcp=True)
        assert short.flags & dns.flags.TC and not short.answer and short.rcode() == dns.rcode.NOERROR
        assert not whole.flags & dns.flags.TC and len(whole.answer[0]) == len(addresses)
    wide = tallyd.query(name, "AAAA", edns=1232)
    assert not wide.flags & dns.flags.TC and len(wide.answer[0]) == len(addresses)


@pytest.mark.parametrize("count", [2, 20, 200])
def test_tcp_pipeline(world, count):
    with socket.create_connection(world.place, timeout=10) as sock:
        sock.sendall(b"".join(frame(struct.pack("!H", n) + SENTINEL[2:]) for n in range(count)))
        stream = Stream(sock)
        assert {stream.read()[:2] for _ in range(count)} == {struct.pack("!H", n) for n in range(count)}


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_tcp_segments_of_any_size(world, step):
    """RFC 7766 8: the length may come apart from the message."""
    with socket.create_connection(world.place, timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = frame(SENTINEL) * 3
        for at in range(0, len(wire), step):
            sock.sendall(wire[at : at + step])
        sock.shutdown(socket.SHUT_WR)
        stream = Stream(sock)
        assert all(stream.read() for _ in range(3)) and stream.read() is None


@pytest.mark.parametrize("bad", [b"", b"\0", b"\0" * 11, w.header(), w.header(0, (2, 0, 0, 0))], ids=len)
def test_tcp_goes_on_after_what_is_no_message(world, bad):
    assert len(world.replies(TCP, bad)) <= 1
    assert world.replies(TCP, w.query(LISTED))


def test_tcp_abort_in_the_middle_of_a_message(world):
    for end in (b"", struct.pack("ii", 1, 0)):
        with socket.create_connection(world.place, timeout=10) as sock:
            sock.sendall(b"\xff\xff" + b"\0" * 10)
            if end:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, end)
    assert world.replies(TCP, w.query(LISTED))


def udp_burst(world, packets):
    """Send all, a few at a time, each with an id of its own, and check every reply against its packet."""
    sent = [struct.pack("!H", ident) + packet[2:] if len(packet) >= 2 else packet for ident, packet in enumerate(packets)]
    assert len(sent) < SENTINEL_ID
    replies = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(world.place)
        for at in range(0, len(sent), 50):
            for packet in sent[at : at + 50]:
                sock.send(packet)
            sock.send(SENTINEL)
            while (reply := sock.recv(65535))[:2] != SENTINEL[:2]:
                w.sane(sent[struct.unpack("!H", reply[:2])[0]], reply, False, [ZONE])
                replies += 1
    return replies


def mutations(rng, count):
    seeds = [sent for _, _, sent, _ in wirecases.CASES if 12 < len(sent) < 1000]
    for _ in range(count):
        packet = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 5)):
            packet[rng.randrange(2, len(packet))] = rng.choice([0, 1, 0xC0, 0xFF, 0x3F, rng.randrange(256)])
        packet[2] &= 0x7F
        if rng.random() < 0.2:
            del packet[rng.randrange(12, len(packet)) :]
        yield bytes(packet)


def flipped(packet):
    for bit in range(16, len(packet) * 8):
        changed = bytearray(packet)
        changed[bit // 8] ^= 0x80 >> bit % 8
        yield bytes(changed)


def headers():
    """Every opcode with flags of all kinds, and counts that lie."""
    for opcode in range(16):
        for flags in (0, 0x100, 0x200, 0x400, 0x10, 0x20, 0x40, 0x80, 0x7F0, 0xF, 5, 0x7FF):
            for counts in ((1, 0, 0, 0), (0, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1), (65535,) * 4):
                for body in (w.question(LISTED), b""):
                    yield w.header(opcode << 11 | flags, counts) + body


def test_what_is_random_mutated_flipped_or_absurd_is_answered_sanely_and_forgotten(world):
    rng = random.Random(1)
    kinds = list(range(260)) + [rng.randrange(65536) for _ in range(50)]
    packets = [rng.randbytes(rng.randrange(120)) for _ in range(2000)]
    packets += mutations(rng, 4000)
    packets += flipped(w.query(LISTED, additional=[w.opt(w.option(10, b"clientck"))]))
    packets += headers()
    packets += [w.query(LISTED, kind) for kind in kinds]
    packets += [w.query(wirecases.below(rng.randbytes(rng.randrange(1, 64)), b"0", b"0", b"127")) for _ in range(4000)]
    packets = [packet if len(packet) < 3 else packet[:2] + bytes([packet[2] & 0x7F]) + packet[3:] for packet in packets]
    udp_burst(world, packets)
    before, descriptors = world.resident_kib(), world.descriptors()
    assert udp_burst(world, packets) > 10000
    assert world.descriptors() == descriptors
    if not SANITIZED:
        assert world.resident_kib() - before < 1024
    assert wirecases.is_listed(world.replies(UDP, w.query(LISTED))[0])


def test_one_id_from_fifty_sockets(world):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    for sock in sockets:
        sock.settimeout(10)
        sock.connect(world.place)
        sock.send(SENTINEL)
    for sock in sockets:
        assert sock.recv(512)[:2] == SENTINEL[:2]
        sock.close()
