#!/usr/bin/python3
"""bench - what answers of tallyd cost, beside its peers and the floor of the kernel: `make bench`, or bench.py [SECTION ...].

Every figure is of one run on one machine; the ratios are what to compare. The server has one core, the generator (blast.c)
the other; servers take turns, round by round, so that a busy machine is busy for all. Counted is the server's CPU time for
each answer, user and system, from /proc/PID/stat. The floor is echo.c: it receives, flips a bit and sends, in batches.
Sections: warm, latency, exceptions, lists, names, threads, cold, dead. BENCH_ROUNDS (5), BENCH_SECONDS (2) of each and
BENCH_SUBJECTS (100000, in all but the first 10000 at most) may be set. Needs what `contrib/needs bench` installs.
"""
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
sys.dont_write_bytecode = True

import delayed
import flood
from harness import BUILD, Program, Stage, fresh_address, fresh_port, reversed_name, wait_until
from programs import Rbldnsd, Tallyd, Unbound, answers, served_by
from tallyctl import Tallyctl

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
SECONDS = int(os.environ.get("BENCH_SECONDS", 2))
SUBJECTS = int(os.environ.get("BENCH_SUBJECTS", 100_000))
FEWER, LISTS = min(SUBJECTS, 10_000), 8
WINDOW = 128
DAY = 86400
TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CPU, GENERATOR_CPU = 1, 0


def cpu_seconds(server):
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pin(pid, cpu):
    subprocess.run(["taskset", "-a", "-p", "-c", str(cpu), str(pid)], check=True, capture_output=True)


def resident_mib(server):
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def packets_of(subjects, kind="A", zone="bl.example"):
    """What blast reads: each question with its length before it."""
    made = (flood.question(n & 0xFFFF, reversed_name(subject, zone), kind) for n, subject in enumerate(subjects))
    return b"".join(bytes([len(packet)]) + packet for packet in made)


def blast(server, packets, seconds=SECONDS, window=WINDOW):
    argv = ["taskset", "-c", str(GENERATOR_CPU), BUILD / "tests/bench/blast", server.address, server.port, seconds, window]
    done = subprocess.run([str(word) for word in argv], input=packets, capture_output=True, check=True)
    words = done.stdout.decode().split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


def cost(server, packets):
    """CPU microseconds of one answer."""
    before = cpu_seconds(server)
    run = blast(server, packets)
    assert run["lost"] * 1000 <= run["answered"], f"{server.name} lost {run['lost']:.0f} of {run['answered']:.0f} answers"
    return (cpu_seconds(server) - before) / run["answered"] * 1e6


def compare(cases, floor):
    """cases: {name: (server, packets)}; in turns. Prints ratios to `floor`, the least and the median first."""
    costs = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (server, packets) in cases.items():
            costs[name].append(cost(server, packets))
    print(f"    {'':28} {'least':>6} {'median':>6}   us least")
    for name, values in costs.items():
        least = min(values) / min(costs[floor])
        middle = statistics.median(one / other for one, other in zip(values, costs[floor]))
        print(f"    {name:28} {least:6.2f} {middle:6.2f}   {min(values):6.2f}", flush=True)


def make_subjects(count, ipv6=False):
    rng = random.Random(count)

    def subject():
        if ipv6:
            return "2a0d:" + ":".join(f"{rng.randrange(65536):x}" for _ in range(7))
        return f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"

    subjects = sorted({subject() for _ in range(count)})
    rng.shuffle(subjects)
    return subjects


def make_zones(subjects, lists=LISTS, ipv6=False):
    """Three in ten subjects are on half of the lists; and all that are listed."""
    listed = [subject for n, subject in enumerate(subjects) if n % 10 < 3]
    kind = "ip6trie" if ipv6 else "ip4set"
    zones = {f"l{i}.example": {kind: sorted(s for n, s in enumerate(listed) if (n + i) % 2 == 0)} for i in range(lists)}
    return zones, listed


def start_tallyd(stage, zones, zone="bl.example", **options):
    upstream = Rbldnsd(stage, zones, ttl=DAY, negative_ttl=DAY)
    pin(upstream.pid, GENERATOR_CPU)
    sites = [name + "*2" for name in zones]
    lists = served_by(upstream, *zones, family=["ipv4", "ipv6"], **{"min-ttl": DAY})
    tallyd = Tallyd(stage, {zone: {"sites": sites, "threshold": 4}}, lists, **{"cache_mib": 32, **options})
    pin(tallyd.pid, SERVER_CPU)
    return tallyd


def warm(tallyd, packets):
    """Ask until no question of a whole round goes upstream."""
    ctl = Tallyctl(tallyd)

    def upstream():
        return ctl.json("stats")["upstream"]

    def is_warm():
        before = upstream()["asked"]
        blast(tallyd, packets, seconds=0, window=64)
        wait_until(lambda: upstream()["in_flight"] == 0, "all lists have answered", 60)
        return upstream()["asked"] == before

    wait_until(is_warm, "the cache is warm", 600)
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
        compare({name: (server, asked) for name, server in servers.items()}, "echo")
    print("  memory: " + ", ".join(f"{name} {resident_mib(server):.0f} MiB" for name, server in servers.items()))
    return servers, packets["A"]


def latency_section(stage):
    subjects = make_subjects(FEWER)
    zones, listed = make_zones(subjects)
    packets = packets_of(subjects)
    tallyd, rbldnsd, echo = warm(start_tallyd(stage, zones), packets), start_rbldnsd(stage, listed), start_echo(stage)
    print("  one question at a time: latency in us, median and 90th percentile, median of the rounds")
    runs = {"echo": [], "tallyd": [], "rbldnsd": []}
    for _ in range(ROUNDS):
        for name, server in (("echo", echo), ("tallyd", tallyd), ("rbldnsd", rbldnsd)):
            runs[name].append(blast(server, packets, window=1))
    for name, values in runs.items():
        print(f"    {name:28} {statistics.median(v['p50'] for v in values):6.0f} {statistics.median(v['p90'] for v in values):6.0f}")


def beside_plain(stage, title, name, other):
    """One more tallyd beside a plain one; other: (server, packets)."""
    subjects = make_subjects(FEWER)
    packets = packets_of(subjects)
    plain = warm(start_tallyd(stage, make_zones(subjects)[0]), packets)
    print(f"  {title}: CPU of an answer, the plain case being 1")
    compare({"plain": (plain, packets), name: other}, "plain")


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


def threads_section(stage):
    """With one generator on two cores the servers can't be kept busy: what an answer costs tells whether they wait for one another."""
    subjects = make_subjects(FEWER)
    packets = packets_of(subjects)
    two = warm(start_tallyd(stage, make_zones(subjects)[0], threads=2), packets)
    subprocess.run(["taskset", "-a", "-p", "-c", "0,1", str(two.pid)], check=True, capture_output=True)
    beside_plain(stage, "two listener threads on both cores, the generator on one of them", "two threads", (two, packets))


def percentiles(values, unit=1000):
    """Median and 99th percentile, in ms."""
    ordered = sorted(values)
    return f"median {ordered[len(ordered) // 2] * unit:.2f} ms, 99th percentile {ordered[len(ordered) * 99 // 100] * unit:.2f} ms"


DELAYS = [20, 45, 70, 95, 120, 145, 170, 200]
RATE = 50  # subjects a second


def cold_tallyd(stage, lists, extra=(), **section):
    """extra: (list, weight) beside those that weigh 2."""
    sites = [f"{one.name}*{delayed.WEIGHT}" for one in lists.list[: len(DELAYS)]] + [f"{one.name}*{w}" for one, w in extra]
    described = {one.name: {"server": [one.server]} for one in lists.list}
    tallyd = Tallyd(stage, {"bl.example": {"sites": sites, "threshold": delayed.THRESHOLD, **section}}, described)
    pin(tallyd.pid, SERVER_CPU)
    return tallyd


def ask_cold(lists, tallyd, subjects):
    """Of each subject: seconds to the verdict, the same of the ideal, and the difference."""
    took = lists.ask(tallyd, subjects, lambda subject: [reversed_name(subject, "bl.example")], RATE)
    ideal = [delayed.decided(lists.replies[subject], len(DELAYS)) for subject in subjects]
    return [(end - begin, best - begin, end - best) for (begin, end), best in zip(took, ideal)]


def cold_section(stage):
    lists = delayed.Lists(DELAYS)
    tallyd = cold_tallyd(stage, lists)
    subjects = make_subjects(2000)
    ask_cold(lists, tallyd, subjects[:50])
    lists.packets, before = 0, cpu_seconds(tallyd)
    times = ask_cold(lists, tallyd, subjects[50:1050])
    spent = cpu_seconds(tallyd) - before
    print(f"  1000 subjects, lists of {DELAYS} ms, {RATE} subjects a second")
    print(f"    to the verdict               {percentiles([total for total, _, _ in times])}")
    print(f"    the ideal                    {percentiles([ideal for _, ideal, _ in times])}")
    print(f"    from the deciding answer on  {percentiles([late for _, _, late in times])}")
    time.sleep(0.5)
    print(f"    packets to lists for each subject {lists.packets / 1000:.3f}")
    print(f"    CPU for each subject {spent * 1000:.0f} us", end="")
    unbound = Unbound(stage, {one.name: one.server for one in lists.list}, ["num-threads: 1", "qname-minimisation: no"])
    pin(unbound.pid, SERVER_CPU)

    def names(subject):
        return [reversed_name(subject, one.name) for one in lists.list]

    lists.ask(unbound, subjects[:50], names, RATE)
    lists.packets, before = 0, cpu_seconds(unbound)
    lists.ask(unbound, subjects[1050:2000], names, RATE)
    other = (cpu_seconds(unbound) - before) / 950
    print(f"; unbound, asked the same 8 names, {other * 1e6:.0f} us and {lists.packets / 950:.3f} packets: ratio {spent / 1000 / other:.2f}")
    lists.close()


def dead_section(stage):
    lists = delayed.Lists([*DELAYS, None])
    dead = lists.list[-1]
    subjects = make_subjects(1500)
    plain = ask_cold(lists, cold_tallyd(stage, lists), subjects[:500])
    light = ask_cold(lists, cold_tallyd(stage, lists, [(dead, 1)]), subjects[500:1000])
    print(f"  lists of {DELAYS} ms and one that is dead: from the deciding answer of the others on")
    print(f"    without the dead one         {percentiles([late for _, _, late in plain])}")
    print(f"    with it, of weight 1         {percentiles([late for _, _, late in light])}")
    heavy = cold_tallyd(stage, lists, [(dead, delayed.THRESHOLD)])
    took = lists.ask(heavy, subjects[1000:], lambda subject: [reversed_name(subject, "bl.example")], RATE)
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


SECTIONS = {
    "warm": warm_section,
    "latency": latency_section,
    "exceptions": exceptions_section,
    "lists": lists_section,
    "names": names_section,
    "threads": threads_section,
    "cold": cold_section,
    "dead": dead_section,
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
