"""Ways to 127.0.0.2: the resolvers of a host with the lines of contrib/resolvers, and what breaks without each of them."""
import re
import time

import pytest

from harness import ROOT, wait_until
from programs import query, text_of, verdict_of
from resolvers import OUTSIDE, RESOLVERS, SNIPPETS

# What an operator may have set before our lines come: with them all is well.
WELL = {
    "unbound, forward": ("unbound", {}),
    "unbound, stub": ("unbound", {"file": "unbound-stub.conf"}),
    "unbound, strict minimisation and private addresses": (
        "unbound",
        {"file": "unbound-stub.conf", "more": "qname-minimisation-strict: yes\n    private-address: 127.0.0.0/8"},
    ),
    "BIND, strict minimisation": ("bind", {"more": "qname-minimization strict;"}),
    "BIND, denied addresses": ("bind", {"uncomment": "deny-answer-addresses"}),
    "dnsmasq, protected": ("dnsmasq", {"more": "stop-dns-rebind"}),
    "PowerDNS Recursor": ("pdns", {}),
    "PowerDNS Recursor, validating": ("pdns", {"more": "dnssec=validate"}),
    "Knot Resolver, protected": ("knot", {"more": "modules.load('rebinding < iterate')"}),
}


@pytest.mark.parametrize("name", WELL)
def test_mail_servers_behind_a_resolver_get_our_answers(rooted, name):
    kind, how = WELL[name]
    rooted.resolve(kind, **how)
    if kind != "dnsmasq":  # which has no root to ask
        # a proof that .internal does not exist is now in its cache, and must not be used against us
        assert rooted.verdict(rooted.CLEAR, zone="nothing.internal") == "clear"
        assert verdict_of(query("127.0.0.1", 53, OUTSIDE)) == "203.0.113.80"
    for subject in (rooted.LISTED, rooted.LISTED6, "127.0.0.2", "::ffff:127.0.0.2"):
        assert rooted.verdict(subject) == "127.0.0.2", subject
        assert text_of(rooted.ask(subject, "TXT")).startswith(subject.removeprefix("::ffff:") + " is "), subject
    for subject in (rooted.CLEAR, rooted.CLEAR6, "127.0.0.1"):
        assert rooted.verdict(subject) == "clear", subject
    assert rooted.verdict(rooted.LISTED, edns=1232) == "127.0.0.2"
    seen = rooted.doctor()
    assert seen["well"] and seen["findings"] == []
    assert [server["says"] for server in seen["servers"]] == ["all is well"] * 2


@pytest.mark.parametrize("kind, least_ttl", [("unbound", 0), ("bind", 0), ("dnsmasq", 0), ("pdns", 1), ("knot", 5)])
def test_an_exception_takes_effect_behind_a_resolver_within_max_ttl(rooted, kind, least_ttl):
    """The least TTL is that of the resolver's own defaults; the rest is for the rounding of TTLs and a busy machine."""
    rooted.resolve(kind)
    assert rooted.verdict(rooted.LISTED, zone=rooted.BRIEF) == "127.0.0.2"
    assert rooted.verdict(rooted.CLEAR, zone=rooted.BRIEF) == "clear"
    rooted.tallyctl("allow", rooted.LISTED)
    rooted.tallyctl("block", rooted.CLEAR)
    begun = time.monotonic()
    wait_until(lambda: rooted.verdict(rooted.LISTED, zone=rooted.BRIEF) == "clear", "the exception takes effect")
    wait_until(lambda: rooted.verdict(rooted.CLEAR, zone=rooted.BRIEF) == "127.0.0.2", "the exception takes effect")
    assert time.monotonic() - begun < max(1, least_ttl) + 5


# name: resolver, how it is set up, what a mail server sees of what is listed (A, TXT), what doctor calls it
BROKEN = {
    "unbound without do-not-query-localhost": (
        "unbound", {"without": "do-not-query-localhost"}, ("SERVFAIL", "SERVFAIL"), "failure",
    ),
    "unbound without domain-insecure": (
        "unbound", {"without": "domain-insecure"}, ("SERVFAIL", "SERVFAIL"), "dnssec",
    ),
    "unbound without private-domain": (
        "unbound", {"without": "private-domain", "more": "private-address: 127.0.0.0/8"}, ("nothing", "text"),
        "rebind-protection",
    ),
    "unbound with a longer TTL": ("unbound", {"more": "cache-min-ttl: 3600"}, ("127.0.0.2", "text"), "ttl"),
    "BIND without validate-except": (
        "bind", {"without": "validate-except"}, ("SERVFAIL", "SERVFAIL"), "dnssec",
    ),
    "BIND without except-from": (
        "bind", {"more": "deny-answer-addresses { 127.0.0.0/8; };"}, ("SERVFAIL", "text"), "rebind-protection",
    ),
    "dnsmasq without rebind-domain-ok": (
        "dnsmasq", {"without": "rebind-domain-ok", "more": "stop-dns-rebind"}, ("nothing", "text"), "rebind-protection",
    ),
    "dnsmasq without server": ("dnsmasq", {"without": "server="}, ("REFUSED", "REFUSED"), "refused"),
    "PowerDNS Recursor without addNTA": ("pdns", {"without": "addNTA"}, ("127.0.0.2", "text"), "dnssec-clients"),
    "PowerDNS Recursor without addNTA, validating": (
        "pdns", {"without": "addNTA", "more": "dnssec=validate"}, ("SERVFAIL", "SERVFAIL"), "dnssec",
    ),
    "Knot Resolver without STUB": (
        "knot", {"without": "policy.add(policy.suffix(policy.STUB"}, ("clear", "clear"), "not-forwarded",
    ),
    "Knot Resolver without ALLOW_LOCAL": (
        "knot",
        {"without": "policy.add(policy.suffix(policy.FLAGS", "more": "modules.load('rebinding < iterate')"},
        ("REFUSED", "text"), "rebind-protection",
    ),
}  # fmt: skip
SAID = {
    "failure": "2.0.0.127.bl.tally.internal A: SERVFAIL. It does not reach tallyd",
    "dnssec": "2.0.0.127.bl.tally.internal A: SERVFAIL. It answers when it need not validate",
    "rebind-protection": 'TXT: "127.0.0.2 is on test point". This is protection against DNS rebinding',
    "ttl": "for 3600 s, where the zone allows 60 s. Exceptions and new listings take so long",
    "refused": "2.0.0.127.bl.tally.internal A: REFUSED. Mail passes.",
    "dnssec-clients": "SERVFAIL. Mail servers do not ask for block lists in this way; dig",
    "not-forwarded": "A: NXDOMAIN for 86400 s. It does not ask tallyd about this zone: nothing is ever listed.",
}
WHO = {
    "unbound": "unbound 1.",
    "bind": "BIND 9.",
    "dnsmasq": "dnsmasq-2.",
    "pdns": "PowerDNS Recursor 4.",
    "knot": "Knot Resolver",
}


@pytest.mark.parametrize("name", BROKEN)
def test_without_its_line_a_resolver_hides_us_and_doctor_says_why_and_has_the_cure(rooted, name):
    kind, how, (address, text), what = BROKEN[name]
    rooted.resolve(kind, **how)
    assert rooted.verdict(rooted.LISTED) == address
    reply = rooted.ask(rooted.LISTED, "TXT")
    assert (text_of(reply) == f"{rooted.LISTED} is on a.example") if text == "text" else verdict_of(reply) == text
    seen = rooted.doctor()
    assert [finding["what"] for finding in seen["findings"]] == [what], seen
    finding = seen["findings"][0]
    assert finding["level"] == ("warning" if what == "dnssec-clients" else "problem")
    assert finding["server"] == "127.0.0.1" and finding["text"].startswith(f"127.0.0.1 ({WHO[kind]}")
    assert SAID[what] in finding["text"]
    assert finding["lines"]
    rooted.resolve(kind, **how, cure=finding["lines"])
    assert rooted.verdict(rooted.LISTED) == "127.0.0.2"
    assert rooted.doctor()["findings"] == []


@pytest.mark.parametrize("kind", RESOLVERS)
def test_a_resolver_that_knows_nothing_of_us_is_cured_by_the_lines_of_doctor_alone(rooted, kind):
    more = "bind-interfaces" if kind == "dnsmasq" else ""  # it could not start beside us
    rooted.resolve(kind, bare=True, more=more)
    seen = rooted.doctor()
    assert [finding["what"] for finding in seen["findings"]] == ["refused" if kind == "dnsmasq" else "not-forwarded"]
    rooted.resolve(kind, bare=True, more=more, cure=seen["findings"][0]["lines"])
    assert rooted.verdict(rooted.LISTED) == "127.0.0.2"
    assert rooted.doctor()["findings"] == []


def test_a_zone_below_test_needs_the_local_zone_of_unbound(rooted):
    zone = "bl.tally.test"
    rooted.tallyd.zones[zone] = {"like": rooted.ZONE}
    rooted.tallyd.write()
    rooted.tallyd.reload()
    rooted.resolve("unbound", rename=zone)
    assert rooted.verdict(rooted.LISTED, zone=zone) == "127.0.0.2"
    rooted.resolve("unbound", rename=zone, without="local-zone")
    assert rooted.verdict(rooted.LISTED, zone=zone) == "clear"
    finding = rooted.doctor(zone=zone)["findings"][0]
    assert finding["what"] == "not-forwarded" and f'    local-zone: "{zone}." transparent' in finding["lines"]


def test_behind_an_unbound_that_keeps_nothing_an_exception_is_in_force_at_once(rooted):
    rooted.resolve("unbound")
    assert rooted.verdict(rooted.LISTED) == "127.0.0.2"
    rooted.tallyctl("allow", rooted.LISTED)
    assert rooted.verdict(rooted.LISTED) == "clear"


@pytest.mark.parametrize("without, first", [(None, "clear"), ("forward-no-cache", "127.0.0.2")])
def test_an_unbound_that_serves_what_has_expired_is_no_harm_while_it_keeps_nothing_of_ours(rooted, without, first):
    rooted.resolve("unbound", more="serve-expired: yes", **({"without": without} if without else {}))
    assert rooted.verdict(rooted.LISTED, zone=rooted.BRIEF) == "127.0.0.2"
    rooted.tallyctl("allow", rooted.LISTED)
    time.sleep(3)
    assert rooted.verdict(rooted.LISTED, zone=rooted.BRIEF) == first


def test_the_manual_has_the_lines_of_the_snippets():
    manual = (ROOT / "man" / "tally.7").read_text()
    manual = " ".join(" ".join(re.findall(r"^\.Bd .*?\n(.*?)^\.Ed", manual, re.S | re.M)).split())
    for path in SNIPPETS.glob("*.*"):
        if path.suffix != ".md" and path.name != "unbound-stub.conf":
            text = re.sub(r"^ *(#|//|--) .*\n", "", path.read_text(), flags=re.M)
            assert " ".join(text.split()) in manual, path.name
