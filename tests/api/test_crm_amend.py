"""tests/api/test_crm_amend.py -- proposals to change a deal that is an order already."""
import pytest

from api import Api
from crm_records import (account, crm_alone, deal, events, line, product, refused, verb)


@pytest.fixture(scope="module")
def stack():
    yield from crm_alone()


@pytest.fixture
def crm(stack):
    return stack.api("crm")


@pytest.fixture(scope="module")
def relay(stack):
    return Api(stack.url("crm"), stack.token("crm", "relay", "bridge"))


def taken(crm, relay, lines=None, **members):
    """A deal that the ERP has taken as an order."""
    made = verb(crm, deal(crm, lines, **members), "win")
    return verb(relay, made, "handover", {"state": "accepted", "order_number": "SO-1",
                                          "order_ref": "erp:sales_order:1"})


def amendment(crm, made):
    return crm.get(f"/opportunity-amendments/{made['amendment']['id']}")


def answer(relay, made, **members):
    return relay.post(f"/opportunity-amendments/{made['amendment']['id']}/answer", members)


def yes(relay, made):
    return answer(relay, made, state="accepted", order_number="SO-1/1", order_ref="erp:x:1")


def again(crm, made):
    return crm.get(f"/opportunities/{made['id']}")


def test_a_proposal_changes_nothing_until_it_is_accepted(crm, relay):
    made = taken(crm, relay, [line(product(crm)["id"], "5", "10"), line(product(crm)["id"])])
    kept, gone = made["lines"]
    added = product(crm, list_price="7.50")
    asked = verb(crm, made, "amend", {"reason": "wants fewer", "lines": [
        {"id": kept["id"], "quantity": "3"}, {"product_id": added["id"], "quantity": "2"}]})
    assert (asked["lines"], asked["total"], asked["revision"]) == (
        made["lines"], made["total"], 0)
    shown = asked["amendment"]
    assert (shown["state"], shown["kind"], shown["revision"], shown["total"]) == (
        "pending", "amend", 1, "45.00")
    assert shown["asked_reason"] == "wants fewer"
    proposal = amendment(crm, asked)
    assert [one["quantity"] for one in proposal["lines"]] == ["3.0000", "2.0000"]
    assert yes(relay, asked)["state"] == "accepted"
    now = again(crm, made)
    assert (now["revision"], now["amount"], now["total"]) == (1, "45.00", "45.00")
    assert [one["id"] for one in now["lines"]] == [one["line_id"] for one in proposal["lines"]]
    assert now["lines"][0]["id"] == kept["id"] and now["lines"][1]["unit_price"] == "7.5000"
    assert now["amendment"]["state"] == "accepted" and now["amendment"]["answered_at"]
    assert events(crm, f"/opportunities/{made['id']}")[:2] == [
        "opportunity.amended", "opportunity.amend_asked"]
    shown = crm.get(f"/opportunities/{made['id']}/fulfilment")
    assert shown["revision"] == 1 and shown["amendment"]["state"] == "accepted"


def test_a_refused_proposal_leaves_the_deal_and_shows_why(crm, relay):
    made = taken(crm, relay)
    asked = verb(crm, made, "amend", {"lines": [{"id": made["lines"][0]["id"], "quantity": "9"}]})
    no = {"state": "rejected", "code": "credit_limit", "reason": "Over the limit",
          "remedy": "Take a payment"}
    told = answer(relay, asked, **no)
    assert told["version"] == answer(relay, asked, **no)["version"]
    now = again(crm, made)
    assert (now["revision"], now["lines"], now["total"]) == (0, made["lines"], made["total"])
    shown = now["amendment"]
    assert [shown[name] for name in ("state", "code", "reason", "remedy")] == list(no.values())
    assert verb(crm, made, "cancel", {"reason": "then not"})["amendment"]["kind"] == "cancel"


def test_one_proposal_is_open_at_a_time(crm, relay):
    made = taken(crm, relay)
    first = verb(crm, made, "cancel", {"reason": "x"})
    problem = refused(lambda: verb(crm, made, "cancel", {"reason": "y"}), 409)
    assert str(first["amendment"]["id"]) in problem["detail"] and "withdraw" in problem["hint"]
    crm.post(f"/opportunity-amendments/{first['amendment']['id']}/withdraw")
    assert again(crm, made)["amendment"]["state"] == "withdrawn"
    refused(lambda: crm.post(f"/opportunity-amendments/{first['amendment']['id']}/withdraw"), 409)
    second = verb(crm, made, "cancel", {"reason": "y"})
    assert second["amendment"]["id"] != first["amendment"]["id"]
    assert second["amendment"]["revision"] == 1


def test_what_the_erp_accepted_is_a_fact_also_when_it_was_withdrawn(crm, relay):
    made = taken(crm, relay)
    asked = verb(crm, made, "amend", {"lines": [{"id": made["lines"][0]["id"], "quantity": "4"}]})
    crm.post(f"/opportunity-amendments/{asked['amendment']['id']}/withdraw")
    assert answer(relay, asked, state="accepted")["state"] == "withdrawn"
    assert answer(relay, asked, state="rejected", reason="no")["state"] == "withdrawn"
    assert yes(relay, asked)["state"] == "accepted"
    now = again(crm, made)
    assert (now["revision"], now["lines"][0]["quantity"]) == (1, "4.0000")
    refused(lambda: answer(relay, asked, state="rejected", reason="no"), 409)


def test_a_fact_that_comes_late_does_not_undo_a_later_one(crm, relay):
    made = taken(crm, relay)
    first = verb(crm, made, "amend", {"lines": [{"id": made["lines"][0]["id"], "quantity": "4"}]})
    answer(relay, first, state="rejected", reason="not now")
    second = verb(crm, made, "amend", {"lines": [{"id": made["lines"][0]["id"], "quantity": "6"}]})
    yes(relay, second)
    yes(relay, first)
    now = again(crm, made)
    assert (now["revision"], now["lines"][0]["quantity"]) == (1, "6.0000")
    assert amendment(crm, first)["state"] == "accepted"


def test_an_accepted_cancellation_makes_the_deal_lost_for_good(crm, relay):
    made = taken(crm, relay)
    asked = verb(crm, made, "cancel", {"reason": "customer is gone"})
    assert asked["status"] == "won"
    yes(relay, asked)
    now = again(crm, made)
    assert (now["status"], now["loss_reason"], now["loss_notes"], now["revision"]) == (
        "lost", "order_cancelled", "customer is gone", 1)
    assert (now["stage"], now["handover_order_number"]) == ("Closed Lost", "SO-1")
    assert events(crm, f"/opportunities/{made['id']}")[0] == "opportunity.cancelled"
    assert "another deal" in refused(lambda: verb(crm, made, "reopen"), 409)["hint"]
    refused(lambda: crm.delete(f"/opportunities/{made['id']}"), 409)


def test_an_order_that_is_not_there_cannot_be_amended(crm, relay):
    made = verb(crm, deal(crm), "win")
    for name, body in (("amend", {"lines": []}), ("cancel", {"reason": "x"})):
        assert "ERP" in refused(lambda: verb(crm, made, name, body), 409)["detail"]
        refused(lambda: verb(crm, deal(crm), name, body), 409)
    problem = refused(lambda: verb(crm, taken(crm, relay), "reopen"), 409)
    assert "cancel" in problem["hint"]


def test_every_bad_line_is_named(crm, relay):
    thing = product(crm, list_price="5")
    made = taken(crm, relay, [line(thing["id"]), line(thing["id"])])
    one, two = (row["id"] for row in made["lines"])
    old = product(crm, list_price="5", active=False)
    refused(lambda: verb(crm, made, "amend", {"lines": []}), 422, "lines")
    refused(lambda: verb(crm, made, "amend", {}), 422, "lines")
    refused(lambda: verb(crm, made, "amend", {"lines": [{"id": 1 << 40, "quantity": "1"}]}),
            422, "lines[0].id")
    refused(lambda: verb(crm, made, "amend", {"lines": [
        {"id": one}, {"id": one}, {"quantity": "1"}, {"product_id": thing["id"]},
        {"id": two, "product_id": old["id"]}, {"product_id": old["id"], "quantity": "1"}]}),
            422, "lines[0].id", "lines[1].id", "lines[2].product_id", "lines[3].quantity",
            "lines[4].product_id", "lines[5].product_id")
    refused(lambda: verb(crm, made, "amend", {"lines": [
        {"id": one, "quantity": "0"}, {"id": two, "unit_price": "-1", "colour": "red"}]}),
            422, "lines[1].colour")
    refused(lambda: verb(crm, made, "amend", {"lines": [
        {"id": one, "quantity": "0"}, {"id": two, "unit_price": "-1"}]}),
            422, "lines[0].quantity", "lines[1].unit_price")
    refused(lambda: verb(crm, made, "amend", {"lines": [
        {"product_id": product(crm)["id"], "quantity": "1"}]}), 422, "lines[0].unit_price")
    refused(lambda: verb(crm, made, "cancel", {}), 422, "reason")


def test_the_total_counts_tax_as_the_deal_does(crm, relay):
    for mode in ("exclusive", "inclusive"):
        made = taken(crm, relay, [line(product(crm)["id"], "3", "9.99", tax_percent="19")],
                     tax_mode=mode)
        asked = verb(crm, made, "amend", {"lines": [
            {"id": made["lines"][0]["id"], "quantity": "7", "discount_percent": "12.5"}]})
        yes(relay, asked)
        now = again(crm, made)
        proposal = amendment(crm, asked)
        assert [now[name] for name in ("amount", "tax_amount", "total")] == [
            proposal[name] for name in ("amount", "tax_amount", "total")]


def test_only_sales_ask_and_only_the_bridge_answers(crm, relay, stack):
    made = taken(crm, relay)
    asked = verb(crm, made, "cancel", {"reason": "x"})
    sales = Api(stack.url("crm"), stack.token("crm", "rosa", "sales"))
    viewer = Api(stack.url("crm"), stack.token("crm", "vera", "viewer"))
    refused(lambda: answer(sales, asked, state="accepted", order_number="1"), 403)
    refused(lambda: verb(viewer, made, "cancel", {"reason": "x"}), 403)
    refused(lambda: answer(relay, asked, state="accepted"), 422, "order_number")
    refused(lambda: answer(relay, asked, state="maybe"), 422)
    refused(lambda: answer(relay, asked, state="rejected"), 422, "reason")
    assert viewer.get(f"/opportunity-amendments?opportunity_id={made['id']}")["data"]
    assert crm.raw("POST", "/opportunity-amendments", {}).status == 405


def test_an_amendment_starts_from_the_orders_revision_as_the_mirror_has_it(crm, relay):
    buyer = account(crm)
    made = taken(crm, relay, account_id=buyer["id"])
    relay.put(f"/erp-orders/by-ref/erp:sales_order:{made['id']}", {
        "opportunity_id": made["id"], "account_id": buyer["id"], "number": "SO-9",
        "status": "confirmed", "currency": "USD", "total": "1.00", "revision": 3, "lines": []},
        {"Source-Version": "4"})
    assert crm.get(f"/opportunities/{made['id']}/fulfilment")["order"]["revision"] == 3
    assert verb(crm, made, "cancel", {"reason": "x"})["amendment"]["revision"] == 4
