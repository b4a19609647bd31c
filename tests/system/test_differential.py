"""What is a question and what is not: tallyd and dnspython must agree on packets made by a grammar and then damaged."""
import random
import socket
import struct

import dns.exception
import dns.message
import dns.name
import dns.wire
import pytest

import dnswire as w
import upstream as up
from harness import reversed_name
from programs import served_by

ZONE = "bl.example.net"
PACKETS = 8000
SENTINEL_ID = 0xBEEF
OPTIONS = [3, 8, 9, 10, 11, 12, 15, 65001]


def grown_name(rng):
    """A name as a client might send it, or not quite."""
    kind = rng.randrange(6)
    if kind == 0:
        return w.name(reversed_name("127.0.0.2", ZONE))
    if kind == 1:
        return w.name(ZONE.upper())
    if kind == 2:
        return b"\xc0" + bytes([rng.choice([0, 11, 12, 13, 200])])
    parts = [rng.randbytes(rng.choice([1, 1, 2, 3, 5, 31, 63])) for _ in range(rng.randrange(1, 8))]
    return w.labels(*parts) if kind < 5 else w.labels(*parts)[:-1] + b"\xc0\x0c"


def grown_options(rng):
    found = b""
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        size = rng.choice([0, 4, 7, 8, 9, 15, 16, 40, 41])
        found += w.option(rng.choice(OPTIONS), rng.randbytes(size), rng.choice([None, None, None, size + 1]))
    return found


def grown_record(rng):
    if rng.random() < 0.7:
        options = grown_options(rng)
        length = rng.choice([None] * 8 + [0, len(options) + 1])
        return w.opt(options, rng.choice([0, 512, 4096]), rng.choice([0, 0, 0, 1]), rng.choice([0, 0x8000]), 0, rng.choice([b"\0"] * 9 + [b"\1a\0"]), length)
    data = rng.randbytes(rng.choice([0, 4, 16]))
    return grown_name(rng) + struct.pack("!2HIH", rng.choice([1, 16, 28, 65]), 1, 60, len(data)) + data


def grown_packet(rng):
    records = [grown_record(rng) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    counts = [1, 0, 0, len(records)]
    if rng.random() < 0.2:
        counts[rng.randrange(4)] = rng.choice([0, 1, 2, 65535])
    packet = bytearray(w.header(rng.choice([0, 0x100, 0x120]), counts))
    packet += w.question(grown_name(rng), rng.choice([1, 16, 28, 255]), rng.choice([1, 1, 1, 255, 3])) + b"".join(records)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        packet[rng.randrange(4, len(packet))] = rng.choice([0, 1, 0x3F, 0x40, 0xC0, 0xFF])
    if rng.random() < 0.15:
        del packet[rng.randrange(12, len(packet)) :]
    if rng.random() < 0.05:
        packet += b"more"
    return bytes(packet)


def structure(packet):
    """(can be taken apart, what RFC 6891 and 7873 say of its OPT is kept) by dnspython's primitives."""
    parser = dns.wire.Parser(packet)
    try:
        _, flags, *counts = parser.get_struct("!6H")
        if counts[:3] != [1, 0, 0]:  # RFC 9619; and a question has no answer
            return False, False
        start = parser.current
        name = parser.get_name()
        plain = parser.current - start == len(name.to_wire())  # no pointer: the first name has nothing to point at
        parser.get_struct("!2H")
        seen, kept = 0, plain
        for _ in range(counts[3]):
            owner = parser_name(parser)
            kind, _, _, length = parser.get_struct("!2HIH")
            data = parser.get_bytes(length)
            if kind == w.OPT:
                seen += 1
                kept = kept and owner == b"\0" and seen == 1 and options_kept(data)
        return parser.remaining() == 0, kept
    except dns.exception.DNSException:
        return False, False


def parser_name(parser):
    """An owner in the additional section, whose pointer we do not follow (nor does tallyd): its bytes."""
    start = parser.current
    size = 0
    while True:
        length = parser.get_uint8()
        if length >= 0xC0:
            parser.get_uint8()
            break
        if length > 63:
            raise dns.name.BadLabelType
        parser.get_bytes(length)
        size += length + 1
        if size > 255:
            raise dns.name.NameTooLong
        if length == 0:
            break
    return parser.wire[start : parser.current]


def options_kept(data):
    parser = dns.wire.Parser(data)
    cookies = []
    try:
        while parser.remaining():
            code, length = parser.get_struct("!2H")
            parser.get_bytes(length)
            if code == 10:
                cookies.append(length)
    except dns.exception.FormError:
        return False
    return not cookies or cookies[0] == 8 or 16 <= cookies[0] <= 40  # RFC 7873 5.2: the first counts


def whole_message_parses(packet):
    """dnspython's own opinion of the whole; it looks into options and records that tallyd does not care for."""
    try:
        dns.message.from_wire(packet, ignore_trailing=False)
    except Exception:
        return False
    return True


@pytest.fixture
def place(stage):
    server = stage.upstream({"a.example": up.nxdomain()})
    tallyd = stage.tallyd({ZONE: {"sites": ["a.example"]}}, served_by(server, "a.example"))
    return tallyd.address, tallyd.port


def rcodes(place, packets):
    """The basic response code for each packet, None without a reply."""
    found = [None] * len(packets)
    sentinel = struct.pack("!H", SENTINEL_ID) + w.query(w.name(reversed_name("127.0.0.2", ZONE)))[2:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(place)
        for at in range(0, len(packets), 50):
            for number in range(at, min(at + 50, len(packets))):
                sock.send(struct.pack("!H", number) + packets[number][2:])
            sock.send(sentinel)
            while (number := struct.unpack("!H", (reply := sock.recv(4096))[:2])[0]) != SENTINEL_ID:
                found[number] = reply[3] & 15
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_tallyd_and_dnspython_agree_on_what_is_a_question(place, seed):
    rng = random.Random(seed)
    packets = [grown_packet(rng) for _ in range(PACKETS)]
    good = bad = also_whole = 0
    for packet, rcode in zip(packets, rcodes(place, packets), strict=True):
        whole, kept = structure(packet)
        assert rcode is not None, packet
        assert (rcode == w.FORMERR) == (not (whole and kept)), (rcode, whole, kept, packet)
        good += whole and kept
        bad += not (whole and kept)
        if whole_message_parses(packet) and whole and kept:
            also_whole += 1
    # the grammar gives enough of each kind for this to mean something
    assert min(good, bad) > PACKETS // 10 and also_whole > PACKETS // 20, (good, bad, also_whole)
