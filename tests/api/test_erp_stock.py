"""tests/api/test_erp_stock.py -- stock is the sum of moves; warehouses, bundles, cost."""
import json

import pytest
from conftest import ROOT

from erp_records import (adjust, again, available, booked, confirmed, deliver, item, line,
                         quantities, refused, unique, verb)


def test_on_hand_is_what_the_moves_add_up_to(erp):
    thing = item(erp)
    assert available(erp, thing) == (0, 0, 0)
    made = adjust(erp, thing, "10", unit_cost="2.50")
    assert made["value"] == "25.00"
    adjust(erp, thing, "-3.5")
    assert available(erp, thing) == (6.5, 0, 6.5)
    moves = erp.get("/stock-moves", item_id=thing["id"])["data"]
    assert sorted(move["quantity"] for move in moves) == ["10.0000", "3.5000"]
    assert again(erp, "items", thing)["on_hand"] == "6.5000"


def test_moves_and_reservations_are_written_by_documents_alone(erp):
    for path in ("/stock-moves", "/stock-reservations", "/deliveries", "/invoices"):
        assert erp.raw("POST", path, {}).status in (404, 405)


def test_more_than_there_is_cannot_be_taken_away(erp):
    thing = item(erp, stock=2)
    problem = refused(lambda: adjust(erp, thing, "-3"), 422, "quantity")
    assert problem["code"] == "not_in_stock" and problem["on_hand"] == "2.0000"


def test_bad_adjustments_are_named(erp):
    thing = item(erp)
    refused(lambda: adjust(erp, thing, "0"), 422, "quantity")
    refused(lambda: adjust(erp, {"id": 999999999}, "1"), 422, "item_id")
    refused(lambda: adjust(erp, item(erp, type="service"), "1"), 422, "item_id")
    refused(lambda: adjust(erp, thing, "9" * 30), 422, "quantity")
    refused(lambda: adjust(erp, thing, "1", unit_cost="-1"), 422, "unit_cost")
    refused(lambda: adjust(erp, thing, "1", warehouse_id=999999999), 422, "warehouse_id")
    refused(lambda: erp.post("/stock-adjustments", {"item_id": thing["id"], "quantity": "1"}), 422,
            "reason")
    assert available(erp, thing) == (0, 0, 0)


def test_an_adjustment_is_never_changed(erp):
    made = adjust(erp, item(erp), "1")
    refused(lambda: erp.patch(f"/stock-adjustments/{made['id']}", {"quantity": "2"}), 409)


def test_each_warehouse_has_its_own_stock(erp):
    other = erp.post("/warehouses", {"code": unique("W")[-18:], "name": "Second"})
    thing = item(erp, stock=4)
    adjust(erp, thing, "6", warehouse_id=other["id"])
    levels = erp.get(f"/items/{thing['id']}/availability")
    assert levels["on_hand"] == "10.0000"
    assert {one["code"]: one["on_hand"] for one in levels["warehouses"]} == {
        "MAIN": "4.0000", other["code"]: "6.0000"}
    made = confirmed(erp, [line(thing, "5")])
    assert quantities(made, "reserved", "short") == [(4, 1)]
    made = confirmed(erp, [line(thing, "5")], warehouse_id=other["id"])
    assert quantities(made, "reserved", "short") == [(5, 0)]


def test_one_warehouse_is_the_default(erp):
    [main] = erp.get("/warehouses", is_default="true")["data"]
    refused(lambda: erp.patch(f"/warehouses/{main['id']}", {"is_default": False}), 422,
            "is_default")
    other = erp.post("/warehouses", {"code": unique("W")[-18:], "name": "New", "is_default": True})
    try:
        assert adjust(erp, item(erp), "1")["warehouse_id"] == other["id"]
    finally:
        erp.patch(f"/warehouses/{main['id']}", {"is_default": True})
    assert not again(erp, "warehouses", other)["is_default"]
    kinds = {one["kind"] for one in erp.get("/locations", warehouse_id=other["id"])["data"]}
    assert kinds == {"storage", "input", "output"}


def test_goods_leave_at_the_moving_average_and_the_last_piece_takes_the_rest(erp):
    thing = item(erp)
    adjust(erp, thing, "1", unit_cost="1")
    adjust(erp, thing, "2", unit_cost="4.50")
    assert again(erp, "items", thing)["unit_cost"] == "3.3333"
    made = confirmed(erp, [line(thing, "3")])
    costs = []
    for _ in range(3):
        moved, delivery = booked(erp, lambda: deliver(
            erp, made, [{"order_line_id": made["lines"][0]["id"], "quantity": "1"}]))
        costs.append(delivery["cost"])
        assert moved == {"1300": -float(delivery["cost"]), "5000": float(delivery["cost"])}
    assert costs == ["3.33", "3.34", "3.33"]
    assert available(erp, thing) == (0, 0, 0)


def test_adjustments_are_booked_against_inventory(erp):
    thing = item(erp)
    moved, _ = booked(erp, lambda: adjust(erp, thing, "4", unit_cost="2.25"))
    assert moved == {"1300": 9, "5900": -9}
    moved, _ = booked(erp, lambda: adjust(erp, thing, "-1"))
    assert moved == {"1300": -2.25, "5900": 2.25}


def test_the_cost_of_what_is_in_stock_is_not_edited(erp):
    thing = item(erp, unit_cost="5")
    assert erp.patch(f"/items/{thing['id']}", {"unit_cost": "6"})["unit_cost"] == "6.0000"
    assert adjust(erp, thing, "2")["value"] == "12.00"
    refused(lambda: erp.patch(f"/items/{thing['id']}", {"unit_cost": "7"}), 422, "unit_cost")


def test_a_loss_takes_reservations_from_the_newest_order(erp):
    thing = item(erp, stock=10)
    first, second = (confirmed(erp, [line(thing, "5")]) for _ in range(2))
    adjust(erp, thing, "-3")
    assert quantities(again(erp, "sales-orders", first), "reserved", "short") == [(5, 0)]
    assert quantities(again(erp, "sales-orders", second), "reserved", "short") == [(2, 3)]
    assert available(erp, thing) == (7, 7, 0)


def bundle(erp, *parts):
    return item(erp, components=[{"component_id": part["id"], "quantity": quantity}
                                 for part, quantity in parts])


def test_of_a_bundle_the_components_are_reserved_and_shipped(erp):
    wheel, frame = item(erp, stock=9, unit_cost="2"), item(erp, stock=3, unit_cost="10")
    bike = bundle(erp, (wheel, "2"), (frame, "1"))
    assert available(erp, bike) == (0, 0, 3)
    made = confirmed(erp, [line(bike, "4", "100")])
    assert quantities(made, "quantity", "reserved", "short") == [(4, 3, 1)]
    assert available(erp, wheel) == (9, 6, 3)
    assert available(erp, frame) == (3, 3, 0)
    delivery = deliver(erp, made)
    assert (delivery["lines"][0]["quantity"], delivery["cost"]) == ("3.0000", "42.00")
    assert available(erp, wheel) == (3, 0, 3)
    adjust(erp, frame, "1", unit_cost="10")
    made = again(erp, "sales-orders", made)
    assert quantities(made, "reserved", "delivered", "short") == [(1, 3, 0)]
    deliver(erp, made)
    assert again(erp, "sales-orders", made)["status"] == "delivered"
    assert available(erp, wheel) == (1, 0, 1)


def test_a_bundle_has_no_stock_of_its_own_and_is_no_part_of_another(erp):
    part = item(erp)
    whole = bundle(erp, (part, "1"))
    refused(lambda: adjust(erp, whole, "1"), 422, "item_id")
    refused(lambda: bundle(erp, (whole, "1")), 422, "components")
    refused(lambda: erp.patch(f"/items/{part['id']}", {"components": [
        {"component_id": item(erp)["id"], "quantity": "1"}]}), 422, "components")


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_a_component_has_a_quantity(erp, quantity):
    refused(lambda: bundle(erp, (item(erp), quantity)), 422)


def test_one_item_on_two_lines_is_reserved_once(erp):
    thing = item(erp, stock=5)
    made = confirmed(erp, [line(thing, "3"), line(thing, "4")])
    assert quantities(made, "reserved", "short") == [(3, 0), (2, 2)]
    deliver(erp, made)
    assert available(erp, thing) == (0, 0, 0)
    refused(lambda: verb(erp, "sales-orders", made, "deliveries"), 422)


# ---- orders that wait ----

def rows_looked_at(stack, text):
    """By all scans of tables together, planned as badly as can be."""
    [plan] = json.loads(stack.sql(
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;"
        f" SET enable_memoize = off; EXPLAIN (ANALYZE, FORMAT JSON) {text}", "erp"))

    def nodes(node):
        yield node
        for part in node.get("Plans", []):
            yield from nodes(part)
    return sum(node["Actual Loops"] * (node["Actual Rows"] + sum(
        count for name, count in node.items() if name.startswith("Rows Removed")))
        for node in nodes(plan["Plan"]) if "Relation Name" in node)


def test_the_sweep_of_waiting_orders_does_not_go_through_all_lines_for_each_order(erp, stack):
    sweep = (ROOT / "erp-server/inventory/stock_sweep.sql").read_text()
    wanted, plenty = item(erp), item(erp, stock=1000)
    for _ in range(10):
        confirmed(erp, [line(wanted, "2")])
    before = rows_looked_at(stack, sweep)
    for _ in range(20):
        confirmed(erp, [line(plenty, "1")])
    # Small tables may be read whole, but once.
    assert before >= 10 and rows_looked_at(stack, sweep) <= before + 4 * 20
    adjust(erp, wanted, 12)
    assert available(erp, wanted) == (12, 12, 0)
