"""tests/api/crm_records.py -- records of the CRM that its tests start from."""
import itertools
import uuid

import pytest

from api import ApiError
from conftest import end_stack, new_stack

count = itertools.count(1)


def crm_alone():
    """A stack of which only the CRM runs: nobody else answers a handover or writes the mirror."""
    stack = new_stack()
    try:
        stack.prepare()
        stack.start_daemon("crm")
        stack.wait_ready("crm")
        yield stack
    finally:
        end_stack(stack)


def unique(word):
    """A name no other test uses."""
    return f"{word} {uuid.uuid4().hex[:8]} {next(count)}"


def account(crm, **members):
    return crm.post("/accounts", {"name": unique("Acme"), "type": "prospect", **members})


def product(crm, **members):
    sku = "P-" + uuid.uuid4().hex[:12]
    return crm.post("/products", {"sku": sku, "name": unique("Widget"), **members})


def line(product_id, quantity="1", unit_price="10", **members):
    return {"product_id": product_id, "quantity": quantity, "unit_price": unit_price, **members}


def deal(crm, lines=None, **members):
    """An open opportunity of an account of its own, with one line unless told otherwise."""
    if "account_id" not in members:
        members["account_id"] = account(crm)["id"]
    if lines is None:
        lines = [line(product(crm)["id"])]
    return crm.post("/opportunities", {"name": unique("Deal"), "close_date": "2030-06-30",
                                       "lines": lines, **members})


def verb(crm, opportunity, name, body=None):
    return crm.post(f"/opportunities/{opportunity['id']}/{name}", body)


def stage(crm, name, pipeline="Sales"):
    [found] = [p for p in crm.all("/pipelines") if p["name"] == pipeline]
    return next(s["id"] for s in found["stages"] if s["name"] == name)


def refused(call, status, *fields):
    """Calls, expects a problem of that status naming exactly these fields; answers the problem."""
    with pytest.raises(ApiError) as caught:
        call()
    problem = caught.value.problem
    assert caught.value.status == status, problem
    if fields:
        assert sorted(error["field"] for error in problem["errors"]) == sorted(fields), problem
    return problem


def events(crm, path):
    return [event["type"] for event in crm.get(path + "/timeline")["data"]]
