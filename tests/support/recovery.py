"""tests/support/recovery.py -- a company small enough to be looked at whole."""
import json
import subprocess
import uuid

from conftest import end_stack, new_stack
from waiting import eventually, idle


def dump(stack, schema):
    """One schema of the cluster, as pg_dump writes it."""
    file = stack.var / f"{schema}.dump"
    subprocess.run(["pg_dump", "-Fc", "-n", schema, "-f", file, stack.database_url], check=True)
    return file


def put_back(stack, schema, file):
    """The daemon is stopped for it, and starts on what was."""
    process = stack.processes[schema]
    process.terminate()
    assert process.wait(30) == 0
    stack.sql(f"DROP SCHEMA {schema} CASCADE")
    subprocess.run(["pg_restore", "-d", stack.database_url, file], check=True)
    stack.start_daemon(schema)
    stack.wait_ready(schema)


class Company:
    """A stack of its own with two customers, two products and a few deals on their way."""

    def __init__(self, stack=None):
        self.stack = stack or new_stack()
        self.stack.start()
        self.crm, self.erp, self.bridge = (self.stack.api(n) for n in ("crm", "erp", "bridge"))

    def end(self):
        end_stack(self.stack)

    def fill(self):
        self.accounts = [self.crm.post("/accounts", {"name": f"Account {n}", "type": "customer"})
                         for n in range(2)]
        self.prospect = self.crm.post("/accounts", {"name": "Prospect"})
        self.products = [self.crm.post("/products", {"sku": f"P-{n}", "name": f"Part {n}",
                                                     "list_price": "10.00"}) for n in range(2)]
        self.open = self.deal(self.accounts[0])
        self.deals = [self.win(self.deal(account)) for account in self.accounts]
        self.idle()
        self.fulfil(self.deals[0])
        self.idle()
        return self

    def deal(self, account):
        return self.crm.post("/opportunities", {
            "account_id": account["id"], "name": "Deal " + uuid.uuid4().hex[:6],
            "close_date": "2026-12-01", "lines": [
                {"product_id": p["id"], "quantity": "2", "unit_price": "9.50"}
                for p in self.products]})

    def win(self, deal):
        self.crm.post(f"/opportunities/{deal['id']}/win")
        return deal

    def order(self, deal):
        found = self.erp.get("/sales-orders", external_ref=f"crm:opportunity:{deal['id']}",
                             include="lines")["data"]
        return found[0] if found else None

    def fulfil(self, deal):
        order = self.order(deal)
        for line in order["lines"]:
            self.erp.post("/stock-adjustments", {"item_id": line["item_id"], "quantity": "10",
                                                 "unit_cost": "1.00", "reason": "Received"})
        delivery = self.erp.post(f"/sales-orders/{order['id']}/deliveries")
        for verb in ("pick", "pack", "ship"):
            self.erp.post(f"/deliveries/{delivery['id']}/{verb}")
        invoice = self.erp.post(f"/sales-orders/{order['id']}/invoices")
        self.erp.post(f"/invoices/{invoice['id']}/post")

    # ---- what is there ----

    def idle(self):
        idle(self.bridge)

    def versions(self):
        """Of every business record on both sides, and how many events there are."""
        tables = {"crm": ("account", "product", "opportunity", "erp_customer", "erp_order",
                          "erp_delivery", "erp_invoice", "erp_item"),
                  "erp": ("customer", "item", "sales_order", "delivery", "invoice")}
        return {f"{schema}.{table}": self.stack.sql(
            f"SELECT json_agg(json_build_array(id, version) ORDER BY id) FROM {schema}.{table}")
            for schema, names in tables.items() for table in (*names, "event")
            if table != "event"} | {schema: self.stack.sql(
                f"SELECT count(*) FROM {schema}.event WHERE entity <> 'webhook'")
                for schema in tables}

    def links(self):
        rows = json.loads(self.stack.sql(
            "SELECT coalesce(json_agg(json_build_array(left_ref, right_ref, route, mirror)"
            " ORDER BY left_ref, right_ref), '[]') FROM bridge.link"))
        return [tuple(row) for row in rows]

    def replayed(self, body, path="/replays", seconds=60):
        """Asks for it and waits for its end, and for what it set going."""
        job = self.bridge.post(path, body)

        def replay_has_ended():
            found = self.bridge.get(f"/replays/{job['id']}")
            return found if found["state"] != "running" else None
        found = eventually(replay_has_ended, seconds)
        self.idle()
        return found

    def made_by(self, job):
        """The messages of a job."""
        return [m for m in self.bridge.all("/messages")
                if m["event_id"].startswith(f"replay-{job['id']}-")]
