"""The ways to the lists: a server of their own, a resolver, or recursion from the root down."""
import pytest

import upstream as up
from harness import reversed_name
from network import ROOTS
from programs import served_by, text_of

SUBJECT, OTHER = "198.51.100.1", "198.51.100.2"


def test_forward_sends_all_questions_to_a_real_resolver(stage):
    """unbound knows where the lists are; tallyd knows only unbound."""
    first = stage.rbldnsd({"a.example": {"ip4set": [SUBJECT]}})
    second = stage.rbldnsd({"b.example": {"ip4set": [f"{SUBJECT} :127.0.0.5:x", OTHER]}})
    resolver = stage.unbound({"a.example": first.server, "b.example": second.server})
    zone = {"sites": ["a.example*2", "b.example=127.0.0.5*2"], "threshold": 4, "on-failure": "defer"}
    tallyd = stage.tallyd({"bl.example.org": zone}, forward=[resolver.server])
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert tallyd.verdict(OTHER) == "clear"
    assert tallyd.verdict("2001:db8::1") == "clear"


def test_a_server_of_the_list_goes_before_forward(stage):
    own = stage.upstream({"a.example": up.listed("127.0.0.2")})
    resolver = stage.upstream({"a.example": up.nxdomain(), "b.example": up.listed("127.0.0.2")})
    zone = {"sites": ["a.example*2", "b.example*2"], "threshold": 4}
    tallyd = stage.tallyd({"bl.example.org": zone}, served_by(own, "a.example"), forward=[resolver.server])
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert own.count(type=None) == 1 and resolver.count(type=None) == 1


def test_a_resolver_that_is_dead_leaves_the_lists_unknown(stage):
    resolver = stage.upstream({})
    resolver.stop()
    zones = {"bl.example.org": {"sites": ["a.example"], "on-failure": "defer"}, "pass.example.org": {"sites": ["a.example"]}}
    tallyd = stage.tallyd(zones, forward=[resolver.server], deadline_ms=700)
    assert tallyd.verdict(SUBJECT) == "SERVFAIL"
    assert tallyd.verdict(SUBJECT, zone="pass.example.org") == "clear"


def test_a_list_with_two_servers_survives_the_loss_of_one(stage):
    dead = stage.upstream({})
    dead.stop()
    alive = stage.upstream({"a.example": up.listed("127.0.0.2")})
    lists = {"a.example": {"server": [dead.server, alive.server], "timeout-ms": 8000}}
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"], "on-failure": "defer"}}, lists, deadline_ms=10000)
    for i in range(1, 11):
        assert tallyd.verdict(f"198.51.100.{i}") == "127.0.0.2"


@pytest.mark.parametrize("name", ["a.test", "a.invalid", "a.home.arpa", "a.internal", "list.local"])
def test_lists_below_names_that_resolvers_reserve_are_asked_all_the_same(stage, name):
    server = stage.upstream({name: up.listed("127.0.0.2")})
    tallyd = stage.tallyd({"bl.example": {"sites": [name], "on-failure": "defer"}}, served_by(server, name))
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"


KEY = "s3cr3tk3y"


def test_the_name_in_query_is_asked_and_never_shown(stage):
    query = f"{KEY}.zen.dq.example"
    server = stage.upstream({query: up.nxdomain(), "zen.example": up.refused()})
    server.behave(reversed_name(SUBJECT, query), up.listed("127.0.0.2"))
    server.behave(reversed_name(OTHER, query), up.servfail())
    server.behave(reversed_name("198.51.100.3", query), up.listed("127.255.255.254"))
    zones = {
        "bl.example": {"sites": ["zen.example"], "text": "%a %l %s %t %z"},
        "coded.example": {"sites": ["zen.example"], "on-failure": "127.0.0.99"},
        "defer.example": {"sites": ["zen.example"], "on-failure": "defer"},
    }
    lists = served_by(server, "zen.example", query=query)
    tallyd = stage.tallyd(zones, lists, log_level="debug", log_verdicts=True)
    assert text_of(tallyd.ask(SUBJECT, "TXT")) == f"{SUBJECT} zen.example 1 1 bl.example"
    shown = []
    for zone in zones:
        for subject in (SUBJECT, OTHER, "198.51.100.3", "198.51.100.4"):
            for type in ("A", "TXT", "ANY", "MX"):
                shown.append(tallyd.ask(subject, type, zone=zone, edns=1232).to_text())
        shown += [tallyd.query(zone, type, edns=1232).to_text() for type in ("SOA", "NS", "TXT", "ANY")]
    assert server.count(reversed_name(SUBJECT, query)) == 1
    assert server.count(reversed_name(SUBJECT, "zen.example")) == 0
    assert tallyd.stop() == 0
    assert KEY not in "".join(shown).lower() + tallyd.stderr + tallyd.stdout


def the_internet(stage, network):
    """Root, top level and two lists on addresses of their own, all on port 53 of a private network."""
    network.add_addresses(*ROOTS, "192.0.2.10", "192.0.2.20", "192.0.2.21", "192.0.2.30", "2001:db8:53::30")
    root_names = [f"{letter}.root-servers.net." for letter in "abcdefghijklm"]
    priming = up.records((".", 518400, "NS", *root_names))
    root = stage.upstream(
        {
            ".": priming,
            "": up.nxdomain(86400),
            "root-servers.net": up.nodata(3600),
            **{f"{letter}.root-servers.net": root_address(letter) for letter in "abcdefghijklm"},
            "example": up.referral("example", {"ns.nic.example": "192.0.2.10"}),
        },
        addresses=ROOTS,
        port=53,
    )
    top = stage.upstream(
        {
            "example": up.nxdomain(3600),
            "a.example": up.referral("a.example", {"ns1.a.example": "192.0.2.20", "ns2.a.example": "192.0.2.21"}),
            "b.example": up.referral("b.example", {"ns.b.example": "192.0.2.30"}),
        },
        addresses=["192.0.2.10"],
        port=53,
    )
    return root, top


def root_address(letter):
    def behave(asked):
        if asked.type == "A":
            return up.records((asked.name, 518400, "A", ROOTS["abcdefghijklm".index(letter)]))(asked)
        return up.nodata(3600)(asked)

    return behave


def test_full_recursion_finds_the_lists_from_the_root_down(stage, network):
    """No forward, no server: root, top level, list; the second name of a server is dead."""
    root, top = the_internet(stage, network)
    alive = stage.upstream({"a.example": up.nxdomain()}, addresses=["192.0.2.20"], port=53)
    alive.behave(reversed_name(SUBJECT, "a.example"), up.listed("127.0.0.2"))
    stage.rbldnsd({"b.example": {"ip4set": [SUBJECT], "ip6trie": ["2001:db8::1/128"]}}, address="192.0.2.30", port=53)
    zone = {"sites": ["a.example*2", "b.example*2"], "threshold": 4, "text": "%l"}
    lists = {name: {"timeout-ms": 15000} for name in ("a.example", "b.example")}
    tallyd = stage.tallyd({"bl.tally.example": zone}, lists, deadline_ms=20000)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    assert text_of(tallyd.ask(SUBJECT, "TXT")) == "a.example, b.example"
    assert tallyd.verdict(OTHER) == "clear"
    assert tallyd.verdict("2001:db8::1") == "clear"
    assert root.count(type=None) >= 1 and top.count(type=None) >= 1
    before = root.count(type=None) + top.count(type=None)
    for i in range(10, 40):
        assert tallyd.verdict(f"198.51.100.{i}") == "clear"
    # ample room for what a resolver refreshes on its own account
    assert root.count(type=None) + top.count(type=None) < before + 30, "delegations are remembered"
    asked = {name.lower().rstrip(".") for _, name, kind, _ in top.asked if kind == "A"}
    assert not any(name.endswith("tally.example") for name in asked)


def test_without_any_network_the_lists_are_unknown(stage, network):
    zone = {"sites": ["a.example"], "on-failure": "defer"}
    tallyd = stage.tallyd({"bl.tally.example": zone}, deadline_ms=700)
    assert tallyd.verdict(SUBJECT) == "SERVFAIL"
    assert tallyd.verdict("127.0.0.2") == "127.0.0.2"


def test_other_names_are_found_from_the_root_down_and_no_server_is_told_more_than_it_must_know(stage, network):
    root, top = the_internet(stage, network)
    last = stage.upstream({"a.example": up.nxdomain(), "www.dept.a.example": up.listed("203.0.113.80")}, addresses=["192.0.2.20"], port=53)
    tallyd = stage.tallyd({"bl.tally.example": {"sites": ["b.example"]}}, recursion=True, trust_anchor="")
    reply = tallyd.query("www.dept.a.example")
    assert [rdata.address for rdata in reply.answer[0]] == ["203.0.113.80"]
    assert last.count("www.dept.a.example") >= 1, "again when it is slow"
    told = {name.lower() for server in (root, top) for _, name, _, _ in server.asked if "a.example" in name.lower() and not name.lower().startswith("ns")}
    assert told == {"a.example."}
