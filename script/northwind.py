"""script/northwind.py -- Northwind's trade through the whole product, and the two sides reconciled.

Every step looks first at what is there, so a second run changes nothing and an interrupted
one goes on where it stopped.
"""
import collections
import concurrent.futures
import csv
import pathlib
import sys
import threading
import time
from decimal import ROUND_HALF_UP, Decimal

from api import Api, patiently

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests/northwind"
PARALLEL = 8
CENT = Decimal("0.01")
FINAL_STATES = ("applied", "unchanged", "superseded", "skipped", "rejected", "dead")


def read(name):
    with open(DATA / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Data:
    """The CSV files, orders by date with their lines."""

    def __init__(self):
        self.customers = read("customers")
        self.products = read("products")
        self.orders = sorted(read("orders"), key=lambda o: (o["order_date"], o["order_id"]))
        self.lines = collections.defaultdict(list)
        for line in read("order_details"):
            self.lines[line["order_id"]].append(line)

    def line_count(self):
        return sum(len(lines) for lines in self.lines.values())

    def total(self):
        return sum((Decimal(l["unit_price"]) * Decimal(l["quantity"]) *
                    (1 - Decimal(l["discount"]))).quantize(CENT, ROUND_HALF_UP)
                   for lines in self.lines.values() for l in lines)


class Progress:
    """One line for each step, rewritten on a terminal."""

    def __init__(self):
        self.lock = threading.Lock()

    def each(self, what, items, work, parallel=PARALLEL):
        items = list(items)
        began = time.monotonic()
        done = 0

        def one(item):
            nonlocal done
            patiently(lambda: work(item), seconds=120)
            with self.lock:
                done += 1
                if sys.stdout.isatty() or done == len(items):
                    print(f"\r  {what:<34} {done:>5} of {len(items)}"
                          f"  {time.monotonic() - began:6.1f} s", end="", flush=True)

        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            for future in [pool.submit(one, item) for item in items]:
                future.result()
        print()


class PerThread:
    """An Api for each thread: a connection carries one request at a time."""

    def __init__(self, api):
        self.api = api
        self.local = threading.local()

    def __getattr__(self, name):
        if not hasattr(self.local, "api"):
            self.local.api = Api(self.api.url, self.api.token)
        return getattr(self.local.api, name)


class Northwind:
    def __init__(self, crm, erp, bridge):
        self.crm, self.erp, self.bridge = PerThread(crm), PerThread(erp), PerThread(bridge)
        self.data = Data()
        self.progress = Progress()
        self.accounts = {}
        self.products = {}

    # ---- CRM ----

    def load_account(self, row):
        account = self.crm.get("/accounts", external_ref=f"northwind:customer:{row['customer_id']}")
        found = account["data"][0] if account["data"] else self.crm.put(
            f"/accounts/by-ref/northwind:customer:{row['customer_id']}",
            {"name": row["company_name"], "type": "prospect", "phone": row["phone"] or None,
             "billing_street": row["address"], "billing_city": row["city"],
             "billing_region": row["region"] or None,
             "billing_postal_code": row["postal_code"] or None,
             "billing_country": row["country"]})
        self.accounts[row["customer_id"]] = found["id"]

    def load_product(self, row):
        ref = f"northwind:product:{row['product_id']}"
        found = self.crm.get("/products", external_ref=ref)["data"]
        product = found[0] if found else self.crm.put(
            f"/products/by-ref/{ref}",
            {"sku": f"NW-{int(row['product_id']):03}", "name": row["product_name"],
             "description": row["quantity_per_unit"], "list_price": row["unit_price"]})
        self.products[row["product_id"]] = product["id"]

    def opportunity(self, order):
        found = self.crm.get("/opportunities",
                             external_ref=f"northwind:order:{order['order_id']}")["data"]
        return found[0] if found else None

    def load_opportunity(self, order):
        if self.opportunity(order):
            return
        self.crm.put(f"/opportunities/by-ref/northwind:order:{order['order_id']}", {
            "account_id": self.accounts[order["customer_id"]],
            "name": f"Northwind order {order['order_id']}",
            "close_date": order["order_date"],
            "lines": [{"product_id": self.products[line["product_id"]],
                       "quantity": line["quantity"], "unit_price": line["unit_price"],
                       "discount_percent": str(Decimal(line["discount"]) * 100)}
                      for line in self.data.lines[order["order_id"]]]})

    def win(self, order):
        opportunity = self.opportunity(order)
        if opportunity["status"] == "open":
            self.crm.post(f"/opportunities/{opportunity['id']}/win")

    # ---- ERP ----

    def sales_order(self, order):
        opportunity = self.opportunity(order)
        found = self.erp.get("/sales-orders", external_ref=f"crm:opportunity:{opportunity['id']}",
                             include="lines")["data"]
        return found[0] if found else None

    def receive_stock(self, needed):
        item_id, quantity = needed
        on_hand = Decimal(self.erp.get(f"/items/{item_id}/availability")["on_hand"])
        if quantity > on_hand:
            self.erp.post("/stock-adjustments", {
                "item_id": item_id, "quantity": str(quantity - on_hand), "unit_cost": "1.00",
                "reason": "Northwind opening stock"})

    def still_to_deliver(self):
        open_quantity = collections.defaultdict(Decimal)
        for order in self.erp.all("/sales-orders", include="lines"):
            for line in order["lines"]:
                open_quantity[line["item_id"]] += (Decimal(line["quantity"]) -
                                                   Decimal(line["delivered"]))
        return open_quantity.items()

    def ship(self, order):
        sales_order = self.sales_order(order)
        found = self.erp.get("/deliveries", sales_order_id=sales_order["id"])["data"]
        delivery = found[0] if found else self.erp.post(
            f"/sales-orders/{sales_order['id']}/deliveries")
        steps = ["pick", "pack", "ship", "deliver"]
        done = {"draft": 0, "picked": 1, "packed": 2, "shipped": 3, "delivered": 4}
        for verb in steps[done[delivery["status"]]:]:
            self.erp.post(f"/deliveries/{delivery['id']}/{verb}")

    def invoice(self, order):
        sales_order = self.sales_order(order)
        found = self.erp.get("/invoices", sales_order_id=sales_order["id"])["data"]
        invoice = found[0] if found else self.erp.post(
            f"/sales-orders/{sales_order['id']}/invoices")
        if invoice["status"] == "draft":
            self.erp.post(f"/invoices/{invoice['id']}/post")

    def pay(self, order):
        sales_order = self.sales_order(order)
        invoice = self.erp.get("/invoices", sales_order_id=sales_order["id"])["data"][0]
        if Decimal(invoice["balance"]) > 0:
            self.erp.post("/payments", {
                "customer_id": invoice["customer_id"], "amount": invoice["balance"],
                "allocations": [{"invoice_id": invoice["id"], "amount": invoice["balance"]}]})

    # ---- both ----

    def wait_idle(self, seconds=120):
        deadline = time.monotonic() + seconds
        while not patiently(lambda: self.bridge.get("/status"))["idle"]:
            if time.monotonic() > deadline:
                sys.exit("northwind: the queues did not empty")
            time.sleep(0.1)

    def play(self):
        data, each = self.data, self.progress.each
        shipped = [order for order in data.orders if order["shipped_date"]]
        each("accounts", data.customers, self.load_account)
        each("products", data.products, self.load_product)
        each("opportunities", data.orders, self.load_opportunity)
        each("won, in order of date", data.orders, self.win, parallel=1)
        self.wait_idle()
        # One receipt after the other: an order that another receipt is just reserving for is
        # passed over and served a moment later.
        each("stock received", self.still_to_deliver(), self.receive_stock, parallel=1)
        each("orders shipped and delivered", shipped, self.ship)
        each("orders invoiced", shipped, self.invoice)
        each("invoices paid", shipped[::2], self.pay)
        self.wait_idle()
        return Reconciliation(self).report()


def sums(records, *fields):
    return [sum((Decimal(r[f]) for r in records), Decimal(0)) for f in fields]


class Reconciliation:
    """What each side says, beside what the CSV files say."""

    def __init__(self, northwind):
        self.northwind = northwind
        self.rows = []

    def row(self, what, expected, crm, erp):
        self.rows.append((what, expected, crm, erp))

    def masters(self):
        data, crm, erp = (self.northwind.data, self.northwind.crm, self.northwind.erp)
        with_orders = {order["customer_id"] for order in data.orders}
        accounts = {f"crm:account:{a}": a for a in self.northwind.accounts.values()}
        customers = [c for c in erp.all("/customers") if c["external_ref"] in accounts]
        promoted = [a for a in crm.all("/accounts", type="customer")
                    if a["id"] in accounts.values()]
        self.row("customers with orders", len(with_orders), len(promoted), len(customers))
        items = {f"crm:product:{p}" for p in self.northwind.products.values()}
        self.row("items", len(data.products), len(items),
                 sum(i["external_ref"] in items for i in erp.all("/items")))

    def orders(self):
        data, crm, erp = (self.northwind.data, self.northwind.crm, self.northwind.erp)
        won = [o for o in crm.all("/opportunities", status="won", include="lines")
               if (o["external_ref"] or "").startswith("northwind:order:")]
        refs = {f"crm:opportunity:{o['id']}" for o in won}
        orders = [o for o in erp.all("/sales-orders", include="lines")
                  if o["external_ref"] in refs]
        self.row("sales orders", len(data.orders), len(won), len(orders))
        self.row("lines", data.line_count(), sum(len(o["lines"]) for o in won),
                 sum(len(o["lines"]) for o in orders))
        self.row("order total", data.total(), *sums(won, "amount"), *sums(orders, "total"))
        mirrored = list(crm.all("/erp-orders"))
        statuses = collections.Counter(o["status"] for o in erp.all("/sales-orders"))
        seen = collections.Counter(o["status"] for o in mirrored)
        for status in sorted(statuses | seen):
            self.row(f"orders {status}", statuses[status], seen[status], statuses[status])
        self.row("handovers accepted", len(data.orders),
                 sum(o["handover"] == "accepted" for o in won), len(orders))

    def documents(self):
        crm, erp = self.northwind.crm, self.northwind.erp
        deliveries, seen = list(erp.all("/deliveries")), list(crm.all("/erp-deliveries"))
        self.row("deliveries", len(deliveries), len(seen), len(deliveries))
        self.row("delivered", None, sum(d["status"] == "delivered" for d in seen),
                 sum(d["status"] == "delivered" for d in deliveries))
        invoices, seen = list(erp.all("/invoices")), list(crm.all("/erp-invoices"))
        self.row("invoices", len(invoices), len(seen), len(invoices))
        for what, field in (("invoiced total", "total"), ("invoice balance", "balance")):
            self.row(what, None, *sums(seen, field), *sums(invoices, field))
        self.row("open balance of customers", None,
                 *sums(crm.all("/erp-customers"), "open_balance"),
                 *sums(erp.all("/customers"), "open_balance"))

    def queues(self):
        trial = self.northwind.erp.get("/reports/trial-balance")
        self.row("ledger debit = credit", None, trial["total_debit"], trial["total_credit"])
        unfinished = sum(1 for m in self.northwind.bridge.all("/messages")
                         if m["state"] not in FINAL_STATES)
        refused = sum(1 for m in self.northwind.bridge.all("/messages")
                      if m["state"] in ("rejected", "dead"))
        self.row("messages not in a final state", 0, unfinished, unfinished)
        self.row("messages rejected or dead", 0, refused, refused)

    def report(self):
        self.masters()
        self.orders()
        self.documents()
        self.queues()
        print(f"\n  {'':<34} {'Northwind':>14} {'CRM':>14} {'ERP':>14}")
        good = True
        for what, expected, crm, erp in self.rows:
            values = {Decimal(str(value)) for value in (expected, crm, erp) if value is not None}
            good = good and len(values) == 1
            print(f"  {what:<34} {'' if expected is None else f'{expected:,}':>14}"
                  f" {Decimal(str(crm)):>14,} {Decimal(str(erp)):>14,}"
                  f"  {'ok' if len(values) == 1 else 'DIFFERS'}")
        print("\n  Both sides are equal." if good else "\n  The two sides differ.")
        return good


def play(crm, erp, bridge):
    return Northwind(crm, erp, bridge).play()
