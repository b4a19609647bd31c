"""
What is a question and what is not: tallyd and dnspython must agree on packets made by a grammar and then damaged.
And what a question gets: every field of the reply, as dnspython reads it, is what a few lines about names say.
"""
import ipaddress
import random
import socket
import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
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


# --- what a question gets

ACCOUNT = "u4711." + ZONE
ZONES = [dns.name.from_text(ACCOUNT), dns.name.from_text(ZONE)]  # the longest first
QUESTIONS = 4000
TYPES = ["A", "TXT", "ANY", "AAAA", "SOA", "NS", "MX", "PTR", "TYPE65"]
HEX = [digit.encode() for digit in "0123456789abcdef"]
SUBJECTS = [f"198.51.100.{last}" for last in range(8)] + [f"2001:db8::{last:x}" for last in range(8)]
SUBJECTS += ["::ffff:198.51.100.2", "127.0.0.1", "127.0.0.2", "::ffff:127.0.0.2", "10.0.0.2", "::1", "0.0.0.0", "255.255.255.255"]


def is_even(subject):
    """Whom the list has."""
    return int(subject) % 2 == 0


def by_parity(asked):
    subject = address_of(asked.name.labels[: -len(dns.name.from_text("a.example").labels)])
    return (up.listed("127.0.0.2") if is_even(subject) else up.nxdomain())(asked)


def some_labels(rng):
    """In front of a zone: an address, a part of one, or nearly so."""
    labels = reversed_name(rng.choice(SUBJECTS), ZONE).removesuffix("." + ZONE).split(".")
    kind = rng.randrange(8)
    if kind == 0:
        labels = labels[rng.randrange(len(labels)) :]
    elif kind == 1:
        labels[rng.randrange(len(labels))] = rng.choice(["00", "01", "256", "999", "g", "-1", "1e1", "0x1", "\\000", "2\\.2", "2\\000"])
    elif kind == 2:
        labels = [rng.choice(["ns", "NS", "x", "f", "F", "255", "u4711", "_dmarc"]) for _ in range(rng.randrange(3))]
    elif kind == 3:
        labels.insert(rng.randrange(len(labels)), rng.choice(["7", "x", "a"]))
    return labels


def spelled_anyhow(rng, text):
    return "".join(rng.choice([c.upper(), c.lower()]) for c in text)


def address_of(labels):
    """The address that labels are the reverse of; True for a part of one, None for none."""
    text = [label.decode("latin-1").lower() for label in labels[::-1]]
    numbers = [t for t in text if t.isascii() and t.isdigit() and str(int(t)) == t and int(t) < 256]
    nibbles = [t for t in text if t.encode("latin-1") in HEX]
    if len(numbers) == len(text) <= 4:
        return ipaddress.ip_address(".".join(text)) if len(text) == 4 else True
    if len(nibbles) == len(text) <= 32:
        return ipaddress.ip_address(int("".join(text), 16)) if len(text) == 32 else True
    return None


def listed(address):
    address = getattr(address, "ipv4_mapped", None) or address
    if address == ipaddress.ip_address("127.0.0.2"):
        return True
    return str(address).startswith(("198.51.100.", "2001:db8:")) and is_even(address)  # the others are special


def expectation(name, kind, host):
    """(response code, types in the answer, zone) of a question in class IN."""
    zone = next((zone for zone in ZONES if name.is_subdomain(zone)), None)
    if zone is None:
        return "REFUSED", set(), None
    labels = name.relativize(zone).labels
    address = None
    if not labels:
        has = {"SOA", "NS"}
    elif [label.lower() for label in labels] == [b"ns"]:
        has = {"AAAA" if ":" in host else "A"}
    else:
        address = address_of(labels)
        has = {"A", "TXT"} if address not in (None, True) and listed(address) else set()
    # 4.3.2.1 is an address, and the beginning of many of IPv6: RFC 8020
    there = bool(has) or address is True or (0 < len(labels) < 32 and all(label.lower() in HEX for label in labels))
    return ("NOERROR" if there else "NXDOMAIN"), (has if kind == "ANY" else has & {kind}), zone


def compare(sent, reply, host):
    """Each field of the reply."""
    [question] = sent.question
    kind = dns.rdatatype.to_text(question.rdtype)
    rcode, types, zone = expectation(question.name, kind, host)
    assert reply.id == sent.id and reply.opcode() == 0
    assert reply.flags & 0x87F0 == dns.flags.QR | (sent.flags & dns.flags.RD) | (dns.flags.AA if zone else 0), reply
    assert dns.rcode.to_text(reply.rcode()) == rcode, (question, reply.to_text())
    assert [(q.name.labels, q.rdtype, q.rdclass) for q in reply.question] == [(question.name.labels, question.rdtype, 1)]
    assert {dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer} == types and len(reply.answer) == len(types), reply
    for rrset in reply.answer:
        assert rrset.name == question.name and len(rrset) == 1 and 0 < rrset.ttl <= 86400, reply
        if rrset.rdtype == dns.rdatatype.A:
            assert rrset[0].address == (host if question.name.labels[0].lower() == b"ns" else "127.0.0.2"), reply
        if rrset.rdtype == dns.rdatatype.TXT:
            assert len(rrset[0].strings) == 1, reply
        if rrset.rdtype == dns.rdatatype.NS:
            assert rrset[0].target == dns.name.from_text("ns", zone), reply
    assert len(reply.authority) == (1 if zone and not types else 0), reply
    for rrset in reply.authority:
        assert (rrset.name, rrset.rdtype, len(rrset)) == (zone, dns.rdatatype.SOA, 1) and rrset.ttl <= rrset[0].minimum, reply
        assert rrset[0].mname == dns.name.from_text("ns", zone) and rrset[0].rname == dns.name.from_text("hostmaster", zone), reply
    assert not reply.additional and (reply.edns == 0) == (sent.edns == 0), reply
    if sent.edns == 0:
        assert reply.payload == 1232 and reply.ednsflags & 0x7FFF == 0, reply
        assert all(option.otype == 15 for option in reply.options), reply


def some_question(rng):
    zone = rng.choice([ZONE, ZONE, ZONE, ACCOUNT, "example.net", "xbl.example.net"])
    text = spelled_anyhow(rng, ".".join([*some_labels(rng), zone]))
    name = dns.name.from_text(text)
    edns = rng.choice([-1, 0, 0])
    sent = dns.message.make_query(name, rng.choice(TYPES), use_edns=edns, payload=rng.choice([512, 1232, 4096]) if edns == 0 else None)
    sent.flags = rng.choice([0, dns.flags.RD, dns.flags.RD | dns.flags.AD])
    return sent


@pytest.fixture
def full_place(stage):
    server = stage.upstream({"a.example": by_parity})
    zone = {"sites": ["a.example"]}
    tallyd = stage.tallyd({ZONE: zone, ACCOUNT: {"like": ZONE}}, served_by(server, "a.example", test=False))
    return tallyd.address, tallyd.port


def replies_to(place, sents):
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(place)
        for at in range(0, len(sents), 50):
            batch = sents[at : at + 50]
            for number, sent in enumerate(batch, at):
                sent.id = number
                sock.send(sent.to_wire())
            for _ in batch:
                wire = sock.recv(4096)
                found[wire[0] << 8 | wire[1]] = wire
    return found


def test_every_field_of_a_reply_is_what_dnspython_and_the_rules_for_names_say(full_place):
    rng = random.Random(3)
    sents = [some_question(rng) for _ in range(QUESTIONS)]
    replies = replies_to(full_place, sents)
    assert len(replies) == QUESTIONS
    seen = set()
    for sent in sents:
        wire, asked = replies[sent.id], sent.question[0].name.to_wire()
        assert wire[12 : 12 + len(asked)] == asked  # as it was spelled
        compare(sent, dns.message.from_wire(wire), full_place[0])
        rcode, types, zone = expectation(sent.question[0].name, dns.rdatatype.to_text(sent.question[0].rdtype), full_place[0])
        seen.add((rcode, bool(types), zone))
    # REFUSED, and in both zones an answer, no data, no name
    assert len(seen) == 7, seen
