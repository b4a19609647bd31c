"""DNS messages as bytes: build them as badly as wanted, and take replies apart with a parser of our own that forgives nothing."""
import struct
from dataclasses import dataclass, field

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
OPCODE, Z = 0x7800, 0x0040
A, NS, CNAME, SOA, TXT, AAAA, OPT, TSIG, IXFR, AXFR, ANY = 1, 2, 5, 6, 16, 28, 41, 250, 251, 252, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, DSOTYPENI, BADVERS, BADCOOKIE = 0, 1, 2, 3, 4, 5, 9, 11, 16, 23
IDENT = 0x1234


def labels(*parts):
    """A name of these labels, each any bytes."""
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def name(text):
    return labels(*(part.encode() for part in text.split(".") if part))


def header(flags=0, counts=(1, 0, 0, 0)):
    return struct.pack("!6H", IDENT, flags, *counts)


def question(qname, qtype=A, qclass=1):
    return qname + struct.pack("!2H", qtype, qclass)


def option(code, value=b"", length=None):
    return struct.pack("!2H", code, len(value) if length is None else length) + value


def opt(options=b"", size=1232, version=0, flags=0, rcode=0, owner=b"\0", rdlength=None):
    length = len(options) if rdlength is None else rdlength
    return owner + struct.pack("!2H2B2H", OPT, size, rcode, version, flags, length) + options


def query(qname, qtype=A, qclass=1, flags=0, additional=()):
    """One question, and records behind it."""
    return header(flags, (1, 0, 0, len(additional))) + question(qname, qtype, qclass) + b"".join(additional)


class Insane(AssertionError):
    """A reply that no server may send."""


def need(condition, what):
    if not condition:
        raise Insane(what)


@dataclass
class Record:
    owner: bytes
    type: int
    rclass: int
    ttl: int
    data: bytes


@dataclass
class Reply:
    raw: bytes
    tcp: bool
    ident: int = 0
    flags: int = 0
    rcode: int = 0
    question: bytes = b""
    answer: list = field(default_factory=list)
    authority: list = field(default_factory=list)
    additional: list = field(default_factory=list)
    opt: Record = None

    def has(self, flag):
        return bool(self.flags & flag)

    @property
    def opcode(self):
        return self.flags >> 11 & 15

    @property
    def options(self):
        """The EDNS options: list of (code, value)."""
        data, found = self.opt.data if self.opt else b"", []
        while data:
            need(len(data) >= 4, "half an option")
            code, length = struct.unpack("!2H", data[:4])
            need(len(data) >= 4 + length, "an option longer than OPT")
            found.append((code, data[4 : 4 + length]))
            data = data[4 + length :]
        return found


def read_name(raw, at):
    """The name at an offset, decompressed, and where it ends. Pointers go backward, never into the header."""
    name_bytes, end, limit = b"", None, at
    while True:
        need(at < len(raw), "a name beyond the end")
        length = raw[at]
        if length >= 0xC0:
            need(at + 1 < len(raw), "half a pointer")
            target = struct.unpack("!H", raw[at : at + 2])[0] & 0x3FFF
            end = at + 2 if end is None else end
            need(12 <= target < limit, f"a pointer to {target} at {at}")
            at = limit = target
            continue
        need(length < 64, "a label of an unknown type")
        need(at + 1 + length <= len(raw), "a label beyond the end")
        name_bytes += raw[at : at + 1 + length]
        need(len(name_bytes) <= 255, "a name of more than 255 bytes")
        at += 1 + length
        if length == 0:
            return name_bytes, at if end is None else end


def _read_data(raw, at, length, kind):
    """The data of a record with its names decompressed."""
    end = at + length
    if kind in (NS, CNAME):
        data, after = read_name(raw, at)
        need(after == end, "a name that does not fill its record")
        return data
    if kind == SOA:
        first, after = read_name(raw, at)
        second, after = read_name(raw, after)
        need(end - after == 20, "an SOA of another length")
        return first + second + raw[after:end]
    if kind in (A, AAAA):
        need(length == (4 if kind == A else 16), "an address of another length")
    if kind == TXT:
        need(length >= 1, "a TXT without a string")
        while at < end:
            at += 1 + raw[at]
        need(at == end, "a string over its record")
        return raw[end - length : end]
    return raw[at:end]


def _read_record(raw, at):
    owner, at = read_name(raw, at)
    need(at + 10 <= len(raw), "half a record")
    kind, rclass, ttl, length = struct.unpack("!2HIH", raw[at : at + 10])
    at += 10
    need(at + length <= len(raw), "a record beyond the end")
    return Record(owner, kind, rclass, ttl, _read_data(raw, at, length, kind)), at + length


def parse(raw, tcp):
    need(len(raw) >= 12, "less than a header")
    reply = Reply(raw, tcp)
    reply.ident, reply.flags, questions, *counts = struct.unpack("!6H", raw[:12])
    need(questions <= 1, "more than one question")
    at = 12
    if questions:
        _, at = read_name(raw, at)
        at += 4
        need(at <= len(raw), "half a question")
        reply.question = raw[12:at]
    for section, count in zip((reply.answer, reply.authority, reply.additional), counts, strict=True):
        for _ in range(count):
            record, at = _read_record(raw, at)
            section.append(record)
    need(at == len(raw), f"{len(raw) - at} bytes behind the message")
    opts = [record for record in reply.additional if record.type == OPT]
    need(len(opts) <= 1, "two OPT records")
    need(all(record.type != OPT for record in reply.answer + reply.authority), "an OPT out of place")
    reply.opt = opts[0] if opts else None
    reply.rcode = reply.flags & 15 | (reply.opt.ttl >> 24 << 4 if reply.opt else 0)
    return reply


def _asked_edns(sent):
    """(had an OPT, its size, its DO bit) as far as the query can be read; None where it can't."""
    try:
        at = 12
        _, *counts = struct.unpack("!5H", sent[2:12])
        for _ in range(counts[0]):
            _, at = read_name(sent, at)
            at += 4
        for _ in range(sum(counts[1:])):
            record, at = _read_record(sent, at)
            if record.type == OPT:
                return True, record.rclass, bool(record.ttl & 0x8000)
    except (Insane, struct.error):
        return None
    return False, 0, False


def sane(sent, raw, tcp, zones):
    """The parsed reply, after what must hold of every reply to anything. zones: names in wire form."""
    reply = parse(raw, tcp)
    flags = struct.unpack("!H", sent[2:4])[0]
    need(reply.ident == struct.unpack("!H", sent[:2])[0], "another id")
    need(reply.has(QR), "no reply bit")
    need(reply.opcode == flags >> 11 & 15, "another opcode")
    need(not reply.has(Z), "the Z bit")
    if reply.opcode == 0:
        need(reply.has(RD) == bool(flags & RD), "RD is not as sent")
    else:
        need(not reply.flags & (AA | RA | AD | CD), "flags of a query in another opcode")
    need(not reply.has(CD) or flags & CD, "CD where none was sent")
    edns = _asked_edns(sent)
    need(not reply.has(AD) or flags & AD or (edns and edns[2]), "AD where nobody asked")
    need(not reply.question or reply.question == sent[12 : 12 + len(reply.question)], "another question")
    if edns is not None:
        need(reply.opt is None or edns[0], "EDNS where none was sent")
    if reply.opt:
        need(reply.opt.owner == b"\0", "an OPT with a name")
        need(reply.opt.ttl >> 16 & 255 == 0, "another version of EDNS")
        need(reply.opt.ttl & 0x7FFF == 0, "EDNS flags that are reserved")
        need(reply.opt.rclass >= 512, "a UDP size under 512")
    limit = max(512, min(1232, edns[1])) if edns and edns[0] else 512
    need(tcp or len(raw) <= limit, f"{len(raw)} bytes over UDP, {limit} were allowed")
    need(not (tcp and reply.has(TC)), "TC over TCP")
    for section in (reply.answer, reply.authority, reply.additional):
        seen = [(record.owner.lower(), record.type, record.rclass, record.data) for record in section]
        need(len(set(seen)) == len(seen), "a record twice")
        need(all(record.ttl < 1 << 31 for record in section if record.type != OPT), "a TTL of 2^31 or more")
    need(reply.rcode in (NOERROR, NXDOMAIN) or not (reply.answer or reply.authority), "an error with records")
    need(reply.rcode != NXDOMAIN or not reply.answer, "NXDOMAIN with answers")
    for record in reply.authority:
        need(any(record.owner.lower().endswith(zone) for zone in zones), "an authority outside the zones")
    return reply
