"""tests/bridge/test_reconcile.py -- what differs on both sides is found, named and made equal."""
import json
import subprocess
import time

import pytest
from api import ApiError
from business import Business
from conftest import ROOT, end_stack, new_stack
from invariants import (documents_are_mirrored, each_won_deal_has_one_order, lines_are_the_same,
                        mirrored_lines_are_the_same)
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from waiting import eventually, idle

SETTLE = {"settle_seconds": 0}


@pytest.fixture(scope="module")
def pair():
    stack = new_stack(options={"bridge": {"reconcile-settle": "1s", "reconcile-rate": "0"}})
    try:
        stack.start()
        stack.business = business_of(stack)
        yield stack
    finally:
        end_stack(stack)


def business_of(stack):
    """A parent and a child, three items and a bundle, four deals: one shipped, one amended."""
    crm, erp = stack.api("crm"), stack.api("erp")
    head = crm.post("/accounts", {"name": "Head", "type": "customer", "phone": "111",
                                  "billing_postal_code": "01234"})
    child = crm.post("/accounts", {"name": "Child", "type": "customer", "phone": "222",
                                   "parent_id": head["id"]})
    crm.post("/accounts", {"name": "Only asking", "type": "prospect"})
    items = [crm.post("/products", {"sku": f"R-{n}", "name": f"Part {n}", "list_price": "10.50"})
             for n in range(3)]
    crm.post("/products", {"sku": "R-set", "name": "Set", "list_price": "30", "components": [
        {"component_id": items[0]["id"], "quantity": "2"},
        {"component_id": items[1]["id"], "quantity": "1.5"}]})
    deals = []
    for n in range(4):
        deal = crm.post("/opportunities", {
            "account_id": child["id"], "name": f"Deal {n}", "close_date": "2026-12-01", "lines": [
                {"product_id": items[n % 3]["id"], "quantity": "2", "unit_price": "9.99",
                 "discount_percent": "2.5"},
                {"product_id": items[(n + 1) % 3]["id"], "quantity": "1", "unit_price": "5"}]})
        deals.append(crm.post(f"/opportunities/{deal['id']}/win")["id"])
    idle(stack.api("bridge"))
    for product in items:   # the set may have arrived before its parts' last
        [item] = erp.get("/items", external_ref=f"crm:product:{product['id']}")["data"]
        erp.post("/stock-adjustments", {"item_id": item["id"], "quantity": "100",
                                        "unit_cost": "3", "reason": "Goods received"})
    [order] = erp.get("/sales-orders", external_ref=f"crm:opportunity:{deals[0]}")["data"]
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    erp.post(f"/invoices/{invoice['id']}/post")
    last = crm.get(f"/opportunities/{deals[3]}")
    crm.post(f"/opportunities/{deals[3]}/amend", {"lines": [
        {"id": last["lines"][0]["id"], "quantity": "7"},
        {"product_id": items[2]["id"], "quantity": "1", "unit_price": "3.33"}]})
    idle(stack.api("bridge"))
    return {"accounts": [head["id"], child["id"]], "products": [i["id"] for i in items],
            "deals": deals, "order": order["id"]}


@pytest.fixture
def bridge(pair):
    yield pair.api("bridge")
    reconcile(pair.api("bridge"))
    assert pair.sql("SELECT count(*) FROM bridge.drift WHERE state IN ('open', 'held')") == "0"


def reconcile(bridge, **asked):
    run = bridge.post("/reconciliations", {**SETTLE, **asked})["id"]

    def it_has_ended():
        found = bridge.get(f"/reconciliations/{run}")
        return found if found["state"] in ("finished", "failed") else None
    found = eventually(it_has_ended, 60, 0.1)
    assert found["state"] == "finished", found["reason"]
    return found


def counts(run):
    return {kind: run[kind] for kind in ("missing", "extra", "differs") if run[kind]}


def newest(bridge, **filters):
    return bridge.get("/drift", sort="-id", limit=1, **filters)["data"][0]


# ---- a healthy pair ----

def test_a_healthy_pair_has_no_drift_on_any_route_and_nothing_is_left_out(pair, bridge):
    run = reconcile(bridge, repair=False)
    assert counts(run) == {}
    rows = {r["route"]: r for r in run["routes"]}
    assert len(rows) == 9
    for row in rows.values():
        assert row["source_rows"] == row["target_rows"] > 0, row
        assert row["buckets"] == row["suspects"] == 0, row
        assert row["not_compared"] is None, row
    assert "prices, components" in rows["product-item"]["compared"]
    assert "agreed_total" in rows["opportunity-order"]["compared"]


def restart(stack, **options):
    stack.processes["bridge"].terminate()
    assert stack.processes["bridge"].wait(30) == 0
    stack.options["bridge"] = {"reconcile-settle": "1s", "reconcile-rate": "0", **options}
    stack.write_config("bridge")
    stack.start_daemon("bridge")
    stack.wait_ready("bridge")
    stack.wait_subscribed()
    return stack.api("bridge")


@pytest.fixture
def held_back(pair):
    """Other rules: one route holds, one leaves a member out and maps one that is not there."""
    path = pair.var / "bridge.json"
    before = path.read_text()
    config = json.loads(before)
    routes = {route["name"]: route for route in config["routes"]}
    routes["availability"]["repair"] = "hold"
    routes["account-customer"]["compare"] = {"not": {"phone": "each side has its own"}}
    mapping = pair.var / "wider.jq"
    mapping.write_text((ROOT / "sync-bridge/mappings/account_customer.jq").read_text()
                       + "| . + {password: \"write-only\"}\n")
    routes["account-customer"]["map"] = str(mapping)
    path.write_text(json.dumps(config))
    yield restart(pair, **{"reconcile-pause": "1s"})
    path.write_text(before)
    restart(pair)


def test_it_goes_on_by_itself_and_a_route_may_hold_and_leave_members_out(pair, held_back):
    account, product = pair.business["accounts"][0], pair.business["products"][0]

    def two_have_ended():
        return len([run for run in held_back.all("/reconciliations")
                    if run["requested_by"] is None and run["state"] == "finished"]) >= 2
    eventually(two_have_ended, 30, 0.2)
    pair.sql(f"UPDATE erp.customer SET phone = '9' WHERE external_ref = 'crm:account:{account}';"
             f"UPDATE crm.erp_item SET reserved = 9 WHERE product_id = {product}")

    def it_is_held():
        return held_back.get("/drift", route="availability", state="held")["data"]
    [drift] = eventually(it_is_held, 30, 0.2)
    assert (drift["field"], drift["reason"]) == ("reserved", "the route holds what differs")
    run = reconcile(held_back, route="account-customer")
    assert counts(run) == {}
    assert run["routes"][0]["not_compared"] == (
        "phone (each side has its own), password (the target does not show it)")
    held_back.post(f"/drift/{drift['id']}/repair")

    def it_is_repaired():
        return held_back.get(f"/drift/{drift['id']}")["state"] == "repaired"
    eventually(it_is_repaired)
    pair.sql(f"UPDATE erp.customer SET phone = '111' WHERE external_ref = 'crm:account:{account}'")


def test_a_side_that_cannot_be_read_fails_the_run_and_nothing_is_found(pair, bridge):
    pair.processes["erp"].terminate()
    assert pair.processes["erp"].wait(30) == 0
    try:
        run = bridge.post("/reconciliations", {**SETTLE, "route": "account-customer"})["id"]

        def it_has_failed():
            found = bridge.get(f"/reconciliations/{run}")
            return found if found["state"] == "failed" else None
        failed = eventually(it_has_failed, 30, 0.1)
        assert failed["reason"].startswith("account-customer: ") and "erp" in failed["reason"]
        assert counts(failed) == {}
    finally:
        pair.start_daemon("erp")
        pair.wait_ready("erp")

    def erp_is_asked_again():
        return bridge.get("/status")["systems"]["erp"]["reachable"]
    eventually(erp_is_asked_again)


# ---- what is found ----

EDITS = {
    "account-customer": (
        "UPDATE erp.customer SET billing_postal_code = '1234'"
        " WHERE external_ref = 'crm:account:{a}'",
        "crm:account:{a}", "billing_postal_code", "01234", "1234", "crm"),
    "product-item": (
        "UPDATE erp.item_price SET unit_price = 10.51 WHERE item_id = (SELECT id FROM erp.item"
        " WHERE external_ref = 'crm:product:{p}')",
        "crm:product:{p}", "prices[1].unit_price", "10.5000", "10.5100", "crm"),
    "order-status": (
        "UPDATE crm.erp_order_line SET delivered = 77 WHERE id = (SELECT min(l.id) FROM"
        " crm.erp_order_line l JOIN crm.erp_order o ON o.id = l.erp_order_id"
        " WHERE o.external_ref = 'erp:sales_order:{o}')",
        "erp:sales_order:{o}", "lines[1].delivered", "2.0000", "77.0000", "erp"),
    "delivery-status": (
        "UPDATE crm.erp_delivery SET carrier = 'Nobody'", "erp:delivery:1",
        "carrier", None, "Nobody", "erp"),
    "invoice-status": (
        "UPDATE crm.erp_invoice SET balance = 0", "erp:invoice:1",
        "balance", "24.48", "0.00", "erp"),
    "customer-finance": (
        "UPDATE crm.erp_customer SET credit_status = 'hold' WHERE account_id = {a}",
        "erp:customer:1", "credit_status", "ok", "hold", "erp"),
    "availability": (
        "UPDATE crm.erp_item SET available = available + 1 WHERE product_id = {p}",
        "erp:item:1", "available", "90.0000", "91.0000", "erp"),
}


def test_hand_edits_are_found_field_by_field_and_the_owner_wins(pair, bridge):
    names = {"a": pair.business["accounts"][0], "p": pair.business["products"][0],
             "o": pair.business["order"]}
    for sql, *_ in EDITS.values():
        pair.sql(sql.format(**names))
    run = reconcile(bridge, repair=False)
    assert counts(run) == {"differs": len(EDITS)}, run
    found = {route: newest(bridge, route=route) for route in EDITS}
    for route, (_, ref, field, source, target, owner) in EDITS.items():
        drift = found[route]
        assert (drift["kind"], drift["field"], drift["owner"]) == ("differs", field, owner)
        assert drift["state"] == "open" and drift["age_seconds"] >= 0
        assert drift["source_ref"] == ref.format(**names), drift
        assert (drift["source_value"], drift["target_value"]) == (source, target)
    run = reconcile(bridge)
    assert run["repaired"] >= 5 and run["held"] == 0, run
    assert counts(reconcile(bridge)) == {}
    for drift in found.values():   # a repaired customer's own change also repairs his picture
        assert bridge.get(f"/drift/{drift['id']}")["state"] in ("repaired", "gone")


def test_a_record_that_is_missing_is_made_again(pair, bridge):
    [mirror] = pair.api("crm").get("/erp-invoices")["data"]
    pair.sql("DELETE FROM crm.erp_invoice")
    assert counts(reconcile(bridge, route="invoice-status")) == {"missing": 1}
    drift = newest(bridge, route="invoice-status")
    assert (drift["kind"], drift["state"], drift["target_ref"]) == ("missing", "repaired", None)
    [again] = pair.api("crm").get("/erp-invoices")["data"]
    assert (again["external_ref"], again["balance"], again["source_version"]) == (
        mirror["external_ref"], mirror["balance"], mirror["source_version"])
    assert pair.sql("SELECT count(*) FROM bridge.link WHERE left_ref = "
                    f"'{mirror['external_ref']}'") == "1"


def test_a_change_that_was_missed_is_sent_again(pair, bridge):
    crm, account = pair.api("crm"), pair.business["accounts"][1]
    pair.sql(f"UPDATE crm.account SET phone = '333', version = version + 1 WHERE id = {account}")
    assert counts(reconcile(bridge, route="account-customer")) == {"differs": 1}
    drift = newest(bridge, route="account-customer")
    assert (drift["field"], drift["source_value"], drift["target_value"]) == ("phone", "333", "222")
    [customer] = pair.api("erp").get("/customers", external_ref=f"crm:account:{account}")["data"]
    assert customer["phone"] == "333"
    assert customer["source_version"] == crm.get(f"/accounts/{account}")["version"]
    crm.patch(f"/accounts/{account}", {"phone": "222"})
    idle(bridge)


def test_two_records_with_their_values_exchanged_are_both_found(pair, bridge):
    a, b = (f"crm:account:{n}" for n in pair.business["accounts"])
    pair.sql(f"""UPDATE erp.customer x SET phone = y.phone FROM erp.customer y
                 WHERE (x.external_ref, y.external_ref) IN (('{a}', '{b}'), ('{b}', '{a}'))""")
    assert counts(reconcile(bridge, route="account-customer")) == {"differs": 2}
    found = bridge.get("/drift", sort="-id", limit=2)["data"]
    assert {(d["source_ref"], d["field"], d["source_value"], d["target_value"]) for d in found} == {
        (a, "phone", "111", "222"), (b, "phone", "222", "111")}


def test_a_picture_without_an_original_is_removed(pair, bridge):
    pair.sql("INSERT INTO crm.erp_item (external_ref, product_id) VALUES"
             f" ('erp:item:987654', {pair.business['products'][0]})")
    run = reconcile(bridge, route="availability")
    assert counts(run) == {"extra": 1} and run["repaired"] == 1
    drift = newest(bridge)
    assert (drift["kind"], drift["source_ref"]) == ("extra", "erp:item:987654")
    assert not pair.api("crm").get("/erp-items", external_ref="erp:item:987654")["data"]


def test_a_document_without_an_original_is_held_and_never_deleted(pair, bridge):
    pair.sql("SET search_path = erp; INSERT INTO customer (name, external_ref)"
             " VALUES ('Ghost', 'crm:account:987654')")
    run = reconcile(bridge, route="account-customer")
    assert counts(run) == {"extra": 1} and run["held"] == 1
    drift = newest(bridge)
    assert drift["state"] == "held" and "not deleted" in drift["reason"]
    with pytest.raises(ApiError) as caught:
        bridge.post(f"/drift/{drift['id']}/repair")
    assert caught.value.status == 409
    assert pair.sql("SELECT count(*) FROM erp.customer WHERE name = 'Ghost'") == "1"
    pair.sql("DELETE FROM erp.customer WHERE name = 'Ghost'")
    reconcile(bridge, route="account-customer")
    assert bridge.get(f"/drift/{drift['id']}")["state"] == "gone"


def test_a_deleted_account_is_no_drift_as_long_as_the_customer_is_inactive(pair, bridge):
    crm = pair.api("crm")
    account = crm.post("/accounts", {"name": "Short-lived", "type": "customer"})
    idle(bridge)
    [picture] = crm.get("/erp-customers", account_id=account["id"])["data"]
    crm.delete(f"/erp-customers/{picture['id']}")   # it would hold the account
    crm.delete(f"/accounts/{account['id']}")
    idle(bridge)
    assert counts(reconcile(bridge, route="account-customer")) == {}
    pair.sql("UPDATE erp.customer SET active = true WHERE name = 'Short-lived'")
    assert counts(reconcile(bridge, route="account-customer")) == {"differs": 1}
    assert pair.sql("SELECT active FROM erp.customer WHERE name = 'Short-lived'") == "f"
    idle(bridge)
    pair.sql("DELETE FROM erp.customer WHERE name = 'Short-lived';"
             "DELETE FROM bridge.message WHERE state = 'rejected'")


def order_line(pair, deal):
    return ("(SELECT min(l.id) FROM erp.sales_order_line l JOIN erp.sales_order o"
            f" ON o.id = l.sales_order_id WHERE o.external_ref = 'crm:opportunity:{deal}')")


@pytest.mark.parametrize("column, value, field, reason", [
    ("quantity", "3", "lines[1].quantity", "can no longer be changed"),
    ("description", "'Hand'", "lines[1].description", "keeps its own value")])
def test_what_the_target_does_not_take_is_held_with_the_reason(pair, bridge, column, value, field,
                                                               reason):
    deal = pair.business["deals"][1]
    line = order_line(pair, deal)
    before = pair.sql(f"SELECT coalesce({column}::text, 'NULL') FROM erp.sales_order_line"
                      f" WHERE id = {line}")
    pair.sql(f"UPDATE erp.sales_order_line SET {column} = {value} WHERE id = {line}")
    run = reconcile(bridge, route="opportunity-order")
    assert counts(run) == {"differs": 1} and run["held"] == 1 and run["repaired"] == 0
    drift = newest(bridge)
    assert drift["field"] == field and reason in drift["reason"]
    assert pair.api("crm").get(f"/opportunities/{deal}")["handover"] == "accepted"
    pair.sql(f"UPDATE erp.sales_order_line SET {column} = {before} WHERE id = {line};"
             "DELETE FROM bridge.message WHERE state = 'rejected'")
    reconcile(bridge, route="opportunity-order")
    assert bridge.get(f"/drift/{drift['id']}")["state"] == "gone"


# ---- what operators do ----

def test_what_is_held_stays_until_its_repair_is_asked_for(pair, bridge):
    account = pair.business["accounts"][0]
    edit = f"UPDATE erp.customer SET email = 'x@y.z' WHERE external_ref = 'crm:account:{account}'"
    pair.sql(edit)
    reconcile(bridge, route="account-customer", repair=False)
    drift = newest(bridge)
    assert (drift["state"], drift["field"]) == ("open", "email")
    held = bridge.post(f"/drift/{drift['id']}/hold", {"reason": "agreed by phone"})
    assert (held["state"], held["reason"]) == ("held", "agreed by phone")
    assert reconcile(bridge, route="account-customer")["held"] == 1
    assert bridge.get(f"/drift/{drift['id']}")["state"] == "held"
    bridge.post(f"/drift/{drift['id']}/repair")

    def it_is_repaired():
        return bridge.get(f"/drift/{drift['id']}")["state"] == "repaired"
    eventually(it_is_repaired)
    assert pair.sql("SELECT email IS NULL FROM erp.customer WHERE external_ref ="
                    f" 'crm:account:{account}'") == "t"


def test_a_repair_does_not_undo_what_was_written_after_it_was_compared(pair, bridge):
    """The message says which version of the target it may overwrite."""
    account = pair.business["accounts"][0]
    [customer] = pair.api("erp").get("/customers", external_ref=f"crm:account:{account}")["data"]
    record = pair.api("crm").get(f"/accounts/{account}")
    body = json.dumps({"type": "account.reconciled", "source": "crm", "id": account,
                       "target_version": customer["version"], "record": record},
                      separators=(",", ":"))
    pair.api("erp").patch(f"/customers/{customer['id']}", {"email": "new@erp.example"})
    pair.sql("INSERT INTO bridge.message (version, route, source, event_id, type, entity,"
             f" source_id, body) VALUES ({record['version']}, 'account-customer', 'crm', 'test-1',"
             f" 'account.reconciled', 'account', {account}, $body${body}$body$)")

    def it_has_ended():
        message = bridge.get("/messages", event_id="test-1")["data"][0]
        return message if message["finished_at"] else None
    message = eventually(it_has_ended)
    assert (message["state"], message["code"]) == ("superseded", "version_mismatch")
    assert pair.api("erp").get(f"/customers/{customer['id']}")["email"] == "new@erp.example"


def test_asking_for_nonsense_names_every_bad_member(pair):
    bridge = pair.api("bridge")
    for body, fields in [({"route": "nowhere", "repair": "yes"}, {"route", "repair"}),
                         ({"record": "x", "settle_seconds": -1}, {"record", "settle_seconds"}),
                         ({"colour": 1}, {"colour"}), ({"record": "crm:account:1"}, {"route"}),
                         ({"record": "crm:product:1", "route": "account-customer"}, {"record"})]:
        with pytest.raises(ApiError) as caught:
            bridge.post("/reconciliations", body)
        assert caught.value.status == 422
        assert {e["field"] for e in caught.value.problem["errors"]} == fields
    viewer = pair.api("bridge", pair.token("bridge", "looker", "viewer"))
    assert viewer.raw("POST", "/reconciliations", {}).status == 403
    assert viewer.raw("GET", "/drift").status == viewer.raw("GET", "/reconciliations").status == 200


def test_the_command_waits_and_prints_what_was_found(pair):
    done = subprocess.run([pair.bin / "sync-bridge", "--config", pair.config_path("bridge"),
                           "reconcile", "--route", "availability"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "availability" in done.stdout and "finished: " in done.stdout


def test_the_metrics_tell_of_the_last_reconciliation(pair):
    text = pair.api("bridge").raw("GET", "/metrics").raw.decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines()
                  if line.startswith("reconcile_"))
    assert time.time() - float(values["reconcile_last_success_timestamp_seconds"]) < 300
    assert float(values["reconcile_rows_compared_total"]) > 0
    assert {f'reconcile_drift_rows{{kind="{k}"}}' for k in ("missing", "extra", "differs")} <= set(
        values)


# ---- while business goes on ----

def test_no_repair_is_made_while_business_goes_on_and_sweeps_follow_each_other(pair, bridge):
    business = Business(pair, 7)
    idle(bridge)
    for product in business.products:
        [item] = pair.api("erp").get("/items", external_ref=f"crm:product:{product}")["data"]
        pair.api("erp").post("/stock-adjustments", {
            "item_id": item["id"], "quantity": "9000", "unit_cost": "3", "reason": "Received"})
    business.start(business.sell, business.fulfil)
    began = time.monotonic()
    runs = []
    try:
        while time.monotonic() - began < 6:
            runs.append(reconcile(bridge, settle_seconds=3))
    finally:
        business.stop()
    idle(bridge)
    assert len(business.won) > 5
    assert [counts(run) for run in runs] == [{}] * len(runs)
    assert pair.sql("SELECT count(*) FROM bridge.message WHERE type LIKE '%.reconciled'"
                    f" AND received_at > now() - interval '{time.monotonic() - began} s'") == "0"
    assert any(route["buckets"] for run in runs for route in run["routes"])
    for holds in (each_won_deal_has_one_order, lines_are_the_same, documents_are_mirrored,
                  mirrored_lines_are_the_same):
        holds(pair)


# ---- systems that answer nonsense ----

NONSENSE = [b"", b"nonsense", b"[]", b"{}", b'{"data":[', b'{"data":{}}', b'{"data":["x"]}',
            b'{"data":[{"id":1}', b'{"data":[{"id":"1","version":1}]}', b'{"data":[{]}]}',
            b'{"data":[],"next_cursor":{}}', b'{"data":[{"id":1,"version":1,"name":"\\u0000"}]}',
            b'{"data":[' + b'{"id":1,"version":1},' * 201 + b'{"id":1,"version":1}]}']


def test_a_list_that_is_none_fails_the_run_and_the_bridge_goes_on(lone):
    lone.start()
    lone.erp.rule = lambda call: (200, {"data": [], "next_cursor": None}) if (
        call.method == "GET" and "/customers?" in call.path) else None
    for body in NONSENSE:
        lone.crm.rule = lambda call, body=body: (200, body) if (
            call.method == "GET" and "/accounts?" in call.path) else None
        run = lone.api.post("/reconciliations", {"route": "account-customer"})["id"]

        def it_has_ended():
            found = lone.api.get(f"/reconciliations/{run}")
            return found if found["state"] in ("finished", "failed") else None
        found = eventually(it_has_ended)
        assert found["state"] == "failed", body
        assert found["reason"].startswith("account-customer: "), found
    lone.crm.rule = lambda call: None
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"
