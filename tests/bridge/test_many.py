"""tests/bridge/test_many.py -- what many records and deliveries must not keep from working."""
import time

import pytest
from conftest import end_stack, new_stack
from waiting import eventually

CHANGING = 10500   # more than are looked at one by one

# Pairs as their crossing leaves them; of all but one a change is under way.
MADE = f"""
    INSERT INTO crm.account (name, type, currency)
        SELECT 'Company ' || n, 'customer', 'USD' FROM generate_series(1, {CHANGING + 1}) n;
    SET search_path = erp;
    INSERT INTO erp.customer (name, external_ref, source_version, currency, phone)
        SELECT name, 'crm:account:' || id, version, currency, '1' FROM crm.account;
    INSERT INTO bridge.link (left_ref, right_ref, route, mirror, source_version, target_version)
        SELECT external_ref, 'erp:customer:' || id, 'account-customer', false, 1, 1
        FROM erp.customer;
    INSERT INTO bridge.message (version, route, source, event_id, type, entity, source_id, state,
            next_at, body)
        SELECT 2, 'account-customer', 'crm', 'evt_' || id, 'account.updated', 'account', id,
            'retrying', now() + interval '1 hour', '{{}}'
        FROM crm.account ORDER BY id LIMIT {CHANGING}"""


# Sent ones, and behind them a few that are not.
SENT = """
    INSERT INTO {schema}.webhook_delivery (webhook_id, event_id, entity, record_id, record_version,
            status)
        SELECT (SELECT id FROM {schema}.webhook), n, 'account', n, 1,
            CASE WHEN n > 1020000 THEN 'pending' ELSE 'delivered' END
                ::{schema}.webhook_delivery_status
        FROM generate_series(1000001, 1020300) n;
    ANALYZE {schema}.webhook_delivery"""


@pytest.fixture(scope="module")
def many():
    stack = new_stack(options={"bridge": {"reconcile-rate": "0"}})
    try:
        yield stack.start()
    finally:
        end_stack(stack)


def test_one_that_differs_is_found_among_many_that_are_changing(many):
    many.sql(MADE)
    bridge = many.api("bridge")
    run = bridge.post("/reconciliations", {"route": "account-customer", "repair": False,
                                           "settle_seconds": 0})["id"]

    def it_has_ended():
        found = bridge.get(f"/reconciliations/{run}")
        return found if found["state"] in ("finished", "failed") else None
    found = eventually(it_has_ended, 120, 0.2)
    assert (found["state"], found["in_flight"], found["differs"]) == ("finished", CHANGING, 1)
    [route] = found["routes"]
    assert route["suspects"] == CHANGING + 1
    [drift] = bridge.get("/drift")["data"]
    assert drift["source_ref"] == f"crm:account:{CHANGING + 1}" and drift["field"] == "phone"


def deliveries_read(stack):
    """Rows of webhook_delivery that were read by anyone so far, also those that were passed by."""
    return int(stack.sql("SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables"
                         " WHERE relname = 'webhook_delivery'"))


def test_the_status_does_not_pass_by_all_that_was_ever_sent(many):
    for schema in ("crm", "erp"):
        [webhook] = many.api(schema).get("/webhooks")["data"]
        many.api(schema).post(f"/webhooks/{webhook['id']}/pause")
        many.sql(SENT.format(schema=schema))
    bridge = many.api("bridge")
    bridge.get("/status")
    time.sleep(1.5)   # until PostgreSQL has told what was read
    before = deliveries_read(many)
    for _ in range(10):
        bridge.get("/status")
    time.sleep(1.5)
    assert deliveries_read(many) - before < 10000
