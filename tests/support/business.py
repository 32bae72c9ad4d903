"""tests/support/business.py -- people doing random business on both sides while things break.

Every step is repeated with the same Idempotency-Key until it is answered, as a careful client
does; so what was asked for is known exactly, whatever was killed meanwhile.
"""
import http.client
import random
import threading
import time
import uuid

from api import Api, ApiError


UNIT_COST = "3.7193"   # found nowhere in the CRM


def insist(api, method, path, body=None, too_late=lambda: False):
    """Until answered; 4xx other than a rerun-able one is an error of the test's own."""
    headers = {"Idempotency-Key": str(uuid.uuid4())} if method != "GET" else {}
    while True:
        try:
            return api.call(method, path, {} if body is None and method != "GET" else body,
                            headers)
        except ApiError as error:
            again = error.status in (429, 503) or (
                error.status == 409 and error.problem.get("code") in ("in_progress", "locked"))
            if not again:
                raise
        except (OSError, http.client.HTTPException):
            api.close()
        if too_late():
            raise TimeoutError(f"{method} {path} was never answered")
        time.sleep(0.05)


class Business:
    def __init__(self, stack, seed, accounts=6, products=4):
        self.stack = stack
        self.random = random.Random(seed)
        self.tag = f"b{seed}-{uuid.uuid4().hex[:8]}"
        self.stopping = threading.Event()
        self.errors = []
        self.threads = []
        self.won = []
        self.first = "id"   # orders to fulfil; "-id" where older ones are not ours
        self.edits = 0
        self.slowest_win = 0.0
        crm = stack.api("crm")
        self.accounts = [self.do(crm, "POST", "/accounts", {
            "name": f"{self.tag} account {n}",
            "type": self.random.choice(["prospect", "customer"])})["id"] for n in range(accounts)]
        self.products = [self.do(crm, "POST", "/products", {
            "sku": f"{self.tag}-{n}", "name": f"Part {n}", "list_price": f"{10 + n}.50"})["id"]
            for n in range(products)]

    def do(self, api, method, path, body=None):
        def too_late():
            return self.stopping.is_set() and time.monotonic() > self.deadline
        return insist(api, method, path, body, too_late)

    # ---- the people ----

    def sell(self):
        """A rep: opens deals and wins most of them."""
        crm, chance = Api(self.stack.url("crm"), self.stack.tokens["crm"]), random.Random(1)
        while not self.stopping.is_set():
            lines = [{"product_id": product, "quantity": str(chance.randint(1, 9)),
                      "unit_price": f"{chance.randint(1, 99)}.{chance.randint(0, 99):02}",
                      "discount_percent": chance.choice(["0", "5", "12.5"])}
                     for product in chance.sample(self.products, chance.randint(1, 3))]
            deal = self.do(crm, "POST", "/opportunities", {
                "account_id": chance.choice(self.accounts), "name": f"{self.tag} deal",
                "close_date": "2026-12-01", "lines": lines})
            if chance.random() < 0.85:
                began = time.monotonic()
                self.do(crm, "POST", f"/opportunities/{deal['id']}/win")
                self.slowest_win = max(self.slowest_win, time.monotonic() - began)
                self.won.append(deal["id"])
            time.sleep(0.02)

    def stock_up(self):
        """The warehouse: receives what is short, so that orders can be shipped."""
        erp = Api(self.stack.url("erp"), self.stack.tokens["erp"])
        while not self.stopping.is_set():
            for item in self.do(erp, "GET", f"/items?limit=200&sku[like]={self.tag}")["data"]:
                if float(item["available"]) < 50:
                    self.do(erp, "POST", "/stock-adjustments", {
                        "item_id": item["id"], "quantity": "500", "unit_cost": UNIT_COST,
                        "reason": "Goods received"})
            time.sleep(0.5)

    def fulfil(self):
        """Shipping and finance: deliver, invoice and collect for one open order after another."""
        erp, chance = Api(self.stack.url("erp"), self.stack.tokens["erp"]), random.Random(2)
        while not self.stopping.is_set():
            orders = self.do(erp, "GET", "/sales-orders?status=confirmed&limit=20"
                             f"&sort={self.first}")["data"]
            for order in orders:
                if self.stopping.is_set():
                    return
                try:
                    self.fulfil_order(erp, chance, order)
                except ApiError as error:
                    now = self.do(erp, "GET", f"/sales-orders/{order['id']}")
                    if error.status not in (409, 422) or now["revision"] == order["revision"]:
                        raise   # nobody has changed the order meanwhile
            time.sleep(0.1)

    def fulfil_order(self, erp, chance, order):
        try:
            delivery = self.do(erp, "POST", f"/sales-orders/{order['id']}/deliveries")
        except ApiError as error:
            if error.status in (409, 422):   # nothing reserved yet
                return
            raise
        for verb in ("pick", "pack", "ship", "deliver")[:chance.choice([3, 4, 4])]:
            self.do(erp, "POST", f"/deliveries/{delivery['id']}/{verb}")
        invoice = self.do(erp, "POST", f"/sales-orders/{order['id']}/invoices")
        invoice = self.do(erp, "POST", f"/invoices/{invoice['id']}/post")
        if chance.random() < 0.6 and float(invoice["balance"]) > 0:
            self.do(erp, "POST", "/payments", {
                "customer_id": order["customer_id"], "amount": invoice["balance"],
                "allocations": [{"invoice_id": invoice["id"], "amount": invoice["balance"]}]})

    def reconsider(self):
        """Customers who change their minds: amends and cancels deals that are orders."""
        crm, chance = Api(self.stack.url("crm"), self.stack.tokens["crm"]), random.Random(3)
        while not self.stopping.is_set():
            if self.won:
                self.reconsider_deal(crm, chance, chance.choice(self.won))
            time.sleep(0.05)

    def reconsider_deal(self, crm, chance, deal_id):
        deal = self.do(crm, "GET", f"/opportunities/{deal_id}")
        lines = [{"id": line["id"], "quantity": str(chance.randint(1, 12))}
                 for line in deal["lines"] if chance.random() < 0.8]
        if chance.random() < 0.4:
            lines.append({"product_id": chance.choice(self.products),
                          "quantity": str(chance.randint(1, 5)), "unit_price": "3.33"})
        try:
            if chance.random() < 0.2:
                self.do(crm, "POST", f"/opportunities/{deal_id}/cancel", {"reason": "regret"})
            elif lines:
                self.do(crm, "POST", f"/opportunities/{deal_id}/amend", {"lines": lines})
        except ApiError as error:
            codes = {field["code"] for field in error.problem.get("errors", [])}
            # Not an order yet, cancelled, one proposal is open, or one was just accepted.
            if error.status != 409 and codes != {"unknown_reference"}:
                raise

    def edit(self):
        """Both sides work on the same records at once, each on its own fields."""
        crm, chance = Api(self.stack.url("crm"), self.stack.tokens["crm"]), random.Random(3)
        erp = Api(self.stack.url("erp"), self.stack.tokens["erp"])
        while not self.stopping.is_set():
            account, product = chance.choice(self.accounts), chance.choice(self.products)
            words = uuid.UUID(int=chance.getrandbits(128)).hex[:8]
            self.do(crm, "PATCH", f"/accounts/{account}", {
                "name": f"{self.tag} {words}", "billing_city": words})
            self.edited_by_erp(erp, f"/customers?external_ref=crm:account:{account}", {
                "credit_limit": f"{chance.randint(10, 99)}000000.00"})
            self.do(crm, "PATCH", f"/products/{product}", {"description": words})
            self.edited_by_erp(erp, f"/items?external_ref=crm:product:{product}", {
                "lead_time_days": chance.randint(1, 30)})
            self.edits += 1
            time.sleep(0.05)

    def edited_by_erp(self, erp, path, change):
        found = self.do(erp, "GET", path)["data"]
        if found:   # it has crossed
            self.do(erp, "PATCH", f"{path.split('?')[0]}/{found[0]['id']}", change)

    # ---- running them ----

    def guarded(self, work):
        try:
            work()
        except Exception as error:   # noqa: BLE001 -- shown by stop()
            self.errors.append(f"{work.__name__}: {error!r}")

    def start(self, *people):
        for work in people or (self.sell, self.stock_up, self.fulfil, self.reconsider):
            thread = threading.Thread(target=self.guarded, args=(work,), daemon=True)
            thread.start()
            self.threads.append(thread)
        return self

    def stop(self):
        self.deadline = time.monotonic() + 60
        self.stopping.set()
        for thread in self.threads:
            thread.join(90)
        assert not self.errors, "\n".join(self.errors)
        assert not any(thread.is_alive() for thread in self.threads), "a client hangs"
