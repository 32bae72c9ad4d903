"""tests/bridge/test_ownership.py -- each field of a target's record has one owner."""
import copy

import pytest
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from test_config import refused
from test_reload import own_mappings, reload, write
from test_reload import refused as refused_reload
from topology import one_crm_two_erps, two_crms_one_erp


def twin(config, name="account-credit", **members):
    """The same records of the same target by one more route."""
    route = copy.deepcopy(config["routes"][0])
    route.update(name=name, **members)
    config["routes"].append(route)
    return route


def without_owns(route):
    route.pop("owns")


def test_every_shipped_route_says_what_it_owns_and_yields_nothing_else(lone):
    lone.start()
    routes = {r["name"]: r for r in lone.api.get("/routes")["data"]}
    assert len(routes) == 9 and all(r["owns"] for r in routes.values())
    assert "credit_limit" not in routes["account-customer"]["owns"]


def test_a_field_with_two_owners_stops_the_start_naming_both_and_the_field(lone):
    config = lone.config()
    twin(config, owns=["phone", "credit_status"])
    said = refused(lone, config)
    for word in ("account-customer", "account-credit", '\\"phone\\"', "erp customer"):
        assert word in said, said


def test_a_field_with_two_owners_is_refused_by_a_reload(lone):
    lone.start()
    write(lone, lambda c: twin(c, owns=["phone"]))
    assert '"account-customer" and "account-credit" both own the field "phone"' in \
        refused_reload(lone)
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"


def test_a_condition_does_not_divide_a_field_nor_does_silence(lone):
    config = lone.config()
    twin(config, when='.record.region == "EU"', owns=["phone"])
    assert "both own" in refused(lone, config)
    config = lone.config()
    without_owns(twin(config))
    assert "a route without \\\"owns\\\" owns all" in refused(lone, config)
    without_owns(config["routes"][0])
    assert "both own every field of erp customer" in refused(lone, config)


@pytest.mark.parametrize("owns, said", [
    ([], '\\"owns\\" must be a list'), ("name", '\\"owns\\" must be a list'),
    (["name", "name"], 'names \\"name\\" twice'), (["Name"], '\\"owns\\"[0] must be'),
    (["name", 5], '\\"owns\\"[1] must be'),
])
def test_a_wrong_list_is_refused(lone, owns, said):
    config = lone.config()
    config["routes"][0]["owns"] = owns
    assert said in refused(lone, config)


@pytest.mark.parametrize("change", [one_crm_two_erps, two_crms_one_erp])
def test_several_systems_need_no_division(lone, change):
    def with_more(config):
        for name in ("crm2", "erp2"):
            config["systems"][name] = {"url": lone.erp.url, "token": "t",
                                       "secret": lone.erp.secret}
        change(config)
    lone.start(with_more)
    assert len(lone.api.get("/routes")["data"]) == 18


def test_a_mapping_that_writes_what_its_route_does_not_own_is_rejected(lone):
    lone.start(own_mappings(lone, account_customer=".record | {name, credit_limit: \"9\"}"))
    lone.account(1)
    message = lone.ended("account", 1)
    assert message["state"] == "rejected" and message["code"] == "not_owned"
    assert '"credit_limit"' in message["reason"] and "account-customer" in message["reason"]
    assert not lone.erp.puts()
    reload(lone)
    lone.api.post(f"/messages/{message['id']}/retry")
    assert lone.ended("account", 1)["state"] == "applied"


def divided(lone, condition=None):
    """account-customer gives names, account-credit the credit limit."""
    programs = own_mappings(lone, account_customer=".record | {name, currency}")
    (lone.stack.var / "own-mappings/credit.jq").write_text(".record | {credit_limit: .limit}\n")

    def change(config):
        programs(config)
        config["routes"][0]["owns"] = ["name", "currency"]
        route = twin(config, map="credit.jq", owns=["credit_limit"])
        if condition:
            route["when"] = condition
    return change


def test_two_routes_that_divide_the_fields_write_one_record(lone):
    lone.start(divided(lone))
    lone.account(1, limit="500.00")
    lone.all_ended()
    [effect] = lone.erp.effects_of("crm:account:1")
    assert effect.body == {"name": "Account 1", "currency": "USD", "credit_limit": "500.00"}
    assert sorted(m["state"] for m in lone.messages(source_id=1)) == ["applied", "unchanged"]
    lone.account(1, version=2, limit="600.00")
    lone.all_ended()
    assert lone.erp.effects_of("crm:account:1")[1].body["credit_limit"] == "600.00"


def test_a_route_that_does_not_take_the_change_adds_nothing_to_it(lone):
    lone.start(divided(lone, ".record.limit != null"))
    lone.account(1, limit=None)
    lone.all_ended()
    assert lone.erp.effects_of("crm:account:1")[0].body == {"name": "Account 1",
                                                            "currency": "USD"}


def test_the_fields_of_a_record_cross_together_or_not_at_all(lone):
    lone.start(divided(lone))
    (lone.stack.var / "own-mappings/credit.jq").write_text('error("no limit")')
    lone.api.post("/config/reload")
    lone.account(1, limit="1")
    lone.all_ended()
    assert [m["state"] for m in lone.messages(source_id=1)] == ["rejected", "rejected"]
    assert not lone.erp.puts()
