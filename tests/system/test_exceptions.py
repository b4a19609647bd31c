"""Exceptions: in force with the next answer, kept whatever happens, and never half of one."""
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import upstream as up
from harness import SANITIZED, reversed_name, wait_until
from programs import answers, served_by
from tallyctl import Tallyctl, reader_slots

LISTED = "198.51.100.1"  # by a.example, as everything is
ZONES = {
    "bl.example": {"sites": ["a.example*3"], "threshold": 3},
    "clean.example": {"sites": ["b.example*3"], "threshold": 3},
    "u1.bl.example": {"like": "bl.example"},
    "deep.u1.bl.example": {"like": "bl.example"},
    "wl.example": {"kind": "allow", "sites": ["b.example"]},
}


@pytest.fixture
def tallyd(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=3000), "b.example": up.nxdomain(ttl=3000)})
    return stage.tallyd(ZONES, served_by(server, "a.example", "b.example"))


@pytest.fixture
def ctl(tallyd):
    return Tallyctl(tallyd)


# a child that reads a broken store may end by a signal, of which a sanitizer shall make no report; tallyd itself may not
SIGNALS_ARE_OURS = {"ASAN_OPTIONS": "handle_sigbus=0:handle_segv=0:handle_abort=0"}


def start_again(stage, tallyd, **options):
    """A new tallyd with the configuration, the address and the state of another, which has ended."""
    assert not tallyd.running()
    again = {name.replace("-", "_"): value for name, value in tallyd.options.items() if name != "listen"}
    wait = options.pop("wait", True)
    place = {"address": tallyd.address, "port": tallyd.port, "wait": wait, "env": SIGNALS_ARE_OURS}
    new = stage.tallyd(tallyd.zones, tallyd.lists, **place, **{**again, **options})
    return new, Tallyctl(new)


def test_an_exception_is_in_force_with_the_next_answer_and_forgotten_with_the_next(tallyd, ctl):
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    for _ in range(5):
        ctl("allow", LISTED)
        assert tallyd.verdict(LISTED) == "clear"
        ctl("forget", LISTED)
        assert tallyd.verdict(LISTED) == "127.0.0.2"
    for subject, other in (("198.51.100.7", "198.51.100.8"), ("2001:db9::7", "2001:db9::8")):
        ctl("block", subject)
        assert tallyd.verdict(subject, zone="clean.example") == "127.0.0.2"
        assert tallyd.verdict(other, zone="clean.example") == "clear"
        ctl("allow", subject)
        assert tallyd.verdict(subject, zone="bl.example") == "clear"
        assert tallyd.verdict(other, zone="bl.example") == "127.0.0.2"
    assert ctl.json("stats")["exceptions"]["applied"] >= 9


def test_an_exception_made_while_tallyd_is_down_counts_when_it_starts(stage, tallyd, ctl):
    tallyd.stop()
    ctl("allow", LISTED, "--reason", "made while down")
    tallyd, ctl = start_again(stage, tallyd)
    assert tallyd.verdict(LISTED) == "clear"
    tallyd.stop()
    ctl("forget", LISTED)
    ctl("block", "198.51.100.9")
    tallyd, ctl = start_again(stage, tallyd)
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    assert tallyd.verdict("198.51.100.9", zone="clean.example") == "127.0.0.2"
    assert [change["action"] for change in ctl.json("history")] == ["allow", "forget", "block"]


def test_before_the_first_start_a_change_says_what_is_missing(tmp_path, tallyd, ctl):
    tallyd.path.write_text(tallyd.path.read_text().replace(tallyd.options["state-dir"], str(tmp_path / "none")))
    said = ctl("allow", LISTED, status=1).stderr
    assert f"nothing was changed: state-dir = {tmp_path}/none: No such file or directory; tallyd makes it when it starts" in said


def test_exceptions_outlive_a_restart_and_a_kill(stage, tallyd, ctl):
    ctl("allow", LISTED)
    ctl("score", "198.51.100.2", "-1", "--zone", "bl.example")
    for number in (15, 9):
        tallyd.expected_status = -9 if number == 9 else 0
        tallyd.stop(number)
        tallyd, ctl = start_again(stage, tallyd)
        assert tallyd.verdict(LISTED) == "clear"
        assert tallyd.verdict("198.51.100.2") == "clear"
        assert tallyd.verdict("198.51.100.3") == "127.0.0.2"


def test_a_tallyd_that_is_not_told_finds_the_change_by_itself(tallyd, ctl):
    """As when tallyctl is killed between its commit and its word to tallyd."""
    ctl("-s", "/nonexistent/socket", "allow", LISTED)
    wait_until(lambda: tallyd.verdict(LISTED) == "clear", "the change found", 5)


def test_a_change_in_a_store_that_is_not_that_of_tallyd_is_no_success(tmp_path, tallyd, ctl):
    """As when state-dir was changed and tallyd not started anew."""
    ctl("block", "198.51.100.9")
    moved = tmp_path / "moved"
    moved.mkdir()
    text = tallyd.path.read_text()
    tallyd.path.write_text(text.replace(tallyd.options["state-dir"], str(moved)))
    tallyd.reload()
    said = ctl("allow", LISTED, status=1).stderr
    assert f"on disk in {moved}, but the running tallyd has another store" in said
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    tallyd.path.write_text(text)
    ctl("allow", LISTED)
    assert tallyd.verdict(LISTED) == "clear"


def test_an_exception_with_a_duration_ends_by_itself(tallyd, ctl):
    before = time.time()
    entry = ctl.json("allow", LISTED, "--for", "3s")
    assert entry["until"] and entry["until"] > entry["added"]
    reply = tallyd.ask(LISTED)
    assert reply.authority and reply.authority[0].ttl <= 3, "no answer outlives the exception"
    assert tallyd.verdict(LISTED) == "clear"
    wait_until(lambda: tallyd.verdict(LISTED) == "127.0.0.2", "the end of the exception", 8)
    assert 2 <= time.time() - before <= 5
    assert "(over)" in ctl("exceptions").stdout
    ctl("block", "198.51.100.5", "--for", "2s")
    reply = tallyd.ask("198.51.100.5", zone="clean.example")
    assert reply.answer[0].ttl <= 2
    wait_until(lambda: tallyd.verdict("198.51.100.5", zone="clean.example") == "clear", "the end of the block", 8)


def test_the_end_of_an_exception_can_be_a_date(tallyd, ctl):
    for said, kept in (("2105-01-31", "2105-01-31T00:00:00Z"), ("2104-02-29T12:34:56Z", "2104-02-29T12:34:56Z")):
        assert ctl.json("allow", LISTED, "--until", said)["until"] == kept
    assert tallyd.verdict(LISTED) == "clear"
    for options in (["--until", "2020-01-01"], ["--until", "2027-02-30"], ["--until", "tomorrow"], ["--for", "0d"], ["--for", "1y"],
                    ["--for", "1d", "--until", "2104-01-01"]):
        ctl("block", LISTED, *options, status=1)
    assert tallyd.verdict(LISTED) == "clear", "what is refused changes nothing"
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    ctl("allow", LISTED, "--until", soon)
    assert tallyd.verdict(LISTED) == "clear"
    wait_until(lambda: tallyd.verdict(LISTED) == "127.0.0.2", "the date", 8)


def test_the_zones_own_exception_comes_before_those_above_and_the_global_ones(tallyd, ctl):
    """However long the prefixes are."""
    def verdicts():
        return [tallyd.verdict(LISTED, zone=zone) for zone in ("deep.u1.bl.example", "u1.bl.example", "bl.example", "clean.example")]

    no, yes = "clear", "127.0.0.2"
    assert verdicts() == [yes, yes, yes, no]
    ctl("block", LISTED)
    assert verdicts() == [yes, yes, yes, yes]
    ctl("allow", "198.51.100.0/24", "--zone", "bl.example")
    assert verdicts() == [no, no, no, yes]
    ctl("block", "198.51.0.0/16", "--zone", "U1.BL.example")
    assert verdicts() == [yes, yes, no, yes]
    ctl("allow", "198.0.0.0/8", "--zone", "deep.u1.bl.example")
    assert verdicts() == [no, yes, no, yes]
    ctl("forget", "198.51.0.0/16", "--zone", "u1.bl.example")
    assert verdicts() == [no, no, no, yes]
    ctl("forget", "198.0.0.0/8", status=1)
    ctl("allow", LISTED, "--zone", "nowhere.example", status=1)
    assert verdicts() == [no, no, no, yes]


def test_the_longest_prefix_counts(tallyd, ctl):
    ctl("allow", "198.51.100.0/24")
    ctl("block", "198.51.100.64/26")
    ctl("allow", "198.51.100.65")
    ctl("block", "2001:db9::/32")
    ctl("allow", "2001:db9::/64")
    zone = "clean.example"
    for subject, expected in {
        "198.51.100.63": "clear", "198.51.100.64": "127.0.0.2", "198.51.100.65": "clear", "198.51.100.127": "127.0.0.2",
        "198.51.100.128": "clear", "2001:db9::1": "clear", "2001:db9:0:1::1": "127.0.0.2", "2001:dba::1": "clear",
    }.items():
        assert tallyd.verdict(subject, zone=zone) == expected, subject
    assert tallyd.verdict("198.51.100.128") == "clear" and tallyd.verdict("198.51.101.1") == "127.0.0.2"
    assert {entry["prefix"] for entry in ctl.json("exceptions", "198.51.100.65")} == {
        "198.51.100.0/24", "198.51.100.64/26", "198.51.100.65"}


def test_a_score_is_added_to_what_the_lists_say(tallyd, ctl):
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    ctl("score", LISTED, "-1")
    assert tallyd.verdict(LISTED) == "clear"
    assert tallyd.verdict(LISTED, zone="clean.example") == "clear"
    ctl("score", LISTED, "+3")
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    assert tallyd.verdict(LISTED, zone="clean.example") == "127.0.0.2"
    ctl("score", LISTED, "2", "--zone", "clean.example")
    assert tallyd.verdict(LISTED, zone="clean.example") == "clear"
    for wrong in ("10001", "-10001", "x", "", "1.5", "--1"):
        ctl("score", "--", LISTED, wrong, status=1)


def test_a_score_against_a_sender_does_not_make_him_trusted(tallyd, ctl):
    ctl("score", "198.51.100.2", "5")
    assert tallyd.verdict("198.51.100.2", zone="clean.example") == "127.0.0.2"
    assert tallyd.verdict("198.51.100.2", zone="wl.example") == "clear"
    assert ctl.json("check", "198.51.100.2", "--zone", "wl.example")["exception"] is None
    ctl("score", "198.51.100.2", "5", "--zone", "wl.example")
    assert tallyd.verdict("198.51.100.2", zone="wl.example") == "127.0.0.2"


def test_in_a_zone_of_trust_allow_lists_and_block_clears(tallyd, ctl):
    ctl("allow", LISTED)
    assert tallyd.verdict(LISTED, zone="wl.example") == "127.0.0.2" and tallyd.verdict(LISTED) == "clear"
    ctl("block", LISTED)
    assert tallyd.verdict(LISTED, zone="wl.example") == "clear" and tallyd.verdict(LISTED) == "127.0.0.2"


def test_test_points_are_above_exceptions_and_special_addresses_below(tallyd, ctl):
    ctl("allow", "127.0.0.0/8")
    assert tallyd.verdict("127.0.0.2") == "127.0.0.2" and tallyd.verdict("127.0.0.1") == "clear"
    ctl("block", "127.0.0.0/8")
    assert tallyd.verdict("127.0.0.2") == "127.0.0.2" and tallyd.verdict("127.0.0.1") == "clear"
    assert tallyd.verdict("10.1.2.3") == "clear"
    ctl("block", "10.0.0.0/8")
    assert tallyd.verdict("10.1.2.3") == "127.0.0.2"


def test_a_wide_prefix_needs_force_and_host_bits_are_refused(tallyd, ctl):
    for prefix in ("198.0.0.0/7", "0.0.0.0/0", "2000::/3", "::/0"):
        assert "--force" in ctl("allow", prefix, status=1).stderr
        ctl("allow", prefix, "--force")
    for prefix in ("198.51.100.1/24", "2001:db9::1/64", "198.51.100", "198.51.100.0/33", "example.org", ""):
        ctl("allow", prefix, status=1)
    assert len(ctl.entries()) == 4
    assert tallyd.verdict(LISTED) == tallyd.verdict("2001:db9::1") == "clear"


def test_what_a_change_touches_is_said_before_it_is_made(ctl):
    ctl("allow", "198.51.100.0/24", "--reason", "the wide one")
    ctl("block", "198.51.100.5", "--reason", "the narrow one")
    said = ctl("block", LISTED).stdout
    assert "covered by: allow 198.51.100.0/24" in said and "the wide one" in said and "verdict now: clear" in said
    assert "narrow" not in said and "done:       block 198.51.100.1" in said
    said = ctl("allow", "198.51.0.0/16").stdout
    assert "covers:     block 198.51.100.5" in said and "covers:     allow 198.51.100.0/24" in said
    assert "replaces:   allow 198.51.0.0/16" in ctl("block", "198.51.0.0/16").stdout


def test_which_of_two_entries_counts_in_a_zone_is_said_before_the_change(tallyd, ctl):
    assert "overrules:" not in ctl("block", "198.51.0.0/16", "--zone", "bl.example").stdout
    said = ctl("allow", LISTED).stdout
    assert "yields to:  block 198.51.0.0/16 zone=bl.example" in said and "covered by" not in said
    assert tallyd.verdict(LISTED) == "127.0.0.2", "as was said"
    said = ctl("block", "198.0.0.0/8", "--zone", "bl.example").stdout
    assert "overrules:  allow 198.51.100.1" in said and "covers:     block 198.51.0.0/16 zone=bl.example" in said
    assert "note:       this is a test point: exceptions do nothing" in ctl("allow", "127.0.0.2").stdout
    assert "note:       this is a special-use address: a score does nothing" in ctl("score", "10.0.0.1", 5).stdout
    assert "note:" not in ctl("block", "10.0.0.1").stdout


def test_the_journal_tells_when_who_what_and_why(ctl):
    ctl("allow", LISTED, "--reason", 'a "reason", with \\ and \x1b[31m', env={**os.environ, "SUDO_USER": "somebody"})
    ctl("block", LISTED, "--zone", "bl.example", "--for", "1d")
    ctl("forget", LISTED)
    ctl("allow", "2001:db9::/64")
    journal = ctl.json("history")
    assert [(c["serial"], c["action"], c["prefix"], c["zone"]) for c in journal] == [
        (1, "allow", LISTED, ""), (2, "block", LISTED, "bl.example"), (3, "forget", LISTED, ""), (4, "allow", "2001:db9::/64", "")]
    assert journal[0]["by"] == "somebody" and journal[1]["by"] == "root"
    assert journal[0]["reason"] == 'a "reason", with \\ and ?[31m'
    for change in journal:
        when = time.mktime(time.strptime(change["added"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        assert abs(when - time.time()) < 60
    assert [c["serial"] for c in ctl.json("history", "198.51.100.0/24")] == [1, 2, 3]
    assert "somebody" in ctl("history").stdout
    assert list(ctl.entries()) == [("", "2001:db9::/64"), ("bl.example", LISTED)]


def test_many_tallyctl_at_once_lose_nothing(tallyd, ctl):
    """Sixty changes by eight at a time; each that is acknowledged is in force when its command ends."""
    def change(i):
        subject = f"198.51.100.{i}"
        ctl("block", subject, "--reason", f"number {i}")
        return tallyd.verdict(subject, zone="clean.example")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(change, range(60))) == ["127.0.0.2"] * 60
    entries = ctl.entries()
    assert len(entries) == 60
    assert all(entries["", f"198.51.100.{i}"]["reason"] == f"number {i}" for i in range(60))
    assert [change["serial"] for change in ctl.json("history")] == list(range(1, 61))
    assert len(ctl("export").stdout.splitlines()) == 60
    with open(ctl.snapshot) as snapshot:
        lines = snapshot.read().splitlines()
    assert lines[:-1] == ctl("export").stdout.splitlines() and lines[-1] == "# end"
    assert set(os.listdir(ctl.directory)) - {"cases"} == {"exceptions.mdb", "exceptions.mdb-lock", "exceptions.snapshot"}


ALL_KINDS = """\
# a comment, and an empty line

allow 192.0.2.7 until=2104-01-31T00:00:00Z added=2026-01-02T03:04:05Z by="somebody" reason="ticket 4711"
block 198.51.100.0/24 zone=bl.example reason="with \\"quotes\\" and \\\\"
score 2001:db9::/32 -2 zone=u1.bl.example
score 203.0.113.0/24 10000
allow 2001:db9:1::/48
block ::ffff:192.0.2.9
192.0.2.10
"""


def test_an_output_that_a_full_disk_cuts_short_is_a_failure(ctl):
    ctl("allow", "192.0.2.9")
    for words in (["export"], ["export", "--format", "cidr"], ["exceptions"], ["history"], ["--json", "exceptions"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(ctl.argv(*words), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (1, "tallyctl: standard output could not be written whole\n"), words


def test_an_export_is_imported_again_without_a_difference(stage, tallyd, ctl):
    assert ctl.json("import", "-", text=ALL_KINDS) == {"imported": 7}
    exported, entries = ctl("export").stdout, ctl.entries()
    assert len(entries) == 7 and entries["", "192.0.2.7"] == {
        "action": "allow", "prefix": "192.0.2.7", "zone": "", "score": 0, "until": "2104-01-31T00:00:00Z",
        "added": "2026-01-02T03:04:05Z", "by": "somebody", "reason": "ticket 4711"}
    assert entries["bl.example", "198.51.100.0/24"]["reason"] == 'with "quotes" and \\'
    assert entries["", "192.0.2.9"]["action"] == entries["", "192.0.2.10"]["action"] == "block"
    path = stage.directory / "exported"
    path.write_text(exported)
    for down in (False, True):
        if down:
            tallyd.stop()
        ctl.remove_store()
        os.unlink(ctl.snapshot)
        ctl("import", path)
        assert ctl("export").stdout == exported and ctl.entries() == entries
    tallyd, ctl = start_again(stage, tallyd)
    assert tallyd.verdict("192.0.2.9", zone="clean.example") == "127.0.0.2"


@pytest.mark.parametrize(
    ("name", "text", "entries", "printed"),
    [
        ("plain", "192.0.2.1\n\n# x\n192.0.2.128/25 # y\n2001:db9::/32\n",
         {"192.0.2.1": "block", "192.0.2.128/25": "block", "2001:db9::/32": "block"},
         "192.0.2.1\n192.0.2.128/25\n2001:db9::/32\n"),
        ("cidr", "192.0.2.1 OK\n192.0.2.2 dunno\n192.0.2.4/30 REJECT go away\n2001:db9::/32 550 5.7.1 no\n192.0.2.3 permit\n",
         {"192.0.2.1": "allow", "192.0.2.2": "score", "192.0.2.3": "allow", "192.0.2.4/30": "block", "2001:db9::/32": "block"},
         "192.0.2.1 OK \n192.0.2.2 DUNNO \n192.0.2.3 OK \n2001:db9::/32 REJECT 5.7.1 no\n192.0.2.4/30 REJECT go away\n"),
        ("rbldnsd", "$TTL 300\n:127.0.0.2:default\n192.0.2\n!192.0.2.1\n192.0.3.6-192.0.3.9 :127.0.0.3:some text\n"
         "198.51.100.0/25 words\n# x\n",
         {"192.0.2.0/24": "block", "192.0.2.1": "allow", "192.0.3.6/31": "block", "192.0.3.8/31": "block", "198.51.100.0/25": "block"},
         "192.0.2.0/24\n!192.0.2.1\n192.0.3.6/31 :127.0.0.2:some text\n192.0.3.8/31 :127.0.0.2:some text\n"
         "198.51.100.0/25 :127.0.0.2:words\n"),
    ],
)
def test_the_formats_of_others_are_read_and_written(stage, tallyd, ctl, name, text, entries, printed):
    ctl("import", "--format", name, "-", text=text)
    assert {prefix: entry["action"] for (_, prefix), entry in ctl.entries().items()} == entries
    exported = ctl("export", "--format", name).stdout
    assert [line.rstrip() for line in exported.splitlines()] == [line.rstrip() for line in printed.splitlines()]
    ctl("block", "192.0.2.77", "--zone", "bl.example")
    ctl("forget", "192.0.2.77", "--zone", "bl.example")
    for prefix in entries:
        ctl("forget", prefix)
    path = stage.directory / "again"
    path.write_text(exported)
    ctl("import", "--format", name, path)
    assert {prefix: entry["action"] for (_, prefix), entry in ctl.entries().items()} == entries
    assert ctl("export", "--format", name).stdout == exported
    for prefix, action in entries.items():
        assert tallyd.verdict(prefix.split("/")[0], zone="clean.example") == ("127.0.0.2" if action == "block" else "clear")


def test_a_table_for_postfix_says_of_each_address_what_is_said_here(stage, ctl):
    ctl("import", "-", text="block 192.0.2.0/24\nallow 192.0.2.8/29\nblock 192.0.2.9\nscore 192.0.2.10 0\nblock 2001:db9::/32\nallow 2001:db9::1\n")
    table = stage.directory / "table"
    table.write_text(ctl("export", "--format", "cidr").stdout)
    (stage.directory / "main.cf").touch()
    env = {**os.environ, "MAIL_CONFIG": str(stage.directory)}
    for subject, action in (("192.0.2.1", "REJECT"), ("192.0.2.8", "OK"), ("192.0.2.9", "REJECT"), ("192.0.2.10", "DUNNO"), ("2001:db9::1", "OK"),
                            ("2001:db9::2", "REJECT")):
        assert subprocess.check_output(["postmap", "-q", subject, f"cidr:{table}"], text=True, env=env).split()[0] == action


def test_an_import_warns_of_lines_that_postfix_would_not_come_to(ctl):
    table = "192.0.2.7 REJECT\n192.0.2.0/24 OK\n192.0.2.8/29 OK\n192.0.2.16/28 REJECT\n192.0.2.17 REJECT\n2001:db9::/32 REJECT\n198.51.100.1 OK\n"
    said = ctl("import", "--format", "cidr", "-", text=table).stderr
    assert "warning: 2 entries count that Postfix does not come to" in said and "the first is 192.0.2.16/28" in said
    assert ctl("import", "--format", "cidr", "-", text="192.0.2.7 REJECT\n192.0.2.0/24 OK\n").stderr == ""


RBLDNSD_LINES = [
    "45.0.0.0/24", "45.0.0", "45/24", "45.0.0.1-255", "45.0.0.5-9 words", "45.0.0.255-45.0.1.0", "45.16.0.0-45.31.255.255", "45.16.0-45.31.255",
    "45.16-45.31", "45.16-31", "45.16.0-31", "45.16/12", "45-46", "45.0/16", "45.0.0.9-5", "45", "45.", "45.0.0.1/24", "45.0.0.5-", "45.0.0.5-256",
]
RBLDNSD_ENDS = [
    "44.255.255.255", "45.0.0.0", "45.0.0.1", "45.0.0.4", "45.0.0.5", "45.0.0.9", "45.0.0.10", "45.0.0.255", "45.0.1.0", "45.0.255.255", "45.1.0.0",
    "45.15.255.255", "45.16.0.0", "45.16.31.255", "45.16.32.0", "45.31.255.255", "45.32.0.0", "45.255.255.255", "46.0.0.0", "46.255.255.255", "47.0.0.0",
]


def test_an_entry_of_rbldnsd_is_for_the_addresses_that_it_lists_there(stage, tallyd, ctl):
    """What it does not take, nor do we."""
    real = stage.rbldnsd({f"z{i}.example": {"ip4set": [line]} for i, line in enumerate(RBLDNSD_LINES)})
    for i, line in enumerate(RBLDNSD_LINES):
        listed = {end for end in RBLDNSD_ENDS if answers(real.address, real.port, reversed_name(end, f"z{i}.example")).answer}
        ctl("import", "--format", "rbldnsd", "--force", "-", text=line, status=0 if listed else 1)
        assert {end for end in RBLDNSD_ENDS if tallyd.verdict(end, zone="clean.example") != "clear"} == listed, line
        for entry in ctl.json("exceptions"):
            ctl("forget", entry["prefix"])


def test_what_a_format_cannot_say_is_left_out_and_told(ctl):
    ctl("import", "-", text=ALL_KINDS)
    assert "3 entries" in ctl("export", "--format", "rbldnsd").stderr
    assert "2 entries" in ctl("export", "--format", "cidr").stderr
    assert "2 entries" in ctl("export", "--format", "plain").stderr
    for name in ("rbldnsd", "cidr", "plain"):
        assert "warning: 2 of these are for one zone or have an end" in ctl("export", "--format", name).stderr
    assert ctl("export").stderr == ""


def test_a_plain_export_of_allowed_and_blocked_says_so_for_all_would_come_back_as_blocked(ctl):
    ctl("allow", "192.0.2.1")
    done = ctl("export", "--format", "plain")
    assert (done.stdout, done.stderr) == ("192.0.2.1\n", "")
    ctl("block", "192.0.2.2")
    done = ctl("export", "--format", "plain")
    assert done.stdout == "192.0.2.1\n192.0.2.2\n" and "warning: 1 of these are allowed and 1 blocked" in done.stderr
    done = ctl("export", "--format", "plain", "--as", "allow")
    assert done.stdout == "192.0.2.1\n" and "1 entries are left out" in done.stderr and "warning" not in done.stderr
    assert ctl("export", "--format", "cidr", "--as", "block").stdout == "192.0.2.2 REJECT \n"
    ctl("export", "--as", "trust", status=1)


def test_an_import_takes_what_the_lines_do_not_say_from_its_options(tallyd, ctl):
    ctl("import", "--format", "plain", "--as", "allow", "--zone", "bl.example", "--for", "1d", "--reason", "why not", "-", text="198.51.100.1\n")
    ((where, entry),) = ctl.entries().items()
    assert where == ("bl.example", LISTED) and entry["action"] == "allow" and entry["until"] and entry["reason"] == "why not"
    assert tallyd.verdict(LISTED) == "clear"
    assert entry["by"] == "root" and entry["added"]


def test_an_import_that_blocks_who_was_allowed_says_so(tallyd, ctl):
    ctl("allow", LISTED, "--reason", "a customer")
    ctl("allow", "198.51.100.2", "--zone", "bl.example")
    ctl("block", "198.51.100.3")
    addresses = "198.51.100.2\n198.51.100.3\n"
    assert ctl("import", "--format", "plain", "-", text=addresses).stderr == ""
    said = ctl("import", "--format", "plain", "-", text=f"{addresses}{LISTED}\n").stderr
    assert "warning: 1 entries replaced one of another action" in said and f"tallyctl history {LISTED}" in said


def test_what_a_set_of_good_addresses_leaves_out_is_judged_by_the_lists(tallyd, ctl):
    ctl("import", "--format", "rbldnsd", "--as", "allow", "-", text="198.51.100\n!198.51.100.1\n")
    assert tallyd.verdict(LISTED) == "127.0.0.2" and tallyd.verdict("198.51.100.2") == "clear"
    assert tallyd.verdict(LISTED, zone="clean.example") == "clear", "nor is it blocked"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("tally", ["allow", "allow 192.0.2.1/24", "score 192.0.2.1", "score 192.0.2.1 99999", "allow 192.0.2.1 colour=red",
                   "allow 192.0.2.1 zone=a..b", 'allow 192.0.2.1 reason="open', "allow 192.0.2.1 until=soon", "permit 192.0.2.1",
                   "allow 192.0.2.1 " + "x" * 2000, "\x00", "\xff\xfe", "allow 192.0.2.1 until=2027-02-30",
                   'allow 192.0.2.1 reason="' + "x" * 201 + '"']),
        ("plain", ["nonsense", "192.0.2.1 192.0.2.2", "192.0.2.1/33", "192.0.2.1/24", "192.0.2"]),
        ("cidr", ["192.0.2.1", "if 192.0.2.0/24", "192.0.2.1/24 REJECT", "192.0.2.1 PREPEND X-Customer: yes", "192.0.2.1 WARN",
                  "192.0.2.1 permit_auth_destination", "192.0.2.1 550", "192.0.2.1 250 fine", "192.0.2.1 REJECTED"]),
        ("rbldnsd", ["2001:db9::1", "192.0.2.9-192.0.2.1", "192.0.2.1/33", "256.0.0.1", "192.0.2.1/24", "1.2.3.4.5", "!", "192.0.2.9-8", "192",
                     "192.0.2.9-", "192.0.2.9-256", "192.0.2.4-7/30", "192.0.2.0/24-7", "192.0.2.0/"]),
    ],
)
def test_one_bad_line_spoils_an_import_and_is_named(stage, tallyd, ctl, name, lines):
    ctl("allow", LISTED)
    before = ctl("history").stdout
    good = "\n".join(f"198.51.100.{i} REJECT" if name == "cidr" else f"198.51.100.{i}" for i in range(20)) + "\n"
    path = stage.directory / "bad"
    for line in lines:
        path.write_bytes(good.encode() + line.encode("latin-1") + b"\n" + good.encode())
        said = ctl("import", "--format", name, path, status=1).stderr
        assert f"{path}:21: " in said and "nothing was changed" in said, (line, said)
        assert said.isascii() and all(c.isprintable() or c == "\n" for c in said)
    path.write_text("".join(f"{line}\n" for line in ["?"] * 30))
    said = ctl("import", "--format", name, path, status=1).stderr
    assert f"{path}:1: " in said and f"{path}:20: " in said and f"{path}:21: " not in said, "the first twenty"
    assert ctl("history").stdout == before and len(ctl.entries()) == 1
    assert tallyd.verdict(LISTED) == "clear"
    ctl("import", stage.directory / "absent", status=1)
    ctl("import", stage.directory, status=1)


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def run_on_a_terminal(argv):
    """Run with a terminal for its errors; returns what it wrote there."""
    master, slave = os.openpty()
    written = b""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave) as process:
        os.close(slave)
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while more := os.read(master, 65536):
                written += more
    os.close(master)
    assert process.returncode == 0, written
    return written.decode()


@pytest.mark.alone
def test_a_million_exceptions_are_taken_in_seconds_and_kept_in_little_memory(stage, tallyd, ctl):
    count = 1_000_000
    path = stage.directory / "million"
    with open(path, "w") as out:
        for i in range(count - 1000):
            out.write(f"100.{i >> 16}.{i >> 8 & 255}.{i & 255}\n")
        for i in range(1000):
            out.write(f"2001:db9:{i:x}::/48\n")
    before = resident_kib(tallyd.pid)
    begun = time.monotonic()
    shown = run_on_a_terminal(ctl.argv("import", "--format", "plain", path))
    took = time.monotonic() - begun
    assert took < (120 if SANITIZED else 40), took
    # nothing within the first second; then a bar that only grows, and goes away in the end
    bars = re.findall(r"\rimporting \[(#*)\.*\] (\d+)", shown)
    assert bars or took < 4
    assert [len(bar) for bar, _ in bars] == sorted(len(bar) for bar, _ in bars)
    assert all(abs(len(bar) - 40 * int(line) / count) < 2 and int(line) > 1024 for bar, line in bars), bars
    assert shown.endswith("\r") or not bars
    stats = ctl.json("stats")["exceptions"]
    assert stats["entries"] == count and stats["bytes"] <= 64 << 20
    assert SANITIZED or resident_kib(tallyd.pid) - before < 80 << 10

    chance = random.Random(3)
    zone = "clean.example"
    for _ in range(300):
        i = chance.randrange(count - 1000)
        assert tallyd.verdict(f"100.{i >> 16}.{i >> 8 & 255}.{i & 255}", zone=zone) == "127.0.0.2"
        assert tallyd.verdict(f"2001:db9:{i % 1000:x}::{i & 0xFFFF:x}", zone=zone) == "127.0.0.2"
    for subject in ("99.255.255.255", f"100.{count >> 16}.255.255", "2001:db9:3e8::1", "2001:db9:ffff::1"):
        assert tallyd.verdict(subject, zone=zone) == "clear", subject

    # one change more copies the table: the old one is given back
    for i in range(3):
        begun = time.monotonic()
        ctl("allow", f"100.0.0.{i}")
        assert tallyd.verdict(f"100.0.0.{i}", zone=zone) == "clear"
        assert time.monotonic() - begun < (60 if SANITIZED else 15)
    assert SANITIZED or resident_kib(tallyd.pid) - before < 130 << 10
    tallyd.stop()
    tallyd, ctl = start_again(stage, tallyd)
    assert tallyd.verdict("100.0.0.2", zone=zone) == "clear" and tallyd.verdict("100.0.0.3", zone=zone) == "127.0.0.2"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one mebibyte; it is let go after tallyd, which the test names later."""
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def fill(directory):
    """Take all that is left of a disk."""
    with pytest.raises(OSError), open(directory / "filler", "wb", buffering=0) as out:
        while True:
            assert out.write(bytes(4096)) == 4096 or out.write(bytes(4096))


def tells_of_a_full_disk(said):
    return "no space left on device" in said.lower()


def test_a_full_disk_is_told_and_the_old_content_stays_whole(small_disk, stage, tallyd):
    tallyd.stop()
    tallyd, ctl = start_again(stage, tallyd, state_dir=str(small_disk))
    acknowledged, filler = {}, "x" * 200
    put(small_disk / "reserve", bytes(450 << 10))
    for batch in range(100):
        text = "".join(f"block 10.{batch}.{i}.0/24 reason={filler}\n" for i in range(50))
        path = stage.directory / "batch"
        path.write_text(text)
        done = ctl.start("import", path)
        _, said = done.communicate()
        if done.returncode != 0:
            break
        acknowledged.update({f"10.{batch}.{i}.0/24": batch for i in range(50)})
    else:
        raise AssertionError("the disk is never full")
    assert done.returncode == 1 and tells_of_a_full_disk(said) and "nothing was changed" in said, said
    assert acknowledged and {prefix for _, prefix in ctl.entries()} == set(acknowledged)
    assert tallyd.verdict("10.0.0.1") == "127.0.0.2" and tallyd.verdict(f"10.{batch}.0.1") == "clear"

    # no room at all, but for what the file has already
    fill(small_disk)
    for i in range(200):
        done = ctl.start("block", f"10.200.0.{i}", "--reason", filler)
        _, said = done.communicate()
        if done.returncode != 0:
            break
        acknowledged[f"10.200.0.{i}"] = i
    assert done.returncode == 1 and tells_of_a_full_disk(said) and str(small_disk) in said, said
    assert tallyd.verdict(f"10.200.0.{i}") == "clear"
    assert {prefix for _, prefix in ctl.entries()} == set(acknowledged)
    assert tallyd.verdict(LISTED) == "127.0.0.2" and tallyd.verdict("10.0.0.1") == "127.0.0.2"
    tallyd.stop()
    tallyd, ctl = start_again(stage, tallyd)
    assert tallyd.verdict("10.0.0.1") == "127.0.0.2"

    # the remedy: room
    os.unlink(small_disk / "filler")
    os.unlink(small_disk / "reserve")
    ctl("allow", LISTED)
    assert tallyd.verdict(LISTED) == "clear"
    assert {prefix for _, prefix in ctl.entries()} == {*acknowledged, LISTED}


def test_a_first_change_on_a_full_disk_leaves_nothing_in_the_way(small_disk, stage, tallyd):
    tallyd.stop()
    fill(small_disk)
    tallyd.options["state-dir"] = str(small_disk)
    tallyd.write()
    assert Tallyctl(tallyd)("allow", LISTED, status=1).stderr.count("\n") == 1
    tallyd, ctl = start_again(stage, tallyd)
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    os.unlink(small_disk / "filler")
    ctl("allow", LISTED)
    assert tallyd.verdict(LISTED) == "clear"


KEPT = {f"198.51.{i}.0/24": f"198.51.{i}.1" for i in range(150)}


@pytest.fixture
def stocked(tallyd, ctl):
    """A store with many entries, and tallyd stopped."""
    ctl("import", "-", text="".join(f"block {prefix} reason=number{i}\n" for i, prefix in enumerate(KEPT)))
    ctl("forget", "198.51.7.0/24")
    ctl("block", "198.51.7.0/24")
    tallyd.stop()
    with open(ctl.store, "rb") as file:
        ctl.bytes = file.read()
    return ctl


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


def all_kept(tallyd):
    return all(tallyd.verdict(subject, zone="clean.example") == "127.0.0.2" for subject in list(KEPT.values())[::10])


def other_lmdb(content):
    """The version number in both meta pages is another one."""
    return b"".join(content[at : at + 20] + b"\x63" + content[at + 21 : at + 4096] for at in (0, 4096)) + content[8192:]


def other_tally(content):
    assert b"version2" in content
    return content.replace(b"version2", b"version3")


BREAKAGES = {
    "cut to half": lambda content: content[: len(content) // 2],
    "cut to one page": lambda content: content[:4096],
    "cut to three pages": lambda content: content[:12288],
    "cut within a page": lambda content: content[:100],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"# no store at all\n" * 1000,
    "another version of LMDB": other_lmdb,
    "another version of tally": other_tally,
    "meta pages of zeros": lambda content: bytes(8192) + content[8192:],
    "no page but the meta pages": lambda content: content[:8192] + bytes(len(content) - 8192),
    "random but for the meta pages": lambda content: content[:8192] + random.Random(1).randbytes(len(content) - 8192),
}


@pytest.mark.parametrize("how", BREAKAGES)
def test_with_a_broken_store_tallyd_answers_from_the_snapshot_or_only_if_told_so(stage, tallyd, stocked, how):
    put(stocked.store, BREAKAGES[how](stocked.bytes))
    with_snapshot, ctl = start_again(stage, tallyd)
    assert all_kept(with_snapshot)
    assert with_snapshot.log_lines("error: exceptions: answering from the snapshot entries=150"), with_snapshot.stderr
    (said,) = [line for line in with_snapshot.log_lines("error: exceptions: ") if "answering" not in line]
    assert stocked.store in said and said.isprintable(), said
    said = ctl("exceptions", status=1).stderr
    assert stocked.store in said or os.path.dirname(stocked.store) in said
    assert not ctl("--json", "exceptions", status=1).stdout, "half a document is none"
    if how != "empty":
        ctl("allow", LISTED, status=1)
    assert all_kept(with_snapshot)
    with_snapshot.stop()

    with open(stocked.snapshot, "rb") as file:
        snapshot = file.read()
    put(stocked.store, BREAKAGES[how](stocked.bytes))
    if how != "empty":
        for broken in (b"", snapshot[:-8], snapshot[: len(snapshot) // 2], b"nonsense\n# end\n", None):
            if broken is None:
                os.unlink(stocked.snapshot)
            else:
                put(stocked.snapshot, broken)
            refused, _ = start_again(stage, tallyd, wait=False)
            refused.expected_status = 1
            assert refused.process.wait(20) == 1
            assert refused.log_lines("error: exceptions: ") and refused.log_lines("without-exceptions = true"), refused.stderr
        without, _ = start_again(stage, tallyd, without_exceptions=True)
        assert without.verdict("198.51.1.1", zone="clean.example") == "clear" and without.verdict(LISTED) == "127.0.0.2"
        without.stop()
        put(stocked.snapshot, snapshot)

    # the remedy that the message names
    stocked.remove_store()
    aside = stage.directory / "saved"
    put(aside, snapshot)
    stocked("import", aside)
    mended, _ = start_again(stage, tallyd)
    assert all_kept(mended) and not mended.log_lines("error")


def test_an_emptied_store_is_not_begun_anew_over_its_snapshot(stage, tallyd, stocked):
    put(stocked.store, b"")
    stocked("allow", LISTED, status=1)
    new, _ = start_again(stage, tallyd)
    assert all_kept(new)


def test_no_damaged_page_is_ever_believed(stage, tallyd, stocked):
    """Every page in turn: zeros, then random bytes. Either nothing of it was needed or the snapshot stands in."""
    pages = len(stocked.bytes) // 4096
    chance = random.Random(5)
    text, unsaid = stocked("export").stdout, 0
    for page in range(pages):
        for filling in (bytes(4096), chance.randbytes(4096)):
            put(stocked.store, stocked.bytes[: page * 4096] + filling + stocked.bytes[(page + 1) * 4096 :])
            done = stocked.start("export")
            out, said = done.communicate()
            assert done.returncode in (0, 1), (page, done.returncode, said)
            if done.returncode == 0:
                assert out == text, f"page {page}"
            else:
                assert said and text.startswith(out), f"page {page}"
                unsaid += stocked.store not in said
    assert unsaid == 0
    # one letter, in every copy that the file has of it
    put(stocked.store, stocked.bytes.replace(b"number42", b"numbeR42"))
    assert "checksum" in stocked("export", status=1).stderr
    new, _ = start_again(stage, tallyd)
    assert all_kept(new) and new.log_lines("answering from the snapshot")
    new.stop()
    for page in chance.sample(range(2, pages), 4):
        put(stocked.store, stocked.bytes[: page * 4096] + chance.randbytes(4096) + stocked.bytes[(page + 1) * 4096 :])
        new, _ = start_again(stage, tallyd)
        assert all_kept(new)
        new.stop()


def test_a_store_that_breaks_under_a_running_tallyd_leaves_its_answers_as_they_are(stage, tallyd, stocked):
    new, ctl = start_again(stage, tallyd)
    for i, (how, breakage) in enumerate(BREAKAGES.items()):
        before = len(new.log_lines("error: exceptions: "))
        put(stocked.store, breakage(stocked.bytes))
        wait_until(lambda: len(new.log_lines("error: exceptions: ")) > before, f"the damage is seen: {how}", 5)
        assert "the last good state stays in force" in new.log_lines("error: exceptions: ")[-1]
        assert all_kept(new), how
    # whole again, then changed
    put(stocked.store, stocked.bytes)
    ctl("allow", "198.51.10.1")
    assert new.verdict("198.51.10.1", zone="clean.example") == "clear" and new.verdict("198.51.10.2", zone="clean.example") == "127.0.0.2"
    assert all_kept(new) is False
    # gone
    os.unlink(stocked.store)
    wait_until(lambda: new.log_lines("error: exceptions: ")[-1:] and "gone" in new.stderr, "the loss is seen", 5)
    assert new.verdict("198.51.10.1", zone="clean.example") == "clear" and new.verdict("198.51.10.2", zone="clean.example") == "127.0.0.2"


def cut(chance, content):
    return content[: chance.randrange(len(content))]


def over_a_page(filling):
    def damage(chance, content):
        at = chance.randrange(len(content) // 4096) * 4096
        return content[:at] + filling(chance) + content[at + 4096 :]

    return damage


def pages_swapped(chance, content):
    one, other = sorted(chance.sample(range(len(content) // 4096), 2))
    pages = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    pages[one], pages[other] = pages[other], pages[one]
    return b"".join(pages)


CORRUPTIONS = {
    "cut": cut,
    "a page of zeros": over_a_page(lambda chance: bytes(4096)),
    "a random page": over_a_page(lambda chance: chance.randbytes(4096)),
    "swapped pages": pages_swapped,
}


def read_anew(tallyd):
    """Let tallyd read the store now, as tallyctl does after a change; its answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(tallyd.options["control"])
        sock.sendall(b"tally1 exceptions\n")
        return sock.makefile().read()


@pytest.mark.parametrize("how", CORRUPTIONS)
def test_whatever_befalls_the_store_tallyd_lives_serves_no_changed_entry_and_recovers(stage, tallyd, stocked, how):
    """`make corruption` does it 500 times for each kind: under a running tallyd, then at a start."""
    chance, damage = random.Random(how), CORRUPTIONS[how]
    running, _ = start_again(stage, tallyd)
    others = stage.directory / "others"
    others.mkdir()
    shutil.copy(stocked.snapshot, others)
    store = others / os.path.basename(stocked.store)
    for _ in range(int(os.environ.get("CORRUPTIONS", "10"))):
        content = damage(chance, stocked.bytes)
        put(stocked.store, content)
        said = read_anew(running)
        assert said.startswith("ok\n") or (said.startswith("error ") and stocked.store in said), said
        assert all_kept(running)
        put(store, content)
        started = stage.tallyd(tallyd.zones, tallyd.lists, state_dir=str(others), control="", env=SIGNALS_ARE_OURS)
        assert all_kept(started)
        whole = not started.log_lines("error: ")
        assert whole != bool(started.log_lines("answering from the snapshot entries=150")), started.stderr
        started.stop()
    put(stocked.store, stocked.bytes)
    assert read_anew(running).startswith("ok\n") and all_kept(running)


@pytest.mark.parametrize("how", ["unreadable", "of another user"])
def test_a_store_that_tallyd_may_not_read_is_named(stage, tallyd, stocked, how):
    """tallyd as nobody, in a directory of its own with a store that is not."""
    directory = stage.open / "state"
    directory.mkdir()
    for path in (stocked.store, stocked.snapshot):
        with open(path, "rb") as file:
            put(directory / os.path.basename(path), file.read())
    os.chown(directory, 65534, 65534)
    store, snapshot = directory / "exceptions.mdb", directory / "exceptions.snapshot"
    if how == "unreadable":
        os.chown(store, 65534, 65534)
        store.chmod(0)
    else:
        store.chmod(0o600)
    os.chown(snapshot, 65534, 65534)
    control = str(stage.open / "run" / "control")
    as_nobody = {"user": "nobody", "state_dir": str(directory), "control": control}
    new, _ = start_again(stage, tallyd, **as_nobody)
    assert all_kept(new)
    assert new.log_lines(f"{store}: Permission denied"), new.stderr
    assert new.log_lines("answering from the snapshot entries=150")
    new.stop()
    snapshot.unlink()
    refused, _ = start_again(stage, tallyd, wait=False, **as_nobody)
    refused.expected_status = 1
    assert refused.process.wait(20) == 1 and refused.log_lines("Permission denied")
    without, _ = start_again(stage, tallyd, **as_nobody, without_exceptions=True)
    assert without.verdict("198.51.1.1", zone="clean.example") == "clear"


def test_a_store_that_root_changes_is_read_by_the_user_of_tallyd(stage, tallyd):
    tallyd.stop()
    directory = stage.open / "state"
    new, ctl = start_again(stage, tallyd, user="nobody", state_dir=str(directory), control=str(stage.open / "run" / "control"))
    ctl("allow", LISTED)
    assert new.verdict(LISTED) == "clear"
    owners = {path.name: (path.stat().st_uid, path.stat().st_mode & 0o777) for path in directory.iterdir()}
    owners.pop("cases", None)  # tallyd's own
    assert owners == {name: (65534, 0o660) for name in ("exceptions.mdb", "exceptions.mdb-lock", "exceptions.snapshot")}
    new.stop()
    again, ctl = start_again(stage, new)
    assert again.verdict(LISTED) == "clear"


class Killer:
    """tallyctl, killed at random moments: what was acknowledged, and what may have been done or not."""

    def __init__(self, ctl, number):
        self.ctl, self.number = ctl, number
        self.chance = random.Random(number)
        self.acknowledged, self.open = {}, []
        self.kills = self.ended = 0
        self.longest = None  # seconds that are waited; the first one may end

    def turn(self, i):
        """One change of three entries, which are there all or none."""
        prefixes = [f"10.{self.number}.{i >> 6}.{(i & 63) * 4 + j}" for j in range(3)]
        path = os.path.join(self.ctl.directory, "..", f"killed-{self.number}")
        with open(path, "w") as out:
            out.writelines(f"block {prefix} reason={i}\n" for prefix in prefixes)
        process = subprocess.Popen(
            self.ctl.argv("import", path), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        begun = time.monotonic()
        try:
            process.wait(self.chance.random() * self.longest if self.longest else 60)
        except subprocess.TimeoutExpired:
            process.kill()
        _, said = process.communicate()
        if process.returncode == 0:
            assert said == "", said
            self.acknowledged.update({prefix: str(i) for prefix in prefixes})
            self.ended += 1
            # kills shall come while it works as well as close to its end
            took = time.monotonic() - begun
            self.longest = 0.9 * self.longest + 0.16 * took if self.longest else 1.6 * took
            self.longest = max(0.01, min(0.5, self.longest))
        else:
            assert process.returncode == -signal.SIGKILL, (process.returncode, said)
            self.open.append((str(i), prefixes))
            self.kills += 1

    def run(self, kills, until):
        i = 0
        while self.kills < kills and time.monotonic() < until:
            self.turn(i)
            i += 1


def watch_for_halves(tallyd, killers, stopping, seen):
    """Ask for the three entries of changes under way: once one is in force the other two must be."""
    zone, chance = "clean.example", random.Random(9)
    while not stopping.is_set():
        killer = chance.choice(killers)
        i = max(0, len(killer.open) + killer.ended - chance.randrange(2))
        subjects = [f"10.{killer.number}.{i >> 6}.{(i & 63) * 4 + j}" for j in range(3)]
        chance.shuffle(subjects)
        verdicts = [tallyd.verdict(subject, zone=zone) for subject in subjects]
        seen["asked"] += 3
        seen["halves"] += "127.0.0.2" in verdicts and "clear" in verdicts[verdicts.index("127.0.0.2") :]
        seen["others"] += any(verdict not in ("clear", "127.0.0.2") for verdict in verdicts)


def test_a_thousand_kills_of_tallyctl_lose_nothing_that_was_acknowledged(stage, tallyd, ctl):
    kills = int(os.environ.get("KILLS", 200 if SANITIZED else 1000))  # `make kills`
    killers = [Killer(ctl, number) for number in range(1, 5)]
    stopping, seen = threading.Event(), {"asked": 0, "halves": 0, "others": 0}
    watcher = threading.Thread(target=watch_for_halves, args=(tallyd, killers, stopping, seen))
    watcher.start()
    try:
        until = time.monotonic() + max(100, kills / 5)
        with ThreadPoolExecutor(len(killers)) as pool:
            list(pool.map(lambda killer: killer.run(kills // len(killers), until), killers))
    finally:
        stopping.set()
        watcher.join()
    assert sum(killer.kills for killer in killers) >= kills
    assert seen["asked"] > kills and seen["halves"] == seen["others"] == 0, seen
    acknowledged = {prefix: reason for killer in killers for prefix, reason in killer.acknowledged.items()}
    uncertain = {prefix: reason for killer in killers for reason, prefixes in killer.open for prefix in prefixes}
    assert len(acknowledged) > kills // 10 and len(uncertain) == 3 * kills

    def is_right(entries):
        for prefix, reason in acknowledged.items():
            assert entries.get(prefix) == reason, f"acknowledged and lost: {prefix}"
        for prefix, reason in entries.items():
            assert (acknowledged | uncertain).get(prefix) == reason, f"nobody made {prefix}"
        for killer in killers:
            for _, prefixes in killer.open:
                assert len({prefix in entries for prefix in prefixes}) == 1, f"half of {prefixes}"

    entries = {prefix: entry["reason"] for (_, prefix), entry in ctl.entries().items()}
    is_right(entries)
    journal = ctl.json("history")
    assert [change["serial"] for change in journal] == list(range(1, len(entries) + 1))
    assert {change["prefix"]: change["reason"] for change in journal} == entries
    assert set(entries) - set(acknowledged), "no kill came between the commit and the end: the test shows little"

    # what the killed ones committed is in force too, and the next change clears up behind them
    ctl("allow", "192.0.2.1")
    wait_until(lambda: ctl.json("stats")["exceptions"]["entries"] == len(entries) + 1, "all taken over", 5)
    for prefix in random.Random(1).sample(sorted(entries), 100):
        assert tallyd.verdict(prefix, zone="clean.example") == "127.0.0.2"
    pids, used, slots = reader_slots(ctl.store)
    assert pids == [] and used < slots // 2, f"reader slots are leaked: {pids}, {used} of {slots}"
    assert set(os.listdir(ctl.directory)) - {"cases"} == {"exceptions.mdb", "exceptions.mdb-lock", "exceptions.snapshot"}
    with open(ctl.snapshot) as snapshot:
        assert len(snapshot.read().splitlines()) == len(entries) + 2
    assert not tallyd.log_lines("error"), tallyd.stderr


def test_kills_in_the_very_first_change_leave_a_store_that_works(stage, tallyd, ctl):
    """Each time without any file."""
    chance, left = random.Random(2), 0
    for i in range(100):
        process = ctl.start("block", "198.51.100.77")
        time.sleep(chance.random() * (0.012, 0.03, 0.1)[i % 3])  # a busy machine starts it slowly
        process.kill()
        process.communicate()
        left += os.path.exists(ctl.store)
        entries = ctl.entries()
        assert list(entries) in ([], [("", "198.51.100.77")])
        if i % 10 == 0:
            ctl("block", "198.51.100.78")
            assert ("", "198.51.100.78") in ctl.entries()
            assert tallyd.verdict("198.51.100.78", zone="clean.example") == "127.0.0.2"
        for name in os.listdir(ctl.directory):
            os.unlink(os.path.join(ctl.directory, name))
    assert left > 10
