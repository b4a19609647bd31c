"""Test points and special-use addresses: answered by rule, never by a list."""
import pytest

import upstream as up
from harness import reversed_name
from programs import served_by, text_of

ZONES = {
    "pass.example": {"sites": ["a.example*5"], "threshold": 3},
    "defer.example": {"sites": ["a.example*5", "b.example*-9"], "threshold": 3, "on-failure": "defer"},
    "coded.example": {"sites": ["a.example"], "on-failure": "127.0.0.99"},
    "grades.example": {"sites": ["a.example*5"], "answers": ["2=127.0.0.10", "5=127.0.0.20"]},
    "wl.example": {"kind": "allow", "sites": ["b.example"]},
    "u7.pass.example": {"like": "pass.example", "threshold": 100},
}


@pytest.mark.parametrize("how", ["silent", "stopped", "lying"])
def test_test_points_hold_in_every_zone_and_nobody_is_asked(stage, how):
    """With lists that are silent, gone, or list the whole world."""
    behaviour = up.listed("127.0.0.2") if how == "lying" else up.silent()
    server = stage.upstream({"a.example": behaviour, "b.example": behaviour})
    if how == "stopped":
        server.stop()
    tallyd = stage.tallyd(ZONES, served_by(server, "a.example", "b.example"))
    for zone in ZONES:
        for point in ("127.0.0.2", "::ffff:127.0.0.2"):
            verdict = tallyd.verdict(point, zone=zone)
            assert verdict.startswith("127.0.0.") and verdict != "127.0.0.99"
            assert text_of(tallyd.ask(point, "TXT", zone=zone))
        for point in ("127.0.0.1", "::ffff:127.0.0.1"):
            assert tallyd.verdict(point, zone=zone) == "clear"
            assert not tallyd.ask(point, "TXT", zone=zone).answer
    assert server.count(type=None) == 0


def test_the_text_of_a_test_point_names_it(stage):
    server = stage.upstream({"a.example": up.silent()})
    zone = {"sites": ["a.example*5"], "threshold": 3, "text": "%a|%l|%s|%t|%z|%%"}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example"))
    assert text_of(tallyd.ask("127.0.0.2", "TXT")) == "127.0.0.2|test point|3|3|bl.example|%"


SPECIAL = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.3 127.255.255.255 169.254.0.1 169.254.255.255
172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 240.0.0.1 255.255.255.255
:: ::1 fc00::1 fdff:ffff::1 fe80::1 febf::1 ::ffff:10.0.0.1 ::ffff:192.168.1.1 ::ffff:127.0.0.3
""".split()

ORDINARY = """
1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255 169.255.0.0 172.15.255.255
172.32.0.0 192.0.2.1 192.167.255.255 192.169.0.0 198.51.100.1 203.0.113.1 223.255.255.255
2001:db8::1 2a00::1 fbff::1 ::ffff:1.1.1.2
""".split()


def test_special_use_addresses_are_clear_and_never_sent_to_a_list(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    zones = {"bl.example": {"sites": ["a.example"]}, "defer.example": {"sites": ["a.example"], "on-failure": "defer"}}
    tallyd = stage.tallyd(zones, served_by(server, "a.example"))
    for subject in SPECIAL:
        for zone in zones:
            reply = tallyd.ask(subject, zone=zone)
            # the name of the first is on the way to those of IPv6 subjects: it exists (RFC 8020)
            assert reply.rcode() == (0 if subject == "0.0.0.0" else 3) and not reply.answer, reply
            assert not tallyd.ask(subject, "TXT", zone=zone).answer
    assert server.count(type=None) == 0


def test_their_neighbours_and_the_documentation_ranges_are_asked_about(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))
    for subject in ORDINARY:
        assert tallyd.verdict(subject) == "127.0.0.2", subject
        assert server.count(reversed_name(subject.removeprefix("::ffff:"), "a.example")) >= 1, subject
