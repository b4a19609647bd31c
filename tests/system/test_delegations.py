"""What a subject costs where lists are found from the root down, as most users run it: packets, counted on the wire."""
import time

import pytest

from clock import Clock
from delegations import Delegated
from flood import Flood
from harness import reversed_name, wait_until
from tallyctl import Tallyctl

NAMES = [f"l{i}.example" for i in range(8)]
TTL = 300  # of the delegations
pytestmark = pytest.mark.alone


def subjects(step, count):
    """Subjects of which each third is listed."""
    return [f"198.51.{step}.{i + 1}" for i in range(count)]


class World:
    """tallyd with eight lists below a root and a top level, and a clock that makes their delegations old."""

    def __init__(self, stage, network):
        listed = [f"198.51.{step}.{i}" for step in range(20) for i in range(1, 101, 3)]
        self.delegated = Delegated(stage, network, {name: {"ip4set": listed} for name in NAMES}, ttl=TTL)
        self.clock = Clock(stage.directory)
        zone = {"sites": [f"{name}*2" for name in NAMES], "threshold": 4}
        lists = {name: {"timeout-ms": 15000} for name in NAMES}
        self.tallyd = stage.tallyd({"bl.example.org": zone}, lists, env=self.clock.env, deadline_ms=20000)

    def cost(self, step, count, window):
        """Ask about `count` new subjects: the questions at the root, at the top level and at the lists."""
        before = self.delegated.asked()
        asked = [(reversed_name(subject, "bl.example.org"), "A") for subject in subjects(step, count)]
        replies = Flood(self.tallyd.address, self.tallyd.port, window).ask(asked)
        assert [reply.rcode() for _, _, reply in replies] == [0 if i % 3 == 0 else 3 for i in range(count)]
        wait_until(lambda: Tallyctl(self.tallyd).json("stats")["upstream"]["in_flight"] == 0, "all lists have answered")
        time.sleep(0.3)  # for a packet that nobody waits for
        return tuple(now - then for now, then in zip(self.delegated.asked(), before, strict=True))


@pytest.fixture
def world(stage, network):
    return World(stage, network)


def test_a_subject_costs_each_list_one_packet_and_the_servers_above_none(world):
    assert world.cost(0, 1, 1) == (1 + 8, 8, 8), "who the root servers are, then each list from the root down"
    for step, age in enumerate((0, 60, 120, 180, 240, TTL - 10), start=1):
        world.clock.step(age)
        assert world.cost(step, 100, 1 if age == 0 else 32) == (0, 0, 800), f"after {age} s"


def test_when_a_delegation_ends_the_top_level_is_asked_once_for_it(world):
    world.cost(0, 1, 1)
    world.clock.step(TTL + 5)
    assert world.cost(1, 1, 1) == (0, 8, 8)
    assert world.cost(2, 20, 1) == (0, 0, 160)


def test_subjects_that_come_together_as_a_delegation_ends_cost_the_lists_no_more(world):
    world.cost(0, 1, 1)
    world.clock.step(TTL + 5)
    root, top, lists = world.cost(1, 16, 16)
    assert root == 0 and 8 <= top <= 16 * 8 and lists == 16 * 8
    assert world.cost(2, 20, 16) == (0, 0, 160)
