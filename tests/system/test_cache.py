"""Facts are cached once, for all zones, and the same subject in flight is asked about once."""
import socket

import dns.message
import pytest

import upstream as up
from flood import Flood
from harness import SANITIZED, reversed_name, wait_until
from programs import served_by, verdict_of

SUBJECT = "198.51.100.1"
NAMES = ["a.example", "b.example", "c.example"]
SITES = [name + "*2" for name in NAMES]
PATIENT = {"timeout-ms": 15000}  # a hand-made server on a busy machine is slow


@pytest.mark.parametrize("said, verdict", [(up.listed("127.0.0.2"), "127.0.0.2"), (up.nxdomain(), "clear"), (up.nodata(), "clear")])
def test_a_second_question_does_not_reach_the_list(stage, said, verdict):
    server = stage.upstream({"a.example": said})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))
    for tcp in (False, True, False):
        assert tallyd.verdict(SUBJECT, tcp=tcp) == verdict
        for type in ("TXT", "AAAA", "ANY", "MX"):
            tallyd.ask(SUBJECT, type)
    assert server.count(type=None) == 1


def test_accounts_and_other_zones_share_the_evidence(stage):
    server = stage.upstream({name: up.listed("127.0.0.2") for name in NAMES})
    zones = {
        "bl.example": {"sites": SITES, "threshold": 6},
        "u1.bl.example": {"like": "bl.example", "threshold": 4},
        "other.example": {"sites": ["b.example*7", "c.example=127.0.0.9"], "threshold": 7},
    }
    tallyd = stage.tallyd(zones, served_by(server, *NAMES))
    for zone in zones:
        assert tallyd.verdict(SUBJECT, zone=zone) == "127.0.0.2"
    for name in NAMES:
        assert server.count(reversed_name(SUBJECT, name)) == 1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("said", [up.listed("127.0.0.2"), up.nxdomain()], ids=["listed", "clear"])
def test_200_clients_at_once_are_one_question_to_each_list(stage, said, threads):
    """Clients have sockets of their own, so that all listener threads get some."""
    server = stage.upstream({name: up.slow(0.3, said) for name in NAMES})
    zones = {"bl.example": {"sites": SITES, "threshold": 6}, "u1.bl.example": {"like": "bl.example", "threshold": 5}}
    tallyd = stage.tallyd(zones, served_by(server, *NAMES, **PATIENT), threads=threads, deadline_ms=20000)
    sockets, replies = [], []
    try:
        for i in range(200):
            zone = "u1.bl.example" if i % 5 == 0 else "bl.example"
            subject = "::ffff:" + SUBJECT if i % 7 == 0 else SUBJECT
            message = dns.message.make_query(reversed_name(subject, zone), "TXT" if i % 3 == 0 else "A", id=i)
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.settimeout(15)
            sock.connect((tallyd.address, tallyd.port))
            sock.send(message.to_wire())
            sockets.append(sock)
        for i, sock in enumerate(sockets):
            reply = dns.message.from_wire(sock.recv(4096))
            assert reply.id == i
            replies.append((reply.rcode(), len(reply.answer)))
    finally:
        for sock in sockets:
            sock.close()
    assert set(replies) == {(0, 1) if tallyd.verdict(SUBJECT) == "127.0.0.2" else (3, 0)}
    for name in NAMES:
        assert server.count(reversed_name(SUBJECT, name)) == 1, name


@pytest.mark.alone
@pytest.mark.parametrize("threads", [1, 3])
def test_many_subjects_at_once_are_asked_about_once_and_not_for_each_client(stage, threads):
    subjects = [f"198.51.{i // 100}.{i % 100 + 1}" for i in range(600)]
    server = stage.upstream({name: up.listed("127.0.0.2") for name in NAMES})
    zone = {"sites": SITES, "threshold": 6}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, *NAMES, **PATIENT), threads=threads, deadline_ms=20000)
    questions = [(reversed_name(subject, "bl.example"), type) for subject in subjects for type in ("A", "TXT", "A")]
    for _, _, reply in Flood(tallyd.address, tallyd.port, window=60, seconds=30).ask(questions):
        assert len(reply.answer) == 1
    expected = len(subjects) * len(NAMES)
    # on a busy machine a question may be repeated for want of a quick reply; without joining it would be two or three times as many
    assert expected <= server.count(type=None) < expected * 1.4


def test_a_zone_of_many_lists_keeps_the_evidence_of_each(stage):
    """More lists than one line of the cache holds."""
    names = [f"l{i}.example" for i in range(40)]
    server = stage.upstream({name: up.listed("127.0.0.2") if i % 2 else up.nxdomain() for i, name in enumerate(names)})
    zones = {"bl.example": {"sites": names, "threshold": 20, "text": "%s"}, "half.example": {"sites": names[::2]}}
    tallyd = stage.tallyd(zones, served_by(server, *names))
    for subject in (SUBJECT, "2001:db8::1"):
        for _ in range(3):
            assert tallyd.verdict(subject) == "127.0.0.2"
            assert tallyd.verdict(subject, zone="half.example") == "clear"
        for name in names:
            wait_until(lambda name=name, subject=subject: server.count(reversed_name(subject, name)) == 1, name)
    assert server.count(type=None) == 80


@pytest.mark.alone
def test_a_full_cache_forgets_and_still_answers_rightly(stage):
    """More subjects than 1 MiB holds: each verdict is right, also of what was forgotten, and memory does not grow."""
    entries = [f"11.7.{i // 256}.{i % 256}" for i in range(0, 24000, 3)]
    server = stage.rbldnsd({"a.example": {"ip4set": entries}})
    zone = {"sites": ["a.example"]}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example", **PATIENT), cache_mib=1, deadline_ms=20000)

    def ask(numbers):
        questions = [(f"{i % 256}.{i // 256}.7.11.bl.example", "A") for i in numbers]
        for i, (_, _, reply) in zip(numbers, Flood(tallyd.address, tallyd.port).ask(questions)):
            assert verdict_of(reply) == ("127.0.0.2" if i % 3 == 0 else "clear"), i

    def resident():
        with open(f"/proc/{tallyd.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    ask(range(0, 2000))
    before = resident()
    ask(range(2000, 24000))
    assert SANITIZED or resident() < before + 8000, "kB"
    ask(range(0, 300))
