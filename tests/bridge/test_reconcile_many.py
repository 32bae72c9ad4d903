"""tests/bridge/test_reconcile_many.py -- changing records hide none that differs."""
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


@pytest.fixture
def many():
    stack = new_stack(options={"bridge": {"reconcile-rate": "0"}})
    try:
        stack.start()
        stack.sql(MADE)
        yield stack
    finally:
        end_stack(stack)


def test_one_that_differs_is_found_among_many_that_are_changing(many):
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
