"""tests/api/erp_records.py -- records of the ERP that its tests start from."""
import itertools
import uuid

import pytest

from api import ApiError

count = itertools.count(1)


def unique(word):
    """A name no other test uses."""
    return f"{word} {uuid.uuid4().hex[:8]} {next(count)}"


def customer(erp, **members):
    return erp.post("/customers", {"name": unique("Acme"), **members})


def item(erp, stock=None, unit_cost="3", **members):
    sku = "I-" + uuid.uuid4().hex[:12]
    made = erp.post("/items", {"sku": sku, "name": unique("Widget"), **members})
    if stock:
        adjust(erp, made, stock, unit_cost=unit_cost)
    return made


def adjust(erp, record, quantity, **members):
    return erp.post("/stock-adjustments", {"item_id": record["id"], "quantity": str(quantity),
                                           "reason": "test", **members})


def line(record, quantity="1", unit_price="10", **members):
    return {"item_id": record["id"], "quantity": quantity, "unit_price": unit_price, **members}


def order(erp, lines, **members):
    if "customer_id" not in members:
        members["customer_id"] = customer(erp)["id"]
    return erp.post("/sales-orders", {"lines": lines, **members})


def confirmed(erp, lines, **members):
    return verb(erp, "sales-orders", order(erp, lines, **members), "confirm")


def verb(erp, path, record, name, body=None):
    return erp.post(f"/{path}/{record['id']}/{name}", body)


def again(erp, path, record):
    return erp.get(f"/{path}/{record['id']}")


def deliver(erp, sold, lines=None):
    """A delivery of the order, shipped."""
    made = verb(erp, "sales-orders", sold, "deliveries", lines and {"lines": lines})
    return verb(erp, "deliveries", made, "ship")


def invoiced(erp, sold, lines=None, **members):
    """An invoice of the order, posted."""
    if lines:
        members["lines"] = lines
    return verb(erp, "invoices", verb(erp, "sales-orders", sold, "invoices", members), "post")


def sold(erp, quantity="4", unit_price="25", **members):
    """A posted invoice of a shipped order, with the order."""
    made = confirmed(erp, [line(item(erp, stock=quantity), quantity, unit_price)], **members)
    deliver(erp, made)
    return invoiced(erp, made), again(erp, "sales-orders", made)


def pay(erp, customer_id, amount, **members):
    return erp.post("/payments", {"customer_id": customer_id, "amount": amount, **members})


def available(erp, record):
    levels = erp.get(f"/items/{record['id']}/availability")
    return tuple(float(levels[name]) for name in ("on_hand", "reserved", "available"))


def quantities(record, *names):
    return [tuple(float(one[name]) for name in names) for one in record["lines"]]


def refused(call, status, *fields):
    """Calls, expects a problem of that status naming exactly these fields; answers the problem."""
    with pytest.raises(ApiError) as caught:
        call()
    problem = caught.value.problem
    assert caught.value.status == status, problem
    if fields:
        assert sorted(error["field"] for error in problem["errors"]) == sorted(fields), problem
    return problem


def events(erp, path, record):
    """Types of the record's events, oldest first."""
    return [event["type"] for event in erp.get(f"/{path}/{record['id']}/timeline")["data"]][::-1]


def trial_balance(erp):
    """Account to balance, debit positive; the sums are equal."""
    trial = erp.get("/reports/trial-balance")
    assert trial["total_debit"] == trial["total_credit"]
    return {row["account"]: round(float(row["debit"]) - float(row["credit"]), 2)
            for row in trial["rows"]}


def booked(erp, what):
    """How the accounts' balances differ after what() from before, and what() answered."""
    before = trial_balance(erp)
    answer = what()
    after = trial_balance(erp)
    moved = {account: round(after.get(account, 0) - before.get(account, 0), 2)
             for account in before.keys() | after.keys()}
    return {account: value for account, value in moved.items() if value}, answer
