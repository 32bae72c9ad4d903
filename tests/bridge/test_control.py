"""tests/bridge/test_control.py -- pauses, the budget of retries, and retry or skip of many."""
import re
import time

import pytest
from fake_system import post_event
from lone_bridge import api_with, lone, one_lone_bridge  # noqa: F401
from test_operators import cli
from waiting import eventually

REFUSED = 422, {"code": "validation", "detail": "Not acceptable."}
LOCKED = 409, {"code": "locked"}


def started(lone, **options):
    return lone.start(**{"admin-token": lone.stack.tokens["bridge"], **options})


def metric(api, name):
    page = api.raw("GET", "/metrics").raw.decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", page, re.M)[1])


def route_state(lone, name):
    [route] = [r for r in lone.api.get("/status")["routes"] if r["name"] == name]
    return route


def customers(verdict):
    return lambda call: verdict if call.method == "PUT" and "/customers/" in call.path else None


# ---- pause and resume ----

def test_messages_of_a_paused_route_park_as_they_are_and_go_on_after_it(lone):
    started(lone)
    answer = lone.api.post("/routes/account-customer/pause", {"reason": "month end"})
    assert answer["paused"]["reason"] == "month end" and answer["paused"]["by"] == "admin"
    time.sleep(1)
    for id in range(1, 11):
        lone.account(id)
    lone.product_known(1)
    event = lone.crm.event("product", {"id": 1, "sku": "S1", "name": "W", "type": "goods",
                                       "active": True, "prices": [], "components": []})
    assert post_event(lone.api, lone.crm, event).status == 202
    assert lone.ended("product", 1)["state"] == "applied"
    time.sleep(0.5)
    assert {(m["state"], m["attempts"]) for m in lone.messages(entity="account")} == \
        {("received", 0)}
    state = route_state(lone, "account-customer")
    assert state["pending"] == 10 and state["paused"]["reason"] == "month end"
    assert route_state(lone, "product-item")["paused"] is None
    assert lone.api.post("/routes/account-customer/resume")["paused"] is None
    lone.all_ended()
    assert len(lone.erp.effects) == 11


def test_a_paused_system_gets_nothing_and_its_own_changes_are_taken_in(lone):
    started(lone, workers=2)
    assert "paused" in cli(lone, "pause", "system", "erp", "--reason", "upgrade")
    time.sleep(1.2)
    before = len(lone.erp.puts())
    for id in range(1, 21):
        lone.account(id)
    time.sleep(0.5)
    assert len(lone.erp.puts()) == before
    [erp] = [s for s in lone.api.get("/systems")["data"] if s["name"] == "erp"]
    assert erp["paused"]["reason"] == "upgrade" and erp["paused"]["at"]
    assert lone.api.get("/status")["systems"]["erp"]["paused"]["by"] == "admin"
    assert "upgrade" in cli(lone, "status")
    assert "goes on" in cli(lone, "resume", "system", "erp")
    lone.all_ended()
    assert len(lone.erp.effects) == 20


def test_a_pause_outlives_the_bridge(lone):
    started(lone)
    lone.api.post("/routes/account-customer/pause", {"reason": "month end"})
    lone.kill()
    started(lone)
    lone.account(1)
    time.sleep(0.5)
    assert lone.message("account", 1)["state"] == "received" and not lone.erp.puts()
    lone.api.post("/routes/account-customer/resume")
    assert lone.ended("account", 1)["state"] == "applied"


def test_nothing_crosses_a_paused_route_though_another_record_needs_it(lone):
    started(lone)
    lone.account_known(1)
    lone.product_known(1)
    lone.api.post("/routes/account-customer/pause", {"reason": "month end"})
    time.sleep(1)
    lone.deal(17)
    message = lone.in_state("retrying", "opportunity", 17)
    assert "account-customer is paused" in message["reason"] and message["attempts"] == 0
    assert not [c for c in lone.erp.puts() if "/customers/" in c.path]
    lone.api.post("/routes/account-customer/resume")
    assert lone.ended("opportunity", 17)["state"] == "applied"


@pytest.mark.parametrize("path, body, status", [
    ("/routes/nowhere/pause", {"reason": "x"}, 404), ("/systems/nowhere/resume", {}, 404),
    ("/routes/account-customer/pause", {}, 422), ("/systems/erp/pause", {"reason": ""}, 422),
    ("/systems/erp/pause", {"reason": 7}, 422), ("/systems/erp/pause", {"reason": "x" * 1001}, 422),
    ("/systems/erp/pause", {"reason": "x", "until": "y"}, 422),
    ("/systems/erp/resume", {"reason": "x"}, 422)])
def test_a_pause_that_cannot_be_is_refused_by_name(lone, path, body, status):
    started(lone)
    assert lone.api.raw("POST", path, body).status == status
    viewer = api_with(lone, lone.stack.run("bridge", "--create-token", "v", "--role", "viewer"))
    assert viewer.raw("POST", "/systems/erp/pause", {"reason": "x"}).status == 403
    assert viewer.raw("GET", "/systems").status == 200


# ---- the budget of retries ----

def test_retries_over_the_budget_wait_without_counting_and_first_tries_go_through(lone):
    started(lone)
    lone.erp.rule = lambda call: LOCKED if call.method == "PUT" and int(
        call.path.rsplit(":", 1)[1]) <= 40 else None
    began = time.monotonic()
    for id in range(1, 41):
        lone.account(id)

    def budget_is_spent():
        return metric(lone.api, 'bridge_retry_budget_tokens{target="erp"}') == 0
    eventually(budget_is_spent, 20, 0.1)
    lone.account(1000)
    assert lone.ended("account", 1000)["state"] == "applied"
    time.sleep(0.5)
    puts = len(lone.erp.puts())
    retries = puts - 41
    seconds = time.monotonic() - began
    assert 100 <= retries <= 100 + 10 * seconds + 41 / 5 + 10, (retries, seconds)
    assert metric(lone.api, 'bridge_retries_total{class="conflict"}') >= retries
    lone.erp.rule = lambda call: None
    lone.all_ended(60)
    assert sum(m["attempts"] for m in lone.messages()) == len(lone.erp.puts())
    assert len(lone.erp.effects) == 41


# ---- many at once ----

@pytest.fixture
def refused(lone):
    """Ten rejected messages, and nothing that refuses any more."""
    started(lone)
    lone.erp.rule = customers(REFUSED)
    for id in range(1, 11):
        lone.account(id)
    lone.all_ended()
    lone.erp.rule = lambda call: None
    return [m["id"] for m in lone.messages(state="rejected", sort="id")]


def test_dead_letters_are_retried_by_range_and_each_is_noted(lone, refused):
    answer = lone.api.post("/messages/retry", {"filter": {"from": refused[2], "to": refused[5]}})
    assert answer == {"messages": 4, "more": False}
    lone.all_ended()
    assert len(lone.erp.effects) == 4
    [action] = lone.api.get(f"/messages/{refused[2]}")["actions"]
    assert (action["actor"], action["action"], action["was"]) == ("admin", "retry", "rejected")
    assert lone.api.get(f"/messages/{refused[0]}")["actions"] == []
    answer = lone.api.post("/messages/retry", {"filter": {"state": "rejected",
                                                          "route": "account-customer"}, "limit": 5})
    assert answer == {"messages": 5, "more": True}
    lone.all_ended()
    assert len(lone.erp.effects) == 9


def test_dead_letters_are_skipped_by_filter_with_a_reason(lone, refused):
    times = [lone.api.get(f"/messages/{id}")["received_at"] for id in refused]
    answer = lone.api.post("/messages/skip", {"reason": "tests", "filter": {
        "entity": "account", "from": times[0], "to": times[4]}})
    assert answer["messages"] == 5
    assert {m["reason"] for m in lone.messages(state="skipped")} == {"tests"}
    assert lone.api.post("/messages/skip", {"reason": "x", "filter": {
        "route": "product-item"}}) == {"messages": 0, "more": False}
    [action] = lone.api.get(f"/messages/{refused[0]}")["actions"]
    assert action["action"] == "skip" and action["reason"] == "tests"


def test_only_what_a_configured_route_could_work_is_retried_at_once(lone, refused):
    lone.stack.sql(f"UPDATE bridge.message SET route = 'given-up' WHERE id = {refused[0]}")
    reply = lone.api.raw("POST", "/messages/retry", {"filter": {"route": "given-up"}})
    assert reply.status == 422 and reply.json["errors"][0]["field"] == "filter.route"
    assert lone.api.post("/messages/retry", {"filter": {}}) == {"messages": 9, "more": False}
    lone.all_ended()
    left = lone.api.get(f"/messages/{refused[0]}")
    assert (left["state"], left["actions"]) == ("rejected", [])
    answer = lone.api.post("/messages/skip", {"filter": {"route": "given-up"}, "reason": "gone"})
    assert answer["messages"] == 1


def test_the_openapi_says_what_the_bulk_calls_take(lone):
    started(lone)
    paths = lone.api.get("/openapi.json")["paths"]
    for verb, required in (("retry", {"filter"}), ("skip", {"filter", "reason"})):
        body = paths[f"/api/v1/messages/{verb}"]["post"]["requestBody"]
        schema = body["content"]["application/json"]["schema"]
        assert set(schema["required"]) == required
        assert set(schema["properties"]) == required | {"limit"}
        assert set(schema["properties"]["filter"]["properties"]) == {
            "state", "route", "source", "entity", "from", "to"}


@pytest.mark.parametrize("verb, body, fields", [
    ("retry", {}, {"filter"}), ("retry", {"filter": []}, {"filter"}),
    ("retry", {"filter": {"state": "applied"}}, {"filter.state"}),
    ("retry", {"filter": {"state": []}}, {"filter.state"}),
    ("retry", {"filter": {"form": 1, "route": 7}, "limit": 0, "x": 1},
     {"filter.form", "filter.route", "limit", "x"}),
    ("retry", {"filter": {"from": "tomorrow"}}, {"filter.from"}),
    ("retry", {"filter": {"from": "2026-02-30T10:00:00Z"}}, {"filter.from"}),
    ("retry", {"filter": {"from": 1, "to": "2026-02-20T10:00:00Z"}}, {"filter.to"}),
    ("retry", {"filter": {}, "reason": "x"}, {"reason"}),
    ("retry", {"filter": {}, "limit": 10001}, {"limit"}),
    ("skip", {"filter": {}}, {"reason"}), ("skip", {"filter": {}, "reason": ""}, {"reason"}),
    ("skip", {"filter": {"to": 2.5}, "reason": "x"}, {"filter.to"})])
def test_a_wrong_filter_is_refused_with_every_bad_field(lone, verb, body, fields):
    started(lone)
    reply = lone.api.raw("POST", f"/messages/{verb}", body)
    assert reply.status == 422, reply.raw
    assert {error["field"] for error in reply.json["errors"]} == fields


def test_the_commands_retry_and_skip_many(lone, refused):
    assert "skip: 2 messages" in cli(lone, "skip", "--to", str(refused[1]), "--reason", "tests")
    assert "retry: 8 messages" in cli(lone, "retry", "--state", "rejected,dead", "--route",
                                      "account-customer", "--from", str(refused[0]))
    lone.all_ended()
    assert len(lone.erp.effects) == 8
    assert "404" in cli(lone, "resume", "route", "nowhere", status=1)
    for arguments in (["skip", "--state", "dead"], ["retry", "--json"], ["pause", "route"],
                      ["pause", "system", "erp"], ["pause", "thing", "erp", "--reason", "x"]):
        assert "sync-bridge" in cli(lone, *arguments, status=2)
