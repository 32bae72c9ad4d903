"""tests/api/test_erp_orders.py -- sales orders: totals, checks on confirmation, derived status."""
import uuid

import pytest

from erp_records import (again, adjust, available, confirmed, customer, deliver, events, invoiced,
                         item, line, order, pay, quantities, refused, sold, unique, verb)


def by_ref(erp, body, ref=None, version=None):
    ref = ref or f"crm:opportunity:{uuid.uuid4().int % 10**9}"
    headers = {"Source-Version": str(version)} if version else {}
    return erp.put(f"/sales-orders/by-ref/{ref}", body, headers), ref


def test_each_line_is_rounded_half_up_and_the_header_is_their_sum(erp):
    thing = item(erp)
    made = order(erp, [line(thing, "3", "0.335"), line(thing, "1", "14.25", discount_percent="5"),
                       line(thing, "7", "9.99", discount_percent="12.5")])
    assert [one["amount"] for one in made["lines"]] == ["1.01", "13.54", "61.19"]
    assert made["amount"] == made["total"] == "75.74"
    assert made["status"] == "draft" and made["number"].startswith("SO-")


@pytest.mark.parametrize("mode, amount, tax, total", [
    ("none", "30.00", "0.00", "30.00"),
    ("exclusive", "30.00", "5.70", "35.70"),
    ("inclusive", "30.00", "4.79", "30.00"),
])
def test_tax_is_on_top_or_contained_as_the_order_says(erp, mode, amount, tax, total):
    thing = item(erp)
    made = order(erp, [line(thing, "1", price, tax_percent="19") for price in ("9.99", "20.01")],
                 tax_mode=mode)
    assert (made["amount"], made["tax_amount"], made["total"]) == (amount, tax, total)


@pytest.mark.parametrize("members, headers", [
    ({}, {}),
    ({"agreed_total": "30.00", "customer_reference": "PO 7"}, {}),
    ({"notes": "Leave it at the door."}, {"Idempotency-Key": "order-once"}),
    ({"unpriced": True, "tax_mode": "inclusive"}, {}),
    ({"lines": []}, {}),
])
def test_an_order_is_answered_and_logged_as_it_then_stands(erp, members, headers):
    """One statement or several, alone in its transaction or not: it is the same order."""
    thing = item(erp, prices=[{"unit_price": "9.99"}])
    lines = [line(thing, "1", "9.99"), line(thing, "1", "20.01")]
    body = {"customer_id": customer(erp)["id"], "lines": lines, **members}
    if body.pop("unpriced", False):
        del body["lines"][0]["unit_price"]
    made = erp.call("POST", "/sales-orders", body, headers)
    assert made == erp.get(f"/sales-orders/{made['id']}")
    prices = [one["unit_price"] for one in made["lines"]]
    assert prices == ["9.9900", "20.0100"][:len(body["lines"])]
    [event] = erp.get("/events", entity="sales_order", record_id=made["id"])["data"]
    assert event["type"] == "sales_order.created"
    assert (event["data"]["version"], event["data"]["record"]) == (1, made)
    assert event["data"]["changed"] == sorted(
        name for name, value in made.items()
        if value is not None and name not in ("version", "updated_at"))


def test_an_order_that_is_refused_leaves_nothing_behind(erp):
    thing = item(erp)
    newest = order(erp, [line(thing)])["id"]
    last = erp.get("/events", entity="sales_order", record_id=newest)["data"][-1]["timestamp"]
    body = {"customer_id": customer(erp)["id"], "lines": [line(thing, "2", "10.00")]}
    unknown = [line(thing), line({"id": 10**12})]
    for members, fields in (({"agreed_total": "20.01"}, ()),
                            ({"customer_id": 10**12}, ("customer_id",)),
                            ({"warehouse_id": None}, ("warehouse_id",)),
                            ({"lines": unknown}, ("lines[1].item_id",))):
        refused(lambda: erp.call("POST", "/sales-orders", {**body, **members}), 422, *fields)
    assert erp.get("/sales-orders", customer_id=body["customer_id"])["data"] == []
    assert erp.get("/events", entity="sales_order", **{"from": last})["data"][1:] == []


def test_currency_comes_from_the_customer_and_prices_from_his_list_or_the_item(erp):
    thing = item(erp, prices=[{"currency": "EUR", "unit_price": "9.99"},
                              {"currency": "USD", "unit_price": "11"}])
    prices = erp.post("/price-lists", {"name": unique("Friends"), "currency": "EUR",
                                       "entries": [{"item_id": thing["id"], "unit_price": "8.50"}]})
    for members, price in (({}, "9.9900"), ({"price_list_id": prices["id"]}, "8.5000")):
        buyer = customer(erp, currency="EUR", **members)
        made = order(erp, [{"item_id": thing["id"], "quantity": "2"}], customer_id=buyer["id"])
        assert made["currency"] == "EUR"
        assert made["lines"][0]["unit_price"] == price


def test_a_line_without_a_price_anywhere_is_named(erp):
    refused(lambda: order(erp, [line(item(erp)), {"item_id": item(erp)["id"], "quantity": "1"}]),
            422, "lines[1].unit_price")


def test_a_line_that_is_changed_keeps_its_price_unless_told_otherwise(erp):
    thing = item(erp, prices=[{"unit_price": "11"}])
    made = order(erp, [line(thing, "1", "7")])
    made = erp.patch(f"/sales-orders/{made['id']}", {"lines": [
        {"id": made["lines"][0]["id"], "quantity": "2"},
        {"item_id": thing["id"], "quantity": "1"}]})
    assert [one["amount"] for one in made["lines"]] == ["14.00", "11.00"]
    assert made["total"] == "25.00"


def test_bad_lines_are_named_by_their_place(erp):
    thing, buyer = item(erp), customer(erp)["id"]
    refused(lambda: order(erp, [line(thing), line(thing, "0"), line(thing, "-1")],
                          customer_id=buyer),
            422, "lines[1].quantity", "lines[2].quantity")
    refused(lambda: order(erp, [line(thing, "9" * 30)], customer_id=buyer), 422,
            "lines[0].quantity")
    refused(lambda: order(erp, [line(thing, unit_price="1" * 30)], customer_id=buyer), 422,
            "lines[0].unit_price")
    refused(lambda: order(erp, [line({"id": 999999999})], customer_id=buyer), 422,
            "lines[0].item_id")
    refused(lambda: order(erp, [line(thing)], customer_id=999999999), 422, "customer_id")
    refused(lambda: order(erp, [line(thing, "99999999999999", "99999999999999")],
                          customer_id=buyer), 422)
    refused(lambda: order(erp, [line(thing, discount_percent="101")], customer_id=buyer), 422)


def test_confirming_reserves_what_is_there_and_back_orders_the_rest(erp):
    plenty, scarce = item(erp, stock=10), item(erp, stock=3)
    made = confirmed(erp, [line(plenty, "4"), line(scarce, "5")])
    assert made["status"] == "confirmed"
    assert quantities(made, "quantity", "reserved", "short") == [(4, 4, 0), (5, 3, 2)]
    assert made["promised_date"] > made["order_date"]
    check = erp.get(f"/sales-orders/{made['id']}/availability")
    assert [one["short"] for one in check["lines"]] == ["0.0000", "2.0000"]
    assert available(erp, plenty) == (10, 4, 6)
    assert events(erp, "sales-orders", made) == ["sales_order.created", "sales_order.confirmed"]


def last_change(erp, record):
    """Type of its last event and what it says has changed; the versions are without a gap."""
    found = erp.get(f"/items/{record['id']}/timeline")["data"]
    versions = [event["version"] for event in found][::-1]
    assert versions == list(range(1, len(found) + 1))
    return found[0]["type"], sorted(found[0]["changes"])


def test_an_order_tells_once_of_each_item_it_was_given_some_of_and_of_no_other(erp):
    plenty, none, twice = item(erp, stock=10), item(erp), item(erp, stock=5)
    bundled = item(erp, components=[{"component_id": plenty["id"], "quantity": "2"}])
    before = again(erp, "items", none)
    made = confirmed(erp, [line(plenty, "4"), line(none, "5"), line(twice), line(twice)])
    for told in (plenty, twice):
        assert last_change(erp, told) == ("item.availability_changed", ["available", "reserved"])
        assert events(erp, "items", told).count("item.availability_changed") == 2
    assert last_change(erp, bundled)[0] == "item.availability_changed"
    assert again(erp, "items", none) == before
    verb(erp, "sales-orders", made, "confirm")   # once more: nothing is left to be given
    assert events(erp, "items", plenty).count("item.availability_changed") == 2
    confirmed(erp, [line(bundled, "2")])
    assert last_change(erp, plenty) == ("item.availability_changed", ["available", "reserved"])
    assert available(erp, bundled) == (0, 0, 1)


def test_an_order_with_everything_in_stock_is_promised_for_today_or_the_wanted_day(erp):
    thing = item(erp, stock=9)
    made = confirmed(erp, [line(thing)])
    assert made["promised_date"] == made["order_date"]
    later = confirmed(erp, [line(thing)], requested_date="2031-01-01")
    assert later["promised_date"] == "2031-01-01"


def test_confirming_again_changes_nothing_that_is_reserved(erp):
    thing = item(erp, stock=2)
    made = confirmed(erp, [line(thing, "5")])
    made = verb(erp, "sales-orders", made, "confirm")
    assert quantities(made, "reserved", "short") == [(2, 3)]
    assert available(erp, thing) == (2, 2, 0)


def test_arriving_stock_goes_to_the_oldest_order_first(erp):
    thing = item(erp)
    first, second = (confirmed(erp, [line(thing, "5")]) for _ in range(2))
    adjust(erp, thing, 7)
    first, second = again(erp, "sales-orders", first), again(erp, "sales-orders", second)
    assert quantities(first, "reserved", "short") == [(5, 0)]
    assert quantities(second, "reserved", "short") == [(2, 3)]
    assert first["promised_date"] == first["order_date"]
    assert events(erp, "sales-orders", second)[-1] == "sales_order.reserved"
    assert events(erp, "items", thing)[-1] == "item.availability_changed"


def test_a_cancelled_order_frees_its_stock_for_those_who_wait(erp):
    thing = item(erp, stock=5)
    first, second = (confirmed(erp, [line(thing, "5")]) for _ in range(2))
    assert verb(erp, "sales-orders", first, "cancel")["status"] == "cancelled"
    assert quantities(again(erp, "sales-orders", second), "reserved") == [(5,)]
    refused(lambda: verb(erp, "sales-orders", first, "confirm"), 409)


def test_without_lines_or_with_an_inactive_item_or_customer_nothing_is_confirmed(erp):
    refused(lambda: confirmed(erp, []), 422, "lines")
    old = item(erp, active=False)
    problem = refused(lambda: confirmed(erp, [line(old)]), 422)
    assert problem["code"] == "inactive" and old["sku"] in problem["detail"]
    gone = customer(erp, active=False)
    assert refused(lambda: confirmed(erp, [line(item(erp))], customer_id=gone["id"]),
                   422)["code"] == "inactive"


def test_credit_is_checked_against_receivables_and_open_orders(erp):
    buyer = customer(erp, credit_limit="100")
    invoice, _ = sold(erp, "4", "10", customer_id=buyer["id"])
    thing = item(erp, stock=100)
    confirmed(erp, [line(thing, "3", "10")], customer_id=buyer["id"])
    over = order(erp, [line(thing, "4", "10")], customer_id=buyer["id"])
    problem = refused(lambda: verb(erp, "sales-orders", over, "confirm"), 422)
    assert problem["code"] == "credit_limit"
    arithmetic = {"open_balance": "40.00", "open_orders": "30.00", "limit": "100.00",
                  "order_total": "40.00"}
    assert {name: problem[name] for name in arithmetic} == arithmetic
    assert again(erp, "sales-orders", over)["status"] == "draft"
    pay(erp, buyer["id"], "10")
    assert verb(erp, "sales-orders", over, "confirm")["status"] == "confirmed"
    assert invoice["total"] == "40.00"


def test_a_customer_on_credit_hold_gets_no_order_confirmed(erp):
    buyer = customer(erp, credit_status="hold")
    problem = refused(lambda: confirmed(erp, [line(item(erp, stock=1))], customer_id=buyer["id"]),
                      422)
    assert problem["code"] == "credit_hold" and problem["order_total"] == "10.00"


def test_a_held_order_keeps_its_stock_but_ships_nothing_until_released(erp):
    thing = item(erp, stock=3)
    made = confirmed(erp, [line(thing, "3")])
    delivery = verb(erp, "sales-orders", made, "deliveries")
    refused(lambda: verb(erp, "sales-orders", made, "hold"), 422, "reason")
    held = verb(erp, "sales-orders", made, "hold", {"reason": "asks for another address"})
    assert (held["status"], held["hold_reason"]) == ("on_hold", "asks for another address")
    assert available(erp, thing) == (3, 3, 0)
    refused(lambda: verb(erp, "deliveries", delivery, "ship"), 409)
    assert verb(erp, "sales-orders", made, "release")["status"] == "confirmed"
    assert verb(erp, "deliveries", delivery, "ship")["status"] == "shipped"


def test_stock_that_came_during_a_hold_is_reserved_on_release(erp):
    thing = item(erp)
    made = confirmed(erp, [line(thing, "3")])
    verb(erp, "sales-orders", made, "hold", {"reason": "wait"})
    adjust(erp, thing, 3)
    assert quantities(again(erp, "sales-orders", made), "reserved") == [(0,)]
    assert quantities(verb(erp, "sales-orders", made, "release"), "reserved") == [(3,)]


def test_the_status_follows_deliveries_and_invoices_to_completed(erp):
    thing = item(erp, stock=5)
    made = confirmed(erp, [line(thing, "5")])
    deliver(erp, made, [{"order_line_id": made["lines"][0]["id"], "quantity": "2"}])
    made = again(erp, "sales-orders", made)
    assert (made["status"], made["delivery_status"], made["invoice_status"]) == (
        "partially_delivered", "partial", "none")
    invoiced(erp, made)
    assert again(erp, "sales-orders", made)["invoice_status"] == "partial"
    deliver(erp, made)
    assert again(erp, "sales-orders", made)["status"] == "delivered"
    invoiced(erp, made)
    made = again(erp, "sales-orders", made)
    assert (made["status"], made["delivery_status"], made["invoice_status"]) == (
        "completed", "full", "full")
    assert made["invoiced_total"] == made["total"]
    assert quantities(made, "reserved", "delivered", "invoiced") == [(0, 5, 5)]


def test_a_service_never_holds_up_a_delivery(erp):
    goods, service = item(erp, stock=1), item(erp, type="service")
    made = confirmed(erp, [line(goods), line(service, "2", "50")])
    delivery = deliver(erp, made)
    assert [one["item_id"] for one in delivery["lines"]] == [goods["id"]]
    assert again(erp, "sales-orders", made)["status"] == "delivered"
    assert invoiced(erp, made)["total"] == "110.00"
    assert again(erp, "sales-orders", made)["status"] == "completed"


def test_one_line_delivered_in_full_does_not_hide_a_short_one(erp):
    made = confirmed(erp, [line(item(erp, stock=100), "90"), line(item(erp), "1")])
    deliver(erp, made)
    made = again(erp, "sales-orders", made)
    assert (made["status"], made["delivery_status"]) == ("partially_delivered", "partial")


def test_closing_gives_up_what_was_not_delivered_and_keeps_count_of_it(erp):
    thing = item(erp, stock=6)
    made = confirmed(erp, [line(thing, "5")])
    deliver(erp, made, [{"order_line_id": made["lines"][0]["id"], "quantity": "2"}])
    closed = verb(erp, "sales-orders", made, "close")
    assert closed["status"] == "closed"
    assert quantities(closed, "quantity", "delivered", "lost", "reserved", "short") == [
        (5, 2, 3, 0, 0)]
    assert available(erp, thing) == (4, 0, 4)
    assert invoiced(erp, closed)["total"] == "20.00"
    closed = again(erp, "sales-orders", closed)
    assert (closed["status"], closed["invoice_status"]) == ("closed", "full")


def test_a_draft_without_lines_can_be_cancelled(erp):
    made = verb(erp, "sales-orders", order(erp, []), "cancel")
    assert (made["status"], made["delivery_status"], made["invoice_status"]) == (
        "cancelled", "none", "none")


def test_nothing_is_cancelled_once_delivered_or_invoiced(erp):
    made = confirmed(erp, [line(item(erp, stock=2), "2")])
    delivery = verb(erp, "sales-orders", made, "deliveries")
    assert "hint" in refused(lambda: verb(erp, "sales-orders", made, "cancel"), 409)
    assert verb(erp, "deliveries", delivery, "cancel")["status"] == "cancelled"
    invoice = verb(erp, "sales-orders", made, "invoices",
                   {"lines": [{"order_line_id": made["lines"][0]["id"], "quantity": "1"}]})
    refused(lambda: verb(erp, "sales-orders", made, "cancel"), 409)
    verb(erp, "invoices", invoice, "cancel")
    deliver(erp, made)
    refused(lambda: verb(erp, "sales-orders", made, "cancel"), 409)


def test_a_confirmed_order_takes_remarks_but_no_amendment(erp):
    thing = item(erp, stock=5)
    made = confirmed(erp, [line(thing, "2")])
    assert erp.patch(f"/sales-orders/{made['id']}",
                     {"notes": "call first"})["notes"] == "call first"
    for change in ({"lines": []}, {"lines": [line(thing, "3")]}, {"currency": "EUR"},
                   {"tax_mode": "inclusive"}):
        assert refused(lambda: erp.patch(f"/sales-orders/{made['id']}", change),
                       409)["code"] == "invalid_state"
    refused(lambda: erp.patch(f"/sales-orders/{made['id']}", {"status": "draft"}), 422, "status")
    assert quantities(again(erp, "sales-orders", made), "quantity", "reserved") == [(2, 2)]


def test_a_confirmed_order_lets_go_of_its_reference_but_takes_no_other(erp):
    body = {"customer_id": customer(erp)["id"], "lines": [line(item(erp, stock=5), "2")]}
    made, ref = by_ref(erp, body, version=3)
    change = {"external_ref": ref + "0"}
    assert refused(lambda: erp.patch(f"/sales-orders/{made['id']}", change),
                   409)["code"] == "invalid_state"
    freed = erp.patch(f"/sales-orders/{made['id']}", {"external_ref": None})
    assert freed["external_ref"] is None and freed["status"] == "confirmed"
    assert by_ref(erp, body, ref, version=3)[0]["id"] != made["id"]


def test_an_order_by_reference_is_confirmed_at_once(erp):
    thing, buyer = item(erp, stock=5), customer(erp)
    made, ref = by_ref(erp, {"customer_id": buyer["id"], "agreed_total": "20.00",
                             "lines": [line(thing, "2", source_line="crm:line:1")]}, version=3)
    assert made["status"] == "confirmed" and made["external_ref"] == ref
    assert quantities(made, "reserved") == [(2,)]
    found = erp.get("/sales-orders", external_ref=ref)["data"]
    assert [one["id"] for one in found] == [made["id"]]


def test_an_order_by_reference_that_cannot_be_confirmed_is_not_made_at_all(erp):
    thing = item(erp, stock=5)
    buyer = customer(erp, credit_limit="5")
    body = {"customer_id": buyer["id"], "lines": [line(thing, "1")]}
    ref = f"crm:opportunity:{uuid.uuid4().int % 10**9}"
    assert refused(lambda: by_ref(erp, body, ref), 422)["code"] == "credit_limit"
    assert erp.get("/sales-orders", external_ref=ref)["data"] == []
    erp.patch(f"/customers/{buyer['id']}", {"credit_limit": "10"})
    assert by_ref(erp, body, ref)[0]["status"] == "confirmed"


def test_another_total_than_agreed_is_refused_with_both(erp):
    body = {"customer_id": customer(erp)["id"], "agreed_total": "20.01",
            "lines": [line(item(erp), "2")]}
    problem = refused(lambda: by_ref(erp, body), 422)
    assert problem["code"] == "total_mismatch"
    assert (problem["agreed_total"], problem["total"]) == ("20.01", "20.00")


def test_the_same_order_by_reference_again_is_unchanged_and_another_is_refused(erp):
    body = {"customer_id": customer(erp)["id"], "agreed_total": "20", "tax_mode": "none",
            "currency": "USD",
            "lines": [line(item(erp, stock=5), "2", source_line="a"), line(item(erp), "0.5", "0")]}
    made, ref = by_ref(erp, body, version=3)
    repeated, _ = by_ref(erp, body, ref, version=4)
    assert (repeated["id"], repeated["version"], repeated["source_result"]) == (
        made["id"], made["version"], "unchanged")
    body["lines"][0]["quantity"] = "3"
    body["agreed_total"] = "30"
    assert refused(lambda: by_ref(erp, body, ref, version=5), 409)["code"] == "invalid_state"
    assert by_ref(erp, body, ref, version=2)[0]["source_result"] == "superseded"
