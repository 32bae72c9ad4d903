"""tests/chaos/test_fault_points.py -- each daemon dies at each commit and each call, one by one.

The points of one deal are counted first; then the deal is done again for each point, with the
daemon armed to die there, and started again as a supervisor would. FAULT_POINTS=all tries every
point; otherwise one of each name and daemon, chosen by CHAOS_SEED. The same with allocations that
find no memory: there are tens of thousands, so even then 40 of each daemon's.
"""
import collections
import os
import random
import signal
import threading
import time

import pytest
from conftest import end_stack, new_stack
from invariants import check_all
from one_deal import OneDeal
from waiting import idle

ALL = os.environ.get("FAULT_POINTS") == "all"
SEED = int(os.environ.get("CHAOS_SEED", 20261122))
DAEMONS = ("crm", "erp", "bridge")
NAMES = {"crm": {"db.commit.before", "db.commit.after", "db.alone.before", "db.alone.after",
                 "http.call.before", "http.call.after"},
         "bridge": {"db.alone.before", "db.alone.after", "http.call.before", "http.call.after"}}
NAMES["erp"] = NAMES["crm"]
# How many statements share a batch, and how often one looks for work, differs from run to run.
DEALS_MAX = 4
# Who ends in the middle of its work has much in hand.
NO_LEAKS = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


@pytest.fixture(scope="module")
def own_stack():
    stack = new_stack()
    try:
        stack.start()
        OneDeal(stack).play()
        yield stack
    finally:
        end_stack(stack)


def restart(stack, name, **environment):
    """Anew, with other words in its environment."""
    process = stack.processes[name]
    process.terminate()
    process.wait(40)
    stack.environment[name] = environment
    stack.start_daemon(name)


def points_of(stack, name):
    """The names of the points that the daemon comes to, from its start to a deal's end."""
    file = stack.var / f"{name}.points"
    restart(stack, name, FAULT_COUNT=str(file))
    stack.wait_ready(name)
    OneDeal(stack).play()
    idle(stack.api("bridge"))
    points = file.read_text().split()
    restart(stack, name)
    stack.wait_ready(name)
    return points


class Supervisor(threading.Thread):
    """Starts the daemon again, unarmed, as soon as it has died."""

    def __init__(self, stack, name):
        super().__init__(daemon=True)
        self.stack, self.name_, self.code, self.ending = stack, name, None, False
        self.start()

    def run(self):
        process = self.stack.processes[self.name_]
        while True:
            last = self.ending
            if process.poll() is not None:
                self.code = process.returncode
                self.stack.environment[self.name_] = {}
                self.stack.start_daemon(self.name_)
                return
            if last:
                return
            time.sleep(0.005)

    def end(self):
        self.ending = True
        self.join()
        return self.code


def end_at(stack, name, **armed):
    """How the daemon ended, None if nothing made it; whatever it did, both sides are equal then."""
    restart(stack, name, **armed)
    supervisor = Supervisor(stack, name)
    for _ in range(DEALS_MAX):
        OneDeal(stack).play()
        if supervisor.code is not None:
            break
    code = supervisor.end()
    # It may come to the point even now, with nobody to start it again.
    if code is None:
        restart(stack, name)
    stack.wait_ready(name)
    idle(stack.api("bridge"), 60)
    check_all(stack)       # at once, to know at which point it was
    return code


def chosen(points):
    """All by number; or one of each name."""
    if ALL:
        return [str(number) for number in range(1, len(points) + 1)]
    chance = random.Random(SEED)
    counts = collections.Counter(points)
    return [f"{name}:{chance.randint(1, counts[name])}" for name in sorted(counts)]


@pytest.mark.parametrize("name", DAEMONS)
def test_a_deal_survives_the_death_of_a_daemon_at_each_commit_and_call(own_stack, name):
    points = points_of(own_stack, name)
    assert set(points) == NAMES[name]
    died = {point: end_at(own_stack, name, FAULT_POINT=point) == -signal.SIGKILL
            for point in chosen(points)}
    print(f"\n{name}: {len(points)} points, died at {sum(died.values())} of {len(died)} tried")
    assert all(died.values()), died


def allocations_of(stack, name):
    """How many it makes from its start to a deal's end."""
    file = stack.var / f"{name}.allocations"
    restart(stack, name, FAULT_MALLOC_COUNT=str(file))
    stack.wait_ready(name)
    OneDeal(stack).play()
    idle(stack.api("bridge"))
    restart(stack, name)
    stack.wait_ready(name)
    return int(file.read_text())


@pytest.mark.parametrize("name", DAEMONS if ALL else [DAEMONS[SEED % 3]])
def test_a_deal_survives_that_a_daemon_finds_no_memory(own_stack, name):
    """It says so and ends; nobody works on with half of something."""
    count, parts = allocations_of(own_stack, name), 40 if ALL else 2
    chance = random.Random(SEED)
    ends = {}
    for part in range(parts):
        number = count * part // parts + chance.randint(1, count // parts)
        ends[number] = end_at(own_stack, name, FAULT_MALLOC=str(number), ASAN_OPTIONS=NO_LEAKS)
    check_all(own_stack)
    ended = [code for code in ends.values() if code is not None]
    print(f"\n{name}: {count} allocations, ended by {len(ended)} of {len(ends)} that failed")
    assert set(ends.values()) == {1}, ends
