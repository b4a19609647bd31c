"""The table of wire cases: what is sent, and what must come back. RFC numbers say who wants it so.

Each case is (name, bytes, expected). `expected` is given the list of replies: none for silence or a closed connection.
LISTED and CLEAR are the test points of RFC 5782. No case may cause a question to a list.
"""
import random
import struct

import dnswire as w

ZONE = w.name("bl.example.net")
LISTED = w.name("2.0.0.127.bl.example.net")
CLEAR = w.name("1.0.0.127.bl.example.net")
UDP, TCP = "udp", "tcp"
BOTH = (UDP, TCP)


def below(*parts):
    """A name of these labels under the zone."""
    return w.labels(*parts)[:-1] + ZONE


def nibbles(text):
    return below(*(digit.encode() for digit in text))


# What may come back.


def check(words, condition):
    def expected(replies):
        assert len(replies) == 1, f"{len(replies)} replies"
        assert condition(replies[0]), f"not {words}: {replies[0]}"

    expected.words = words
    return expected


def has_soa(reply):
    return len(reply.authority) == 1 and reply.authority[0].type == w.SOA and reply.authority[0].owner.lower() == ZONE


def negative(reply, rcode):
    """RFC 2308 2 and 5: the SOA, no longer than its own minimum."""
    minimum = struct.unpack("!I", reply.authority[0].data[-4:])[0] if has_soa(reply) else 0
    return (
        reply.rcode == rcode
        and reply.has(w.AA)
        and not reply.answer
        and has_soa(reply)
        and reply.authority[0].ttl <= minimum <= 86400
    )


def is_soa(reply):
    return reply.rcode == w.NOERROR and reply.has(w.AA) and [r.type for r in reply.answer] == [w.SOA]


def is_listed(reply):
    records = reply.answer
    return (
        reply.rcode == w.NOERROR
        and reply.has(w.AA)
        and len(records) == 1
        and records[0].type == w.A
        and records[0].data[0] == 127
        and 1 <= records[0].ttl <= 604800
    )


def is_error(reply):
    return reply.rcode in (w.FORMERR, w.NOTIMP, w.REFUSED, w.NOTAUTH, w.SERVFAIL, w.BADVERS) and not reply.has(w.AA)


def rcode_is(*rcodes):
    return lambda reply: reply.rcode in rcodes


SOA = check("the SOA", is_soa)
LISTING = check("a listing", is_listed)
NXDOMAIN = check("NXDOMAIN with SOA", lambda reply: negative(reply, w.NXDOMAIN))
NODATA = check("NOERROR, no answer, SOA", lambda reply: negative(reply, w.NOERROR))
NOT_LISTED = check("no listing", lambda reply: negative(reply, w.NXDOMAIN) or negative(reply, w.NOERROR))
FORMERR = check("FORMERR", lambda reply: reply.rcode == w.FORMERR and is_error(reply))
NOTIMP = check("NOTIMP", lambda reply: reply.rcode == w.NOTIMP and is_error(reply) and len(reply.raw) == 12)
REPLY = check("a reply without answers", lambda reply: not reply.answer)
ANYTHING = check("a reply", lambda reply: True)
BADVERS = check(
    "BADVERS of version 0", lambda reply: reply.rcode == w.BADVERS and not reply.has(w.AA) and not reply.authority
)


def ERROR_OR_SILENCE(replies):
    assert len(replies) <= 1 and all(is_error(reply) for reply in replies), replies


def SILENCE(replies):
    assert not replies, replies


def refused(sent):
    """RFC 8906 3.1.5: no referral, and no amplification."""
    return check(
        "REFUSED and nothing else",
        lambda reply: reply.rcode == w.REFUSED
        and not reply.has(w.AA)
        and not reply.additional[1:]
        and len(reply.raw) <= len(sent) + 32,
    )


def with_opt(expected, size=1232):
    """RFC 6891 6.1.1: an OPT in the question, an OPT in the reply."""

    def also(replies):
        expected(replies)
        assert replies[0].opt and replies[0].opt.rclass == size, replies

    return also


def not_echoed(expected, code):
    def also(replies):
        expected(replies)
        assert code not in [found for found, _ in replies[0].options], replies

    return also


# The table, in parts by subject.


def zone_cases():
    yield "zone.soa", w.query(ZONE, w.SOA), SOA  # RFC 8906 8.1.1
    yield "zone.ns", w.query(ZONE, w.NS), check(
        "NS", lambda reply: is_ns(reply) and reply.answer[0].data.lower() == w.labels(b"ns")[:-1] + ZONE
    )
    yield "zone.ns-address", w.query(below(b"ns"), w.A), check(
        "addresses", lambda reply: reply.has(w.AA) and reply.answer and all(r.type == w.A for r in reply.answer)
    )
    yield "zone.listed-a", w.query(LISTED, w.A), LISTING  # RFC 5782 2.1, 5
    yield "zone.listed-txt", w.query(LISTED, w.TXT), check("printable TXT", is_text)
    for kind in (w.A, w.TXT, w.AAAA, 15, w.ANY, 1000):
        yield f"zone.unlisted-{kind}", w.query(CLEAR, kind), NXDOMAIN
    for kind in (28, 15, 2, 6, 5, 12, 33, 39, 13, 35, 43, 48, 47, 64, 65, 257, 99, 10, 666, 1000, 65280, 65534):
        yield f"nodata.listed-{kind}", w.query(LISTED, kind), NODATA  # RFC 8906 8.1.2, RFC 3597
    for kind in (w.A, w.AAAA, w.TXT, 15, 43, 48, 666, 1000):
        yield f"nodata.apex-{kind}", w.query(ZONE, kind), NODATA
    for what, owner in (("listed", LISTED), ("apex", ZONE)):  # RFC 8482 4
        yield f"any.{what}", w.query(owner, w.ANY), check(
            "1 or 2 records",
            lambda reply: reply.rcode == w.NOERROR and reply.has(w.AA) and 1 <= len(reply.answer) <= 2 and len(reply.raw) <= 512,
        )


def is_ns(reply):
    return reply.rcode == w.NOERROR and reply.has(w.AA) and [r.type for r in reply.answer] == [w.NS]


def is_text(reply):
    if reply.rcode != w.NOERROR or len(reply.answer) != 1 or reply.answer[0].type != w.TXT:
        return False
    data = reply.answer[0].data
    return data[0] == len(data) - 1 and all(0x20 <= byte <= 0x7E for byte in data[1:])


def header_cases():
    flags = {"aa": 0x400, "tc": 0x200, "rd": 0x100, "ra": 0x80, "z": 0x40, "ad": 0x20, "cd": 0x10, "all": 0x7F0, "rcode": 0xF}
    for what, bits in flags.items():
        yield f"flag.{what}", w.query(ZONE, w.SOA, flags=bits), SOA  # RFC 8906 8.1.3
    for opcode in (1, 2, 3, 6, 7, 9, 14, 15):
        yield f"opcode.{opcode}", w.header(opcode << 11, (0, 0, 0, 0)), NOTIMP  # RFC 8906 8.1.4
    for opcode in (4, 5):
        yield f"opcode.{opcode}", w.header(opcode << 11, (0, 0, 0, 0)), check("an error", is_error)
    yield "opcode.15-all-flags", w.header(0x7FF0, (0, 0, 0, 0)), NOTIMP
    for opcode in (2, 15):
        yield f"opcode.{opcode}-with-question", w.query(ZONE, w.SOA, flags=opcode << 11), check("an error", is_error)
    yield "opcode.notify", w.query(ZONE, w.SOA, flags=4 << 11 | w.AA), REPLY  # RFC 1996 3.12
    evil = below(b"evil") + struct.pack("!2HIH", 1, 1, 60, 4) + b"\x7f\0\0\2"
    yield "opcode.update", w.header(5 << 11, (1, 0, 1, 0)) + w.question(ZONE, w.SOA) + evil, check("an error", is_error)
    yield "opcode.update-did-nothing", w.query(below(b"evil")), NXDOMAIN
    rng = random.Random(4343)
    for what, owner, kind, expected in (
        ("listed", LISTED, w.A, LISTING),
        ("unlisted", CLEAR, w.A, NXDOMAIN),
        ("zone", ZONE, w.SOA, SOA),
    ):
        yield f"case.{what}-upper", w.query(owner.upper(), kind), expected  # RFC 4343
        for i in range(3):
            mixed = bytes(byte ^ 0x20 if chr(byte).isalpha() and rng.random() < 0.5 else byte for byte in owner)
            yield f"case.{what}-mixed-{i}", w.query(mixed, kind), expected


def name_cases():
    for i, parts in enumerate(((b"127",), (b"0", b"127"), (b"0", b"0", b"127")), 1):
        for kind in (w.A, w.NS, w.TXT):
            yield f"tree.ent-{i}-{kind}", w.query(below(*parts), kind), NODATA  # RFC 8020, 9156
    rest = (b"0", b"0", b"127")
    first = {
        "leading-zero": b"02",
        "leading-zeros": b"0000000002",
        "plus": b"+2",
        "minus": b"-2",
        "space-before": b" 2",
        "space-after": b"2 ",
        "hex": b"0x2",
        "nul-behind": b"2\0",
        "nul-label-behind": b"2\0junk",  # RFC 9267 4
        "over-255": b"258",
        "over-2-32": b"4294967298",
        "over-2-64": b"18446744073709551618",
        "slash": b"2/32",
        "star": b"*",
        "binary": bytes(range(32)),
        "binary-high": bytes(range(200, 256)),
        "crlf": b"2\r\n",
        "format": b"%s%n%x",
        "quote": b"\"'\\",
        "label-63": b"2" * 63,
    }
    for what, label in first.items():
        yield f"name.{what}", w.query(below(label, *rest)), NOT_LISTED
    yield "name.below-listed", w.query(below(b"x", b"2", *rest)), NOT_LISTED
    yield "name.five-octets", w.query(below(b"1", b"2", *rest)), NOT_LISTED
    yield "name.eight-octets", w.query(below(b"2", *rest, b"2", *rest)), NOT_LISTED
    yield "name.zero-padded-all", w.query(below(b"002", b"000", b"000", b"127")), NOT_LISTED
    yield "name.dot-in-label", w.query(below(b"2.0.0.127")), NOT_LISTED  # RFC 2181 11
    yield "name.dot-in-label-2", w.query(below(b"2.0", b"0", b"127")), NOT_LISTED
    yield "name.star-apex", w.query(below(b"*")), NOT_LISTED
    yield "name.labels-many", w.query(below(*[b"2"] * 60)), NOT_LISTED
    long = [b"a" * 63, b"b" * 63, b"c" * 63]
    fill = 255 - len(below(*long)) - 1
    yield "name.longest", w.query(below(*long, b"d" * fill)), NOT_LISTED
    mapped = "00000000000000000000ffff7f00000"
    yield "name.v6-test-entry", w.query(nibbles(("2" + mapped[::-1]))), LISTING  # RFC 5782 5
    yield "name.v6-unlisted", w.query(nibbles(("1" + mapped[::-1]))), NXDOMAIN
    yield "name.v6-short", w.query(nibbles(mapped[::-1])), NOT_LISTED
    yield "name.v6-nonhex", w.query(nibbles(("g" + mapped[::-1]))), NOT_LISTED
    yield "name.v6-two-digits", w.query(below(b"02", *(digit.encode() for digit in mapped[::-1]))), NOT_LISTED


def outside_cases():
    names = {
        "other": w.name("www.example.com"),
        "root": b"\0",
        "parent": w.name("example.net"),
        "sibling": w.name("xyzzy.example.net"),
        "suffix-of-label": w.name("2.0.0.127.xbl.example.net"),
        "dot-in-zone-label": w.labels(b"2", b"0", b"0", b"127", b"bl.example.net"),
        "zone-nul": w.labels(b"2", b"0", b"0", b"127", b"bl\0", b"example", b"net"),
        "zone-then-more": w.name("2.0.0.127.bl.example.net.com"),
    }
    for what, owner in names.items():
        for rd in (0, w.RD):
            sent = w.query(owner, flags=rd)
            yield f"out.{what}{'-rd' if rd else ''}", sent, refused(sent)
    sent = w.query(w.name("version.bind"), w.A, 3)
    yield "class.ch-other-type", sent, REPLY
    yield "class.ch-version-bind", w.query(w.name("version.bind"), w.TXT, 3), check(  # RFC 4892
        "no IN records", lambda reply: all(record.rclass == 3 for record in reply.answer)
    )
    for rclass in (0, 2, 3, 4, 254, 65280, 65535):
        yield f"class.{rclass}", w.query(LISTED, w.A, rclass), check(
            "an error", lambda reply: is_error(reply) or negative(reply, w.NXDOMAIN)
        )
    yield "class.255", w.query(LISTED, w.A, 255), ANYTHING
    for kind in (0, w.OPT, 249, w.TSIG, w.IXFR, 253, 254, 128, 65535):
        yield f"meta.{kind}", w.query(LISTED, kind), REPLY  # RFC 6895 3.1
    yield "meta.axfr", w.query(ZONE, w.AXFR), check("an error", is_error)  # RFC 5936 4.2


def edns_cases():
    def asked(*options, qname=ZONE, kind=w.SOA, **how):
        return w.query(qname, kind, additional=[w.opt(b"".join(options), **how)])

    yield "edns.plain", asked(), with_opt(SOA)  # RFC 8906 8.2.1
    yield "edns.listed", asked(qname=LISTED, kind=w.A), with_opt(LISTING)
    yield "edns.nxdomain", asked(qname=CLEAR), with_opt(NXDOMAIN)
    yield "edns.nodata", asked(qname=LISTED, kind=w.AAAA), with_opt(NODATA)
    sent = asked(qname=w.name("www.example.com"))
    yield "edns.refused", sent, with_opt(refused(sent))
    cookie = w.option(10, b"clientck")
    for what, sent in {
        "v1": asked(version=1),
        "v255": asked(version=255),
        "v1-do": asked(version=1, flags=0x8000),
        "v1-flag": asked(version=1, flags=0x80),
        "v1-option": asked(w.option(100), version=1),
        "v1-cookie": asked(cookie, version=1),
    }.items():
        yield f"edns.{what}", sent, with_opt(BADVERS)  # RFC 6891 6.1.3, 8906 8.2.5
    for what, code, value in (
        ("unknown", 100, b""),
        ("unknown-much", 65001, b"x" * 200),
        ("zero", 0, b""),
        ("nsid", 3, b""),  # RFC 5001
        ("expire", 9, b""),  # RFC 7314
        ("ecs", 8, b"\0\1\0\0"),  # RFC 7871
        ("padding", 12, b"\0" * 64),  # RFC 7830
        ("ede", 15, b"\0\0"),  # RFC 8914
        ("report-channel", 18, w.name("a.example")),  # RFC 9567
        ("keepalive", 11, b""),  # RFC 7828 3.2
    ):
        yield f"edns.option-{what}", asked(w.option(code, value)), not_echoed(with_opt(SOA), code)
    many = w.option(3) + w.option(8, b"\0\1\0\0") + w.option(9) + cookie
    yield "edns.option-list", asked(many), with_opt(SOA)  # RFC 8906 8.2.10
    # RFC 7873 5.2: cookies are not implemented, so none comes back, nor BADCOOKIE; of several the first counts
    cookieless, broken = not_echoed(with_opt(SOA), 10), w.option(10, b"clientc")
    yield "edns.cookie", asked(cookie), cookieless
    for length in (16, 24, 40):
        yield f"edns.cookie-length-{length}", asked(w.option(10, b"c" * length)), cookieless
    for length in (0, 1, 7, 9, 15, 41, 200):
        yield f"edns.cookie-length-{length}", asked(w.option(10, b"c" * length)), FORMERR
    yield "edns.cookie-twice", asked(cookie, w.option(10, b"c" * 16)), cookieless
    yield "edns.cookie-broken-behind-good", asked(cookie, w.option(3), broken), cookieless
    yield "edns.cookie-good-behind-broken", asked(broken, cookie), FORMERR
    yield "edns.cookie-listed", asked(cookie, qname=LISTED, kind=w.A), not_echoed(with_opt(LISTING), 10)
    sent = asked(cookie, qname=w.name("www.example.com"))
    yield "edns.cookie-refused", sent, not_echoed(with_opt(refused(sent)), 10)
    yield "edns.do", asked(flags=0x8000), with_opt(SOA)  # RFC 3225
    sent = w.query(ZONE, w.SOA, flags=w.CD, additional=[w.opt(flags=0x8000)])
    yield "edns.do-cd", sent, with_opt(SOA)
    for flags in (0x0001, 0x0040, 0x0080, 0x4000, 0x7FFF):
        yield f"edns.flags-{flags:04x}", asked(flags=flags), with_opt(SOA)  # RFC 8906 8.2.4
    for size in (0, 1, 511, 512, 513, 1232, 4096, 65535):
        yield f"edns.size-{size}", asked(size=size), with_opt(SOA)  # RFC 6891 6.2.3
    yield "edns.ext-rcode-in-query", asked(rcode=255), with_opt(SOA)
    two = w.query(ZONE, w.SOA, additional=[w.opt(), w.opt()])
    yield "edns.two-opt", two, FORMERR  # RFC 6891 6.1.1
    yield "edns.owner-not-root", asked(owner=w.labels(b"a", b"b")), FORMERR  # RFC 6891 6.1.2
    for what, counts in (("answer", (1, 1, 0, 0)), ("authority", (1, 0, 1, 0))):
        yield f"edns.opt-in-{what}", w.header(0, counts) + w.question(ZONE, w.SOA) + w.opt(), ERROR_OR_SILENCE
    yield "edns.option-over-rdlength", asked(w.option(65001, b"abc", 200)), ERROR_OR_SILENCE  # RFC 9267 5
    yield "edns.option-header-cut", asked(b"\0\3\0"), ERROR_OR_SILENCE
    yield "edns.rdlength-over-message", asked(rdlength=400), ERROR_OR_SILENCE
    yield "edns.rdlength-short", asked(w.option(65001, b"abcd"), rdlength=4), ERROR_OR_SILENCE
    record = LISTED + struct.pack("!2HIH", w.A, 1, 60, 4) + b"\x7f\0\0\2"
    yield "edns.record-behind-opt", w.query(ZONE, w.SOA, additional=[w.opt(), record]), check(
        "the SOA or FORMERR", lambda reply: is_soa(reply) or reply.rcode == w.FORMERR
    )
    crowd = w.option(10, b"clientck") + w.option(3) + w.option(12, b"\0\0")
    yield "edns.many-options", asked(w.option(65001) * 300), SOA, (UDP,)  # CVE-2026-41292
    yield "edns.many-options-tcp", asked(w.option(65001) * 16000), SOA, (TCP,)
    yield "edns.many-cookies", asked(crowd * 50), ANYTHING, (UDP,)  # CVE-2026-42944
    yield "edns.many-cookies-tcp", asked(crowd * 2900), ANYTHING, (TCP,)
    algorithm = w.name("hmac-sha256")
    rdata = algorithm + b"\0\0\0\0\0\0\1\x2c\0\x20" + b"m" * 32 + b"\x12\x34\0\0\0\0"
    tsig = w.name("key.example") + struct.pack("!2HIH", w.TSIG, 255, 0, len(rdata)) + rdata
    yield "edns.tsig-unknown-key", w.query(ZONE, w.SOA, additional=[tsig]), ANYTHING  # RFC 8945 5.2
    for length in (600, 3000):
        yield f"padding-{length}", asked(w.option(12, b"\0" * length)), SOA
    for length in (5000, 60000):
        yield f"tcp.large-{length}", asked(w.option(12, b"\0" * length)), SOA, (TCP,)


def malformed_cases():
    good = w.question(LISTED)
    yield "malformed.no-question", w.header(0, (0, 0, 0, 0)), ERROR_OR_SILENCE  # RFC 9619
    yield "malformed.two-questions", w.header(0, (2, 0, 0, 0)) + good + w.question(CLEAR), FORMERR
    yield "malformed.two-announced", w.header(0, (2, 0, 0, 0)) + good, FORMERR
    for i, what in enumerate(("qd", "an", "ns", "ar")):
        counts = [1, 0, 0, 0]
        counts[i] = 65535
        yield f"malformed.{what}count-65535", w.header(0, counts) + good, ERROR_OR_SILENCE  # RFC 9267 6
    yield "malformed.all-counts-65535", w.header(0, [65535] * 4) + good, ERROR_OR_SILENCE
    yield "malformed.arcount-1-missing", w.header(0, (1, 0, 0, 1)) + good, ERROR_OR_SILENCE
    yield "malformed.question-missing", w.header(), ERROR_OR_SILENCE
    yield "malformed.type-missing", w.header() + LISTED, ERROR_OR_SILENCE
    yield "malformed.class-missing", w.header() + LISTED + b"\0\1", ERROR_OR_SILENCE
    yield "malformed.class-half", w.header() + LISTED + b"\0\1\0", ERROR_OR_SILENCE
    whole = w.query(LISTED, additional=[w.opt(w.option(10, b"clientck"))])
    for cut in range(len(whole)):
        yield f"malformed.cut-{cut}", whole[:cut], ERROR_OR_SILENCE
    tail = b"\0\1\0\1"
    names = {
        "label-type-40": b"\x41" + b"\1" * 40 + b"\0",
        "label-type-80": b"\x81" + b"\1" * 40 + b"\0",
        "label-past-end": b"\x3fabc",
        "name-256": b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 2 + b"\x3e" + b"c" * 62 + b"\0",
        "name-1000": (b"\x31" + b"a" * 49) * 20 + b"\0",
        "pointer-self": b"\xc0\x0c",
        "pointer-loop": b"\x01a\xc0\x0c",
        "pointer-loop-2": b"\xc0\x0e\xc0\x0c",
        "pointer-forward": b"\xc0\x12" + tail + LISTED,
        "pointer-past-end": b"\xff\xff",
        "pointer-into-label": b"\x03a\x01b\xc0\x0e",
        "pointer-to-header": b"\xc0\0",
    }
    for what, owner in names.items():
        yield f"malformed.{what}", w.header() + owner + tail, ERROR_OR_SILENCE  # RFC 9267 2, 3
    yield "malformed.name-no-end", w.header() + b"\3abc", ERROR_OR_SILENCE
    yield "malformed.pointer-cut", w.header() + b"\xc0", ERROR_OR_SILENCE
    yield "malformed.name-root-labels", w.header() + b"\0" * 257 + tail, ERROR_OR_SILENCE
    fixed = struct.pack("!2HI", w.A, 1, 60)
    records = {
        "rdlength-over": LISTED + fixed + b"\xff\xff\x7f\0\0\2",
        "header-cut": LISTED + fixed[:5],
        "pointer-loop": b"\xc0" + bytes([12 + len(good)]),
    }
    for what, record in records.items():
        sent = w.header(0, (1, 0, 0, 1)) + good + record
        yield f"malformed.additional-{what}", sent, ERROR_OR_SILENCE
    yield "malformed.trailing-bytes", w.query(LISTED) + b"trailing", check(
        "an answer or FORMERR", lambda reply: is_listed(reply) or reply.rcode == w.FORMERR
    )
    answer = CLEAR + struct.pack("!2HIH", w.A, 1, 3600, 4) + b"\x7f\0\0\2"
    sent = w.header(0, (1, 1, 0, 0)) + w.question(CLEAR) + answer
    yield "malformed.answer-in-query", sent, REPLY
    yield "malformed.answer-in-query-is-forgotten", w.query(CLEAR), NXDOMAIN
    for i, flags in enumerate((0, w.AA, w.TC, w.RD, w.RA, w.Z, w.AD, w.CD, 1, 2, 3, 5, 1 << 11, 4 << 11, 5 << 11, 15 << 11)):
        yield f"malformed.reply-bit-{i}", w.query(LISTED, flags=w.QR | flags), SILENCE
    yield "malformed.reply-formerr", w.header(w.QR | 1, (0, 0, 0, 0)), SILENCE
    yield "malformed.biggest-udp", w.query(LISTED) + b"\xff" * 64900, ERROR_OR_SILENCE, (UDP,)  # RFC 1035 4.2
    yield "malformed.biggest-tcp", (w.query(LISTED) + b"\xff" * 65535)[:65535], ERROR_OR_SILENCE, (TCP,)


PARTS = (zone_cases, header_cases, name_cases, outside_cases, edns_cases, malformed_cases)
CASES = [
    (transport, what, sent, expected)
    for part in PARTS
    for what, sent, expected, *only in part()
    for transport in (only[0] if only else BOTH)
]
