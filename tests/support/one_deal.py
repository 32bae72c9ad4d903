"""tests/support/one_deal.py -- one deal the whole way, from account to paid, by careful clients."""
import time
import uuid

from api import Api
from business import UNIT_COST, insist


class OneDeal:
    """Each step is repeated until it is answered; each wait looks again until it is so."""

    def __init__(self, stack, seconds=60, crm_url=None, erp_url=None):
        self.crm = Api(crm_url or stack.url("crm"), stack.tokens["crm"])
        self.erp = Api(erp_url or stack.url("erp"), stack.tokens["erp"])
        self.tag = uuid.uuid4().hex[:10]
        self.deadline = time.monotonic() + seconds

    def too_late(self):
        return time.monotonic() > self.deadline

    def do(self, api, method, path, body=None):
        return insist(api, method, path, body, self.too_late)

    def found(self, api, path, accept=lambda record: True):
        """The first record of a list, or a record, once it is acceptable."""
        while True:
            seen = self.do(api, "GET", path)
            records = seen["data"] if "data" in seen else [seen]
            if records and accept(records[0]):
                return records[0]
            if self.too_late():
                raise TimeoutError(f"{path} never came to be so: {records}")
            time.sleep(0.02)

    def play(self):
        """The whole way; answers the deal."""
        account = self.do(self.crm, "POST", "/accounts", {
            "name": f"Deal {self.tag}", "type": "prospect"})
        product = self.do(self.crm, "POST", "/products", {
            "sku": f"D-{self.tag}", "name": f"Part {self.tag}", "list_price": "12.50"})
        deal = self.do(self.crm, "POST", "/opportunities", {
            "account_id": account["id"], "name": f"Deal {self.tag}", "close_date": "2026-12-01",
            "lines": [{"product_id": product["id"], "quantity": "3", "unit_price": "11.98",
                       "discount_percent": "12.5"}]})
        self.do(self.crm, "POST", f"/opportunities/{deal['id']}/win")
        order = self.found(self.erp, f"/sales-orders?external_ref=crm:opportunity:{deal['id']}")
        for quantity, reserved in (("1", "1.0000"), ("1", "2.0000"), ("8", "3.0000")):
            self.receive(product, order, quantity, reserved)
        self.ship(order)
        invoice = self.do(self.erp, "POST", f"/sales-orders/{order['id']}/invoices")
        invoice = self.do(self.erp, "POST", f"/invoices/{invoice['id']}/post")
        self.do(self.erp, "POST", "/payments", {
            "customer_id": order["customer_id"], "amount": invoice["balance"],
            "allocations": [{"invoice_id": invoice["id"], "amount": invoice["balance"]}]})
        self.found(self.crm, f"/erp-invoices?external_ref=erp:invoice:{invoice['id']}",
                   lambda mirror: mirror["status"] == "paid")
        return deal

    def receive(self, product, order, quantity, reserved):
        """Goods that the order waits for; the rep sees that they are held for it."""
        item = self.found(self.erp, f"/items?external_ref=crm:product:{product['id']}")
        self.do(self.erp, "POST", "/stock-adjustments", {
            "item_id": item["id"], "quantity": quantity, "unit_cost": UNIT_COST,
            "reason": "Goods received"})
        mirror = self.found(self.crm, f"/erp-orders?external_ref=erp:sales_order:{order['id']}")
        self.found(self.crm, f"/erp-orders/{mirror['id']}",
                   lambda record: record["lines"][0]["reserved"] == reserved)

    def ship(self, order):
        reserved = self.found(self.erp, f"/sales-orders/{order['id']}", lambda record: all(
            line["reserved"] == line["quantity"] for line in record["lines"]))
        delivery = self.do(self.erp, "POST", f"/sales-orders/{reserved['id']}/deliveries")
        for verb in ("pick", "pack", "ship", "deliver"):
            self.do(self.erp, "POST", f"/deliveries/{delivery['id']}/{verb}")
