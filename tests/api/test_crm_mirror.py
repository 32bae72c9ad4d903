"""tests/api/test_crm_mirror.py -- facts of the ERP in the CRM: the bridge writes, all read."""
import uuid

import pytest

from api import Api
from crm_records import account, crm_alone, deal, product, refused, verb


@pytest.fixture(scope="module")
def stack():
    yield from crm_alone()


@pytest.fixture
def relay(stack):
    return Api(stack.url("crm"), stack.token("crm", "bridge", "bridge"))


def put(relay, path, body, version=1):
    ref = f"{path}/by-ref/erp:test:{body.pop('ref', None) or uuid.uuid4().hex}"
    return relay.put("/" + ref, body, {"Source-Version": str(version)})


def test_an_account_that_is_no_customer_has_an_empty_erp_side(crm):
    company = account(crm)
    made = deal(crm, account_id=company["id"])
    seen = crm.get(f"/accounts/{company['id']}/overview")
    assert seen["account"]["name"] == company["name"]
    assert [d["id"] for d in seen["open_opportunities"]] == [made["id"]]
    assert seen["open_opportunities"][0]["amount"] == "10.00"
    assert seen["erp"] == {"customer_number": None, "currency": None, "open_balance": None,
                           "overdue_balance": None, "credit_limit": None, "credit_status": None,
                           "orders": [], "deliveries": [], "invoices": []}
    refused(lambda: crm.get("/accounts/999999999/overview"), 404)


def test_a_deal_that_is_not_handed_over_has_an_empty_fulfilment(crm):
    seen = crm.get(f"/opportunities/{deal(crm)['id']}/fulfilment")
    assert seen == {"handover": {"state": None, "order_number": None, "code": None,
                                 "reason": None, "remedy": None},
                    "revision": 0, "amendment": None, "order": None,
                    "deliveries": [], "invoices": [], "open_balance": "0.00"}


def test_the_whole_way_of_a_deal_is_seen_on_deal_account_and_product(crm, relay):
    item = product(crm)["id"]
    company = account(crm)["id"]
    made = deal(crm, account_id=company, lines=[
        {"product_id": item, "quantity": "5", "unit_price": "10"}])
    verb(crm, made, "win")
    verb(relay, made, "handover", {"state": "accepted", "order_number": "SO-1"})
    ids = {"opportunity_id": made["id"], "account_id": company}
    put(relay, "erp-customers", {"account_id": company, "customer_number": "C-1",
                                 "currency": "USD", "open_balance": "30.00",
                                 "overdue_balance": "0.00", "credit_status": "ok"})
    put(relay, "erp-orders", {**ids, "number": "SO-1", "status": "partially_delivered",
                              "currency": "USD", "total": "50.00", "promised_date": "2030-01-02",
                              "lines": [{"product_id": item, "ordered": "5", "reserved": "2",
                                         "delivered": "3", "invoiced": "3"}]})
    put(relay, "erp-deliveries", {**ids, "number": "DL-1", "status": "shipped",
                                  "shipped_at": "2030-01-01T10:00:00Z",
                                  "lines": [{"product_id": item, "quantity": "3"}]})
    put(relay, "erp-invoices", {**ids, "number": "INV-1", "kind": "invoice", "status": "posted",
                                "currency": "USD", "total": "30.00", "balance": "30.00",
                                "invoice_date": "2030-01-01", "due_date": "2030-01-31"})
    put(relay, "erp-items", {"product_id": item, "on_hand": "7", "reserved": "2",
                             "available": "5"})
    seen = crm.get(f"/opportunities/{made['id']}/fulfilment")
    assert seen["handover"]["state"] == "accepted"
    assert seen["handover"]["order_number"] == "SO-1"
    assert seen["order"]["status"] == "partially_delivered"
    assert seen["order"]["total"] == "50.00"
    assert seen["order"]["promised_date"] == "2030-01-02"
    assert seen["order"]["lines"] == [{"product_id": item, "ordered": "5.0000",
                                       "reserved": "2.0000", "delivered": "3.0000",
                                       "invoiced": "3.0000"}]
    assert [(d["number"], d["status"]) for d in seen["deliveries"]] == [("DL-1", "shipped")]
    assert seen["deliveries"][0]["lines"] == [{"product_id": item, "quantity": "3.0000"}]
    assert seen["deliveries"][0]["shipped_at"].startswith("2030-01-01T10:00:00")
    assert [(i["number"], i["balance"]) for i in seen["invoices"]] == [("INV-1", "30.00")]
    assert seen["open_balance"] == "30.00"

    overview = crm.get(f"/accounts/{company}/overview")
    assert overview["open_opportunities"] == []
    assert overview["erp"]["customer_number"] == "C-1"
    assert overview["erp"]["open_balance"] == "30.00"
    assert [o["number"] for o in overview["erp"]["orders"]] == ["SO-1"]
    assert [d["number"] for d in overview["erp"]["deliveries"]] == ["DL-1"]
    assert [i["number"] for i in overview["erp"]["invoices"]] == ["INV-1"]
    assert crm.get(f"/products/{item}/availability")["available"] == "5.0000"


def test_an_older_fact_changes_nothing(crm, relay):
    item, ref = product(crm)["id"], uuid.uuid4().hex
    put(relay, "erp-items", {"ref": ref, "product_id": item, "available": "5"}, version=7)
    put(relay, "erp-items", {"ref": ref, "product_id": item, "available": "9"}, version=6)
    assert crm.get(f"/products/{item}/availability")["available"] == "5.0000"
    put(relay, "erp-items", {"ref": ref, "product_id": item, "available": "1"}, version=8)
    assert crm.get(f"/products/{item}/availability")["available"] == "1.0000"


def test_people_read_the_mirror_and_do_not_write_it(crm, stack):
    sales = Api(stack.url("crm"), stack.token("crm", "rosa", "sales"))
    for path in ("erp-customers", "erp-orders", "erp-deliveries", "erp-invoices", "erp-items"):
        assert "data" in sales.get("/" + path)
        refused(lambda: put(sales, path, {}), 403)


def test_a_fact_about_an_unknown_account_is_refused_by_name(crm, relay):
    refused(lambda: put(relay, "erp-customers", {
        "account_id": 999999999, "customer_number": "C-9", "currency": "USD"}), 422, "account_id")


def test_an_account_with_facts_of_the_erp_is_not_deleted(crm, relay):
    company = account(crm)["id"]
    put(relay, "erp-customers", {"account_id": company, "customer_number": "C-2",
                                 "currency": "USD"})
    assert refused(lambda: crm.delete(f"/accounts/{company}"), 409)["code"] == "in_use"


def test_a_late_copy_is_refused_where_only_lines_have_changed_since(crm, relay):
    ref, company, item = uuid.uuid4().hex, account(crm)["id"], product(crm)["id"]

    def tell(version, reserved):
        return put(relay, "erp-orders", {
            "ref": ref, "account_id": company, "number": "SO-7", "status": "confirmed",
            "currency": "USD", "total": "50.00",
            "lines": [{"product_id": item, "ordered": "5", "reserved": reserved}]}, version)
    results = [tell(version, reserved)["source_result"] for version, reserved in
               ((1, "0"), (2, "2"), (3, "5"), (2, "2"), (3, "2"))]
    assert results == ["created", "updated", "updated", "superseded", "unchanged"]
    seen = tell(3, "5")
    assert seen["source_version"] == 3 and seen["lines"][0]["reserved"] == "5.0000"
