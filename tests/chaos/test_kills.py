"""tests/chaos/test_kills.py -- whatever is killed, both sides are equal afterwards."""
import os
import random
import signal
import time

import pytest
from business import Business
from conftest import end_stack, new_stack
from invariants import check_all, finished_out_of_order
from waiting import all_ready, idle, revive

LONG = bool(os.environ.get("CHAOS_LONG"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", 100 if LONG else 30))
SEED = int(os.environ.get("CHAOS_SEED", 20261122))


@pytest.fixture
def own_stack():
    stack = new_stack()
    try:
        stack.start()
        yield stack
    finally:
        end_stack(stack)


def kill_daemon(stack, name):
    process = stack.processes[name]
    process.send_signal(signal.SIGKILL)
    process.wait()
    stack.start_daemon(name)


def kill_backend(stack):
    """SIGKILL of one backend makes PostgreSQL restart all of them and recover."""
    pids = stack.sql("SELECT pid FROM pg_stat_activity WHERE usename IN ('crm', 'erp', 'bridge')"
                     " ORDER BY random() LIMIT 1").split()
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)


def crash_cluster(stack):
    stack.postgres("crash")
    stack.postgres("start")


def test_whatever_is_killed_each_won_deal_has_one_order_and_each_document_its_mirror(own_stack):
    stack, chance = own_stack, random.Random(SEED)
    faults = [lambda: kill_daemon(stack, "crm"), lambda: kill_daemon(stack, "erp"),
              lambda: kill_daemon(stack, "bridge"), lambda: kill_backend(stack),
              lambda: crash_cluster(stack)]
    business = Business(stack, SEED).start()
    for number in range(ROUNDS):
        time.sleep(chance.uniform(0.05, 1.2))
        faults[number % len(faults)]()
        revive(stack)
    time.sleep(1)
    business.stop()
    all_ready(stack)
    idle(stack.api("bridge"), 120)
    check_all(stack)
    assert len(business.won) > ROUNDS


def test_with_the_erp_down_deals_are_won_undisturbed_and_arrive_in_order(own_stack):
    stack = own_stack
    down = int(os.environ.get("CHAOS_DOWN_SECONDS", 60))
    business = Business(stack, SEED)
    stack.processes["erp"].send_signal(signal.SIGKILL)
    stack.processes["erp"].wait()
    business.start(business.sell)
    time.sleep(down)
    won_meanwhile = len(business.won)
    stack.start_daemon("erp")
    stack.wait_ready("erp")
    business.stop()
    idle(stack.api("bridge"), 120)
    assert won_meanwhile > 5 * down, "winning was held up"
    assert business.slowest_win < 2
    check_all(stack)
    assert not finished_out_of_order(stack)
