#!/usr/bin/python3
"""instructions - user-space instructions for each warm answer, by callgrind: `make bench-instructions`, or instructions.py [CASE ...].

Free of the machine's noise: a server under valgrind gets its questions in batches of 32, which wait in its socket while it
is stopped, and only what the thread that answers executes from then on is counted: the batch's share of the system calls
included, warming up left out. That nothing but the cache answered is held against tallyd's own counters. The peers are
asked the same subjects beside it. BENCH_FUNCTIONS=1 adds what each function costs. Needs valgrind and rbldnsd.
"""
import collections
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
sys.dont_write_bytecode = True

import flood
from harness import Program, Stage, fresh_address, fresh_port, reversed_name, wait_until
from measure import stop
from programs import Rbldnsd, Tallyd, answers, served_by
from tallyctl import Tallyctl

BATCH, BATCHES = 32, 64


class Counted:
    """A program under callgrind."""

    def __init__(self, stage, argv, name, user=None):
        stage.open.chmod(0o777)  # rbldnsd writes as the user that it becomes
        self.out = stage.open / f"{name}.callgrind"
        self.become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        self.argv = [*self.become, "valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={self.out}", *map(str, argv)]

    def count(self, server, questions):
        """Instructions for each of BATCHES * BATCH answers."""
        self.gdb(server, "zero")
        ask_batches(server, questions, stopped=True)
        self.gdb(server, "dump")
        dump = max(self.out.parent.glob(self.out.name + ".1-*"), key=executed)
        if os.environ.get("BENCH_FUNCTIONS"):
            show_functions(dump)
        return executed(dump) / (BATCHES * BATCH)

    def gdb(self, server, command):
        """As the same user: nobody else, root included, may open its pipe in /tmp (fs.protected_fifos)."""
        subprocess.run([*self.become, "vgdb", f"--pid={server.pid}", command], check=True, capture_output=True, timeout=60)


def executed(dump):
    """Instructions of one thread."""
    return int(next(line for line in dump.read_text().splitlines() if line.startswith(("totals:", "summary:"))).split()[1])


def show_functions(dump):
    """The dearest functions, in instructions for each answer, what they call left out."""
    names, costs, called = {}, collections.Counter(), False
    for line in dump.read_text().splitlines():
        if line.startswith(("fn=", "cfn=")):
            number, _, name = line.partition("=")[2].partition(" ")
            names.setdefault(number, name)
            here = number if line.startswith("fn=") else here
        elif line.startswith("calls="):
            called = True  # the next line has the cost of the call
        elif line[:1] in "0123456789+-*" and line:
            costs[here] += 0 if called else int(line.split()[1])
            called = False
    for number, cost in costs.most_common(40):
        print(f"    {cost / (BATCHES * BATCH):6.1f}  {names[number]}")


def ask_batches(server, questions, stopped=False, batches=BATCHES):
    """`batches` times BATCH questions, the next batch when all of the last are answered."""
    packets = [flood.question(i & 0xFFFF, name, kind) for i, (name, kind) in enumerate(questions)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((server.address, server.port))
        sock.settimeout(60)
        for batch in range(batches):
            if stopped:
                stop(server)
            for i in range(BATCH):
                sock.send(packets[(batch * BATCH + i) % len(packets)])
            if stopped:
                server.process.send_signal(signal.SIGCONT)
            for _ in range(BATCH):
                assert sock.recv(4096)[3] & 15 in (0, 3)


def warm_up(tallyd, questions, lists):
    """Ask until no question of a whole round goes upstream. A verdict that is certain early leaves lists out: not half of them."""
    ctl = Tallyctl(tallyd)

    def warm():
        stats = ctl.json("stats")
        before = stats["upstream"]["asked"], stats["cache"]["misses"]
        ask_batches(tallyd, questions, batches=len(questions) // BATCH)
        wait_until(lambda: ctl.json("stats")["upstream"]["in_flight"] == 0, "all lists have answered", 60)
        stats = ctl.json("stats")
        return (stats["upstream"]["asked"], stats["cache"]["misses"]) == before

    wait_until(warm, "the cache is warm", 300)
    assert ctl.json("stats")["upstream"]["answered"] >= len(questions) * lists / 2


def subjects_and_lists(lists, rng, ipv6=False):
    def subject():
        if ipv6:
            return "2a0d:" + ":".join(f"{rng.randrange(65536):x}" for _ in range(7))
        return ".".join(str(rng.randrange(11, 100)) for _ in range(4))

    subjects = sorted({subject() for _ in range(1000)})
    rng.shuffle(subjects)
    listed = [s for n, s in enumerate(subjects) if n % 10 < 3]
    kind = "ip6trie" if ipv6 else "ip4set"
    return subjects, {f"l{i}.example": {kind: sorted(s for n, s in enumerate(listed) if (n + i) % 2 == 0)} for i in range(lists)}


def tallyd_case(stage, lists=8, ipv6=False, kind="A", zone="bl.example", exceptions=0):
    subjects, zones = subjects_and_lists(lists, random.Random(1), ipv6)
    upstream = Rbldnsd(stage, zones, ttl=86400, negative_ttl=86400)
    questions = [(reversed_name(s, zone), kind) for s in subjects[: BATCH * 8]]
    counted = Counted(stage, [], stage.name("counted"))
    tallyd = Tallyd(
        stage,
        {zone: {"sites": [name + "*2" for name in zones], "threshold": 4}},
        served_by(upstream, *zones, test=False, family=["ipv4", "ipv6"], **{"min-ttl": 86400}),
        wait=False,
        cache_mib=16,
        deadline_ms=60000,
        wrap=counted.argv,
    )
    tallyd.wait_ready(tallyd.is_up, 60)
    ctl = Tallyctl(tallyd)
    if exceptions:
        lines = "".join(f"100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}\n" for i in range(exceptions))
        ctl("import", "--format", "plain", "-", text=lines, seconds=600)
    warm_up(tallyd, questions, lists)
    before = ctl.json("stats")
    cost = counted.count(tallyd, questions)
    after = ctl.json("stats")
    assert after["cache"]["hits"] - before["cache"]["hits"] == BATCHES * BATCH
    assert after["cache"]["misses"] == before["cache"]["misses"] and after["upstream"] == {
        **before["upstream"],
        "saved": after["upstream"]["saved"],
    }
    return cost


def rbldnsd_case(stage):
    subjects, zones = subjects_and_lists(8, random.Random(1))
    merged = sorted({s for sets in zones.values() for s in sets["ip4set"]})
    questions = [(reversed_name(s, "bl.example"), "A") for s in subjects[: BATCH * 8]]
    directory = stage.open / "merged"
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "bl").write_text("$SOA 60 ns.bl.example. h.bl.example. 1 3600 600 86400 60\n$TTL 60\n" + "\n".join(merged) + "\n")
    address = fresh_address()
    port = fresh_port(address)
    name = stage.name("rbldnsd")
    argv = ["/usr/sbin/rbldnsd", "-n", "-c", "0", "-b", f"{address}/{port}", "-w", directory, "bl.example:ip4set:bl"]
    counted = Counted(stage, argv, name, user="rbldns")
    server = stage.add(Program(name, counted.argv, stage.directory))
    server.address, server.port = address, port
    server.wait_ready(lambda: answers(address, port, "bl.example", "SOA"), 60)
    ask_batches(server, questions)
    return counted.count(server, questions)


CASES = {
    "tallyd, 8 lists": tallyd_case,
    "rbldnsd, one zone of the same subjects": rbldnsd_case,
    "tallyd, 64 lists": lambda stage: tallyd_case(stage, lists=64),
    "tallyd, 8 lists, TXT": lambda stage: tallyd_case(stage, kind="TXT"),
    "tallyd, 8 lists, IPv6": lambda stage: tallyd_case(stage, ipv6=True),
    "tallyd, 8 lists, a long zone name": lambda stage: tallyd_case(stage, zone="a-zone-of-a-long-name.dnsbl.mail.example"),
    "tallyd, 8 lists, 100,000 exceptions": lambda stage: tallyd_case(stage, exceptions=100_000),
}


def main():
    wanted = sys.argv[1:]
    for name, case in CASES.items():
        if wanted and not any(word in name for word in wanted):
            continue
        with tempfile.TemporaryDirectory() as directory:
            stage = Stage(Path(directory))
            try:
                print(f"{case(stage):8.0f}  {name}", flush=True)
            finally:
                stage.close()
                stage.clear()


if __name__ == "__main__":
    main()
