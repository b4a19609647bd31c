#!/usr/bin/python3
"""instructions - user-space instructions for each warm answer, by callgrind: `make bench-instructions`, or instructions.py [CASE ...].

Free of the machine's noise: each server answers N and then 2N questions from its cache under valgrind, in batches of 32,
and the difference over N is what an answer costs, the loop and the batch's share of its system calls included. The peers
are asked the same subjects beside it. Needs valgrind and rbldnsd; takes some minutes.
"""
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
sys.dont_write_bytecode = True

import flood
from harness import Program, Stage, fresh_address, fresh_port, reversed_name
from programs import Rbldnsd, Tallyd, answers, served_by
from tallyctl import Tallyctl

BATCH, WARM, MORE = 32, 60, 60  # batches


class Counted:
    """A program under callgrind."""

    def __init__(self, stage, argv, name, user=None):
        stage.open.chmod(0o777)  # rbldnsd writes as the user that it becomes
        self.out = stage.open / f"{name}.callgrind"
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        self.argv = [*become, "valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.out}", *map(str, argv)]

    def instructions(self):
        text = self.out.read_text()
        return int(re.findall(r"^(?:totals|summary): (\d+)", text, re.M)[-1])


def ask_batches(server, questions, batches):
    """`batches` times BATCH questions, the next batch when all of the last are answered."""
    packets = [flood.question(i & 0xFFFF, name, kind) for i, (name, kind) in enumerate(questions)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((server.address, server.port))
        sock.settimeout(30)
        at = 0
        for _ in range(batches):
            for _ in range(BATCH):
                sock.send(packets[at % len(packets)])
                at += 1
            for _ in range(BATCH):
                assert sock.recv(4096)[3] & 15 in (0, 3)


def count(start, questions):
    """Instructions an answer of a server: start(batches) runs it to its end after warming up, and returns its total."""
    few, many = start(WARM), start(WARM + MORE)
    return (many - few) / (MORE * BATCH)


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

    def start(batches):
        counted = Counted(stage, [], stage.name("counted"))
        tallyd = Tallyd(
            stage,
            {zone: {"sites": [name + "*2" for name in zones], "threshold": 4}},
            served_by(upstream, *zones, test=False, **{"min-ttl": 86400}),
            wait=False,
            cache_mib=16,
            deadline_ms=60000,
            wrap=counted.argv,
        )
        tallyd.wait_ready(tallyd.is_up, 60)
        if exceptions:
            lines = "".join(f"100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}\n" for i in range(exceptions))
            Tallyctl(tallyd)("import", "--format", "plain", "-", text=lines)
        ask_batches(tallyd, questions, 16)  # cold
        time.sleep(1)
        ask_batches(tallyd, questions, batches)
        tallyd.stop()
        return counted.instructions()

    return count(start, questions)


def rbldnsd_case(stage):
    subjects, zones = subjects_and_lists(8, random.Random(1))
    merged = sorted({s for sets in zones.values() for s in sets["ip4set"]})
    questions = [(reversed_name(s, "bl.example"), "A") for s in subjects[: BATCH * 8]]
    directory = stage.open / "merged"
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "bl").write_text("$SOA 60 ns.bl.example. h.bl.example. 1 3600 600 86400 60\n$TTL 60\n" + "\n".join(merged) + "\n")

    def start(batches):
        address = fresh_address()
        port = fresh_port(address)
        name = stage.name("rbldnsd")
        argv = ["/usr/sbin/rbldnsd", "-n", "-c", "0", "-b", f"{address}/{port}", "-w", directory, "bl.example:ip4set:bl"]
        counted = Counted(stage, argv, name, user="rbldns")
        server = stage.add(Program(name, counted.argv, stage.directory))
        server.address, server.port = address, port
        server.wait_ready(lambda: answers(address, port, "bl.example", "SOA"), 60)
        ask_batches(server, questions, batches)
        server.stop()
        return counted.instructions()

    return count(start, questions)


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
                stage.clear()


if __name__ == "__main__":
    main()
