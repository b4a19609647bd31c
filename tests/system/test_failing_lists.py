"""Lists that are dead: an answer as soon as it is decided, and at the deadline at the latest."""
import time

import pytest

import upstream as up
from flood import Flood
from harness import reversed_name, wait_until
from programs import extended_errors, negative_ttl, text_of, verdict_of

SUBJECT = "198.51.100.1"
DEADLINE = 8.0  # seconds; "at once" is less than half of it
DEAD = {"silent": up.silent(), "servfail": up.servfail(), "refused": up.refused(), "closed port": None}


def start(stage, said, zone, deadline=DEADLINE, timeout=None):
    """One server for the lists that live; those that say nothing have a closed port. The timeout is that of each list."""
    server = stage.upstream({name: behaviour for name, behaviour in said.items() if behaviour is not None})
    gone = stage.upstream({})
    gone.stop()
    more = {} if timeout is None else {"timeout-ms": int(timeout * 1000)}
    lists = {name: {"server": [(gone if said[name] is None else server).server], **more} for name in said}
    tallyd = stage.tallyd({"bl.example": zone}, lists, deadline_ms=int(deadline * 1000))
    tallyd.list_server = server
    return tallyd


def timed(tallyd, subject=SUBJECT, type="A"):
    began = time.monotonic()
    reply = tallyd.ask(subject, type)
    return time.monotonic() - began, reply


# what a dead list cannot change: sites, what the living say, the verdict
DECIDED = [
    (["live.example*5", "dead.example*3"], 4, up.listed("127.0.0.2"), "127.0.0.2"),
    (["live.example*5", "dead.example*3"], 9, up.nxdomain(), "clear"),
    (["live.example*5", "dead.example*-1"], 4, up.listed("127.0.0.2"), "127.0.0.2"),
    (["live.example*2", "dead.example*-9"], 2, up.nxdomain(), "clear"),
    (["live.example*-5", "dead.example*5"], 1, up.listed("127.0.0.2"), "clear"),
    (["live.example=127.0.0.2*1", "live.example=127.0.0.3*6", "dead.example*5"], 6, up.listed("127.0.0.3"), "127.0.0.2"),
    (["live.example*5", "dead.example=127.0.0.2*1", "dead.example=127.0.0.3*-2"], 3, up.listed("127.0.0.2"), "127.0.0.2"),
    (["dead.example*0", "live.example*1"], 1, up.listed("127.0.0.2"), "127.0.0.2"),
]


@pytest.mark.parametrize("on_failure", ["pass", "defer", "127.0.0.99"])
@pytest.mark.parametrize("sites, threshold, said, verdict", DECIDED)
def test_what_the_living_lists_have_decided_is_answered_at_once(stage, sites, threshold, said, verdict, on_failure):
    zone = {"sites": sites, "threshold": threshold, "on-failure": on_failure}
    tallyd = start(stage, {"live.example": said, "dead.example": up.silent()}, zone, timeout=DEADLINE)
    for type in ("A", "TXT"):
        elapsed, reply = timed(tallyd, type=type)
        assert elapsed < DEADLINE / 2, elapsed
        assert (verdict_of(reply) == verdict) if type == "A" else bool(reply.answer) == (verdict != "clear")


def test_grades_wait_for_a_list_that_could_change_the_grade(stage):
    zone = {"sites": ["live.example*5", "dead.example*5"], "answers": ["5=127.0.0.5", "10=127.0.0.10"]}
    tallyd = start(stage, {"live.example": up.listed("127.0.0.2"), "dead.example": up.silent()}, zone)
    elapsed, reply = timed(tallyd)
    assert verdict_of(reply) == "127.0.0.5"
    assert elapsed < DEADLINE + 5
    assert reply.answer[0].ttl <= 5


# what a dead list could change: sites, threshold, what the living say, verdict under pass
OPEN = [
    (["live.example*2", "dead.example*3"], 4, up.listed("127.0.0.2"), "clear"),
    (["live.example*5", "dead.example*-3"], 4, up.listed("127.0.0.2"), "127.0.0.2"),
    (["live.example*2", "dead.example*3"], 3, up.nxdomain(), "clear"),
    (["live.example*5", "dead.example=127.0.0.2*1", "dead.example=127.0.0.3*-2"], 4, up.listed("127.0.0.2"), "127.0.0.2"),
]


@pytest.mark.parametrize("dead", DEAD)
@pytest.mark.parametrize("sites, threshold, said, passed", OPEN)
@pytest.mark.parametrize("on_failure", ["pass", "defer", "127.0.0.99"])
def test_what_a_dead_list_leaves_open_is_closed_by_on_failure(stage, dead, sites, threshold, said, passed, on_failure):
    zone = {"sites": sites, "threshold": threshold, "on-failure": on_failure}
    tallyd = start(stage, {"live.example": said, "dead.example": DEAD[dead]}, zone, timeout=0.4)
    elapsed, reply = timed(tallyd)
    assert elapsed < DEADLINE + 5
    assert verdict_of(reply) == {"pass": passed, "defer": "SERVFAIL", "127.0.0.99": "127.0.0.99"}[on_failure]
    if reply.answer:
        assert 1 <= reply.answer[0].ttl <= 5
    elif on_failure == "pass":
        assert 1 <= negative_ttl(reply) <= 5


def test_the_deadline_is_the_latest_moment_for_an_answer(stage):
    zone = {"sites": ["live.example*1", "dead.example*3"], "threshold": 3}
    tallyd = start(stage, {"live.example": up.nxdomain(), "dead.example": up.silent()}, zone, deadline=0.9, timeout=60)
    elapsed, reply = timed(tallyd)
    assert verdict_of(reply) == "clear"
    assert 0.7 < elapsed < 5


def test_a_list_that_runs_into_its_own_timeout_is_not_waited_for(stage):
    zone = {"sites": ["live.example*1", "dead.example*3"], "threshold": 3}
    tallyd = start(stage, {"live.example": up.nxdomain(), "dead.example": up.silent()}, zone, deadline=30, timeout=0.3)
    elapsed, reply = timed(tallyd)
    assert verdict_of(reply) == "clear"
    assert 0.2 < elapsed < 15


@pytest.mark.parametrize("dead", ["silent", "closed port"])
@pytest.mark.parametrize("on_failure, verdict", [("pass", "clear"), ("defer", "SERVFAIL"), ("127.0.0.99", "127.0.0.99")])
def test_all_lists_dead_is_an_answer_in_time_too(stage, dead, on_failure, verdict):
    names = ["a.example", "b.example", "c.example"]
    zone = {"sites": [name + "*2" for name in names], "threshold": 3, "on-failure": on_failure}
    tallyd = start(stage, {name: DEAD[dead] for name in names}, zone, deadline=0.5)
    for subject in (SUBJECT, "2001:db8::1"):
        elapsed, reply = timed(tallyd, subject)
        assert elapsed < 5
        assert verdict_of(reply) == verdict
        text = tallyd.ask(subject, "TXT")
        assert bool(text.answer) == (verdict == "127.0.0.99")
        if text.answer:
            assert text_of(text) == f"{subject} cannot be checked now: no answer from {', '.join(names)}"
            assert text.answer[0].ttl <= 5
    assert tallyd.verdict("127.0.0.2") == "127.0.0.2"
    assert tallyd.verdict("127.0.0.1") == "clear"


def test_servfail_for_want_of_lists_says_so_in_an_extended_error(stage):
    zone = {"sites": ["a.example"], "on-failure": "defer"}
    tallyd = start(stage, {"a.example": up.servfail()}, zone)
    for tcp in (False, True):
        reply = tallyd.ask(SUBJECT, edns=1232, tcp=tcp)
        assert verdict_of(reply) == "SERVFAIL"
        assert extended_errors(reply) == [22]
    reply = tallyd.ask(SUBJECT)
    assert reply.edns == -1 and not reply.additional


def test_a_late_answer_still_feeds_the_cache(stage):
    zone = {"sites": ["late.example*3"], "threshold": 3}
    tallyd = start(stage, {"late.example": up.slow(0.6, up.listed("127.0.0.2"))}, zone, deadline=0.2)
    assert tallyd.verdict(SUBJECT) == "clear"
    wait_until(lambda: tallyd.verdict(SUBJECT) == "127.0.0.2", "the late answer counts")
    asked = tallyd.list_server.count(reversed_name(SUBJECT, "late.example"))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert tallyd.list_server.count(reversed_name(SUBJECT, "late.example")) == asked


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_a_slow_list_is_heard_within_its_timeout(stage, seconds):
    """Whatever the resolver library thinks of it: the timeout is timeout-ms."""
    zone = {"sites": ["slow.example"]}
    tallyd = start(stage, {"slow.example": up.slow(seconds, up.listed("127.0.0.2"))}, zone, deadline=10, timeout=5)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert tallyd.verdict("198.51.100.2") == "127.0.0.2"


def test_a_quick_list_that_hesitates_once_is_heard_within_its_timeout(stage):
    """That it has always answered in a millisecond is no reason to give it up after a third of a second."""
    zone = {"sites": ["quick.example"], "on-failure": "defer"}
    tallyd = start(stage, {"quick.example": up.nxdomain()}, zone, deadline=10, timeout=5)
    for i in range(1, 31):
        assert tallyd.verdict(f"203.0.113.{i}") == "clear"
    tallyd.list_server.behave("quick.example", up.slow(0.5, up.listed("127.0.0.2")))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"


def test_a_failure_is_remembered_for_seconds_and_then_asked_again(stage):
    tallyd = start(stage, {"a.example": up.servfail()}, {"sites": ["a.example"], "on-failure": "defer"})
    assert tallyd.verdict(SUBJECT) == "SERVFAIL"
    first = tallyd.list_server.count()
    assert tallyd.verdict(SUBJECT) == "SERVFAIL"
    assert tallyd.list_server.count() == first
    tallyd.list_server.behave("a.example", up.nxdomain())
    wait_until(lambda: tallyd.verdict(SUBJECT) == "clear", "asked again", 20)


def test_a_refusal_by_error_code_is_not_repeated_for_a_minute(stage):
    """A list that has told us to go away is left alone for longer than one that has failed."""
    tallyd = start(stage, {"a.example": up.listed("127.255.255.254", ttl=1)}, {"sites": ["a.example"], "on-failure": "defer"})
    assert tallyd.verdict(SUBJECT) == "SERVFAIL"
    time.sleep(7)
    assert tallyd.verdict(SUBJECT) == "SERVFAIL"
    assert tallyd.list_server.count() == 1


@pytest.mark.alone
def test_one_dead_list_of_eight_does_not_hold_up_a_flood(stage):
    names = [f"l{i}.example" for i in range(8)]
    said = {name: up.nxdomain() for name in names}
    said["l3.example"] = up.silent()
    for name in names[4:]:
        said[name] = up.listed("127.0.0.2")
    zone = {"sites": [name + "*2" for name in names], "threshold": 7}
    tallyd = start(stage, said, zone, deadline=20, timeout=20)
    questions = [(reversed_name(f"198.51.100.{i}", "bl.example"), "A") for i in range(1, 101)]
    replies = Flood(tallyd.address, tallyd.port, window=100, seconds=30).ask(questions)
    assert {verdict_of(reply) for _, _, reply in replies} == {"127.0.0.2"}
    waits = sorted(answered - asked for asked, answered, _ in replies)
    assert waits[-1] < 10


@pytest.mark.alone
def test_hundreds_of_open_questions_are_all_answered_by_the_deadline(stage):
    tallyd = start(stage, {"a.example": up.silent()}, {"sites": ["a.example"]}, deadline=0.7)
    questions = [(reversed_name(f"198.51.100.{i}", "bl.example"), "A") for i in range(1, 251)]
    replies = Flood(tallyd.address, tallyd.port, window=250).ask(questions)
    assert {verdict_of(reply) for _, _, reply in replies} == {"clear"}
    assert max(answered - asked for asked, answered, _ in replies) < 6
