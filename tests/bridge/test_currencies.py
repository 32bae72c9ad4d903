"""tests/bridge/test_currencies.py -- amounts are whole coins of their currency on both sides."""
from decimal import Decimal

import pytest
from api import ApiError
from test_flows import (handed_over, make_account, make_product, order_of, received, unique, win)
from waiting import idle


def deal_in(crm, currency, lines, tax_mode="exclusive"):
    account, product = make_account(crm, currency=currency), make_product(crm)
    return crm.post("/opportunities", {
        "account_id": account["id"], "name": unique("Deal"), "close_date": "2026-12-01",
        "currency": currency, "tax_mode": tax_mode,
        "lines": [{"product_id": product["id"], **line} for line in lines]})


LINE = {"quantity": "1.5", "unit_price": "333", "discount_percent": "5", "tax_percent": "10"}


@pytest.mark.parametrize("currency, tax_mode, amount, tax, total", [
    ("JPY", "exclusive", "475.00", "48.00", "523.00"),     # 474.525, 47.5
    ("JPY", "inclusive", "475.00", "43.00", "475.00"),     # 431.8 without tax
    ("USD", "exclusive", "474.53", "47.45", "521.98"),
])
def test_a_deal_and_its_order_come_to_the_same_whole_coins(crm, erp, bridge, currency, tax_mode,
                                                           amount, tax, total):
    deal = deal_in(crm, currency, [LINE], tax_mode)
    assert (deal["amount"], deal["tax_amount"], deal["total"]) == (amount, tax, total)
    assert deal["lines"][0]["amount"] == amount
    win(crm, deal)
    handed_over(crm, deal)
    idle(bridge)
    order = order_of(erp, deal)
    assert (order["amount"], order["tax_amount"], order["total"]) == (amount, tax, total)
    assert (order["lines"][0]["amount"], order["lines"][0]["tax_amount"]) == (amount, tax)
    mirror = crm.get(f"/opportunities/{deal['id']}/fulfilment")["order"]
    assert mirror["total"] == total


def test_parts_of_a_yen_order_are_whole_yen_through_invoice_credit_and_payment(crm, erp, bridge):
    deal = deal_in(crm, "JPY", [LINE])
    win(crm, deal)
    handed_over(crm, deal)
    order = order_of(erp, deal)
    received(erp, order["lines"][0]["item_id"], "1.5")
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    erp.post(f"/deliveries/{delivery['id']}/ship")
    invoices = []
    for quantity in ("1", "0.5"):
        invoice = erp.post(f"/sales-orders/{order['id']}/invoices", {"lines": [
            {"order_line_id": order["lines"][0]["id"], "quantity": quantity}]})
        invoices.append(erp.post(f"/invoices/{invoice['id']}/post"))
    assert [(i["currency"], i["amount"], i["tax_amount"], i["total"]) for i in invoices] == [
        ("JPY", "317.00", "32.00", "349.00"), ("JPY", "158.00", "16.00", "174.00")]
    credit = erp.post(f"/invoices/{invoices[0]['id']}/credit", {"reason": "broken", "lines": [
        {"invoice_line_id": invoices[0]["lines"][0]["id"], "quantity": "0.5"}]})
    assert (credit["amount"], credit["tax_amount"]) == ("159.00", "16.00")     # 158.5
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")["invoices"]
    assert {i["total"] for i in shown} >= {"349.00", "174.00"}
    for amount, part, field in (("174.5", "174", "amount"),
                                ("174", "173.5", "allocations[0].amount")):
        with pytest.raises(ApiError) as caught:
            erp.post("/payments", {"customer_id": order["customer_id"], "amount": amount,
                                   "allocations": [{"invoice_id": invoices[1]["id"],
                                                    "amount": part}]})
        assert [e["field"] for e in caught.value.problem["errors"]] == [field]
    erp.post("/payments", {"customer_id": order["customer_id"], "amount": "174",
                           "allocations": [{"invoice_id": invoices[1]["id"], "amount": "174"}]})
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")["invoices"]
    [paid] = [i for i in shown if i["number"] == invoices[1]["number"]]
    assert paid["status"] == "paid" and Decimal(paid["balance"]) == 0


def test_an_amended_yen_deal_stays_in_whole_yen_on_both_sides(crm, erp, bridge):
    deal = deal_in(crm, "JPY", [LINE])
    win(crm, deal)
    handed_over(crm, deal)
    idle(bridge)
    crm.post(f"/opportunities/{deal['id']}/amend", {"lines": [
        {"id": deal["lines"][0]["id"], "quantity": "2.5"}]})
    idle(bridge)
    shown, order = crm.get(f"/opportunities/{deal['id']}"), order_of(erp, deal)
    assert (shown["amendment"]["state"], shown["revision"]) == ("accepted", 1)
    assert (shown["amount"], shown["tax_amount"], shown["total"]) == ("791.00", "79.00", "870.00")
    assert [order[m] for m in ("amount", "tax_amount", "total")] == ["791.00", "79.00", "870.00"]
    assert order["lines"][0]["amount"] == shown["lines"][0]["amount"] == "791.00"


def test_another_currency_or_quantity_rounds_the_lines_anew(crm, erp):
    deal = deal_in(crm, "USD", [LINE])
    deal = crm.patch(f"/opportunities/{deal['id']}", {"currency": "JPY"})
    assert (deal["lines"][0]["amount"], deal["total"]) == ("475.00", "523.00")
    line = {"id": deal["lines"][0]["id"], "product_id": deal["lines"][0]["product_id"],
            **LINE, "quantity": "1"}
    deal = crm.patch(f"/opportunities/{deal['id']}", {"lines": [line]})
    assert (deal["lines"][0]["amount"], deal["total"]) == ("316.00", "348.00")   # 316.35, 31.6
    customer = erp.post("/customers", {"name": unique("Customer"), "currency": "JPY"})
    item = erp.post("/items", {"sku": unique("I"), "name": "Part"})
    order = erp.post("/sales-orders", {"customer_id": customer["id"], "lines": [
        {"item_id": item["id"], "quantity": "1.5", "unit_price": "333.3"}]})
    assert (order["currency"], order["total"], order["lines"][0]["amount"]) == (
        "JPY", "500.00", "500.00")
    line = {"id": order["lines"][0]["id"], "item_id": item["id"], "quantity": "1",
            "unit_price": "333.5"}
    order = erp.patch(f"/sales-orders/{order['id']}", {"lines": [line]})
    assert (order["total"], order["lines"][0]["amount"]) == ("334.00", "334.00")


def test_a_currency_of_three_decimals_cannot_be_sold_in(crm, erp):
    for api in (crm, erp):
        with pytest.raises(ApiError) as caught:
            api.post("/currencies", {"code": "KWD", "name": "Kuwaiti dinar", "minor_unit": 3})
        assert caught.value.status == 422
        assert [e["field"] for e in caught.value.problem["errors"]] == ["minor_unit"]


def test_a_version_from_before_goes_on_rounding_to_the_cent(stack, crm, erp):
    """Old and new run side by side: who does not give a line's amount gets it from the table."""
    deal = deal_in(crm, "USD", [LINE])
    line = deal["lines"][0]
    stack.sql(f"UPDATE crm.opportunity_line SET quantity = 2.5 WHERE id = {line['id']}")
    added = stack.sql(
        "INSERT INTO crm.opportunity_line (opportunity_id, position, product_id, quantity,"
        f" unit_price) VALUES ({deal['id']}, 2, {line['product_id']}, 1.5, 3.333)"
        " RETURNING amount").splitlines()[0]
    assert added == "5.00"
    assert stack.sql(f"SELECT amount FROM crm.opportunity_line WHERE id = {line['id']}") == "790.88"
    assert stack.sql("SET search_path TO erp; SELECT amount || ' ' || tax_amount FROM order_sums("
                     "'[{\"quantity\": 1.5, \"unit_price\": 333, \"tax_percent\": 10}]',"
                     " 'exclusive')").splitlines()[-1] == "499.50 49.95"
