"""What the benches share: subjects, questions, a generator, and CPU time.

Every figure is of one run on one machine; the ratios are what to compare. The server has one core, the generator (blast.c)
the other; servers take turns, round by round, so that a busy machine is busy for all. Counted is the time that the server's
threads were on a CPU, user and system, from /proc/PID/task.
"""
import os
import random
import signal
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
sys.dont_write_bytecode = True

import flood
from harness import BUILD, reversed_name, wait_until

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
SECONDS = int(os.environ.get("BENCH_SECONDS", 2))
SUBJECTS = int(os.environ.get("BENCH_SUBJECTS", 100_000))
FEWER, LISTS = min(SUBJECTS, 10_000), 8
WINDOW, TURNS, LONE_TURNS = 128, 100 * ROUNDS, 1000 * ROUNDS
DAY = 86400
KEPT, KEPT_MIB = int(os.environ.get("BENCH_KEPT", 10_000_000)), 1024
SERVER_CPU, GENERATOR_CPU = 1, 0


def cpu_seconds(server):
    """The CPU time of all its threads since their start."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks)


def pin(pid, *cpus):
    cpus = ",".join(str(cpu) for cpu in cpus)
    subprocess.run(["taskset", "-a", "-p", "-c", cpus, str(pid)], check=True, capture_output=True)


def resident_mib(server):
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def stop(server):
    server.process.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{server.pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the server has stopped")


def packets_of(subjects, kind="A", zone="bl.example"):
    """What blast reads: each question with its length before it."""
    made = (flood.question(n & 0xFFFF, reversed_name(subject, zone), kind) for n, subject in enumerate(subjects))
    return b"".join(bytes([len(packet)]) + packet for packet in made)


def blast(server, packets, seconds=SECONDS, window=WINDOW, spin=False):
    """`spin`: the generator never sleeps, so that no server has to wake it."""
    argv = ["taskset", "-c", GENERATOR_CPU, BUILD / "tests/bench/blast", server.address, server.port, seconds, window]
    argv += ["spin"] if spin else []
    words = subprocess.run([str(word) for word in argv], input=packets, check=True, stdout=subprocess.PIPE).stdout.decode().split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


def take_turns(servers, packets):
    """For each turn, the mean time in us that a lone question took, of each server (turns.c)."""
    argv = ["taskset", "-c", str(GENERATOR_CPU), str(BUILD / "tests/bench/turns"), str(LONE_TURNS), "40"]
    for server in servers:
        argv += [server.address, str(server.port)]
    run = subprocess.run(argv, input=packets, check=True, stdout=subprocess.PIPE)
    return [[float(word) for word in line.split()] for line in run.stdout.decode().splitlines()]


def cost(server, packets):
    """CPU microseconds of one answer."""
    before = cpu_seconds(server)
    run = blast(server, packets, spin=True)
    assert run["lost"] * 1000 <= run["answered"], f"{server.name} lost {run['lost']:.0f} of {run['answered']:.0f} answers"
    return (cpu_seconds(server) - before) / run["answered"] * 1e6


def compare(cases, floor):
    """cases: {name: function that gives a cost in us}; in turns. Prints ratios to `floor`, the least and the median first. The medians."""
    costs = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, cost_of in cases.items():
            costs[name].append(cost_of())
    print(f"    {'':28} {'least':>6} {'median':>6}   us least")
    middle = {}
    for name, values in costs.items():
        least = min(values) / min(costs[floor])
        middle[name] = statistics.median(one / other for one, other in zip(values, costs[floor]))
        print(f"    {name:28} {least:6.2f} {middle[name]:6.2f}   {min(values):6.2f}", flush=True)
    return middle


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
