#!/usr/bin/python3
"""bench - what answers of tallyd cost, beside its peers and the floor of the kernel: `make bench`, or bench.py [SECTION ...].

How it is measured: measure.py. The floor is echo.c: it receives, flips a bit and sends, in batches.
Sections: warm, latency, exceptions, lists, names, threads of answers from the cache; cold, recursion, dead of new subjects
(cold.py); memory, restart (cache.py). BENCH_ROUNDS (5), BENCH_SECONDS (2) of each, BENCH_SUBJECTS (100000, in all but the
first 10000 at most) and BENCH_KEPT (10000000 over a restart) may be set. Needs what `contrib/needs bench` installs.
"""
import itertools
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from measure import (
    DAY, FEWER, GENERATOR_CPU, LISTS, LONE_TURNS, SERVER_CPU, SUBJECTS, TURNS, blast, compare, cost, cpu_seconds, make_subjects, make_zones,
    packets_of, pin, resident_mib, stop, take_turns,
)

import cache
import cold
import flood
from harness import BUILD, Program, Stage, fresh_address, fresh_port, reversed_name, wait_until
from programs import Rbldnsd, Tallyd, Unbound, answers, served_by
from tallyctl import Tallyctl


def start_tallyd(stage, zones, zone="bl.example", **options):
    upstream = Rbldnsd(stage, zones, ttl=DAY, negative_ttl=DAY)
    pin(upstream.pid, GENERATOR_CPU)
    sites = [name + "*2" for name in zones]
    lists = served_by(upstream, *zones, family=["ipv4", "ipv6"], **{"min-ttl": DAY})
    tallyd = Tallyd(stage, {zone: {"sites": sites, "threshold": 4}}, lists, **{"cache_mib": 64, **options})
    pin(tallyd.pid, SERVER_CPU)
    return tallyd


def warm(tallyd, packets):
    """Ask until hardly a question of a round goes upstream: a few subjects may drive one another out of a full set of the cache."""
    ctl = Tallyctl(tallyd)

    def counts():
        stats = ctl.json("stats")
        return stats["upstream"]["asked"], stats["queries"]["udp"]

    def is_warm():
        upstream, questions = counts()
        blast(tallyd, packets, seconds=0, window=16)  # more at once, and the lists' sockets overflow
        wait_until(lambda: ctl.json("stats")["upstream"]["in_flight"] == 0, "all lists have answered", 60)
        now = counts()
        return (now[0] - upstream) * 1000 <= now[1] - questions

    wait_until(is_warm, "the cache is warm", 1200)
    return tallyd


def start_echo(stage):
    address = fresh_address()
    port = fresh_port(address)
    echo = stage.add(Program(stage.name("echo"), [BUILD / "tests/bench/echo", address, port], stage.directory))
    echo.address, echo.port = address, port
    echo.wait_ready(lambda: answers(address, port, "example"))
    pin(echo.pid, SERVER_CPU)
    return echo


def start_rbldnsd(stage, listed):
    rbldnsd = Rbldnsd(stage, {"bl.example": {"ip4set": [":127.0.0.2:$ is listed", *listed]}}, ttl=DAY, negative_ttl=DAY)
    pin(rbldnsd.pid, SERVER_CPU)
    return rbldnsd


def start_unbound(stage, rbldnsd, *rounds):
    """Asked until it has everything in its cache."""
    more = ["num-threads: 1", "msg-cache-size: 128m", "rrset-cache-size: 128m", "outgoing-range: 1024"]
    unbound = Unbound(stage, {"bl.example": rbldnsd.server}, more)
    pin(unbound.pid, SERVER_CPU)
    for packets in rounds:
        for _ in range(3):
            blast(unbound, packets, seconds=0, window=64)
    return unbound


def start_knot(stage, listed):
    directory = stage.directory / stage.name("knot")
    directory.mkdir()
    address = fresh_address()
    port = fresh_port(address)
    lines = ["$TTL 86400", "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns", "ns A 127.0.0.1"]
    for subject in listed:
        name = ".".join(reversed(subject.split(".")))
        lines += [f"{name} A 127.0.0.2", f'{name} TXT "{subject} is listed"']
    (directory / "bl.example.zone").write_text("\n".join(lines) + "\n")
    (directory / "knot.conf").write_text(
        f"server:\n    rundir: {directory}\n    listen: {address}@{port}\n    udp-workers: 1\n    tcp-workers: 1\n"
        f"database:\n    storage: {directory}\ntemplate:\n  - id: default\n    storage: {directory}\n    zonefile-sync: -1\n"
        "    journal-content: none\nzone:\n  - domain: bl.example\n"
    )
    knot = stage.add(Program("knot", ["/usr/sbin/knotd", "-c", directory / "knot.conf"], stage.directory))
    knot.address, knot.port = address, port
    knot.wait_ready(lambda: answers(address, port, "bl.example", "SOA"), 60)
    pin(knot.pid, SERVER_CPU)
    return knot


def costing(server, packets):
    return lambda: cost(server, packets)


def warm_section(stage):
    subjects = make_subjects(SUBJECTS)
    zones, listed = make_zones(subjects)
    packets = {kind: packets_of(subjects, kind) for kind in ("A", "TXT")}
    rbldnsd = start_rbldnsd(stage, listed)
    servers = {
        "echo": start_echo(stage),
        "tallyd": warm(start_tallyd(stage, zones), packets["A"]),
        "rbldnsd": rbldnsd,
        "knot, as a zone": start_knot(stage, listed),
        "unbound, cached": start_unbound(stage, rbldnsd, *packets.values()),
    }
    for kind, asked in packets.items():
        print(f"  {len(subjects)} subjects, {LISTS} lists, three in ten listed, {kind}: CPU of an answer, the echo being 1")
        compare({name: costing(server, asked) for name, server in servers.items()}, "echo")
    print("  memory: " + ", ".join(f"{name} {resident_mib(server):.0f} MiB" for name, server in servers.items()))
    return servers, packets["A"]


def latency_section(stage):
    """rbldnsd stands at both ends, so that what it differs from itself shows how much to believe."""
    subjects = make_subjects(FEWER)
    zones, listed = make_zones(subjects)
    packets = packets_of(subjects)
    servers = {
        "rbldnsd": start_rbldnsd(stage, listed),
        "echo": start_echo(stage),
        "tallyd": warm(start_tallyd(stage, zones), packets),
        "rbldnsd, another": start_rbldnsd(stage, listed),
    }
    print(f"  one question at a time, {LONE_TURNS} turns: latency in us; and the median of the ratios to both rbldnsd, turn by turn")
    print(f"    {'':28} {'median':>6} {'10th':>6} {'90th':>6}   ratio")
    rounds = take_turns(servers.values(), packets)
    for name, values in zip(servers, zip(*rounds)):
        low, middle, high = (sorted(values)[int(len(values) * share)] for share in (0.1, 0.5, 0.9))
        ratio = statistics.median(2 * value / (turn[0] + turn[-1]) for value, turn in zip(values, rounds))
        print(f"    {name:28} {middle:6.1f} {low:6.1f} {high:6.1f}  {ratio:6.3f}", flush=True)


def beside_plain(stage, title, name, other):
    """One more tallyd beside a plain one; other: (server, packets)."""
    subjects = make_subjects(FEWER)
    packets = packets_of(subjects)
    plain = warm(start_tallyd(stage, make_zones(subjects)[0]), packets)
    print(f"  {title}: CPU of an answer, the plain case being 1")
    compare({"plain": costing(plain, packets), name: costing(*other)}, "plain")


def exceptions_section(stage):
    subjects = make_subjects(FEWER)
    packets = packets_of(subjects)
    tallyd = start_tallyd(stage, make_zones(subjects)[0])
    lines = "".join(f"100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}\n" for i in range(1_000_000))
    Tallyctl(tallyd)("import", "--format", "plain", "-", text=lines, seconds=600)
    wait_until(lambda: Tallyctl(tallyd).json("stats")["exceptions"]["entries"] == 1_000_000, "the exceptions count", 60)
    beside_plain(stage, "1,000,000 exceptions", "with exceptions", (warm(tallyd, packets), packets))


def lists_section(stage):
    subjects = make_subjects(FEWER)
    packets = packets_of(subjects)
    tallyd = warm(start_tallyd(stage, make_zones(subjects, 64)[0]), packets)
    beside_plain(stage, "64 lists", "64 lists", (tallyd, packets))


def names_section(stage):
    ipv6 = make_subjects(FEWER, ipv6=True)
    asked = packets_of(ipv6)
    tallyd = warm(start_tallyd(stage, make_zones(ipv6, ipv6=True)[0]), asked)
    beside_plain(stage, "IPv6", "IPv6 subjects", (tallyd, asked))
    subjects = make_subjects(FEWER)
    zone = "a-zone-of-a-long-name.dnsbl.mail.example"
    asked = packets_of(subjects, zone=zone)
    beside_plain(stage, "a long name", "long name", (warm(start_tallyd(stage, make_zones(subjects)[0], zone), asked), asked))


def open_flows(servers, count):
    """Sockets of as many clients, so that all listener threads have some."""
    flows = []
    for n in range(count):
        flows.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        flows[-1].settimeout(5)
        flows[-1].connect((servers[n % len(servers)].address, servers[n % len(servers)].port))
    return flows


def cost_of_waiting(servers, flows, questions, each=24):
    """CPU of an answer to questions that waited in the sockets while the servers were stopped."""
    for server in servers:
        stop(server)
    for flow in flows * each:
        flow.send(next(questions))
    before = sum(cpu_seconds(server) for server in servers)
    for server in servers:
        server.process.send_signal(signal.SIGCONT)
    time.sleep(0.005)  # they have done by then, and we are not in their way
    for flow in flows * each:
        flow.recv(4096)
    return (sum(cpu_seconds(server) for server in servers) - before) / (len(flows) * each) * 1e6


def threads_section(stage):
    """
    Generators on the same two cores would decide how often a thread sleeps. So the questions wait before the threads do, and
    two servers of one thread stand beside: two cores may be two threads of one, on which nothing runs twice as fast.
    """
    subjects = make_subjects(FEWER)
    packets = packets_of(subjects)
    one, two, other = (warm(start_tallyd(stage, make_zones(subjects)[0], threads=threads), packets) for threads in (1, 2, 1))
    for server in (one, two, other):
        pin(server.pid, SERVER_CPU, GENERATOR_CPU)
    questions = itertools.cycle(flood.question(n & 0xFFFF, reversed_name(subject, "bl.example"), "A") for n, subject in enumerate(subjects))
    cases = {"one thread": [one], "two threads": [two], "two servers of one thread": [one, other]}
    flows = {name: open_flows(servers, 8 if servers == [one] else 16) for name, servers in cases.items()}
    costs = {name: [] for name in cases}
    for _ in range(TURNS):
        for name, servers in cases.items():
            costs[name].append(cost_of_waiting(servers, flows[name], questions))
    print(f"  listener threads on two cores: CPU of an answer in us, median of {TURNS} turns, and how many times as many answers as of one")
    alone = statistics.median(costs["one thread"])
    for name, values in costs.items():
        cores = 1 if name == "one thread" else 2
        print(f"    {name:28} {statistics.median(values):6.2f} {cores * alone / statistics.median(values):6.2f}", flush=True)


SECTIONS = {
    "warm": warm_section,
    "latency": latency_section,
    "exceptions": exceptions_section,
    "lists": lists_section,
    "names": names_section,
    "threads": threads_section,
    "cold": cold.cold_section,
    "recursion": cold.recursion_section,
    "dead": cold.dead_section,
    "memory": cache.memory_section,
    "restart": cache.restart_section,
}


def main():
    unknown = set(sys.argv[1:]) - set(SECTIONS)
    if unknown:
        sys.exit(f"bench: no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for name in sys.argv[1:] or SECTIONS:
        print(name, flush=True)
        with tempfile.TemporaryDirectory(prefix="tally-bench-") as directory:
            stage = Stage(Path(directory))
            try:
                SECTIONS[name](stage)
            finally:
                stage.close()
                stage.clear()


if __name__ == "__main__":
    main()
