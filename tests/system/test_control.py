"""The control socket and the commands that need tallyd: documents, exit codes, and nonsense from outside."""
import concurrent.futures
import json
import os
import re
import resource
import socket
import stat
import subprocess
import threading
import time

import pytest

import upstream as up
from harness import reversed_name, wait_until
from programs import served_by
from tallyctl import TALLYCTL, Tallyctl

SUBJECT = "198.51.100.1"
LISTS = {
    "heavy.example": up.listed("127.0.0.4", "127.0.0.2", ttl=3000),
    "light.example": up.listed("127.0.0.2", ttl=2000),
    "clear.example": up.nxdomain(ttl=3000),
    "failing.example": up.servfail(),
    "code.example": up.listed("127.255.255.254"),
}
SITES = ["heavy.example=127.0.0.[2..11]*4", "light.example*2", "clear.example*3", "failing.example*2", "code.example*5"]
LISTS_TTL = {"heavy.example": 3000, "light.example": 2000, "clear.example": 3000}
ZONES = {
    "bl.example": {"sites": SITES, "threshold": 4, "text": "%a %l %s/%t"},
    "sum.example": {"sites": ["heavy.example*2", "light.example*2", "clear.example*3"], "threshold": 4},
    "u1.bl.example": {"like": "bl.example"},
}


@pytest.fixture
def server(stage):
    return stage.upstream(LISTS)


@pytest.fixture
def tallyd(stage, server):
    return stage.tallyd(ZONES, served_by(server, *LISTS), deadline_ms=1000)


@pytest.fixture
def ctl(tallyd):
    return Tallyctl(tallyd)


class Peer:
    """One connection to the control socket."""

    def __init__(self, tallyd, seconds=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(tallyd.options["control"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, content):
        self.socket.sendall(content)

    def read(self):
        """All until the other side closes."""
        got = b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return got
            if not more:
                return got
            got += more


def exchange(tallyd, content):
    with Peer(tallyd) as peer:
        peer.send(content)
        return peer.read()


def said(reply):
    """The document of a good reply."""
    first, second, rest = reply.split(b"\n")
    assert first == b"ok" and rest == b""
    return json.loads(second)


def said_of(peer):
    return said(peer.read())


def test_check_shows_what_each_list_said_and_what_counted(tallyd, ctl):
    document = ctl.json("check", SUBJECT)
    assert set(document) >= {"subject", "zone", "verdict", "answer", "score", "low", "high", "threshold", "text", "exception", "lists"}
    assert document["subject"] == SUBJECT and document["zone"] == "bl.example" and document["verdict"] == "listed"
    assert document["answer"] == "127.0.0.2" == tallyd.verdict(SUBJECT)
    assert document["score"] == 6 and document["threshold"] == 4 and document["exception"] is None
    assert document["low"] <= 6 <= document["high"]
    assert document["text"] == f"{SUBJECT} heavy.example,light.example 6/4" or document["text"].startswith(f"{SUBJECT} heavy.example")
    lists = {entry["list"]: entry for entry in document["lists"]}
    assert set(lists) == set(LISTS)
    for entry in lists.values():
        assert set(entry) >= {"list", "state", "why", "answers", "weight", "age", "ttl", "stale"}
        assert 0 <= entry["age"] <= 20
        assert entry["state"] in ("listed", "clear", "unknown") and isinstance(entry["stale"], bool)
    heavy, light = lists["heavy.example"], lists["light.example"]
    assert heavy["state"] == "listed" and sorted(heavy["answers"]) == ["127.0.0.2", "127.0.0.4"]
    assert heavy["weight"] == 4 and 2900 < heavy["ttl"] <= 3000 and heavy["pivotal"] is True
    assert heavy["sites"] == ["heavy.example=127.0.0.[2..11]*4"]
    assert light["weight"] == 2 and 1900 < light["ttl"] <= 2000 and light["pivotal"] is False
    assert lists["clear.example"]["state"] == "clear" and lists["clear.example"]["answers"] == []
    for name in ("failing.example", "code.example"):
        assert lists[name]["state"] == "unknown" and lists[name]["why"], name
        assert lists[name]["weight"] == 0 and lists[name]["pivotal"] is False
    assert document["sufficient"] == ["heavy.example"]
    printed = ctl("check", SUBJECT).stdout
    for words in ("listed", "heavy.example", "127.0.0.4", "light.example", "6 of 4"):
        assert words in printed
    assert re.search(r"suffices:\s+heavy.example", printed)


def test_check_holds_the_score_against_the_grade_of_the_answer(stage, server):
    sites = ["heavy.example*4", "light.example*2"]
    zones = {
        "bl.example": {"sites": sites, "answers": ["2=127.0.0.2", "5=127.0.0.5", "9=127.0.0.5"]},
        "clear.example.org": {"sites": ["clear.example*4"], "answers": ["3=127.0.0.3", "4=127.0.0.4"]},
    }
    ctl = Tallyctl(stage.tallyd(zones, served_by(server, *LISTS), deadline_ms=1000))
    document = ctl.json("check", SUBJECT)
    assert [document[key] for key in ("answer", "score", "grade", "threshold")] == ["127.0.0.5", 6, 5, 2]
    assert re.search(r"score: +6 of 5$", ctl("check", SUBJECT).stdout, re.M)
    assert re.search(r"score: +0 of 3$", ctl("check", SUBJECT, "--zone", "clear.example.org").stdout, re.M)
    assert "score 6 of 5 in zone bl.example" in ctl("allow", SUBJECT, "--for", "1h").stdout


def test_check_tells_the_age_of_what_each_list_said(ctl):
    def ages(subject, asked):
        lists = [entry for entry in ctl.json("check", subject)["lists"] if entry["list"] in LISTS_TTL]
        assert all(entry["age"] + entry["ttl"] == LISTS_TTL[entry["list"]] for entry in lists) and len(lists) == 3
        assert max(entry["age"] for entry in lists) <= time.monotonic() - asked + 1
        return [entry["age"] for entry in lists]

    first = time.monotonic()
    ages(SUBJECT, first)
    time.sleep(2.1)
    # by now there are younger answers of the same lists too
    ages("198.51.100.77", time.monotonic())
    assert min(ages(SUBJECT, first)) >= 2
    head, *lines = ctl("check", SUBJECT).stdout.split("\n\n")[1].splitlines()
    column = head.index("AGE")
    assert int(lines[0][column:].split()[0]) >= 2
    assert [entry["age"] for entry in ctl.json("check", "10.1.2.3")["lists"]] == [None] * len(LISTS)


def test_check_tells_the_pivotal_lists_and_the_fewest_that_suffice(tallyd, ctl):
    document = ctl.json("check", SUBJECT, "--zone", "SUM.example")
    assert document["zone"] == "sum.example" and document["score"] == 4
    assert {entry["list"]: entry["pivotal"] for entry in document["lists"]} == {
        "heavy.example": True, "light.example": True, "clear.example": False}
    assert sorted(document["sufficient"]) == ["heavy.example", "light.example"]
    document = ctl.json("check", "2001:db9::1", "--zone", "sum.example")
    assert document["subject"] == "2001:db9::1" and document["verdict"] == "listed"


def test_check_says_which_exception_decides_and_why_it_was_made(tallyd, ctl):
    ctl("allow", "198.51.100.0/24", "--reason", "customer: being cleaned up", "--for", "1d")
    document = ctl.json("check", SUBJECT)
    assert document["verdict"] == "clear" and document["answer"] == "NXDOMAIN" and document["text"] == ""
    exception = document["exception"]
    assert exception["action"] == "allow" and exception["prefix"] == "198.51.100.0/24" and exception["zone"] == ""
    assert exception["reason"] == "customer: being cleaned up" and exception["by"] == "root"
    ends = time.mktime(time.strptime(exception["until"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert abs(ends - time.time() - 86400) < 60
    assert document["sufficient"] == [] and not any(entry["pivotal"] for entry in document["lists"])
    printed = ctl("check", SUBJECT).stdout
    assert "customer: being cleaned up" in printed and "198.51.100.0/24" in printed
    ctl("score", SUBJECT, "-5", "--zone", "bl.example", "--reason", "less")
    document = ctl.json("check", SUBJECT, "--zone", "u1.bl.example")
    assert document["exception"]["action"] == "score" and document["exception"]["score"] == -5
    assert document["exception"]["zone"] == "bl.example" and document["exception"]["reason"] == "less"
    assert document["verdict"] == "clear" and document["score"] == 1
    ctl("block", SUBJECT, "--zone", "bl.example")
    document = ctl.json("check", SUBJECT)
    assert document["verdict"] == "listed" and document["exception"]["action"] == "block" and document["text"]


def test_check_knows_the_places_that_no_list_decides(server, tallyd, ctl):
    for subject, verdict, place in (
        ("127.0.0.2", "listed", "test point"), ("127.0.0.1", "clear", "test point"),
        ("10.1.2.3", "clear", "special-use address"), ("::ffff:127.0.0.2", "listed", "test point"), ("fe80::1", "clear", "special-use address"),
    ):
        document = ctl.json("check", subject)
        assert document["verdict"] == verdict and document["place"] == place, subject
        assert document["exception"] is None
        ctl("check", subject)
    ctl("block", "10.0.0.0/8", "--reason", "ours no more")
    document = ctl.json("check", "10.1.2.3")
    assert document["exception"]["reason"] == "ours no more" and {row["why"] for row in document["lists"]} == {"not asked"}
    assert document["verdict"] == "listed" and tallyd.verdict("10.1.2.3") == "127.0.0.2"
    assert server.count(type=None) == 0
    for words in (["check", "nonsense"], ["check", "198.51.100.0/24"], ["check", SUBJECT, "--zone", "nowhere.example"], ["check", ""]):
        ctl(*words, status=1)


def test_check_gives_an_open_verdict_after_the_deadline(stage):
    server = stage.upstream({"silent.example": up.silent(), "a.example": up.listed("127.0.0.2")})
    zones = {"bl.example": {"sites": ["silent.example*2", "a.example*2"], "threshold": 3, "on-failure": "defer"}}
    tallyd = stage.tallyd(zones, served_by(server, "silent.example", "a.example"), deadline_ms=700)
    begun = time.monotonic()
    document = Tallyctl(tallyd).json("check", SUBJECT)
    assert 0.5 < time.monotonic() - begun < 5
    assert document["verdict"] == "unknown" and document["answer"] == "SERVFAIL"
    assert (document["low"], document["high"], document["ttl"]) == (2, 4, 0)
    assert "verdict:    unknown, answer SERVFAIL\n" in Tallyctl(tallyd)("check", SUBJECT).stdout
    said = {entry["list"]: (entry["state"], entry["why"]) for entry in document["lists"]}
    assert said == {"silent.example": ("unknown", "no answer yet"), "a.example": ("listed", "")}


def test_stats_count_what_happens(tallyd, ctl):
    before = ctl.json("stats")
    shape = {
        "queries": {"total", "udp", "tcp"},
        "answers": {"listed", "clear", "servfail", "refused", "formerr", "notimp", "dropped"},
        "cache": {"hits", "misses", "entries", "capacity", "evictions", "stale", "bytes"},
        "upstream": {"asked", "answered", "failed", "in_flight", "saved"},
        "exceptions": {"entries", "applied"},
    }
    assert set(before) >= {"uptime", *shape}
    for group, keys in shape.items():
        assert set(before[group]) >= keys and all(isinstance(value, int) and value >= 0 for value in before[group].values())
    for i in range(5):
        assert tallyd.verdict(f"198.51.100.{i}") == "127.0.0.2"
    tallyd.verdict("198.51.100.1", tcp=True)
    assert tallyd.verdict("127.0.0.1") == "clear"
    assert tallyd.query("elsewhere.example").rcode() == 5
    ctl("allow", "198.51.100.2")
    assert tallyd.verdict("198.51.100.2") == "clear"
    wait_until(lambda: ctl.json("stats")["upstream"]["in_flight"] == 0, "all lists have answered")
    after = ctl.json("stats")

    def more(group, key):
        return after[group][key] - before[group][key]

    assert more("queries", "tcp") == 1 and more("queries", "udp") == 8 and more("queries", "total") == 9
    assert more("answers", "listed") == 6 and more("answers", "clear") == 2 and more("answers", "refused") == 1
    assert more("exceptions", "applied") >= 1 and after["exceptions"]["entries"] == 1
    assert more("upstream", "asked") == more("upstream", "answered") + more("upstream", "failed")
    assert more("cache", "entries") == 5 and after["cache"]["bytes"] <= 4 << 20
    printed = ctl("stats").stdout
    assert re.search(r"^queries.tcp\s+1$", printed, re.M)


def test_large_counters_reach_prometheus_with_all_their_digits(ctl, tmp_path):
    documents = {"stats": ctl.json("stats"), "lists": ctl.json("lists")}
    documents["stats"]["queries"]["udp"] = 98765432109
    documents["lists"][0]["asked"] = 12345678901
    documents["lists"][0]["ms_p50"] = 12.5
    path = tmp_path / "control.sock"

    def serve(listener):
        for _ in documents:
            with listener.accept()[0] as peer:
                command = peer.recv(1000).split()[1].decode()
                peer.sendall(b"ok\n" + json.dumps(documents[command]).encode() + b"\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        lines = ctl("-s", path, "stats", "--prometheus").stdout.splitlines()
    name = documents["lists"][0]["list"]
    assert "tally_queries_udp_total 98765432109" in lines
    assert f'tally_list_asked_total{{list="{name}"}} 12345678901' in lines
    assert f'tally_list_answer_seconds_p50{{list="{name}"}} 0.0125' in lines


def test_the_numbers_for_prometheus_pass_its_own_checker(tallyd, ctl):
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    ctl("check", SUBJECT)
    exposition = ctl("stats", "--prometheus").stdout
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == done.stderr == "", f"{done.stdout}{done.stderr}{exposition}"
    values = dict(line.rsplit(" ", 1) for line in exposition.splitlines() if not line.startswith("#"))
    assert all(name.startswith("tally_") for name in values)
    document = ctl.json("stats")
    assert int(values["tally_answers_listed_total"]) == document["answers"]["listed"] >= 1
    for name in LISTS:
        assert float(values[f'tally_list_asked_total{{list="{name}"}}']) == 1
    assert float(values['tally_list_unknown_total{list="failing.example"}']) == 1
    kinds = dict(line.split()[2:4] for line in exposition.splitlines() if line.startswith("# TYPE"))
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total"), name


def test_lists_tells_how_each_list_does(tallyd, ctl):
    for i in range(1, 5):
        ctl("check", f"198.51.100.{i}")
    lists = {entry["list"]: entry for entry in ctl.json("lists")}
    assert set(lists) == set(LISTS)
    for entry in lists.values():
        assert set(entry) >= {"list", "health", "why", "asked", "listed", "clear", "unknown", "ms_p50", "ms_p99", "last_test"}
        assert entry["asked"] == 4 == entry["listed"] + entry["clear"] + entry["unknown"]
        assert 0 <= entry["ms_p50"] <= entry["ms_p99"] < 10000
    assert lists["heavy.example"]["listed"] == 4 and lists["heavy.example"]["health"] == "ok"
    assert lists["clear.example"]["clear"] == 4 and lists["clear.example"]["ms_p50"] > 0
    for name in ("failing.example", "code.example"):
        assert lists[name]["unknown"] == 4 and lists[name]["health"] == "failing" and lists[name]["why"]
    assert "heavy.example" in ctl("lists").stdout


def test_flush_drops_the_evidence_on_one_subject_or_on_all(server, tallyd, ctl):
    def count():
        return [server.count(reversed_name(subject, "heavy.example")) for subject in (SUBJECT, "198.51.100.2", "2001:db9::1")]

    def ask():
        for subject in (SUBJECT, "198.51.100.2", "2001:db9::1"):
            assert tallyd.verdict(subject) == "127.0.0.2"
        wait_until(lambda: ctl.json("stats")["upstream"]["in_flight"] == 0, "all lists have answered")

    ask()
    ask()
    assert count() == [1, 1, 1]
    assert ctl.json("flush", SUBJECT) == {"flushed": SUBJECT}
    time.sleep(0.2)
    ask()
    assert count() == [2, 1, 1]
    ctl("flush", "2001:db9::1")
    time.sleep(0.2)
    ask()
    assert count() == [2, 1, 2]
    ctl("flush", "--all")
    time.sleep(0.2)
    ask()
    assert count() == [3, 2, 3]
    for words in (["flush"], ["flush", SUBJECT, "--all"]):
        ctl(*words, status=2)
    ctl("flush", "nonsense", status=1)


def test_without_a_control_socket_what_needs_it_says_so_and_exceptions_count_soon(stage, server):
    tallyd = stage.tallyd({"bl.example": {"sites": ["heavy.example"]}}, served_by(server, "heavy.example"), control="")
    ctl = Tallyctl(tallyd)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    for words in (["check", SUBJECT], ["stats"], ["flush", "--all"]):
        said = ctl(*words, status=1).stderr
        assert "control is empty: there is no socket" in said and "not running" not in said
    ctl("allow", SUBJECT)
    ctl("spam", SUBJECT)
    ctl("report")
    wait_until(lambda: tallyd.verdict(SUBJECT) == "clear", "tallyd has looked by itself", 5)


@pytest.mark.parametrize("threads", [1, 3])
def test_after_a_flush_of_all_nothing_is_answered_from_before(stage, threads):
    """By several at once; each is told so when all of it is gone, also what came after another one began."""
    server = stage.upstream({"a.example": up.nxdomain(3000, 3000)})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"), threads=threads, cache_mib=64)
    ctl = Tallyctl(tallyd)
    subjects = [f"198.51.100.{n}" for n in range(1, 10)]
    for turn in range(12):
        said, verdict = (up.listed("127.0.0.2", ttl=3000), "127.0.0.2") if turn % 2 else (up.nxdomain(3000, 3000), "clear")
        server.behave("a.example", said)
        with Peer(tallyd) as first, Peer(tallyd) as second:
            first.send(b"tally1 flush --all\n")
            time.sleep(0.002 * (turn % 5))
            second.send(b"tally1 flush --all\n")
            assert ctl.json("flush", subjects[0]) == {"flushed": subjects[0]}
            assert tallyd.verdict(subjects[0]) == verdict
            for peer in (first, second):
                assert said_of(peer) == {"flushed": "--all"}
                assert [tallyd.verdict(subject) for subject in subjects] == [verdict] * len(subjects)
    assert ctl.json("stats")["cache"]["entries"] == len(subjects)


def test_a_quarantined_list_is_absent_until_it_is_released(server, tallyd, ctl):
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert ctl.json("quarantine", "HEAVY.example") == {"list": "heavy.example", "quarantined": True}
    wait_until(lambda: tallyd.verdict(SUBJECT) == "clear", "without its weight", 5)
    assert {entry["list"]: entry["health"] for entry in ctl.json("lists")}["heavy.example"] == "quarantined"
    document = ctl.json("check", SUBJECT)
    assert document["score"] == 2 and "quarantined" in next(e for e in document["lists"] if e["list"] == "heavy.example")["why"]
    asked = server.count(reversed_name("198.51.100.9", "heavy.example"))
    assert tallyd.verdict("198.51.100.9") == "clear" and asked == 0
    ctl("check", "198.51.100.9")
    assert server.count(reversed_name("198.51.100.9", "heavy.example")) == 0, "it is not asked"
    tallyd.reload()
    assert tallyd.verdict(SUBJECT) == "clear", "a reload does not end it"
    assert ctl.json("release", "heavy.example") == {"list": "heavy.example", "quarantined": False}
    assert tallyd.verdict(SUBJECT) == "127.0.0.2" and tallyd.verdict("198.51.100.9") == "127.0.0.2"
    for words in (["quarantine", "unknown.example"], ["release", "unknown.example"], ["quarantine", "a..b"]):
        ctl(*words, status=1)
    ctl("release", "heavy.example")


def test_a_list_that_is_released_at_once_says_why_it_does_not_count_yet(stage, server):
    ctl = Tallyctl(stage.tallyd({"bl.example": {"sites": ["heavy.example"]}}, served_by(server, *LISTS), cache_mib=64))

    def seen_dropping():
        ctl("quarantine", "heavy.example")
        ctl("release", "heavy.example")
        said = ctl.json("lists")[0]
        assert (said["health"] == "quarantined") == bool(said["why"]), said
        return said["why"] == "what it said before is still being dropped"

    wait_until(seen_dropping, "a look in time")
    wait_until(lambda: ctl.json("lists")[0]["health"] == "ok", "all of it is dropped")


def test_reload_by_command_takes_a_good_file_and_refuses_a_bad_one(tallyd, ctl):
    tallyd.zones["sum.example"]["threshold"] = 5
    tallyd.write()
    assert ctl.json("reload") == {"zones": 3, "lists": 5}
    assert tallyd.verdict(SUBJECT, zone="sum.example") == "clear"
    good = tallyd.path.read_text()
    tallyd.zones["sum.example"]["threshold"] = 3
    tallyd.write()
    tallyd.write(tallyd.path.read_text() + "nonsense = 1\n")
    said = ctl("-s", tallyd.options["control"], "reload", status=1).stderr
    assert "old one stays in force" in said
    assert tallyd.verdict(SUBJECT, zone="sum.example") == "clear"
    assert tallyd.log_lines("nonsense")
    tallyd.write(good)
    ctl("reload")


def test_exit_codes_tell_done_failed_and_wrong_usage(stage, tallyd, ctl):
    for words in (["exceptions"], ["history"], ["export"], ["stats"], ["lists"], ["reload"], ["-h"], ["-V"], ["--help"], ["--version"]):
        ctl(*words, status=0)
    for words in (["allow", "-h"], ["check", "--help"], ["import", "x", "--help"]):
        assert ctl(*words).stdout.startswith(f"usage: tallyctl {words[0]} ")
    for words in (
        [], ["nonsense"], ["allow"], ["allow", SUBJECT, "one", "more"], ["allow", SUBJECT, "--nonsense"], ["allow", SUBJECT, "--zone"],
        ["score", SUBJECT], ["stats", "more"], ["check"], ["exceptions", "--zone", "bl.example"], ["-x"], ["allow", SUBJECT, "--for", "1d", "--for", "2d"],
        ["--json"], ["import"], ["quarantine"],
    ):
        ctl(*words, status=2)
    for words in (["forget", SUBJECT], ["exceptions", "nonsense"], ["check", "nonsense"], ["import", "/nonexistent"]):
        said = ctl(*words, status=1).stderr
        assert said.startswith("tallyctl: ") and said.count("\n") == 1
    assert ctl.entries() == {}
    done = subprocess.run([TALLYCTL, "-c", "/nonexistent", "exceptions"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "/nonexistent" in done.stderr and "No such file" in done.stderr
    tallyd.stop()
    for words in (["stats"], ["check", SUBJECT], ["lists"], ["flush", "--all"], ["reload"], ["quarantine", "heavy.example"]):
        assert "not running" in ctl(*words, status=1).stderr
    for words in (["allow", SUBJECT], ["exceptions"], ["forget", SUBJECT], ["history"]):
        ctl(*words, status=0)


@pytest.mark.parametrize("word", ["", "198.51.100.1 other.example", "198.51.100.1\nflush --all", "198.51.100.1\r", "\u00e9"])
def test_a_word_that_would_not_be_one_to_the_daemon_is_no_request(ctl, word):
    for words in (["check"], ["check", SUBJECT, "--zone"], ["flush"], ["quarantine"], ["release"]):
        done = ctl(*words, word, status=1)
        assert "expected an address or a name, without blanks" in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


def test_every_document_is_one_document_wherever_json_is_said(ctl):
    for words in (["allow", SUBJECT], ["block", "2001:db9::/32"], ["score", "198.51.0.0/16", "--", "-3"], ["exceptions"], ["exceptions", SUBJECT],
                  ["history"], ["export"], ["check", SUBJECT], ["lists"], ["stats"], ["flush", "--all"], ["quarantine", "light.example"],
                  ["release", "light.example"], ["reload"], ["forget", SUBJECT]):
        assert json.loads(ctl(words[0], "--json", *words[1:]).stdout) is not None
    entry = ctl.json("forget", "2001:db9::/32")
    assert entry["action"] == "block" and set(entry) == {"action", "prefix", "zone", "score", "until", "added", "by", "reason"}
    assert set(ctl.json("history")[0]) == {*entry, "serial"}


def test_the_protocol_is_a_line_and_a_reply(tallyd):
    assert said(exchange(tallyd, b"tally1 stats\n"))["uptime"] >= 0
    assert said(exchange(tallyd, f"tally1 check {SUBJECT} bl.example\n".encode()))["verdict"] == "listed"
    assert said(exchange(tallyd, b"  tally1   exceptions  \nand what follows does not matter")) == {"serial": 0, "entries": 0, "store": "0" * 16}
    with Peer(tallyd) as peer:
        for byte in b"tally1 lists\n":
            peer.send(bytes([byte]))
            time.sleep(0.005)
        assert len(said(peer.read())) == len(LISTS)


NONSENSE = {
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "another version": b"tally2 stats\n",
    "no command": b"tally1\n",
    "an empty line": b"\n",
    "an unknown command": b"tally1 nonsense\n",
    "too many arguments": b"tally1 check " + b"a " * 100 + b"\n",
    "arguments where there are none": b"tally1 stats now\n",
    "too few arguments": b"tally1 check\n",
    "a NUL": b"tally1 stats\0\n",
    "a NUL before all": b"\0tally1 stats\n",
    "binary": bytes(range(256)) + b"\n",
    "controls": b"tally1 \x1b[31m\x07\n",
    "a long line": b"tally1 check " + b"1" * 5000 + b"\n",
    "a line without an end": b"x" * 100000,
    "the longest name": b"tally1 quarantine " + b"a" * 1000 + b"\n",
    "percent signs": b"tally1 check %s%n%s%n\n",
    "dashes": b"tally1 flush --everything\n",
}


def test_nonsense_on_the_socket_gets_one_line_and_disturbs_nobody(tallyd):
    for what, content in NONSENSE.items():
        with Peer(tallyd) as peer:
            try:
                peer.send(content)
            except (BrokenPipeError, ConnectionResetError):
                pass
            reply = peer.read()
        if what != "a line without an end" and len(content) < 1024:
            assert reply, what
        assert reply == b"" or (reply.startswith(b"error ") and reply.count(b"\n") == 1), (what, reply)
        assert all(32 <= byte < 127 for byte in reply[:-1]) and len(reply) <= 600, what
        assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    for content in (b"", b"tally1 sta", b"tally1 stats"):
        with Peer(tallyd) as peer:
            peer.send(content)
            peer.socket.shutdown(socket.SHUT_WR)
            assert peer.read() == b"", "no line, no reply"
    assert said(exchange(tallyd, b"tally1 stats\n"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("how", ["control", "tcp"])
def test_without_descriptors_a_connection_waits_and_costs_no_time(tallyd, ctl, how):
    soft, hard = resource.prlimit(tallyd.pid, resource.RLIMIT_NOFILE)
    taken = {int(fd) for fd in os.listdir(f"/proc/{tallyd.pid}/fd")}
    lowest_free = next(fd for fd in range(len(taken) + 1) if fd not in taken)
    resource.prlimit(tallyd.pid, resource.RLIMIT_NOFILE, (lowest_free, hard))
    before = cpu_seconds(tallyd.pid)
    with socket.socket(socket.AF_UNIX if how == "control" else socket.AF_INET) as waiting:
        waiting.connect(tallyd.options["control"] if how == "control" else (tallyd.address, tallyd.port))
        wait_until(lambda: tallyd.log_lines("a connection has to wait: Too many open files"), "it is told")
        time.sleep(1)
        assert cpu_seconds(tallyd.pid) - before < 0.2
        assert tallyd.verdict("127.0.0.2") == "127.0.0.2", "answers come on"
        resource.prlimit(tallyd.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert ctl.json("stats") and tallyd.verdict(SUBJECT, tcp=True) == "127.0.0.2"
    assert len(tallyd.log_lines("a connection has to wait")) == 1


@pytest.mark.alone
def test_two_hundred_idle_connections_end_and_answers_come_on(tallyd, ctl):
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    peers, longest, begun = [], 0, time.monotonic()
    try:
        for i in range(200):
            peer = Peer(tallyd, 10)
            peers.append(peer)
            try:
                peer.send(b"tally1 ch" if i % 2 else b"")
            except (BrokenPipeError, ConnectionResetError):
                pass  # hung up on: a later one took its place
            asked = time.monotonic()
            assert tallyd.verdict(SUBJECT) == "127.0.0.2"
            longest = max(longest, time.monotonic() - asked)
        assert ctl.json("stats")["queries"]["udp"] >= 200, "the idle ones keep nobody out"
        for peer in peers:
            assert peer.read() == b""
    finally:
        for peer in peers:
            peer.socket.close()
    assert time.monotonic() - begun < 15 and longest < 1
    assert len(os.listdir(f"/proc/{tallyd.pid}/fd")) < 64


@pytest.mark.alone
def test_slow_writers_and_readers_are_given_up_and_disturb_nobody(tallyd, ctl):
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    stopping, worst = threading.Event(), [0.0, 0]

    def keep_asking():
        while not stopping.is_set():
            begun = time.monotonic()
            assert tallyd.verdict(SUBJECT) == "127.0.0.2"
            worst[0] = max(worst[0], time.monotonic() - begun)
            worst[1] += 1

    def write_slowly(_):
        with Peer(tallyd) as peer:
            begun = time.monotonic()
            try:
                while time.monotonic() - begun < 15:
                    peer.send(b"x")
                    time.sleep(0.3)
            except (BrokenPipeError, ConnectionResetError):
                return time.monotonic() - begun
        return None

    def read_never(_):
        with Peer(tallyd) as peer:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            peer.send(f"tally1 check {SUBJECT}\n".encode())
            time.sleep(6)
        return 5

    with concurrent.futures.ThreadPoolExecutor(22) as pool:
        asking = pool.submit(keep_asking)
        try:
            times = list(pool.map(write_slowly, range(10))) + list(pool.map(read_never, range(10)))
            assert ctl.json("stats")["uptime"] >= 5
        finally:
            stopping.set()
        asking.result()
    assert all(seconds is not None and 4 < seconds < 9 for seconds in times), times
    assert worst[1] > 100 and worst[0] < 1, worst


def test_a_storm_of_commands_is_served_and_answers_stay_right(tallyd, ctl):
    """Hundreds of requests by many at once, good and bad, while questions are answered."""
    requests = [b"tally1 stats\n", b"tally1 lists\n", b"tally1 check 198.51.100.7\n", b"tally1 exceptions\n", b"nonsense\n",
                b"tally1 flush 198.51.100.7\n", b"tally1 check 10.0.0.1\n"]

    def one(i):
        reply = exchange(tallyd, requests[i % len(requests)])
        return reply == b"" or reply.startswith((b"ok\n", b"error "))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        storm = pool.map(one, range(600))
        for _ in range(200):
            assert tallyd.verdict(SUBJECT) == "127.0.0.2"
        assert all(storm)
    assert tallyd.verdict("198.51.100.7") == "127.0.0.2"
    wait_until(lambda: len(os.listdir(f"/proc/{tallyd.pid}/fd")) < 40, "connections are closed", 8)


def test_checks_whose_client_has_gone_are_dropped(stage):
    server = stage.upstream({"slow.example": up.slow(0.7, up.listed("127.0.0.2"))})
    tallyd = stage.tallyd({"bl.example": {"sites": ["slow.example"]}}, served_by(server, "slow.example"))
    for i in range(40):
        with Peer(tallyd) as peer:
            peer.send(f"tally1 check 198.51.100.{i}\n".encode())
    replies = []
    with Peer(tallyd) as peer:
        peer.send(b"tally1 check 198.51.100.200\n")
        replies.append(said(peer.read()))
    assert replies[0]["subject"] == "198.51.100.200" and replies[0]["verdict"] == "listed"
    assert tallyd.verdict("198.51.100.1") == "127.0.0.2"


def test_only_root_and_the_group_may_use_the_socket(stage, server):
    run = stage.open / "run"
    tallyd = stage.tallyd(
        ZONES, served_by(server, *LISTS), user="nobody", state_dir=str(stage.open / "state"), control=str(run / "control")
    )
    status = os.stat(run / "control")
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o660
    group = os.stat(stage.open / "state").st_gid
    assert (status.st_uid, status.st_gid) == (0, group)
    shown = stage.open / "conf"
    shown.write_text(tallyd.path.read_text())
    shown.chmod(0o644)
    program = stage.open / "tallyctl"
    program.write_bytes(TALLYCTL.read_bytes())
    program.chmod(0o755)

    def call(user, gid, *words):
        return subprocess.run(
            [program, "-c", shown, *words], user=user, group=gid, extra_groups=[], capture_output=True, text=True, check=False, cwd="/"
        )

    assert call(0, 0, "stats").returncode == 0
    assert call(65533, group, "stats").returncode == 0
    refused = call(65533, 65533, "stats")
    assert refused.returncode == 1 and "Permission denied" in refused.stderr and str(run / "control") in refused.stderr
    refused = call(65533, 65533, "allow", SUBJECT)
    assert refused.returncode == 1 and "Permission denied" in refused.stderr
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"


def test_the_socket_goes_with_tallyd_and_a_left_over_one_is_replaced(stage, tallyd, ctl):
    path = tallyd.options["control"]
    second = stage.tallyd(ZONES, tallyd.lists, control=path, wait=False)
    second.expected_status = 1
    assert second.process.wait(20) == 1 and "control" in second.stderr
    assert ctl.json("stats"), "the first one has its socket still"
    tallyd.expected_status = -9
    tallyd.stop(9)
    assert os.path.exists(path)
    assert "not running" in ctl("stats", status=1).stderr
    third = stage.tallyd(ZONES, tallyd.lists, control=path)
    assert Tallyctl(third).json("stats")
    third.stop()
    assert not os.path.exists(path)
