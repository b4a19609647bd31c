"""Every answer is what the rules of tally(7) come to: a model of them, written from the manual, goes through the same changes.

Beyond test_oracle.py it has neutral sites, lists within lists, lists that are unknown, accounts, a zone of trust, exceptions
of all kinds and scopes, lists that are set aside, and reloads with other weights. What an unknown list could still say is
tried out, all of it.
"""
import ipaddress
import itertools
import random
from dataclasses import dataclass

import dns.rcode

import upstream as up
from flood import Flood
from harness import reversed_name, wait_until
from programs import served_by, verdict_of
from tallyctl import Tallyctl

# what the lists may say, as 127.0.0.code
CODES = {"whole": [2, 3], "part": [2], "subpart": [5], "karma": [1, 2, 3, 9], "good": [2, 8], "dull": [2], "odd": [2, 4]}
LISTED = range(2, 10)  # by the option of all of them
ODD = 77  # said alone it makes a list unknown, as what no site picks does
PART_OF = {"part": "whole", "subpart": "part"}
ALL_CODES = set().union(*CODES.values())
NEUTRAL = "0!"


@dataclass
class Site:
    list: str
    code: int | None
    weight: int | str

    def __str__(self):
        return f"{self.list}.example" + (f"=127.0.0.{self.code}" if self.code else "") + f"*{self.weight}"

    def picks(self, code):
        return code == self.code if self.code else code in LISTED


def sites(text):
    """Those of "whole=2*3 karma=3*0!", which leaves out what is always the same."""
    read = []
    for word in text.split():
        name, weight = word.split("*")
        name, _, code = name.partition("=")
        read.append(Site(name, int(code) if code else None, NEUTRAL if weight == NEUTRAL else int(weight)))
    return read


class Zone:
    def __init__(self, text, grades, on_failure, kind="block", above=()):
        self.sites, self.grades, self.on_failure, self.kind, self.above = sites(text), grades, on_failure, kind, above
        self.lists = {site.list for site in self.sites}

    def options(self):
        grades = [f"{score}={address}" for score, address in self.grades]
        return {"kind": self.kind, "sites": [str(site) for site in self.sites], "answers": grades, "on-failure": self.on_failure}

    def answer(self, score):
        return next((address for least, address in reversed(self.grades) if score >= least), "clear")

    def matched(self, name, code):
        return frozenset(i for i, site in enumerate(self.sites) if site.list == name and site.picks(code))

    def understood(self, name, codes):
        """The sites that match what the list said, by their place; None: it is unknown."""
        places = frozenset().union(*(self.matched(name, code) for code in codes))
        return places if places or not codes or any(code in LISTED for code in codes) else None

    def could_match(self, name):
        reached = {frozenset()}
        for code in ALL_CODES:
            reached |= {places | self.matched(name, code) for places in reached}
        return reached

    def whole(self, name):
        found, above = name, PART_OF.get(name)
        while above is not None:
            found, above = above if above in self.lists else found, PART_OF.get(above)
        return found

    def score(self, matched):
        """What the sites that match come to, of each list."""
        cancelled = any(self.sites[i].weight == NEUTRAL for places in matched.values() for i in places)
        sums = {}
        for name, places in matched.items():
            weights = [self.sites[i].weight for i in places if self.sites[i].weight != NEUTRAL]
            sums.setdefault(self.whole(name), []).append(sum(weight for weight in weights if weight < 0 or not cancelled))
        return sum(max(0, *those) + min(0, *those) for those in sums.values())


@dataclass
class Entry:
    action: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    zone: str
    score: int

    def words(self):
        return [self.action, self.network, *([self.score] if self.action == "score" else []), *(["--zone", self.zone] if self.zone else [])]


class Model:
    """What is in force, and what follows from it."""

    def __init__(self, said):
        self.said, self.exceptions, self.aside = said, {}, set()
        weighed = "whole=2*3 whole=3*1 part*2 subpart*4 karma=2*2 karma=3*0! karma=1*-3 good*-2 dull*3 odd*1 odd=4*-4"
        self.zones = {
            "bl.test": Zone(weighed, [(2, "127.0.0.4"), (4, "127.0.0.2"), (7, "127.0.0.3")], "defer"),
            "u1.bl.test": Zone(weighed, [(3, "127.0.0.2")], "pass", above=["bl.test"]),
            "deep.u1.bl.test": Zone(
                "subpart*2 whole*-1 part*-2 dull*2 karma*1", [(1, "127.0.0.2"), (3, "127.0.0.9")], "127.0.0.11", above=["u1.bl.test", "bl.test"]
            ),
            "wl.test": Zone(
                "good*2 karma=1*2 karma=3*0! whole*-2 part*-3 subpart*1 dull*-1", [(1, "127.0.0.2"), (3, "127.0.0.5")], "defer", kind="allow"
            ),
        }

    def exception(self, name, subject):
        for scope in [name, *self.zones[name].above, ""]:
            covering = [entry for entry in self.exceptions.values() if entry.zone == scope and ipaddress.ip_address(subject) in entry.network]
            if covering:
                return max(covering, key=lambda entry: entry.network.prefixlen)
        return None

    def expect(self, name, subject):
        zone, entry, added = self.zones[name], self.exception(name, subject), 0
        if entry is not None and entry.action != "score":
            return zone.grades[-1][1] if (entry.action == "block") == (zone.kind == "block") else "clear"
        if entry is not None and (zone.kind == "block" or (entry.zone and self.zones[entry.zone].kind == "allow")):
            added = entry.score
        matched = {which: zone.understood(which, self.said[subject][which]) for which in zone.lists - self.aside}
        unknown = [which for which, places in matched.items() if places is None]
        tries = itertools.product(*(zone.could_match(which) for which in unknown))
        answers = {zone.answer(added + zone.score({**matched, **dict(zip(unknown, places))})) for places in tries}
        if len(answers) == 1:
            return answers.pop()
        if zone.on_failure == "pass":
            return zone.answer(added + zone.score({which: places or frozenset() for which, places in matched.items()}))
        return "SERVFAIL" if zone.on_failure == "defer" else zone.on_failure


class World:
    def __init__(self, stage, seed):
        self.chance = random.Random(seed)
        self.subjects = sorted({self.subject() for _ in range(600)})
        self.model = Model({subject: {name: self.reply(codes) for name, codes in CODES.items()} for subject in self.subjects})
        replies = {reversed_name(subject, f"{name}.example"): codes for subject, said in self.model.said.items() for name, codes in said.items()}

        def behave(asked):
            codes = replies.get(asked.name.to_text(omit_final_dot=True).lower())
            return (up.listed(*(f"127.0.0.{code}" for code in codes), ttl=3000) if codes else up.nxdomain(3000, 3000))(asked)

        server = stage.upstream({f"{name}.example": behave for name in CODES})
        lists = served_by(server, *(f"{name}.example" for name in CODES), listed=["127.0.0.[2..9]"])
        for part, whole in PART_OF.items():
            lists[f"{part}.example"]["part-of"] = f"{whole}.example"
        self.tallyd = stage.tallyd({name: zone.options() for name, zone in self.model.zones.items()}, lists, deadline_ms=20000, threads=2)
        self.ctl = Tallyctl(self.tallyd)

    def subject(self):
        low, high = self.chance.randrange(4), self.chance.randrange(256)
        return f"2a01:{low:x}::{high:x}" if self.chance.random() < 0.3 else f"45.1.{low}.{high}"

    def reply(self, codes):
        if self.chance.random() < 0.1:
            return [ODD]
        return self.chance.sample(codes, self.chance.choice([0, 0, 1, 1, min(2, len(codes))]))

    def check(self):
        """All subjects in all zones."""
        seen = set()
        for name in self.model.zones:
            replies = Flood(self.tallyd.address, self.tallyd.port, window=20, seconds=30).ask(
                [(reversed_name(subject, name), "A") for subject in self.subjects]
            )
            for subject, (_, _, reply) in zip(self.subjects, replies):
                answer = "SERVFAIL" if reply.rcode() == dns.rcode.SERVFAIL else verdict_of(reply)
                assert answer == self.model.expect(name, subject), (name, subject, self.model.said[subject], self.ctl("check", subject, "--zone", name).stdout)
                seen.add((name, answer))
        return seen

    def change_exceptions(self):
        for key in self.chance.sample(sorted(self.model.exceptions), len(self.model.exceptions) // 3):
            entry = self.model.exceptions.pop(key)
            self.ctl("forget", entry.network, *(["--zone", entry.zone] if entry.zone else []))
        for _ in range(15):
            subject, zone = self.chance.choice(self.subjects), self.chance.choice(["", "", *self.model.zones])
            length = self.chance.choice([32, 64, 128] if ":" in subject else [16, 24, 30, 32])
            network = ipaddress.ip_network(f"{subject}/{length}", strict=False)
            entry = Entry(self.chance.choice(["allow", "block", "score", "score"]), network, zone, self.chance.randrange(-3, 6))
            self.model.exceptions[str(network), zone] = entry
            self.ctl(*entry.words())

    def change_aside(self):
        name = self.chance.choice(sorted(CODES))
        if name not in self.model.aside:
            self.ctl("quarantine", f"{name}.example")
            self.model.aside.add(name)
            return
        self.ctl("release", f"{name}.example")
        self.model.aside.remove(name)
        wait_until(lambda: {row["list"]: row["health"] for row in self.ctl.json("lists")}[f"{name}.example"] == "ok", f"{name} counts again")

    def change_weights(self):
        for name, zone in self.model.zones.items():
            for site in zone.sites:
                site.weight = site.weight if site.weight == NEUTRAL else self.chance.randrange(-4, 6)
            zone.on_failure = self.chance.choice(["defer", "pass", "127.0.0.11"])
            self.tallyd.zones[name] = zone.options()
        self.tallyd.write()
        self.ctl("reload")


def test_every_answer_is_what_the_rules_come_to_whatever_changes(stage):
    world = World(stage, seed=1)
    seen = world.check()
    for _ in range(2):
        for change in (world.change_exceptions, world.change_aside, world.change_weights):
            change()
            seen |= world.check()
    # a run in which an outcome does not occur would prove little
    for name, zone in world.model.zones.items():
        assert {(name, answer) for answer in ["clear", *(address for _, address in zone.grades)]} <= seen
    assert {"SERVFAIL", "127.0.0.11"} <= {answer for _, answer in seen}
