"""tests/bridge/test_first_load.py -- two systems that already hold data become one story."""
import json

import pytest
from conftest import end_stack, new_stack
from test_operators import cli
from waiting import eventually, idle


class FirstLoad:
    """A CRM and an ERP with histories of their own, and a bridge that has not run yet."""

    def __init__(self):
        self.stack = new_stack()
        self.stack.prepare()
        for name in ("crm", "erp"):
            self.stack.start_daemon(name)
        for name in ("crm", "erp"):
            self.stack.wait_ready(name)
        self.crm, self.erp = self.stack.api("crm"), self.stack.api("erp")
        self.fill()
        self.stack.start_daemon("bridge")
        self.stack.wait_ready("bridge")
        self.stack.wait_subscribed()
        self.bridge = self.stack.api("bridge")

    def account(self, name, **members):
        account = self.crm.post("/accounts", {"name": name, "type": "customer", **members})
        return f"crm:account:{account['id']}"

    def customer(self, name, **members):
        customer = self.erp.post("/customers", {"name": name, **members})
        return f"erp:customer:{customer['id']}"

    def fill(self):
        verified = "2026-01-01T00:00:00Z"
        self.tax = (self.account("Acme", tax_id="DE 123.456", billing_city="Bonn"),
                    self.customer("ACME Gesellschaft", tax_id="de123456", credit_limit="9.00"))
        self.domain = (self.account("Beta", domain="beta.com", domain_verified_at=verified),
                       self.customer("Beta Limited", domain="beta.com"))
        self.unverified = (self.account("Gamma", domain="gamma.com"),
                           self.customer("Gamma Limited", domain="gamma.com"))
        self.twice = (self.account("Delta", tax_id="D1"),
                      [self.customer("Delta North", tax_id="D1"),
                       self.customer("Delta South", tax_id="D-1")])
        self.named = (self.account("Epsilon"), self.customer("epsilon"))
        self.higher = (self.account("Zeta", tax_id="Z1", domain="zeta.com",
                                    domain_verified_at=verified),
                       self.customer("Zeta", tax_id="Z1"),
                       self.customer("Zeta Shop", domain="zeta.com"))
        self.new = self.account("Eta")
        self.prospect = self.crm.post("/accounts", {"name": "Theta", "type": "prospect"})
        self.extra = self.customer("Iota")
        self.known = self.account("Kappa")
        self.known = (self.known, self.customer("Kappa Limited", external_ref=self.known))
        product = self.crm.post("/products", {"sku": "P-1", "name": "Part", "list_price": "5.00"})
        item = self.erp.post("/items", {"sku": "P-1", "name": "Old name", "lead_time_days": 3})
        self.sku = (f"crm:product:{product['id']}", f"erp:item:{item['id']}")
        self.erp.post("/items", {"sku": "P-2", "name": "Part"})
        self.count = len(list(self.erp.all("/customers")))

    def matches(self, **filters):
        return {(m["left_ref"], m["right_ref"]): m for m in self.bridge.all("/matches", **filters)}

    def run(self, path, body):
        job = self.bridge.post(path, body)

        def run_has_ended():
            found = self.bridge.get(f"/replays/{job['id']}")
            return found if found["state"] != "running" else None
        found = eventually(run_has_ended, 30)
        assert found["state"] == "done", found
        idle(self.bridge)
        return found

    def erp_of(self, ref):
        system, entity, id = ref.split(":")
        return self.erp.get(f"/{entity}s/{id}")


@pytest.fixture(scope="module")
def load():
    load = None
    try:
        load = FirstLoad()
        yield load
    finally:
        if load:
            end_stack(load.stack)


def test_a_dry_run_reports_pairs_by_rule_and_touches_nothing(load):
    before = [load.stack.sql(f"SELECT json_agg(t ORDER BY id) FROM {table} t")
              for table in ("erp.customer", "erp.item", "crm.account", "bridge.link")]
    said = cli(load, "match", "account-customer", "--dry-run")
    assert "proposed" in said and "Acme" in said and "a name alone" in said
    found = load.matches(route="account-customer")
    assert (found[load.tax]["rule"], found[load.tax]["state"]) == ("tax_id", "proposed")
    assert (found[load.domain]["rule"], found[load.domain]["state"]) == ("domain", "proposed")
    assert (found[load.known]["rule"], found[load.known]["state"]) == ("external_ref", "linked")
    assert found[load.higher[:2]]["state"] == "proposed"
    assert (load.higher[0], load.higher[2]) not in found
    for right in load.twice[1]:
        match = found[load.twice[0], right]
        assert match["state"] == "ambiguous" and "several" in match["reason"]
    assert found[load.named]["state"] == "ambiguous" and found[load.named]["rule"] == "name"
    assert load.unverified not in found
    assert len(found) == 7
    report = load.run("/matches", {"route": "account-customer"})["report"]
    assert report["left"] == 9 and report["right"] == load.count
    assert report["proposed"] == {"tax_id": 2, "domain": 1} and report["ambiguous"] == 3
    assert report["linked"] == 1 and report["extra"] == load.count - 4
    assert load.extra in [e["ref"] for e in report["extra_sample"]]
    assert report["to_create"] == 4   # Gamma, Delta, Epsilon, Eta; never the prospect
    assert before == [load.stack.sql(f"SELECT json_agg(t ORDER BY id) FROM {table} t")
                      for table in ("erp.customer", "erp.item", "crm.account", "bridge.link")]


def test_people_decide_what_is_ambiguous_and_decisions_stay(load):
    load.run("/matches", {"route": "account-customer"})
    found = load.matches(route="account-customer", state="ambiguous")
    north, south = (found[load.twice[0], right] for right in load.twice[1])
    assert load.bridge.post(f"/matches/{north['id']}/accept")["state"] == "accepted"
    assert load.bridge.raw("POST", f"/matches/{south['id']}/accept", {}).status == 409
    assert "refused" in cli(load, "match", "refuse", str(found[load.named]["id"]))
    load.run("/matches", {"route": "account-customer"})
    found = load.matches(route="account-customer")
    assert found[load.named]["state"] == "refused"
    assert found[load.twice[0], load.twice[1][0]]["state"] == "accepted"
    assert (load.twice[0], load.twice[1][1]) not in found
    for body in ({}, {"route": "x"}, {"route": "order-status"}, {"route": "product-item", "x": 1},
                 {"route": "product-item", "link": "yes"}):
        assert load.bridge.raw("POST", "/matches", body).status == 422


def test_linking_overwrites_nothing_and_the_sync_follows_the_owner(load):
    assert "linked" in cli(load, "match", "account-customer", "--link")
    customer = load.erp_of(load.tax[1])
    assert customer["external_ref"] == load.tax[0]
    assert customer["name"] == "ACME Gesellschaft" and customer["billing_city"] is None
    for left, right in (load.tax, load.domain, load.known, load.higher[:2],
                        (load.twice[0], load.twice[1][0])):
        assert right in [link["right"] for link in load.bridge.get("/links", ref=left)["data"]]
        assert load.matches()[left, right]["state"] == "linked"
    job = load.run("/replays", {"route": "account-customer"})
    assert job["done"] == 9
    customer = load.erp_of(load.tax[1])
    assert (customer["name"], customer["billing_city"]) == ("Acme", "Bonn")
    assert customer["credit_limit"] == "9.00"       # the ERP's own
    assert len(list(load.erp.all("/customers"))) == load.count + 3   # Gamma, Epsilon, Eta
    assert load.erp_of(load.extra)["external_ref"] is None
    assert load.erp_of(load.named[1])["external_ref"] is None
    assert load.erp.get("/customers", name="Theta")["data"] == []
    before = load.stack.sql("SELECT json_agg(t ORDER BY id) FROM erp.customer t")
    load.run("/matches", {"route": "account-customer", "link": True})
    load.run("/replays", {"route": "account-customer"})
    assert load.stack.sql("SELECT json_agg(t ORDER BY id) FROM erp.customer t") == before


def test_products_are_the_same_by_sku(load):
    job = load.run("/matches", {"route": "product-item", "link": True})
    assert job["report"]["proposed"] == {"sku": 1} and job["report"]["extra"] >= 1
    load.run("/replays", {"route": "product-item"})
    item = load.erp_of(load.sku[1])
    assert (item["external_ref"], item["name"], item["lead_time_days"]) == (load.sku[0], "Part", 3)
    assert load.matches()[load.sku]["state"] == "linked"


def test_a_deal_of_a_linked_customer_goes_to_that_customer(load):
    account, product = (int(ref.split(":")[2]) for ref in (load.tax[0], load.sku[0]))
    load.erp.patch("/customers/" + load.tax[1].split(":")[2], {"credit_limit": None})
    deal = load.crm.post("/opportunities", {
        "account_id": account, "name": "Deal", "close_date": "2026-12-01",
        "lines": [{"product_id": product, "quantity": "1", "unit_price": "5"}]})
    load.crm.post(f"/opportunities/{deal['id']}/win")

    def there_is_an_order():
        return load.erp.get("/sales-orders",
                            external_ref=f"crm:opportunity:{deal['id']}")["data"]
    [order] = eventually(there_is_an_order)
    assert f"erp:customer:{order['customer_id']}" == load.tax[1]


def test_another_domain_has_to_be_verified_anew(load):
    account = load.crm.post("/accounts", {"name": "Lambda", "domain": "l.com",
                                          "domain_verified_at": "2026-01-01T00:00:00Z"})
    account = load.crm.patch(f"/accounts/{account['id']}", {"phone": "1"})
    assert account["domain_verified_at"]
    account = load.crm.patch(f"/accounts/{account['id']}", {"domain": "m.com"})
    assert account["domain_verified_at"] is None
    assert load.crm.raw("POST", "/accounts", {"name": "x", "domain": "Not A Domain"}).status == 422
    assert json.loads(load.stack.sql("SELECT count(*) FROM bridge.match_side")) == 0


def test_a_key_that_hundreds_share_is_counted_and_hides_nobody(load):
    def many(path, api, **members):
        made = []
        for start in range(0, 300, 100):
            made += api.post(path + "/batch", {"records": [
                {"name": f"{path} {i}", "domain": "mail.com", **members}
                for i in range(start, start + 100)]})["data"]
        return [record["id"] for record in made]
    accounts = many("/accounts", load.crm, type="prospect",   # so it does not cross
                    domain_verified_at="2026-01-01T00:00:00Z")
    customers = many("/customers", load.erp)
    load.crm.patch(f"/accounts/{accounts[7]}", {"tax_id": "M-7"})
    load.erp.patch(f"/customers/{customers[9]}", {"tax_id": "m7"})
    for path, api, id in (("/accounts", load.crm, accounts[8]),
                          ("/customers", load.erp, customers[8])):
        api.patch(f"{path}/{id}", {"name": "The same"})
    idle(load.bridge)
    found = load.run("/matches", {"route": "account-customer"})
    [crowd] = found["report"]["crowded"]
    assert (crowd["rule"], crowd["key"]) == ("domain", "mail.com")
    assert crowd["left"] >= 299 and crowd["right"] >= 299
    pairs = {(m["left_ref"], m["right_ref"]): (m["rule"], m["state"])
             for m in load.matches(key="mail.com").values()}
    assert pairs == {}
    matches = load.matches(**{"state[in]": "proposed,ambiguous"})
    by_tax = matches[f"crm:account:{accounts[7]}", f"erp:customer:{customers[9]}"]
    assert (by_tax["rule"], by_tax["state"]) == ("tax_id", "proposed")
    by_name = matches[f"crm:account:{accounts[8]}", f"erp:customer:{customers[8]}"]
    assert (by_name["rule"], by_name["state"]) == ("name", "ambiguous")
