"""tests/bridge/test_faults.py -- whatever a system does, each change has its one effect."""
import itertools
import time

from fake_system import post_event
from lone_bridge import lone, new_event_id, one_lone_bridge  # noqa: F401
from waiting import eventually


def to(path, answer, times=10**9):
    """A rule: PUTs below that path are answered so, that many times."""
    left = [times]

    def rule(call):
        if call.method == "PUT" and path in call.path and left[0] > 0:
            left[0] -= 1
            return answer
        return None
    return rule


def test_a_change_crosses_once_with_key_version_and_trace(lone):
    lone.start()
    lone.account(42, version=7)
    message = lone.ended("account", 42)
    [put] = lone.erp.puts("crm:account:42")
    assert message["state"] == "applied" and message["target_ref"] == "erp:customer:101"
    assert put.headers["Source-Version"] == "7"
    assert put.headers["Idempotency-Key"] == message["event_id"] + ":account-customer"
    assert put.headers["traceparent"].split("-")[1] == message["traceparent"].split("-")[1]
    assert put.body["name"] == "Account 42"


def test_the_same_event_twice_is_one_message_and_one_effect(lone):
    lone.start()
    id = new_event_id()
    for _ in range(3):
        lone.account(1, event_id=id)
    lone.ended("account", 1)
    assert len(lone.messages()) == 1 and len(lone.erp.puts()) == 1


def test_a_500_is_tried_again_until_it_is_over(lone):
    lone.start()
    lone.erp.rule = to("/customers/", (500, {"code": "internal"}), times=3)
    lone.account(1)
    message = lone.ended("account", 1)
    assert message["state"] == "applied" and message["attempts"] == 4
    assert len({c.headers["Idempotency-Key"] for c in lone.erp.puts()}) == 1


def test_a_reply_lost_after_the_effect_is_not_a_second_effect(lone):
    lone.start()
    lone.erp.rule = to("/customers/", "drop", times=1)
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"
    assert len(lone.erp.effects_of("crm:account:1")) == 1


def test_429_waits_as_long_as_it_was_told(lone):
    lone.start()
    busy = (429, {"code": "rate_limited"}, {"Retry-After": "2"})
    lone.erp.rule = to("/customers/", busy, times=1)
    began = time.monotonic()
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"
    assert time.monotonic() - began >= 1.9


def test_a_target_that_is_away_costs_no_attempts_and_gets_all_in_order_when_it_is_back(lone):
    lone.start()
    lone.erp.close()
    for version in range(1, 4):
        for id in range(1, 31):
            lone.account(id, version=version, name=f"Account {id} v{version}")
    time.sleep(2.5)
    status = lone.api.get("/status")
    assert status["systems"]["erp"]["breaker"] in ("open", "probing") and not status["idle"]
    assert max(m["attempts"] for m in lone.messages()) <= 6
    lone.erp.open()
    lone.all_ended()
    for id in range(1, 31):
        versions = [int(c.headers["Source-Version"])
                    for c in lone.erp.effects_of(f"crm:account:{id}")]
        assert versions == sorted(set(versions)) and versions[-1] == 3
    assert {m["state"] for m in lone.messages()} <= {"applied", "superseded"}


def test_a_sick_erp_does_not_hold_up_what_goes_to_the_crm(lone):
    lone.start()
    lone.erp.rule = to("/customers/", (503, {"code": "unavailable"}))
    for id in range(1, 11):
        lone.account(id)
    item = {"id": 5, "external_ref": "crm:product:9", "on_hand": "1", "reserved": "0",
            "available": "1"}
    began = time.monotonic()
    assert post_event(lone.api, lone.erp, lone.erp.event("item", item)).status == 202
    assert lone.ended("item", 5)["state"] == "applied"
    assert time.monotonic() - began < 1


def test_a_blocked_record_blocks_only_itself(lone):
    lone.start()
    lone.erp.rule = to("crm:account:1", (409, {"code": "locked", "detail": "busy"}))
    lone.account(1)
    for id in range(20, 30):
        lone.account(id)
        assert lone.ended("account", id)["state"] == "applied"
    message = lone.message("account", 1)
    assert message["state"] in ("received", "retrying")
    lone.erp.rule = lambda call: None
    lone.api.raw("POST", f"/messages/{message['id']}/retry", {})   # or it was just applied
    assert lone.ended("account", 1)["state"] == "applied"


def test_a_newer_version_makes_the_older_needless(lone):
    lone.start()
    lone.erp.rule = to("crm:account:1", (409, {"code": "in_progress"}))
    lone.account(1, version=1, name="first")
    lone.in_state("retrying", "account", 1)
    lone.erp.rule = lambda call: None
    lone.account(1, version=2, name="second")
    lone.all_ended()
    older, newer = lone.messages(entity="account")
    assert newer["state"] == "applied" and older["state"] in ("superseded", "applied")
    assert lone.erp.effects_of("crm:account:1")[-1].body["name"] == "second"


def test_an_older_version_that_comes_late_changes_nothing(lone):
    lone.start()
    lone.account(1, version=5, name="new")
    lone.ended("account", 1)
    lone.account(1, version=4, name="old")
    assert lone.ended("account", 1, version=4)["state"] == "superseded"
    assert lone.erp.effects_of("crm:account:1")[-1].body["name"] == "new"


def test_a_refusal_ends_rejected_with_its_reason_and_the_next_version_goes_on(lone):
    lone.start()
    lone.erp.rule = to("crm:account:1", (422, {
        "code": "validation", "detail": "Two fields.", "hint": "Correct them.", "errors": [
            {"field": "tax_id", "message": "is too long"},
            {"field": "currency", "message": "is none"}]}))
    lone.account(1, version=1)
    message = lone.ended("account", 1)
    assert message["state"] == "rejected" and message["code"] == "validation"
    assert "tax_id is too long" in message["reason"] and message["remedy"] == "Correct them."
    lone.erp.rule = lambda call: None
    lone.account(1, version=2)
    assert lone.ended("account", 1, version=2)["state"] == "applied"


def test_a_refused_token_pauses_the_target_and_is_told_in_the_status(lone):
    lone.start()
    lone.erp.rule = to("/customers/", (401, {"code": "unauthenticated", "detail": "no token"}))
    lone.account(1)

    def erp_is_paused():
        return lone.api.get("/status")["systems"]["erp"]["breaker"] == "paused"
    eventually(erp_is_paused)
    lone.account(2)
    time.sleep(0.5)
    assert len(lone.erp.puts()) == 1
    lone.erp.rule = lambda call: None
    lone.all_ended(30)
    assert {m["state"] for m in lone.messages()} == {"applied"}


def test_success_without_an_id_is_dead_and_visible(lone):
    lone.start()
    lone.erp.rule = to("/customers/", (200, b"<html>proxy</html>"))
    lone.account(1)
    message = lone.ended("account", 1)
    assert message["state"] == "dead" and "id" in message["reason"]


def test_redirects_are_not_followed(lone):
    lone.start()
    lone.erp.rule = to("/customers/", (302, {}, {"Location": lone.crm.url + "/api/v1/elsewhere"}))
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "rejected"
    assert not [c for c in lone.crm.calls if "elsewhere" in c.path]


def test_the_bridge_killed_at_any_moment_loses_nothing_and_repeats_nothing(lone):
    lone.start()
    for batch in range(5):
        for id in range(1, 21):
            lone.account(batch * 100 + id)
        lone.kill()
        lone.start()
    lone.all_ended(60)
    for batch in range(5):
        for id in range(1, 21):
            assert len(lone.erp.effects_of(f"crm:account:{batch * 100 + id}")) == 1
    assert len(lone.messages()) == 100


def test_a_message_does_not_bear_that_its_target_was_away_often(lone):
    """It is put off for 2 s at most by what says nothing of it; the breaker spares the target."""
    lone.start()
    lone.erp.rule = to("/customers/by-ref/crm:account:1", (503, {"code": "unavailable"}))
    lone.account(1)
    lone.in_state("retrying", "account", 1)
    lone.stack.sql("UPDATE bridge.message SET attempts = 7, next_at = now()")

    def it_was_tried_again():
        return lone.stack.sql("SELECT next_at - updated_at <= '2 s' FROM bridge.message"
                              " WHERE attempts = 8 AND next_at IS NOT NULL")
    assert eventually(it_was_tried_again) == "t"


def test_what_a_process_that_is_gone_put_off_is_due_at_once(lone):
    """Why it did, nobody knows any more; and what it was fetching nobody works."""
    lone.start()
    lone.erp.rule = to("/customers/", (500, {"code": "internal"}))
    lone.account(1)
    lone.in_state("retrying", "account", 1)
    lone.kill()
    lone.stack.sql("UPDATE bridge.message SET next_at = now() + interval '1 hour'")
    lone.erp.rule = lambda call: None
    lone.stack.start_daemon("bridge")
    lone.stack.wait_ready("bridge")
    lone.api.close()
    assert lone.ended("account", 1)["state"] == "applied"


def test_an_inbox_over_its_limit_asks_to_come_again(lone):
    lone.start(**{"inbox-limit": 5})
    lone.erp.close()
    ids = itertools.count(1)

    def inbox_is_full():
        event = lone.crm.event("account", {"id": next(ids), "type": "customer", "name": "A"})
        reply = post_event(lone.api, lone.crm, event)
        return reply if reply.status == 503 else None
    reply = eventually(inbox_is_full)
    assert reply.headers["retry-after"]


def test_two_workers_of_one_bridge_share_the_work(lone):
    lone.start(workers=2)
    for id in range(1, 61):
        lone.account(id)
    lone.all_ended()
    for id in range(1, 61):
        assert len(lone.erp.effects_of(f"crm:account:{id}")) == 1


def test_every_process_says_the_same_of_a_system_that_is_away(lone):
    lone.start(workers=2)
    lone.erp.close()
    for id in range(1, 20):
        lone.account(id)

    def breakers():
        """Of several connections, which come to both processes."""
        seen = set()
        for _ in range(8):
            lone.api.close()
            seen.add(lone.api.get("/status")["systems"]["erp"]["breaker"] == "closed")
        return seen

    def none_is_closed():
        return breakers() == {False}
    eventually(none_is_closed)
