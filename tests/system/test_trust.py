"""Recommendations: kept with what the lists said, settled at once, and answered as the list local.trust."""
import os
import subprocess

import pytest

import upstream as up
from harness import Program, wait_until
from network import Network
from programs import negative_ttl, served_by, text_of
from tallyctl import Tallyctl

SPAMMER, HAMMER, OTHER = "198.51.100.1", "198.51.100.2", "198.51.100.3"
CROWD = 15  # newcomers that it takes
ZONES = {
    "bl.example": {"sites": ["a.example*1", "b.example*1", "local.trust*2"], "threshold": 2},
    "strict.bl.example": {"like": "bl.example", "threshold": 3},
    "only.example": {"sites": ["local.trust"]},
}
MESSAGE = """\
Return-Path: <x@spam.example>
Received: from mx.example.org
\tby imap.example.org with LMTP id abc; Tue, 1 Sep 2026 10:00:00 +0000
Received: from {helo} (name.example [{client}])
\tby mx.example.org (Postfix) with ESMTP id 4ABC; Tue, 1 Sep 2026 10:00:00 +0000
Received: from victim (victim.example [203.0.113.99])
\tby mx.example.org (Postfix) with ESMTP id 4ABC
Subject: buy

buy
"""


@pytest.fixture
def server(stage):
    zones = {"a.example": up.nxdomain(), "1.100.51.198.a.example": up.listed("127.0.0.2"), "b.example": up.nxdomain(), "": up.nxdomain()}
    return stage.upstream(zones)


@pytest.fixture
def tallyd(stage, server):
    hosts = ["mx.example.org", "imap.example.org"]
    return stage.tallyd(ZONES, served_by(server, "a.example", "b.example"), forward=[server.server], trusted_hosts=hosts)


@pytest.fixture
def ctl(tallyd):
    return Tallyctl(tallyd)


def crowd(ctl, kind, subject, people=range(CROWD)):
    for number in people:
        ctl(kind, subject, "--by", f"user{number}")


def test_a_crowd_of_newcomers_lists_a_subject_with_the_next_answer_and_can_take_it_back(server, tallyd, ctl):
    assert tallyd.verdict(HAMMER, zone="only.example") == "clear"
    crowd(ctl, "spam", HAMMER, range(CROWD - 2))
    assert tallyd.verdict(HAMMER, zone="only.example") == "clear"
    crowd(ctl, "spam", HAMMER, range(CROWD - 2, CROWD))
    reply = tallyd.ask(HAMMER, zone="only.example")
    assert reply.answer[0][0].to_text() == "127.0.0.2" and 0 < reply.answer[0].ttl <= 60
    assert "local.trust" in text_of(tallyd.ask(HAMMER, "TXT", zone="only.example"))
    # it weighs as its site says, beside the others
    assert tallyd.verdict(HAMMER) == "127.0.0.2"
    assert tallyd.verdict(HAMMER, zone="strict.bl.example") == "clear"
    assert negative_ttl(tallyd.ask(OTHER, zone="only.example")) <= 60
    checked = {entry["list"]: entry for entry in ctl.json("check", HAMMER)["lists"]}
    assert checked["local.trust"]["state"] == "listed" and checked["local.trust"]["weight"] == 2
    assert checked["local.trust"]["answers"] == ["127.0.0.2"] and checked["local.trust"]["pivotal"]
    assert "local.trust" in {entry["list"] for entry in ctl.json("lists")}
    ctl("quarantine", "local.trust")
    assert tallyd.verdict(HAMMER) == "clear"
    ctl("release", "local.trust")
    assert tallyd.verdict(HAMMER) == "127.0.0.2"
    for number in range(3):
        ctl("withdraw", HAMMER, "--by", f"user{number}")
    assert tallyd.verdict(HAMMER) == "clear"
    assert server.count(type=None) > 0
    assert not [name for name, _ in server.counts if "trust" in name], "local.trust is nobody's to ask"


def test_repeating_oneself_is_one_voice_and_good_mail_protects(tallyd, ctl):
    ctl("spam", "-", "--by", "loud", text=f"{HAMMER}\n" * 100)
    assert tallyd.verdict(HAMMER, zone="only.example") == "clear"
    crowd(ctl, "ham", HAMMER, range(100, 106))
    crowd(ctl, "spam", HAMMER)
    assert tallyd.verdict(HAMMER, zone="only.example") == "clear"
    assert "not listed" in ctl("recommendations", HAMMER).stdout


def test_a_recommendation_keeps_what_the_lists_said(tallyd, ctl):
    made = ctl.json("spam", SPAMMER, "--by", "anna")
    assert made == ctl_without_serial(ctl.json("recommendations", SPAMMER))
    assert made[0]["lists"] == "a.example=127.0.0.2 b.example=clear local.trust=clear"
    assert (made[0]["kind"], made[0]["by"], made[0]["listed"]) == ("spam", "anna", 1)
    tallyd.stop()
    assert ctl.json("ham", OTHER)[0]["lists"] == ""
    reporters = {entry["reporter"]: entry for entry in ctl.json("reporters")}
    assert set(reporters) == {"anna", "root"} and reporters["anna"]["trust"] == pytest.approx(0.1)
    assert (reporters["anna"]["spam"], reporters["root"]["ham"]) == (1, 1)


def ctl_without_serial(made):
    return [{key: value for key, value in entry.items() if key != "serial"} for entry in made]


def test_many_at_once_are_all_or_nothing(tallyd, ctl):
    done = ctl("spam", "-", text="198.51.100.7\nnonsense\n198.51.100.8\n127.0.0.2\n", status=1)
    assert "nonsense" in done.stderr and "127.0.0.2" in done.stderr
    assert ctl.json("recommendations") == []
    ctl("spam", "-", text="# from the trap\n\n198.51.100.7 twice today\n2001:db9::8\r\n")
    assert [entry["subject"] for entry in ctl.json("recommendations")] == ["198.51.100.7", "2001:db9::8"]
    assert ctl("spam", "198.51.100.7", "--by", "x" * 64, status=1).stderr


def test_a_message_names_its_client_whatever_its_headers_claim(tallyd, ctl):
    for helo in ("helo.example", "[203.0.113.9]", "x ([203.0.113.9]) by mx.example.org (Exim 4)"):
        made = ctl.json("learn", "spam", "--by", "anna", text=MESSAGE.format(helo=helo, client=SPAMMER))
        assert [entry["subject"] for entry in made] == [SPAMMER]
    forged = MESSAGE.format(helo="x", client=SPAMMER).replace("mx.example.org", "mx.other.example")
    assert "no trusted host" in ctl("learn", "spam", text=forged, status=1).stderr
    forwarded = "Subject: Fwd\nContent-Type: message/rfc822\n\n" + MESSAGE.format(helo="x", client=HAMMER)
    assert ctl("learn", "ham", text=forwarded, status=1).stderr
    assert ctl.json("learn", "ham", "--attached", text=forwarded)[0]["subject"] == HAMMER
    assert ctl("learn", "junk", text=forwarded, status=2).stderr
    tallyd.options["trusted-hosts"] = []
    tallyd.write()
    assert "trusted-hosts" in ctl("learn", "spam", text=MESSAGE.format(helo="x", client=SPAMMER), status=1).stderr


def test_a_damaged_file_leaves_the_last_good_state_and_the_exceptions_alone(stage, tallyd, ctl):
    crowd(ctl, "spam", HAMMER)
    ctl("block", OTHER)
    path = os.path.join(ctl.directory, "recommendations.mdb")
    with open(path, "r+b") as file:
        file.write(b"\x55" * 12288)
    wait_until(lambda: tallyd.log_lines("recommendations: the last good state"), "the damage noticed", 5)
    assert tallyd.verdict(HAMMER) == "127.0.0.2"
    assert tallyd.verdict(OTHER, zone="only.example") == "127.0.0.2"
    assert "recommendations.mdb" in ctl("spam", HAMMER, status=1).stderr
    assert not ctl("--json", "recommendations", status=1).stdout, "half a document is none"
    ctl("forget", OTHER)
    os.unlink(path)
    os.unlink(path + "-lock")
    wait_until(lambda: tallyd.verdict(HAMMER, zone="only.example") == "clear", "a ledger that is gone", 5)
    ctl("spam", HAMMER)


def test_recommendations_outlive_a_restart(stage, tallyd, ctl):
    crowd(ctl, "spam", HAMMER)
    tallyd.stop()
    again = {name.replace("-", "_"): value for name, value in tallyd.options.items() if name != "listen"}
    new = stage.tallyd(tallyd.zones, tallyd.lists, address=tallyd.address, port=tallyd.port, **again)
    assert new.verdict(HAMMER, zone="only.example") == "127.0.0.2"
    assert new.log_lines("recommendations settled count=15 listed=1")


def test_the_configuration_knows_the_list_and_refuses_a_section_for_it(tallyd):
    tallyd.lists["local.trust"] = {"timeout-ms": 500}
    tallyd.write()
    tallyd.reload(refused=True)
    assert 'list "local.trust"' in tallyd.stderr


def subjects(first, count):
    return "".join(f"198.51.{100 + n // 250}.{n % 250 + 1}\n" for n in range(first, first + count))


@pytest.fixture
def learned(stage):
    """Forty spam hosts and forty good ones, as three users say; a.example knows them, b.example lists everything."""
    behaviours = {"b.example": up.listed("127.0.0.2"), "": up.nxdomain(), "a.example": up.nxdomain()}
    for line in subjects(0, 40).splitlines():
        behaviours[".".join(reversed(line.split("."))) + ".a.example"] = up.listed("127.0.0.4")
    server = stage.upstream(behaviours)
    zones = {"bl.example": {"sites": ["a.example*1", "b.example*3", "local.trust"], "threshold": 3}}
    tallyd = stage.tallyd(zones, served_by(server, "a.example", "b.example"), forward=[server.server])
    ctl = Tallyctl(tallyd)
    for user in ("anna", "bert", "carl"):
        ctl("spam", "-", "--by", user, text=subjects(0, 40))
        ctl("ham", "-", "--by", user, text=subjects(40, 40))
    return tallyd, ctl


def test_lists_show_what_they_are_worth(learned):
    _, ctl = learned
    worth = {entry["list"]: entry["worth"] for entry in ctl.json("lists")}
    a, b = worth["a.example"], worth["b.example"]
    assert (a["spam_hits"], a["ham_hits"], a["spam_clear"], a["ham_clear"]) == (40, 0, 0, 40)
    assert (b["spam_hits"], b["ham_hits"]) == (40, 40)
    assert a["precision"]["low"] > 0.9 and a["precision"]["mean"] == pytest.approx(41 / 42)
    assert b["precision"]["high"] < 0.62 and b["precision"]["mean"] == pytest.approx(0.5)
    assert (a["unique"], a["overlap"], a["pivotal"]) == (0, 40, 0)
    assert (b["unique"], b["overlap"], b["pivotal"]) == (0, 40, 40)
    assert "98% (91-100)" in ctl("lists").stdout


def test_suggest_finds_weights_and_replay_shows_what_they_change(learned):
    tallyd, ctl = learned
    found = ctl.json("suggest")
    weights = {entry["list"]: entry["suggested"] for entry in found["lists"]}
    assert weights["a.example"] >= found["threshold"] > weights["b.example"] and found["better"]
    assert found["today"] == {"spam": 40, "ham": 40, "misses": 0, "false_positives": 40}
    assert found["expected"] == {"spam": 40, "ham": 40, "misses": 0, "false_positives": 0}
    assert "40 of 40 ham refused" in ctl("suggest").stdout
    tallyd.zones["bl.example"]["sites"] = ["a.example*3", "b.example*1"]
    before = tallyd.path.read_text()
    tallyd.write()
    other = tallyd.path.with_suffix(".other")
    tallyd.path.rename(other)
    tallyd.write(before)
    told = ctl.json("replay", "--config", other)
    # each user's word is a case; the first ones came before local.trust could list
    assert told["released"] == len(told["changes"]) == 120 and told["refused"] == 0 and told["cases"] == 240
    assert {(change["is"], change["after"]) for change in told["changes"]} == {("ham", "clear")}
    same = ctl.json("replay", "--config", tallyd.path)
    assert same["changes"] == [] and same["refusals"]["changes"] == []
    # what tallyd refused since then, as it was refused: b.example alone does not suffice any more
    good = "198.51.100.60"
    for address in (good, SPAMMER):
        assert tallyd.verdict(address) == "127.0.0.2"
    ctl("block", "198.51.100.77")
    assert tallyd.verdict("198.51.100.77") == "127.0.0.2"
    told = wait_until(lambda: (told := ctl.json("replay", "--config", other)["refusals"])["cases"] == 2 and told, "two refusals recorded", 5)
    assert [(change["subject"], change["before"], change["after"], change["score_after"]) for change in told["changes"]] == [(good, "listed", "clear", 1)]
    assert told["released"] == 1 and ctl.json("case", told["changes"][0]["case"])["subject"] == good
    assert "2 refusals in zone bl.example: 1 change, 1 would have passed" in ctl("replay", "--config", other).stdout
    assert ctl("replay", "--config", "/nonexistent", status=1).stderr and ctl("replay", status=2).stderr


@pytest.fixture
def adapting(stage):
    """b.example lists everything; its weight of 3 suffices in fixed.example, and in adapts.example as long as it keeps it."""
    server = stage.upstream({"a.example": up.nxdomain(), "b.example": up.listed("127.0.0.2"), "": up.nxdomain()})
    zones = {
        "adapts.example": {"sites": ["a.example*1", "b.example*3", "local.trust"], "threshold": 3, "adapt": True},
        "fixed.example": {"like": "adapts.example", "adapt": False},
        "narrow.example": {"like": "adapts.example", "adapt-band": 30},
    }
    return stage.tallyd(zones, served_by(server, "a.example", "b.example"), forward=[server.server])


def weights(ctl):
    return {(entry["list"], told["zone"]): (told["operator"], told["earned"]) for entry in ctl.json("lists") for told in entry["weights"]}


def test_a_list_loses_weight_where_a_zone_adapts_and_not_before_thirty_reports(stage, adapting):
    ctl, trusted = Tallyctl(adapting), ("b.example", "adapts.example")
    users = ("anna", "bert", "carl", "dora", "emil", "fred")
    for user in users:
        ctl("ham", "-", "--by", user, text=subjects(0, 29))
    unmoved = {(name, zone): (weight, weight) for zone in ("adapts.example", "narrow.example") for name, weight in (("a.example", 1), ("b.example", 3), ("local.trust", 1))}
    assert weights(ctl) == unmoved and adapting.verdict(OTHER, zone="adapts.example") == "127.0.0.2"
    assert "0 of 6 weights have moved." in ctl("lists").stdout
    for user in users:
        ctl("ham", "-", "--by", user, text=subjects(29, 1))
    assert weights(ctl) == {**unmoved, trusted: (3, 2)}, "a third of 3 is more than a band of 30 % lets go"
    found = {zone: adapting.verdict(OTHER, zone=zone) for zone in adapting.zones}
    assert found == {"adapts.example": "clear", "fixed.example": "127.0.0.2", "narrow.example": "127.0.0.2"}
    checked = {entry["list"]: entry for entry in ctl.json("check", OTHER, "--zone", "adapts.example")["lists"]}["b.example"]
    assert (checked["weight"], checked["operator"], checked["sites"]) == (2, 3, ["b.example*3"])
    assert "+2 (operator's +3)" in ctl("check", OTHER, "--zone", "adapts.example").stdout
    assert "operator's" not in ctl("check", OTHER, "--zone", "fixed.example").stdout
    assert "1 of 6 weights have moved:" in ctl("lists").stdout
    assert ctl.json("report")["weights"] == ["b.example*3 in adapts.example: 2, the operator's is 3"]
    adapting.reload()
    assert weights(ctl)[trusted] == (3, 2)
    adapting.zones["adapts.example"]["adapt"] = False
    adapting.write()
    adapting.reload()
    assert adapting.verdict(OTHER, zone="adapts.example") == "127.0.0.2" and trusted not in weights(ctl)
    adapting.zones["adapts.example"]["adapt"] = True
    adapting.write()
    adapting.stop()
    again = {name.replace("-", "_"): value for name, value in adapting.options.items() if name != "listen"}
    new = stage.tallyd(adapting.zones, adapting.lists, address=adapting.address, port=adapting.port, **again)
    assert new.verdict(OTHER, zone="adapts.example") == "clear" and new.log_lines("moved=1")
    for user in users:
        Tallyctl(new)("withdraw", "-", "--by", user, text=subjects(0, 30))
    assert weights(Tallyctl(new)) == unmoved and new.verdict(OTHER, zone="adapts.example") == "127.0.0.2"


def test_thin_evidence_suggests_nothing(tallyd, ctl):
    ctl("spam", SPAMMER)
    assert "too few" in ctl("suggest", status=1).stderr


def test_two_sites_share_what_they_learned_each_in_a_network_of_its_own(stage, network):
    """The one publishes its local.trust to the other, which names it as a list, tests it, and learns what it is worth."""
    run = lambda *words: subprocess.run(["ip", *words], check=True)
    here = stage.add(Program("here", ["sleep", "600"], stage.directory))
    with Network():
        run("link", "add", "tb", "type", "veth", "peer", "name", "ta", "netns", str(here.pid))
        run("addr", "add", "192.0.2.2/24", "dev", "tb")
        run("link", "set", "tb", "up")
        zones = {"trust.b.example": {"kind": "local", "allow": ["192.0.2.1"]}, "bl.b.example": {"sites": ["local.trust"]}}
        b = stage.tallyd(zones, address="192.0.2.2", port=53, allow=["192.0.2.0/24"], wait=False)
        b.wait_ready(lambda: b.log_lines("info: ready"))
        # one's own address is not in the zone's allow, though in that for all
        assert b.verdict("198.51.100.50") == "REFUSED" and b.verdict("198.51.100.50", zone="bl.b.example") == "clear"
    run("addr", "add", "192.0.2.1/24", "dev", "ta")
    run("link", "set", "ta", "up")
    lists = {"trust.b.example": {"server": ["192.0.2.2"]}}
    a = stage.tallyd({"bl.a.example": {"sites": ["trust.b.example*3"], "threshold": 3}}, lists, address="127.0.0.2", port=53, tested=True)
    ctl_a, ctl_b = Tallyctl(a), Tallyctl(b)
    assert b.verdict(HAMMER) == "clear" and a.verdict(OTHER) == "clear"
    crowd(ctl_b, "spam", HAMMER)
    ctl_b("block", OTHER)
    ctl_b("allow", HAMMER)
    assert b.verdict(HAMMER) == "127.0.0.2" and b.verdict(OTHER) == "clear", "exceptions are one's own affair"
    assert b.verdict(HAMMER, zone="bl.b.example") == "clear" and b.verdict(OTHER, zone="bl.b.example") == "127.0.0.2"
    assert a.verdict(HAMMER) == "127.0.0.2" and "trust.b.example" in text_of(a.ask(HAMMER, "TXT"))
    assert a.verdict("198.51.100.60") == "clear"
    for user in ("anna", "bert", "carl"):
        ctl_a("ham", HAMMER, "--by", user)
    (told,) = ctl_a.json("lists")
    assert told["health"] == "ok" and (told["worth"]["ham_hits"], told["worth"]["spam_hits"]) == (1, 0)


def test_a_zone_of_kind_local_has_no_sites(tallyd):
    tallyd.zones["bad.example"] = {"kind": "local", "sites": ["a.example"]}
    tallyd.write()
    tallyd.reload(refused=True)
    tallyd.zones["bad.example"] = {"kind": "local", "allow": ["nonsense"]}
    tallyd.write()
    tallyd.reload(refused=True)
    assert "has no sites" in tallyd.stderr and '"nonsense"' in tallyd.stderr
    tallyd.zones["bad.example"] = {"kind": "local"}
    tallyd.write()
    tallyd.reload()
    assert tallyd.verdict(OTHER, zone="bad.example") == "clear" and tallyd.verdict("127.0.0.2", zone="bad.example") == "127.0.0.2"
