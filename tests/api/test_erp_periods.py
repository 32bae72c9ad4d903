"""tests/api/test_erp_periods.py -- accounting periods: closed books stay as they are."""
import itertools

import pytest

from api import Api, ApiError
from conftest import end_stack, new_stack
from erp_records import (adjust, again, confirmed, customer, deliver, item, line, order, pay,
                         refused, sold, trial_balance, verb)
from test_erp_races import at_once

years = itertools.count(1950)


@pytest.fixture(scope="module")
def stack():
    """Of its own: what is closed here would be in the way of others."""
    stack = new_stack()
    try:
        stack.prepare()
        stack.start_daemon("erp")
        stack.wait_ready("erp")
        yield stack
    finally:
        end_stack(stack)


@pytest.fixture
def erp(stack):
    return stack.api("erp")


def month(erp, code):
    return erp.post("/periods", {"code": code})


def close(erp, period):
    return verb(erp, "periods", period, "close")


def reopen(erp, period):
    return verb(erp, "periods", period, "open")


@pytest.fixture
def year(erp):
    """A year of its own, after those of earlier tests; what it closes is opened again."""
    yield str(next(years))
    for period in sorted(erp.all("/periods"), key=lambda p: p["ends_on"])[::-1]:
        if period["status"] == "closed":
            refused(lambda p=period: erp.delete(f"/periods/{p['id']}"), 409)
            reopen(erp, period)
        erp.delete(f"/periods/{period['id']}")


@pytest.fixture
def today_closed(erp):
    today = erp.get(f"/sales-orders/{order(erp, [line(item(erp))])['id']}")
    verb(erp, "sales-orders", today, "cancel")
    code = today["order_date"][:7]
    found = erp.get("/periods", code=code)["data"]
    period = found[0] if found else month(erp, code)
    close(erp, period)
    yield period
    if again(erp, "periods", period)["status"] == "closed":
        reopen(erp, period)


def entry(erp, day):
    accounts = {row["code"]: row["id"] for row in erp.all("/ledger-accounts")}
    return erp.post("/journal-entries", {"entry_date": day, "memo": "test", "lines": [
        {"ledger_account_id": accounts["1000"], "debit": "5"},
        {"ledger_account_id": accounts["3000"], "credit": "5"}]})


def test_a_month_is_made_from_its_code_and_periods_never_overlap(erp, year):
    made = month(erp, f"{year}-02")
    assert (made["starts_on"], made["ends_on"], made["status"]) == (
        f"{year}-02-01", f"{year}-02-{'29' if int(year) % 4 == 0 else '28'}", "open")
    quarter = {"code": f"{year}-Q1", "starts_on": f"{year}-01-01", "ends_on": f"{year}-03-31"}
    refused(lambda: erp.post("/periods", quarter), 409, "starts_on")
    refused(lambda: month(erp, f"{year}-02"), 409)
    refused(lambda: erp.post("/periods", {"code": "2026-13"}), 422, "starts_on", "ends_on")
    refused(lambda: erp.post("/periods", {"code": "x", "starts_on": "2020-02-02",
                                          "ends_on": "2020-02-01"}), 422, "ends_on")
    refused(lambda: erp.patch(f"/periods/{made['id']}", {"status": "closed"}), 422, "status")


def test_nothing_is_posted_up_to_the_end_of_the_last_closed_period(erp, year):
    entry(erp, f"{year}-01-15")
    january, february = month(erp, f"{year}-01"), month(erp, f"{year}-02")
    problem = refused(lambda: close(erp, february), 409)
    assert january["code"] in problem["detail"]
    assert close(erp, january)["closed_at"]
    for day in (f"{year}-01-01", f"{year}-01-31", f"{int(year) - 1}-12-31"):
        problem = refused(lambda: entry(erp, day), 422)
        assert problem["code"] == "period_closed" and problem["period"] == january["code"]
        assert january["code"] in problem["hint"] and problem["date"] == day
        assert problem["depends_on"] == [f"period:{january['id']}"]
    entry(erp, f"{year}-02-01")
    close(erp, february)
    problem = refused(lambda: reopen(erp, january), 409)
    assert february["code"] in problem["detail"]
    refused(lambda: erp.patch(f"/periods/{january['id']}", {"code": "other"}), 409)
    refused(lambda: month(erp, f"{int(year) - 1}-06"), 422, "starts_on")
    reopen(erp, february)
    reopened = reopen(erp, january)
    assert (reopened["status"], reopened["closed_at"]) == ("open", None)
    entry(erp, f"{year}-01-31")


def test_every_way_into_the_books_is_closed(erp, today_closed):
    reopen(erp, today_closed)
    invoice, made = sold(erp)
    ready = confirmed(erp, [line(item(erp, stock=5), "2")])
    free = confirmed(erp, [line(item(erp, stock=5, unit_cost="0"), "2")])
    other = pay(erp, customer(erp)["id"], "5")
    shipments = [verb(erp, "sales-orders", one, "deliveries") for one in (ready, free)]
    close(erp, today_closed)
    before = trial_balance(erp)
    thing = item(erp)
    for call in (lambda: adjust(erp, thing, "1"),
                 lambda: verb(erp, "deliveries", shipments[0], "ship"),
                 lambda: verb(erp, "deliveries", shipments[1], "ship"),
                 lambda: pay(erp, made["customer_id"], "5"),
                 lambda: verb(erp, "payments", other, "allocate"),
                 lambda: verb(erp, "invoices", invoice, "credit"),
                 lambda: verb(erp, "sales-orders", ready, "invoices", {
                     "lines": [{"order_line_id": ready["lines"][0]["id"], "quantity": "1"}]}),
                 lambda: order(erp, [line(thing)]),
                 lambda: entry(erp, today_closed["starts_on"])):
        problem = refused(call, 422)
        assert (problem["code"], problem["period"]) == ("period_closed", today_closed["code"])
    assert trial_balance(erp) == before
    assert again(erp, "deliveries", shipments[0])["status"] == "draft"
    order(erp, [line(thing)], order_date="2999-01-01")


def test_an_order_that_comes_by_reference_is_refused_until_the_period_is_open(erp, today_closed):
    body = {"customer_id": customer(erp)["id"], "lines": [line(item(erp), source_line="1")]}
    ref = "/sales-orders/by-ref/crm:opportunity:987654"
    problem = refused(lambda: erp.put(ref, body, {"Source-Version": "3"}), 422)
    assert problem["code"] == "period_closed"
    assert problem["depends_on"] == [f"period:{today_closed['id']}"]
    reopen(erp, today_closed)
    assert erp.put(ref, body, {"Source-Version": "3"})["status"] == "confirmed"


def test_drafts_are_in_the_way_of_closing_and_are_listed(erp, year):
    period = month(erp, f"{year}-05")
    draft = order(erp, [line(item(erp))], order_date=f"{year}-05-31")
    made = confirmed(erp, [line(item(erp, stock=3), "2")])
    deliver(erp, made)
    invoice = verb(erp, "sales-orders", made, "invoices", {"invoice_date": f"{year}-05-01"})
    problem = refused(lambda: close(erp, period), 422)
    assert [(one["entity"], one["id"]) for one in problem["drafts"]] == [
        ("invoice", invoice["id"]), ("sales_order", draft["id"])]
    verb(erp, "invoices", invoice, "post")
    erp.patch(f"/sales-orders/{draft['id']}", {"order_date": f"{year}-06-01"})
    close(erp, period)
    refused(lambda: erp.patch(f"/sales-orders/{draft['id']}", {"order_date": f"{year}-05-31"}),
            422)
    verb(erp, "sales-orders", draft, "cancel")


def test_the_database_itself_refuses(stack, erp, year):
    close(erp, month(erp, f"{year}-07"))
    with pytest.raises(Exception) as caught:
        stack.sql("SET search_path TO erp; INSERT INTO journal_entry (entry_date)"
                  f" VALUES ('{year}-07-09')")
    assert "is closed" in str(getattr(caught.value, "stderr", "")) + str(caught.value)


def test_nothing_is_posted_behind_a_closing(erp, stack, year):
    for code in (f"{year}-{n:02}" for n in range(1, 6)):
        period = month(erp, code)
        answers = at_once(stack, [lambda api, p=period: close(api, p)] + [
            lambda api, c=code: entry(api, f"{c}-15") for _ in range(5)])
        posted = [one for one in answers[1:] if not isinstance(one, ApiError)]
        closed_at = again(erp, "periods", period)["closed_at"]
        assert closed_at
        for one in answers[1:]:
            if isinstance(one, ApiError):
                assert one.problem["code"] == "period_closed", one.problem
        found = erp.get("/journal-entries", **{"entry_date": f"{code}-15"})["data"]
        assert {one["id"] for one in found} == {one["id"] for one in posted}


def test_only_finance_closes(erp, stack, year):
    period = month(erp, f"{year}-09")
    sales = Api(stack.url("erp"), stack.token("erp", "sam", "sales"))
    assert sales.get(f"/periods/{period['id']}")["status"] == "open"
    refused(lambda: close(sales, period), 403)
    refused(lambda: sales.post("/periods", {"code": f"{year}-10"}), 403)
    finance = Api(stack.url("erp"), stack.token("erp", "fin", "finance"))
    close(finance, period)
