"""tests/bridge/test_shared_work.py -- several bridge daemons on one database, one that fails."""
import contextlib
import re
import signal
import threading
import time

import psycopg2
from fake_system import post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from waiting import eventually

SHARDS = 61


def metric(api, name):
    page = api.raw("GET", "/metrics").raw.decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", page, re.M)[1])


def two(lone, **options):
    """Two daemons that share the work: the first's session, and the second daemon."""
    lone.start(**options)

    def first_has_all():
        return len(lone.shards()) == SHARDS
    eventually(first_has_all)
    [mine] = set(lone.shards().values())
    other = lone.beside()

    def both_have_their_share():
        counts = list(lone.shards().values())
        return len(counts) == SHARDS and counts.count(mine) in (30, 31)
    eventually(both_have_their_share)
    return mine, other


def all_taken_by_another(lone, session):
    def they_are():
        owners = lone.shards()
        return len(owners) == SHARDS and session not in owners.values()
    return they_are


def each_has_one_effect(lone, ids, versions=(1,)):
    for id in ids:
        done = [int(c.headers["Source-Version"]) for c in lone.erp.effects_of(f"crm:account:{id}")]
        assert done == sorted(set(done)) and done[-1] == versions[-1], (id, done)
        if len(versions) == 1:
            assert done == [1], (id, done)


def test_two_daemons_both_apply_what_either_takes_in(lone):
    _, other = two(lone)
    for id in range(1, 81):
        lone.account(id, api=(lone.api, other.api)[id % 2])
    lone.all_ended()
    each_has_one_effect(lone, range(1, 81))
    counts = [metric(api, "bridge_effect_latency_seconds_count") for api in (lone.api, other.api)]
    assert sum(counts) == 80 and min(counts) > 20, counts
    assert metric(other.api, "bridge_processes") == 2


def test_a_link_that_one_process_drops_is_looked_up_again_by_all(lone):
    _, other = two(lone)
    parents = range(1, 7)      # some of them are worked by the process that compares

    def linked():
        found = {id: lone.api.get("/links", ref=f"crm:account:{id}")["data"] for id in parents}
        return {id: int(links[0]["right"].split(":")[2]) for id, links in found.items() if links}

    def children(version):
        for id in range(7, 87):
            lone.account(id, version=version, parent_id=id % 6 + 1,
                         api=(lone.api, other.api)[id % 2])
        lone.all_ended()
        return {(int(c.path.rsplit(":", 1)[1]) % 6 + 1, c.body["parent_id"])
                for c in lone.erp.puts() if c.body["parent_id"] and
                c.headers["Source-Version"] == str(version)}
    for id in parents:
        lone.account(id)
    lone.all_ended()
    old = linked()
    assert children(1) == set(old.items())     # both processes know the links
    gone = [lone.erp.records.pop(f"/api/v1/customers/{id}") for id in old.values()]

    def lists(call):
        if call.method == "GET" and "/customers?" in call.path:
            found = [r for r in lone.erp.records.values() if r.get("external_ref") and
                     f"external_ref={r['external_ref']}&" in call.path]
            return 200, {"data": found if "external_ref=" in call.path else gone[:1]}
        return None
    lone.erp.rule = lists
    for id in parents:
        lone.api.post("/reconciliations", {"route": "account-customer", "settle_seconds": 0,
                                           "record": f"crm:account:{id}"})

    def all_are_made_again():
        new = linked()
        return new if len(new) == 6 and not set(new.values()) & set(old.values()) else None
    new = eventually(all_are_made_again, 60)
    lone.all_ended()
    assert children(2) == set(new.items())


def test_a_daemon_that_leaves_gives_its_records_back(lone):
    _, other = two(lone)
    for id in range(1, 41):
        lone.account(id)
    other.stop()

    def all_are_back():
        return lone.api.get("/status")["shards"] == SHARDS
    eventually(all_are_back)
    for id in range(41, 61):
        lone.account(id)
    lone.all_ended()
    each_has_one_effect(lone, range(1, 61))


def test_a_newcomer_gets_records_while_they_are_worked(lone):
    lone.start()
    stopping = threading.Event()
    lone.erp.rule = lambda call: stopping.wait(0.02) and None
    sent = []

    def send():
        while not stopping.is_set():
            sent.append(len(sent) + 1)
            lone.account(sent[-1])
    sender = threading.Thread(target=send)
    sender.start()
    try:
        other = lone.beside()

        def it_works_too():
            return metric(other.api, "bridge_effect_latency_seconds_count") > 10
        eventually(it_works_too)
    finally:
        stopping.set()
        sender.join()
    lone.all_ended()
    each_has_one_effect(lone, sent)


def test_what_a_killed_daemon_worked_goes_on_elsewhere(lone):
    session, other = two(lone)
    killed = threading.Event()

    def slow(call):
        if call.method == "PUT" and "/customers/" in call.path:
            killed.wait(0.3)
    lone.erp.rule = slow
    for id in range(1, 61):
        lone.account(id, api=other.api)
    lone.kill()
    killed.set()
    eventually(all_taken_by_another(lone, session), 10)
    lone.api = other.api
    lone.all_ended()
    each_has_one_effect(lone, range(1, 61))


def freeze_in_a_call(lone, record, other, then=None):
    """The first daemon stopped while its call for the record is out, later ones are answered
    `then`; answers how to let it go on."""
    came, go = threading.Event(), threading.Event()

    def hold_the_first(call):
        if call.method != "PUT" or not call.path.endswith(f"crm:account:{record}"):
            return None
        if came.is_set():
            return then
        came.set()
        go.wait(60)
        return None
    lone.erp.rule = hold_the_first
    lone.account(record, api=other.api)
    assert came.wait(20)
    lone.signal(signal.SIGSTOP)

    def wake():
        lone.signal(signal.SIGCONT)
        go.set()
    return wake


def test_a_frozen_daemon_is_replaced_and_fenced_when_it_wakes(lone):
    """Its call has the effect, but its outcome is not written: the record has another worker."""
    session, other = two(lone, lease="2s")
    record = next(shard for shard, pid in sorted(lone.shards().items()) if pid == session and shard)
    wake = freeze_in_a_call(lone, record, other, then=(409, {"code": "locked"}))
    first, lone.api = lone.api, other.api
    try:
        eventually(all_taken_by_another(lone, session), 30)
        lone.in_state("retrying", "account", record)
    finally:
        wake()

    def it_was_fenced():
        return metric(first, "bridge_claims_fenced_total") >= 1
    eventually(it_was_fenced)
    assert lone.message("account", record)["state"] in ("retrying", "received")
    lone.erp.rule = lambda call: None
    assert lone.ended("account", record)["state"] in ("applied", "unchanged")
    assert len(lone.erp.effects_of(f"crm:account:{record}")) == 1

    def it_has_its_share_again():
        return first.get("/status")["shards"] in (30, 31)
    eventually(it_has_its_share_again)


def test_a_call_of_a_frozen_daemon_that_arrives_late_changes_nothing(lone):
    """As above, but the others' effects of both versions are there before its call goes on."""
    session, other = two(lone, lease="2s")
    record = next(shard for shard, pid in sorted(lone.shards().items()) if pid == session and shard)
    wake = freeze_in_a_call(lone, record, other)
    first, lone.api = lone.api, other.api
    try:
        for version in (2, 3):
            lone.account(record, version=version)
        assert lone.ended("account", record, version=3, seconds=30)["state"] == "applied"
    finally:
        wake()

    def all_calls_are_answered():
        return first.get("/status")["in_flight"] == 0
    eventually(all_calls_are_answered)
    lone.all_ended()
    done = [int(c.headers["Source-Version"]) for c in lone.erp.effects_of(f"crm:account:{record}")]
    assert done == sorted(set(done)) and done[-1] == 3, done


def test_a_deal_is_ordered_once_though_another_daemon_has_its_customer(lone):
    session, other = two(lone)
    owners = lone.shards()
    mine = [shard for shard, pid in owners.items() if pid == session and shard]
    theirs = [shard for shard, pid in owners.items() if pid != session and shard]
    lone.product_known(1)
    for deal, account in zip(mine[:10], theirs[:10]):
        lone.account(account, kind="customer", api=other.api)
        lone.deal(deal, account_id=account)
    lone.all_ended()
    for deal, account in zip(mine[:10], theirs[:10]):
        assert lone.message("opportunity", deal)["state"] == "applied"
        assert len(lone.erp.effects_of(f"crm:opportunity:{deal}")) == 1
        assert len(lone.erp.effects_of(f"crm:account:{account}")) == 1


def test_a_deal_waits_for_what_another_daemon_brings(lone):
    """It is woken though the record that it waits for crosses in another process."""
    session, other = two(lone)
    deal = next(shard for shard, pid in lone.shards().items() if pid == session and shard)
    account = next(shard for shard, pid in lone.shards().items() if pid != session and shard)
    lone.product_known(1)
    lone.account_known(account)
    lone.erp.rule = lambda call: (422, {"code": "validation", "detail": "No."}) \
        if call.method == "PUT" and "/customers/" in call.path else None
    lone.deal(deal, account_id=account)
    lone.in_state("waiting", "opportunity", deal)
    lone.erp.rule = lambda call: None
    lone.account(account, version=2, api=other.api)
    assert lone.ended("opportunity", deal)["state"] == "applied"


def test_a_deal_is_freed_by_a_cause_that_another_daemon_hears_of(lone):
    """Which does not know yet that one was refused."""
    session, other = two(lone)
    deal = next(shard for shard, pid in lone.shards().items() if pid == session and shard)
    lone.product_known(1)
    lone.account_known(1)
    lone.erp.rule = lambda call: (422, {"code": "validation", "detail": "No such currency."}) \
        if call.method == "PUT" and "/sales-orders/" in call.path else None
    lone.account(1)
    lone.all_ended()
    time.sleep(1.2)   # both have looked, and found none
    with contextlib.closing(psycopg2.connect(lone.stack.database_url)) as looking:
        looking.cursor().execute("LOCK TABLE bridge.route_state")   # no other look follows

        def it_is_rejected():
            return lone.stack.sql("SELECT count(*) FROM bridge.message WHERE depends IS NOT NULL")\
                == "1"
        lone.deal(deal)
        eventually(it_is_rejected)
        time.sleep(0.1)   # its causes have been looked for
        post_event(other.api, lone.erp, lone.erp.event("currency", {"id": 9, "code": "XTS"}))

        def it_is_free():
            return not it_is_rejected()
        eventually(it_is_free)


def test_the_inbox_is_full_for_all_daemons_and_what_waits_at_the_source_comes_through(lone):
    _, other = two(lone, **{"inbox-limit": 20})
    lone.erp.rule = lambda call: (409, {"code": "locked"}) if call.method == "PUT" else None
    waiting, refused = [], {lone.api: 0, other.api: 0}

    def send(id, api):
        event = lone.crm.event("account", {"id": id, "type": "customer", "name": "A",
                                           "currency": "USD", "parent_id": None})
        reply = post_event(api, lone.crm, event, f"evt-{id}")
        if reply.status == 202:
            return True
        assert reply.status == 503 and int(reply.headers["retry-after"]) > 0
        refused[api] += 1
        return False

    for id in range(1, 61):
        api = (lone.api, other.api)[id % 2]
        if not send(id, api):
            waiting.append((id, api))

    def both_refuse():
        for api in refused:
            if not refused[api]:
                waiting.append((1000 + len(waiting), api))
                if send(*waiting[-1]):
                    waiting.pop()
        return all(refused.values())
    eventually(both_refuse)
    lone.erp.rule = lambda call: None

    def all_came_through():
        waiting[:] = [each for each in waiting if not send(*each)]
        return not waiting
    eventually(all_came_through, 30, 0.1)
    lone.all_ended()
    each_has_one_effect(lone, range(1, 61))
