"""tests/chaos/test_storm.py -- random business under random faults; then both sides are equal.

CHAOS_MINUTES and CHAOS_SEED make it longer and other; script/chaos sets them, and how soon
after healing both sides must be equal: in the suite the machine may be busy with anything.
"""
import os
import pathlib
import shutil
import tempfile
import time

import pytest
from business import UNIT_COST, Business
from conftest import end_stack
from invariants import (check_all, duplicated_changes, inverted_changes, lost_changes,
                        nothing_has_grown, resources, rows)
from storm import Storm, StormStack
from waiting import idle

SECONDS = float(os.environ.get("CHAOS_MINUTES", 0.4)) * 60
SEED = int(os.environ.get("CHAOS_SEED", 20261122))
EQUAL_WITHIN = float(os.environ.get("CHAOS_EQUAL_WITHIN", 90))   # seconds after healing


@pytest.fixture
def stack():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dovetail-"))
    folder.chmod(0o755)
    stack = StormStack(folder, SEED)
    try:
        stack.start()
        yield stack
    finally:
        keep = os.environ.get("CHAOS_KEEP")
        if keep:
            shutil.copytree(folder, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns(
                "postgres", "secrets"))
        stack.stop()
        stack.end_disk()
        end_stack(stack)


def still_open(stack):
    """What has not arrived yet, and why; for people."""
    found = rows(stack, """
        SELECT 'message' AS what, route AS of, entity || ' ' || source_id AS record,
            version, state::text, attempts, coalesce(reason, code) AS why,
            next_at - now() AS due_in FROM bridge.message
        WHERE state IN ('received', 'waiting', 'retrying')""")
    for schema in ("crm", "erp"):
        found += rows(stack, f"""
            SELECT '{schema} delivery' AS what, w.url AS of, d.entity || ' ' || d.record_id
                AS record, d.record_version AS version, d.status::text AS state, d.attempts,
                d.last_error AS why, d.next_at - now() AS due_in
            FROM {schema}.webhook_delivery d JOIN {schema}.webhook w ON w.id = d.webhook_id
            WHERE d.status = 'pending'""")
    return found


def wait_and_tell(stack, seconds=90):
    """Until all is idle; says each second what it is that is not."""
    for second in range(seconds):
        try:
            return idle(stack.api("bridge"), 1)
        except AssertionError:
            left = still_open(stack)
            print(f"\nnot idle {second + 1} s after the last client was answered: {len(left)} left")
            for each in left[:5]:
                print(f"  {each}")
    idle(stack.api("bridge"), 1)


def last_to_arrive(stack):
    """Why it took as long as it took."""
    late = rows(stack, """
        SELECT route, entity, source_id, state, attempts, finished_at - received_at AS took,
            received_at::time, finished_at::time FROM bridge.message
        WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 3""")
    return "\n".join(f"last: {message}" for message in late)


def test_after_a_storm_nothing_is_lost_doubled_or_out_of_order(stack):
    storm, business = Storm(stack, SEED), Business(stack, SEED)
    business.start(business.sell, business.stock_up, business.fulfil, business.edit)
    time.sleep(1)
    before = resources(stack)
    storm.begin()
    storm.run(SECONDS)
    business.stopping.set()
    storm.heal()
    healed = time.monotonic()
    print(f"\nat healing {len(still_open(stack))} were under way")
    business.stop()
    answered = time.monotonic() - healed
    wait_and_tell(stack)
    took = time.monotonic() - healed
    used = resources(stack)
    print(f"\n{storm.told()}\nseed {SEED}: {len(business.won)} deals won, {business.edits} rounds"
          f" of edits on both sides\n{answered:.1f} s after healing the last client was answered,"
          f" after {took:.1f} s all was idle\n{used}\n{last_to_arrive(stack)}\n"
          f"{storm.injections} injections, {len(lost_changes(stack))} lost,"
          f" {len(duplicated_changes(stack))} duplicated,"
          f" {len(inverted_changes(stack))} wrong order")
    check_all(stack, storm.poisoned, business.won, UNIT_COST)
    nothing_has_grown(before, used)
    assert took <= EQUAL_WITHIN, f"both sides were equal only after {took:.1f} s"
    assert business.won and business.edits
