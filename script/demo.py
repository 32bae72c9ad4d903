"""script/demo.py -- NovaTech, the electronics maker: its data, and one deal from won to paid."""
import argparse
import json
import pathlib
import subprocess
import sys
import time

from api import Api, patiently

ROOT = pathlib.Path(__file__).resolve().parent.parent

ACCOUNTS = [
    ("brightwave", {"name": "Brightwave Robotics", "type": "customer", "tax_id": "US84-1200771",
                    "billing_street": "18 Foundry Lane", "billing_city": "Boulder",
                    "billing_region": "CO", "billing_postal_code": "80301",
                    "billing_country": "US"}),
    ("meridian", {"name": "Meridian Medical Devices", "type": "customer", "tax_id": "US36-4410932",
                  "billing_street": "240 Lakeshore Drive", "billing_city": "Chicago",
                  "billing_region": "IL", "billing_postal_code": "60611",
                  "billing_country": "US"}),
    ("halden", {"name": "Halden Marine Systems", "type": "prospect",
                "billing_city": "Bergen", "billing_country": "NO"}),
]
PRODUCTS = [
    ("nt-100", {"sku": "NT-100", "name": "Motion controller NT-100", "unit": "pcs",
                "list_price": "249.00"}, "140.00"),
    ("nt-220", {"sku": "NT-220", "name": "Power stage NT-220", "unit": "pcs",
                "list_price": "89.50"}, "41.20"),
    ("nt-900", {"sku": "NT-900", "name": "Sensor hub NT-900", "unit": "pcs",
                "list_price": "412.75"}, "230.00"),
]
STOCK = 500


def by_ref(path, name):
    return f"/{path}/by-ref/novatech:{path}:{name}"


def load_company(crm, erp):
    """Idempotent: what is there already stays as it is."""
    for name, account in ACCOUNTS:
        crm.put(by_ref("accounts", name), account)
    for name, product, _ in PRODUCTS:
        crm.put(by_ref("products", name), product)
    for _, product, cost in PRODUCTS:
        item = wait_for(lambda sku=product["sku"]: first(erp, "/items", sku=sku), "item")
        if not first(erp, "/stock-moves", item_id=item["id"]):
            erp.post("/stock-adjustments", {"item_id": item["id"], "quantity": str(STOCK),
                                            "unit_cost": cost, "reason": "Opening stock"})


def first(api, path, **query):
    found = api.get(path, limit=1, **query)["data"]
    return found[0] if found else None


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = patiently(condition)
        if found:
            return found
        time.sleep(0.002)
    sys.exit(f"demo: gave up waiting for the {what}")


class Hops:
    """Prints each hop with the milliseconds since the one before."""

    def __init__(self):
        self.last = time.monotonic()

    def did(self, who, what):
        now = time.monotonic()
        print(f"  {(now - self.last) * 1000:8.1f} ms  {who:<7} {what}")
        self.last = time.monotonic()


def play_deal(crm, erp):
    account = first(crm, "/accounts", name="Brightwave Robotics")
    products = [first(crm, "/products", sku=p["sku"]) for _, p, _ in PRODUCTS[:2]]
    hops = Hops()
    deal = crm.post("/opportunities", {
        "account_id": account["id"], "name": "Retrofit of 12 assembly cells",
        "close_date": time.strftime("%Y-%m-%d"),
        "lines": [{"product_id": products[0]["id"], "quantity": "12", "unit_price": "239.00"},
                  {"product_id": products[1]["id"], "quantity": "24", "unit_price": "89.50",
                   "discount_percent": "7.5"}]})
    hops.did("CRM", f"opportunity {deal['number']} over {deal['amount']} {deal['currency']}")
    path = f"/opportunities/{deal['id']}"
    crm.post(f"{path}/win")
    hops.did("CRM", "won; handover pending")

    def accepted():
        found = crm.get(path)
        if found["handover"] == "rejected":
            sys.exit(f"demo: the ERP rejected the order: {found['handover_reason']}")
        return found if found["handover"] == "accepted" else None
    deal = wait_for(accepted, "handover")
    hops.did("bridge", f"ERP accepted it as {deal['handover_order_number']}")
    order = first(erp, "/sales-orders", external_ref=f"crm:opportunity:{deal['id']}")

    delivery = erp.post(f"/sales-orders/{order['id']}/deliveries")
    for verb in ("pick", "pack", "ship"):
        erp.post(f"/deliveries/{delivery['id']}/{verb}")
    hops.did("ERP", f"delivery {delivery['number']} picked, packed, shipped")
    wait_for(lambda: any(d["status"] == "shipped"
                         for d in crm.get(f"{path}/fulfilment")["deliveries"]), "delivery status")
    hops.did("CRM", "the rep sees it shipped")
    erp.post(f"/deliveries/{delivery['id']}/deliver")

    invoice = erp.post(f"/sales-orders/{order['id']}/invoices")
    invoice = erp.post(f"/invoices/{invoice['id']}/post")
    hops.did("ERP", f"invoice {invoice['number']} over {invoice['total']} posted")
    erp.post("/payments", {"customer_id": order["customer_id"], "amount": invoice["total"],
                           "allocations": [{"invoice_id": invoice["id"],
                                            "amount": invoice["total"]}]})
    hops.did("ERP", "payment received")
    wait_for(lambda: any(i["status"] == "paid"
                         for i in crm.get(f"{path}/fulfilment")["invoices"]), "payment status")
    hops.did("CRM", "the rep sees it paid")
    return deal


def print_trace(stack, deal):
    """What an operator sees of it afterwards."""
    command = [str(pathlib.Path(stack["bin"]) / "sync-bridge"), "--config",
               stack["bridge"]["config"], "trace", "opportunity", str(deal["id"])]
    print("\nThe same deal as an operator sees it, `sync-bridge trace opportunity "
          f"{deal['id']}`:\n", flush=True)
    subprocess.run(command, check=False)


def read_stack(var):
    path = pathlib.Path(var) / "stack.json"
    if not path.exists():
        sys.exit(f"demo: no stack in {var}; run script/server first")
    return json.loads(path.read_text())


def stack_apis(stack):
    return [Api(stack[name]["url"], stack[name]["token"]) for name in ("crm", "erp", "bridge")]


def main():
    parser = argparse.ArgumentParser(prog="script/demo")
    parser.add_argument("--var", default=str(ROOT / "var"), metavar="DIR")
    parser.add_argument("--northwind", action="store_true", help="all of Northwind, end to end")
    arguments = parser.parse_args()
    stack = read_stack(arguments.var)
    crm, erp, bridge = stack_apis(stack)
    if arguments.northwind:
        import northwind
        sys.exit(0 if northwind.play(crm, erp, bridge) else 1)
    load_company(crm, erp)
    print("NovaTech sells to Brightwave Robotics:")
    print_trace(stack, play_deal(crm, erp))


if __name__ == "__main__":
    main()
