"""SIGHUP: a new configuration as a whole or not at all, without losing a question or what is known."""
import signal
import time

import pytest

import upstream as up
from flood import Flood
from harness import SANITIZED, reversed_name, wait_until
from programs import served_by, text_of, verdict_of
from tallyctl import Tallyctl

SUBJECT = "198.51.100.1"


@pytest.fixture
def world(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2"), "b.example": up.nxdomain(), "c.example": up.listed("127.0.0.2")})
    zones = {"bl.example": {"sites": ["a.example*3", "b.example*2"], "threshold": 3, "text": "before"}}
    tallyd = stage.tallyd(zones, served_by(server, "a.example", "b.example", "c.example"))
    tallyd.list_server = server
    return tallyd


def test_a_changed_policy_is_in_force_at_once_and_the_evidence_stays(world):
    assert world.verdict(SUBJECT) == "127.0.0.2"
    asked = wait_until(lambda: world.list_server.count() == 2 and 2, "both lists asked")
    world.zones["bl.example"] = {"sites": ["a.example*3", "b.example*2"], "threshold": 5}
    world.write()
    world.reload()
    assert world.verdict(SUBJECT) == "clear"
    world.zones["bl.example"] = {"sites": ["a.example*7", "b.example*2"], "answers": ["5=127.0.0.5"], "text": "new"}
    world.zones["other.example"] = {"sites": ["b.example*-1", "a.example"]}
    world.write()
    world.reload()
    assert world.verdict(SUBJECT) == "127.0.0.5"
    assert text_of(world.ask(SUBJECT, "TXT")) == "new"
    assert world.verdict(SUBJECT, zone="other.example") == "127.0.0.2"
    assert world.list_server.count(type=None) == asked


def test_a_new_list_is_asked_and_the_known_ones_are_not(world):
    assert world.verdict(SUBJECT) == "127.0.0.2"
    name = reversed_name(SUBJECT, "c.example")
    wait_until(lambda: world.list_server.count() == 2, "both lists asked")
    world.zones["bl.example"] = {"sites": ["c.example*3", "b.example*2", "a.example*3"], "threshold": 6}
    world.write()
    world.reload()
    assert world.verdict(SUBJECT) == "127.0.0.2"
    assert world.list_server.count(name) == 1 and world.list_server.count() == 3


@pytest.fixture
def moved(stage, world):
    """Asked and answered; then the list is found elsewhere, and there it lists nobody."""
    assert world.verdict(SUBJECT) == "127.0.0.2"
    wait_until(lambda: world.list_server.count() == 2, "both lists asked")
    moved = stage.upstream({"a.example": up.nxdomain(), "key.a.example": up.nxdomain()})
    world.list_server.behave("key.a.example", up.nxdomain())
    return moved


def is_asked_at(tallyd, server, zone, subject="198.51.100.9"):
    """Until it is asked there, the list counts for nothing."""

    def asked():
        assert tallyd.verdict(subject) == "clear"
        return server.count(reversed_name(subject, zone))

    return wait_until(asked, "the list is asked where it is now")


@pytest.mark.parametrize("how", ["another server", "another zone", "another server, by way of none"])
def test_what_a_list_said_before_it_moved_is_dropped(world, moved, how):
    server, zone = (moved, "a.example") if "server" in how else (world.list_server, "key.a.example")
    if how == "another server, by way of none":
        world.zones["bl.example"]["sites"] = ["b.example*2"]
        world.write()
        world.reload()
        world.zones["bl.example"]["sites"] = ["a.example*3", "b.example*2"]
    world.lists["a.example"].update({"server": [server.server], "query": zone})
    world.write()
    world.reload()
    assert world.verdict(SUBJECT) == "clear", "not even for a moment"
    is_asked_at(world, server, zone)
    assert world.verdict(SUBJECT) == "clear" and server.count(reversed_name(SUBJECT, zone)) == 1
    assert world.list_server.count(reversed_name(SUBJECT, "a.example")) == 1, "where it was it is asked no more"
    assert world.list_server.count(reversed_name(SUBJECT, "b.example")) == 1, "the other list has not moved"
    assert not world.log_lines("list quarantined") and not world.log_lines("list released")


def test_what_comes_late_from_where_a_list_was_is_not_kept(world, moved):
    """Not even for the client that has been waiting for it."""
    late = "198.51.100.2"
    world.list_server.behave("a.example", up.slow(1.0, up.listed("127.0.0.2")))
    done = []

    def on_tick(_):
        if world.list_server.count(reversed_name(late, "a.example")) and not done:
            world.lists.update(served_by(moved, "a.example"))
            world.write()
            world.reload()
            is_asked_at(world, moved, "a.example")
            done.append(world.verdict(late))

    ((_, _, reply),) = Flood(world.address, world.port).ask([(reversed_name(late, "bl.example"), "A")], on_tick)
    assert done == ["clear"] and verdict_of(reply) == "clear"
    time.sleep(1.2)
    assert world.verdict(late) == "clear" and moved.count(reversed_name(late, "a.example")) == 1


def test_a_zone_that_is_gone_is_refused(world):
    world.zones = {"new.example": {"sites": ["a.example"]}}
    world.write()
    world.reload()
    assert world.verdict(SUBJECT, zone="bl.example") == "REFUSED"
    assert world.verdict(SUBJECT, zone="new.example") == "127.0.0.2"


def test_exceptions_for_a_zone_that_is_gone_are_told_of(world):
    ctl = Tallyctl(world)
    for subject in ("192.0.2.1", "192.0.2.2"):
        ctl("allow", subject, "--zone", "bl.example")
    ctl("allow", "192.0.2.3")
    ctl("allow", "192.0.2.4", "--zone", "other.example", "--force")
    ctl("forget", "192.0.2.4", "--zone", "other.example")
    world.zones = {"new.example": {"sites": ["a.example"]}}
    world.write()
    world.reload()
    (line,) = world.log_lines("warning: exceptions of a zone that is not there count nowhere")
    assert line.endswith("zone=bl.example entries=2")


def test_who_may_ask_can_change(world):
    world.options["allow"] = ["192.0.2.1"]
    world.write()
    world.reload()
    assert world.verdict("127.0.0.2") == "REFUSED"
    assert world.verdict("127.0.0.2", tcp=True) == "REFUSED"
    del world.options["allow"]
    world.write()
    world.reload()
    assert world.verdict("127.0.0.2") == "127.0.0.2"


BROKEN = {
    "an unknown option": "colour = 3\n",
    "a syntax error": 'zone "x.example" { sites = {\n',
    "an empty file": None,
    "a value out of range": "threads = 1000\n",
    "a site that is none": 'zone "x.example" {\n\tsites = {"a.example=1.2*x"}\n}\n',
    "bytes": "\x01\x02\x7f\n",
    "an include that is missing": 'include("no-such-file.conf")\n',
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_keeps_the_old_configuration_and_says_why(world, what):
    assert world.verdict(SUBJECT) == "127.0.0.2"
    good = world.path.read_text()
    world.write("" if BROKEN[what] is None else good.replace("before", "after") + BROKEN[what])
    world.reload(refused=True)
    assert world.log_lines("tallyd-2.conf:") or world.log_lines("no-such-file"), world.stderr
    assert text_of(world.ask(SUBJECT, "TXT")) == "before"
    world.write(good.replace("before", "mended"))
    world.reload()
    assert text_of(world.ask(SUBJECT, "TXT")) == "mended"


def test_a_file_that_has_gone_keeps_the_old_configuration(world):
    text = world.path.read_text()
    world.path.unlink()
    world.reload(refused=True)
    assert world.verdict(SUBJECT) == "127.0.0.2"
    world.write(text)
    world.reload()


def test_what_only_a_start_can_change_is_said_and_left(stage, world):
    world.options.update({"threads": 2, "cache-mib": 8, "state-dir": str(stage.directory / "elsewhere")})
    world.write()
    world.reload()
    for option in ("threads", "cache-mib", "state-dir"):
        assert world.log_lines(f"warning: {option}"), world.stderr
    assert world.verdict(SUBJECT) == "127.0.0.2"


@pytest.mark.alone
@pytest.mark.parametrize("threads", [1, 3])
def test_reloading_under_load_loses_no_question_and_no_evidence(stage, threads):
    """Some thousand questions while the file changes again and again, between two servers of a list and with broken ones."""
    subjects = [f"198.51.{i // 200}.{i % 200 + 1}" for i in range(1500)]
    entries = [subject for i, subject in enumerate(subjects) if i % 3 == 0]
    sets = {name: {"ip4set": entries} for name in ("a.example", "roams.example")}
    servers = [stage.rbldnsd(sets, ttl=3000, negative_ttl=3000) for _ in range(2)]
    counter = stage.upstream({"slow.example": up.slow(0.02, up.listed("127.0.0.2", ttl=3000))})
    zones = {"bl.example": {"sites": ["a.example*3", "slow.example*1", "roams.example*0"], "threshold": 4, "text": "%s"}}
    patient = {"timeout-ms": 15000}  # the machine may be busy
    lists = {**served_by(servers[0], "a.example", "roams.example", **patient), **served_by(counter, "slow.example", **patient)}
    tallyd = stage.tallyd(zones, lists, threads=threads, deadline_ms=20000)
    state = {"done": 0, "reloads": 0}

    def on_tick(answered):
        if answered - state["done"] < 150:
            return
        state["done"], state["reloads"] = answered, state["reloads"] + 1
        good = state["reloads"] % 3 != 0
        tallyd.lists.update(served_by(servers[state["reloads"] % 2], "roams.example", **patient))
        tallyd.zones["bl.example"]["threshold"] = 3 + state["reloads"] % 2
        tallyd.write()
        if not good:
            tallyd.write(tallyd.path.read_text() + "nonsense = 1\n")
        tallyd.process.send_signal(signal.SIGHUP)

    questions = [(reversed_name(subject, "bl.example"), "A") for subject in subjects]
    flood = Flood(tallyd.address, tallyd.port, window=50)
    for known in (False, True):
        asked = counter.count()
        for i, (_, _, reply) in enumerate(flood.ask(questions, on_tick)):
            assert verdict_of(reply) == ("127.0.0.2" if i % 3 == 0 else "clear"), subjects[i]
        wait_until(lambda: all(counter.count(reversed_name(subject, "slow.example")) for subject in subjects), "all asked")
        time.sleep(1.5)
        assert not known or counter.count() == asked, "what is known is not asked again"
        state["done"] = 0
    assert state["reloads"] >= 10
    assert tallyd.log_lines("info: reloaded") and tallyd.log_lines("error: reload refused")


def test_a_question_that_is_open_during_a_reload_is_answered(stage):
    server = stage.upstream({"a.example": up.slow(0.8, up.listed("127.0.0.2"))})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))
    reloaded = []

    def on_tick(_):
        if server.count() and not reloaded:
            reloaded.append(True)
            tallyd.lists["a.example"]["timeout-ms"] = 3000
            tallyd.zones["more.example"] = {"sites": ["b.example"]}
            tallyd.write()
            tallyd.reload()

    ((_, _, reply),) = Flood(tallyd.address, tallyd.port).ask([(reversed_name(SUBJECT, "bl.example"), "A")], on_tick)
    assert reloaded and verdict_of(reply) == "127.0.0.2"


def test_memory_does_not_grow_with_reloads(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    servers = [server, stage.upstream({"a.example": up.listed("127.0.0.2")})]
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))

    def resident():
        with open(f"/proc/{tallyd.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    sizes = []
    for i in range(60):
        tallyd.lists.update(served_by(servers[i % 2], "a.example"))
        tallyd.write()
        tallyd.reload()
        wait_until(lambda i=i: tallyd.verdict(f"198.51.100.{i + 1}") == "127.0.0.2", "it is asked where it is now")
        sizes.append(resident())
    assert SANITIZED or sizes[-1] < sizes[19] + 4000, sizes
