"""tests/bridge/test_restore.py -- one side comes back from a backup."""
import json
import os
import subprocess
import tempfile
import time
import urllib.parse

import pytest
from conftest import BIN, ROOT
from fake_system import post_event
from invariants import both_sides_are_equal, check_all, ledger_balances, rows
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from recovery import Company, dump, put_back
from stack import Stack
from test_rebuild import Operator
from test_operators import cli
from waiting import eventually


class Backups(Company):
    """A company whose sides can be put back to how they were."""

    def dump(self, schema):
        return dump(self.stack, schema)

    def put_back(self, schema, file):
        put_back(self.stack, schema, file)
        setattr(self, schema, self.stack.api(schema))

    def restored(self, system):
        return self.bridge.get("/status")["systems"][system]["restored"]

    def noticed(self, system):
        def the_restore_is_noticed():
            return self.restored(system)
        return eventually(the_restore_is_noticed)

    def accept(self, system):
        said = cli(Operator(self), "accept-restore", system)
        assert "done" in said, said
        self.idle()

    def held(self):
        return {h["ref"]: h for h in self.bridge.all("/held")}

    def fulfilment(self, deal):
        return self.crm.get(f"/opportunities/{deal['id']}/fulfilment")


@pytest.fixture
def company():
    company = Backups()
    try:
        yield company.fill()
    finally:
        company.end()


def equal_again(company):
    """Causes and links of the history that was lost are gone; what had come of them may stand."""
    check_all(company.stack, but=("I4", "I10"))
    both_sides_are_equal(company.stack, company.stack.api("crm"), company.stack.api("erp"))


def test_a_restored_erp_gets_again_what_it_has_lost(company):
    crm, erp, bridge = company.crm, company.erp, company.bridge
    backup = company.dump("erp")
    first, second = company.deals
    crm.patch(f"/accounts/{company.accounts[0]['id']}", {"billing_city": "Later"})
    late = crm.post("/accounts", {"name": "Late", "type": "customer"})
    lost = company.win(company.deal(late))
    company.idle()
    company.fulfil(second)
    company.fulfil(lost)
    company.idle()
    told = company.fulfilment(lost)
    assert told["handover"]["order_number"] and told["invoices"] and told["deliveries"]

    company.put_back("erp", backup)
    erp = company.erp
    why = company.noticed("erp")
    assert "lost event" in why["reason"] and "accept-restore erp" in why["remedy"]
    assert 'bridge_system_restored{system="erp"} 1' in bridge.raw("GET", "/metrics").raw.decode()
    crm.patch(f"/accounts/{late['id']}", {"billing_city": "Waits"})

    def the_change_is_in_the_inbox():
        return [m for m in bridge.all("/messages", source_id=late["id"], entity="account",
                                      state="received")]
    eventually(the_change_is_in_the_inbox)
    assert company.order(lost) is None

    company.accept("erp")
    order = company.order(lost)
    assert order["total"] == "38.00" and order["status"] == "confirmed"
    told = company.fulfilment(lost)
    assert told["handover"]["order_number"] == order["number"]
    assert told["order"]["status"] == "confirmed"
    assert told["invoices"] == [] and told["deliveries"] == []   # they are in no ERP any more
    assert company.fulfilment(second)["invoices"] == []
    assert company.fulfilment(first)["invoices"]
    [customer] = erp.get("/customers", external_ref=f"crm:account:{late['id']}")["data"]
    assert customer["billing_city"] == "Waits"
    [customer] = erp.get("/customers",
                         external_ref=f"crm:account:{company.accounts[0]['id']}")["data"]
    assert customer["billing_city"] == "Later"
    equal_again(company)
    company.fulfil(lost)
    company.idle()
    assert company.fulfilment(lost)["invoices"]
    equal_again(company)
    assert company.restored("erp") is None and company.held() == {}
    assert bridge.raw("POST", "/systems/erp/accept-restore", {}).status == 409
    assert bridge.raw("POST", "/systems/no/accept-restore", {}).status == 404


def test_a_restored_crm_rules_its_records_and_orders_of_lost_deals_are_kept(company):
    crm, erp = company.crm, company.erp
    reopened = company.deal(company.accounts[1])
    account = company.accounts[0]["id"]
    company.idle()
    backup = company.dump("crm")
    for city in ("One", "Two", "Three"):
        crm.patch(f"/accounts/{account}", {"billing_city": city})
    lost_account = crm.post("/accounts", {"name": "Lost", "type": "customer"})
    lost_deal = company.win(company.deal(lost_account))
    company.win(reopened)
    company.idle()
    company.fulfil(company.deals[1])
    company.idle()
    lost_order, reopened_order = company.order(lost_deal), company.order(reopened)
    [lost_customer] = erp.get("/customers",
                              external_ref=f"crm:account:{lost_account['id']}")["data"]

    company.put_back("crm", backup)
    crm = company.crm
    assert company.noticed("crm")
    crm.patch(f"/accounts/{account}", {"billing_city": "After"})
    company.accept("crm")

    def of_account(id):
        return erp.get("/customers", external_ref=f"crm:account:{id}")["data"]
    [customer] = of_account(account)
    assert customer["billing_city"] == "After"      # not superseded by Three
    assert customer["source_epoch"] == 2
    held = company.held()
    assert f"erp:sales_order:{lost_order['id']}" in held
    assert "so far" in held[f"erp:sales_order:{reopened_order['id']}"]["reason"]
    assert f"erp:customer:{lost_customer['id']}" in held
    for order in (lost_order, reopened_order):
        now = erp.get(f"/sales-orders/{order['id']}")
        assert (now["status"], now["version"]) == (order["status"], order["version"])
    assert company.fulfilment(company.deals[1])["invoices"]      # sent to the CRM again
    fresh = crm.post("/accounts", {"name": "Fresh", "type": "customer"})
    assert fresh["id"] > lost_account["id"]
    company.idle()
    assert of_account(fresh["id"])[0]["id"] != lost_customer["id"]
    company.win(reopened)
    company.idle()
    assert company.fulfilment(reopened)["handover"]["order_number"] == reopened_order["number"]
    ledger_balances(erp)
    wrong = rows(company.stack, """SELECT external_ref, count(*) FROM erp.sales_order
                                   GROUP BY 1 HAVING count(*) > 1""")
    assert not wrong


def test_a_deal_that_got_the_id_of_a_lost_one_has_an_order_of_its_own(company):
    """It was won before the bridge knew of the restore; the lost deal's order lets go of the id."""
    backup = company.dump("crm")
    lost = company.win(company.deal(company.accounts[0]))
    company.idle()
    order = company.order(lost)
    bridge = company.stack.processes["bridge"]
    bridge.terminate()
    assert bridge.wait(30) == 0
    company.put_back("crm", backup)
    deal = company.win(company.deal(company.accounts[1]))
    assert deal["id"] == lost["id"]
    company.stack.start_daemon("bridge")
    company.stack.wait_ready("bridge")
    company.bridge.close()
    company.noticed("crm")
    company.accept("crm")
    own = company.order(deal)
    assert own["id"] != order["id"] and own["status"] == "confirmed"
    assert company.fulfilment(deal)["handover"]["order_number"] == own["number"]
    kept = company.erp.get(f"/sales-orders/{order['id']}")
    assert kept["external_ref"] is None and kept["total"] == order["total"]
    held = company.held()[f"erp:sales_order:{order['id']}"]
    assert "another record" in held["reason"] and "keeps it" not in held["reason"]


class SplitStack(Stack):
    """The ERP has a PostgreSQL of its own, which can be put back file by file."""

    def erp_postgres(self, command):
        return subprocess.run([ROOT / "script/postgres", command, self.var / "erp-postgres"],
                              capture_output=True, text=True, check=True).stdout.strip()

    def user_url(self, name):
        url = super().user_url(name)
        if name != "erp":
            return url
        host = urllib.parse.urlsplit(self.erp_database).netloc.rpartition("@")[2]
        parts = urllib.parse.urlsplit(url)
        return urllib.parse.urlunsplit(parts._replace(
            netloc=f"{parts.netloc.rpartition('@')[0]}@{host}"))

    def prepare_database(self):
        super().prepare_database()
        own, self.erp_database = self.database_url, self.erp_postgres("start")
        self.database_url = self.erp_database
        super().prepare_database()
        self.database_url = own

    def copy_files(self, source, target):
        """What the cluster's owner may do alone; it is stopped meanwhile."""
        self.erp_postgres("stop")
        folder = self.var / "erp-postgres"
        subprocess.run(["rm", "-rf", folder / target], check=True)
        subprocess.run(["cp", "-a", folder / source, folder / target], check=True)
        self.erp_postgres("start")

    def stop(self):
        super().stop()
        self.erp_postgres("stop")


def test_a_cluster_put_back_file_by_file_under_a_running_erp_is_noticed_and_made_equal():
    folder = tempfile.mkdtemp(prefix="dovetail-")
    os.chmod(folder, 0o755)
    company = Backups(SplitStack(folder, BIN))
    try:
        company.fill()
        company.stack.copy_files("data", "backup")
        company.idle()
        lost = company.win(company.deal(company.accounts[1]))
        company.idle()
        order = company.order(lost)
        company.stack.copy_files("backup", "data")
        assert "lost event" in company.noticed("erp")["reason"]
        company.accept("erp")
        again = company.order(lost)
        assert again["id"] > order["id"] and again["total"] == order["total"]
        [mirror] = company.crm.get("/erp-orders", opportunity_id=lost["id"])["data"]
        assert mirror["external_ref"] == f"erp:sales_order:{again['id']}"
        assert company.fulfilment(lost)["handover"]["order_number"] == again["number"]
        company.fulfil(lost)
        company.idle()
        assert company.fulfilment(lost)["invoices"]
    finally:
        company.end()


# ---- what counts as a restore, beside systems that say what they are told to ----


def told_epoch(lone, system, epoch):
    def the_bridge_has_seen_it():
        return lone.stack.sql("SELECT 1 FROM bridge.system_epoch WHERE epoch = "
                              f"'{epoch}' AND name = '{system}'") == "1"
    eventually(the_bridge_has_seen_it)


def is_restored(lone, system):
    return lone.api.get("/status")["systems"][system]["restored"]


@pytest.fixture
def linked(lone):
    """Account 1 is customer 101, and both systems tell their epochs."""
    lone.crm.epoch, lone.erp.epoch = "7-1", "8-1"
    lone.start(**{"admin-token": lone.stack.tokens["bridge"]})
    lone.account(1, version=3)
    lone.ended("account", 1)
    told_epoch(lone, "erp", "8-1")
    return lone


def test_a_failover_that_lost_nothing_stops_nothing(linked):
    linked.erp.epoch = "8-2"
    told_epoch(linked, "erp", "8-2")
    assert is_restored(linked, "erp") is None
    linked.account(1, version=4)
    assert linked.ended("account", 1, version=4)["state"] == "applied"


def test_a_target_that_is_behind_in_a_new_epoch_was_restored(linked):
    linked.account(1, version=4)
    linked.ended("account", 1, version=4)
    linked.erp.records["/api/v1/customers/101"]["version"] = 1
    linked.erp.epoch = "8-2"

    def it_is_noticed():
        return is_restored(linked, "erp")
    assert "erp:customer:101 is version 1" in eventually(it_is_noticed)["reason"]


def test_a_target_that_has_lost_a_record_while_it_was_away_was_restored(linked):
    linked.erp.close()
    eventually(lambda: not linked.api.get("/status")["systems"]["erp"]["reachable"])
    linked.erp.rule = lambda call: (200, {"data": []}) if "/events?" in call.path else None
    del linked.erp.records["/api/v1/customers/101"]
    time.sleep(2.5)   # one check finds nobody there
    linked.erp.open()

    def it_is_noticed():
        return is_restored(linked, "erp")
    assert "gone without a trace" in eventually(it_is_noticed, 30)["reason"]


def test_the_routes_of_a_restored_system_stand_both_ways_and_stay_so_after_a_restart(
        linked):
    linked.crm.forgetful = True

    def it_is_noticed():
        return is_restored(linked, "crm")
    assert "lost event account:1:3:" in eventually(it_is_noticed)["reason"]
    linked.stack.processes["bridge"].terminate()
    linked.stack.processes["bridge"].wait(30)
    linked.stack.start_daemon("bridge")
    linked.stack.wait_ready("bridge")
    linked.api.close()
    linked.account(1, version=9)
    record = {"id": 101, "external_ref": "crm:account:1", "number": "C-1", "currency": "USD",
              "open_balance": "0.00", "overdue_balance": "0.00", "credit_limit": None,
              "credit_status": "ok"}
    assert post_event(linked.api, linked.erp, linked.erp.event("customer", record)).status == 202
    time.sleep(2.5)
    assert {m["state"] for m in linked.messages(**{"version[in]": "1,9"})} == {"received"}
    assert len(linked.erp.puts()) == 1 and linked.crm.puts() == []


def test_an_id_that_a_restored_system_gave_out_again_lets_go_of_the_old_record(linked):
    linked.crm.forgetful = True

    def it_is_noticed():
        return is_restored(linked, "crm")
    eventually(it_is_noticed)
    linked.crm.forgetful = False
    linked.crm.records["/api/v1/accounts/1"].update(version=1, name="Another",
                                                    created_at="2099-01-01T00:00:00Z")

    def lists(call):
        path = call.path.partition("?")[0]
        if path == "/api/v1/accounts":
            return 200, {"data": [linked.crm.records["/api/v1/accounts/1"]], "count": 1}
        return (200, {"data": []}) if call.method == "GET" and path.count("/") == 3 else None

    def keeps(call):
        if call.method == "PATCH" and call.path == "/api/v1/customers/101":
            linked.erp.records[call.path].update(call.body)
        return lists(call) if "/accounts" not in call.path else None
    linked.crm.rule, linked.erp.rule = lists, keeps
    assert "done" in cli(linked, "accept-restore", "crm")
    linked.all_ended()
    [held] = linked.api.get("/held")["data"]
    assert held["ref"] == "erp:customer:101" and "another record" in held["reason"]
    put = linked.erp.puts("crm:account:1")[-1]
    assert (put.headers["Source-Epoch"], put.headers["Source-Version"]) == ("2", "1")
    [link] = linked.api.get("/links", ref="crm:account:1")["data"]
    assert link["right"] == "erp:customer:102"
    assert linked.api.raw("DELETE", f"/held/{held['id']}").status == 204


# ---- an epoch that bridge.json states ----


def state_epoch(lone, system, epoch):
    """Reloads with it; the reply."""
    config = lone.config()
    config["systems"][system]["epoch"] = epoch
    (lone.stack.var / "bridge.json").write_text(json.dumps(config, indent=1))
    return lone.api.raw("POST", "/config/reload", {})


def number_of(lone, system):
    return lone.stack.sql(f"SELECT number FROM bridge.system_epoch WHERE name = '{system}'")


def test_an_epoch_stated_from_the_start_goes_out_with_the_versions(lone):
    lone.start(lambda config: config["systems"]["crm"].update(epoch=4))
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"
    assert lone.erp.puts("crm:account:1")[-1].headers["Source-Epoch"] == "4"
    assert (number_of(lone, "crm"), number_of(lone, "erp")) == ("4", "1")
    systems = lone.api.get("/status")["systems"]
    assert (systems["crm"]["epoch"], systems["erp"]["epoch"]) == (4, 1)


def test_raising_the_stated_epoch_accepts_a_restore_and_nothing_else_does(linked):
    def lists(call):
        if call.path.partition("?")[0] == "/api/v1/accounts":
            return 200, {"data": [linked.crm.records["/api/v1/accounts/1"]], "count": 1}
        of_many = call.method == "GET" and call.path.partition("?")[0].count("/") == 3
        return (200, {"data": []}) if of_many else None
    linked.crm.rule = linked.erp.rule = lists
    assert state_epoch(linked, "crm", 1).status == 200    # the one it is in
    linked.crm.forgetful = True

    def it_is_noticed():
        return is_restored(linked, "crm")
    assert '"epoch": 2 for crm' in eventually(it_is_noticed)["remedy"]
    refused = linked.api.raw("POST", "/systems/crm/accept-restore", {})
    assert refused.status == 409 and '"epoch": 2 for crm' in refused.json["hint"]
    linked.crm.forgetful = False
    linked.crm.records["/api/v1/accounts/1"]["version"] = 2    # it was 3
    linked.crm.close()                     # it is accepted once the system answers
    assert state_epoch(linked, "crm", 2).status == 200
    time.sleep(2.5)
    assert number_of(linked, "crm") == "1"
    linked.crm.open()

    def it_is_accepted():
        return number_of(linked, "crm") == "2"
    eventually(it_is_accepted, 60)
    [job] = linked.api.all("/replays")
    assert (job["kind"], job["actor"]) == ("restore", "system")

    def it_is_equal():
        return linked.api.get(f"/replays/{job['id']}")["state"] == "done"
    eventually(it_is_equal, 30)
    linked.all_ended()
    put = linked.erp.puts("crm:account:1")[-1]
    assert (put.headers["Source-Epoch"], put.headers["Source-Version"]) == ("2", "2")
    assert is_restored(linked, "crm") is None


def test_raising_it_accepts_a_restore_that_nobody_has_noticed(linked):
    assert state_epoch(linked, "erp", 3).status == 200

    def it_is_accepted():
        return number_of(linked, "erp") == "3"
    eventually(it_is_accepted)
    assert linked.stack.sql("SELECT accepted_by FROM bridge.system_epoch WHERE name = 'erp'") \
        == "bridge.json"
    [job] = linked.api.all("/replays")
    assert job["kind"] == "restore" and job["system"] == "erp"


def test_an_epoch_that_is_over_is_refused_when_read_and_at_start(linked):
    linked.stack.sql("UPDATE bridge.system_epoch SET number = 3 WHERE name = 'crm'")
    eventually(lambda: state_epoch(linked, "crm", 2).status == 422)
    said = state_epoch(linked, "crm", 2).json["detail"]
    assert "systems.crm" in said and "line 5" in said and str(linked.stack.var) in said
    assert "2 is over; the system is in epoch 3" in said
    linked.account(1, version=4)           # the old configuration goes on
    assert linked.ended("account", 1, version=4)["state"] == "applied"
    linked.stack.processes["bridge"].terminate()
    linked.stack.processes["bridge"].wait(30)
    done = subprocess.run([linked.stack.bin / "sync-bridge", "--config",
                           linked.stack.config_path("bridge")],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "2 is over; the system is in epoch 3" in done.stderr
