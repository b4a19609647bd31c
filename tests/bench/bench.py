#!/usr/bin/python3
"""bench - what an answer of tallyd costs, beside rbldnsd in the same run: `make bench`, or bench.py [ROUNDS [SECONDS]].

dnsperf asks both in turn, round by round, so that a busy machine is busy for both. The lists are eight rbldnsd zones with
10,000 subjects of which three in ten are listed; tallyd's cache is warm, the rbldnsd beside it has the same subjects in one
zone. Counted is the server's CPU time per answered question, user and system, from /proc/PID/stat; the ratio is the figure
to compare between machines, the microseconds are not. Needs dnsperf and rbldnsd; takes about a minute.
"""
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
sys.dont_write_bytecode = True

from harness import Stage, reversed_name, wait_until
from programs import Rbldnsd, Tallyd, served_by

SUBJECTS, LISTS, LISTED = 10_000, 8, 0.3
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


def dnsperf(server, questions, seconds=None):
    """One run; how many questions were answered, and the rest of dnsperf's figures."""
    limit = ["-n", "1"] if seconds is None else ["-l", str(seconds)]
    argv = ["dnsperf", "-s", server.address, "-p", str(server.port), "-d", str(questions), "-c", "8", "-q", "100", *limit]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    completed = int(re.search(r"Queries completed:\s+(\d+)", out)[1])
    lost = int(re.search(r"Queries lost:\s+(\d+)", out)[1])
    rate = float(re.search(r"Queries per second:\s+([\d.]+)", out)[1])
    latency = re.search(r"Average Latency \(s\):\s+([\d.]+)", out)
    codes = re.search(r"Response codes:\s+(.*)", out)[1].strip()
    return {"completed": completed, "lost": lost, "rate": rate, "latency": float(latency[1]) if latency else 0, "codes": codes}


def prepare(stage):
    """Both servers with the same subjects, the questions of each, and a warm cache."""
    rng = random.Random(1)
    subjects = [f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(SUBJECTS)]
    listed = subjects[: int(SUBJECTS * LISTED)]
    zones = {}
    for i in range(LISTS):
        # a listed subject is on four of the lists, some of the others are on one
        here = [s for n, s in enumerate(listed) if (n + i) % 2 == 0] + rng.sample(subjects, SUBJECTS // 50)
        zones[f"l{i}.example"] = {"ip4set": sorted(set(here))}
    upstream = Rbldnsd(stage, zones, ttl=86400, negative_ttl=86400)
    beside = Rbldnsd(stage, {"bl.example": {"ip4set": listed}}, ttl=60)
    zone = {"sites": [f"{name}*2" for name in zones], "threshold": 8}
    tallyd = Tallyd(stage, {"bl.example": zone}, served_by(upstream, *zones, **{"min-ttl": 3600}), cache_mib=64)
    rng.shuffle(subjects)
    questions = stage.directory / "questions"
    questions.write_text("".join(reversed_name(subject, "bl.example") + " A\n" for subject in subjects))
    for what in ("cold", "again", "warm"):
        before = cpu_seconds(tallyd.pid)
        run = dnsperf(tallyd, questions)
        wait_until(lambda: quiet(tallyd, upstream), "the lists have answered", 30)
        cost = (cpu_seconds(tallyd.pid) - before) / run["completed"] * 1e6
        print(f"{what:5} {cost:6.1f} us/answer  {run['rate']:9.0f} answers/s  lost {run['lost']}  {run['codes']}", flush=True)
        time.sleep(6 if what == "cold" else 0)  # failures of a flooded list are forgotten by then
    return tallyd, beside, questions


def quiet(*programs):
    """Is nobody working any more?"""
    before = [cpu_seconds(program.pid) for program in programs]
    time.sleep(0.3)
    return before == [cpu_seconds(program.pid) for program in programs]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as directory:
        stage = Stage(Path(directory))
        try:
            tallyd, beside, questions = prepare(stage)
            measure(rounds, seconds, {"tallyd": tallyd, "rbldnsd": beside}, questions)
        finally:
            stage.close()
            stage.clear()


def measure(rounds, seconds, servers, questions):
    costs = {name: [] for name in servers}
    for number in range(rounds):
        for name, server in servers.items():
            before = cpu_seconds(server.pid)
            run = dnsperf(server, questions, seconds)
            cost = (cpu_seconds(server.pid) - before) / run["completed"] * 1e6
            costs[name].append(cost)
            print(
                f"round {number + 1} {name:8} {cost:6.2f} us/answer  {run['rate']:9.0f} answers/s  "
                f"latency {run['latency'] * 1e6:5.0f} us  lost {run['lost']}  {run['codes']}",
                flush=True,
            )
    for name, server in servers.items():
        best, middle = min(costs[name]), sorted(costs[name])[rounds // 2]
        print(f"{name:8} least {best:.2f} median {middle:.2f} us CPU per answer, RSS {resident_mib(server.pid):.1f} MiB")
    least = {name: min(values) for name, values in costs.items()}
    pairs = sorted(one / other for one, other in zip(costs["tallyd"], costs["rbldnsd"]))
    print(f"ratio tallyd/rbldnsd: least {least['tallyd'] / least['rbldnsd']:.2f}, median of rounds {pairs[len(pairs) // 2]:.2f}")


if __name__ == "__main__":
    main()
