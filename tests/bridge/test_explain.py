"""tests/bridge/test_explain.py -- why a record did or did not cross, in plain words."""
import pytest
from api import ApiError
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from operator_cli import cli


def explained(lone, ref, route):
    [found] = [r for r in lone.api.get("/explain", ref=ref)["routes"] if r["route"] == route]
    return found


def timeline(lone, path, *versions):
    """What the CRM tells of a record's changes: (version, type, origin)."""
    lone.crm.records[f"/api/v1/{path}/timeline?limit=100"] = {"data": [
        {"version": v, "type": t, "origin": o} for v, t, o in versions], "next_cursor": None}


def test_a_record_in_step_says_which_version_was_applied_and_when(lone):
    lone.start()
    lone.account(1, version=7)
    message = lone.ended("account", 1)
    found = explained(lone, "crm:account:1", "account-customer")
    assert found["verdict"].startswith("in step: version 7 applied at 20")
    assert found["message"]["id"] == message["id"] and found["message"]["state"] == "applied"
    assert found["target"]["ref"] == "erp:customer:101" and not found["target"]["behind"]
    assert found["when"]["holds"] is True and "customer" in found["when"]["text"]
    assert lone.api.get("/explain", ref="erp:customer:101")["came_from"][0]["ref"] == \
        "crm:account:1"


def test_a_skipped_record_says_the_rule(lone):
    lone.start()
    lone.account(1, kind="prospect")
    lone.ended("account", 1)
    found = explained(lone, "crm:account:1", "account-customer")
    assert found["verdict"] == "skipped: only customers cross to the ERP"
    assert found["when"]["holds"] is False and found["target"] is None


def test_a_change_that_never_arrived_is_told_from_one_that_is_none_of_the_routes_business(lone):
    lone.start()
    lone.account(1, version=2)
    lone.ended("account", 1)
    lone.crm.records["/api/v1/accounts/1"]["version"] = 4
    timeline(lone, "accounts/1", (4, "note.added", "user"), (3, "account.updated", "user"))
    found = explained(lone, "crm:account:1", "account-customer")
    assert found["verdict"].startswith("behind: version 3 of crm has not come here")
    assert found["target"]["behind"] is True
    timeline(lone, "accounts/1", (4, "note.added", "user"), (3, "note.added", "user"))
    assert "later ones have nothing for this route" in explained(
        lone, "crm:account:1", "account-customer")["verdict"]


def test_a_waiting_record_names_the_record_it_waits_for_and_why_that_one_stands(lone):
    lone.start()
    lone.account_known(1)
    lone.product_known(1)
    lone.erp.rule = lambda call: (422, {"code": "validation", "detail": "No such unit.",
                                        "hint": "Create the unit."}) \
        if call.method == "PUT" and "/items/" in call.path else None
    lone.deal(17)
    lone.in_state("waiting", "opportunity", 17)
    found = explained(lone, "crm:opportunity:17", "opportunity-order")
    assert found["verdict"] == \
        "waiting for crm:product:1, which is rejected: No such unit."
    assert [w["ref"] for w in found["waiting_for"]] == ["crm:product:1"]
    assert found["waiting_for"][0]["remedy"] == "Create the unit."


def test_a_rejected_record_says_why_and_what_would_help(lone):
    lone.start()
    lone.erp.rule = lambda call: (422, {"code": "validation", "detail": "The name is too long.",
                                        "hint": "Shorten it."}) \
        if call.method == "PUT" and "/customers/" in call.path else None
    lone.account(1)
    lone.ended("account", 1)
    verdict = explained(lone, "crm:account:1", "account-customer")["verdict"]
    assert verdict == "rejected: version 1: The name is too long. Shorten it."


def test_a_record_held_up_by_a_system_that_is_away_says_so(lone):
    lone.start()
    lone.erp.close()
    for id in range(1, 8):
        lone.account(id)
    lone.in_state("retrying", "account", 1)
    found = explained(lone, "crm:account:1", "account-customer")
    assert "erp" in found["verdict"] and found["verdict"].split(":")[0] in (
        "held up", "retrying", "received, held up")
    assert found["message"]["attempts"] >= 1


def test_what_the_target_lost_or_has_of_an_older_version_is_seen(lone):
    lone.start()
    lone.account(1, version=5)
    lone.ended("account", 1)
    lone.erp.records["/api/v1/customers/101"]["source_version"] = 3
    found = explained(lone, "crm:account:1", "account-customer")
    assert found["verdict"].startswith("set back: version 5 was applied")
    assert found["target"]["behind"] is True
    del lone.erp.records["/api/v1/customers/101"]
    assert explained(lone, "crm:account:1", "account-customer")["verdict"].startswith(
        "lost: version 5")


def test_a_source_that_is_away_is_named_and_the_rest_is_told(lone):
    lone.start()
    lone.account(1)
    lone.ended("account", 1)
    lone.crm.close()
    found = lone.api.get("/explain", ref="crm:account:1")
    assert found["exists"] is None and "crm does not answer" in found["away"]
    assert found["routes"][0]["verdict"].startswith("in step: version 1")
    assert found["routes"][0]["when"]["holds"] is None


def test_looking_does_not_hold_up_the_messages(lone):
    """A system that refuses what was asked for an explanation is neither paused nor given up."""
    lone.start()
    lone.account(1)
    lone.ended("account", 1)
    lone.erp.rule = lambda call: (403, {"code": "forbidden"}) if call.method == "GET" else None
    for _ in range(6):
        assert "cannot be looked at" in explained(lone, "crm:account:1",
                                                  "account-customer")["verdict"]
    lone.erp.rule = lambda call: None
    assert lone.api.get("/status")["systems"]["erp"]["breaker"] == "closed"
    lone.account(1, version=2)
    assert lone.ended("account", 1, version=2)["state"] == "applied"


def test_unknown_records_are_refused_by_name(lone):
    lone.start()
    lone.crm.records["/api/v1/accounts/5"] = {"id": 5, "version": 1, "type": "prospect"}
    found = explained(lone, "crm:account:5", "account-customer")["verdict"]
    assert "not heard of" in found and "only customers cross" in found
    for ref, status in (("crm:account:99", 404), ("crm:contact:1", 404), ("hr:account:1", 404),
                        ("account", 422), ("", 422)):
        with pytest.raises(ApiError) as caught:
            lone.api.get("/explain", ref=ref)
        assert caught.value.status == status, ref
    assert lone.api.raw("GET", "/explain?ref=crm:account:5&x=1").status == 400


def test_the_command_says_the_same(lone):
    lone.start(**{"admin-token": lone.stack.tokens["bridge"]})
    lone.account(1, kind="prospect")
    lone.ended("account", 1)
    said = cli(lone, "explain", "crm:account:1")
    assert "account-customer: skipped: only customers cross to the ERP" in said
    assert "404" in cli(lone, "explain", "crm:account:2", status=1)
    assert "usage" in cli(lone, "explain", status=2)
