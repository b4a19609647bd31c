"""Fixtures of the system tests: a stage for each test, private networks, and nothing left behind."""
import fcntl
import functools
import os
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import pytest

from clients import Host
from harness import SANITIZED, TALLYD, Stage, adopt_orphans, living_children
from network import Network
from programs import Rbldnsd, Tallyd, Unbound
from resolvers import RootedHost, sign_root
from upstream import Upstream


# The plain build runs these: Dovecot bounds the address space of what it starts, and a sanitizer wants 15 TB of it; the
# package is built from the sources anew, whatever the build under test.
collect_ignore = ["test_dovecot.py", "test_package.py"] if SANITIZED else []


@functools.cache
def is_ours(path):
    """Several runs may share the work, a file each: it is run by the one that can make a directory of its name."""
    try:
        Path(os.environ["TALLY_SHARED"], path.name).mkdir()
    except FileExistsError:
        return False
    return True


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: floods or measures; no other test runs beside it")


class Turn:
    """Tests of several runs go on side by side; one that wants to be alone waits for the others, and keeps new ones waiting."""

    floor = None

    def take(self, alone):
        with open(Path(os.environ["TALLY_SHARED"], "gate"), "w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            self.floor = open(Path(os.environ["TALLY_SHARED"], "floor"), "w")
            fcntl.flock(self.floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)

    def end(self):
        if self.floor is not None:
            self.floor.close()
            self.floor = None


turn = Turn()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    if "TALLY_SHARED" in os.environ:
        if not is_ours(item.path):
            return True
        turn.take(alone=item.get_closest_marker("alone") is not None)
    return None


def pytest_runtest_logfinish():
    turn.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "report_" + report.when, report)


def pytest_runtest_logreport(report):
    """tests/run wants to know which failed."""
    if report.failed and "TALLY_FAILED" in os.environ:
        with open(os.environ["TALLY_FAILED"], "a", encoding="utf-8") as failed:
            print(report.nodeid, file=failed)


class Theatre(Stage):
    """A stage that knows the programs, so that a test says stage.tallyd(...)."""

    def rbldnsd(self, zones, **how):
        return Rbldnsd(self, zones, **how)

    def unbound(self, stubs, **how):
        return Unbound(self, stubs, **how)

    def upstream(self, zones, **how):
        return self.add(Upstream(zones, name=self.name("upstream"), **how))

    def tallyd(self, zones, lists=None, **how):
        return Tallyd(self, zones, lists, **how)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind():
    assert os.geteuid() == 0, "the system tests need root: they make private networks and drop privileges"
    assert TALLYD.exists(), f"{TALLYD} is not built"
    adopt_orphans()
    yield
    left = living_children()
    for pid, _ in left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert not left, f"processes left: {left}"


@pytest.fixture
def stage(request, tmp_path):
    stage = Theatre(tmp_path)
    failed = True
    try:
        yield stage
        report = getattr(request.node, "report_call", None)
        failed = report is None or report.failed
        stage.close()
    except BaseException:
        failed = True
        raise
    finally:
        if failed:
            print(stage.logs())
        stage.clear()


@pytest.fixture
def network():
    """A network of its own for this test and all that it starts."""
    with Network() as network:
        yield network


@pytest.fixture
def host(network, stage):
    """A host whose mail servers ask tallyd as contrib/ ships it."""
    return Host(stage, network)


@pytest.fixture(scope="session")
def signed_root(tmp_path_factory):
    return sign_root(tmp_path_factory.mktemp("root"))


@pytest.fixture
def rooted(network, stage, signed_root):
    """A host with tallyd on 127.0.0.2 port 53, below a signed root, and no resolver yet."""
    return RootedHost(network, stage, signed_root)
