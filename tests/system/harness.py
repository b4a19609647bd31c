"""What every system test stands on: fresh addresses, programs that are stopped by their pid, a stage for each test."""
import ctypes
import ipaddress
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TALLY_BUILD", "build")
TALLYD = BUILD / "tallyd"
# a sanitizer keeps freed memory: how much a process uses says nothing then
SANITIZED = BUILD.name in ("build-asan", "build-tsan")

_counter = itertools.count(1)


def claim_block():
    """One of 1,024 blocks of 4,000 addresses, and the socket whose name tells other runs that it is taken while we live."""
    for n in range(1024):
        block = (os.getpid() + n) % 1024
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0tally tests, block {block}")
            return block, claim
        except OSError:
            claim.close()
    raise RuntimeError("all blocks of addresses are taken")


_block, _claim = claim_block()


def fresh_address():
    """A loopback address that no other test uses, of this run or of one beside it."""
    n = next(_counter)
    assert n < 4000
    return f"127.{64 + _block // 16}.{_block % 16 * 16 + n // 250}.{n % 250 + 2}"


def fresh_port(address):
    """A port above 1024 that is free on this address for UDP and TCP."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(100):
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family) as tcp:
            udp.bind((address, 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind((address, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port on {address}")


def wait_until(condition, what, seconds=15):
    """Poll until condition() is true; its last value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def reversed_name(subject, zone):
    """The name under which a DNS list is asked about an address."""
    pointer = ipaddress.ip_address(subject).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa") + "." + zone


def make(*words):
    """Run make in the tree; what a make above us wants of its own children is none of its business."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    argv = ["make", "-s", "-j2", *(str(word) for word in words)]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


class Program:
    """A child process with its output in files."""

    def __init__(self, name, argv, directory, env=None, pass_fds=()):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.out_path = directory / f"{name}.stdout"
        self.err_path = directory / f"{name}.stderr"
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                pass_fds=pass_fds,
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def stdout(self):
        return self.out_path.read_text(errors="replace")

    @property
    def stderr(self):
        return self.err_path.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_ready(self, ready, seconds=20):
        """Wait until ready() is true; fail with the program's own words when it ends first."""
        end = time.monotonic() + seconds
        while not ready():
            if not self.running() or time.monotonic() > end:
                how = "is not ready" if self.running() else f"ended with {self.process.returncode}"
                raise AssertionError(f"{self.name} {how}\n{' '.join(self.argv)}\n{self.stdout}{self.stderr}")
            time.sleep(0.01)

    def stop(self, number=signal.SIGTERM, seconds=20):
        """End the program; its exit status, negative for a signal."""
        if self.running():
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop within {seconds} s\n{self.stderr}") from None

    def teardown(self):
        self.stop()

    def log(self):
        return f"--- {self.name} ({self.pid}) ---\n{self.stdout}{self.stderr}"


class Stage:
    """Everything that one test starts. Stopped in reverse order, whatever happened."""

    def __init__(self, directory):
        self.directory = directory
        self.started = []
        self.numbers = itertools.count(1)
        self._open = None

    @property
    def open(self):
        """A directory that programs without root can enter, which those of pytest are not."""
        if self._open is None:
            self._open = Path(tempfile.mkdtemp(prefix="tally-system-"))
            self._open.chmod(0o755)
        return self._open

    def add(self, thing):
        self.started.append(thing)
        return thing

    def name(self, kind):
        return f"{kind}-{next(self.numbers)}"

    def logs(self):
        return "\n".join(thing.log() for thing in self.started)

    def close(self):
        failures = []
        for thing in reversed(self.started):
            try:
                thing.teardown()
            except Exception as failure:  # the rest must be stopped all the same
                failures.append(f"{thing.name}: {failure}")
        assert not failures, "\n".join(failures)

    def clear(self):
        if self._open is not None:
            shutil.rmtree(self._open, ignore_errors=True)


def adopt_orphans():
    """Let grandchildren whose parent ends become our children, so that none is overlooked."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def living_children():
    """The processes below us that have not ended: list of (pid, command line)."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    alive = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(after[1]) == os.getpid() and after[0] != "Z":
            alive.append((int(entry.name), command))
    return alive
