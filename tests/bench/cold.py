"""The sections of `make bench` about subjects that nobody has asked about: what they cost, and how soon the verdict comes."""
import functools
import itertools
import os
import statistics
import time

import delayed
from measure import DAY, GENERATOR_CPU, LISTS, ROUNDS, SERVER_CPU, blast, compare, cpu_seconds, make_subjects, make_zones, packets_of, pin

from delegations import Delegated
from harness import reversed_name
from network import Network
from programs import Tallyd, Unbound

DELAYS = [20, 45, 70, 95, 120, 145, 170, 200]
RATE = 50  # subjects a second
ZONE = "bl.example"
UNBOUND = ["num-threads: 1", "qname-minimisation: no", "outgoing-range: 1024", "num-queries-per-thread: 1024"]


def percentiles(values, unit=1000):
    """Median and 99th percentile, in ms."""
    ordered = sorted(values)
    return f"median {ordered[len(ordered) // 2] * unit:.2f} ms, 99th percentile {ordered[len(ordered) * 99 // 100] * unit:.2f} ms"


def our_names(subject):
    return [reversed_name(subject, ZONE)]


def cold_tallyd(stage, lists, extra=(), **section):
    """extra: (list, weight) beside those that weigh 2."""
    sites = [f"{one.name}*{delayed.WEIGHT}" for one in lists.list[: len(DELAYS)]] + [f"{one.name}*{w}" for one, w in extra]
    described = {one.name: {"server": [one.server]} for one in lists.list}
    tallyd = Tallyd(stage, {ZONE: {"sites": sites, "threshold": delayed.THRESHOLD, **section}}, described)
    pin(tallyd.pid, SERVER_CPU)
    return tallyd


def ask_cold(lists, tallyd, subjects):
    """Of each subject: seconds to the verdict, the same of the ideal, and the difference."""
    took = lists.ask(tallyd, subjects, our_names, RATE)
    ideal = [delayed.decided(lists.replies[subject], len(DELAYS)) for subject in subjects]
    return [(end - begin, best - begin, end - best) for (begin, end), best in zip(took, ideal)]


class Turn:
    """One server's turns: subjects that nobody has asked about, CPU time and packets to lists for each."""

    def __init__(self, lists, server, subjects, count):
        self.lists, self.server, self.subjects, self.count = lists, server, subjects, count
        self.packets, self.late = [], []

    def take(self):
        return list(itertools.islice(self.subjects, self.count))

    def cost(self):
        subjects, packets, before = self.take(), self.lists.packets, cpu_seconds(self.server)
        self.late += self.ask(subjects)
        time.sleep(0.5)  # for a packet that nobody waits for
        self.packets.append((self.lists.packets - packets) / self.count)
        return (cpu_seconds(self.server) - before) / self.count * 1e6


class TallydTurn(Turn):
    def ask(self, subjects):
        return ask_cold(self.lists, self.server, subjects)


class UnboundTurn(Turn):
    """Asked the same names. Of each subject: seconds from the last list's answer to the last of its own."""

    def ask(self, subjects):
        took = self.lists.ask(self.server, subjects, lambda subject: [reversed_name(subject, one.name) for one in self.lists.list], RATE)
        return [end - max(when for when, _ in self.lists.replies[subject]) for (_, end), subject in zip(took, subjects)]


def cold_section(stage):
    os.sched_setaffinity(0, {GENERATOR_CPU})
    lists = delayed.Lists(DELAYS)
    count = 200
    subjects = iter(make_subjects(count * (2 * ROUNDS + 1) + 1000))
    tallyd = TallydTurn(lists, cold_tallyd(stage, lists), subjects, count)
    unbound = UnboundTurn(lists, Unbound(stage, {one.name: one.server for one in lists.list}, UNBOUND), subjects, count)
    pin(unbound.server.pid, SERVER_CPU)
    for turn in (tallyd, unbound):
        turn.ask(list(itertools.islice(subjects, 50)))
    print(f"  lists of {DELAYS} ms, {RATE} new subjects a second: CPU of a subject, unbound asked the same 8 names being 1")
    compare({"unbound": unbound.cost, "tallyd": tallyd.cost}, "unbound")
    print(f"    packets to lists for each    tallyd {max(tallyd.packets):.3f}, unbound {max(unbound.packets):.3f}")
    print(f"    to the verdict               {percentiles([total for total, _, _ in tallyd.late])}")
    print(f"    the ideal                    {percentiles([ideal for _, ideal, _ in tallyd.late])}")
    print(f"    from the deciding answer on  {percentiles([late for _, _, late in tallyd.late])}")
    print(f"    unbound, to pass one on      {percentiles(unbound.late)}")
    lists.close()


def cost_of_new(server, delegated, subjects, count, zones, packets):
    """CPU of a subject as fast as it goes; adds to `packets` those at the root, at the top level and at the lists."""
    some = list(itertools.islice(subjects, count))
    asked = b"".join(packets_of([subject], zone=zone) for subject in some for zone in zones)
    before, seen = cpu_seconds(server), delegated.asked()
    run = blast(server, asked, seconds=0, window=32 * len(zones))
    assert run["lost"] * 1000 <= run["answered"], f"{server.name} lost {run['lost']:.0f} of {run['answered']:.0f} answers"
    time.sleep(0.5)
    packets.append([(now - then) / count for now, then in zip(delegated.asked(), seen, strict=True)])
    return (cpu_seconds(server) - before) / count * 1e6


def below_delegations(stage, network, ttl, count):
    """tallyd and unbound, both resolving from the root down: {name: (function that gives the cost, packets of each round)}."""
    subjects = make_subjects(count * (2 * ROUNDS + 1) + 1000)
    zones, _ = make_zones(subjects)
    delegated = Delegated(stage, network, zones, ttl=ttl, list_ttl=DAY)
    for pid in delegated.pids:
        pin(pid, GENERATOR_CPU)
    lists = {name: {"timeout-ms": 10000} for name in zones}
    tallyd = Tallyd(stage, {"bl.example.org": {"sites": [name + "*2" for name in zones], "threshold": 4}}, lists, deadline_ms=20000)
    unbound = Unbound(stage, {}, UNBOUND)
    rest = iter(subjects)
    turns = {}
    for name, server, asked in (("unbound", unbound, list(zones)), ("tallyd", tallyd, ["bl.example.org"])):
        pin(server.pid, SERVER_CPU)
        cost_of_new(server, delegated, rest, 50, asked, [])
        packets = []
        turns[name] = functools.partial(cost_of_new, server, delegated, rest, count, asked, packets), packets
    return turns


def recursion_section(stage):
    """No list has a server in the configuration: a root, a top level domain and delegations, in a network of their own."""
    for ttl, what in ((DAY, "known"), (1, "of a second")):
        with Network() as network:
            turns = below_delegations(stage, network, ttl, 1500)
            print(f"  {LISTS} lists below delegations that are {what}: CPU of a new subject, unbound asked the same 8 names being 1")
            compare({name: turn for name, (turn, _) in turns.items()}, "unbound")
            for name, (_, packets) in turns.items():
                root, top, at_lists = (statistics.fmean(some) for some in zip(*packets))
                print(f"    packets for each, {name:10} to lists {at_lists:.3f}, to the top level {top:.3f}, to the root {root:.3f}")
            stage.close()
            stage.started.clear()


def dead_section(stage):
    os.sched_setaffinity(0, {GENERATOR_CPU})
    lists = delayed.Lists([*DELAYS, None])
    dead = lists.list[-1]
    subjects = make_subjects(1500)
    plain = ask_cold(lists, cold_tallyd(stage, lists), subjects[:500])
    light = ask_cold(lists, cold_tallyd(stage, lists, [(dead, 1)]), subjects[500:1000])
    print(f"  lists of {DELAYS} ms and one that is dead: from the deciding answer of the others on")
    print(f"    without the dead one         {percentiles([late for _, _, late in plain])}")
    print(f"    with it, of weight 1         {percentiles([late for _, _, late in light])}")
    heavy = cold_tallyd(stage, lists, [(dead, delayed.THRESHOLD)])
    took = lists.ask(heavy, subjects[1000:], our_names, RATE)
    waited = []
    for subject, (begin, end) in zip(subjects[1000:], took):
        last = max(when for when, _ in lists.replies[subject])
        if not any(listed for _, listed in lists.replies[subject]):
            waited.append((begin, end - last))
    early = [late for begin, late in waited if begin - took[0][0] < 2]
    known = [late for begin, late in waited if begin - took[0][0] > 5]
    print("    of weight 4, so that it alone could decide: from the last answer of the others on")
    print(f"      in the first 2 seconds     {percentiles(early)}")
    print(f"      once it is known as dead   {percentiles(known)}")
    lists.close()
