"""tests/api/test_erp_races.py -- clients at once: each piece and cent is given out once."""
import concurrent.futures
import contextlib
import threading
import time
import uuid

import psycopg2
from api import ApiError
from erp_records import (adjust, again, available, confirmed, customer, item, line, order, pay,
                         quantities, sold, trial_balance, verb)
from waiting import eventually


def at_once(stack, calls):
    """Runs each call(api) on a client of its own at the same time; answers and ApiErrors."""
    def one(call):
        try:
            return call(stack.api("erp"))
        except ApiError as error:
            return error
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def codes(answers):
    return {one.problem["code"] for one in answers if isinstance(one, ApiError)}


def test_of_orders_competing_for_the_last_pieces_none_gets_too_much(erp, stack):
    thing = item(erp, stock=5)
    orders = [order(erp, [line(thing, "2")]) for _ in range(6)]
    answers = at_once(stack, [lambda api, one=one: verb(api, "sales-orders", one, "confirm")
                              for one in orders])
    assert not [one for one in answers if isinstance(one, ApiError)], answers
    reserved = [quantities(again(erp, "sales-orders", one), "reserved")[0][0] for one in orders]
    assert sum(reserved) == 5 and max(reserved) == 2
    assert available(erp, thing) == (5, 5, 0)


def test_orders_by_reference_with_the_same_items_do_not_block_each_other(erp, stack):
    things, buyer = [item(erp, stock=100) for _ in range(4)], customer(erp, credit_limit="1000000")

    def place(api, n):
        lines = [line(thing, "1") for thing in (things if n % 2 else things[::-1])]
        return api.put(f"/sales-orders/by-ref/race:order:{uuid.uuid4().hex}",
                       {"customer_id": buyer["id"], "lines": lines})
    answers = at_once(stack, [lambda api, n=n: place(api, n) for n in range(12)])
    assert [one for one in answers if isinstance(one, ApiError)] == []
    assert [available(erp, thing) for thing in things] == [(100, 12, 88)] * 4


def test_one_reference_sent_by_many_makes_one_order(erp, stack):
    thing, buyer, ref = item(erp, stock=9), customer(erp), f"race:order:{uuid.uuid4().hex}"
    answers = at_once(stack, [lambda api: api.put(
        f"/sales-orders/by-ref/{ref}", {"customer_id": buyer["id"], "lines": [line(thing, "3")]})
        for _ in range(6)])
    assert {one["id"] for one in answers} == {answers[0]["id"]}
    assert available(erp, thing) == (9, 3, 6)


def test_drafts_made_at_once_never_share_a_piece(erp, stack):
    made = confirmed(erp, [line(item(erp, stock=5), "5")])
    part = {"lines": [{"order_line_id": made["lines"][0]["id"], "quantity": "2"}]}
    answers = at_once(stack, [lambda api: verb(api, "sales-orders", made, "deliveries", part)
                              for _ in range(5)])
    assert len([one for one in answers if not isinstance(one, ApiError)]) == 2
    assert {one.status for one in answers if isinstance(one, ApiError)} == {422}


def test_a_delivery_shipped_by_two_leaves_once(erp, stack):
    thing = item(erp, stock=5)
    delivery = verb(erp, "sales-orders", confirmed(erp, [line(thing, "2")]), "deliveries")
    answers = at_once(stack, [lambda api: verb(api, "deliveries", delivery, "ship")
                              for _ in range(4)])
    assert [one.status for one in answers if isinstance(one, ApiError)] == [409] * 3
    assert available(erp, thing) == (3, 0, 3)


def test_payments_at_once_never_pay_an_invoice_twice(erp, stack):
    invoice, made = sold(erp, "4", "25")
    named = {"allocations": [{"invoice_id": invoice["id"], "amount": "60"}]}
    answers = at_once(stack, [lambda api: pay(api, made["customer_id"], "60", **named)
                              for _ in range(3)])
    assert len([one for one in answers if not isinstance(one, ApiError)]) == 1
    assert codes(answers) == {"over_allocation"}
    assert again(erp, "invoices", invoice)["balance"] == "40.00"
    answers = at_once(stack, [lambda api: pay(api, made["customer_id"], "30") for _ in range(3)])
    assert sum(float(one["allocated"]) for one in answers) == 40
    assert again(erp, "invoices", invoice)["status"] == "paid"
    trial_balance(erp)


def test_credit_is_not_spent_twice_at_once(erp, stack):
    buyer, thing = customer(erp, credit_limit="100"), item(erp, stock=100)
    orders = [order(erp, [line(thing, "6", "10")], customer_id=buyer["id"]) for _ in range(4)]
    answers = at_once(stack, [lambda api, one=one: verb(api, "sales-orders", one, "confirm")
                              for one in orders])
    assert len([one for one in answers if not isinstance(one, ApiError)]) == 1
    assert codes(answers) == {"credit_limit"}


def test_invoices_posted_at_once_have_numbers_without_gaps(erp, stack):
    drafts = [verb(erp, "sales-orders", confirmed(erp, [line(item(erp, type="service"))]),
                   "invoices")
              for _ in range(6)]
    answers = at_once(stack, [lambda api, one=one: verb(api, "invoices", one, "post")
                              for one in drafts])
    numbers = sorted(int(one["number"].split("-")[2]) for one in answers)
    assert numbers == list(range(numbers[0], numbers[0] + 6))


def test_stock_arriving_while_orders_are_confirmed_is_all_given_out(erp, stack):
    thing = item(erp)
    orders = [order(erp, [line(thing, "2")]) for _ in range(5)]
    calls = [lambda api, one=one: verb(api, "sales-orders", one, "confirm") for one in orders]
    calls += [lambda api: adjust(api, thing, "2") for _ in range(5)]
    assert not [one for one in at_once(stack, calls) if isinstance(one, ApiError)]

    def all_is_given_out():
        return available(erp, thing) == (10, 10, 0)
    eventually(all_is_given_out, 20, 0.2)
    assert [quantities(again(erp, "sales-orders", one), "reserved")
            for one in orders] == [[(2,)]] * 5


# ---- orders that share one statement ----

@contextlib.contextmanager
def held(stack, record):
    """The customer is being changed: an order of his waits, and all that come after it."""
    with contextlib.closing(psycopg2.connect(stack.database_url)) as connection:
        connection.cursor().execute("SELECT FROM erp.customer WHERE id = %s FOR UPDATE",
                                    (record["id"],))
        yield


WAITS = "FROM pg_stat_activity WHERE usename = 'erp' AND wait_event_type = 'Lock'"


def an_order_waits(stack):
    return stack.sql(f"SELECT count(*) {WAITS}") != "0"


def come_together(stack, erp, bodies, meanwhile=lambda: None):
    """The first waits for a lock when the others come; meanwhile() goes before it is free."""
    buyer, thing = customer(erp), item(erp)
    first = {"customer_id": buyer["id"], "lines": [line(thing)]}
    first_waits = threading.Event()

    def post(api, body):
        if body is not first:
            first_waits.wait()
        return api.call("POST", "/sales-orders", body)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with held(stack, buyer):
            answers = pool.submit(at_once, stack, [lambda api, body=body: post(api, body)
                                                   for body in [first, *bodies]])
            eventually(lambda: an_order_waits(stack))
            first_waits.set()
            time.sleep(0.5)
            meanwhile()
        answers = answers.result()
    return answers[0], answers[1:]


def events_of(stack, orders):
    """How many they have, of how many records, traces and transactions."""
    ids = ",".join(str(one["id"]) for one in orders)
    return [int(number) for number in stack.sql(f"""
        SELECT concat_ws(' ', count(*), count(DISTINCT record_id), count(DISTINCT trace),
            count(DISTINCT txid))
        FROM erp.event WHERE entity = 'sales_order' AND record_id IN ({ids})""").split()]


def bodies_of(erp, count):
    things = [item(erp) for _ in range(3)]
    return [{"customer_id": customer(erp)["id"], "notes": f"number {n}",
             "lines": [line(things[k % 3], str(n + k + 1)) for k in range(n % 4)]}
            for n in range(count)]


def is_as_asked(made, body):
    wanted = [(one["item_id"], float(one["quantity"])) for one in body["lines"]]
    return (made["customer_id"], made["notes"]) == (body["customer_id"], body["notes"]) and [
        (one["item_id"], float(one["quantity"])) for one in made["lines"]] == wanted


def test_orders_that_come_at_once_are_made_by_one_statement_each_with_its_own(erp, stack):
    bodies = bodies_of(erp, 8)
    _, made = come_together(stack, erp, bodies)
    assert all(is_as_asked(one, body) for one, body in zip(made, bodies)), made
    assert all(again(erp, "sales-orders", one) == one for one in made)
    *each, transactions = events_of(stack, made)
    assert each == [8, 8, 8] and transactions < 8


def test_an_order_that_is_refused_spoils_none_that_came_with_it(erp, stack):
    bodies, ref = bodies_of(erp, 6), f"race:order:{uuid.uuid4().hex}"
    bodies[1]["lines"] = [line({"id": 99999999})]
    bodies[3]["external_ref"] = bodies[4]["external_ref"] = ref
    first, made = come_together(stack, erp, bodies)
    assert not isinstance(first, ApiError)
    assert made[1].status == 422
    assert [field["field"] for field in made[1].problem["errors"]] == ["lines[0].item_id"]
    twins = [one for one in made[3:5] if isinstance(one, ApiError)]
    assert [one.status for one in twins] == [409]
    good = [(one, body) for one, body in zip(made, bodies) if not isinstance(one, ApiError)]
    assert len(good) == 4 and all(is_as_asked(one, body) for one, body in good)
    assert events_of(stack, [one for one, _ in good])[:3] == [4, 4, 4]


def test_orders_whose_connection_ends_before_they_are_made_are_made_once(erp, stack):
    bodies = bodies_of(erp, 4)
    first, made = come_together(stack, erp, bodies, lambda: stack.sql(
        f"SELECT pg_terminate_backend(pid) {WAITS}"))
    assert not isinstance(first, ApiError)
    assert all(is_as_asked(one, body) for one, body in zip(made, bodies)), made
    buyers = ",".join(str(one["customer_id"]) for one in [first, *bodies])
    assert stack.sql("SELECT count(*) FROM erp.sales_order"
                     f" WHERE customer_id IN ({buyers})") == "5"
