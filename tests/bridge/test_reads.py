"""tests/bridge/test_reads.py -- an update of nothing that a route reads is not carried along it."""
import json
import subprocess

import pytest
from conftest import ROOT
from fake_system import post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from test_config import refused
from test_explain import explained, timeline

CONFIG = json.loads((ROOT / "sync-bridge/bridge.json").read_text())
READING = [route for route in CONFIG["routes"] if "reads" in route]
WHOLE = {"id": 7, "external_ref": "crm:account:1", "number": "C-7", "currency": "USD",
         "open_balance": "1.00", "overdue_balance": "0.00", "credit_limit": None,
         "credit_status": "ok", "name": "Buyer", "phone": "1", "sku": "S-7", "on_hand": "5.0000",
         "reserved": "1.0000", "available": "4.0000", "source_version": 3}


def tell(lone, version, changed, type="updated", **members):
    record = {**WHOLE, **members}
    lone.erp.records["/api/v1/customers/7"] = {**record, "version": version}
    event = lone.erp.event("customer", record, type, version, changed=changed)
    assert post_event(lone.api, lone.erp, event).status == 202
    return lone.ended("customer", 7, version)


def carried(lone):
    return [int(c.headers["Source-Version"]) for c in lone.crm.puts()]


def test_each_route_shows_what_it_reads(lone):
    lone.start()
    shown = {route["name"]: route["reads"] for route in lone.api.get("/routes")["data"]}
    assert shown == {route["name"]: route.get("reads") for route in CONFIG["routes"]}
    assert READING and len(READING) < len(shown)


def test_an_update_of_other_fields_is_taken_in_and_goes_no_further(lone):
    lone.start()
    assert tell(lone, 1, ["name"], "created")["state"] == "applied"
    message = tell(lone, 2, ["name", "source_version"], name="Other")
    assert (message["state"], message["code"], message["route"]) == \
        ("skipped", "not_touched", "customer-finance")
    assert message["reason"] == "nothing that the route reads has changed"
    assert tell(lone, 3, ["credit_limit", "name"], credit_limit="9.00")["state"] == "applied"
    assert carried(lone) == [1, 3]


@pytest.mark.parametrize("type, changed", [
    ("finance_changed", ["name"]), ("created", ["name"]), ("updated", [])])
def test_what_is_no_update_or_does_not_say_what_changed_is_carried(lone, type, changed):
    lone.start()
    assert tell(lone, 1, changed, type)["state"] == "applied"


def test_what_goes_no_further_takes_nothing_from_the_version_before_it(lone):
    lone.start()
    lone.api.post("/routes/customer-finance/pause", {"reason": "test"})
    event = lone.erp.event("customer", {**WHOLE, "credit_limit": "5.00"}, "updated", 1,
                           changed=["credit_limit"])
    assert post_event(lone.api, lone.erp, event).status == 202
    assert tell(lone, 2, ["phone"])["code"] == "not_touched"
    lone.api.post("/routes/customer-finance/resume")
    assert lone.ended("customer", 7, 1)["state"] == "applied"
    assert lone.crm.effects[-1].body["credit_limit"] == "5.00"


def test_a_record_whose_other_fields_have_changed_is_in_step(lone):
    lone.start()
    tell(lone, 1, [], "created")
    tell(lone, 2, ["phone"])
    found = explained(lone, "erp:customer:7", "customer-finance")
    assert found["verdict"].startswith("in step: version 1 applied at")
    assert found["message"]["version"] == 1
    lone.erp.records["/api/v1/customers/7"]["version"] = 4
    timeline(lone, "customers/7", (4, "customer.updated", "user"), (3, "note.added", "user"))
    told = lone.erp.records["/api/v1/customers/7/timeline?limit=100"] = \
        lone.crm.records.pop("/api/v1/customers/7/timeline?limit=100")
    told["data"][0]["changes"] = {"phone": {"from": "1", "to": "2"}}
    assert "later ones have nothing for this route" in explained(
        lone, "erp:customer:7", "customer-finance")["verdict"]
    told["data"][0]["changes"]["credit_limit"] = {"from": None, "to": "2.00"}
    assert explained(lone, "erp:customer:7", "customer-finance")["verdict"].startswith("behind")


@pytest.mark.parametrize("reads, said", [
    ([], '\\"reads\\" must be a list of the source\'s fields'),
    (["name", "name"], '\\"reads\\" names \\"name\\" twice'), ([1], '\\"reads\\"[0] must be')])
def test_a_wrong_list_is_refused(lone, reads, said):
    config = lone.config()
    config["routes"][0]["reads"] = reads
    assert said in refused(lone, config)


def jq(program, record):
    event = {"type": "customer.updated", "source": "erp", "target": "crm", "record": record}
    done = subprocess.run(["jq", "-c", program], input=json.dumps(event), capture_output=True,
                          text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("route", READING, ids=lambda route: route["name"])
def test_a_route_says_all_that_its_mapping_and_its_condition_read(route):
    program = (ROOT / "sync-bridge/mappings" / route["map"]).read_text()
    ref = "crm:product:1" if route["entity"] == "item" else "crm:account:1"
    record = {**WHOLE, "external_ref": ref}
    alone = {name: record[name] for name in route["reads"]}
    assert jq(program, alone) == jq(program, record)
    assert jq(route["when"], alone) is jq(route["when"], record) is True
