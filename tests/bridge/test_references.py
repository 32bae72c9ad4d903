"""tests/bridge/test_references.py -- what a record needs crosses before it, or it waits by name."""
from fake_system import post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from waiting import eventually


def test_a_deal_pulls_its_customer_and_its_product_first(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.deal(17)
    assert lone.ended("opportunity", 17)["state"] == "applied"
    order = lone.erp.effects_of("crm:opportunity:17")[0].body
    paths = [c.path.rsplit("/", 3)[1] for c in lone.erp.puts()]
    assert paths == ["customers", "items", "sales-orders"]
    assert order["customer_id"] == 101 and order["lines"][0]["item_id"] == 102
    assert {m["type"] for m in lone.messages()} == {"account.pulled", "product.pulled",
                                                    "opportunity.won"}


def test_parents_cross_before_their_children(lone):
    lone.start()
    lone.account_known(3)
    lone.account_known(2, parent_id=3)
    lone.account(1, parent_id=2)
    assert lone.ended("account", 1)["state"] == "applied"
    assert [c.path.rsplit("/", 1)[1] for c in lone.erp.effects] == [
        "crm:account:3", "crm:account:2", "crm:account:1"]


def test_a_circle_of_references_is_rejected_and_named(lone):
    lone.start()
    lone.account_known(2, parent_id=1)
    lone.account(1, parent_id=2)
    message = lone.in_state("waiting", "account", 1)
    assert message["code"] == "reference_cycle" and "crm:account:1" in message["reason"]
    lone.account(1, version=2, parent_id=None)
    lone.all_ended()
    assert {m["state"] for m in lone.messages(route="account-customer", source_id=1)} <= {
        "applied", "superseded"}


def test_a_product_needed_by_many_deals_at_once_is_pulled_once(lone):
    lone.start()
    lone.product_known(1)
    lone.account_known(1)
    for id in range(1, 21):
        lone.deal(id)
    lone.all_ended()
    assert len(lone.erp.effects_of("crm:product:1")) == 1
    assert len([c for c in lone.erp.effects if "/sales-orders/" in c.path]) == 20


def test_a_rejected_customer_holds_its_deal_which_goes_on_by_itself(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: (422, {"code": "validation", "detail": "no currency"}) \
        if call.method == "PUT" and "crm:account:1" in call.path else None
    lone.deal(17)
    message = lone.in_state("waiting", "opportunity", 17)
    assert message["waiting_for"] == "crm:account:1" and "no currency" in message["reason"]
    told = [c.body for c in lone.crm.effects if c.path.endswith("/opportunities/17/handover")]
    assert [t["state"] for t in told] == ["rejected"] and told[0]["code"] == "validation"
    lone.erp.rule = lambda call: None
    lone.account(1, version=2)
    assert lone.ended("opportunity", 17)["state"] == "applied"
    told = [c.body for c in lone.crm.effects if c.path.endswith("/opportunities/17/handover")]
    assert [t["state"] for t in told] == ["rejected", "accepted"]


def test_a_record_that_is_gone_rejects_what_needs_it(lone):
    lone.start()
    lone.account_known(1)
    lone.deal(17)
    message = lone.ended("opportunity", 17)
    assert message["state"] == "rejected" and message["code"] == "unknown_reference"
    assert "crm:product:1" in message["reason"]


def test_an_item_that_only_the_erp_knows_is_mirrored_without_a_product(lone):
    lone.start()
    lone.erp.records["/api/v1/items/5"] = {"id": 5, "version": 1, "external_ref": None}
    order = {"id": 7, "external_ref": "crm:opportunity:17", "customer_ref": "crm:account:1",
             "number": "SO-7", "status": "confirmed", "currency": "USD", "total": "1.00",
             "promised_date": None, "lines": [{"item_id": 5, "quantity": "1", "reserved": "0",
                                               "delivered": "0", "invoiced": "0"}]}
    post_event(lone.api, lone.erp, lone.erp.event("sales_order", order))
    assert lone.ended("sales_order", 7)["state"] == "applied"
    assert lone.crm.effects_of("erp:sales_order:7")[0].body["lines"][0]["product_id"] is None


def test_a_lost_link_is_learned_from_the_records_own_reference(lone):
    lone.start()
    lone.erp.records["/api/v1/items/5"] = {"id": 5, "version": 1, "external_ref": "crm:product:9"}
    delivery = {"id": 3, "order_ref": "crm:opportunity:17", "customer_ref": "crm:account:1",
                "number": "DL-3", "status": "shipped", "lines": [{"item_id": 5, "quantity": "1"}]}
    post_event(lone.api, lone.erp, lone.erp.event("delivery", delivery))
    assert lone.ended("delivery", 3)["state"] == "applied"
    assert lone.crm.effects_of("erp:delivery:3")[0].body["lines"][0]["product_id"] == 9
    [link] = lone.api.get("/links", ref="erp:item:5")["data"]
    assert link["left"] == "crm:product:9" and link["right"] == "erp:item:5"


def test_a_refused_order_tells_the_deal_and_goes_on_when_what_it_depends_on_changes(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: (422, {"code": "credit_limit", "detail": "Over the limit.",
                                        "hint": "Raise it."}) \
        if call.method == "PUT" and "/sales-orders/" in call.path else None
    lone.deal(17)
    assert lone.ended("opportunity", 17)["state"] == "rejected"
    [told] = [c.body for c in lone.crm.effects if c.path.endswith("/handover")]
    assert told == {"state": "rejected", "code": "credit_limit", "reason": "Over the limit.",
                    "remedy": "Raise it."}
    lone.erp.rule = lambda call: None
    customer = {"id": 101, "external_ref": "crm:account:1", "number": "C-1", "currency": "USD"}
    post_event(lone.api, lone.erp, lone.erp.event("customer", customer, version=2))

    def order_is_accepted():
        return lone.message("opportunity", 17)["state"] == "applied"
    eventually(order_is_accepted)
    keys = [c.headers["Idempotency-Key"] for c in lone.erp.puts("crm:opportunity:17")]
    assert len(set(keys)) == 2
    assert [c.body["state"] for c in lone.crm.effects if c.path.endswith("/handover")] == [
        "rejected", "accepted"]


def test_an_answer_the_crm_cannot_take_now_is_brought_again_with_one_order(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    left = [3]

    def rule(call):
        if call.path.endswith("/handover") and left[0]:
            left[0] -= 1
            return 503, {"code": "unavailable"}
        return None
    lone.crm.rule = rule
    lone.deal(17)
    assert lone.ended("opportunity", 17)["state"] == "applied"
    assert len(lone.erp.effects_of("crm:opportunity:17")) == 1
    [told] = [c.body for c in lone.crm.effects if c.path.endswith("/handover")]
    assert told["state"] == "accepted" and told["order_ref"] == "erp:sales_order:103"
