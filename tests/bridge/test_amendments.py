"""tests/bridge/test_amendments.py -- an order changes on both sides or on neither."""
import random
import threading
import time

import pytest
from business import Business
from invariants import quantities_are_conserved
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from fake_system import post_event
from test_flows import (handed_over, make_account, make_deal, make_product, order_of, received,
                        win)
from waiting import eventually, idle

from api import ApiError


@pytest.fixture
def ordered(crm, erp, bridge):
    """A won deal of five and two widgets, its order, and stock for it."""
    account, products = make_account(crm), [make_product(crm) for _ in range(2)]
    deal = make_deal(crm, account, [(products[0], "5", "9.99", {"discount_percent": "5"}),
                                    (products[1], "2", "3.50", {})])
    win(crm, deal)
    handed_over(crm, deal)
    order = order_of(erp, deal)
    for line in order["lines"]:
        received(erp, line["item_id"], "20")
    idle(bridge)
    return deal, order


def ask(crm, deal, name, body):
    crm.post(f"/opportunities/{deal['id']}/{name}", body)


def answered(crm, deal):
    def proposal_is_answered():
        shown = crm.get(f"/opportunities/{deal['id']}")
        return shown if shown["amendment"]["state"] in ("accepted", "rejected") else None
    return eventually(proposal_is_answered)


def shown_lines(deal):
    return [(str(row["id"]), row["quantity"], row["unit_price"], row["discount_percent"],
             row["amount"]) for row in deal["lines"]]


def ordered_lines(order):
    return [(row["source_line"], row["quantity"], row["unit_price"], row["discount_percent"],
             row["amount"]) for row in order["lines"]]


def same_on_both_sides(crm, erp, bridge, deal):
    """Revision, total and lines; answers both."""
    idle(bridge)
    shown, order = crm.get(f"/opportunities/{deal['id']}"), order_of(erp, deal)
    mirror = crm.get(f"/opportunities/{deal['id']}/fulfilment")["order"]
    assert mirror["revision"] == order["revision"] and mirror["status"] == order["status"]
    assert shown["revision"] == order["revision"] and shown["total"] == order["total"]
    assert shown_lines(shown) == ordered_lines(order)
    return shown, order


def test_an_accepted_amendment_is_on_both_sides_with_the_same_revision(crm, erp, bridge, ordered):
    deal, order = ordered
    added = make_product(crm)
    ask(crm, deal, "amend", {"reason": "wants more", "lines": [
        {"id": deal["lines"][0]["id"], "quantity": "7", "unit_price": "8.8888"},
        {"product_id": added["id"], "quantity": "3", "unit_price": "0.335"}]})
    assert answered(crm, deal)["amendment"]["state"] == "accepted"
    shown, order = same_on_both_sides(crm, erp, bridge, deal)
    assert (shown["revision"], len(shown["lines"])) == (1, 2)
    assert order["lines"][0]["reserved"] == "7.0000"
    ask(crm, deal, "amend", {"lines": [{"id": shown["lines"][1]["id"], "quantity": "1"}]})
    answered(crm, deal)
    shown, order = same_on_both_sides(crm, erp, bridge, deal)
    assert (shown["revision"], shown["total"]) == (2, "0.34")


def test_a_refused_amendment_changes_neither_and_the_deal_says_why(crm, erp, bridge, ordered):
    deal, order = ordered
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries", {
        "lines": [{"order_line_id": order["lines"][0]["id"], "quantity": "4"}]})
    erp.post(f"/deliveries/{delivery['id']}/ship")
    ask(crm, deal, "amend", {"lines": [{"id": deal["lines"][0]["id"], "quantity": "3"}]})
    shown = answered(crm, deal)["amendment"]
    assert (shown["state"], shown["code"]) == ("rejected", "not_amendable")
    assert "wanted 3.0000, ordered 5.0000, delivered 4.0000" in shown["reason"]
    assert shown["remedy"]
    shown, order = same_on_both_sides(crm, erp, bridge, deal)
    assert shown["revision"] == 0 and shown["lines"] == deal["lines"]
    [message] = bridge.get("/messages", entity="opportunity_amendment",
                           source_id=shown["amendment"]["id"])["data"]
    assert message["state"] == "rejected"
    received(erp, order["lines"][0]["item_id"], "1")   # a refused proposal is not asked again
    idle(bridge)
    ask(crm, deal, "amend", {"lines": [{"id": deal["lines"][0]["id"], "quantity": "4"}]})
    assert answered(crm, deal)["amendment"]["state"] == "accepted"
    assert same_on_both_sides(crm, erp, bridge, deal)[1]["delivery_status"] == "full"
    assert bridge.get(f"/messages/{message['id']}")["attempts"] == 1


def test_a_cancellation_gives_the_stock_back_and_the_deal_is_lost(crm, erp, bridge, ordered):
    deal, order = ordered
    draft = erp.post(f"/sales-orders/{order['id']}/deliveries")
    ask(crm, deal, "cancel", {"reason": "customer is gone"})
    shown = answered(crm, deal)
    assert (shown["amendment"]["state"], shown["status"]) == ("accepted", "lost")
    idle(bridge)
    fulfilment = crm.get(f"/opportunities/{deal['id']}/fulfilment")
    assert (fulfilment["order"]["status"], fulfilment["order"]["revision"],
            fulfilment["revision"]) == ("cancelled", 1, 1)
    assert fulfilment["deliveries"][0]["status"] == "cancelled"
    assert erp.get(f"/deliveries/{draft['id']}")["status"] == "cancelled"
    for line in order["lines"]:
        assert erp.get(f"/items/{line['item_id']}/availability")["reserved"] == "0.0000"


def test_a_cancellation_after_shipping_is_refused_with_the_remedy(crm, erp, bridge, ordered):
    deal, order = ordered
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    erp.post(f"/deliveries/{delivery['id']}/ship")
    ask(crm, deal, "cancel", {"reason": "x"})
    shown = answered(crm, deal)
    assert (shown["status"], shown["amendment"]["state"]) == ("won", "rejected")
    assert "return" in shown["amendment"]["remedy"]
    same_on_both_sides(crm, erp, bridge, deal)


def compared(bridge, deal, **found):
    """The route's row of a comparison of the deal; what it found else is as given, or none."""
    run = bridge.post("/reconciliations", {"route": "opportunity-order", "settle_seconds": 0,
                                           "repair": False,
                                           "record": f"crm:opportunity:{deal['id']}"})

    def comparison_has_ended():
        shown = bridge.get(f"/reconciliations/{run['id']}")
        return shown if shown["state"] in ("finished", "failed") else None
    shown = eventually(comparison_has_ended, 30)
    assert shown["state"] == "finished", shown
    [route] = shown["routes"]
    assert [route[name] for name in ("missing", "extra", "differs", "in_flight")] == [
        found.get(name, 0) for name in ("missing", "extra", "differs", "in_flight")]
    return route


def test_what_is_edited_by_hand_is_drift_also_where_the_erp_has_revised_the_order(
        crm, erp, bridge, stack, ordered):
    deal, order = ordered
    assert compared(bridge, deal)["revised"] == 0
    erp.post(f"/sales-orders/{order['id']}/amend", {"lines": [
        {"id": order["lines"][0]["id"], "quantity": "4"}]})
    idle(bridge)
    stack.sql("UPDATE erp.sales_order SET customer_reference = 'by hand', version = version + 1"
              f" WHERE id = {order['id']}")
    compared(bridge, deal, differs=1)
    drift = bridge.get("/drift", source_ref=f"crm:opportunity:{deal['id']}", state="open")["data"]
    assert [d["field"] for d in drift] == ["customer_reference"]
    stack.sql(f"UPDATE erp.sales_order SET customer_reference = '{order['customer_reference']}',"
              f" version = version + 1 WHERE id = {order['id']}")
    compared(bridge, deal)


def test_what_the_erp_changes_itself_shows_in_the_mirror_with_its_revision(
        crm, erp, bridge, ordered):
    deal, order = ordered
    erp.post(f"/sales-orders/{order['id']}/amend", {"lines": [
        {"id": order["lines"][0]["id"], "quantity": "4"}]})
    idle(bridge)
    mirror = crm.get(f"/opportunities/{deal['id']}/fulfilment")["order"]
    assert (mirror["revision"], [row["ordered"] for row in mirror["lines"]]) == (1, ["4.0000"])
    assert compared(bridge, deal)["revised"] == 1
    ask(crm, deal, "amend", {"lines": [{"id": deal["lines"][0]["id"], "quantity": "6"}]})
    assert answered(crm, deal)["amendment"]["state"] == "accepted"
    shown, order = same_on_both_sides(crm, erp, bridge, deal)
    assert shown["revision"] == 2
    erp.post(f"/sales-orders/{order['id']}/close")
    idle(bridge)
    mirror = crm.get(f"/opportunities/{deal['id']}/fulfilment")["order"]
    assert (mirror["revision"], mirror["status"]) == (3, "closed")


def test_of_shipping_and_amending_at_once_one_wins_on_both_sides(stack, crm, erp, bridge, ordered):
    deal, order = ordered
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")

    def ship():
        try:
            stack.api("erp").post(f"/deliveries/{delivery['id']}/ship")
        except ApiError as error:
            assert error.status == 409
    thread = threading.Thread(target=ship)
    ask(crm, deal, "amend", {"lines": [{"id": deal["lines"][0]["id"], "quantity": "2"}]})
    thread.start()
    told = answered(crm, deal)
    thread.join()
    shown, order = same_on_both_sides(crm, erp, bridge, deal)
    delivered = [row["delivered"] for row in order["lines"]]
    if told["amendment"]["state"] == "accepted":
        assert shown["revision"] == 1 and delivered == ["0.0000"]
    else:
        assert shown["revision"] == 0 and delivered == ["5.0000", "2.0000"]


def test_the_order_as_it_was_won_comes_again_and_changes_nothing(crm, erp, bridge, ordered):
    deal, order = ordered
    ask(crm, deal, "amend", {"lines": [{"id": deal["lines"][0]["id"], "quantity": "7"}]})
    answered(crm, deal)
    now = same_on_both_sides(crm, erp, bridge, deal)[1]
    for message in bridge.get("/messages", source_id=deal["id"], route="opportunity-order")["data"]:
        reply = erp.put(f"/sales-orders/by-ref/crm:opportunity:{deal['id']}", {
            "customer_id": order["customer_id"], "lines": []},
            {"Source-Version": str(message["version"])})
        assert reply["source_result"] == "unchanged"
    assert order_of(erp, deal) == now


def test_an_order_whose_link_a_crash_has_lost_is_found_and_not_made_again(
        stack, crm, erp, bridge, ordered):
    deal, order = ordered
    erp.post(f"/sales-orders/{order['id']}/amend",
             {"lines": [{"id": order["lines"][0]["id"], "quantity": "4"}]})
    idle(bridge)
    stack.processes["bridge"].terminate()
    stack.processes["bridge"].wait(30)
    stack.sql(f"DELETE FROM bridge.link WHERE left_ref = 'crm:opportunity:{deal['id']}'")
    stack.start_daemon("bridge")
    stack.wait_ready("bridge")
    ask(crm, deal, "amend", {"lines": [{"id": deal["lines"][1]["id"], "quantity": "1"}]})
    answered(crm, deal)
    idle(bridge)
    seen = bridge.get("/messages", entity="opportunity", source_id=deal["id"])["data"]
    assert {m["state"] for m in seen} <= {"applied", "unchanged", "skipped"}, seen


def test_while_customers_change_their_minds_both_sides_stay_equal(stack, crm, erp, bridge):
    seed = random.randrange(10**6)
    print("seed", seed)
    newest = stack.sql("SELECT coalesce(max(id), 0) FROM crm.opportunity_amendment")
    business = Business(stack, seed)
    business.first = "-id"
    business.start(business.sell, business.stock_up, business.fulfil, business.reconsider)

    def answers_of_both_kinds_came():
        return stack.sql("SELECT count(DISTINCT state) FROM crm.opportunity_amendment"
                         f" WHERE id > {newest} AND state IN ('accepted', 'rejected')") == "2"
    time.sleep(4)
    eventually(answers_of_both_kinds_came, 60)
    business.stop()
    idle(bridge)
    quantities_are_conserved(stack)
    for id in business.won:
        deal = crm.get(f"/opportunities/{id}")
        order = order_of(erp, deal)
        mirror = crm.get(f"/opportunities/{id}/fulfilment")["order"]
        assert deal["revision"] == order["revision"] == mirror["revision"], (deal, order)
        assert (deal["status"] == "won") == (order["status"] != "cancelled")
        if deal["status"] == "won":
            assert shown_lines(deal) == ordered_lines(order)


# ---- between fake systems ----

def proposed(lone, id=5, version=1, state="pending", type="created", **members):
    record = {"id": id, "opportunity_id": 17, "revision": 1, "kind": "amend", "state": state,
              "total": "20.00", "asked_reason": None,
              "lines": [{"line_id": 1, "product_id": 1, "description": None, "quantity": "2.0000",
                         "unit_price": "10.0000", "discount_percent": "0.0000",
                         "tax_percent": "0.0000"}], **members}
    event = lone.crm.event("opportunity_amendment", record, type, version)
    assert post_event(lone.api, lone.crm, event).status == 202


def answers(lone, id=5):
    return [c.body for c in lone.crm.effects
            if c.path.endswith(f"/opportunity-amendments/{id}/answer")]


@pytest.fixture
def with_order(lone):  # noqa: F811
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.deal(17)
    lone.all_ended()
    return lone


def test_a_lost_reply_brings_the_proposal_again_and_it_takes_effect_once(with_order):
    lone = with_order
    lost = [2]

    def rule(call):
        if "/sales-order-amendments/" in call.path and lost[0]:
            lost[0] -= 1
            return "drop"
        return None
    lone.erp.rule = rule
    proposed(lone)
    assert lone.ended("opportunity_amendment", 5)["state"] == "applied"
    [effect] = lone.erp.effects_of("crm:opportunity_amendment:5")
    assert effect.body["base_revision"] == 0 and effect.body["agreed_total"] == "20.00"
    assert effect.body["sales_order_id"] == 103 and effect.body["lines"][0]["source_line"] == "1"
    [told] = answers(lone)
    assert told["state"] == "accepted" and told["order_ref"].startswith("erp:sales_order_amendment")


def test_a_bridge_killed_between_effect_and_answer_answers_afterwards(with_order):
    lone = with_order
    reached = threading.Event()

    def rule(call):
        if call.path.endswith("/answer"):
            reached.set()
            return 503, {"code": "unavailable"}
        return None
    lone.crm.rule = rule
    proposed(lone)
    assert reached.wait(20)
    lone.kill()
    lone.crm.rule = lambda call: None
    lone.start()
    assert lone.ended("opportunity_amendment", 5)["state"] == "applied"
    assert len(lone.erp.effects_of("crm:opportunity_amendment:5")) == 1
    assert [told["state"] for told in answers(lone)] == ["accepted"]


def test_a_withdrawal_overtakes_a_proposal_that_waits_for_the_erp(with_order):
    lone = with_order
    lone.erp.rule = lambda call: (503, {"code": "unavailable"}) \
        if "/sales-order-amendments/" in call.path else None
    proposed(lone)
    lone.in_state("retrying", "opportunity_amendment", 5)
    proposed(lone, version=2, state="withdrawn", type="withdrawn")
    lone.erp.rule = lambda call: None
    lone.all_ended()
    [effect] = lone.erp.effects_of("crm:opportunity_amendment:5")
    assert effect.body["withdrawn"] is True
    assert effect.headers["Source-Version"] == "2"


def test_a_refused_proposal_is_answered_and_never_asked_again_by_itself(with_order):
    lone = with_order
    lone.erp.rule = lambda call: (422, {"code": "not_amendable", "detail": "It has left.",
                                        "hint": "Return it."}) \
        if "/sales-order-amendments/" in call.path else None
    proposed(lone)
    assert lone.ended("opportunity_amendment", 5)["state"] == "rejected"
    assert answers(lone) == [{"state": "rejected", "code": "not_amendable",
                              "reason": "It has left.", "remedy": "Return it."}]
    lone.erp.rule = lambda call: None
    order = {"id": 103, "external_ref": "crm:opportunity:17", "customer_ref": "crm:account:1",
             "number": "N-103", "status": "confirmed", "currency": "USD", "total": "1.00",
             "promised_date": None, "revision": 0, "lines": []}
    post_event(lone.api, lone.erp, lone.erp.event("sales_order", order, version=2))
    lone.all_ended()
    assert lone.message("opportunity_amendment", 5)["state"] == "rejected"
    lone.api.post(f"/messages/{lone.message('opportunity_amendment', 5)['id']}/retry", {})
    lone.all_ended()
    assert [told["state"] for told in answers(lone)] == ["rejected", "accepted"]
