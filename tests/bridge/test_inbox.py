"""tests/bridge/test_inbox.py -- only genuine changes get in, and each is kept before its 202."""
import json
import signal
import threading
import time
from concurrent import futures

import psycopg2
import pytest
from fake_system import post_event, signed
from lone_bridge import api_with, lone, new_event_id, one_lone_bridge  # noqa: F401
from waiting import eventually


def change(lone, id=1, **members):
    event = lone.crm.event("account", {"id": id, "type": "customer", "name": "A", **members})
    return json.dumps(event).encode()


def post(lone, body, headers, system="crm"):
    return lone.api.raw("POST", f"/inbox/{system}", body, headers)


def without(headers, name):
    return {k: v for k, v in headers.items() if k != name}


@pytest.mark.parametrize("spoil", [
    lambda h: without(h, "webhook-id"),
    lambda h: without(h, "webhook-timestamp"),
    lambda h: without(h, "webhook-signature"),
    lambda h: {**h, "webhook-signature": "v1,"},
    lambda h: {**h, "webhook-signature": h["webhook-signature"][:-6]},
    lambda h: {**h, "webhook-signature": "v2" + h["webhook-signature"][2:]},
    lambda h: {**h, "webhook-id": "evt_other"},
    lambda h: {**h, "webhook-timestamp": "yesterday"},
    lambda h: {**h, "webhook-timestamp": str(int(h["webhook-timestamp"]) + 1)},
])
def test_what_is_not_signed_by_the_system_is_401_and_leaves_nothing(lone, spoil):
    lone.start()
    body = change(lone)
    assert post(lone, body, spoil(signed(lone.crm.secret, body))).status == 401
    assert lone.messages() == []


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_stale_or_early_timestamp_is_401(lone, seconds):
    lone.start()
    body = change(lone)
    headers = signed(lone.crm.secret, body, timestamp=int(time.time()) + seconds)
    assert post(lone, body, headers).status == 401 and lone.messages() == []


def test_a_changed_body_is_401(lone):
    lone.start()
    body = change(lone)
    assert post(lone, body + b" ", signed(lone.crm.secret, body)).status == 401


def test_a_replayed_message_is_answered_202_and_has_no_second_effect(lone):
    lone.start()
    body = change(lone)
    headers = signed(lone.crm.secret, body)
    assert [post(lone, body, headers).status for _ in range(3)] == [202] * 3
    lone.ended("account", 1)
    assert len(lone.messages()) == 1 and len(lone.erp.puts()) == 1


def test_an_unknown_system_is_404(lone):
    lone.start()
    body = change(lone)
    assert post(lone, body, signed(lone.crm.secret, body), "shop").status == 404


def text(data, type='"a.b"', timestamp='"2026-01-01T00:00:00Z"'):
    return f'{{"type":{type},"timestamp":{timestamp},"data":{data}}}'.encode()


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b'{"type":"a.b"}', text("[]"), text("{}"),
    text('{"entity":"account","id":1,"version":1,"record":{}}', timestamp='"never"'),
    text('{"entity":"account","id":"1","version":1,"record":{}}'),
    text('{"entity":"account","id":-1,"version":0,"record":{}}'),
    text('{"entity":"account","id":1,"version":1,"record":{"a":"\\u0000"}}'),
    text('{"entity":"account","id":1,"version":1,"record":[]}'),
    text('{"entity":"account","id":1,"version":1,"record":{}}', type=f'"{"a" * 200}"'),
])
def test_a_signed_but_wrong_body_is_a_4xx_and_leaves_nothing(lone, body):
    lone.start()
    reply = post(lone, body, signed(lone.crm.secret, body))
    assert 400 <= reply.status < 500, reply.raw
    assert lone.messages() == []


def test_a_change_no_route_takes_is_one_message_that_says_so(lone):
    lone.start()
    assert post_event(lone.api, lone.crm, lone.crm.event("meeting", {"id": 3})).status == 202
    [message] = lone.messages()
    assert message["state"] == "skipped" and message["route"] is None
    assert message["reason"] == "no route takes such a change"


def test_a_prospect_is_skipped_with_the_rule(lone):
    lone.start()
    lone.account(1, kind="prospect")
    message = lone.ended("account", 1)
    assert message["state"] == "skipped" and "customers" in message["reason"]
    assert lone.erp.puts() == []


def test_what_has_crossed_stays_in_step_when_the_rule_no_longer_holds(lone):
    lone.start()
    lone.account(1)
    lone.ended("account", 1)
    lone.account(1, version=2, kind="former")
    lone.ended("account", 1, version=2)
    assert lone.erp.effects_of("crm:account:1")[-1].body["active"] is False


def test_a_thousand_changes_at_once_have_a_thousand_effects(lone):
    lone.start()
    for id in range(1, 1001):
        lone.account(id, event_id=new_event_id())
    lone.all_ended(60)
    assert len({c.path for c in lone.erp.effects}) == 1000


def test_of_many_at_once_only_the_wrong_ones_are_refused(lone):
    """They share statements; what one of them does wrong is no other's fault."""
    lone.start()

    def told(id):
        body = json.loads(change(lone, id))
        if id % 10 == 0:
            body["timestamp"] = "never"
        body = json.dumps(body).encode()
        reply = api_with(lone, None).raw("POST", "/inbox/crm", body,
                                         signed(lone.crm.secret, body))
        return reply.status
    with futures.ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(told, range(1, 201)))
    for id, status in enumerate(statuses, 1):
        assert 400 <= status < 500 if id % 10 == 0 else status == 202, (id, status)
    lone.all_ended()
    assert sorted(m["source_id"] for m in lone.messages()) == [
        id for id in range(1, 201) if id % 10]


def test_a_change_of_our_own_making_goes_no_further_and_is_counted(lone):
    lone.start(lambda config: config["systems"]["crm"].update(skip_origin="bridge"))
    event = lone.crm.event("account", {"id": 5, "name": "Echo", "type": "customer"},
                           origin="bridge")
    for _ in range(2):
        assert post_event(lone.api, lone.crm, event, "evt_echo").status == 202
    message = lone.ended("account", 5)
    assert (message["state"], message["code"]) == ("skipped", "echo")
    assert lone.erp.effects == []
    page = lone.api.raw("GET", "/metrics").raw.decode()
    assert "\nbridge_loops_dropped_total 1\n" in page
    assert "\ninbox_duplicates_total 1\n" in page


def test_a_change_that_waits_to_be_written_while_the_configuration_is_read_anew_is_carried(lone):
    lone.start()
    holder = psycopg2.connect(lone.stack.database_url)
    holder.cursor().execute("LOCK TABLE bridge.message IN EXCLUSIVE MODE")
    told = [threading.Thread(target=lone.account, args=(id,), kwargs={
        "api": lone.stack.api("bridge")}) for id in (1, 2, 3)]

    def its_writing_waits():
        return lone.stack.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"
    told[0].start()
    eventually(its_writing_waits)
    for thread in told[1:]:
        thread.start()
    time.sleep(0.3)   # they are there, and wait for the first one
    config = lone.config()
    config["routes"][0]["skip_reason"] = "other words"
    (lone.stack.var / "bridge.json").write_text(json.dumps(config))
    log = lone.stack.file("bridge", "log")
    before = log.read_text().count("runs another configuration")
    lone.signal(signal.SIGHUP)

    def it_is_in_effect():
        return log.read_text().count("runs another configuration") > before
    eventually(it_is_in_effect)
    holder.close()
    for thread in told:
        thread.join()
    lone.all_ended()
    assert {(m["route"], m["state"]) for m in lone.messages()} == {
        ("account-customer", "applied")}
