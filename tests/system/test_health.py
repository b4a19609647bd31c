"""Lists that lie: the test points of RFC 5782, canaries, the hit rate, and quarantine by hand."""
import glob
import ipaddress
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import upstream as up
from harness import reversed_name, wait_until
from programs import answers, served_by
from tallyctl import Tallyctl

# the pauses between rounds are half a minute: this daemon's clock runs 20 times as fast
FAST = {
    "LD_PRELOAD": "".join(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")),
    "FAKETIME": "+0 x20",
    "ASAN_OPTIONS": "verify_asan_link_order=0",
}
ZONES = {"bl.example": {"sites": ["deny.example*2"], "threshold": 2}}
DOCUMENTATION = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")]


def subject_of(asked):
    """The address that a list is asked about."""
    labels = asked.name.to_text(omit_final_dot=True).removesuffix("." + asked.zone).split(".")
    if len(labels) == 4:
        return ipaddress.ip_address(".".join(reversed(labels)))
    digits = "".join(reversed(labels))
    return ipaddress.ip_address(":".join(digits[i : i + 4] for i in range(0, 32, 4)))


def honest(*listed, answer="127.0.0.2", points=("127.0.0.2",)):
    """A list with test points, that lists these addresses besides."""
    names = {ipaddress.ip_address(address) for address in (*listed, *points)}

    def behave(asked):
        subject = subject_of(asked)
        mapped = getattr(subject, "ipv4_mapped", None)
        return (up.listed(answer) if subject in names or mapped in names else up.nxdomain())(asked)

    return behave


def wildcard(answer="127.0.0.2"):
    return up.listed(answer)


def clean(n):
    """A client that no list knows."""
    return str(ipaddress.ip_address("8.0.0.0") + 256 * n + 1)


def entry(ctl, name):
    return next(entry for entry in ctl.json("lists") if entry["list"] == name)


def health(ctl, name):
    return entry(ctl, name)["health"]


def ask_until_it_lies(tallyd, turn, count=500, first=0):
    """The verdicts on clean addresses, one after the other; turn() is called midway."""
    verdicts = []
    for n in range(count):
        if n == count // 2:
            turn()
        verdicts.append(tallyd.verdict(clean(first + n)))
    return verdicts


def of_ipv6(then):
    """Honest about IPv4, and this about IPv6."""
    return lambda asked: (then if subject_of(asked).version == 6 else honest("8.8.8.8"))(asked)


def test_a_list_that_lies_of_ipv6_alone_is_stopped(stage):
    server = stage.upstream({"deny.example": of_ipv6(wildcard())})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    assert tallyd.verdict("2620:fe::9") == "clear", "it was found out before the first client"
    said = entry(Tallyctl(tallyd), "deny.example")
    assert said["health"] == "quarantined" and ":" in said["why"].split()[3], said


def test_a_list_without_names_for_ipv6_addresses_is_well(stage):
    server = stage.upstream({"deny.example": of_ipv6(up.refused())})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    assert tallyd.verdict("8.8.8.8") == "127.0.0.2" and tallyd.verdict("8.8.4.4") == "clear"
    said = entry(Tallyctl(tallyd), "deny.example")
    assert said["health"] == "ok" and said["tests"] == {"good": 3, "bad": 0, "failed": 1}, said


def test_a_list_that_a_reload_brings_counts_for_nobody_before_it_is_tested(stage):
    """It lists everybody at once, and is slow to answer its tests: still no client is listed by it."""

    def liar(asked):
        return up.listed("127.0.0.2")(asked) if subject_of(asked) in CLIENTS else up.Later(0.3, wildcard())

    CLIENTS = {ipaddress.ip_address(clean(n)) for n in range(50)}
    server = stage.upstream({"deny.example": honest("8.0.0.1"), "new.example": honest(clean(1)), "liar.example": liar})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example", "new.example", "liar.example"), tested=True)
    ctl = Tallyctl(tallyd)
    tallyd.zones = {"bl.example": {"sites": ["deny.example*2", "new.example*2", "liar.example*2"], "threshold": 2}}
    tallyd.write()
    ctl("reload")
    assert tallyd.verdict(clean(0)) == "127.0.0.2", "those from before go on"
    assert {tallyd.verdict(clean(n)) for n in range(2, 50)} == {"clear"}
    wait_until(lambda: tallyd.log_lines("list quarantined list=liar.example"), "the verdict on it")
    wait_until(lambda: health(ctl, "new.example") == "ok", "its tests")
    assert tallyd.verdict(clean(1)) == "127.0.0.2"
    assert not tallyd.log_lines("new.example"), "nothing to be said of it"


def test_a_list_that_turns_wildcard_is_stopped_at_once(stage):
    server = stage.upstream({"deny.example": honest()})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    ctl = Tallyctl(tallyd)
    wait_until(lambda: tallyd.log_lines("info: ready"), "the line of the log, which comes after the first answer")
    assert health(ctl, "deny.example") == "ok"
    verdicts = ask_until_it_lies(tallyd, lambda: server.behave("deny.example", wildcard()))
    wrong = [n for n, verdict in enumerate(verdicts) if verdict != "clear"]
    assert 0 < len(wrong) <= 5, wrong
    said = entry(ctl, "deny.example")
    assert said["health"] == "quarantined" and said["why"].startswith("it lists everything: ")
    canary = ipaddress.ip_address(said["why"].split()[3])
    assert any(canary in network for network in DOCUMENTATION) and said["why"].endswith(" came out as listed")
    assert said["tests"]["bad"] >= 2 and said["last_test"].endswith("Z")
    line = tallyd.log_lines("list quarantined list=deny.example")
    assert len(line) == 1 and line[0].startswith("warning: ") and said["why"] in line[0]
    for n in wrong:
        assert tallyd.verdict(clean(n)) == "clear", "what it said before is not believed either"
    server.behave("deny.example", honest())
    ctl("release", "deny.example")
    wait_until(lambda: health(ctl, "deny.example") == "ok", "released", 5)
    assert [tallyd.verdict(clean(n)) for n in wrong] == ["clear"] * len(wrong), "nor does it come back"


def test_a_real_list_that_turns_wildcard_is_stopped_at_once(stage):
    """Its operator gives up and lists the world: rbldnsd reads its new data while it runs."""
    server = stage.rbldnsd({"deny.example": {"ip4set": [":127.0.0.2:listed", "127.0.0.2", "!127.0.0.1"]}})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)

    def turn():
        server.rewrite("deny.example", "ip4set", [":127.0.0.2:closed", "0/1", "128/1"])
        wait_until(lambda: answers(server.address, server.port, "9.9.9.9.deny.example").answer, "the new data")

    verdicts = ask_until_it_lies(tallyd, turn)
    wrong = [n for n, verdict in enumerate(verdicts) if verdict != "clear"]
    assert 0 < len(wrong) <= 5, wrong
    assert health(Tallyctl(tallyd), "deny.example") == "quarantined"


@pytest.mark.parametrize("threads", [1, 4])
def test_an_allow_list_that_trusts_everybody_is_stopped_at_once(stage, threads):
    server = stage.upstream({"allow.example": honest(answer="127.0.5.3"), "deny.example": wildcard()})
    lists = {**served_by(server, "allow.example"), **served_by(server, "deny.example", test=False)}
    zones = {"bl.example": {"sites": ["deny.example*2", "allow.example=127.0.[0..255].[1..3]*-2"], "threshold": 2}}
    tallyd = stage.tallyd(zones, lists, tested=True, threads=threads)
    verdicts = ask_until_it_lies(tallyd, lambda: server.behave("allow.example", wildcard("127.0.5.3")))
    assert set(verdicts[:250]) == {"127.0.0.2"}
    wrong = [n for n, verdict in enumerate(verdicts) if verdict != "127.0.0.2"]
    assert 0 < len(wrong) <= 5, wrong
    ctl = Tallyctl(tallyd)
    assert health(ctl, "allow.example") == "quarantined" and health(ctl, "deny.example") == "ok"
    for n in wrong:
        assert tallyd.verdict(clean(n)) == "127.0.0.2"


def test_what_a_list_says_while_it_is_set_aside_is_not_kept(stage):
    """A question was under way when the list was found out; its answer comes a while later."""
    late = up.slow(0.8, wildcard())

    def lying(asked):
        return (late if str(subject_of(asked)) == clean(0) else wildcard())(asked)

    server = stage.upstream({"deny.example": honest()})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    ctl = Tallyctl(tallyd)
    server.behave("deny.example", lying)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(tallyd.verdict, clean(0))
        wait_until(lambda: server.count(reversed_name(clean(0), "deny.example")), "the question")
        ask_until_it_lies(tallyd, lambda: None, count=12, first=1)
        assert waiting.result() == "clear"
    assert health(ctl, "deny.example") == "quarantined" and ctl.json("stats")["upstream"]["in_flight"] == 1
    wait_until(lambda: ctl.json("stats")["upstream"]["in_flight"] == 0, "the late answer")
    server.behave("deny.example", honest())
    ctl("release", "deny.example")
    wait_until(lambda: health(ctl, "deny.example") == "ok", "released", 5)
    assert tallyd.verdict(clean(20)) == "clear", "libunbound keeps the last message of all: now it is this one"
    assert tallyd.verdict(clean(0)) == "clear"


LIARS = {
    "all.example": (wildcard(), "it lists everything: "),
    "inverted.example": (honest(points=("127.0.0.1",)), "it lists 127.0.0.1, which no list may"),
    "empty.example": (honest(points=()), "its test point 127.0.0.2 is not listed"),
    "six.example": (wildcard(), "it lists everything: "),
}
GOOD = {
    "good.example": honest("8.0.0.1"),
    "goodsix.example": honest(),
    "parked.example": up.raw_addresses(b"\xc0\x00\x02\x07"),
    "dead.example": up.servfail(),
    "refuses.example": up.listed("127.255.255.254"),
    "on-purpose.example": honest("127.0.0.1"),
    "untested.example": wildcard(),
}
OPTIONS = {
    "six.example": {"family": ["ipv6"]},
    "goodsix.example": {"family": ["ipv6"]},
    "on-purpose.example": {"test": ["127.0.0.2", "canary"]},
    "untested.example": {"test": False},
}


def test_a_list_that_lies_at_the_start_counts_for_no_client(stage):
    server = stage.upstream({**{name: liar[0] for name, liar in LIARS.items()}, **GOOD})
    lists = {name: {"server": [server.server], **OPTIONS.get(name, {})} for name in (*LIARS, *GOOD)}
    zones = {
        "bl.example": {"sites": ["good.example", *(f"{name}*1" for name in LIARS)], "threshold": 1},
        "other.example": {"sites": list(GOOD), "threshold": 9},
    }
    tallyd = stage.tallyd(zones, lists, tested=True)
    assert [tallyd.verdict(clean(n)) for n in range(3)] == ["127.0.0.2", "clear", "clear"]
    assert tallyd.verdict("2a00::1") == "clear"
    ctl = Tallyctl(tallyd)
    for name, (_, why) in LIARS.items():
        said = entry(ctl, name)
        assert said["health"] == "quarantined" and said["why"].startswith(why), said
    for name in GOOD:
        said = entry(ctl, name)
        assert said["health"] != "quarantined" and said["tests"]["bad"] == 0, said
    assert entry(ctl, "untested.example")["tests"] == {"good": 0, "bad": 0, "failed": 0}
    assert entry(ctl, "untested.example")["last_test"] is None
    assert entry(ctl, "dead.example")["tests"]["failed"] == 4 and entry(ctl, "dead.example")["last_test"] is None
    for name, tests in (("good.example", 4), ("goodsix.example", 3)):
        assert entry(ctl, name)["tests"] == {"good": tests, "bad": 0, "failed": 0}, "the others do not disturb it"


def test_the_first_client_waits_for_the_first_tests(stage):
    """Clients get the answer of this list at once, the tests after a while."""
    quick, late = wildcard(), up.slow(0.4, wildcard())
    server = stage.upstream({"deny.example": lambda asked: (quick if str(subject_of(asked)) == clean(0) else late)(asked)})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    assert tallyd.verdict(clean(0)) == "clear" and server.count(reversed_name(clean(0), "deny.example")) == 0


def test_a_dead_list_does_not_hold_up_the_start(stage):
    server = stage.upstream({"deny.example": honest("8.0.0.1"), "dead.example": up.silent()})
    zones = {"bl.example": {"sites": ["deny.example*2", "dead.example*2"], "threshold": 2}}
    tallyd = stage.tallyd(zones, served_by(server, "deny.example", "dead.example"), tested=True)
    assert tallyd.verdict(clean(0)) == "127.0.0.2"
    assert health(Tallyctl(tallyd), "dead.example") != "quarantined"


def test_one_false_answer_is_not_believed(stage):
    """As if it were forged: the first question about each address gets a lie."""
    server = stage.upstream({"deny.example": honest()})
    told = set()

    def forged(asked):
        if subject_of(asked) == ipaddress.ip_address("127.0.0.1") and not told:
            told.add(asked.name)
            return wildcard()(asked)
        return honest()(asked)

    server.behave("deny.example", forged)
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    ctl = Tallyctl(tallyd)
    wait_until(lambda: entry(ctl, "deny.example")["tests"] == {"good": 7, "bad": 1, "failed": 0}, "the repeated round")
    assert health(ctl, "deny.example") == "ok" and not tallyd.log_lines("quarantined")


def test_a_list_that_is_well_again_comes_back_by_itself(stage):
    server = stage.upstream({"deny.example": wildcard(), "other.example": honest("8.0.0.1")})
    zones = {"bl.example": {"sites": ["deny.example*2"], "threshold": 2}, "other.example": {"sites": ["other.example"]}}
    tallyd = stage.tallyd(zones, served_by(server, "deny.example", "other.example"), tested=True, env=FAST)
    ctl = Tallyctl(tallyd)
    wait_until(lambda: health(ctl, "deny.example") == "quarantined", "the first test")
    assert tallyd.verdict(clean(0)) == "clear"
    server.behave("deny.example", up.servfail())
    before = entry(ctl, "deny.example")["tests"]["failed"]
    wait_until(lambda: entry(ctl, "deny.example")["tests"]["failed"] > before, "a test that fails", 30)
    assert health(ctl, "deny.example") == "quarantined", "a failure is no release"
    server.behave("deny.example", honest("8.0.0.1"))
    wait_until(lambda: health(ctl, "deny.example") == "ok", "three good rounds", 60)
    assert entry(ctl, "deny.example")["tests"]["good"] >= 9
    assert len(tallyd.log_lines("info: list released list=deny.example")) == 1
    assert tallyd.verdict(clean(0)) == "127.0.0.2" and tallyd.verdict(clean(1)) == "clear"
    assert entry(ctl, "other.example")["tests"]["bad"] == 0


def restart(stage, tallyd):
    """The same daemon once more."""
    tallyd.stop()
    options = {name.replace("-", "_"): value for name, value in tallyd.options.items()}
    return stage.tallyd(tallyd.zones, tallyd.lists, address=tallyd.address, port=tallyd.port, tested=True, **options)


def test_quarantine_by_hand_outlives_a_restart(stage):
    server = stage.upstream({"deny.example": honest("8.0.0.1")})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    ctl = Tallyctl(tallyd)
    assert tallyd.verdict(clean(0)) == "127.0.0.2"
    ctl("quarantine", "deny.example")
    assert tallyd.verdict(clean(0)) == "clear"
    asked = server.count()
    tallyd = restart(stage, tallyd)
    ctl = Tallyctl(tallyd)
    said = entry(ctl, "deny.example")
    assert (said["health"], said["why"], said["last_test"]) == ("quarantined", "by hand", None)
    assert tallyd.verdict(clean(0)) == "clear" and server.count() == asked, "it is not asked, not even tested"
    ctl("release", "deny.example")
    assert tallyd.verdict(clean(0)) == "127.0.0.2"
    wait_until(lambda: entry(ctl, "deny.example")["tests"]["good"] == 4, "tested again")
    tallyd = restart(stage, tallyd)
    assert health(Tallyctl(tallyd), "deny.example") == "ok"
    assert tallyd.verdict(clean(0)) == "127.0.0.2"


def test_a_reload_that_brings_a_held_list_back_leaves_it_held(stage):
    server = stage.upstream({"deny.example": honest("8.0.0.1"), "other.example": honest()})
    zones = {"bl.example": {"sites": ["deny.example*2", "other.example*2"], "threshold": 2}}
    tallyd = stage.tallyd(zones, served_by(server, "deny.example", "other.example"), tested=True)
    ctl = Tallyctl(tallyd)
    ctl("quarantine", "deny.example")
    for sites in (["other.example*2"], ["other.example*2", "deny.example*2"]):
        tallyd.zones["bl.example"]["sites"] = sites
        tallyd.write()
        tallyd.reload()
    assert health(ctl, "deny.example") == "quarantined" and tallyd.verdict(clean(0)) == "clear"


@pytest.mark.parametrize("damage", ["", "tally quarantine 1\ndeny.example\n", "tally quarantine 1\ndeny..example\nend 1\n", "\0" * 50])
def test_a_damaged_file_of_held_lists_is_reported_and_not_believed(stage, damage):
    server = stage.upstream({"deny.example": honest("8.0.0.1")})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    Tallyctl(tallyd)("quarantine", "deny.example")
    path = stage.directory / tallyd.options["state-dir"] / "quarantine"
    assert path.read_text() == "tally quarantine 1\ndeny.example\nend 1\n"
    path.write_text(damage)
    tallyd = restart(stage, tallyd)
    assert tallyd.log_lines("error: quarantine:") and tallyd.log_lines("it is damaged")
    assert tallyd.verdict(clean(0)) == "127.0.0.2"


def test_a_list_released_by_hand_is_quarantined_again_if_it_still_lies(stage):
    server = stage.upstream({"deny.example": wildcard()})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    ctl = Tallyctl(tallyd)
    assert health(ctl, "deny.example") == "quarantined"
    ctl("release", "deny.example")
    assert health(ctl, "deny.example") == "ok" and tallyd.verdict(clean(0)) == "127.0.0.2"
    wait_until(lambda: tallyd.verdict(clean(time.monotonic_ns() % 60000)) == "clear", "quarantined by its hit rate", 10)
    assert health(ctl, "deny.example") == "quarantined"


def test_reload_gives_a_new_list_its_tests_at_once(stage):
    server = stage.upstream({"deny.example": honest(), "new.example": wildcard()})
    lists = served_by(server, "deny.example", "new.example")
    tallyd = stage.tallyd(ZONES, lists, tested=True)
    ctl = Tallyctl(tallyd)
    tallyd.zones["bl.example"] = {"sites": ["deny.example*2", "new.example*2"], "threshold": 2}
    tallyd.write()
    tallyd.reload()
    wait_until(lambda: health(ctl, "new.example") == "quarantined", "tested", 5)
    assert health(ctl, "deny.example") == "ok" and tallyd.verdict(clean(0)) == "clear"


def test_health_as_metrics(stage):
    server = stage.upstream({"good.example": honest(), "lying.example": wildcard()})
    zones = {"bl.example": {"sites": ["good.example*2", "lying.example*2"], "threshold": 2}}
    tallyd = stage.tallyd(zones, served_by(server, "good.example", "lying.example"), tested=True)
    metrics = Tallyctl(tallyd)("stats", "--prometheus").stdout
    for line in (
        'tally_list_ok{list="good.example"} 1', 'tally_list_quarantined{list="good.example"} 0',
        'tally_list_ok{list="lying.example"} 0', 'tally_list_quarantined{list="lying.example"} 1',
        'tally_list_tests_good_total{list="good.example"} 4', 'tally_list_tests_bad_total{list="good.example"} 0',
        'tally_list_tests_failed_total{list="lying.example"} 0',
    ):
        assert line in metrics.splitlines(), metrics
    promtool = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True, check=False)
    assert promtool.returncode == 0, promtool.stdout + promtool.stderr


def test_debug_logs_every_reply_of_a_list(stage):
    server = stage.upstream({"deny.example": honest(clean(1))})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True, log_level="debug")
    assert tallyd.verdict(clean(1)) == "127.0.0.2" and tallyd.verdict(clean(2)) == "clear"
    for line in ("tested list=deny.example subject=127.0.0.2 said=\"127.0.0.2\" ms=", "tested list=deny.example subject=127.0.0.1 said=\"clear\" ms=",
                 f"asked list=deny.example subject={clean(1)} said=\"127.0.0.2\" ms=", f"asked list=deny.example subject={clean(2)} said=\"clear\" ms="):
        assert len(tallyd.log_lines("debug: list " + line)) == 1, tallyd.stderr


def test_a_test_says_nothing_of_the_questions_counted(stage):
    server = stage.upstream({"deny.example": honest()})
    tallyd = stage.tallyd(ZONES, served_by(server, "deny.example"), tested=True)
    ctl = Tallyctl(tallyd)
    assert entry(ctl, "deny.example")["asked"] == 0 and ctl.json("stats")["upstream"]["asked"] == 0
    assert server.count() == 4, "the test points, and a canary of each family"
