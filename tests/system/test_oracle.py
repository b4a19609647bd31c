"""Ten thousand addresses on six real lists: every answer equals a calculation made here from the zone files alone.

The calculation follows the rules of tally(7) and shares nothing with the daemon: the lists are dictionaries, a site is a
predicate, and the score of an unknown list is tried both ways.
"""
import ipaddress
import random
import time
from dataclasses import dataclass, field

import dns.rcode
import pytest

from flood import Flood
from harness import reversed_name
from programs import text_of

ADDRESSES = 10_500
SEED = 20260724
DEFAULT_LISTED = {(0, 0, n) for n in range(2, 256)} | {(x, y, z) for x in range(8) for y in range(8) for z in range(256)} - {(0, 0, 1)}
ERROR = (255, 255, 254)


@dataclass
class List:
    """A list: what it may say, how often, its TTLs, and its section in the configuration."""

    codes: list
    share: float
    ttl: int
    negative_ttl: int
    section: dict = field(default_factory=dict)
    listed: set = field(default_factory=lambda: DEFAULT_LISTED)
    ipv6: bool = True
    said: dict = field(default_factory=dict)

    def bounded(self, ttl):
        return max(self.section.get("min-ttl", 60), min(self.section.get("max-ttl", 86400), ttl))


def make_lists():
    return {
        "a.example": List([(0, 0, 2), (0, 0, 3), (0, 0, 200)], 0.30, 900, 500),
        "b.example": List([(0, 0, n) for n in (2, 4, 6, 10, 11)], 0.30, 250, 100),
        "c.example": List(
            [(0, 0, 2), (0, 0, 3), (0, 0, 20), (0, 0, 30)],
            0.30,
            600,
            900,
            {"listed": ["127.0.0.[2..9]"]},
            {(0, 0, n) for n in range(2, 10)},
        ),
        "allow.example": List([(0, y, z) for y in (0, 5) for z in (0, 1, 2, 3)], 0.25, 200, 110),
        "e.example": List([(0, 0, 2), (0, 0, 3), ERROR], 0.20, 7200, 3600, {"max-ttl": 140}),
        "four.example": List([(0, 0, 2)], 0.30, 20, 30, {"min-ttl": 90, "family": ["ipv4"]}, ipv6=False),
    }


# list, which answers match, weight; the text is what the configuration says
SITES = [
    ("a.example", "", lambda code: code in DEFAULT_LISTED, 3),
    ("b.example", "=127.0.0.[2;4..6]", lambda code: code[:2] == (0, 0) and code[2] in (2, 4, 5, 6), 2),
    ("b.example", "=127.0.0.10", lambda code: code == (0, 0, 10), 4),
    ("b.example", "=127.0.0.11", lambda code: code == (0, 0, 11), -1),
    ("c.example", "", lambda code: code[:2] == (0, 0) and 2 <= code[2] <= 9, 2),
    ("c.example", "=127.0.0.20", lambda code: code == (0, 0, 20), 1),
    ("allow.example", "=127.0.[0..255].1", lambda code: code[0] == 0 and code[2] == 1, -2),
    ("allow.example", "=127.0.[0..255].[2..3]", lambda code: code[0] == 0 and code[2] in (2, 3), -5),
    ("e.example", "", lambda code: code in DEFAULT_LISTED, 3),
    ("four.example", "", lambda code: code in DEFAULT_LISTED, 2),
]
SHARED = {"sites": [f"{name}{text}*{weight}" for name, text, _, weight in SITES], "text": "%a|%s of %t|%l"}
ZONES = {
    "bl.example": {"answers": ["3=127.0.0.10", "5=127.0.0.2", "8=127.0.0.3"], "max-ttl": 300, "negative-ttl": 120, **SHARED},
    "strict.bl.example": {"like": "bl.example", "answers": ["2=127.0.0.9"], "on-failure": "defer", "max-ttl": 160, "negative-ttl": 95},
}
GRADES = {"bl.example": [(3, "127.0.0.10"), (5, "127.0.0.2"), (8, "127.0.0.3")], "strict.bl.example": [(2, "127.0.0.9")]}


def fill(lists, rng):
    """Random subjects, a tenth of them IPv6, and what each list says of each."""
    subjects = set()
    while len(subjects) < ADDRESSES * 9 // 10:
        subjects.add(f"{rng.choice([11, 45, 80, 185, 203])}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}")
    while len(subjects) < ADDRESSES:
        subjects.add(str(ipaddress.IPv6Address(0x2A << 120 | rng.getrandbits(100))))
    subjects = sorted(subjects)
    rng.shuffle(subjects)
    for subject in subjects:
        six = ":" in subject
        for entry in lists.values():
            if rng.random() < entry.share and not (six and not entry.ipv6):
                # rbldnsd gives one answer for an IPv6 address
                entry.said[subject] = set(rng.sample(entry.codes, 1 if six else min(len(entry.codes), rng.choice([1, 1, 1, 2, 3]))))
    return subjects


def serve(stage, lists):
    """Six rbldnsd with these lists, and the sections that name them."""
    sections = {}
    for name, entry in lists.items():
        four = [f"{s} :127.{a}.{b}.{c}:x" for s, codes in entry.said.items() if ":" not in s for a, b, c in codes]
        six = [f"{s}/128 :127.{a}.{b}.{c}:x" for s, codes in entry.said.items() if ":" in s for a, b, c in codes]
        data = {"ip4set": four, "ip6trie": six or ["2001:db8::/128"]}
        server = stage.rbldnsd({name: data}, ttl=entry.ttl, negative_ttl=entry.negative_ttl)
        sections[name] = {"server": [server.server], "timeout-ms": 15000, **entry.section}
    return sections


@dataclass
class Expected:
    verdict: str
    score: int
    names: list
    ttl: int  # at the moment when the lists were asked
    bound: int  # of the zone
    open: bool  # the verdict is one by on-failure


def grade(zone, score):
    reached = [address for least, address in GRADES[zone] if score >= least]
    return reached[-1] if reached else "clear"


def possible(name):
    """The least and the most that an unknown list could add: its sites match different answers, so any set of them."""
    weights = [weight for site, _, _, weight in SITES if site == name]
    return sum(w for w in weights if w < 0), sum(w for w in weights if w > 0)


def expect(lists, zone, subject):
    """The answer for one subject, once all lists have been asked."""
    score = low = high = 0
    contributions, known, matched = {}, [], []
    for name, entry in lists.items():
        if ":" in subject and not entry.ipv6:
            continue
        said = entry.said.get(subject)
        if said is None:
            known.append(entry.bounded(entry.negative_ttl))
            continue
        sites = [(matches, weight) for site, _, matches, weight in SITES if site == name]
        understood = any(code in entry.listed or any(matches(code) for matches, _ in sites) for code in said)
        if ERROR in said or not understood:
            least, most = possible(name)
            low, high = low + least, high + most
            continue
        ttl = entry.bounded(entry.ttl)
        known.append(ttl)
        hits = [weight for matches, weight in sites if any(matches(code) for code in said)]
        if hits:
            matched.append(ttl)
            contributions[name] = sum(hits)
        score += sum(hits)
    low, high = low + score, high + score
    undecided = grade(zone, low) != grade(zone, high)
    verdict = grade(zone, score)
    if undecided and zone == "strict.bl.example":
        verdict = "SERVFAIL"
    order = list(dict.fromkeys(site[0] for site in SITES))
    names = sorted((n for n, sum_ in contributions.items() if sum_ > 0), key=lambda n: (-contributions[n], order.index(n)))
    ttls = matched if verdict.startswith("127.") else known
    bound = ZONES[zone]["negative-ttl" if verdict == "clear" else "max-ttl"]
    return Expected(verdict, score, names, min(ttls, default=0), bound, undecided)


def ttl_range(expected, asked_first, known_first, asked, answered):
    """The evidence was fetched between asked_first and known_first; the daemon counts in whole seconds."""
    if expected.open:
        return 1, 5
    least = expected.ttl - (answered - asked_first) - 1.5
    most = expected.ttl - (asked - known_first) + 1.5
    return min(expected.bound, least), min(expected.bound, most)


def read(zone, type, reply):
    """The verdict, its TTL, and the text of an answer."""
    if reply.rcode() == dns.rcode.SERVFAIL:
        return "SERVFAIL", None, None
    if reply.rcode() == dns.rcode.NXDOMAIN:
        (soa,) = reply.authority
        assert soa.ttl == soa[0].minimum and soa.name.to_text() == zone + "."
        return "clear", soa.ttl, None
    (answer,) = reply.answer
    assert len(answer) == 1
    return ("text", answer.ttl, text_of(reply)) if type == "TXT" else (answer[0].address, answer.ttl, None)


def said_of(lists, subject):
    return {name: entry.said[subject] for name, entry in lists.items() if subject in entry.said}


@pytest.mark.alone
def test_ten_thousand_answers_equal_an_independent_calculation(stage):
    lists = make_lists()
    subjects = fill(lists, random.Random(SEED))
    tallyd = stage.tallyd(ZONES, serve(stage, lists), deadline_ms=20000, cache_mib=16)
    flood = Flood(tallyd.address, tallyd.port, window=40, seconds=30)
    seen = {}
    first = flood.ask([(reversed_name(subject, "bl.example"), "A") for subject in subjects])
    mistakes = []
    for subject, (asked, answered, reply) in zip(subjects, first):
        seen[subject] = asked, answered + 2
        verdict = read("bl.example", "A", reply)[0]
        if verdict != expect(lists, "bl.example", subject).verdict:
            mistakes.append((subject, verdict, expect(lists, "bl.example", subject), said_of(lists, subject)))
    assert not mistakes, f"{len(mistakes)} of {len(subjects)}: {mistakes[:5]}"
    time.sleep(2)  # what came after an early verdict is in the cache now
    tally = {}
    for zone in ZONES:
        for type in ("A", "TXT"):
            replies = flood.ask([(reversed_name(subject, zone), type) for subject in subjects])
            for subject, (asked, answered, reply) in zip(subjects, replies):
                wanted = expect(lists, zone, subject)
                verdict, ttl, text = read(zone, type, reply)
                told = None
                if type == "TXT" and wanted.verdict.startswith("127."):
                    told = f"{subject}|{wanted.score} of {GRADES[zone][0][0]}|{', '.join(wanted.names)}"
                good = verdict == ("text" if told else wanted.verdict) and text == told
                least, most = ttl_range(wanted, *seen[subject], asked, answered)
                if not good or not (ttl is None or least <= ttl <= most):
                    mistakes.append((subject, zone, type, verdict, ttl, (least, most), text, wanted, said_of(lists, subject)))
                tally[zone, wanted.verdict] = tally.get((zone, wanted.verdict), 0) + 1
    assert not mistakes, f"{len(mistakes)} of {len(subjects) * 4}: {mistakes[:5]}"
    # a run in which some outcome hardly occurs would prove little
    outcomes = [(zone, address) for zone in GRADES for _, address in GRADES[zone]]
    outcomes += [(zone, "clear") for zone in ZONES] + [("strict.bl.example", "SERVFAIL")]
    assert all(tally.get(outcome, 0) >= 100 for outcome in outcomes), tally
