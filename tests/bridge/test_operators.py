"""tests/bridge/test_operators.py -- what operators see, and what they can do about a message."""
import json

import pytest
from api import ApiError
from lone_bridge import api_with, lone, new_event_id, one_lone_bridge  # noqa: F401
from operator_cli import cli
from waiting import eventually

REFUSED = 422, {"code": "validation", "detail": "Not acceptable."}


def refuse_customers(call):
    return REFUSED if call.method == "PUT" and "/customers/" in call.path else None


@pytest.fixture
def rejected(lone):
    """A rejected message, and nothing that refuses any more."""
    token = lone.stack.tokens["bridge"]
    lone.start(**{"admin-token": token})
    lone.erp.rule = refuse_customers
    lone.account(1)
    message = lone.ended("account", 1)
    lone.erp.rule = lambda call: None
    return message


def test_a_rejected_message_can_be_retried_and_who_did_it_is_kept(lone, rejected):
    answer = lone.api.post(f"/messages/{rejected['id']}/retry")
    assert answer["state"] == "received"
    assert lone.ended("account", 1)["state"] == "applied"
    message = lone.api.get(f"/messages/{rejected['id']}")
    [action] = message["actions"]
    assert (action["actor"], action["action"], action["was"]) == ("admin", "retry", "rejected")
    assert len({c.headers["Idempotency-Key"] for c in lone.erp.puts()}) == 2


def test_a_message_can_be_skipped_with_a_reason(lone, rejected):
    answer = lone.api.post(f"/messages/{rejected['id']}/skip", {"reason": "a test record"})
    assert answer["state"] == "skipped" and answer["reason"] == "a test record"
    [action] = lone.api.get(f"/messages/{rejected['id']}")["actions"]
    assert action["action"] == "skip" and action["reason"] == "a test record"
    assert len(lone.erp.effects) == 0


def test_skipping_a_rejected_order_tells_the_deal_nothing(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: REFUSED if "/sales-orders/" in call.path else None
    lone.deal(17)
    message = lone.ended("opportunity", 17)
    lone.api.post(f"/messages/{message['id']}/skip", {"reason": "handled by phone"})
    told = [c.body["state"] for c in lone.crm.effects if c.path.endswith("/handover")]
    assert told == ["rejected"]


def test_a_skipped_head_lets_the_lane_go_on(lone):
    lone.start()
    lone.erp.rule = lambda call: (409, {"code": "locked"}) if call.headers.get(
        "Source-Version") == "1" else None
    lone.account(1, version=1)
    stuck = lone.in_state("retrying", "account", 1)
    lone.api.post(f"/messages/{stuck['id']}/skip", {"reason": "stuck"})
    lone.account(1, version=2)
    assert lone.ended("account", 1, version=2)["state"] == "applied"
    assert lone.message("account", 1, version=1)["state"] == "skipped"


def test_what_cannot_be_done_is_refused_by_name(lone, rejected):
    lone.account(2)
    done = lone.ended("account", 2)
    for path, body, status in [
            (f"/messages/{done['id']}/retry", {}, 409), (f"/messages/{done['id']}/skip",
                                                        {"reason": "x"}, 409),
            (f"/messages/{rejected['id']}/skip", {}, 422), ("/messages/999999/retry", {}, 404),
            (f"/messages/{rejected['id']}/skip", {"reason": ""}, 422),
            (f"/messages/{rejected['id']}/skip", {"reason": "x" * 1001}, 422),
            (f"/messages/{rejected['id']}/skip", {"reason": "x", "y": 1}, 422)]:
        with pytest.raises(ApiError) as caught:
            lone.api.post(path, body)
        assert caught.value.status in ((400, 422) if status == 422 else (status,)), caught.value


def test_messages_are_found_by_state_route_and_record(lone, rejected):
    lone.account(2)
    lone.ended("account", 2)
    assert [m["id"] for m in lone.messages(state="rejected")] == [rejected["id"]]
    assert [m["source_id"] for m in lone.messages(route="account-customer", state="applied")] == [2]
    expected = {"id", "route", "source", "entity", "source_id", "version", "state", "attempts",
                "reason", "received_at", "finished_at"}
    assert expected <= set(lone.messages()[0])


def test_a_viewer_sees_messages_without_their_body_and_changes_nothing(lone, rejected):
    token = lone.stack.run("bridge", "--create-token", "viewer", "--role", "viewer")
    viewer = api_with(lone, token)
    assert "body" not in viewer.get(f"/messages/{rejected['id']}")
    for verb, body in (("retry", {}), ("skip", {"reason": "x"})):
        assert viewer.raw("POST", f"/messages/{rejected['id']}/{verb}", body).status == 403
    assert api_with(lone, None).raw("GET", "/messages").status == 401


def test_the_status_says_idle_only_when_every_queue_of_the_three_is_empty(lone):
    lone.start()

    def idle():
        return lone.api.get("/status")["idle"]
    lone.account(1)
    lone.all_ended()
    eventually(idle)
    lone.crm.rule = lambda call: (200, {"data": [{"id": 1}]}) \
        if "/webhook-deliveries" in call.path else None
    assert not idle()
    lone.crm.rule = lambda call: None
    assert idle()
    lone.erp.rule = lambda call: (409, {"code": "locked"}) if call.method == "PUT" else None
    lone.account(2)
    assert not idle()
    lone.erp.rule = lambda call: None
    lone.crm.close()
    status = lone.api.get("/status")
    assert not status["idle"] and not status["systems"]["crm"]["reachable"]
    assert "does not answer" in status["systems"]["crm"]["error"]


def test_links_show_both_ends_with_version_and_time(lone):
    lone.start()
    lone.account(1, version=3)
    lone.ended("account", 1)
    for ref in ("crm:account:1", "erp:customer:101"):
        [link] = lone.api.get("/links", ref=ref)["data"]
        assert (link["left"], link["right"]) == ("crm:account:1", "erp:customer:101")
        assert link["source_version"] == 3 and link["updated_at"] >= link["linked_at"]
    for ref in ("", "crm", "crm:account", "crm:account:x", "crm:account:1'"):
        reply = lone.api.raw("GET", f"/links?ref={ref}")
        assert reply.status == 422, reply.raw
    assert lone.api.raw("GET", "/links").status == 422
    assert lone.api.raw("GET", "/links?ref=crm:account:1&x=1").status == 400


def test_the_commands_speak_to_the_running_bridge(lone, rejected):
    assert "account-customer" in cli(lone, "status")
    table = cli(lone, "messages", "--state", "rejected")
    assert "Not acceptable." in table and "rejected" in table
    [message] = json.loads(cli(lone, "messages", "--json"))["data"]
    assert message["id"] == rejected["id"]
    assert "received" in cli(lone, "retry", str(rejected["id"]))
    lone.ended("account", 1)
    assert "erp:customer:101" in cli(lone, "links", "crm:account:1")
    assert "product_item.jq" in cli(lone, "routes")
    assert "409 invalid_state" in cli(lone, "skip", str(rejected["id"]), "--reason", "x", status=1)
    assert "401" in cli(lone, "status", status=1, BRIDGE_TOKEN="wrong")


def test_wrong_usage_is_status_2_and_a_bridge_that_is_away_status_1(lone, rejected):
    for arguments in (["unknown"], ["retry"], ["retry", "1", "2"], ["status", "--loud"],
                      ["skip", "1"], ["messages", "--state"]):
        assert "sync-bridge" in cli(lone, *arguments, status=2)
    lone.stop()
    assert "127.0.0.1" in cli(lone, "status", status=1)


def test_metrics_count_messages_breakers_and_latency(lone, rejected):
    lone.account(2)
    lone.ended("account", 2)
    page = lone.api.raw("GET", "/metrics").raw.decode()
    assert 'bridge_dlq_events{state="rejected"} 1' in page
    assert 'bridge_breaker_state{target="erp"} 0' in page
    assert "bridge_effect_latency_seconds_count 1" in page


def test_the_bridge_subscribes_at_both_systems_and_keeps_trying(lone):
    lone.crm.close()
    lone.start()

    def erp_was_asked():
        return [c for c in lone.erp.calls if "/webhooks/by-ref/bridge:sync-bridge" in c.path]
    hook = eventually(erp_was_asked)[0]
    assert hook.body["url"] == lone.stack.url("bridge") + "/api/v1/inbox/erp"
    assert hook.body["secret"] == lone.erp.secret and "sales_order.*" in hook.body["events"]
    lone.crm.open()
    lone.account(1, event_id=new_event_id())

    def crm_is_subscribed():
        return lone.api.get("/status")["systems"]["crm"]["subscribed"]
    eventually(crm_is_subscribed)
