"""Weights, filters, grades, accounts and texts, on eight real rbldnsd."""
import time

import pytest

import upstream as up
from flood import Flood
from harness import reversed_name, wait_until
from programs import run_tallyd, served_by, text_of, verdict_of
from tallyctl import Tallyctl

SITES = [
    "a.example*3",
    "b.example*2",
    "c.example=127.0.0.[2;4..6]*2",
    "c.example=127.0.0.10*5",
    "d.example*-3",
    "e.example=127.0.[0..255].[1..3]*-2",
    "f.example",
    "g.example=127.0.0.2*4",
    "h.example*0",
]

# subject: what each list says of it, the score, the lists that count (heaviest first)
SUBJECTS = {
    "198.51.100.1": ({}, 0, ""),
    "198.51.100.2": ({"a": [2]}, 3, "a"),
    "198.51.100.3": ({"a": [2], "b": [2]}, 5, "a b"),
    "198.51.100.4": ({"a": [2], "f": [200]}, 4, "a f"),
    "198.51.100.5": ({"b": [2], "c": [4]}, 4, "b c"),
    "198.51.100.6": ({"c": [10]}, 5, "c"),
    "198.51.100.7": ({"c": [4, 10]}, 7, "c"),
    "198.51.100.8": ({"c": [4, 5, 6]}, 2, "c"),
    "198.51.100.9": ({"b": [2], "c": [10], "f": [3]}, 8, "c b f"),
    "198.51.100.10": ({"a": [2], "b": [2], "d": [2]}, 2, "a b"),
    "198.51.100.11": ({"a": [2], "b": [2], "c": [10], "d": [2], "g": [2]}, 11, "c g a b"),
    "198.51.100.12": ({"a": [2], "b": [2], "e": [2]}, 3, "a b"),
    "198.51.100.13": ({"d": [2], "e": [3]}, -5, ""),
    "198.51.100.14": ({"a": [2], "b": [2], "c": [2, 10], "f": [2], "g": [2]}, 17, "c g a b f"),
    "198.51.100.15": ({"g": [2]}, 4, "g"),
    "198.51.100.16": ({"h": [2]}, 0, ""),
    "198.51.100.17": ({"a": [2], "f": [2], "h": [2]}, 4, "a f"),
    "2001:db8::1": ({"a": [2], "b": [2]}, 5, "a b"),
    "2001:db8::2": ({"b": [2]}, 2, "b"),
    "2001:db8::3": ({"a": [2], "b": [2], "d": [2]}, 2, "a b"),
}
GRADES = ["2=127.0.0.10", "4=127.0.0.2", "8=127.0.0.3"]
TEXT = "%a score %s of %t in %z by %l"
ZONES = {
    "bl.example": {"sites": SITES, "threshold": 4, "text": TEXT},
    "grades.example": {"like": "bl.example", "answers": GRADES},
    "u1.bl.example": {"like": "bl.example", "threshold": 2},
    "u2.u1.bl.example": {"like": "u1.bl.example", "threshold": 9},
    "low.example": {"like": "bl.example", "answers": ["2=127.0.0.2"], "threshold": 6},
}


def expected(zone, score):
    if zone == "grades.example":
        reached = [(least, address) for least, address in ((2, "127.0.0.10"), (4, "127.0.0.2"), (8, "127.0.0.3")) if score >= least]
        return max(reached)[1] if reached else "clear"
    least = {"bl.example": 4, "u1.bl.example": 2, "u2.u1.bl.example": 9, "low.example": 2}[zone]
    return "127.0.0.2" if score >= least else "clear"


def data_set(letter, six):
    """What one list says of the subjects of one family, in the language of rbldnsd."""
    lines = []
    for subject, (said, *_) in SUBJECTS.items():
        if (":" in subject) == six:
            length = "/128" if six else ""
            lines += [f"{subject}{length} :127.0.0.{code}:x" for code in said.get(letter, [])]
    return lines


@pytest.fixture
def world(stage):
    lists = {}
    for letter in "abcdefgh":
        name = f"{letter}.example"
        server = stage.rbldnsd({name: {"ip4set": data_set(letter, False), "ip6trie": data_set(letter, True)}})
        lists.update(served_by(server, name))
    return stage.tallyd(ZONES, lists)


@pytest.mark.parametrize("zone", ZONES)
def test_verdicts_follow_from_the_weights_of_eight_lists(world, zone):
    for subject, (_, score, _) in SUBJECTS.items():
        assert world.verdict(subject, zone=zone) == expected(zone, score), (subject, score)


def test_one_zone_after_another_gives_each_its_own_opinion(world):
    for subject, (_, score, _) in SUBJECTS.items():
        for zone in ZONES:
            assert world.verdict(subject, zone=zone) == expected(zone, score), (subject, zone, score)


def test_texts_tell_score_threshold_zone_and_lists_heaviest_first(world):
    told = {"bl.example": 4, "grades.example": 4, "u1.bl.example": 2, "u2.u1.bl.example": 9, "low.example": 6}
    for subject, (_, score, names) in SUBJECTS.items():
        by = ", ".join(name + ".example" for name in names.split())
        for zone in ZONES:
            if expected(zone, score) == "clear":
                assert not world.ask(subject, "TXT", zone=zone).answer
                continue
            text = f"{subject} score {score} of {told[zone]} in {zone} by {by}"
            # an early verdict knows fewer lists; the others come in within moments
            wait_until(lambda: text_of(world.ask(subject, "TXT", zone=zone)) == text, text)


def hundred_zones(shift):
    """Sixty zones, twenty accounts of some, and twenty accounts of these; each with a threshold of its own."""
    names = [f"z{i}.example" for i in range(60)]
    names += [f"u{i}.{names[i]}" for i in range(20)]
    names += [f"v{i}.{names[60 + i]}" for i in range(20)]
    least = {name: 1 + (7 * i + shift) % 17 for i, name in enumerate(names)}
    zones = {names[0]: {"sites": SITES, "threshold": least[names[0]], "text": TEXT}}
    for name in names[1:]:
        above = name.partition(".")[2]
        zones[name] = {"like": above if above in least else names[0], "threshold": least[name]}
    return zones, least


def test_a_hundred_zones_have_a_hundred_opinions_of_the_same_evidence(world):
    """Asked all at once, before a reload and after it; the lists hear of each subject once."""
    ctl = Tallyctl(world)

    def replies(zones, kind):
        questions = [(reversed_name(subject, zone), kind) for zone in zones for subject in SUBJECTS]
        wanted = ((subject, score, letters, zone) for zone in zones for subject, (_, score, letters) in SUBJECTS.items())
        return zip(wanted, (reply for _, _, reply in Flood(world.address, world.port, window=50).ask(questions)))

    for shift in (0, 5):
        world.zones, least = hundred_zones(shift)
        world.write()
        begun = time.monotonic()
        assert ctl.json("reload")["zones"] == 100
        assert time.monotonic() - begun < 2
        for (subject, score, _, zone), reply in replies(least, "A"):
            assert verdict_of(reply) == ("127.0.0.2" if score >= least[zone] else "clear"), (subject, zone)
        heard = wait_until(lambda: (now := ctl.json("stats")["upstream"])["in_flight"] == 0 and now["answered"], "all lists heard")
        assert heard == 8 * len(SUBJECTS)
        for (subject, score, letters, zone), reply in replies(least, "TXT"):
            lists = ", ".join(f"{letter}.example" for letter in letters.split())
            told = f"{subject} score {score} of {least[zone]} in {zone} by {lists}"
            assert (text_of(reply) if reply.answer else "clear") == (told if score >= least[zone] else "clear")


def test_a_list_of_one_family_is_absent_for_the_other(stage):
    server = stage.upstream({"four.example": up.silent(), "both.example": up.nxdomain()})
    lists = {**served_by(server, "both.example"), **served_by(server, "four.example", family=["ipv4"])}
    zone = {"sites": ["four.example*5", "both.example*1"], "on-failure": "defer"}
    tallyd = stage.tallyd({"bl.example": zone}, lists, deadline_ms=600)
    assert tallyd.verdict("2001:db8::1") == "clear"
    assert tallyd.verdict("198.51.100.1") == "SERVFAIL"
    assert server.count(reversed_name("2001:db8::1", "four.example")) == 0


def test_an_allow_zone_lists_whom_the_lists_trust(stage):
    server = stage.upstream({"wl.example": up.nxdomain()})
    server.behave(reversed_name("198.51.100.1", "wl.example"), up.listed("127.0.9.3"))
    server.behave(reversed_name("198.51.100.2", "wl.example"), up.listed("127.0.9.0"))
    zone = {"kind": "allow", "sites": ["wl.example=127.0.[0..255].[1..3]*1"], "text": "%a is trusted by %l"}
    tallyd = stage.tallyd({"ok.example": zone}, served_by(server, "wl.example"))
    assert tallyd.verdict("198.51.100.1") == "127.0.0.2"
    assert text_of(tallyd.ask("198.51.100.1", "TXT")) == "198.51.100.1 is trusted by wl.example"
    assert tallyd.verdict("198.51.100.2") == "clear"
    assert tallyd.verdict("198.51.100.3") == "clear"


# answers of a list whose `listed` is 127.0.0.[2..9]: what a zone with on-failure = defer makes of them
LISTED_OPTION = [
    ("*3", ["127.0.0.2"], "127.0.0.2"),
    ("*3", ["127.0.0.9"], "127.0.0.2"),
    ("*3", ["127.0.0.10"], "SERVFAIL"),
    ("*3", ["127.0.0.10", "127.0.0.3"], "127.0.0.2"),
    ("=127.0.0.10*3", ["127.0.0.10"], "127.0.0.2"),
    ("=127.0.0.10*3", ["127.0.0.3"], "clear"),
    ("=127.0.0.[10;20]*3", ["127.0.0.11"], "SERVFAIL"),
    ("=127.0.0.[0..255]*3", ["127.255.255.254"], "SERVFAIL"),
    ("=127.255.255.[0..255]*3", ["127.255.255.254"], "clear"),  # no answer could ever count
    ("=127.[0..255].[0..255].[0..255]*3", ["127.7.7.7"], "127.0.0.2"),
    ("=127.0.0.1*3", ["127.0.0.1"], "127.0.0.2"),
]


@pytest.mark.parametrize("site, said, verdict", LISTED_OPTION)
def test_the_listed_option_and_filters_decide_what_an_answer_means(stage, site, said, verdict):
    server = stage.upstream({"a.example": up.listed(*said)})
    zone = {"sites": ["a.example" + site], "threshold": 3, "on-failure": "defer"}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example", listed=["127.0.0.[2..9]"]))
    assert tallyd.verdict("198.51.100.1") == verdict


def test_own_error_codes_of_a_list_are_unknown_and_no_site_picks_them(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", "127.0.1.255")})
    zone = {"sites": ["a.example=127.0.[0..1].[0..255]*3"], "on-failure": "defer"}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example", errors=["127.0.1.255"]))
    assert tallyd.verdict("198.51.100.1") == "SERVFAIL"


def test_a_weight_of_0_asks_and_never_counts(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2"), "b.example": up.listed("127.0.0.2")})
    lists = served_by(server, "a.example", "b.example")
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example*0", "b.example"], "text": "%l"}}, lists)
    wait_until(lambda: text_of(tallyd.ask("198.51.100.1", "TXT")) == "b.example", "the text")
    wait_until(lambda: server.count(reversed_name("198.51.100.1", "a.example")) == 1, "the question")


def test_a_neutral_answer_cancels_what_block_lists_say_and_grants_no_trust(stage):
    lists = ("karma.example", "deny.example", "allow.example")
    server = stage.upstream(dict.fromkeys(lists, up.nxdomain()))
    sites = ["karma.example=127.0.0.2*3", "karma.example=127.0.0.3*0!", "deny.example*4", "allow.example*-1"]
    tallyd = stage.tallyd({"bl.example": {"sites": sites, "threshold": 3}, "plain.example": {"sites": ["deny.example*4"]}},
        served_by(server, *lists))
    ctl = Tallyctl(tallyd)
    for subject, karma, verdict, counts in (
        ("198.51.100.1", None, "127.0.0.2", [0, 4, -1]),
        ("198.51.100.2", ("127.0.0.3",), "clear", [0, 0, -1]),
        ("198.51.100.3", ("127.0.0.2", "127.0.0.3"), "clear", [0, 0, -1]),
        ("198.51.100.4", ("127.0.0.2",), "127.0.0.2", [3, 4, -1]),
    ):
        for name, answers in zip(lists, (karma, ("127.0.0.2",), ("127.0.0.2",))):
            if answers:
                server.behave(reversed_name(subject, name), up.listed(*answers))
        assert tallyd.verdict(subject) == verdict and tallyd.verdict(subject, zone="plain.example") == "127.0.0.2", subject
        document = ctl.json("check", subject)
        assert [entry["counts"] for entry in document["lists"]] == counts and document["score"] == sum(counts), subject
    karma, deny, _ = ctl.json("check", "198.51.100.2")["lists"]
    assert karma["sites"] == ["karma.example=127.0.0.3*0!"] and karma["pivotal"] and karma["why"] == ""
    assert deny["weight"] == 4 and deny["why"] == "cancelled by karma.example" and not deny["pivotal"]
    printed = ctl("check", "198.51.100.2").stdout
    assert "listed (cancelled by karma.example)" in printed and "+0 of +4" in printed
    assert ctl.json("check", "198.51.100.1")["sufficient"] == ["deny.example"]
    ctl("quarantine", "karma.example")
    assert tallyd.verdict("198.51.100.2") == "127.0.0.2"
    ctl("release", "karma.example")
    ctl("score", "198.51.100.2", "5")
    document = ctl.json("check", "198.51.100.2")
    assert document["verdict"] == "listed" and document["score"] == 4 and document["sufficient"] == []


def test_lists_that_contain_one_another_count_once_and_the_configuration_is_warned_of(stage):
    lists = ("zen.example", "sbl.example", "other.example")
    server = stage.upstream(dict.fromkeys(lists, up.listed("127.0.0.2")))
    server.behave(reversed_name("198.51.100.2", "zen.example"), up.nxdomain())
    sections = served_by(server, *lists)
    sections["sbl.example"]["part-of"] = "zen.example"
    zone = {"sites": ["sbl.example*3", "zen.example*4", "other.example*1"], "threshold": 5, "text": "%s %l"}
    tallyd = stage.tallyd({"bl.example": zone, "high.example": {"like": "bl.example", "threshold": 6}}, sections)
    ctl = Tallyctl(tallyd)
    assert tallyd.verdict("198.51.100.1") == "127.0.0.2" and tallyd.verdict("198.51.100.1", zone="high.example") == "clear"
    document = ctl.json("check", "198.51.100.1")
    assert document["score"] == 5 and document["text"] == "5 zen.example, other.example"
    assert [(entry["weight"], entry["counts"], entry["why"], entry["pivotal"]) for entry in document["lists"]] == [
        (3, 0, "counted once with zen.example", False), (4, 4, "", True), (1, 1, "", True)]
    assert document["sufficient"] == ["zen.example", "other.example"]
    assert "listed (counted once with zen.example)" in ctl("check", "198.51.100.1").stdout
    assert ctl.json("check", "198.51.100.2")["text"] == ""
    assert [entry["counts"] for entry in ctl.json("check", "198.51.100.2")["lists"]] == [3, 0, 1]
    line = next(n for n, text in enumerate(tallyd.path.read_text().splitlines(), 1) if '"sbl.example*3"' in text)
    warning = f'{tallyd.path}:{line}: warning: sites = "sbl.example*3": zen.example is named too and contains this list'
    done = run_tallyd("-n", "-c", tallyd.path)
    assert done.returncode == 0 and done.stderr.count("warning:") == 1 and warning in done.stderr
    ctl("reload")
    wait_until(lambda: tallyd.stderr.count(warning) == 2, "the warning of the reload")


TEXTS = [
    ("%a|%l|%s|%t|%z|%%|100%%", "198.51.100.1|a.example|2|1|bl.example|%|100%"),
    ("caf\u00e9\tx", "caf???x"),
    ('say "no" \\ ;', 'say "no" \\ ;'),
    ("x" * 199 + "%a", "x" * 199 + "1"),
    ("y" * 500, "y" * 200),
]


@pytest.mark.parametrize("given, told", TEXTS)
def test_the_text_has_its_macros_and_at_most_200_printable_bytes(stage, given, told):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    zone = {"sites": ["a.example*2"], "text": given}
    tallyd = stage.tallyd({"bl.example": zone}, served_by(server, "a.example"))
    for _ in range(2):
        assert text_of(tallyd.ask("198.51.100.1", "TXT")) == told


def test_the_text_without_an_option_names_subject_and_list(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))
    assert text_of(tallyd.ask("2001:db8::5", "TXT")) == "2001:db8::5 is listed by a.example"
