"""tests/bridge/test_user_pains.py -- what users of other bridges complain of, one test each.

The 18th, several companies and remote sites, takes a stack of its own: test_topology.py.
"""
import signal
import threading
import uuid

import psycopg2
import pytest
from api import ApiError
from invariants import rows
from test_flows import (handed_over, make_account, make_deal, make_product, order_of, received,
                        unique, win)
from waiting import eventually, idle


def customers_of(erp, *accounts):
    return [erp.get("/customers", external_ref=f"crm:account:{account['id']}")["data"]
            for account in accounts]


def won_deal(crm, bridge, account=None, product=None, quantity="2", price="10.00", **rest):
    deal = make_deal(crm, account or make_account(crm),
                     [(product or make_product(crm), quantity, price, rest)])
    win(crm, deal)
    handed_over(crm, deal)
    idle(bridge)
    return deal


def together(*works):
    """All at once; answers what they answered, errors raised."""
    answers, errors = [None] * len(works), []

    def run(number, work):
        try:
            answers[number] = work()
        except Exception as error:   # noqa: BLE001 -- raised below
            errors.append(error)
    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    return answers


def test_1_two_accounts_of_one_name_are_two_customers(crm, erp, bridge):
    name = unique("Same name")
    twins = [crm.post("/accounts", {"name": name, "type": "customer", "billing_city": "Berlin"})
             for _ in range(2)]
    idle(bridge)
    [[first], [second]] = customers_of(erp, *twins)
    assert first["id"] != second["id"] and first["name"] == second["name"] == name


def test_2_a_second_deal_uses_the_customer_without_writing_to_it(crm, erp, bridge):
    account, product = make_account(crm), make_product(crm)
    first = won_deal(crm, bridge, account, product)
    [[customer]] = customers_of(erp, account)
    second = won_deal(crm, bridge, account, product)
    assert order_of(erp, first)["customer_id"] == order_of(erp, second)["customer_id"]
    writes = [e for e in erp.get("/events", entity="customer", record_id=customer["id"],
                                 limit=200)["data"]
              if {"name", "billing_city", "currency"} & set(e["data"]["changed"])]
    assert len(writes) == 1, "the repeat deal wrote to the customer"


def test_3_an_order_sent_again_stays_one_order(stack, crm, erp, bridge):
    deal = won_deal(crm, bridge)
    order = order_of(erp, deal)
    ref = f"/sales-orders/by-ref/crm:opportunity:{deal['id']}"
    body = {"customer_id": order["customer_id"], "lines": [
        {"item_id": line["item_id"], "quantity": line["quantity"],
         "unit_price": line["unit_price"]} for line in order["lines"]]}
    version = {"Source-Version": str(order["source_version"])}
    as_bridge = stack.api("erp", (stack.var / "secrets/erp-bridge-token").read_text())
    again = as_bridge.put(ref, body, {**version, "Idempotency-Key": str(uuid.uuid4())})
    assert again["id"] == order["id"] and again["source_result"] == "unchanged"
    key = str(uuid.uuid4())
    as_bridge.put(ref, body, {**version, "Idempotency-Key": key})
    with pytest.raises(ApiError) as refused:
        as_bridge.put(ref, {**body, "notes": "other"}, {**version, "Idempotency-Key": key})
    assert refused.value.status == 422
    assert order_of(erp, deal)["version"] == order["version"]


def test_4_an_order_that_comes_before_its_customer_and_item_brings_them(crm, erp, bridge):
    parent = make_account(crm)
    account = make_account(crm, parent_id=parent["id"])
    product = make_product(crm)
    assert customers_of(erp, account, parent) == [[], []]
    deal = won_deal(crm, bridge, account, product)
    [[customer], [above]] = customers_of(erp, account, parent)
    assert order_of(erp, deal)["customer_id"] == customer["id"]
    assert customer["parent_id"] == above["id"]


def test_5_deals_of_one_new_account_won_at_once_make_one_customer_and_one_item(
        stack, crm, erp, bridge):
    account, product = make_account(crm), make_product(crm)
    deals = [make_deal(crm, account, [(product, "1", "5.00", {})]) for _ in range(12)]
    together(*[lambda deal=deal: win(stack.api("crm"), deal) for deal in deals])
    idle(bridge)
    [[customer]] = customers_of(erp, account)
    assert {order_of(erp, deal)["customer_id"] for deal in deals} == {customer["id"]}
    assert len(erp.get("/items", external_ref=f"crm:product:{product['id']}")["data"]) == 1


def test_6_changes_within_one_second_end_as_the_last_one_and_a_late_copy_is_superseded(
        stack, crm, erp, bridge):
    account = make_account(crm, type="customer")
    for number in range(15):
        crm.patch(f"/accounts/{account['id']}", {"phone": str(number)})
    idle(bridge)
    [[customer]] = customers_of(erp, account)
    assert customer["phone"] == "14"
    as_bridge = stack.api("erp", (stack.var / "secrets/erp-bridge-token").read_text())
    late = as_bridge.put(f"/customers/by-ref/crm:account:{account['id']}",
                         {"name": "Long ago"}, {"Source-Version": "2"})
    assert late["source_result"] == "superseded" and late["name"] == account["name"]


def test_7_an_edit_crosses_once_and_then_there_is_silence(stack, crm, erp, bridge):
    account = make_account(crm, type="customer")
    idle(bridge)
    for number in range(5):
        crm.patch(f"/accounts/{account['id']}", {"phone": f"555-{number}"})
        idle(bridge)
    [[customer]] = customers_of(erp, account)
    log = f"FROM erp.event WHERE entity = 'customer' AND record_id = {customer['id']}"
    assert stack.sql(f"SELECT count(*) {log} AND 'phone' = ANY (changed)") == "5"
    assert stack.sql("SELECT count(*) FROM crm.event WHERE entity = 'account' AND record_id ="
                     f" {account['id']} AND origin = 'bridge'") == "0"
    both = "SELECT (SELECT count(*) FROM crm.event), (SELECT count(*) FROM erp.event)"
    before = stack.sql(both)
    idle(bridge)
    assert stack.sql(both) == before


def test_8_accepted_means_that_the_order_is_there_and_every_change_ends_in_a_visible_state(
        stack, crm, erp, bridge):
    deal = won_deal(crm, bridge)
    told = crm.get(f"/opportunities/{deal['id']}/fulfilment")["handover"]
    assert (told["state"], told["order_number"]) == ("accepted", order_of(erp, deal)["number"])
    for system in ("crm", "erp"):
        unseen = rows(stack, f"""
            SELECT e.type, e.record_id FROM {system}.event e
            JOIN {system}.webhook_delivery d ON d.event_id = e.id
            JOIN {system}.webhook w ON w.id = d.webhook_id AND w.external_ref LIKE 'bridge:%'
            WHERE NOT EXISTS (SELECT FROM bridge.message m WHERE m.source = '{system}'
                AND m.event_id = 'evt_' || e.event_id AND m.finished_at IS NOT NULL)""")
        assert not unseen, f"changes that vanished: {unseen[:3]}"


def test_9_and_10_the_deal_shows_partial_deliveries_and_invoices_line_by_line(crm, erp, bridge):
    first, second = make_product(crm), make_product(crm)
    deal = make_deal(crm, make_account(crm), [(first, "5", "10.00", {}), (second, "4", "2.50", {})])
    win(crm, deal)
    handed_over(crm, deal)
    order = order_of(erp, deal)
    for line, there in zip(order["lines"], ("3", "4")):
        received(erp, line["item_id"], there)
    for share in ("2", "1"):
        delivery = erp.post(f"/sales-orders/{order['id']}/deliveries", {"lines": [
            {"order_line_id": order["lines"][0]["id"], "quantity": share}]})
        for verb in ("pick", "pack", "ship"):
            erp.post(f"/deliveries/{delivery['id']}/{verb}")
        invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
        erp.post(f"/invoices/{invoice['id']}/post")
    idle(bridge)
    shown = crm.get(f"/opportunities/{deal['id']}/fulfilment")
    lines = {line["product_id"]: line for line in shown["order"]["lines"]}
    assert [lines[first["id"]][k] for k in ("ordered", "reserved", "delivered", "invoiced")] == [
        "5.0000", "0.0000", "3.0000", "3.0000"]
    assert [lines[second["id"]][k] for k in ("ordered", "reserved", "delivered", "invoiced")] == [
        "4.0000", "4.0000", "0.0000", "0.0000"]
    assert [d["status"] for d in shown["deliveries"]] == ["shipped", "shipped"]
    assert sorted(i["total"] for i in shown["invoices"]) == ["10.00", "20.00"]


def test_11_the_order_has_the_agreed_price_whatever_the_price_list_says_later(crm, erp, bridge):
    product = make_product(crm, list_price="99.00")
    deal = make_deal(crm, make_account(crm),
                     [(product, "2", "80.0050", {"discount_percent": "10"})])
    crm.patch(f"/products/{product['id']}", {"list_price": "120.00"})
    win(crm, deal)
    handed_over(crm, deal)
    [line] = order_of(erp, deal)["lines"]
    assert (line["unit_price"], line["discount_percent"], line["amount"]) == (
        "80.0050", "10.0000", "144.01")


def test_12_a_total_that_does_not_come_out_to_the_cent_is_refused_with_both_totals(
        stack, crm, erp, bridge):
    deal = won_deal(crm, bridge, quantity="3", price="0.3350")
    order = order_of(erp, deal)
    assert order["total"] == deal["total"] == "1.01"
    as_bridge = stack.api("erp", (stack.var / "secrets/erp-bridge-token").read_text())
    with pytest.raises(ApiError) as refused:
        as_bridge.put(f"/sales-orders/by-ref/crm:opportunity:99{uuid.uuid4().int % 10**9}", {
            "customer_id": order["customer_id"], "agreed_total": "1.00", "lines": [
                {"item_id": order["lines"][0]["item_id"], "quantity": "3",
                 "unit_price": "0.3350"}]}, {"Source-Version": "1"})
    problem = refused.value.problem
    assert problem["code"] == "total_mismatch"
    assert (problem["agreed_total"], problem["total"]) == ("1.00", "1.01")


def test_13_a_deactivated_product_deactivates_its_item_and_nothing_that_is_used_is_deleted(
        crm, erp, bridge):
    product = make_product(crm)
    deal = won_deal(crm, bridge, product=product)
    crm.patch(f"/products/{product['id']}", {"active": False})
    idle(bridge)
    [item] = erp.get("/items", external_ref=f"crm:product:{product['id']}")["data"]
    assert item["active"] is False
    with pytest.raises(ApiError) as refused:
        crm.delete(f"/products/{product['id']}")
    assert 400 <= refused.value.status < 500
    assert order_of(erp, deal)["lines"][0]["item_id"] == item["id"]


def test_14_a_change_that_commits_late_is_not_missed(stack, crm, erp, bridge):
    held, name = unique("held"), unique("Late")
    blocker = psycopg2.connect(stack.user_url("crm"))
    with blocker.cursor() as cursor:
        cursor.execute("INSERT INTO account (name, external_ref) VALUES ('x', %s)", [held])
    late = threading.Thread(target=lambda: stack.api("crm").post("/accounts/batch", {"records": [
        {"name": name, "type": "customer"},
        {"name": name, "type": "customer", "external_ref": held}]}))
    late.start()

    def batch_waits():
        return stack.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'crm'"
                         " AND wait_event_type = 'Lock'") != "0"
    eventually(batch_waits)
    early = make_account(crm, type="customer")

    def early_one_crossed():
        return customers_of(erp, early)[0]
    eventually(early_one_crossed)
    blocker.rollback()
    blocker.close()
    late.join(20)
    idle(bridge)
    assert len(erp.get("/customers", name=name)["data"]) == 2


def test_15_a_bridge_killed_at_work_leaves_nothing_stuck(stack, crm, erp, bridge):
    product = make_product(crm)
    deals = [make_deal(crm, make_account(crm), [(product, "1", "5.00", {})]) for _ in range(10)]
    for deal in deals:
        win(crm, deal)
    process = stack.processes["bridge"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    stack.start_daemon("bridge")
    stack.wait_ready("bridge")
    for deal in deals:
        handed_over(crm, deal)
    assert len({order_of(erp, deal)["id"] for deal in deals}) == 10


def test_16_an_amendment_is_taken_for_what_is_not_delivered_and_both_sides_show_its_revision(
        crm, erp, bridge):
    deal = won_deal(crm, bridge, quantity="5", price="10.00")
    order = order_of(erp, deal)
    received(erp, order["lines"][0]["item_id"], "2")
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
    idle(bridge)
    line = crm.get(f"/opportunities/{deal['id']}")["lines"][0]["id"]
    for quantity, state, revision in (("1", "rejected", 0), ("3", "accepted", 1)):
        crm.post(f"/opportunities/{deal['id']}/amend",
                 {"lines": [{"id": line, "quantity": quantity}]})
        idle(bridge)
        shown, order = crm.get(f"/opportunities/{deal['id']}"), order_of(erp, deal)
        assert shown["amendment"]["state"] == state
        assert shown["revision"] == order["revision"] == revision
    assert shown["amount"] == order["total"] == "30.00"


def test_17_records_that_were_there_before_are_matched_linked_and_then_kept_in_step(
        stack, crm, erp, bridge):
    tax = f"DE{uuid.uuid4().int % 10**9:09}"
    name = unique("Old customer")
    known = erp.post("/customers", {"name": name, "tax_id": f"{tax[:4]} {tax[4:]}"})
    stranger = erp.post("/customers", {"name": name})
    account = crm.post("/accounts", {"name": name, "type": "prospect", "tax_id": tax})
    idle(bridge)

    def matched(link):
        job = bridge.post("/matches", {"route": "account-customer", "link": link})

        def job_is_done():
            return bridge.get(f"/replays/{job['id']}")["state"] == "done"
        eventually(job_is_done, 60)
    matched(False)
    assert erp.get(f"/customers/{known['id']}")["external_ref"] is None
    matched(True)
    assert erp.get(f"/customers/{known['id']}")["external_ref"] == f"crm:account:{account['id']}"
    assert erp.get(f"/customers/{stranger['id']}")["external_ref"] is None
    crm.patch(f"/accounts/{account['id']}", {"type": "customer", "phone": "555"})
    idle(bridge)
    assert erp.get(f"/customers/{known['id']}")["phone"] == "555"
    assert len(erp.get("/customers", external_ref=f"crm:account:{account['id']}")["data"]) == 1

