"""tests/api/test_erp_deliveries.py -- drafts share what is reserved, shipping moves it."""
from erp_records import (adjust, again, available, booked, confirmed, deliver, events, item, line,
                         order, quantities, refused, verb)


def some(made, *amounts):
    return {"lines": [{"order_line_id": one["id"], "quantity": amount}
                      for one, amount in zip(made["lines"], amounts)]}


def test_a_delivery_goes_from_draft_to_delivered(erp):
    thing = item(erp, stock=3, unit_cost="2")
    made = confirmed(erp, [line(thing, "3")])
    delivery = verb(erp, "sales-orders", made, "deliveries")
    assert delivery["status"] == "draft" and delivery["number"].startswith("DL-")
    assert verb(erp, "deliveries", delivery, "pick")["status"] == "picked"
    assert verb(erp, "deliveries", delivery, "pack")["status"] == "packed"
    assert available(erp, thing) == (3, 3, 0)
    moved, shipped = booked(erp, lambda: verb(erp, "deliveries", delivery, "ship",
                                              {"carrier": "UPS", "tracking_number": "1Z"}))
    assert moved == {"5000": 6, "1300": -6}
    assert (shipped["status"], shipped["carrier"], shipped["tracking_number"], shipped["cost"]) == (
        "shipped", "UPS", "1Z", "6.00")
    assert shipped["shipped_at"] and available(erp, thing) == (0, 0, 0)
    assert verb(erp, "deliveries", delivery, "deliver")["delivered_at"]
    assert events(erp, "deliveries", delivery) == [
        f"delivery.{what}" for what in ("created", "picked", "packed", "shipped", "delivered")]
    assert events(erp, "sales-orders", made)[-1] == "sales_order.shipped"


def test_a_shipped_delivery_is_not_shipped_or_cancelled_again(erp):
    delivery = deliver(erp, confirmed(erp, [line(item(erp, stock=1))]))
    for name in ("ship", "pick", "cancel"):
        assert refused(lambda: verb(erp, "deliveries", delivery, name),
                       409)["code"] == "invalid_state"
    draft = confirmed(erp, [line(item(erp, stock=1))])
    refused(lambda: verb(erp, "deliveries", verb(erp, "sales-orders", draft, "deliveries"),
                         "deliver"), 409)


def test_two_drafts_never_share_a_piece(erp):
    made = confirmed(erp, [line(item(erp, stock=5), "5")])
    first = verb(erp, "sales-orders", made, "deliveries", some(made, "3"))
    problem = refused(lambda: verb(erp, "sales-orders", made, "deliveries", some(made, "3")), 422)
    assert problem["lines"][0]["on_other_deliveries"] == "3.0000"
    second = verb(erp, "sales-orders", made, "deliveries")
    assert second["lines"][0]["quantity"] == "2.0000"
    verb(erp, "deliveries", first, "cancel")
    third = verb(erp, "sales-orders", made, "deliveries")
    assert third["lines"][0]["quantity"] == "3.0000"
    for delivery in (third, second):
        verb(erp, "deliveries", delivery, "ship")
    assert again(erp, "sales-orders", made)["status"] == "delivered"


def test_more_than_ordered_is_refused_with_the_arithmetic(erp):
    made = confirmed(erp, [line(item(erp, stock=50), "5")])
    deliver(erp, made, some(made, "2")["lines"])
    problem = refused(lambda: verb(erp, "sales-orders", made, "deliveries", some(made, "4")), 422)
    [one] = problem["lines"]
    assert (one["wanted"], one["ordered"], one["delivered"]) == ("4.0000", "5.0000", "2.0000")


def test_more_than_reserved_is_refused_with_the_arithmetic(erp):
    made = confirmed(erp, [line(item(erp, stock=2), "5")])
    problem = refused(lambda: verb(erp, "sales-orders", made, "deliveries", some(made, "3")), 422)
    assert problem["code"] == "not_in_stock"
    assert (problem["lines"][0]["wanted"], problem["lines"][0]["reserved"]) == ("3.0000", "2.0000")


def test_what_was_lost_meanwhile_cannot_be_shipped(erp):
    thing = item(erp, stock=5)
    made = confirmed(erp, [line(thing, "5")])
    delivery = verb(erp, "sales-orders", made, "deliveries")
    adjust(erp, thing, "-1")
    problem = refused(lambda: verb(erp, "deliveries", delivery, "ship"), 422)
    assert problem["code"] == "not_in_stock"
    [one] = problem["lines"]
    assert (one["sku"], one["wanted"], one["on_hand"]) == (thing["sku"], "5.0000", "4.0000")
    assert again(erp, "deliveries", delivery)["status"] == "draft"
    adjust(erp, thing, "1")
    assert verb(erp, "deliveries", delivery, "ship")["status"] == "shipped"


def test_bad_lines_are_named_by_their_place(erp):
    service = item(erp, type="service")
    made = confirmed(erp, [line(item(erp, stock=5), "5"), line(service)])
    other = confirmed(erp, [line(item(erp, stock=1))])
    first, second = (one["id"] for one in made["lines"])
    refused(lambda: verb(erp, "sales-orders", made, "deliveries", {"lines": [
        {"order_line_id": first, "quantity": "-1"}, {"order_line_id": second, "quantity": "1"},
        {"order_line_id": other["lines"][0]["id"], "quantity": "1"}]}),
        422, "lines[0].quantity", "lines[1].order_line_id", "lines[2].order_line_id")
    refused(lambda: verb(erp, "sales-orders", made, "deliveries",
                         {"lines": [{"order_line_id": first}]}),
            422, "lines[0].quantity")
    refused(lambda: verb(erp, "sales-orders", made, "deliveries", {"everything": True}), 422,
            "everything")


def test_a_draft_order_is_not_delivered(erp):
    made = order(erp, [line(item(erp, stock=1))])
    refused(lambda: verb(erp, "sales-orders", made, "deliveries"), 409)


def test_partial_deliveries_add_up(erp):
    thing = item(erp, stock=4)
    made = confirmed(erp, [line(thing, "10")])
    deliver(erp, made)
    adjust(erp, thing, "6")
    deliver(erp, made)
    made = again(erp, "sales-orders", made)
    assert quantities(made, "reserved", "delivered", "short") == [(0, 10, 0)]
    assert made["status"] == "delivered"
    assert len(erp.get("/deliveries", sales_order_id=made["id"])["data"]) == 2
