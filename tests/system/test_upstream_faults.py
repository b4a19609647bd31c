"""Lists that misbehave, one fault each: what a zone with on-failure = defer makes of it shows how it was understood.

"127.0.0.2" listed, "clear", or "SERVFAIL" for unknown.
"""
import random
import socket
import time

import pytest

import upstream as up
from harness import reversed_name, wait_until
from programs import served_by, text_of
from tallyctl import Tallyctl

SUBJECT = "198.51.100.1"
ADDRESS = socket.inet_aton("127.0.0.2")
UNKNOWN = "SERVFAIL"
FAILED = "its servers fail or are silent"


def loopbacks(count):
    return [bytes([127, 0, 10 + i // 250, 1 + i % 250]) for i in range(count)]


# behaviour, verdict, and for lists that are unknown: why, in the log and in the table of lists
FAULTS = {
    "one code": (up.listed("127.0.0.2"), "127.0.0.2", None),
    "two codes": (up.listed("127.0.0.4", "127.0.0.11"), "127.0.0.2", None),
    "another code in 127/8": (up.listed("127.1.2.3"), "127.0.0.2", None),
    "NXDOMAIN with SOA": (up.nxdomain(), "clear", None),
    "NXDOMAIN without SOA": (up.nxdomain_bare(), "clear", None),
    "NOERROR without answer": (up.nodata(), "clear", None),
    "NOERROR without answer and SOA": (up.only_rcode("NOERROR"), "clear", None),
    "SERVFAIL": (up.servfail(), UNKNOWN, FAILED),
    "REFUSED": (up.refused(), UNKNOWN, FAILED),
    "FORMERR": (up.only_rcode("FORMERR"), UNKNOWN, FAILED),
    "NOTIMP": (up.only_rcode("NOTIMP"), UNKNOWN, FAILED),
    "NOTAUTH": (up.only_rcode("NOTAUTH"), UNKNOWN, FAILED),
    "YXDOMAIN": (up.only_rcode("YXDOMAIN"), UNKNOWN, FAILED),
    "silence": (up.silent(), UNKNOWN, "timeout"),
    "later than the timeout": (up.slow(4, up.listed("127.0.0.2")), UNKNOWN, "timeout"),
    "late, but in time": (up.slow(0.3, up.listed("127.0.0.2")), "127.0.0.2", None),
    "CNAME to a code": (up.alias("127.0.0.2"), "127.0.0.2", None),
    "CNAME chain to a code": (up.alias("127.0.0.4", hops=5), "127.0.0.2", None),
    "CNAME chain without end": (up.alias("127.0.0.4", hops=25), UNKNOWN, FAILED),
    "CNAME to itself": (lambda asked: up.records((asked.name.to_text(), 60, "CNAME", asked.name.to_text()))(asked), UNKNOWN, FAILED),
    "CNAME to an error code": (up.alias("127.255.255.254"), UNKNOWN, "it refuses your resolver: public or shared"),
    "CNAME to a foreign address": (up.alias("192.0.2.80"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "CNAME to nothing": (up.alias(), "clear", None),
    "DNAME to a code": (up.moved("127.0.0.2"), "127.0.0.2", None),
    "DNAME to an error code": (up.moved("127.255.255.255"), UNKNOWN, "over quota"),
    "no EDNS": (up.without_edns(up.listed("127.0.0.2")), "127.0.0.2", None),
    "no EDNS and not listed": (up.without_edns(up.nxdomain()), "clear", None),
    "127.255.255.252": (up.listed("127.255.255.252"), UNKNOWN, "typing error in the name of the zone"),
    "127.255.255.253": (up.listed("127.255.255.253"), UNKNOWN, "it refuses us with an error code"),
    "127.255.255.254": (up.listed("127.255.255.254"), UNKNOWN, "it refuses your resolver: public or shared"),
    "127.255.255.255": (up.listed("127.255.255.255"), UNKNOWN, "over quota"),
    "127.0.0.1": (up.listed("127.0.0.1"), UNKNOWN, None),
    "10.0.0.1": (up.listed("10.0.0.1"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "a parked public address": (up.listed("192.0.2.80"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "0.0.0.0": (up.listed("0.0.0.0"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "code and error code": (up.listed("127.0.0.2", "127.255.255.252"), UNKNOWN, "typing error in the name of the zone"),
    "error code and code": (up.listed("127.255.255.255", "127.0.0.2"), UNKNOWN, "over quota"),
    "code and foreign address": (up.listed("127.0.0.2", "10.0.0.1"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "foreign address and code": (up.listed("10.0.0.1", "127.0.0.2"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "code and 127.0.0.1": (up.listed("127.0.0.1", "127.0.0.2"), "127.0.0.2", None),
    "an address of 3 bytes": (up.raw_addresses(b"\x7f\0\0"), UNKNOWN, "malformed reply"),
    "an address of 5 bytes": (up.raw_addresses(b"\x7f\0\0\2\0"), UNKNOWN, "malformed reply"),
    "an address of 0 bytes": (up.raw_addresses(b""), UNKNOWN, "malformed reply"),
    "an address of 16 bytes": (up.raw_addresses(b"\x7f\0\0\2" * 4), UNKNOWN, "malformed reply"),
    "good and bad length": (up.raw_addresses(ADDRESS, b"\x7f\0\0"), UNKNOWN, "malformed reply"),
    "40 codes": (up.raw_addresses(*loopbacks(40)), "127.0.0.2", None),
    "more codes than are kept": (up.raw_addresses(*loopbacks(2000)), UNKNOWN, "malformed reply"),
    "20 times the same code": (up.twice(up.listed("127.0.0.2")), "127.0.0.2", None),
    "40 codes and an error code": (up.raw_addresses(*loopbacks(40), b"\x7f\xff\xff\xff"), UNKNOWN, "over quota"),
    "an error code and 40 codes": (up.raw_addresses(b"\x7f\xff\xff\xff", *loopbacks(40)), UNKNOWN, "over quota"),
    "40 codes and a foreign address": (up.raw_addresses(*loopbacks(40), b"\x0a\0\0\1"), UNKNOWN, "answer outside 127.0.0.0/8"),
    "TC, then a code over TCP": (up.truncated(up.listed("127.0.0.2")), "127.0.0.2", None),
    "TC, then nothing over TCP": (up.truncated(up.nxdomain()), "clear", None),
    "TC, then SERVFAIL over TCP": (up.truncated(up.servfail()), UNKNOWN, FAILED),
    "TC, then TCP is closed": (up.truncated(up.closing()), UNKNOWN, ""),
    "TC, then TCP is silent": (up.truncated(up.silent()), UNKNOWN, "timeout"),
    "TTL 0": (up.listed("127.0.0.2", ttl=0), "127.0.0.2", None),
    "TTL 2^31": (up.listed("127.0.0.2", ttl=2**31), "127.0.0.2", None),
    "TTL 2^32-1": (up.listed("127.0.0.2", ttl=2**32 - 1), "127.0.0.2", None),
    "an answer to another question": (up.wrong_question(), UNKNOWN, ""),
    "a record of another name": (up.unrelated(), "clear", None),
    "a record for another list": (up.poisoned(reversed_name(SUBJECT, "good.example")), "clear", None),
    "only a record of another type": (lambda asked: up.records((asked.name.to_text(), 60, "TXT", "listed"))(asked), "clear", None),
    "another spelling": (up.other_spelling(up.listed("127.0.0.2")), "127.0.0.2", None),
    "another id": (up.wrong_id(up.listed("127.0.0.2")), UNKNOWN, "timeout"),
    "a referral to the root": (up.upward_referral(), UNKNOWN, ""),
    "a pointer to itself": (up.pointer_loop(), UNKNOWN, ""),
    "a packet that is cut": (up.cut(up.listed("127.0.0.2")), UNKNOWN, ""),
    "garbage": (up.garbage(), UNKNOWN, ""),
    "only an id": (up.garbage(b""), UNKNOWN, ""),
    "half a header": (up.garbage(b"\x84\0\0"), UNKNOWN, ""),
    "a header that counts too much": (up.garbage(b"\x84\0\0\1\xff\xff\xff\xff\xff\xff"), UNKNOWN, ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_list_is_understood(stage, fault):
    behaviour, verdict, why = FAULTS[fault]
    server = stage.upstream({"a.example": behaviour, "good.example": up.nxdomain()})
    zones = {
        "bl.example": {"sites": ["a.example"], "on-failure": "defer"},
        "good.example.org": {"sites": ["good.example"]},
    }
    lists = served_by(server, "a.example", "good.example", **{"timeout-ms": 600})
    tallyd = stage.tallyd(zones, lists, deadline_ms=1000)
    for type in ("A", "TXT"):
        reply = tallyd.ask(SUBJECT, type, edns=1232)
        if verdict == "127.0.0.2":
            assert len(reply.answer) == 1 and len(reply.answer[0]) == 1, reply
            assert type == "TXT" or reply.answer[0][0].address == "127.0.0.2"
        else:
            assert not reply.answer, reply
            assert reply.rcode() == {"clear": 3, UNKNOWN: 2}[verdict], reply
    assert tallyd.verdict(SUBJECT, zone="good.example.org") == "clear"
    faulty, good = Tallyctl(tallyd).json("lists")
    assert (good["clear"], good["unknown"], good["health"]) == (1, 0, "ok")
    lines = tallyd.log_lines("warning: list unknown list=a.example")
    if why is None:
        assert lines == [] and faulty["asked"] == faulty["listed"] + faulty["clear"], (lines, faulty)
    else:
        assert len(lines) == 1 and f'why="{why}' in lines[0] and f"subject={SUBJECT}" in lines[0], lines
        assert faulty["listed"] == faulty["clear"] == 0, faulty
    codes = [error["why"] for error in faulty["errors"]]
    assert codes == ([why] if "refuse" in (why or "") or why in ("over quota", "typing error in the name of the zone") else [])


def test_a_truncated_answer_is_fetched_over_tcp(stage):
    server = stage.upstream({"a.example": up.truncated(up.listed("127.0.0.2"))})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert [tcp for _, _, _, tcp in server.asked] == [False, True]


def test_a_code_far_back_in_a_long_answer_counts_for_its_site(stage):
    far = loopbacks(40)[-1]
    site = f"a.example=127.0.{far[2]}.{far[3]}"
    for order in (loopbacks(40), loopbacks(40)[::-1]):
        server = stage.upstream({"a.example": up.raw_addresses(*order)})
        tallyd = stage.tallyd({"bl.example": {"sites": [site]}}, served_by(server, "a.example"))
        assert tallyd.verdict(SUBJECT) == "127.0.0.2"


def test_a_list_that_always_says_something_else_does_no_harm(stage):
    """Far more different replies than any list gives; others and later answers are as ever."""
    random.seed(2)
    server = stage.upstream({"wild.example": up.nxdomain(), "b.example": up.listed("127.0.0.2")})
    subjects = [f"198.51.{i // 250}.{i % 250 + 1}" for i in range(600)]
    for subject in subjects:
        codes = [f"127.{random.randrange(255)}.{random.randrange(255)}.{random.randrange(1, 255)}" for _ in range(3)]
        server.behave(reversed_name(subject, "wild.example"), up.listed(*codes))
    zones = {"bl.example": {"sites": ["wild.example", "b.example*5"], "threshold": 5}, "w.example": {"sites": ["wild.example"]}}
    tallyd = stage.tallyd(zones, served_by(server, "wild.example", "b.example"))
    for subject in subjects:
        assert tallyd.verdict(subject) == "127.0.0.2"
        assert tallyd.verdict(subject, zone="w.example") in ("127.0.0.2", "clear")
    assert tallyd.verdict(subjects[0], zone="w.example") == "127.0.0.2"
    assert "b.example" in text_of(tallyd.ask("203.0.113.99", "TXT"))


def test_hostile_bytes_in_random_places_are_survived(stage):
    """A good reply with bytes changed at random: some verdict comes, and the daemon lives."""
    random.seed(3)

    def mangled(asked):
        wire = bytearray(up.listed("127.0.0.2")(asked).to_wire())
        for _ in range(random.randrange(1, 6)):
            wire[random.randrange(2, len(wire))] = random.randrange(256)
        return bytes(wire[: random.randrange(12, len(wire) + 1)] if random.random() < 0.2 else wire)

    server = stage.upstream({"a.example": mangled, "good.example": up.listed("127.0.0.2")})
    zones = {"bl.example": {"sites": ["a.example"], "on-failure": "defer"}, "good.example.org": {"sites": ["good.example"]}}
    tallyd = stage.tallyd(zones, served_by(server, "a.example", "good.example"), deadline_ms=100)
    for i in range(100):
        assert tallyd.verdict(f"198.51.100.{i + 1}") in ("127.0.0.2", "clear", UNKNOWN)
    assert tallyd.verdict(SUBJECT, zone="good.example.org") == "127.0.0.2"


def test_a_list_that_is_back_is_heard_again(stage):
    server = stage.upstream({"a.example": up.servfail()})
    zone = {"sites": ["a.example"], "on-failure": "defer"}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example"))
    assert tallyd.verdict(SUBJECT) == UNKNOWN
    server.behave("a.example", up.listed("127.0.0.2"))
    began = time.monotonic()
    wait_until(lambda: tallyd.verdict(SUBJECT) == "127.0.0.2", "the list is heard again", 20)
    assert time.monotonic() - began < 15
