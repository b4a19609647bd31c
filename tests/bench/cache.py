"""What the cache holds and keeps.

Memory: the same 20,000 subjects at eight lists, asked of tallyd and, list by list, of a real unbound; what both grow by.
Restart: build/tests/bench/cache fills a cache with ten million subjects and leaves it as a stop of tallyd would; then a real
tallyd starts on it, whose lists answer nobody, and is asked until it gives an answer all the same; and about new subjects until
all is taken over. Ratios and CPU hold on a busy
machine, seconds do not: the load is told.
"""
import os
import random
import socket
import subprocess
import time

import dns.message

from measure import KEPT, KEPT_MIB, blast, packets_of, resident_mib

from harness import BUILD, reversed_name, wait_until
from programs import Rbldnsd, Tallyd, Unbound, served_by
from tallyctl import Tallyctl

NAMES = [f"l{i}.example" for i in range(8)]


def fill(server, *packets):
    """Ask all; how many MiB the server grew by."""
    before = resident_mib(server)
    for _ in range(3):  # what was lost in the first round is asked again
        for some in packets:
            blast(server, some, seconds=0, window=64)
    return resident_mib(server) - before


def memory_section(stage, subjects=20_000):
    rng = random.Random(1)
    asked = [f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(subjects)]
    zones = {name: {"ip4set": sorted(set(rng.sample(asked, subjects * 3 // 10)))} for name in NAMES}
    upstream = Rbldnsd(stage, zones, ttl=86400, negative_ttl=86400)
    zone = {"sites": [f"{name}*2" for name in NAMES], "threshold": 8}
    options = {"min-ttl": 3600, "timeout-ms": 15000}
    tallyd = Tallyd(stage, {"bl.example": zone}, served_by(upstream, *NAMES, **options), cache_mib=2, deadline_ms=20000)
    more = ["msg-cache-size: 512m", "rrset-cache-size: 512m", "num-threads: 1", "cache-max-negative-ttl: 86400", "qname-minimisation: no"]
    unbound = Unbound(stage, {name: upstream.server for name in NAMES}, more)
    fill(tallyd, packets_of(asked))
    wait_until(lambda: Tallyctl(tallyd).json("stats")["upstream"]["in_flight"] == 0, "the lists have answered", 60)
    cache = Tallyctl(tallyd).json("stats")["cache"]
    each = cache["bytes"] / cache["entries"]
    grown = fill(unbound, *(packets_of(asked, zone=name) for name in NAMES)) * 2**20 / subjects
    print(
        f"  a subject at 8 lists: tallyd {each:.0f} bytes ({cache['entries']} subjects, {cache['entries'] / cache['capacity']:.0%} "
        f"of the table), unbound {grown:.0f} bytes, {grown / each:.0f} times as much",
        flush=True,
    )


def subject_of(number):
    address = 0x10000000 | (number * 2654435761 & 0x0FFFFFFF)
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def knows_one(tallyd, subjects):
    """Ask about two hundred; does any answer come that is not SERVFAIL?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((tallyd.address, tallyd.port))
        sock.settimeout(0.05)
        try:
            for number in range(0, subjects, subjects // 200):
                sock.send(dns.message.make_query(reversed_name(subject_of(number), "bl.example"), "A").to_wire())
            while True:
                if dns.message.from_wire(sock.recv(4096)).rcode() in (0, 3):
                    return True
        except OSError:
            return False


def wait_of_new(tallyd, number):
    """Seconds until there is an answer about a subject that nobody has asked about."""
    began = time.monotonic()
    assert tallyd.ask(f"11.0.{number // 250}.{number % 250 + 1}").rcode() == 2
    return time.monotonic() - began


def restart(stage, threads, subjects=KEPT, mib=KEPT_MIB):
    state = stage.directory / f"kept-{threads}"
    state.mkdir()
    argv = [BUILD / "tests/bench/cache", state, str(mib), str(subjects), str(threads)]
    print("  " + subprocess.run(argv, capture_output=True, text=True, check=True).stdout, end="", flush=True)
    # the lists fail at once: only what was kept can answer
    lists = {name: {"server": ["127.0.0.1@9"], "timeout-ms": 100} for name in NAMES}
    zone = {"sites": [f"{name}*2" for name in NAMES], "threshold": 4, "on-failure": "defer"}
    size = (state / "evidence").stat().st_size
    began = time.monotonic()
    tallyd = Tallyd(stage, {"bl.example": zone}, lists, state_dir=str(state), cache_mib=mib, threads=threads, wait=False)

    wait_until(lambda: knows_one(tallyd, subjects), "the first answer", 120)
    answered = time.monotonic() - began
    waits = []

    def taken_over():
        waits.append(wait_of_new(tallyd, len(waits)))
        return tallyd.log_lines("evidence taken over")

    wait_until(taken_over, "all is taken over", 600)
    whole = time.monotonic() - began
    load = os.getloadavg()[0]
    print(
        f"  tallyd, {threads} threads, {size / 2**20:.0f} MiB kept: first answer from it {answered:.2f} s after the start, "
        f"all of it back after {whole:.2f} s, new subjects meanwhile, of which the lists fail after 0.1 s, within {max(waits):.2f} s "
        f"(load of the machine {load:.1f})",
        flush=True,
    )
    tallyd.stop()


def restart_section(stage):
    for threads in (1, 2):
        restart(stage, threads)
