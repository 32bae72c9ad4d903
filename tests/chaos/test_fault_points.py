"""tests/chaos/test_fault_points.py -- each daemon dies at each commit and each call, one by one.

The points of one deal are counted first; then the deal is done again for each point, with the
daemon armed to die there, and started again as a supervisor would. FAULT_POINTS=all tries every
point; otherwise one of each name and daemon, chosen by CHAOS_SEED.
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
        self.stack, self.name_, self.died, self.ending = stack, name, False, False
        self.start()

    def run(self):
        process = self.stack.processes[self.name_]
        while not self.ending:
            if process.poll() is not None:
                self.died = process.returncode == -signal.SIGKILL
                self.stack.environment[self.name_] = {}
                self.stack.start_daemon(self.name_)
                return
            time.sleep(0.005)

    def end(self):
        self.ending = True
        self.join()
        return self.died


def die_at(stack, name, point):
    """True if the deal brought the daemon there; whatever it did, both sides are equal then."""
    restart(stack, name, FAULT_POINT=point)
    supervisor = Supervisor(stack, name)
    OneDeal(stack).play()
    died = supervisor.end()
    # It may come to the point even now, with nobody to start it again.
    if not died:
        restart(stack, name)
    stack.wait_ready(name)
    idle(stack.api("bridge"), 60)
    check_all(stack)
    return died


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
    died = {point: die_at(own_stack, name, point) for point in chosen(points)}
    print(f"\n{name}: {len(points)} points, died at {sum(died.values())} of {len(died)} tried")
    # How many statements share a batch differs a little from run to run.
    assert sum(died.values()) >= 0.8 * len(died), died
