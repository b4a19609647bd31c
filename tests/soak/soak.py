#!/usr/bin/python3
"""soak - mixed load for minutes, while lists fail and come back, the configuration is reloaded and exceptions change.

`make soak MINUTES=60`, or soak.py [MINUTES [QUESTIONS PER SECOND]]. Every answer is compared with an oracle: what the lists
that never fail say must be in it, what no list says must not, and an exception counts once tallyctl has ended. Every
question is answered by the deadline, from our send() to the packet that the kernel took in; the time for which threads of
tallyd were ready and the machine ran others is not held against it. At the end no descriptor is open that was not at the
start, and memory is in the last third what it was before, but for what more questions at once than before take.
"""
import collections
import hashlib
import os
import random
import selectors
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
sys.dont_write_bytecode = True

import dns.message

import upstream as up
from harness import Stage, reversed_name, wait_until
from programs import Rbldnsd, Tallyd, served_by
from tallyctl import Tallyctl

ZONE = "soak.example"
STABLE, SHAKY = ["a.example", "b.example"], ["c.example", "d.example", "e.example"]
THRESHOLD, DEADLINE, GRACE, LOST = 2, 1.0, 0.7, 3.0
EACH = 16  # KiB for each descriptor that a question to a list takes, with what libunbound wants for it
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # Python has no names for them
SUBJECTS = [f"198.51.{i}.{j}" for i in range(40) for j in range(1, 101)]
EXCEPTED = [f"203.0.113.{j}" for j in range(1, 101)]


def truth(name, subject):
    """Does this list have this subject? Fixed for ever, three in ten."""
    return hashlib.sha256(f"{name} {subject}".encode()).digest()[0] < 77


def honest(name):
    def behave(asked):
        labels = [label.decode() for label in asked.name.labels]
        return (up.listed("127.0.0.2", ttl=3) if truth(name, ".".join(reversed(labels[:4]))) else up.nxdomain(ttl=3))(asked)

    return behave


def faults(name):
    """What may befall a list. None of it says that it lists what it does not."""
    return [
        honest(name), honest(name), up.slow(0.3, honest(name)), up.slow(3, honest(name)), up.silent(), up.servfail(),
        up.refused(), up.garbage(), up.listed("127.255.255.254"), up.raw_addresses(b"\x7f"), up.wrong_question(),
        up.truncated(honest(name)), up.truncated(up.closing()), up.wrong_id(honest(name)),
    ]  # fmt: skip


class Waits:
    """How long the threads of a process have been ready to run while others ran: in all, and since a moment."""

    def __init__(self, pid):
        self.pid = pid
        self.noted = collections.deque(maxlen=200)  # (when, seconds in all), ten a second
        self.note()

    def in_all(self):
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e9

    def note(self):
        if not self.noted or time.monotonic() > self.noted[-1][0] + 0.1:
            self.noted.append((time.monotonic(), self.in_all()))

    def since(self, when):
        before = [seconds for at, seconds in self.noted if at <= when] or [self.noted[0][1]]
        return self.in_all() - before[-1]


class Soak:
    def __init__(self, stage, minutes, rate):
        self.rng = random.Random(7)
        self.end = time.monotonic() + minutes * 60
        self.rate = rate
        self.lists = stage.add(up.Upstream({name: honest(name) for name in SHAKY}))
        lines = {name: [s for s in SUBJECTS + EXCEPTED if truth(name, s)] for name in STABLE}
        steady = Rbldnsd(stage, {name: {"ip4set": lines[name]} for name in STABLE}, ttl=3, negative_ttl=3)
        options = {"min-ttl": 1, "timeout-ms": 700, "test": False}
        sections = {**served_by(steady, *STABLE, **options), **served_by(self.lists, *SHAKY, **options)}
        zones = {ZONE: {"sites": STABLE + SHAKY, "threshold": THRESHOLD, "max-ttl": 3, "negative-ttl": 3}}
        self.tallyd = Tallyd(stage, zones, sections, deadline_ms=int(DEADLINE * 1000), max_stale=0)
        self.ctl = Tallyctl(self.tallyd)
        self.excepted = {}  # subject: the verdict that must come, or None while it changes
        self.waits = Waits(self.tallyd.pid)
        self.under_way = {}  # the id of a question: subject, what must come, when it was sent
        self.slowest = 0
        self.at_rest = self.descriptors() + 1  # the book of cases is opened for the first
        self.samples = []  # (when, resident KiB, descriptors), ten a second
        self.lock = threading.Lock()
        self.wrong = []
        self.counts = collections.Counter()

    # what goes on beside the questions

    def disturb(self):
        reload_at = time.monotonic() + 10
        while time.monotonic() < self.end and not self.wrong:
            name = self.rng.choice(SHAKY)
            self.lists.behave(name, self.rng.choice(faults(name)))
            self.except_one()
            if time.monotonic() > reload_at:
                self.ctl("reload")
                self.counts["reloads"] += 1
                reload_at += 10
            time.sleep(0.3)

    def except_one(self):
        subject = self.rng.choice(EXCEPTED)
        word = self.rng.choice(["allow", "block"])
        with self.lock:
            self.excepted[subject] = None
        time.sleep(DEADLINE)  # questions under way may get either
        self.ctl(word, subject)
        with self.lock:
            self.excepted[subject] = word == "block"
        self.counts["exceptions"] += 1

    def run_disturbances(self):
        try:
            self.disturb()
        except BaseException as failure:
            self.wrong.append(f"beside the questions: {failure!r}")

    # the oracle

    def expected(self, subject):
        """True: it must be listed; False: it must not; None: either."""
        with self.lock:
            if subject in self.excepted:
                return self.excepted[subject]
        if sum(truth(name, subject) for name in STABLE) >= THRESHOLD:
            return True
        return None if sum(truth(name, subject) for name in STABLE + SHAKY) >= THRESHOLD else False

    def late(self, since, until, bound):
        """Has tallyd taken longer than this? Not if it would have been in time on a machine of its own."""
        return until - since > bound and until - since - self.waits.since(since) > bound

    def check(self, subject, before, reply, sent, taken):
        self.counts["answers"] += 1
        self.slowest = max(self.slowest, taken - sent)
        self.counts["late"] += taken - sent > DEADLINE + GRACE
        if self.late(sent, taken, DEADLINE + GRACE):
            self.wrong.append(f"{subject}: answered after {taken - sent:.2f} s")
        rcode, answers = reply[3] & 15, struct.unpack("!H", reply[6:8])[0]
        listed = rcode == 0 and answers == 1
        if not listed and rcode != 3:
            self.wrong.append(f"{subject}: rcode {rcode}, {answers} answers")
        after = self.expected(subject)
        if before is not None and before == after and listed != after:
            self.wrong.append(f"{subject}: {'listed' if listed else 'clear'}, and it is not")
        self.counts["listed" if listed else "clear"] += 1

    # the load

    def ask(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        sock.connect((self.tallyd.address, self.tallyd.port))
        sock.setblocking(False)
        selector = selectors.DefaultSelector()
        selector.register(sock, selectors.EVENT_READ)
        began = time.monotonic()
        sent = 0
        while not self.wrong and (time.monotonic() < self.end or self.under_way):
            while time.monotonic() < self.end and sent < (time.monotonic() - began) * self.rate:
                self.send(sock, sent % 65536)
                sent += 1
            if selector.select(0.002):
                self.take(sock)
            for subject, _, at in list(self.under_way.values()):
                if self.late(at, time.monotonic(), LOST):
                    self.wrong.append(f"{subject}: no answer")
            self.waits.note()
            self.sample()
        sock.close()

    def send(self, sock, ident):
        subject = self.rng.choice(EXCEPTED if self.rng.random() < 0.1 else SUBJECTS)
        message = dns.message.make_query(reversed_name(subject, ZONE), "A", id=ident)
        expected = self.expected(subject)
        sock.send(message.to_wire())
        self.under_way[ident] = (subject, expected, time.monotonic())

    def take(self, sock):
        try:
            while True:
                reply, (stamp,), _, _ = sock.recvmsg(4096, 64)
                subject, before, sent = self.under_way.pop(struct.unpack("!H", reply[:2])[0])
                seconds, nanoseconds = struct.unpack("@ll", stamp[2])
                taken = time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)
                self.check(subject, before, reply, sent, taken)
        except BlockingIOError:
            pass

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.tallyd.pid}/fd"))

    def sample(self):
        if self.samples and time.monotonic() - self.samples[-1][0] < 0.1:
            return
        status = Path(f"/proc/{self.tallyd.pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0])
        self.samples.append((time.monotonic(), resident, self.descriptors()))

    def growth(self):
        """Memory (KiB) and descriptors at most, until the last third and in it."""
        third = len(self.samples) // 3
        before, last = self.samples[: 2 * third], self.samples[2 * third :]
        return [(max(s[i] for s in before), max(s[i] for s in last)) for i in (1, 2)]

    def rest(self):
        """All lists are well: descriptors go back to what they were."""
        for name in SHAKY:
            self.lists.behave(name, honest(name))
        try:
            wait_until(lambda: self.descriptors() <= self.at_rest, "rest", 20)
        except AssertionError:
            self.wrong.append(f"descriptors stay: {self.at_rest} at the start, {self.descriptors()} at rest")

    def run(self):
        beside = threading.Thread(target=self.run_disturbances)
        beside.start()
        try:
            self.ask()
        finally:
            beside.join()
        memory, descriptors = self.growth() if len(self.samples) > 5 else ((0, 0), (0, 0))
        if memory[1] > memory[0] + 2048 + EACH * max(0, descriptors[1] - descriptors[0]):
            self.wrong.append(f"memory grew: {memory} KiB")
        self.rest()
        print(f"soak: {dict(self.counts)}, slowest {self.slowest:.2f} s, memory {memory} KiB, descriptors {descriptors}, {self.descriptors()} at rest")
        for what in self.wrong[:10]:
            print(f"soak: WRONG {what}")
        return not self.wrong


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 2
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory(prefix="tally-soak-") as directory:
        stage = Stage(Path(directory))
        try:
            good = Soak(stage, minutes, rate).run()
            if not good:
                print(stage.logs()[-4000:])
        finally:
            stage.close()
            stage.clear()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
