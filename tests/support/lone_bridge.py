"""tests/support/lone_bridge.py -- a bridge between two fake systems, with a database of its own."""
import json
import signal
import subprocess
import uuid

import pytest
from api import Api
from conftest import ROOT, end_stack, new_stack
from fake_system import FakeSystem, post_event
from stack import free_port
from waiting import eventually

OPEN = ("received", "waiting", "retrying")


class Beside:
    """A second daemon on the database of the stack's bridge, at a port of its own."""

    def __init__(self, stack, port):
        text = stack.config_path("bridge").read_text()
        self.config = stack.var / f"beside-{port}.ini"
        self.config.write_text(text.replace(f"port = {stack.ports['bridge']}\n",
                                            f"port = {port}\n"))
        with open(stack.var / "sync-bridge.log", "ab") as log:
            self.process = subprocess.Popen(
                [stack.bin / "sync-bridge", "--config", self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.api = Api(f"http://127.0.0.1:{port}", stack.tokens["bridge"])
        eventually(self.answers)

    def answers(self):
        try:
            return self.api.raw("GET", "/readyz").status == 200
        except OSError:
            self.api.close()
            return False

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            assert self.process.wait(30) == 0


class LoneBridge:
    def __init__(self):
        self.stack = new_stack()
        self.stack.database_url = self.stack.postgres("start")
        self.stack.prepare_database()
        self.stack.write_config("bridge")
        self.stack.run("bridge", "--migrate")
        self.stack.tokens["bridge"] = self.stack.token("bridge", "admin", "admin")
        self.stack.write_config("bridge")
        self.crm, self.erp = FakeSystem("crm"), FakeSystem("erp")
        self.others = []

    # ---- life ----

    def config(self):
        config = json.loads((ROOT / "sync-bridge/bridge.json").read_text())
        config["public_url"] = self.stack.url("bridge")
        config["mappings"] = str(ROOT / "sync-bridge/mappings")
        for system in (self.crm, self.erp):
            config["systems"][system.name] = {"url": system.url, "token": "t",
                                              "secret": system.secret}
        return config

    def start(self, change=None, **options):
        """With bridge.json as config() makes it, after change(config)."""
        config = self.config()
        if change:
            change(config)
        (self.stack.var / "bridge.json").write_text(json.dumps(config))
        self.stack.options = {"bridge": options}
        self.stack.write_config("bridge")
        self.stack.start_daemon("bridge")
        self.stack.wait_ready("bridge")
        self.api = self.stack.api("bridge")
        eventually(self.leads)
        return self

    def leads(self):
        self.api.close()   # another connection may come to another process
        return self.api.get("/status")["leading"]

    def beside(self):
        """Another daemon; stopped with the first."""
        self.others.append(Beside(self.stack, free_port()))
        return self.others[-1]

    def signal(self, number):
        self.stack.processes["bridge"].send_signal(number)

    def kill(self):
        self.stack.processes["bridge"].send_signal(signal.SIGKILL)
        self.stack.processes["bridge"].wait()

    def stop(self):
        process = self.stack.processes.get("bridge")
        for other in self.others:
            other.stop()
        self.others = []
        if process and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            assert process.wait(30) == 0
        for system in (self.crm, self.erp):
            system.close()

    def fresh(self):
        """Nothing of an earlier test is left."""
        self.stop()
        self.stack.sql("TRUNCATE bridge.message, bridge.message_action, bridge.link,"
                       " bridge.system_state, bridge.route_state, bridge.system_epoch,"
                       " bridge.replay, bridge.held, bridge.match, bridge.match_side")
        self.crm, self.erp = FakeSystem("crm"), FakeSystem("erp")
        return self

    def end(self):
        self.stop()
        end_stack(self.stack)

    # ---- what tests do ----

    def account(self, id, version=1, kind="customer", event_id=None, api=None, **members):
        """The CRM tells of an account; api: another daemon's than the first one's."""
        record = {"id": id, "name": f"Account {id}", "type": kind, "currency": "USD",
                  "parent_id": None, **members}
        self.crm.records[f"/api/v1/accounts/{id}"] = {**record, "version": version}
        event = self.crm.event("account", record, "updated", version)
        reply = post_event(api or self.api, self.crm, event, event_id)
        assert reply.status == 202, reply.raw
        return reply

    def deal(self, id, account_id=1, product_id=1, version=1, **members):
        """The CRM tells of a won deal."""
        record = {"id": id, "number": f"OPP-{id}", "account_id": account_id, "currency": "USD",
                  "tax_mode": "none", "total": "10.00",
                  "lines": [{"id": 1, "product_id": product_id, "description": None,
                             "quantity": "1.0000", "unit_price": "10.0000",
                             "discount_percent": "0.0000", "tax_percent": "0.0000"}], **members}
        event = self.crm.event("opportunity", record, "won", version)
        reply = post_event(self.api, self.crm, event)
        assert reply.status == 202, reply.raw

    def product_known(self, id=1, **members):
        self.crm.records[f"/api/v1/products/{id}"] = {
            "id": id, "version": 1, "sku": f"S{id}", "name": "Widget", "type": "goods",
            "active": True, "prices": [], "components": [], **members}

    def account_known(self, id=1, **members):
        self.crm.records[f"/api/v1/accounts/{id}"] = {
            "id": id, "version": 1, "name": f"Account {id}", "type": "prospect",
            "currency": "USD", "parent_id": None, **members}

    def shards(self):
        """Which session works which shard: {shard: pid of its backend}."""
        rows = self.stack.sql("SELECT objid, pid FROM pg_locks WHERE locktype = 'advisory'"
                              " AND objsubid = 2 AND objid < 61 AND granted")
        return {int(shard): int(pid) for shard, pid in
                (row.split("|") for row in rows.splitlines())}

    def messages(self, **filters):
        return list(self.api.all("/messages", **filters))

    def message(self, entity, source_id, version=None, **filters):
        found = [m for m in self.messages(entity=entity, source_id=source_id, **filters)
                 if version in (None, m["version"])]
        return found[-1] if found else None

    def ended(self, entity, source_id, version=None, seconds=20, **filters):
        """The message, once it is in a final state."""
        def message_has_ended():
            message = self.message(entity, source_id, version, **filters)
            return message if message and message["state"] not in OPEN else None
        return eventually(message_has_ended, seconds)

    def in_state(self, state, entity, source_id, seconds=20):
        def message_is_there():
            message = self.message(entity, source_id)
            return message if message and message["state"] == state else None
        return eventually(message_is_there, seconds)

    def all_ended(self, seconds=30):
        def nothing_is_open():
            return not self.api.get("/messages", limit=1, **{"state[in]": ",".join(OPEN)})["data"]
        eventually(nothing_is_open, seconds)


def new_event_id():
    return "evt_" + str(uuid.uuid4())


def api_with(bridge, token):
    return Api(bridge.api.url, token)


@pytest.fixture(scope="module")
def one_lone_bridge():
    lone = LoneBridge()
    yield lone
    lone.end()


@pytest.fixture
def lone(one_lone_bridge):
    """Not started yet: lone.start()."""
    one_lone_bridge.fresh()
    yield one_lone_bridge
    one_lone_bridge.stop()
