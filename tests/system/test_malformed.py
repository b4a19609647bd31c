"""Packets that are no questions: FORMERR, NOTIMP or silence, and never more than that."""
import random
import socket
import struct

import dns.message
import dns.query
import dns.rcode
import pytest

import upstream as up
from harness import reversed_name
from programs import served_by

SUBJECT = "198.51.100.1"
QR, OPCODE, AA, TC, RD = 0x8000, 0x7800, 0x0400, 0x0200, 0x0100
NAME = b"\x011\x03100\x0251\x03198\x02bl\x07example\0"
QUESTION = NAME + b"\0\x01\0\x01"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
RECORD = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x02"


def packet(flags=RD, counts=(1, 0, 0, 0), body=QUESTION):
    return struct.pack("!6H", 0x1234, flags, *counts) + body


SILENCE = {
    "nothing": b"",
    "one byte": b"\x12",
    "half a header": packet()[:6],
    "eleven bytes": packet()[:11],
    "a response": packet(flags=QR),
    "a response of another opcode": packet(flags=QR | 0x2000),
    "a response that is malformed": packet(flags=QR, body=b"\xff"),
    "a response with FORMERR": packet(flags=QR | 1),
}
FORMERR = {
    "only a header": packet(counts=(1, 0, 0, 0), body=b""),
    "no question": packet(counts=(0, 0, 0, 0), body=b""),
    "no question but OPT": packet(counts=(0, 0, 0, 1), body=OPT),
    "two questions": packet(counts=(2, 0, 0, 0), body=QUESTION + QUESTION),
    "65535 questions": packet(counts=(65535, 0, 0, 0)),
    "a name that does not end": packet(body=b"\x03abc"),
    "a label that is longer than the packet": packet(body=b"\x3fabc\0\0\x01\0\x01"),
    "a label of 64 bytes": packet(body=b"\x40" + b"a" * 64 + b"\0\0\x01\0\x01"),
    "a label of type 10": packet(body=b"\x80" + b"a" * 10 + b"\0\0\x01\0\x01"),
    "a pointer to itself": packet(body=b"\xc0\x0c\0\x01\0\x01"),
    "a pointer forward": packet(body=b"\xc0\x20\0\x01\0\x01" + b"\0" * 40),
    "a pointer out of the packet": packet(body=b"\xff\xff\0\x01\0\x01"),
    "half a pointer": packet(body=b"\xc0"),
    "a name of 257 bytes": packet(body=b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 3 + b"\0\0\x01\0\x01"),
    "a type that is cut": packet(body=NAME + b"\0"),
    "no class": packet(body=NAME + b"\0\x01"),
    "an OPT that is cut": packet(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-3]),
    "an OPT that is not there": packet(counts=(1, 0, 0, 1)),
    "an OPT with a name": packet(counts=(1, 0, 0, 1), body=QUESTION + b"\x01a" + OPT),
    "two OPTs": packet(counts=(1, 0, 0, 2), body=QUESTION + OPT + OPT),
    "an OPT with an option longer than itself": packet(
        counts=(1, 0, 0, 1), body=QUESTION + OPT[:-2] + b"\0\x06\0\x0a\0\xff\x01\x02"
    ),
    "an OPT with half an option": packet(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-2] + b"\0\x02\0\x0a"),
    "an answer that is not there": packet(counts=(1, 1, 0, 0)),
    "an authority that is not there": packet(counts=(1, 0, 9, 0)),
}


@pytest.fixture
def world(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    return stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))


class Prober:
    """Sends bytes over UDP; a good question behind them shows that no reply to the bytes is still to come."""

    def __init__(self, tallyd):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(10)
        self.sock.connect((tallyd.address, tallyd.port))
        self.sentinel = dns.message.make_query(reversed_name("127.0.0.2", tallyd.zone), "A", id=0xBEEF).to_wire()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """All replies to the bytes."""
        self.sock.send(data)
        self.sock.send(self.sentinel)
        replies = []
        while True:
            reply = self.sock.recv(65535)
            if reply[:2] == b"\xbe\xef":
                assert reply[3] & 15 == 0
                return replies
            replies.append(reply)


@pytest.mark.parametrize("what", SILENCE)
def test_what_has_no_header_or_is_a_response_is_not_answered(world, what):
    with Prober(world) as prober:
        assert prober.send(SILENCE[what]) == []


@pytest.mark.parametrize("what", FORMERR)
def test_what_is_no_message_gets_formerr_and_no_more(world, what):
    data = FORMERR[what]
    with Prober(world) as prober:
        (reply,) = prober.send(data)
    ident, flags, *counts = struct.unpack("!6H", reply[:12])
    assert ident == 0x1234
    assert flags & QR and flags & 15 == dns.rcode.FORMERR and not flags & OPCODE
    assert counts[1] == 0 and counts[2] == 0
    assert len(reply) <= max(12, len(data)) + len(OPT)
    dns.message.from_wire(reply)


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_other_operations_are_not_implemented(world, opcode):
    with Prober(world) as prober:
        for data in (packet(flags=opcode << 11), packet(flags=opcode << 11, body=b"", counts=(0, 0, 0, 0))):
            (reply,) = prober.send(data)
            flags = struct.unpack("!H", reply[2:4])[0]
            assert flags & QR and flags & 15 == dns.rcode.NOTIMP
            assert (flags & OPCODE) >> 11 == opcode
            assert len(reply) <= len(data) + len(OPT)


def test_transfers_are_not_given(world):
    for type in ("AXFR", "IXFR"):
        message = dns.message.make_query("bl.example", type)
        for send in (dns.query.udp, dns.query.tcp):
            reply = send(message, world.address, 10, world.port)
            assert not [rrset for rrset in reply.answer if rrset.rdtype not in (6, 2)], reply


def test_formerr_over_tcp_and_the_connection_or_at_least_the_daemon_goes_on(world):
    for data in FORMERR.values():
        with socket.create_connection((world.address, world.port), timeout=10) as sock:
            sock.sendall(struct.pack("!H", len(data)) + data)
            length = struct.unpack("!H", sock.recv(2, socket.MSG_WAITALL))[0]
            reply = sock.recv(length, socket.MSG_WAITALL)
            assert reply[:2] == b"\x12\x34" and reply[3] & 15 == dns.rcode.FORMERR
    assert world.verdict(SUBJECT, tcp=True) == "127.0.0.2"


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_mangled_questions_are_survived(world, seed):
    """Every reply is one that can be read, belongs to the question, and is not a flood."""
    rng = random.Random(seed)
    good = [packet(), packet(counts=(1, 0, 0, 1), body=QUESTION + OPT), packet(counts=(1, 1, 0, 1), body=QUESTION + RECORD + OPT)]
    good.append(packet(body=reversed_wire("2001:db8::1")))
    sent = {}
    with Prober(world) as prober:
        for ident in range(1500):
            data = bytearray(rng.choice(good))
            for _ in range(rng.randrange(1, 5)):
                data[rng.randrange(2, len(data))] = rng.choice([0, 1, 0xC0, 0xFF, 0x3F, rng.randrange(256)])
            if rng.random() < 0.3:
                del data[rng.randrange(len(data)) :]
            if rng.random() < 0.1:
                data += rng.randbytes(rng.randrange(1, 200))
            data[:2] = struct.pack("!H", ident)
            sent[ident] = data
            for reply in prober.send(bytes(data)):  # perhaps to an earlier one that had to ask a list
                question = sent.pop(struct.unpack("!H", reply[:2])[0])
                assert reply[2] & 0x80 and not question[2] & 0x80
                assert len(reply) <= 1232
    assert world.verdict(SUBJECT) == "127.0.0.2"


def reversed_wire(subject):
    message = dns.message.make_query(reversed_name(subject, "bl.example"), "A")
    return message.to_wire()[12:]
