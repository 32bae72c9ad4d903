"""tests/bridge/test_replay.py -- records carried again: nothing changes twice."""
import time

import pytest
from api import ApiError
from lone_bridge import OPEN, api_with, lone, one_lone_bridge  # noqa: F401
from recovery import Company
from test_operators import cli
from waiting import eventually

NOTHING = {"unchanged", "superseded", "skipped"}


@pytest.fixture(scope="module")
def company():
    company = Company()
    try:
        yield company.fill()
    finally:
        company.end()


def ended(lone, job, seconds=30):
    def replay_has_ended():
        found = lone.api.get(f"/replays/{job['id']}")
        return found if found["state"] != "running" else None
    return eventually(replay_has_ended, seconds)


def test_a_record_that_is_carried_again_changes_nothing(company):
    before = company.versions()
    deal = company.deals[0]
    for ref in (f"crm:opportunity:{deal['id']}", f"crm:account:{company.accounts[0]['id']}",
                f"erp:sales_order:{company.order(deal)['id']}"):
        for _ in range(2):
            job = company.replayed({"ref": ref})
            assert (job["kind"], job["state"], job["done"], job["total"]) == (
                "record", "done", 1, 1)
            [message] = company.made_by(job)
            assert message["type"].endswith(".replayed") and message["state"] in NOTHING
            assert message["target_ref"]
    assert company.versions() == before


@pytest.mark.parametrize("route", ["account-customer", "product-item", "opportunity-order",
                                   "order-status", "delivery-status", "invoice-status",
                                   "customer-finance", "availability"])
def test_a_route_that_is_carried_again_changes_nothing(company, route):
    before = company.versions()
    job = company.replayed({"route": route})
    made = company.made_by(job)
    assert job["state"] == "done" and job["done"] == job["total"] == len(made) > 0
    assert {m["state"] for m in made} <= NOTHING
    assert company.versions() == before


def test_a_time_that_is_carried_again_twice_changes_nothing(company):
    before = company.versions()
    for _ in range(2):
        job = company.replayed({"from": "2020-01-01T00:00:00Z"})
        made = company.made_by(job)
        assert job["state"] == "done" and {m["state"] for m in made} <= NOTHING
        assert {m["entity"] for m in made} == {"account", "product", "opportunity", "sales_order",
                                               "delivery", "invoice", "customer", "item"}
    assert company.versions() == before
    job = company.replayed({"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"})
    assert job["state"] == "done" and company.made_by(job) == []
    job = company.replayed({"from": "2020-01-01T00:00:00Z", "entity": "product"})
    assert {m["entity"] for m in company.made_by(job)} == {"product"}
    job = company.replayed({"from": "2020-01-01T00:00:00Z", "route": "product-item"})
    assert {m["route"] for m in company.made_by(job)} == {"product-item"}


def test_a_deal_that_is_not_won_makes_no_order_when_it_is_carried_again(company):
    job = company.replayed({"ref": f"crm:opportunity:{company.open['id']}"})
    [message] = company.made_by(job)
    assert message["state"] == "skipped" and "won" in message["reason"]
    assert company.order(company.open) is None


def test_what_was_lost_on_the_way_arrives(company):
    """A change whose message is gone from the inbox, as after a skip by mistake."""
    stack = company.stack
    account = company.accounts[1]["id"]
    stack.sql("UPDATE crm.webhook SET status = 'disabled'")
    company.crm.patch(f"/accounts/{account}", {"billing_city": "Lost"})
    deal = company.win(company.deal(company.accounts[1]))
    stack.sql("UPDATE crm.webhook SET status = 'active'")
    company.idle()
    assert company.order(deal) is None
    company.replayed({"route": "account-customer"})
    company.replayed({"route": "opportunity-order"})
    [customer] = company.erp.get("/customers", external_ref=f"crm:account:{account}")["data"]
    assert customer["billing_city"] == "Lost"
    assert company.order(deal)["total"] == "38.00"
    told = company.crm.get(f"/opportunities/{deal['id']}/fulfilment")
    assert told["handover"]["state"] == "accepted"


def test_bad_replays_are_refused_by_field(company):
    bridge = company.bridge
    for body, field in [({}, "ref"), ({"ref": "x"}, "ref"), ({"ref": "crm:contact:1"}, "ref"),
                        ({"ref": "no:account:1"}, "ref"), ({"route": "x"}, "route"),
                        ({"ref": "crm:account:1", "route": "product-item"}, "ref"),
                        ({"to": "2026-01-01T00:00:00Z", "route": "product-item"}, "from"),
                        ({"from": "yesterday"}, "from"), ({"route": "product-item", "rate": 0},
                                                          "rate"),
                        ({"from": "2026-01-01T00:00:00Z", "entity": "contact"}, "entity"),
                        ({"route": "product-item", "kind": "rebuild"}, "kind"),
                        ({"route": "product-item", "x": 1}, "x")]:
        reply = bridge.raw("POST", "/replays", body)
        assert reply.status == 422, (body, reply.raw)
        assert field in [e["field"] for e in reply.json["errors"]], (body, reply.json)
    assert bridge.raw("POST", "/rebuild", {"x": 1}).status == 422
    job = company.replayed({"ref": "crm:account:999999"})
    assert job["state"] == "failed" and "does not exist" in job["reason"]
    with pytest.raises(ApiError, match="409"):
        bridge.post(f"/replays/{job['id']}/cancel")
    with pytest.raises(ApiError, match="409"):
        bridge.patch(f"/replays/{job['id']}", {"rate": 5})


def many(lone, count):
    """The CRM holds so many accounts, listed page by page."""
    for id in range(1, count + 1):
        lone.account_known(id, type="customer")

    def lists(call):
        path, _, query = call.path.partition("?")
        if path != "/api/v1/accounts":
            return None
        words = dict(pair.split("=") for pair in query.split("&"))
        after, limit = int(words.get("id%5Bgt%5D", 0)), int(words["limit"])
        ids = range(after + 1, min(after + limit, count) + 1)
        return 200, {"data": [{"id": id} for id in ids], "count": count}
    lone.crm.rule = lists


def test_a_replay_goes_on_where_a_killed_bridge_left_it(lone):
    many(lone, 600)
    lone.start()
    job = lone.api.post("/replays", {"route": "account-customer", "rate": 5000})

    def some_are_through():
        return lone.api.get(f"/replays/{job['id']}")["done"] >= 100
    eventually(some_are_through)
    lone.kill()
    lone.stack.start_daemon("bridge")
    lone.stack.wait_ready("bridge")
    job = ended(lone, job)
    assert (job["state"], job["done"], job["total"]) == ("done", 600, 600)
    lone.all_ended()
    for id in (1, 300, 600):
        assert len(lone.erp.effects_of(f"crm:account:{id}")) == 1
    assert len(lone.messages()) == 600


def test_a_replay_never_fills_more_than_half_of_the_inbox(lone):
    many(lone, 120)
    lone.start(**{"inbox-limit": 40})
    lone.erp.rule = lambda call: (409, {"code": "locked"}) if call.method == "PUT" else None
    job = lone.api.post("/replays", {"route": "account-customer", "rate": 5000})

    def half_is_full():
        return len(lone.messages(**{"state[in]": ",".join(OPEN)})) == 20
    eventually(half_is_full)
    time.sleep(1)
    assert half_is_full() and lone.api.get(f"/replays/{job['id']}")["state"] == "running"
    lone.erp.rule = lambda call: None
    assert ended(lone, job)["done"] == 120


def test_a_replay_can_be_cancelled_and_who_asked_is_kept(lone):
    many(lone, 500)
    token = lone.stack.tokens["bridge"]
    lone.start(**{"admin-token": token})
    job = lone.api.post("/replays", {"route": "account-customer", "rate": 100})

    def it_runs():
        return lone.api.get(f"/replays/{job['id']}")["done"] > 0
    eventually(it_runs)
    assert "cancelled" in cli(lone, "replay", "cancel", str(job["id"]))
    found = lone.api.get(f"/replays/{job['id']}")
    assert found["state"] == "cancelled" and found["actor"] == "admin" and found["finished_at"]
    assert found["done"] < 500
    timeline = lone.api.get(f"/replays/{job['id']}/timeline")["data"]
    assert [e["type"] for e in timeline] == ["replay.cancelled", "replay.created"]
    viewer = api_with(lone, lone.stack.run("bridge", "--create-token", "look", "--role", "viewer"))
    assert viewer.raw("POST", "/replays", {"route": "account-customer"}).status == 403
    assert viewer.raw("POST", f"/replays/{job['id']}/cancel").status == 403


def test_the_command_shows_how_far_it_is(lone):
    many(lone, 30)
    lone.start(**{"admin-token": lone.stack.tokens["bridge"]})
    said = cli(lone, "replay", "--route", "account-customer")
    assert "done" in said and "30 of 30" in said
    assert "account-customer" in cli(lone, "replays")
    assert "422" in cli(lone, "replay", "--ref", "x", status=1)
