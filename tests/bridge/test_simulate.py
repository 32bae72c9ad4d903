"""tests/bridge/test_simulate.py -- what a changed mapping would do, told without doing it."""
import json
import threading
import time

import pytest
from api import ApiError
from conftest import ROOT
from lone_bridge import api_with, lone, one_lone_bridge  # noqa: F401
from operator_cli import cli

MAP = (ROOT / "sync-bridge/mappings/account_customer.jq").read_text()
SHOUTING = MAP.replace("name, tax_id", "name: (.name | ascii_upcase), tax_id")
FIELDS = {"name": {"type": "string", "maxLength": 20}, "tax_id": {"type": ["string", "null"]},
          "currency": {"type": "string"}, "payment_terms_days": {"type": ["integer", "null"]},
          "phone": {"type": ["string", "null"]}, "email": {"type": ["string", "null"]},
          "parent_id": {"type": ["integer", "null"]}, "active": {"type": "boolean"},
          "lines": {"type": "array", "items": {"$ref": "#/components/schemas/line"}},
          **{f"{kind}_{part}": {"type": ["string", "null"]} for kind in ("billing", "shipping")
             for part in ("street", "city", "region", "postal_code", "country")}}
OPENAPI = {
    "paths": {"/api/v1/customers/by-ref/{external_ref}": {"put": {"requestBody": {"content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/customer_create"}}}}}}},
    "components": {"schemas": {
        "customer_create": {"type": "object", "properties": FIELDS, "required": ["name"],
                            "additionalProperties": False},
        "line": {"type": "object", "required": ["quantity"], "additionalProperties": False,
                 "properties": {"quantity": {"type": ["string", "number"],
                                             "pattern": "^-?[0-9]+(\\.[0-9]+)?$"},
                                "kind": {"type": "string", "enum": ["a", "b"]}}}}}}


def simulate(lone, route="account-customer", **question):
    return lone.api.post("/simulations", {"route": route, **question})


def refused(lone, question):
    with pytest.raises(ApiError) as caught:
        lone.api.post("/simulations", question)
    assert caught.value.status == 422, caught.value
    return {error["field"]: error["message"] for error in caught.value.problem["errors"]}


@pytest.fixture
def three(lone):
    """Two customers that have crossed and a prospect that has not; the route owns all fields."""
    lone.start(lambda config: config["routes"][0].pop("owns"),
               **{"admin-token": lone.stack.tokens["bridge"]})
    lone.erp.records["/openapi.json"] = OPENAPI
    lone.account(1, version=1)
    lone.ended("account", 1)
    lone.account(1, version=2)
    lone.account(2, name="ACME")
    lone.account(3, kind="prospect")
    lone.all_ended()
    for record in list(lone.erp.records.values()):
        if "body" in record:
            record.update(record["body"])
    return lone


def test_the_mapping_in_use_changes_nothing(three):
    found = simulate(three)
    assert (found["events"], found["records"], found["differing"]) == (4, 3, 0)
    assert found["counts"] == {"would_create": 0, "would_update": 0, "unchanged": 2,
                               "would_skip": 1, "would_reject": 0, "not_run": 0}
    assert found["cut"] is None and found["unchecked"] is None
    [skipped] = [s for s in found["samples"] if s["outcome"] == "would_skip"]
    assert skipped["reason"] == "only customers cross to the ERP"


def test_a_changed_mapping_says_which_fields_of_which_records_it_would_change(three):
    before = len(three.erp.puts()), len(three.messages())
    found = simulate(three, map=SHOUTING)
    assert found["counts"]["would_update"] == 1 and found["counts"]["unchanged"] == 1
    assert found["differing"] == 1
    [sample] = [s for s in found["samples"] if s["outcome"] == "would_update"]
    assert (sample["ref"], sample["target"], sample["version"]) == (
        "crm:account:1", "erp:customer:101", 2)
    assert sample["diff"] == [{"field": "name", "old": "Account 1", "new": "ACCOUNT 1",
                               "target": "Account 1"}]
    assert (len(three.erp.puts()), len(three.messages())) == before, "nothing was touched"


def test_a_changed_condition_says_what_would_cross_newly_and_what_no_more(three):
    found = simulate(three, when="true")
    assert found["counts"]["would_create"] == 1 and found["counts"]["would_skip"] == 0
    [sample] = [s for s in found["samples"] if s["outcome"] == "would_create"]
    assert sample["ref"] == "crm:account:3" and sample["target"] is None
    # What has crossed stays in step, whatever the condition says.
    assert simulate(three, when="false")["counts"]["unchanged"] == 2


def test_what_the_target_would_refuse_is_told_by_its_own_openapi(three):
    def errors(change):
        found = simulate(three, map=MAP.replace("name, tax_id", change))
        assert found["counts"]["would_reject"] == 2, found
        return {(e["field"], e["code"]) for e in found["samples"][-1]["errors"]}
    assert errors("name, colour: 1, tax_id") == {("colour", "unknown_field")}
    assert errors("name: (.name * 9), tax_id: 7") == {("name", "too_long"),
                                                      ("tax_id", "wrong_type")}
    assert errors('name, tax_id, lines: [{kind: "c", quantity: "x"}, {}]') == {
        ("lines[0].kind", "not_a_choice"), ("lines[0].quantity", "invalid"),
        ("lines[1].quantity", "required")}
    # Required members are needed only where a record is made.
    assert simulate(three, map="{tax_id: null}", when="true")["counts"] == {
        "would_create": 0, "would_update": 0, "unchanged": 2, "would_skip": 0,
        "would_reject": 1, "not_run": 0}


VALUES = [   # as the target has it, as the mapping gives it, whether they are the same
    ("10.0000", '"10"', True), ("10", "10.0", True), ("10.01", '"10"', False), (7, "7", True),
    ("-0.50", '"-0.5"', True), ("100", '"10"', False), (None, "null", True), ("", "null", False),
    (True, "true", True), (False, "true", False), ("true", "true", False),
    ([{"id": 1, "quantity": "2.0000", "extra": 1}], '[{"quantity": "2"}]', True),
    ([{"quantity": "2"}, {"quantity": "3"}], '[{"quantity": "2"}]', False),
    ([{"quantity": "2"}], '[{"quantity": "2", "other": 1}]', False), ([], "[]", True)]


def test_values_are_compared_as_the_target_understands_them(three):
    three.erp.records["/openapi.json"] = {"paths": {}}
    for there, mapped, same in VALUES:
        for id in (101, 102):
            three.erp.records[f"/api/v1/customers/{id}"]["thing"] = there
        found = simulate(three, map="{thing: %s}" % mapped)
        assert found["counts"]["unchanged"] == (2 if same else 0), (there, mapped)
        assert found["counts"]["would_update"] == (0 if same else 2), (there, mapped)
        assert "says nothing of customers" in found["unchecked"]


def test_programs_that_fail_on_a_record_reject_that_record(three):
    def reason(program):
        found = simulate(three, map=program)
        assert found["counts"]["would_reject"] == 2, found
        return found["samples"][-1]["reason"]
    assert "cannot be added" in reason(".record.name + 1")
    asked = simulate(three, when='error("no idea")')
    assert asked["counts"]["would_reject"] == 3
    assert asked["samples"][0]["reason"] == "when: no idea"
    assert reason("1") == "gives no JSON object"
    assert "no result" in reason("empty")
    assert "more than one" in reason("{}, {}")
    assert "not a reference" in reason('{parent_id: {link: "nothing"}}')
    assert reason('{parent_id: {link: "crm:contact:1"}}') == \
        "crm:contact:1 has not crossed, and no route takes it"
    linked = simulate(three, map='{parent_id: {link: "crm:account:2"}}')
    assert {s["diff"][0]["new"] for s in linked["samples"] if s.get("diff")} == {102}
    assert any(s.get("pulls") == ["crm:account:77"] for s in simulate(
        three, map='{parent_id: {link: "crm:account:77"}}')["samples"])


def test_what_does_not_compile_is_refused_with_its_line(three):
    found = refused(three, {"route": "account-customer", "map": ".record\n| {name\n| 3"})
    assert "line 3" in found["map"] or "line 2" in found["map"]
    assert "line 2" in refused(three, {"route": "account-customer", "when": "1 |\n 2 2"})["when"]
    for program in ('import "a" as a; {}', 'include "a"; {}'):
        assert "line 1" in refused(three, {"route": "account-customer", "map": program})["map"]


def test_a_field_that_the_route_does_not_own_would_be_rejected(three):
    (three.stack.var / "bridge.json").write_text(json.dumps(three.config()))
    three.api.post("/config/reload")
    found = simulate(three, map='{name: "x", credit_limit: "9"}')
    assert found["counts"]["would_reject"] == 2, found
    sample = found["samples"][-1]
    assert sample["code"] == "not_owned" and '"credit_limit"' in sample["reason"]


def test_every_bad_member_of_the_question_is_named(three):
    assert set(refused(three, {"route": "nowhere", "last": 1001, "samples": "many", "map": 1,
                               "when": "", "color": "red"})) == {
        "route", "last", "samples", "map", "when", "color"}
    assert set(refused(three, {})) == {"route"}
    assert set(refused(three, {"route": "account-customer", "last": 0, "map": "x" * 70000})) == {
        "last", "map"}


OUTSIDE = ("env", "input", "inputs", "input_filename", "input_line_number", "debug", "stderr",
           "halt", "halt_error", "halt_error(1)", "get_search_list", '"a" | modulemeta',
           "get_jq_origin", "get_prog_origin")


def test_a_program_that_is_tried_reaches_nothing_outside_of_the_change(three):
    for word in OUTSIDE:
        said = refused(three, {"route": "account-customer", "map": "{a: .env,\n b: " + word + "}"})
        assert "line 2: " in said["map"] and "not available in a mapping" in said["map"], word
    # Neither sees one that redefines what the bridge puts around it.
    for program in ("$ENV | tojson | {name: .}",
                    '{name: 1}; def m0: {name: ($ENV | tojson)}'):
        found = simulate(three, map=program, samples=1)
        assert found["counts"]["would_update"] == 2, found
        assert all(d["new"] == "null" for s in found["samples"] for d in s.get("diff", [])
                   if d["field"] == "name")


def test_a_program_that_runs_away_or_breaks_jq_harms_nobody(three):
    began = time.monotonic()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        api_with(three, three.stack.tokens["bridge"]).post("/simulations", {
            "route": "account-customer", "map": "[range(1e12)]"})))
    thread.start()
    three.account(9)
    assert three.ended("account", 9)["state"] == "applied"
    assert time.monotonic() - began < 10
    thread.join(30)
    [found] = answers
    assert "stopped after 250 ms" in json.dumps(found["samples"])
    broken = simulate(three, map="reduce range(3e5) as $i (null; [.]) | {name: tojson}")
    assert broken["counts"]["unchanged"] == 0
    assert not broken["counts"]["not_run"] or broken["cut"].startswith(("jq itself", "stopped"))
    assert simulate(three)["counts"]["unchanged"] >= 2


def test_a_target_that_is_away_leaves_the_comparison_with_todays_mapping(three):
    three.erp.close()
    found = simulate(three, map=SHOUTING)
    assert "erp does not answer" in found["target_away"]
    assert "erp does not answer" in found["unchecked"]
    assert (found["counts"]["would_update"], found["counts"]["unchanged"]) == (1, 1)


def test_only_operators_simulate_and_the_command_prints_counts_and_samples(three, tmp_path):
    token = three.stack.run("bridge", "--create-token", "onlooker", "--role", "viewer")
    question = {"route": "account-customer"}
    assert api_with(three, token).raw("POST", "/simulations", question).status == 403
    file = tmp_path / "map.jq"
    file.write_text(SHOUTING)
    said = cli(three, "simulate", "account-customer", "--map", file, "--last", 50)
    assert "would_update  1" in said and "ACCOUNT 1" in said
    assert "last: must be" in cli(three, "simulate", "account-customer", "--last", "0", status=1)
    assert "cannot be read" in cli(three, "simulate", "account-customer", "--map",
                                   tmp_path / "none.jq", status=1)
