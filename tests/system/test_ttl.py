"""How long an answer may be kept, and how long evidence is."""
import time

import pytest

import upstream as up
from harness import reversed_name, wait_until
from programs import negative_ttl, served_by, verdict_of

SUBJECT = "198.51.100.1"
WIDE = {"min-ttl": 1, "max-ttl": 604800}

# what the list says, its options, the zone's, the TTL of the answer
LISTED = [
    ("the zone's max-ttl bounds", up.listed("127.0.0.2", ttl=300), WIDE, {}, 60),
    ("a shorter max-ttl of the zone", up.listed("127.0.0.2", ttl=300), WIDE, {"max-ttl": 10}, 10),
    ("the TTL of the list", up.listed("127.0.0.2", ttl=40), WIDE, {}, 40),
    ("a longer max-ttl of the zone", up.listed("127.0.0.2", ttl=7000), WIDE, {"max-ttl": 86400}, 7000),
    ("min-ttl of the list raises", up.listed("127.0.0.2", ttl=5), {"min-ttl": 30}, {}, 30),
    ("max-ttl of the list lowers", up.listed("127.0.0.2", ttl=3600), {"min-ttl": 1, "max-ttl": 25}, {}, 25),
    ("TTL 0 becomes min-ttl", up.listed("127.0.0.2", ttl=0), {"min-ttl": 33}, {}, 33),
    ("TTL 2^31 is 0 by RFC 2181", up.listed("127.0.0.2", ttl=2**31), {"min-ttl": 34}, {}, 34),
    ("TTL 2^32-1 is 0 too", up.listed("127.0.0.2", ttl=2**32 - 1), {"min-ttl": 35}, {}, 35),
    ("TTL 2^31-1 is bounded", up.listed("127.0.0.2", ttl=2**31 - 1), {"min-ttl": 1, "max-ttl": 500}, {"max-ttl": 86400}, 500),
    ("the CNAME has the least TTL", up.alias("127.0.0.2", cname_ttl=20, ttl=300), WIDE, {}, 20),
    ("the A record at its end has it", up.alias("127.0.0.2", cname_ttl=300, ttl=21), WIDE, {}, 21),
]
CLEAR = [
    ("negative-ttl of the zone bounds", up.nxdomain(300, 300), WIDE, {}, 60),
    ("a shorter negative-ttl", up.nxdomain(300, 300), WIDE, {"negative-ttl": 12}, 12),
    ("a longer negative-ttl", up.nxdomain(7000, 7000), WIDE, {"negative-ttl": 86400}, 7000),
    ("the SOA's minimum", up.nxdomain(300, 15), WIDE, {}, 15),
    ("the SOA's own TTL", up.nxdomain(16, 300), WIDE, {}, 16),
    ("the same for NODATA", up.nodata(300, 17), WIDE, {}, 17),
    ("min-ttl raises", up.nxdomain(5, 5), {"min-ttl": 30}, {}, 30),
    ("max-ttl lowers", up.nxdomain(3600, 3600), {"min-ttl": 1, "max-ttl": 26}, {}, 26),
    ("without SOA min-ttl", up.nxdomain_bare(), {"min-ttl": 27}, {}, 27),
    ("minimum 0", up.nxdomain(300, 0), {"min-ttl": 28}, {}, 28),
    ("minimum 2^31", up.nxdomain(300, 2**31), {"min-ttl": 29}, {}, 29),
]


def start(stage, behaviour, list_options=None, zone_options=None):
    server = stage.upstream({"a.example": behaviour})
    lists = served_by(server, "a.example", **(list_options or WIDE))
    return server, stage.tallyd({"bl.example": {"sites": ["a.example"], **(zone_options or {})}}, lists)


@pytest.mark.parametrize("why, said, list_options, zone_options, ttl", LISTED, ids=[row[0] for row in LISTED])
def test_a_listed_answer_is_kept_for_what_the_list_says_within_bounds(stage, why, said, list_options, zone_options, ttl):
    _, tallyd = start(stage, said, list_options, zone_options)
    for type in ("A", "TXT", "A"):
        reply = tallyd.ask(SUBJECT, type)
        assert ttl - 3 <= reply.answer[0].ttl <= ttl, why
    assert negative_ttl(tallyd.ask(SUBJECT, "AAAA")) <= ttl


@pytest.mark.parametrize("why, said, list_options, zone_options, ttl", CLEAR, ids=[row[0] for row in CLEAR])
def test_a_clear_answer_is_kept_for_what_the_list_says_within_bounds(stage, why, said, list_options, zone_options, ttl):
    _, tallyd = start(stage, said, list_options, zone_options)
    for type in ("A", "TXT", "A"):
        reply = tallyd.ask(SUBJECT, type)
        assert verdict_of(reply) == "clear"
        assert ttl - 3 <= negative_ttl(reply) <= ttl, why


def test_ttls_count_down_and_never_up(stage):
    _, listed = start(stage, up.listed("127.0.0.2", ttl=50))
    _, clear = start(stage, up.nxdomain(50))
    asked = time.monotonic()
    first = listed.ask(SUBJECT).answer[0].ttl, negative_ttl(clear.ask(SUBJECT))
    known = time.monotonic()
    assert all(47 <= ttl <= 50 for ttl in first)
    before = 50
    for _ in range(5):
        time.sleep(0.5)
        least = 50 - (time.monotonic() - asked) - 2
        ttl = listed.ask(SUBJECT).answer[0].ttl
        assert ttl <= before and ttl >= least
        before = ttl
        assert negative_ttl(clear.ask(SUBJECT)) >= least
    most = 50 - (time.monotonic() - known) + 2
    assert listed.ask(SUBJECT, "TXT").answer[0].ttl <= most
    assert negative_ttl(clear.ask(SUBJECT)) <= most


def test_a_bounded_ttl_does_not_count_down_while_the_evidence_is_longer(stage):
    _, tallyd = start(stage, up.listed("127.0.0.2", ttl=300), WIDE, {"max-ttl": 7})
    assert tallyd.ask(SUBJECT).answer[0].ttl == 7
    time.sleep(2)
    assert tallyd.ask(SUBJECT).answer[0].ttl == 7


@pytest.mark.parametrize("said", [up.listed("127.0.0.2", ttl=4), up.nxdomain(4)], ids=["listed", "clear"])
def test_when_evidence_has_expired_the_list_is_asked_again(stage, said):
    server, tallyd = start(stage, said)
    name = reversed_name(SUBJECT, "a.example")
    first = tallyd.verdict(SUBJECT)
    assert tallyd.verdict(SUBJECT) == first
    assert server.count(name) == 1
    time.sleep(5.2)
    assert tallyd.verdict(SUBJECT) == first
    assert server.count(name) == 2


def test_what_changes_at_the_list_changes_here_when_the_evidence_expires(stage):
    server, tallyd = start(stage, up.listed("127.0.0.2", ttl=4), WIDE, {"negative-ttl": 1})
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    server.behave("a.example", up.nxdomain(1))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    wait_until(lambda: tallyd.verdict(SUBJECT) == "clear", "delisting")
    server.behave("a.example", up.listed("127.0.0.2"))
    wait_until(lambda: tallyd.verdict(SUBJECT) == "127.0.0.2", "listing")


def test_each_clear_answer_has_a_lifetime_of_its_own(stage):
    """That the list gave the same SOA record for another address some seconds ago takes nothing off."""
    _, tallyd = start(stage, up.nxdomain(300, 300), WIDE, {"negative-ttl": 86400})
    assert negative_ttl(tallyd.ask("198.51.100.1")) == 300
    time.sleep(4)
    assert negative_ttl(tallyd.ask("198.51.100.2")) >= 298


def several(stage, said):
    server = stage.upstream(said)
    lists = served_by(server, *said, **WIDE)
    sites = ["a.example*2", "b.example*2", "c.example=127.0.0.5*2", "d.example*-1"]
    zone = {"sites": sites, "threshold": 2, "max-ttl": 1000, "negative-ttl": 1000}
    tallyd = stage.tallyd({"bl.example": zone}, lists)
    tallyd.ask(SUBJECT)
    wait_until(lambda: server.count() == 4, "all lists asked")
    time.sleep(0.3)
    return tallyd


def test_a_listed_answer_has_the_least_ttl_of_the_lists_that_matched(stage):
    said = {
        "a.example": up.listed("127.0.0.2", ttl=400),
        "b.example": up.listed("127.0.0.2", ttl=200),
        "c.example": up.listed("127.0.0.2", ttl=30),
        "d.example": up.nxdomain(20),
    }
    assert 196 <= several(stage, said).ask(SUBJECT).answer[0].ttl <= 200


def test_a_list_with_negative_weight_that_matched_counts_for_the_ttl(stage):
    said = {
        "a.example": up.listed("127.0.0.2", ttl=400),
        "b.example": up.listed("127.0.0.2", ttl=300),
        "c.example": up.nxdomain(30),
        "d.example": up.listed("127.0.0.2", ttl=100),
    }
    assert 96 <= several(stage, said).ask(SUBJECT).answer[0].ttl <= 100


def test_a_clear_answer_has_the_least_ttl_of_all_lists(stage):
    said = {
        "a.example": up.nxdomain(400),
        "b.example": up.nxdomain(300),
        "c.example": up.listed("127.0.0.2", ttl=70),
        "d.example": up.listed("127.0.0.2", ttl=90),
    }
    assert 66 <= negative_ttl(several(stage, said).ask(SUBJECT)) <= 70


@pytest.mark.parametrize("on_failure", ["pass", "127.0.0.9"])
def test_an_answer_in_spite_of_failing_lists_is_kept_5_seconds_at_most(stage, on_failure):
    server = stage.upstream({"a.example": up.nxdomain(3000), "b.example": up.servfail()})
    zone = {"sites": ["a.example", "b.example"], "on-failure": on_failure}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example", "b.example"))
    for type in ("A", "TXT"):
        reply = tallyd.ask(SUBJECT, type)
        ttl = negative_ttl(reply) if on_failure == "pass" else reply.answer[0].ttl
        assert 1 <= ttl <= 5
