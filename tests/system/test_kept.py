"""What lists said outlives a restart, no longer than they said, and nothing else is ever believed."""
import os
import random
import signal
import time

import pytest

import upstream as up
from clock import Clock
from flood import Flood
from harness import reversed_name, wait_until
from preload import preloaded
from programs import served_by, verdict_of
from tallyctl import Tallyctl

NAMES = ["a.example", "b.example", "c.example"]
ZONE = {"sites": [name + "*2" for name in NAMES], "threshold": 4}
WIDE = {"min-ttl": 1, "max-ttl": 604800, "timeout-ms": 15000}
SUBJECT = "198.51.100.1"
BLOCK = 65536


def again(stage, tallyd, zones=None, lists=None, env=None, **options):
    """The same daemon once more, or another one on its state."""
    assert not tallyd.running()
    options = {**{name.replace("-", "_"): value for name, value in tallyd.options.items()}, **options}
    place = {"address": tallyd.address, "port": tallyd.port, "env": env}
    return stage.tallyd(zones or tallyd.zones, lists or tallyd.lists, **place, **options)


def kept_file(tallyd):
    return os.path.join(tallyd.options["state-dir"], "evidence")


def taken_over(tallyd):
    """How many lines were taken over, when all were."""
    line = wait_until(lambda: tallyd.log_lines("evidence taken over"), "all is taken over")[0]
    return int(line.rpartition("=")[2])


def kill(tallyd):
    tallyd.expected_status = -signal.SIGKILL
    tallyd.stop(signal.SIGKILL)


@pytest.mark.parametrize("before, after", [((1, 4), (1, 4)), ((3, 4), (1, 4)), ((1, 4), (3, 8)), ((3, 4), (3, 4)), ((2, 8), (2, 4))], ids=str)
def test_a_restart_asks_no_list_again_and_lifetimes_go_on(stage, before, after):
    """More lists than a line of the cache holds, with other threads and another size than before."""
    names = [f"l{i}.example" for i in range(30)]
    server = stage.upstream({name: up.listed("127.0.0.2", ttl=100) if i % 2 else up.nxdomain(90, 90) for i, name in enumerate(names)})
    zone = {"sites": names, "threshold": 15, "max-ttl": 86400, "negative-ttl": 86400}
    lists = served_by(server, *names, **WIDE)
    tallyd = stage.tallyd({"bl.example": zone}, lists, threads=before[0], cache_mib=before[1])
    subjects = ["198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"]
    for subject in subjects:
        assert tallyd.verdict(subject) == "127.0.0.2"
    wait_until(lambda: server.count(type=None) == 120, "all lists have answered")
    time.sleep(2)
    tallyd.stop()
    tallyd = again(stage, tallyd, threads=after[0], cache_mib=after[1])
    assert taken_over(tallyd) == 2 * 3 + 2 * 4
    assert not os.path.exists(kept_file(tallyd)), "it is taken away"
    for subject in subjects:
        reply = tallyd.ask(subject)
        assert verdict_of(reply) == "127.0.0.2" and reply.answer[0].ttl <= 98
        said = Tallyctl(tallyd).json("check", subject)
        assert all(2 <= row["age"] <= 60 for row in said["lists"]), said
    assert server.count(type=None) == 120
    assert not tallyd.log_lines("warning")


def test_evidence_that_expired_meanwhile_is_asked_for_anew_and_stands_in_while_the_list_fails(stage):
    server = stage.upstream({"a.example": up.in_turn(up.listed("127.0.0.2", ttl=1), up.nxdomain(), up.silent())})
    lists = served_by(server, "a.example", **{"min-ttl": 1, "timeout-ms": 300})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, lists)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    tallyd.stop()
    time.sleep(1.1)
    tallyd = again(stage, tallyd)
    assert taken_over(tallyd) == 1
    assert tallyd.verdict(SUBJECT) == "clear", "the list said something else since"
    assert server.count(reversed_name(SUBJECT, "a.example")) == 2
    server.behave("a.example", up.listed("127.0.0.2", ttl=1))
    assert tallyd.verdict("198.51.100.2") == "127.0.0.2"
    tallyd.stop()
    server.behave("a.example", up.silent())
    time.sleep(1.1)
    tallyd = again(stage, tallyd)
    taken_over(tallyd)
    assert tallyd.verdict("198.51.100.2") == "127.0.0.2", "it stands in for a list that fails"


def test_each_list_keeps_its_own_words_whatever_its_place_and_what_is_no_list_any_more_is_dropped(stage):
    said = {"a.example": "127.0.0.2", "b.example": "127.0.0.9", "c.example": "127.0.0.5"}
    server = stage.upstream({name: up.listed(address, ttl=3000) for name, address in said.items()})
    lists = served_by(server, *said, "new.example", **WIDE)
    tallyd = stage.tallyd({"bl.example": ZONE}, lists)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    wait_until(lambda: server.count(type=None) == 3, "all lists have answered")
    tallyd.stop()
    others = [f"z{i}.example" for i in range(14)]  # so that c.example comes to another line
    server.behave("new.example", up.nxdomain(3000, 3000))
    zone = {"sites": [*(f"{name}*0" for name in others), "new.example", "c.example=127.0.0.5", "a.example=127.0.0.2"], "threshold": 2}
    for name in others:
        server.behave(name, up.nxdomain(3000, 3000))
    tallyd = again(stage, tallyd, {"bl.example": zone}, served_by(server, "c.example", "a.example", "new.example", *others, **WIDE))
    assert taken_over(tallyd) == 1
    check = Tallyctl(tallyd).json("check", SUBJECT)
    assert {row["list"]: row["answers"] for row in check["lists"] if row["answers"]} == {"a.example": ["127.0.0.2"], "c.example": ["127.0.0.5"]}
    for name in said:
        assert server.count(reversed_name(SUBJECT, name)) == 1
    tallyd.stop()
    tallyd = again(stage, tallyd, {"bl.example": {**ZONE, "threshold": 6}}, lists)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert server.count(reversed_name(SUBJECT, "b.example")) == 2, "what was dropped is asked for anew"
    assert server.count(reversed_name(SUBJECT, "a.example")) == 1


def test_what_a_list_said_is_dropped_when_the_next_start_asks_it_elsewhere(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3000), "b.example": up.listed("127.0.0.2", ttl=3000)})
    server.behave("key.a.example", up.nxdomain(3000, 3000))
    lists = served_by(server, "a.example", "b.example", **WIDE)
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example", "b.example"], "threshold": 2}}, lists)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    tallyd.stop()
    tallyd = again(stage, tallyd, lists={**lists, "a.example": {**lists["a.example"], "query": "key.a.example"}})
    assert taken_over(tallyd) == 1
    assert tallyd.verdict(SUBJECT) == "clear"
    assert server.count(reversed_name(SUBJECT, "b.example")) == 1, "what it said is kept"


def test_what_was_flushed_or_set_aside_does_not_come_back(stage):
    server = stage.upstream({name: up.listed("127.0.0.2", ttl=3000) for name in NAMES})
    tallyd = stage.tallyd({"bl.example": {**ZONE, "threshold": 6}}, served_by(server, *NAMES, **WIDE))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    tallyd.stop()
    tallyd = again(stage, tallyd)
    Tallyctl(tallyd)("flush", SUBJECT)
    kill(tallyd)
    tallyd = again(stage, tallyd)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert server.count(type=None) == 6, "after the crash nothing is known"
    assert not tallyd.log_lines("evidence")
    Tallyctl(tallyd)("quarantine", "a.example")
    tallyd.stop()
    tallyd = again(stage, tallyd)
    taken_over(tallyd)
    Tallyctl(tallyd)("release", "a.example")
    # it counts again when the shard has let go of all that was kept of it
    wait_until(lambda: tallyd.verdict(SUBJECT) == "127.0.0.2", "a.example counts again")
    assert server.count(reversed_name(SUBJECT, "a.example")) == 3, "it was set aside"
    assert server.count(reversed_name(SUBJECT, "b.example")) == 2


def test_a_flush_of_one_subject_holds_up_nobody_while_much_is_taken_over(stage):
    """It ends when all is taken over, and then nothing of the subject has come back."""
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3000)})
    subjects = [f"2001:db8::{i:x}" for i in range(200)]
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example", **WIDE), threads=16)
    Flood(tallyd.address, tallyd.port).ask([(reversed_name(subject, "bl.example"), "A") for subject in subjects])
    tallyd.stop()
    server.behave("a.example", up.nxdomain(3000, 3000))
    # each thread has written a block of its own; now one reads them all
    tallyd = again(stage, tallyd, env=preloaded(stage.directory, "slow.c", TEST_READ_MS="200"), threads=1)
    flush = Tallyctl(tallyd).start("flush", subjects[7])
    assert tallyd.verdict("2001:db8:1::1") == "clear", "it is asked for beside all this"
    assert flush.poll() is None and not tallyd.log_lines("evidence taken over")
    assert flush.communicate(timeout=20)[0].split() == ["flushed:", subjects[7]]
    assert taken_over(tallyd) == 200
    assert [tallyd.verdict(subject) for subject in subjects[6:9]] == ["127.0.0.2", "clear", "127.0.0.2"]


def test_a_stop_while_much_is_taken_over_loses_nothing_of_it(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3000)})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example", **WIDE), threads=16)
    questions = [(reversed_name(f"2001:db8::{i:x}", "bl.example"), "A") for i in range(200)]
    Flood(tallyd.address, tallyd.port).ask(questions)
    tallyd.stop()
    tallyd = again(stage, tallyd, env=preloaded(stage.directory, "slow.c", TEST_READ_MS="50"), threads=1)
    tallyd.stop()
    tallyd = again(stage, tallyd)
    assert taken_over(tallyd) == 200
    Flood(tallyd.address, tallyd.port).ask(questions)
    assert server.count(type=None) == 200, "nobody is asked again"


def test_a_clock_that_was_set_or_another_boot_drops_it_all(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=86400)})
    clock = Clock(stage.directory)
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example", **WIDE), env=clock.env)
    asked = 0
    for step, dropped in ((0, False), (-3600, True), (0, True), (1, False), (86400, True)):
        tallyd.stop()
        clock.step(step)
        tallyd = again(stage, tallyd, env=clock.env)
        asked += dropped or asked == 0
        assert tallyd.verdict(SUBJECT) == "127.0.0.2"
        assert server.count(type=None) == asked, step
        assert bool(tallyd.log_lines("its age is not sure")) == dropped


def damages(path):
    """Ways to spoil the file: a name, how, and whether all of it or a part is dropped."""
    whole = path.read_bytes()
    front = int.from_bytes(whole[32:40], "little")
    chance = random.Random(1)

    def changed(*changes):
        spoilt = bytearray(whole)
        for at, new in changes:
            spoilt[at : at + len(new)] = new
        return lambda: path.write_bytes(spoilt)

    def block(i):
        return whole[front + i * BLOCK : front + (i + 1) * BLOCK]

    def link():
        other = path.with_name("elsewhere")
        other.write_bytes(whole)
        path.symlink_to(other)

    def given_to(uid, mode):
        path.write_bytes(whole)
        os.chown(path, uid, -1)
        path.chmod(mode)

    yield "cut in a block", changed(), "part"
    yield "cut in a block", lambda: path.write_bytes(whole[: front + BLOCK + 1000]), "part"
    yield "cut in the front", lambda: path.write_bytes(whole[: front - 1]), "all"
    yield "empty", lambda: path.write_bytes(b""), "all"
    yield "a page of zeros", changed((front + BLOCK + 4096, bytes(4096))), "part"
    yield "zeros", lambda: path.write_bytes(bytes(len(whole))), "all"
    yield "a bit", changed((front + 30000, bytes([whole[front + 30000] ^ 1]))), "part"
    yield "a bit of the front", changed((front - 9, bytes([whole[front - 9] ^ 1]))), "all"
    yield "random bytes", changed((front + 5000, chance.randbytes(100))), "part"
    yield "nothing but random bytes", lambda: path.write_bytes(chance.randbytes(len(whole))), "all"
    yield "blocks in each other's place", changed((front, block(1)), (front + BLOCK, block(0))), "part"
    yield "a block twice", changed((front, block(1))), "part"
    yield "another version", changed((0, b"tally evidence 1")), "all"
    yield "another user's", lambda: given_to(65534, 0o600), "all"
    yield "others could write", lambda: given_to(0, 0o620), "all"
    yield "a link", link, "all"
    yield "a directory", path.mkdir, "all"
    yield "a pipe", lambda: os.mkfifo(path), "all"


@pytest.mark.alone
def test_a_damaged_file_costs_questions_and_nothing_else(stage):
    """Some thousand subjects, every third listed; after each kind of damage all verdicts are right."""
    entries = [f"11.7.{i // 256}.{i % 256}" for i in range(0, 9000, 3)]
    server = stage.rbldnsd({name: {"ip4set": entries} for name in NAMES}, ttl=3000, negative_ttl=3000)
    tallyd = stage.tallyd({"bl.example": ZONE}, served_by(server, *NAMES, **WIDE), deadline_ms=20000)
    questions = [(f"{i % 256}.{i // 256}.7.11.bl.example", "A") for i in range(9000)]

    def right(numbers):
        asked = [questions[i] for i in numbers]
        for i, (_, _, reply) in zip(numbers, Flood(tallyd.address, tallyd.port).ask(asked)):
            assert verdict_of(reply) == ("127.0.0.2" if i % 3 == 0 else "clear"), i

    right(range(9000))
    tallyd.stop()
    path = stage.directory / kept_file(tallyd)
    for name, spoil, lost in list(damages(path)):
        if path.exists():
            path.unlink()
        spoil()
        tallyd = again(stage, tallyd)
        right(range(0, 9000, 31))
        if lost == "all":
            assert tallyd.log_lines("no evidence is taken from it"), name
        else:
            assert 2000 < taken_over(tallyd) <= 9000 and (name == "cut in a block" or tallyd.log_lines("dropped")), name
        kill(tallyd)
        if path.is_dir():
            path.rmdir()


def test_a_user_without_rights_keeps_it_too_and_a_full_disk_costs_it(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3000)})
    state = stage.open / "state"
    where = {"user": "nobody", "state_dir": str(state), "control": str(stage.open / "run" / "control")}
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example", **WIDE), **where)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    tallyd.stop()
    assert oct((state / "evidence").stat().st_mode & 0o777) == "0o600"
    tallyd = again(stage, tallyd)
    assert taken_over(tallyd) == 1 and tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert server.count(type=None) == 1
    (state / "evidence.new").mkdir()
    tallyd.stop()
    assert tallyd.log_lines("no evidence is kept") and not (state / "evidence").exists()
