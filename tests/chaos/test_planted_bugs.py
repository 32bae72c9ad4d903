"""tests/chaos/test_planted_bugs.py -- each invariant's checker notices the bugs it is for.

PLANTED_BUGS=all plants every one; otherwise two, others each day (PLANTED_BUGS=names chooses).
"""
import datetime
import os
import shutil
import signal
import tempfile
import threading
import time

import psycopg2
import pytest
from api import Api
from business import UNIT_COST, insist
from conftest import ROOT, end_stack
from invariants import checkers, nothing_has_grown, resources
from one_deal import OneDeal
from planted import BUGS, Garden, fits
from storm import StormStack
from waiting import idle

SEED = int(os.environ.get("CHAOS_SEED", 20261122))
WANTED = os.environ.get("PLANTED_BUGS", "")


def chosen():
    if WANTED == "all":
        return BUGS
    if WANTED:
        return [bug for bug in BUGS if WANTED in bug.name]
    first = datetime.date.today().toordinal() * 2
    return [BUGS[(first + n) % len(BUGS)] for n in range(2)]


@pytest.fixture(scope="module")
def garden():
    folder = tempfile.mkdtemp(prefix="dovetail-bugs-")
    os.chmod(folder, 0o755)
    garden = Garden(ROOT, folder)
    garden.make()
    yield garden
    shutil.rmtree(folder)


def accounts_are_made_over_a_bad_network(stack):
    proxy = stack.proxies["crm"]
    proxy.kinds, proxy.share = ("reply_lost", "copied"), 0.5
    api = Api(proxy.url, stack.tokens["crm"])
    for number in range(8):
        insist(api, "POST", "/accounts", {"name": f"Account {number}", "type": "customer"})
    proxy.heal()


def edit_while_the_inbox_cannot_commit(stack, account):
    """Its statement waits for the table, and then its connection is gone."""
    holder = psycopg2.connect(stack.database_url)
    holder.cursor().execute("LOCK TABLE bridge.message IN EXCLUSIVE MODE")
    stack.api("crm").patch(f"/accounts/{account}", {"phone": "1"})
    time.sleep(0.3)
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bridge'"
              " AND state = 'active'")
    time.sleep(0.2)
    holder.close()


def edit_while_the_erp_is_frozen(stack, account):
    stack.processes["erp"].send_signal(signal.SIGSTOP)
    crm = stack.api("crm")
    for number in range(6):
        crm.patch(f"/accounts/{account}", {"phone": f"2{number}"})
        time.sleep(0.3)
    stack.processes["erp"].send_signal(signal.SIGCONT)


def copies_come_after_the_keys_are_gone(stack):
    for schema in ("crm", "erp"):
        stack.sql(f"DELETE FROM {schema}.idempotency_key")
    for name in ("crm", "erp"):
        proxy = stack.proxies[name]
        for request in reversed(proxy.puts[:]):
            if b"/by-ref/" in request and b"/webhooks/" not in request:
                proxy.send_copy(request)


def trial(stack):
    """A little business over bad networks; answers who of the ten is not content."""
    before = None
    for proxy in stack.proxies.values():
        proxy.kinds = tuple(kind for kind in proxy.kinds if kind != "silence")
    for number in range(3):
        for proxy in stack.proxies.values():
            proxy.share = 0.3
        deals = [OneDeal(stack, 30, stack.proxies["crm"].url, stack.proxies["erp"].url)
                 for _ in range(2)]
        threads = [threading.Thread(target=quietly, args=(deal.play,)) for deal in deals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        before = before or resources(stack)
    for proxy in stack.proxies.values():
        proxy.heal()
    accounts_are_made_over_a_bad_network(stack)
    account = stack.api("crm").get("/accounts?limit=1&type=customer")["data"][0]["id"]
    edit_while_the_inbox_cannot_commit(stack, account)
    edit_while_the_erp_is_frozen(stack, account)
    quietly(lambda: idle(stack.api("bridge"), 20))
    copies_come_after_the_keys_are_gone(stack)
    quietly(lambda: idle(stack.api("bridge"), 20))
    tests = checkers(stack, canary=UNIT_COST)
    tests["I9"] = lambda: nothing_has_grown(before, resources(stack))
    return {name: said for name, test in tests.items() if (said := complaint(test))}


def quietly(work):
    """What a bug makes of it is for the checkers to say."""
    try:
        work()
    except Exception:   # noqa: BLE001
        pass


def complaint(test):
    try:
        test()
    except Exception as error:   # noqa: BLE001 -- whatever it is, it noticed
        return str(error)[:300] or repr(error)
    return None


def tried(garden):
    folder = tempfile.mkdtemp(prefix="dovetail-")
    os.chmod(folder, 0o755)
    stack = StormStack(folder, SEED, garden)
    try:
        stack.start()
        return trial(stack)
    finally:
        stack.stop()
        stack.end_disk()
        end_stack(stack)


def test_every_bug_can_still_be_planted():
    assert [bug.name for bug in BUGS if not fits(ROOT, bug)] == []
    assert {bug.seen_by for bug in BUGS} == {f"I{number}" for number in range(1, 11)}


def test_without_a_bug_all_ten_are_content(garden):
    assert tried(garden) == {}


@pytest.mark.parametrize("bug", chosen(), ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_planted_bug_is_noticed(garden, bug):
    try:
        garden.plant(bug)
        complaints = tried(garden)
    finally:
        garden.weed(bug)
    print(f"\n{bug.name}: noticed by {', '.join(sorted(complaints))}")
    assert bug.seen_by in complaints, complaints
