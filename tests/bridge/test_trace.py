"""tests/bridge/test_trace.py -- a deal's way through three systems, and what is missing."""
import json
import re

import pytest
from api import ApiError
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from operator_cli import cli
from test_flows import handed_over, make_account, make_deal, make_product, order_of, received, win
from waiting import eventually, idle


@pytest.fixture(scope="module")
def sold(stack):
    """A deal of five, two of them shipped, invoiced and paid in two parts."""
    crm, erp, bridge = stack.api("crm"), stack.api("erp"), stack.api("bridge")
    account, product = make_account(crm), make_product(crm)
    deal = make_deal(crm, account, [(product, "5", "10", {})])
    win(crm, deal)
    handed_over(crm, deal)
    order = order_of(erp, deal)
    received(erp, order["lines"][0]["item_id"], "2")
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
        idle(bridge)
    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    invoice = erp.post(f"/invoices/{invoice['id']}/post")
    payments = [erp.post("/payments", {"customer_id": order["customer_id"], "amount": amount,
                                       "allocations": [{"invoice_id": invoice["id"],
                                                        "amount": amount}]})
                for amount in ("5.00", "15.00")]
    erp.post("/payments", {"customer_id": order["customer_id"], "amount": "1.00"})
    idle(bridge)
    return {"deal": deal, "order": order, "delivery": delivery, "invoice": invoice,
            "payments": payments, "account": account}


def trace_of(bridge, sold):
    return bridge.get(f"/traces/opportunity/{sold['deal']['id']}")


def test_a_deal_is_told_from_its_first_stage_to_paid_in_order_of_time(bridge, sold):
    steps = trace_of(bridge, sold)["steps"]
    types = [step["type"] for step in steps]
    expected = ["opportunity.created", "opportunity.won", "sales_order.created",
                "opportunity.handover_accepted", "delivery.created", "delivery.picked",
                "delivery.packed", "delivery.shipped", "invoice.created", "invoice.posted",
                "invoice.partially_paid", "invoice.paid"]
    assert [t for t in types if t in expected] == expected
    assert types.count("payment.created") == 2, "only what pays this deal's invoices"
    times = [step["at"] for step in steps]
    assert times == sorted(times)
    won = types.index("opportunity.won")
    assert [s["since_won_ms"] < 0 for s in steps] == [i < won for i in range(len(steps))]


def test_each_change_says_who_made_it_and_how_it_crossed(bridge, sold):
    steps = {step["type"]: step for step in trace_of(bridge, sold)["steps"]}
    won, ordered = steps["opportunity.won"], steps["sales_order.created"]
    [handover] = won["crossed"]
    assert (handover["route"], handover["to"], handover["state"], handover["became"]) == (
        "opportunity-order", "erp", "applied", f"erp:sales_order:{sold['order']['id']}")
    assert 0 < handover["received_ms"] <= handover["effect_ms"]
    assert (won["actor"], ordered["actor"]) == ("admin", "bridge")
    assert won["trace"] == ordered["trace"] and re.fullmatch("[0-9a-f]{32}", won["trace"])
    shipped = steps["delivery.shipped"]
    assert shipped["changes"]["status"] == {"from": "packed", "to": "shipped"}
    assert shipped["number"] == sold["delivery"]["number"]
    assert shipped["crossed"][0]["became"].startswith("crm:erp_delivery:")


def test_what_is_missing_is_counted(bridge, sold):
    trace = trace_of(bridge, sold)
    assert trace["complete"] is False and trace["unavailable"] == []
    assert sorted(m["text"] for m in trace["missing"]) == [
        "not delivered", "not invoiced: 3 of 5", "not shipped: 3 of 5 (0 of them reserved)"]


def test_any_record_of_the_chain_leads_to_the_same_deal(crm, bridge, sold):
    deal = f"crm:opportunity:{sold['deal']['id']}"
    [mirror] = crm.get("/erp-orders", opportunity_id=sold["deal"]["id"])["data"]
    for entity, id in (("sales_order", sold["order"]["id"]), ("invoice", sold["invoice"]["id"]),
                       ("delivery", sold["delivery"]["id"]), ("erp_order", mirror["id"]),
                       ("payment", sold["payments"][0]["id"])):
        trace = bridge.get(f"/traces/{entity}/{id}")
        assert trace["deal"] == deal, entity
        assert len(trace["records"]) == 6


def test_a_deal_that_was_paid_in_full_lacks_nothing(crm, erp, bridge):
    account, product = make_account(crm), make_product(crm)
    deal = make_deal(crm, account, [(product, "1", "10", {})])
    trace = bridge.get(f"/traces/opportunity/{deal['id']}")
    assert trace["won_at"] is None and trace["steps"][0]["since_won_ms"] is None
    assert [m["text"] for m in trace["missing"]] == ["not won: stage Prospecting"]
    win(crm, deal)
    handed_over(crm, deal)
    order = order_of(erp, deal)
    received(erp, order["lines"][0]["item_id"], "1")
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship", "deliver"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    erp.post(f"/invoices/{invoice['id']}/post")
    erp.post("/payments", {"customer_id": order["customer_id"], "amount": "10.00"})
    idle(bridge)
    trace = bridge.get(f"/traces/opportunity/{deal['id']}")
    assert trace["complete"] is True, trace["missing"]


def test_the_command_prints_one_line_for_each_change(stack, sold):
    said = cli(stack, "trace", "opportunity", sold["deal"]["id"])
    lines = said.splitlines()
    assert f"crm:opportunity:{sold['deal']['id']}" in lines[0]
    [handover] = [line for line in lines if "opportunity.won" in line]
    assert re.search(r"\+0\.0 ms +crm .* erp applied in [0-9.]+ ms", handover)
    assert "not shipped: 3 of 5" in said
    whole = json.loads(cli(stack, "trace", "invoice", sold["invoice"]["id"], "--system", "erp",
                           "--json"))
    assert whole["deal"] == f"crm:opportunity:{sold['deal']['id']}"


def test_what_leads_to_no_deal_is_refused_by_name(bridge, sold):
    for path, status in ((f"/traces/account/{sold['account']['id']}", 404),
                         ("/traces/opportunity/999999", 404), ("/traces/opportunity/x", 404),
                         ("/traces/nothing/1", 404), ("/traces/opportunity/1?system=hr", 422),
                         ("/traces/sales_order/1?system=crm", 404),
                         ("/traces/Opportunity/1?system=crm", 404),
                         ("/traces/opportunity/1?colour=red", 400)):
        with pytest.raises(ApiError) as caught:
            bridge.call("GET", path)
        assert caught.value.status == status, path
        assert caught.value.problem.get("detail") or caught.value.problem.get("errors")


def test_where_several_systems_have_such_records_one_must_be_named(lone):
    def second_crm(config):
        config["systems"]["crm2"] = config["systems"]["crm"]
        config["routes"].append({**config["routes"][2], "name": "second", "from": "crm2"})
    lone.start(second_crm)
    lone.crm.records["/api/v1/opportunities/17"] = {"id": 17, "version": 1, "status": "open",
                                                    "stage": "Offer"}
    with pytest.raises(ApiError) as caught:
        lone.api.get("/traces/opportunity/17")
    assert caught.value.status == 422 and "crm, crm2" in caught.value.problem["detail"]
    trace = lone.api.get("/traces/opportunity/17", system="crm2")
    assert trace["deal"] == "crm2:opportunity:17"
    assert [m["text"] for m in trace["missing"]] == ["not won: stage Offer"]


def test_a_rejected_handover_is_missing_with_its_reason(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: (422, {"code": "credit_limit", "detail": "Over the limit."}) \
        if "/sales-orders/" in call.path and call.method == "PUT" else None
    lone.deal(17)
    lone.ended("opportunity", 17)
    trace = lone.api.get("/traces/opportunity/17")
    assert trace["records"][0]["seen"] == "by the bridge"
    assert "opportunity.won has not reached erp: rejected, Over the limit." in [
        m["text"] for m in trace["missing"]]


def test_a_system_that_is_away_leaves_a_gap_that_is_named(stack, bridge, sold):
    """What the bridge has seen of its records is shown instead. Goes last: it stops daemons."""
    def ready(name):
        def answers():
            return bridge.get("/status")["systems"][name]["breaker"] == "closed"
        return answers
    for away, types in (("erp", {"opportunity.won", "sales_order.created", "delivery.shipped",
                                 "invoice.paid"}),
                        ("crm", {"opportunity.won", "sales_order.created", "delivery.shipped",
                                 "invoice.paid", "payment.created"})):
        process = stack.processes[away]
        process.terminate()
        assert process.wait(30) == 0
        try:
            trace = trace_of(bridge, sold)
        finally:
            stack.start_daemon(away)
            stack.wait_ready(away)
        assert types <= {step["type"] for step in trace["steps"]}, away
        assert {gap["system"] for gap in trace["unavailable"]} == {away}
        assert not trace["complete"]
        seen = {r["ref"].split(":")[0]: r["seen"] for r in trace["records"]}
        assert seen[away] == "by the bridge"
        eventually(ready(away))
    assert trace_of(bridge, sold)["unavailable"] == []
