"""Lists that are down, stale, dear or overrun: what tallyd makes of them over time."""
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flood
import upstream as up
from clock import Clock
from harness import BUILD, SANITIZED, reversed_name, wait_until
from programs import Rbldnsd, extended_errors, served_by, verdict_of
from tallyctl import Tallyctl

SUBJECT = "198.51.100.1"
FAILED = "its servers fail or are silent"
DEFER = {"sites": ["a.example"], "on-failure": "defer"}
NO_TIME = 0.5  # seconds; far less than any timeout here


def fresh(start=0):
    """Subjects that nobody has asked about."""
    return (f"198.51.{i // 250}.{i % 250 + 1}" for i in range(start, 60000))


def timed(tallyd, subject, **how):
    began = time.monotonic()
    return tallyd.verdict(subject, **how), time.monotonic() - began


def table(tallyd):
    return {row["list"]: row for row in Tallyctl(tallyd).json("lists")}


def bring_down(tallyd, subjects):
    for _ in range(5):
        assert tallyd.verdict(next(subjects)) == "SERVFAIL"
    assert len(tallyd.log_lines("warning: list down list=a.example")) == 1, tallyd.stderr


# --- dead lists ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", ["silent", "SERVFAIL", "REFUSED", "closed port", "error code"])
def test_a_dead_list_is_soon_not_waited_for_and_used_again_when_it_is_back(stage, dead):
    behaviours = {
        "silent": up.silent(),
        "SERVFAIL": up.servfail(),
        "REFUSED": up.refused(),
        "error code": up.listed("127.255.255.255"),
    }
    server = stage.upstream({"a.example": behaviours.get(dead, up.silent()), "b.example": up.nxdomain()})
    if dead == "closed port":
        server.stop()
    zones = {"bl.example": DEFER, "both.example": {"sites": ["a.example*2", "b.example*2"], "on-failure": "defer"}}
    tallyd = stage.tallyd(zones, served_by(server, "a.example", "b.example", **{"timeout-ms": 700}))
    subjects = fresh()
    bring_down(tallyd, subjects)
    asked = server.count()
    for _ in range(50):
        verdict, elapsed = timed(tallyd, next(subjects))
        assert verdict == "SERVFAIL" and elapsed < NO_TIME, elapsed
    assert server.count() - asked <= 20, "a dead list costs next to nothing"
    row = table(tallyd)["a.example"]
    # after several timeouts libunbound knows such servers, and asks them only now and then
    expected = {"error code": ["over quota"], "silent": ["timeout", FAILED], "closed port": ["timeout", FAILED]}
    assert row["health"] == "failing" and row["why"] in expected.get(dead, [FAILED])
    if dead == "closed port":
        server.start()
    server.behave("a.example", up.listed("127.0.0.2"))
    began = time.monotonic()
    wait_until(lambda: tallyd.verdict(next(subjects)) == "127.0.0.2", "the list is used again", 60)
    assert time.monotonic() - began < 30 + (10 if SANITIZED else 0)
    assert len(tallyd.log_lines("info: list up list=a.example")) == 1
    assert table(tallyd)["a.example"]["health"] == "ok"
    assert table(tallyd)["b.example"]["unknown"] == 0


def test_one_server_of_two_down_is_not_noticed(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    gone = stage.upstream({})
    gone.stop()
    lists = {"a.example": {"server": [gone.server, server.server], "timeout-ms": 5000}}
    tallyd = stage.tallyd({"bl.example": DEFER}, lists, deadline_ms=6000)
    subjects = fresh()
    assert {tallyd.verdict(next(subjects)) for _ in range(30)} == {"127.0.0.2"}
    assert table(tallyd)["a.example"]["unknown"] == 0


@pytest.mark.alone
@pytest.mark.parametrize("percent", range(10, 100, 10))
def test_packets_that_are_lost_never_make_a_listed_subject_clear(stage, percent):
    server = stage.upstream({"a.example": up.lossy(percent / 100, up.listed("127.0.0.2"), seed=percent), "b.example": up.nxdomain()})
    zones = {"bl.example": DEFER, "b.example.org": {"sites": ["b.example"], "on-failure": "defer"}}
    tallyd = stage.tallyd(zones, served_by(server, "a.example", "b.example", **{"timeout-ms": 3000}), deadline_ms=3000)
    subjects = fresh(percent * 300)
    questions = [(reversed_name(next(subjects), zone), "A") for _ in range(30) for zone in ("bl.example", "b.example.org")]
    replies = flood.Flood(tallyd.address, tallyd.port, window=60).ask(questions)
    verdicts = [verdict_of(reply) for _, _, reply in replies]
    assert set(verdicts[::2]) <= {"127.0.0.2", "SERVFAIL"}
    assert set(verdicts[1::2]) == {"clear"}, "another list is not touched"
    if percent <= 30:
        assert verdicts[::2].count("127.0.0.2") >= 20


def test_a_list_that_flaps_is_heard_when_it_speaks(stage):
    server = stage.upstream({"a.example": up.in_turn(*[up.servfail()] * 4, *[up.listed("127.0.0.2")] * 4)})
    tallyd = stage.tallyd({"bl.example": DEFER}, served_by(server, "a.example"), deadline_ms=1500)
    subjects = fresh()
    verdicts = [tallyd.verdict(next(subjects)) for _ in range(40)]
    assert set(verdicts) <= {"127.0.0.2", "SERVFAIL"}
    assert verdicts.count("127.0.0.2") >= 10, verdicts


def test_texts_of_lists_are_never_asked_for(stage):
    """What a hostile list puts into its TXT records reaches nobody."""
    hostile = ("x.example.", 60, "TXT", '"250 ok\\013\\010QUIT\\013\\010\\027[2J\\000"')
    server = stage.upstream({"a.example": lambda a: up.listed("127.0.0.2")(a) if a.type == "A" else up.records(hostile)(a)})
    tallyd = stage.tallyd({"bl.example": DEFER}, served_by(server, "a.example"))
    reply = tallyd.ask(SUBJECT, "TXT")
    assert reply.answer[0][0].strings == (f"{SUBJECT} is listed by a.example".encode(),)
    assert {type for _, _, type, _ in server.asked} == {"A"}


# --- stale evidence -----------------------------------------------------------------------------


def quick(server, *names, **options):
    """Lists whose evidence expires in a second."""
    return served_by(server, *names, **{"min-ttl": 1, "max-ttl": 1, **options})


def test_what_a_real_list_said_stands_in_when_it_is_killed(stage):
    zones = {"a.example": {"ip4set": [":127.0.0.2:listed", SUBJECT]}}
    server = stage.rbldnsd(zones, ttl=1, negative_ttl=1)
    tallyd = stage.tallyd({"bl.example": DEFER}, quick(server, "a.example", **{"timeout-ms": 300}))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert tallyd.verdict("203.0.113.5") == "clear"
    server.stop()
    time.sleep(2.1)
    reply = tallyd.ask(SUBJECT, edns=1232)
    assert verdict_of(reply) == "127.0.0.2" and reply.answer[0].ttl <= 5
    assert extended_errors(reply) == [3]
    reply = tallyd.ask("203.0.113.5", edns=1232)
    assert verdict_of(reply) == "clear" and extended_errors(reply) == [19]
    assert tallyd.verdict("203.0.113.6") == "SERVFAIL", "of which nothing was ever known"
    said = Tallyctl(tallyd).json("check", SUBJECT)
    assert said["verdict"] == "listed" and said["lists"][0]["stale"] is True and said["lists"][0]["state"] == "listed"
    assert Tallyctl(tallyd).json("stats")["cache"]["stale"] >= 2
    Rbldnsd(stage, zones, ttl=1, negative_ttl=1, address=server.address, port=server.port)
    wait_until(lambda: extended_errors(tallyd.ask(SUBJECT, edns=1232)) == [], "fresh again", 40)


def test_stale_evidence_has_an_end(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd({"bl.example": DEFER}, quick(server, "a.example"), max_stale=4)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    server.behave("a.example", up.servfail())
    time.sleep(2)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    wait_until(lambda: tallyd.verdict(SUBJECT) == "SERVFAIL", "no longer", 20)


def test_a_subject_in_use_is_asked_about_before_its_evidence_expires(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd({"bl.example": DEFER}, served_by(server, "a.example", **{"min-ttl": 8, "max-ttl": 8}))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    server.behave("a.example", up.slow(0.2, up.nxdomain()))
    verdict, elapsed = timed(tallyd, SUBJECT)
    assert verdict == "127.0.0.2" and elapsed < 0.2, "from the cache; it is asked in the background"
    wait_until(lambda: tallyd.verdict(SUBJECT) and server.count(reversed_name(SUBJECT, "a.example")) == 2, "asked ahead")
    wait_until(lambda: tallyd.verdict(SUBJECT) == "clear", "the new answer", 3)
    assert server.count(reversed_name(SUBJECT, "a.example")) == 2


def test_the_resolver_library_keeps_no_answer(stage):
    """Not even the last one: what has expired here, or was flushed, is asked for anew, whatever its TTL was."""
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3600), "b.example": up.nxdomain(ttl=3600)})
    lists = served_by(server, "a.example", "b.example", **{"min-ttl": 1, "max-ttl": 3600})
    tallyd = stage.tallyd({"bl.example": DEFER, "b.example.org": {"sites": ["b.example"]}}, lists)
    ctl = Tallyctl(tallyd)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    server.behave("a.example", up.nxdomain())
    ctl("flush", SUBJECT)
    assert tallyd.verdict(SUBJECT) == "clear"
    assert tallyd.verdict(SUBJECT, zone="b.example.org") == "clear"
    server.behave("b.example", up.listed("127.0.0.2"))
    ctl("flush", "--all")
    assert tallyd.verdict(SUBJECT, zone="b.example.org") == "127.0.0.2"
    assert server.count(reversed_name(SUBJECT, "a.example")) == 2
    assert server.count(reversed_name(SUBJECT, "b.example")) == 2


def test_a_cname_is_kept_for_its_own_ttl_and_no_longer_than_a_flush_of_all(stage):
    server = stage.upstream({"a.example": up.alias("127.0.0.2", cname_ttl=3600, ttl=1), "target0.a.example": up.listed("127.0.0.2", ttl=1)})
    tallyd = stage.tallyd({"bl.example": DEFER}, quick(server, "a.example"))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    server.behave("a.example", up.nxdomain())
    Tallyctl(tallyd)("flush", SUBJECT)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2", "the list said so for an hour"
    Tallyctl(tallyd)("flush", "--all")
    assert tallyd.verdict(SUBJECT) == "clear"
    assert server.count(reversed_name(SUBJECT, "a.example")) == 2


# --- lists that are dear ------------------------------------------------------------------------


def test_an_undecided_list_is_asked_only_when_the_others_leave_it_open(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2"), "dear.example": up.listed("127.0.0.2")})
    zones = {"bl.example": {"sites": ["a.example*3", "dear.example*2"], "threshold": 3}, "other.example": {"sites": ["a.example*1", "dear.example*2"], "threshold": 3}}
    lists = {**served_by(server, "a.example"), **served_by(server, "dear.example", ask="undecided")}
    tallyd = stage.tallyd(zones, lists)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert table(tallyd)["dear.example"]["asked"] == 0
    saved = Tallyctl(tallyd).json("stats")["upstream"]["saved"]
    assert saved == 1
    assert tallyd.verdict(SUBJECT, zone="other.example") == "127.0.0.2"
    assert table(tallyd)["dear.example"]["asked"] == 1


@pytest.mark.alone
def test_max_qps_bounds_the_questions_to_a_list(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2"), "b.example": up.nxdomain()})
    zones = {"bl.example": DEFER, "b.example.org": {"sites": ["b.example"], "on-failure": "defer"}}
    lists = {**served_by(server, "a.example", **{"max-qps": 5}), **served_by(server, "b.example")}
    tallyd = stage.tallyd(zones, lists)
    subjects, verdicts = fresh(), []
    began = time.monotonic()
    while time.monotonic() - began < 3:
        subject = next(subjects)
        verdicts.append(tallyd.verdict(subject))
        assert tallyd.verdict(subject, zone="b.example.org") == "clear"
    seconds = [int(at) for at, name, _, _ in server.asked if ".a.example" in name]
    assert set(verdicts) == {"127.0.0.2", "SERVFAIL"}
    assert len(seconds) <= 5 * (3 + 2) and verdicts.count("127.0.0.2") == len(seconds)
    assert tallyd.log_lines('list unknown list=a.example why="over max-qps"')


def test_max_per_day_is_a_budget_and_what_is_left_is_shown(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd({"bl.example": DEFER}, served_by(server, "a.example", **{"max-per-day": 3}))
    subjects = fresh()
    assert table(tallyd)["a.example"]["left"] == 3
    verdicts = [tallyd.verdict(next(subjects)) for _ in range(5)]
    if verdicts[3] == "127.0.0.2":
        return  # midnight in between
    assert verdicts == ["127.0.0.2"] * 3 + ["SERVFAIL"] * 2
    assert server.count() == 3
    row = table(tallyd)["a.example"]
    assert (row["left"], row["today"], row["asked"]) == (0, 3, 3)
    assert re.search(r"a\.example .* 0 ", Tallyctl(tallyd)("lists").stdout)
    assert tallyd.log_lines('list unknown list=a.example why="over max-per-day"')


def test_error_codes_are_counted_by_code_and_explained(stage):
    server = stage.upstream({"a.example": up.in_turn(up.listed("127.255.255.254"), up.listed("127.0.0.255"), up.listed("127.0.0.2"))})
    lists = served_by(server, "a.example", errors=["127.0.0.255 not registered", "127.255.255.[0..255] go away"])
    tallyd = stage.tallyd({"bl.example": DEFER}, lists)
    subjects = fresh()
    assert [tallyd.verdict(next(subjects)) for _ in range(6)] == ["SERVFAIL", "SERVFAIL", "127.0.0.2"] * 2
    assert table(tallyd)["a.example"]["errors"] == [
        {"answer": "127.255.255.254", "times": 2, "why": "go away"},
        {"answer": "127.0.0.255", "times": 2, "why": "not registered"},
    ]
    assert "127.255.255.254, 2 times: go away" in Tallyctl(tallyd)("lists").stdout


# --- overload and clocks ------------------------------------------------------------------------


SLOW = 1.5  # seconds that the lists take

RAIN = """
import random, socket, sys, time
import flood
chance = random.Random(1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.connect((sys.argv[1], int(sys.argv[2])))
    while True:
        for _ in range(20):
            name = ".".join(str(chance.randrange(1, 250)) for _ in range(3)) + ".11.bl.example"
            sock.send(flood.question(1, name, "A"))
        time.sleep(0.001)
"""


@pytest.mark.alone
def test_a_flood_of_new_subjects_leaves_those_in_the_cache_undisturbed(stage):
    """Ten times what the lists can bear, for four seconds; the hot ones are answered at once, memory stays."""
    names = [f"l{i}.example" for i in range(8)]
    server = stage.upstream({name: up.nxdomain() for name in names})
    tallyd = stage.tallyd({"bl.example": {"sites": names}}, served_by(server, *names), cache_mib=16)
    hot = [f"203.0.{i // 250 + 1}.{i % 250 + 1}" for i in range(1000)]
    flood.Flood(tallyd.address, tallyd.port, window=50).ask([(reversed_name(s, "bl.example"), "A") for s in hot])
    server.zones.update({name: up.slow(SLOW, up.nxdomain()) for name in names})
    before = resident(tallyd.pid)
    rain = subprocess.Popen([sys.executable, "-c", RAIN, tallyd.address, str(tallyd.port)], cwd=Path(__file__).parent)
    waits = []
    end = time.monotonic() + 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((tallyd.address, tallyd.port))
        sock.settimeout(5)
        while time.monotonic() < end:
            began = time.monotonic()
            sock.send(flood.question(7, reversed_name(random.choice(hot), "bl.example"), "A"))
            reply = sock.recv(4096)
            waits.append(time.monotonic() - began)
            assert struct.unpack("!H", reply[:2])[0] == 7 and reply[3] & 15 == 3
    rain.kill()
    rain.wait()
    waits.sort()
    stats = Tallyctl(tallyd).json("stats")
    capacity = 2048 / len(names) / SLOW  # subjects in a second
    assert stats["queries"]["udp"] - len(waits) > 10 * 4 * capacity and stats["upstream"]["in_flight"] <= 2048
    slow = {"build-asan": 1, "build-tsan": 4}.get(BUILD.name, 0.2)
    assert waits[int(len(waits) * 0.99)] < slow, waits[-20:]
    assert SANITIZED or resident(tallyd.pid) - before < 64 << 20
    wait_until(lambda: timed(tallyd, next(fresh(50000)))[1] < 1, "normal again", 10)


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


DAY = 86400


@pytest.mark.parametrize("step", [30 * DAY, -3600, -20000 * DAY, 4000 * DAY])
def test_a_wall_clock_that_steps_changes_no_evidence(stage, step):
    """Evidence ages on a clock that never steps; exceptions with an end follow the wall clock."""
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3600)})
    clock = Clock(stage.directory)
    tallyd = stage.tallyd({"bl.example": DEFER}, served_by(server, "a.example"), env=clock.env)
    Tallyctl(tallyd)("allow", "203.0.113.9", "--for", "1d")
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert tallyd.verdict("203.0.113.9") == "clear"
    clock.step(step)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert server.count(reversed_name(SUBJECT, "a.example")) == 1, "the evidence is as old as it was"
    verdict, elapsed = timed(tallyd, "198.51.100.77")
    assert verdict == "127.0.0.2" and elapsed < 5
    expected = "127.0.0.2" if step > 0 else "clear"
    wait_until(lambda: tallyd.verdict("203.0.113.9") == expected, "the exception follows the wall clock", 5)
    server.behave("a.example", up.silent())
    verdict, elapsed = timed(tallyd, "198.51.100.78")
    assert verdict == "SERVFAIL" and 1 < elapsed < 5, "the timers run"
