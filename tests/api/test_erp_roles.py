"""tests/api/test_erp_roles.py -- who may see and do what in the ERP."""
import pytest

from erp_records import confirmed, item, line, order, sold, verb


@pytest.fixture
def as_role(stack):
    return lambda role: stack.api("erp", stack.token("erp", role, role))


@pytest.mark.parametrize("role, path", [
    ("sales", "journal-entries"), ("viewer", "journal-entries"), ("warehouse", "ledger-accounts"),
    ("bridge", "posting-rules"), ("hr", "payments"),
    ("viewer", "reports/trial-balance"),
])
def test_the_books_are_for_finance(as_role, role, path):
    assert as_role(role).raw("GET", f"/{path}").status == 403


@pytest.mark.parametrize("role", ["sales", "viewer", "bridge"])
def test_cost_is_not_shown_to_those_who_sell(erp, as_role, role):
    thing = item(erp, stock=1, unit_cost="3")
    assert thing["unit_cost"] is not None
    seen = as_role(role).get(f"/items/{thing['id']}")
    assert "unit_cost" not in seen and seen["on_hand"] == "1.0000"
    assert as_role(role).raw("GET", "/items?unit_cost[gt]=1").status == 400
    assert as_role(role).raw("GET", "/items?sort=unit_cost").status == 400


def test_a_viewer_changes_nothing(erp, as_role):
    made = order(erp, [line(item(erp))])
    viewer = as_role("viewer")
    assert viewer.get(f"/sales-orders/{made['id']}")["id"] == made["id"]
    for path in ("customers", "items", "stock-adjustments", "payments", "journal-entries",
                 f"sales-orders/{made['id']}/confirm", f"sales-orders/{made['id']}/deliveries"):
        assert viewer.raw("POST", f"/{path}", {}).status == 403


def test_each_does_his_own_step(erp, as_role):
    made = confirmed(as_role("sales"), [line(item(erp, stock=1))])
    delivery = verb(as_role("warehouse"), "sales-orders", made, "deliveries")
    assert as_role("finance").raw("POST", f"/deliveries/{delivery['id']}/ship", {}).status == 403
    verb(as_role("warehouse"), "deliveries", delivery, "ship")
    invoice = verb(as_role("finance"), "sales-orders", made, "invoices")
    assert as_role("warehouse").raw("POST", f"/invoices/{invoice['id']}/post", {}).status == 403
    verb(as_role("finance"), "invoices", invoice, "post")
    assert as_role("sales").raw("POST", f"/invoices/{invoice['id']}/credit", {}).status == 403


def test_the_bridge_writes_orders_customers_and_items_and_reads_their_documents(erp, as_role):
    bridge = as_role("bridge")
    invoice, made = sold(erp)
    for path in (f"invoices/{invoice['id']}", f"sales-orders/{made['id']}",
                 f"customers/{made['customer_id']}",
                 "deliveries", "items"):
        assert bridge.raw("GET", f"/{path}").status == 200
    assert bridge.raw("POST", "/stock-adjustments", {}).status == 403
    assert bridge.raw("POST", f"/invoices/{invoice['id']}/credit", {}).status == 403
