"""tests/bridge/test_places.py -- as many calls are out as their target is best served with."""
import threading
import time

from lone_bridge import lone, one_lone_bridge  # noqa: F401
from waiting import eventually

BACKLOG = 400


class Crowd:
    """Counts the calls that a rule holds at once."""

    def __init__(self, work):
        self.work, self.lock = work, threading.Lock()
        self.now, self.seen = 0, []

    def __call__(self, call):
        if call.method != "PUT" or "/customers/" not in call.path:
            return None
        with self.lock:
            self.now += 1
            self.seen.append(self.now)
        self.work(call)
        with self.lock:
            self.now -= 1
        return None


def drain(lone, crowd):
    """A backlog of changes of as many records, carried to a target that does what crowd says."""
    lone.start(**{"admin-token": lone.stack.tokens["bridge"]})
    lone.api.post("/routes/account-customer/pause", {"reason": "a backlog"})
    for id in range(1, BACKLOG + 1):
        lone.account(id)
    lone.erp.rule = crowd
    lone.api.post("/routes/account-customer/resume")
    lone.all_ended(60)
    assert len(lone.erp.effects) == BACKLOG


def test_calls_that_wait_for_each_other_at_the_target_are_few(lone):
    row = threading.Lock()

    def work(call):
        with row:
            time.sleep(0.005)
    crowd = Crowd(work)
    drain(lone, crowd)
    assert max(crowd.seen[BACKLOG // 2:]) <= 20, crowd.seen


def test_a_target_that_is_far_away_gets_many_calls_at_once(lone):
    crowd = Crowd(lambda call: time.sleep(0.25))
    drain(lone, crowd)
    assert max(crowd.seen) >= 32, crowd.seen


def test_calls_that_hang_do_not_hold_up_the_others(lone):
    hang, over = {f"crm:account:{id}" for id in range(1, 11)}, threading.Event()
    lone.erp.rule = lambda call: (
        over.wait(20) and None if call.path.rpartition("/")[2] in hang else None)
    lone.start()
    for id in range(1, 61):
        lone.account(id)

    def all_others_are_done():
        return len(lone.erp.effects) == 50
    eventually(all_others_are_done, 8)
    over.set()
    lone.all_ended()
    assert len(lone.erp.effects) == 60
