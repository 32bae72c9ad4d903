"""tests/bridge/test_topology.py -- one CRM before two ERPs, and two CRMs before one ERP."""
import json

import pytest
from conftest import end_stack, new_stack
from fake_system import FakeSystem, post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from topology import one_crm_two_erps, routes_between, two_crms_two_erps
from waiting import eventually, idle


@pytest.fixture(scope="module")
def systems():
    """crm feeds erp and erp2 by company, crm2 feeds erp."""
    stack = new_stack(more=("crm2", "erp2"), bridge_config=two_crms_two_erps)
    try:
        yield stack.start()
    finally:
        end_stack(stack)


def by_ref(api, path, ref):
    found = api.get(path, external_ref=ref)["data"]
    return api.get(f"{path}/{found[0]['id']}") if found else None


def sell(crm, account, product, quantity="2", price="10.00"):
    deal = crm.post("/opportunities", {
        "account_id": account["id"], "name": "Deal", "close_date": "2026-12-01",
        "lines": [{"product_id": product["id"], "quantity": quantity, "unit_price": price}]})
    return crm.post(f"/opportunities/{deal['id']}/win")


def accepted(crm, deal):
    def the_deal_is_accepted():
        state = crm.get(f"/opportunities/{deal['id']}/fulfilment")
        return state if state["handover"]["state"] == "accepted" and state["order"] else None
    return eventually(the_deal_is_accepted)


def ship_and_bill(erp, order):
    for line in order["lines"]:
        erp.post("/stock-adjustments", {"item_id": line["item_id"], "quantity": "50",
                                        "unit_cost": "1.00", "reason": "Goods received"})
    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    return erp.post(f"/invoices/{invoice['id']}/post")


# ---- two CRMs, one ERP ----

def test_two_crms_feed_one_erp_and_each_gets_its_own_orders_back(systems):
    erp, bridge = systems.api("erp"), systems.api("bridge")
    deals = {}
    for name in ("crm", "crm2"):
        crm = systems.api(name)
        account = crm.post("/accounts", {"name": f"Customer of {name}", "type": "customer",
                                         "company": "east"})
        product = crm.post("/products", {"sku": f"{name}-1", "name": f"Product of {name}",
                                         "list_price": "10.00"})
        deals[name] = (account, product, sell(crm, account, product,
                                              price="10.00" if name == "crm" else "30.00"))
    # The same ids on both sides, so that a mix-up would show.
    assert deals["crm"][0]["id"] == deals["crm2"][0]["id"]
    assert deals["crm"][2]["id"] == deals["crm2"][2]["id"]
    for name, (account, product, deal) in deals.items():
        accepted(systems.api(name), deal)
        order = by_ref(erp, "/sales-orders", f"{name}:opportunity:{deal['id']}")
        customer = erp.get(f"/customers/{order['customer_id']}")
        assert customer["external_ref"] == f"{name}:account:{account['id']}"
        assert customer["name"] == f"Customer of {name}"
        assert erp.get(f"/items/{order['lines'][0]['item_id']}")["sku"] == f"{name}-1"
        ship_and_bill(erp, order)
    idle(bridge)
    for name, total in (("crm", "20.00"), ("crm2", "60.00")):
        crm, (account, product, deal) = systems.api(name), deals[name]
        state = crm.get(f"/opportunities/{deal['id']}/fulfilment")
        assert state["order"]["total"] == total and state["invoices"][0]["total"] == total
        assert len(state["deliveries"]) == 1
        assert state["order"]["lines"][0]["product_id"] == product["id"]
        for path in ("/erp-orders", "/erp-deliveries", "/erp-invoices", "/erp-customers"):
            assert len(crm.get(path)["data"]) == 1, path
    left = [m for m in bridge.all("/messages") if m["state"] in ("rejected", "dead", "waiting")]
    assert not left


# ---- one CRM, two ERPs ----

def test_each_customer_and_order_lands_in_the_right_erp_and_products_in_both(systems):
    crm, bridge = systems.api("crm"), systems.api("bridge")
    erps = {"east": systems.api("erp"), "west": systems.api("erp2")}
    product = crm.post("/products", {"sku": "P-1", "name": "Pump", "list_price": "10.00"})
    deals = {}
    for company in erps:
        account = crm.post("/accounts", {"name": f"In the {company}", "type": "customer",
                                         "company": company})
        deals[company] = (account, sell(crm, account, product))
    for company, (account, deal) in deals.items():
        here = erps[company]
        there = erps["west" if company == "east" else "east"]
        state = accepted(crm, deal)
        order = by_ref(here, "/sales-orders", f"crm:opportunity:{deal['id']}")
        assert state["handover"]["order_number"] == state["order"]["number"] == order["number"]
        ship_and_bill(here, order)
        idle(bridge)
        assert by_ref(here, "/customers", f"crm:account:{account['id']}")
        assert not by_ref(there, "/customers", f"crm:account:{account['id']}")
        assert not by_ref(there, "/sales-orders", f"crm:opportunity:{deal['id']}")
        assert by_ref(here, "/items", f"crm:product:{product['id']}")
    for company, (account, deal) in deals.items():
        state = crm.get(f"/opportunities/{deal['id']}/fulfilment")
        assert len(state["deliveries"]) == len(state["invoices"]) == 1
        assert state["invoices"][0]["balance"] == "20.00"
        assert crm.get(f"/accounts/{account['id']}/overview")["erp"]["open_balance"] == "20.00"
    refs = {r["external_ref"].split(":")[0]: r for r in crm.get("/erp-orders")["data"]}
    assert set(refs) == {"erp", "erp2"}
    stock = crm.get("/erp-items", product_id=product["id"])["data"]
    assert sorted((s["external_ref"].split(":")[0], s["on_hand"]) for s in stock) == [
        ("erp", "48.0000"), ("erp2", "48.0000")]
    skipped = [m for m in bridge.all("/messages", state="skipped", entity="opportunity")
               if m["code"] == "not_wanted"]
    assert {m["reason"] for m in skipped} == {"not served by the company east",
                                             "not served by the company west"}


def test_an_account_that_moves_crosses_to_the_new_erp_and_stays_in_step_in_the_old_one(systems):
    crm, bridge = systems.api("crm"), systems.api("bridge")
    product = crm.post("/products", {"sku": "P-2", "name": "Pipe", "list_price": "1.00"})
    account = crm.post("/accounts", {"name": "Mover", "type": "customer", "company": "east"})
    ref = f"crm:account:{account['id']}"
    deal = sell(crm, account, product)
    accepted(crm, deal)
    crm.patch(f"/accounts/{account['id']}", {"company": "west", "name": "Moved"})
    idle(bridge)
    for erp in ("erp", "erp2"):
        assert by_ref(systems.api(erp), "/customers", ref)["name"] == "Moved"
    crm.patch(f"/accounts/{account['id']}", {"phone": "123"})
    idle(bridge)
    for erp in ("erp", "erp2"):
        assert by_ref(systems.api(erp), "/customers", ref)["phone"] == "123"
    # The deal stays where it was ordered; the next one goes to the new ERP.
    assert not by_ref(systems.api("erp2"), "/sales-orders", f"crm:opportunity:{deal['id']}")
    after = sell(crm, account, product)
    accepted(crm, after)
    assert by_ref(systems.api("erp2"), "/sales-orders", f"crm:opportunity:{after['id']}")
    assert not by_ref(systems.api("erp"), "/sales-orders", f"crm:opportunity:{after['id']}")


def test_a_system_that_is_taken_out_is_left_alone_and_may_come_back(systems):
    crm2, bridge = systems.api("crm2"), systems.api("bridge")
    whole = json.loads((systems.var / "bridge.json").read_text())
    less = json.loads((systems.var / "bridge.json").read_text())
    del less["systems"]["crm2"]
    less["routes"] = [r for r in whole["routes"] if "crm2" not in (r["from"], r["to"])]
    (systems.var / "bridge.json").write_text(json.dumps(less))
    assert bridge.post("/config/reload")["systems"] == 3
    assert not crm2.get("/webhooks")["data"]
    crm2.post("/accounts", {"name": "Unheard", "type": "customer"})
    idle(bridge)
    (systems.var / "bridge.json").write_text(json.dumps(whole))
    assert bridge.post("/config/reload")["systems"] == 4
    systems.wait_subscribed()
    account = crm2.post("/accounts", {"name": "Heard", "type": "customer"})
    idle(bridge)
    assert by_ref(systems.api("erp"), "/customers", f"crm2:account:{account['id']}")


# ---- routing in detail ----

def second_erp(lone):
    lone.erp2 = FakeSystem("erp2")

    def change(config):
        config["systems"]["erp2"] = {"url": lone.erp2.url, "token": "t",
                                     "secret": lone.erp2.secret}
        one_crm_two_erps(config)
    return change


def test_one_change_feeds_two_targets_by_two_conditions(lone):
    lone.start(second_erp(lone))
    lone.account(1, company="east")
    lone.account(2, company="west")
    lone.account(3, company="north")
    lone.all_ended()
    assert [c.path.rsplit("/")[-1] for c in lone.erp.effects] == ["crm:account:1"]
    assert [c.path.rsplit("/")[-1] for c in lone.erp2.effects] == ["crm:account:2"]
    assert [m["state"] for m in lone.messages(source_id=3)] == ["skipped", "skipped"]


def test_what_a_deal_needs_is_pulled_into_its_own_erp(lone):
    lone.start(second_erp(lone))
    lone.account_known(1, company="east")
    lone.product_known(1)
    lone.deal(17, account_company="west")
    lone.all_ended()
    paths = [c.path.rsplit("/", 3)[1] for c in lone.erp2.puts()]
    assert paths == ["customers", "items", "sales-orders"] and not lone.erp.puts()


def test_a_deal_is_never_ordered_in_two_erps(lone):
    lone.start(second_erp(lone))
    lone.account_known(1)
    lone.product_known(1)
    lone.deal(17, account_company="east")
    lone.all_ended()
    lone.deal(17, version=2, account_company="west")
    lone.all_ended()
    assert len(lone.erp.effects_of("crm:opportunity:17")) == 2
    assert not lone.erp2.effects_of("crm:opportunity:17")
    message = lone.message("opportunity", 17, version=2, route="opportunity-order-erp2")
    assert message["state"] == "skipped" and message["code"] == "taken_elsewhere"
    assert "erp has taken it" in message["reason"]
    assert {c.body["state"] for c in lone.crm.effects if c.path.endswith("/handover")} == {
        "accepted"}


def test_an_erp_that_is_away_holds_up_only_its_own(lone):
    lone.start(second_erp(lone))
    lone.erp2.close()
    lone.account(1, company="west")
    lone.account(2, company="east")
    assert lone.ended("account", 2, route="account-customer")["state"] == "applied"
    assert lone.message("account", 1, route="account-customer-erp2")["state"] in (
        "received", "retrying")
    lone.erp2.open()
    lone.all_ended()
    assert len(lone.erp2.effects) == 1


def test_a_mapping_that_two_routes_share_sees_for_which_system_it_maps(lone):
    lone.start(second_erp(lone))
    for fake, id in ((lone.erp, 7), (lone.erp2, 8)):
        fake.records["/api/v1/items/5"] = {"id": 5, "version": 1,
                                           "external_ref": f"crm:product:{id}"}
        order = {"id": 9, "external_ref": f"crm:opportunity:{id}", "number": "SO-9",
                 "customer_ref": "crm:account:1", "status": "confirmed", "currency": "USD",
                 "total": "1.00", "promised_date": None,
                 "lines": [{"item_id": 5, "quantity": "1", "reserved": "0", "delivered": "0",
                            "invoiced": "0"}]}
        assert post_event(lone.api, fake, fake.event("sales_order", order)).status == 202
    lone.all_ended()
    mirrored = {c.path.rsplit("/")[-1]: c.body for c in lone.crm.puts()}
    assert mirrored["erp:sales_order:9"]["lines"][0]["product_id"] == 7
    assert mirrored["erp2:sales_order:9"]["lines"][0]["product_id"] == 8


def test_a_second_kind_of_counterpart_is_not_taken_for_the_first(lone):
    def change(config):
        supplier = routes_between(config["routes"][:1], "crm", "erp", "-supplier")[0]
        supplier.update(target="supplier", path="suppliers", when='.record.supplies',
                        skip_reason="supplies nothing")
        config["routes"].append(supplier)
    lone.start(change)
    lone.erp.rule = lambda call: (201, {"id": 900, "version": 1, "source_result": "created"}) \
        if "/suppliers/" in call.path else None
    lone.account(1, supplies=True)
    lone.all_ended()
    assert {link["right"] for link in lone.api.get("/links", ref="crm:account:1")["data"]} == {
        "erp:customer:101", "erp:supplier:900"}
    lone.product_known(1)
    lone.deal(17)
    assert lone.ended("opportunity", 17)["state"] == "applied"
    order = lone.erp.effects_of("crm:opportunity:17")[0].body
    assert order["customer_id"] == 101
    # Each way stays in step by itself: the first's link does not make the second one wanted.
    lone.account(2, supplies=False)
    lone.account(2, supplies=False, version=2)
    lone.all_ended()
    assert not [c for c in lone.erp.puts("crm:account:2") if "/suppliers/" in c.path]
