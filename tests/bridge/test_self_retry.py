"""tests/bridge/test_self_retry.py -- a refused handover goes on when its cause is gone."""
import contextlib
import threading
import time

import psycopg2
import pytest
from conftest import end_stack, new_stack
from fake_system import post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from test_flows import (handed_over, handover, make_account, make_deal, make_product, order_of,
                        received, unique, win)
from waiting import eventually, idle


@pytest.fixture(scope="module")
def stack():
    """Of its own: a closed period would be in the way of others."""
    stack = new_stack()
    try:
        stack.start()
        yield stack
    finally:
        end_stack(stack)


@pytest.fixture
def known(crm, erp, bridge):
    """An account that is a customer, a product that is an item, and their ids in the ERP."""
    account = make_account(crm, type="customer")
    product = make_product(crm)
    idle(bridge)
    [customer] = erp.get("/customers", external_ref=f"crm:account:{account['id']}")["data"]
    [item] = erp.get("/items", external_ref=f"crm:product:{product['id']}")["data"]
    return account, product, customer["id"], item["id"]


def sell(crm, account, product, quantity="10"):
    deal = make_deal(crm, account, [(product, quantity, "10", {})])
    win(crm, deal)
    return deal


def refused(crm, account, product, code):
    deal = sell(crm, account, product)
    told = handed_over(crm, deal, "rejected")
    assert told["code"] == code and told["reason"] and told["remedy"], told
    return deal


def goes_on(crm, erp, deal, cure):
    """Once cured the deal is an order; the seconds that took are shown on failure of others."""
    began = time.monotonic()
    cure()
    told = handed_over(crm, deal)
    print(f"{time.monotonic() - began:.3f} s")
    assert told["order_number"] == order_of(erp, deal)["number"] and told["code"] is None
    return time.monotonic() - began


def test_when_the_credit_limit_is_raised(crm, erp, known):
    account, product, customer, item = known
    erp.patch(f"/customers/{customer}", {"credit_limit": "50"})
    deal = refused(crm, account, product, "credit_limit")
    goes_on(crm, erp, deal, lambda: erp.patch(f"/customers/{customer}", {"credit_limit": "100"}))


def test_when_the_customer_is_released_from_hold(crm, erp, known):
    account, product, customer, item = known
    erp.patch(f"/customers/{customer}", {"credit_status": "hold"})
    deal = refused(crm, account, product, "credit_hold")
    goes_on(crm, erp, deal, lambda: erp.patch(f"/customers/{customer}", {"credit_status": "ok"}))


def test_when_an_invoice_is_paid(crm, erp, known):
    account, product, customer, item = known
    first = sell(crm, account, product)
    handed_over(crm, first)
    received(erp, item, "10")
    order = order_of(erp, first)
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    erp.post(f"/deliveries/{delivery['id']}/ship")
    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    erp.post(f"/invoices/{invoice['id']}/post")
    erp.patch(f"/customers/{customer}", {"credit_limit": "150"})
    deal = refused(crm, account, product, "credit_limit")
    goes_on(crm, erp, deal, lambda: erp.post("/payments", {"customer_id": customer,
                                                           "amount": "100"}))


def test_when_the_item_is_activated(crm, erp, known):
    account, product, customer, item = known
    erp.patch(f"/items/{item}", {"active": False})
    deal = refused(crm, account, product, "inactive")
    goes_on(crm, erp, deal, lambda: erp.patch(f"/items/{item}", {"active": True}))


def test_when_the_customer_is_activated(crm, erp, known):
    account, product, customer, item = known
    erp.patch(f"/customers/{customer}", {"active": False})
    deal = sell(crm, account, product)
    told = handed_over(crm, deal, "rejected")
    assert told["code"] == "inactive"
    goes_on(crm, erp, deal, lambda: erp.patch(f"/customers/{customer}", {"active": True}))


def test_when_the_period_is_opened(crm, erp, bridge, known):
    account, product, customer, item = known
    today = erp.post("/sales-orders", {"customer_id": customer, "lines": []})
    erp.post(f"/sales-orders/{today['id']}/cancel")
    period = erp.post("/periods", {"code": today["order_date"][:7]})
    erp.post(f"/periods/{period['id']}/close")
    deals = [refused(crm, account, product, "period_closed") for _ in range(3)]
    told = handover(crm, deals[0])
    assert period["code"] in told["reason"] and "open" in told["remedy"]
    received_before = [bridge.get("/messages", source_id=deal["id"], route="opportunity-order")
                       ["data"][0]["attempts"] for deal in deals]
    assert received_before == [1, 1, 1]
    goes_on(crm, erp, deals[0], lambda: erp.post(f"/periods/{period['id']}/open"))
    for deal in deals[1:]:
        handed_over(crm, deal)


def test_when_the_currency_is_set_up(crm, erp, bridge):
    crm.post("/currencies", {"code": "XTS", "name": "Test money"})
    account = make_account(crm, currency="XTS")
    product = make_product(crm)
    deal = make_deal(crm, account, [(product, "1", "10", {})])
    assert deal["currency"] == "XTS"
    win(crm, deal)
    told = handed_over(crm, deal, "rejected")
    assert "currency" in told["reason"]
    erp.post("/currencies", {"code": "XTS", "name": "Test money"})
    assert handed_over(crm, deal)["order_number"]
    assert order_of(erp, deal)["currency"] == "XTS"


def test_what_has_nothing_to_do_with_the_cause_frees_nothing(crm, erp, bridge, known):
    account, product, customer, item = known
    erp.patch(f"/customers/{customer}", {"credit_limit": "50"})
    idle(bridge)
    time.sleep(0.1)
    deal = refused(crm, account, product, "credit_limit")
    for _ in range(5):
        received(erp, item, "1")
    erp.post("/currencies", {"code": "XXA", "name": unique("Money")})
    idle(bridge)
    [message] = bridge.get("/messages", source_id=deal["id"], route="opportunity-order")["data"]
    assert (message["state"], message["attempts"]) == ("rejected", 1)
    erp.patch(f"/customers/{customer}", {"credit_limit": None})
    handed_over(crm, deal)


# ---- between fake systems ----

CUSTOMER = {"id": 101, "external_ref": "crm:account:1", "number": "C-1", "currency": "USD"}
NO = (422, {"code": "credit_limit", "detail": "Over the limit.", "depends_on": ["customer:101"]})


def is_order(call):
    return call.method == "PUT" and "/sales-orders/" in call.path


def customer_changes(lone):  # noqa: F811
    """And that has been worked; called in a rule, on a thread of its own."""
    api = lone.stack.api("bridge")
    post_event(api, lone.erp, lone.erp.event("customer", CUSTOMER, version=2))

    def change_has_been_worked():
        return [m["state"] for m in api.all("/messages", entity="customer",
                                            source_id=101)] == ["applied"]
    eventually(change_has_been_worked)


def test_a_cause_that_goes_while_the_refusal_is_on_its_way_is_not_missed(lone):  # noqa: F811
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.account(1)
    lone.all_ended()
    left = [1]

    def rule(call):
        if not is_order(call) or not left[0]:
            return None
        left[0] -= 1
        customer_changes(lone)
        return NO
    lone.erp.rule = rule
    lone.deal(17)

    def order_is_accepted():
        return lone.message("opportunity", 17)["state"] == "applied"
    eventually(order_is_accepted)
    assert [c.body["state"] for c in lone.crm.effects if c.path.endswith("/handover")] == [
        "rejected", "accepted"]


def test_a_refusal_that_is_written_while_the_sweep_looks_is_freed_all_the_same(lone):  # noqa: F811
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    url = lone.stack.database_url
    with contextlib.closing(psycopg2.connect(url)) as writing, \
            contextlib.closing(psycopg2.connect(url)) as looking:
        def rule(call):
            if is_order(call) and not lone.erp.puts("crm:opportunity:17")[1:]:
                writing.cursor().execute("SELECT FROM bridge.message WHERE source_id = 17 AND"
                                         " entity = 'opportunity' FOR UPDATE")
                return NO
            return None
        lone.erp.rule = rule
        lone.deal(17)

        def the_refusal_waits_to_be_written():
            return lone.stack.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"
        eventually(the_refusal_waits_to_be_written)
        time.sleep(1.2)   # a look finds nobody rejected, and no other follows until the end
        looking.cursor().execute("LOCK TABLE bridge.route_state")
        writing.rollback()

        def it_is_rejected():
            return lone.stack.sql("SELECT count(*) FROM bridge.message WHERE depends IS NOT NULL")\
                == "1"
        eventually(it_is_rejected)
        time.sleep(0.1)   # its causes have been looked for
        post_event(lone.api, lone.erp, lone.erp.event("customer", CUSTOMER, version=2))

        def it_is_free():
            return not it_is_rejected()
        eventually(it_is_free)


def test_a_cause_that_goes_while_the_bridge_dies_is_not_missed(lone):  # noqa: F811
    """It dies when the refusal is written, and before it has looked what changed meanwhile."""
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.account(1)
    lone.all_ended()
    mine = "SELECT FROM bridge.message WHERE source_id = 17 AND entity = 'opportunity' FOR UPDATE"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    first, second = (psycopg2.connect(lone.stack.database_url) for _ in range(2))

    def waits(count):
        def so_many_wait():
            return lone.stack.sql(waiting) == str(count)
        eventually(so_many_wait)

    def rule(call):
        if not is_order(call) or len(lone.erp.puts("crm:opportunity:17")) > 1:
            return None
        customer_changes(lone)
        first.cursor().execute(mine)
        return NO
    lone.erp.rule = rule
    lone.deal(17)
    waits(1)
    behind = threading.Thread(target=lambda: second.cursor().execute(mine))
    behind.start()
    waits(2)
    first.rollback()
    behind.join()
    waits(1)   # with the refusal written, what changed meanwhile cannot be looked for
    lone.kill()
    lone.stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE wait_event_type = 'Lock'")
    assert lone.stack.sql("SELECT state FROM bridge.message WHERE source_id = 17"
                          " AND entity = 'opportunity'") == "rejected"
    first.close()
    second.close()
    lone.stack.start_daemon("bridge")
    lone.stack.wait_ready("bridge")

    def order_is_accepted():
        return lone.message("opportunity", 17)["state"] == "applied"
    eventually(order_is_accepted)


def test_a_busy_record_does_not_make_a_storm(lone):  # noqa: F811
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: NO if is_order(call) else None
    lone.deal(17)
    lone.ended("opportunity", 17)
    began = time.monotonic()
    for version in range(2, 152):
        post_event(lone.api, lone.erp, lone.erp.event("customer", CUSTOMER, version=version))
    lone.all_ended()
    spent = time.monotonic() - began
    tries = len(lone.erp.puts("crm:opportunity:17"))
    assert 2 <= tries <= 9 + spent / 5, (tries, spent)


def test_events_that_no_route_takes_free_what_waits_for_their_kind(lone):  # noqa: F811
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: (422, {"code": "validation", "detail": "no such currency"}) \
        if is_order(call) else None
    lone.deal(17)
    assert lone.ended("opportunity", 17)["state"] == "rejected"

    def bridge_has_subscribed():
        return [c.body for c in lone.erp.calls if "/webhooks/by-ref/" in c.path]
    webhook = eventually(bridge_has_subscribed)[0]
    assert {"period.opened", "currency.*"} <= set(webhook["events"])
    lone.erp.rule = lambda call: None
    post_event(lone.api, lone.erp, lone.erp.event("currency", {"id": 9, "code": "XTS"}, "created"))

    def order_is_accepted():
        return lone.message("opportunity", 17)["state"] == "applied"
    eventually(order_is_accepted)
    assert lone.message("currency", 9)["state"] == "skipped"
