"""tests/bridge/test_flows.py -- one deal through the three real daemons, from prospect to paid."""
import uuid
from decimal import Decimal

import pytest
from waiting import eventually, idle


def unique(word):
    return f"{word} {uuid.uuid4().hex[:8]}"


def make_account(crm, **members):
    return crm.post("/accounts", {"name": unique("Account"), "type": "prospect", **members})


def make_product(crm, **members):
    return crm.post("/products", {"sku": unique("SKU"), "name": "Widget", "list_price": "10.00",
                                  **members})


def make_deal(crm, account, lines):
    return crm.post("/opportunities", {
        "account_id": account["id"], "name": unique("Deal"), "close_date": "2026-12-01",
        "lines": [{"product_id": product["id"], "quantity": quantity, "unit_price": price, **rest}
                  for product, quantity, price, rest in lines]})


def win(crm, deal):
    crm.post(f"/opportunities/{deal['id']}/win")


def order_of(erp, deal):
    [order] = erp.get("/sales-orders", external_ref=f"crm:opportunity:{deal['id']}",
                      include="lines")["data"]
    return order


def handover(crm, deal):
    return crm.get(f"/opportunities/{deal['id']}/fulfilment")["handover"]


def handed_over(crm, deal, state="accepted"):
    def handover_has_state():
        return handover(crm, deal)["state"] == state
    eventually(handover_has_state)
    return handover(crm, deal)


def received(erp, item_id, quantity):
    erp.post("/stock-adjustments", {"item_id": item_id, "quantity": quantity, "unit_cost": "1.00",
                                    "reason": "Received"})


@pytest.fixture
def won(crm, erp, bridge):
    """A won deal of three widgets and its order."""
    account, product = make_account(crm), make_product(crm)
    deal = make_deal(crm, account, [(product, "3", "9.99", {"discount_percent": "5"})])
    win(crm, deal)
    handed_over(crm, deal)
    idle(bridge)
    return account, product, deal, order_of(erp, deal)


def test_a_won_deal_is_one_order_at_the_agreed_price_and_its_number_comes_back(crm, won):
    account, product, deal, order = won
    assert order["total"] == deal["total"] == "28.47"
    [line] = order["lines"]
    assert (line["quantity"], line["unit_price"], line["discount_percent"]) == (
        "3.0000", "9.9900", "5.0000")
    told = handover(crm, deal)
    assert told["state"] == "accepted" and told["order_number"] == order["number"]


def test_the_deal_shows_its_way_from_ordered_to_paid(crm, erp, bridge, won):
    account, product, deal, order = won
    item = order["lines"][0]["item_id"]
    received(erp, item, "2")
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")
    assert shown["order"]["lines"][0]["reserved"] == "2.0000"
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")
    assert shown["deliveries"][0]["status"] == "shipped"
    line = shown["order"]["lines"][0]
    assert (line["ordered"], line["delivered"], line["invoiced"]) == ("3.0000", "2.0000", "0.0000")
    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    idle(bridge)
    assert crm.get(f"/opportunities/{deal['id']}/fulfilment")["invoices"] == []
    invoice = erp.post(f"/invoices/{invoice['id']}/post")
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")
    assert shown["invoices"][0]["balance"] == invoice["total"] == "18.98"
    erp.post("/payments", {"customer_id": order["customer_id"], "amount": "18.98"})
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")
    invoice = shown["invoices"][0]
    assert invoice["status"] == "paid" and Decimal(invoice["balance"]) == 0
    assert crm.get(f"/accounts/{account['id']}/overview")["erp"]["open_balance"] == "0.00"


def test_a_prospect_never_crosses(crm, erp, bridge):
    account = make_account(crm)
    crm.patch(f"/accounts/{account['id']}", {"phone": "1"})
    idle(bridge)
    assert erp.get("/customers", external_ref=f"crm:account:{account['id']}")["data"] == []
    messages = list(bridge.all("/messages", entity="account", source_id=account["id"]))
    assert {m["state"] for m in messages} == {"skipped"}


def test_a_change_of_a_customer_arrives_and_says_who_it_was(crm, erp, bridge, won):
    account = won[0]
    crm.patch(f"/accounts/{account['id']}", {"billing_city": "Köln", "tax_id": "DE123"})
    idle(bridge)
    [customer] = erp.get("/customers", external_ref=f"crm:account:{account['id']}")["data"]
    assert customer["billing_city"] == "Köln" and customer["tax_id"] == "DE123"


def test_two_deals_of_one_customer_share_it(crm, erp, bridge, won):
    account, product, first, order = won
    second = make_deal(crm, account, [(product, "1", "5", {})])
    win(crm, second)
    handed_over(crm, second)
    assert order_of(erp, second)["customer_id"] == order["customer_id"]


def test_a_prospects_parent_and_an_inactive_product_cross_when_a_deal_needs_them(crm, erp, bridge):
    parent = make_account(crm)
    child = make_account(crm, parent_id=parent["id"])
    product = make_product(crm)
    deal = make_deal(crm, child, [(product, "1", "5", {})])
    win(crm, deal)
    handed_over(crm, deal)
    customer = erp.get("/customers", external_ref=f"crm:account:{child['id']}")["data"][0]
    above = erp.get("/customers", external_ref=f"crm:account:{parent['id']}")["data"][0]
    assert customer["parent_id"] == above["id"]


def test_an_order_over_the_credit_limit_is_rejected_and_goes_on_when_the_limit_is_raised(
        crm, erp, bridge, won):
    account, product, deal, order = won
    erp.patch(f"/customers/{order['customer_id']}", {"credit_limit": "50.00"})
    second = make_deal(crm, account, [(product, "10", "10", {})])
    win(crm, second)
    told = handed_over(crm, second, "rejected")
    assert told["code"] == "credit_limit" and "50.00" in told["reason"] and told["remedy"]
    erp.patch(f"/customers/{order['customer_id']}", {"credit_limit": "5000.00"})
    told = handed_over(crm, second)
    assert told["order_number"] == order_of(erp, second)["number"] and told["code"] is None


def test_availability_is_what_the_erp_says(crm, erp, bridge, won):
    account, product, deal, order = won
    received(erp, order["lines"][0]["item_id"], "10")
    idle(bridge)
    [mirror] = crm.get("/erp-items", product_id=product["id"])["data"]
    assert (mirror["on_hand"], mirror["reserved"], mirror["available"]) == (
        "10.0000", "3.0000", "7.0000")


def test_cost_and_margin_never_reach_the_crm_or_the_bridge(stack, crm, erp, bridge, won):
    order = won[3]
    erp.post("/stock-adjustments", {"item_id": order["lines"][0]["item_id"], "quantity": "1",
                                    "unit_cost": "7654321.1234", "reason": "Canary"})
    idle(bridge)
    for schema in ("crm", "bridge"):
        for table in stack.sql("SELECT table_name FROM information_schema.tables WHERE"
                               f" table_schema = '{schema}'").split():
            found = stack.sql(f"SELECT count(*) FROM {schema}.{table} t"
                              " WHERE t::text LIKE '%7654321%'")
            assert found == "0", f"{schema}.{table} holds a cost"


def test_a_deals_way_is_one_trace_through_the_three(stack, crm, erp, bridge, won):
    deal, order = won[2], won[3]
    trace = stack.sql("SELECT trace FROM crm.event WHERE type = 'opportunity.won'"
                      f" AND record_id = {deal['id']}")
    assert stack.sql("SELECT count(*) FROM erp.event WHERE entity = 'sales_order'"
                     f" AND record_id = {order['id']} AND trace = '{trace}'") == "1"
