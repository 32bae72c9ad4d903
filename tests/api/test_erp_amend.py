"""tests/api/test_erp_amend.py -- of a confirmed order what is open changes, and nothing is lost."""
import random
import time
import uuid
from decimal import Decimal

from api import Api, ApiError
from erp_records import (again, available, confirmed, customer, deliver, events, invoiced, item,
                         line, order, quantities, refused, verb)
from test_erp_races import at_once
from waiting import eventually


def amend(erp, made, lines, **members):
    return verb(erp, "sales-orders", made, "amend", {"lines": lines, **members})


def keep(made, n=0, **members):
    return {"id": made["lines"][n]["id"], **members}


def proposal(erp, made, lines, kind="amend", ref=None, version=1, **members):
    """As the bridge brings it; answers the amendment."""
    ref = ref or f"crm:opportunity_amendment:{uuid.uuid4().int % 10**9}"
    body = {"sales_order_id": made["id"], "base_revision": made["revision"], "kind": kind,
            "lines": lines, **members}
    return erp.put(f"/sales-order-amendments/by-ref/{ref}", body, {"Source-Version": str(version)})


def from_deal(erp, lines, **members):
    """An order by reference, with lines that the CRM has names for."""
    ref = f"crm:opportunity:{uuid.uuid4().int % 10**9}"
    return erp.put(f"/sales-orders/by-ref/{ref}", {
        "customer_id": customer(erp)["id"], "lines": lines, **members})


def conserved(made):
    """ordered = delivered + reserved + open + lost, with nothing below 0."""
    for row in made["lines"]:
        ordered, delivered, reserved, short, lost = (
            Decimal(row[name]) for name in ("quantity", "delivered", "reserved", "short", "lost"))
        assert min(delivered, reserved, short, lost) >= 0, row
        if made["status"] in ("confirmed", "on_hold", "partially_delivered", "delivered",
                              "completed"):
            assert ordered == delivered + reserved + short + lost, row
        assert delivered + reserved + lost <= ordered, row
        assert Decimal(row["invoiced"]) <= ordered, row
    assert Decimal(made["amount"]) == sum(Decimal(row["amount"]) for row in made["lines"])


def test_lines_are_changed_added_and_given_up_in_one_revision(erp):
    thing, other, new = item(erp, stock=10), item(erp, stock=10), item(erp, stock=10)
    made = confirmed(erp, [line(thing, "4"), line(other, "2", "5")])
    made = amend(erp, made, [keep(made, quantity="6", unit_price="9"), line(new, "3", "1.50")],
                 reason="asked by phone")
    assert (made["revision"], made["status"], made["total"]) == (1, "confirmed", "58.50")
    assert quantities(made, "quantity", "reserved") == [(6, 6), (3, 3)]
    assert available(erp, thing) == (10, 6, 4) and available(erp, new) == (10, 3, 7)
    assert available(erp, other) == (10, 0, 10)
    assert events(erp, "sales-orders", made)[-1] == "sales_order.amended"
    [kept] = erp.get("/sales-order-amendments", sales_order_id=made["id"], include="lines")["data"]
    assert (kept["revision"], kept["reason"], len(kept["lines"])) == (1, "asked by phone", 2)
    assert kept["number"] == f"{made['number']}/1"
    conserved(made)


def test_what_is_delivered_or_picked_stays_and_the_arithmetic_is_shown(erp):
    made = confirmed(erp, [line(item(erp, stock=20), "10")])
    row = made["lines"][0]["id"]
    deliver(erp, made, [{"order_line_id": row, "quantity": "3"}])
    picked = verb(erp, "sales-orders", made, "deliveries",
                  {"lines": [{"order_line_id": row, "quantity": "2"}]})
    verb(erp, "deliveries", picked, "pick")
    problem = refused(lambda: amend(erp, made, [keep(made, quantity="4")]), 422)
    assert problem["code"] == "not_amendable"
    [shown] = problem["lines"]
    assert [float(shown[name]) for name in ("wanted", "ordered", "delivered", "allocated")] == [
        4, 10, 3, 2]
    assert "delivered 3.0000, allocated 2.0000" in problem["detail"] and problem["hint"]
    refused(lambda: amend(erp, made, [line(item(erp), "1")]), 422)
    now = amend(erp, made, [keep(made, quantity="5")])
    assert quantities(now, "quantity", "delivered", "reserved") == [(5, 3, 2)]
    assert verb(erp, "deliveries", picked, "ship")["status"] == "shipped"
    now = again(erp, "sales-orders", made)
    assert (now["status"], now["revision"]) == ("delivered", 1)
    conserved(now)


def test_a_draft_delivery_gives_way(erp):
    made = confirmed(erp, [line(item(erp, stock=9), "5"), line(item(erp, stock=9), "1")])
    draft = verb(erp, "sales-orders", made, "deliveries")
    now = amend(erp, made, [keep(made, quantity="6"), keep(made, 1)])
    assert again(erp, "deliveries", draft)["status"] == "draft"
    now = amend(erp, made, [keep(made, quantity="2")])
    draft = again(erp, "deliveries", draft)
    assert draft["status"] == "cancelled"
    assert [row["order_line_id"] for row in draft["lines"]] == [made["lines"][0]["id"], None]
    assert quantities(now, "quantity", "reserved") == [(2, 2)]


def test_what_is_invoiced_keeps_its_price_and_quantity(erp):
    made = confirmed(erp, [line(item(erp, type="service"), "4"), line(item(erp, stock=9), "4")])
    service = made["lines"][0]["id"]
    invoiced(erp, made, [{"order_line_id": service, "quantity": "3"}])
    for change in ({"quantity": "2"}, {"unit_price": "9"}, {"tax_percent": "1"}):
        problem = refused(lambda: amend(erp, made, [keep(made, **change), keep(made, 1)]), 422)
        assert problem["code"] == "not_amendable" and "invoiced 3.0000" in problem["detail"]
    now = amend(erp, made, [keep(made, quantity="3"), keep(made, 1, unit_price="8")])
    assert now["total"] == "62.00" and now["invoice_status"] == "partial"
    draft = verb(erp, "sales-orders", now, "invoices", {
        "lines": [{"order_line_id": now["lines"][1]["id"], "quantity": "1"}]})
    refused(lambda: amend(erp, made, [keep(made), keep(made, 1, unit_price="7")]), 422)
    verb(erp, "invoices", draft, "cancel")
    amend(erp, made, [keep(made), keep(made, 1, unit_price="7")])


def test_credit_is_asked_only_when_the_order_costs_more(erp):
    buyer = customer(erp, credit_limit="100")
    made = confirmed(erp, [line(item(erp, stock=99), "10")], customer_id=buyer["id"])
    problem = refused(lambda: amend(erp, made, [keep(made, quantity="11")]), 422)
    assert problem["code"] == "credit_limit"
    assert problem["depends_on"] == [f"customer:{buyer['id']}"]
    erp.patch(f"/customers/{buyer['id']}", {"credit_status": "hold"})
    made = amend(erp, made, [keep(made, quantity="9")])
    assert refused(lambda: amend(erp, made, [keep(made, quantity="10")]),
                   422)["code"] == "credit_hold"
    erp.patch(f"/customers/{buyer['id']}", {"credit_status": "ok"})
    deliver(erp, made, [{"order_line_id": made["lines"][0]["id"], "quantity": "5"}])
    invoiced(erp, made)
    made = amend(erp, made, [keep(made, quantity="10")])
    assert (made["revision"], made["status"]) == (2, "partially_delivered")
    refused(lambda: amend(erp, made, [keep(made, quantity="10.1")]), 422)


def test_totals_must_be_what_was_agreed(erp):
    made = confirmed(erp, [line(item(erp), "3", "0.335")])
    problem = refused(lambda: amend(erp, made, [keep(made, quantity="5")], agreed_total="1.67"),
                      422, "agreed_total")
    assert (problem["code"], problem["total"]) == ("total_mismatch", "1.68")
    assert amend(erp, made, [keep(made, quantity="5")], agreed_total="1.68")["revision"] == 1


def test_freed_stock_goes_to_who_waits_and_a_larger_order_waits_for_more(erp):
    thing = item(erp, stock=5)
    first, second = (confirmed(erp, [line(thing, "4")]) for _ in range(2))
    assert quantities(second, "reserved", "short") == [(1, 3)]
    amend(erp, first, [keep(first, quantity="1")])
    second = again(erp, "sales-orders", second)
    assert quantities(second, "reserved", "short") == [(4, 0)]
    first = amend(erp, first, [keep(first, quantity="3")])
    assert quantities(first, "reserved", "short") == [(1, 2)]
    assert first["promised_date"]


def test_a_bundle_is_amended_by_its_components(erp):
    part, other = item(erp, stock=20), item(erp, stock=20)
    bundle = item(erp, components=[{"component_id": part["id"], "quantity": "2"},
                                   {"component_id": other["id"], "quantity": "1"}])
    made = confirmed(erp, [line(bundle, "3")])
    made = amend(erp, made, [keep(made, quantity="5")])
    assert quantities(made, "reserved") == [(5,)]
    assert available(erp, part)[1] == 10 and available(erp, other)[1] == 5
    made = amend(erp, made, [keep(made, quantity="1"), line(bundle, "2")])
    assert quantities(made, "reserved") == [(1,), (2,)] and available(erp, part)[1] == 6
    made = amend(erp, made, [keep(made, 1)])
    assert available(erp, part)[1] == 4
    conserved(deliver(erp, made) and again(erp, "sales-orders", made))


def test_orders_that_are_no_longer_open_are_refused(erp):
    draft = order(erp, [line(item(erp))])
    assert "Edit" in refused(lambda: amend(erp, draft, [keep(draft)]), 409)["hint"]
    for name in ("cancel", "close"):
        made = verb(erp, "sales-orders", confirmed(erp, [line(item(erp))]), name)
        assert made["revision"] == 1
        refused(lambda: amend(erp, made, [keep(made)]), 409)


def test_every_bad_line_is_named(erp):
    made = confirmed(erp, [line(item(erp)), line(item(erp))])
    foreign = confirmed(erp, [line(item(erp))])
    refused(lambda: amend(erp, made, []), 422, "lines")
    refused(lambda: amend(erp, made, [{"unit_price": "1"}]), 422, "lines[0].item_id",
            "lines[0].quantity")
    refused(lambda: amend(erp, made, [{"item_id": item(erp)["id"], "quantity": "1"}]), 422,
            "lines[0].unit_price")
    refused(lambda: amend(erp, made, [keep(foreign), keep(made), keep(made),
                                      keep(made, 1, item_id=item(erp)["id"])]),
            422, "lines[0].id", "lines[1].id", "lines[2].id", "lines[3].item_id")
    refused(lambda: amend(erp, made, [keep(made, quantity="0")]), 422)
    refused(lambda: amend(erp, made, [keep(made, quantity="9" * 40)]), 422, "lines[0].quantity")
    refused(lambda: amend(erp, made, [{"item_id": 1 << 40, "quantity": "1"}]), 422,
            "lines[0].item_id")
    inactive = item(erp)
    erp.patch(f"/items/{inactive['id']}", {"active": False})
    problem = refused(lambda: amend(erp, made, [keep(made), line(inactive)]), 422)
    assert problem["code"] == "inactive" and problem["depends_on"] == [f"item:{inactive['id']}"]
    assert again(erp, "sales-orders", made)["revision"] == 0


# ---- as the bridge brings it ----

def test_a_proposal_is_applied_once_however_often_it_comes(erp):
    thing, new = item(erp, stock=9), item(erp, stock=9)
    made = from_deal(erp, [line(thing, "4", source_line="71"), line(thing, "1", source_line="72")])
    ref = f"crm:opportunity_amendment:{uuid.uuid4().int % 10**9}"
    lines = [line(thing, "3", source_line="71"), line(new, "2", "7", source_line="99")]
    told = proposal(erp, made, lines, ref=ref, agreed_total="44.00")
    assert (told["source_result"], told["revision"]) == ("created", 1)
    assert told["number"] == f"{made['number']}/1"
    now = again(erp, "sales-orders", made)
    assert [row["source_line"] for row in now["lines"]] == ["71", "99"]
    assert now["lines"][0]["id"] == made["lines"][0]["id"]
    assert (now["revision"], now["total"], now["agreed_total"]) == (1, "44.00", "44.00")
    assert proposal(erp, made, lines, ref=ref)["source_result"] == "unchanged"
    late = proposal(erp, made, [], ref=ref, version=2, withdrawn=True)
    assert late["source_result"] == "unchanged" and late["number"] == told["number"]
    assert proposal(erp, made, lines, ref=ref)["source_result"] == "superseded"
    assert again(erp, "sales-orders", made)["version"] == now["version"]
    refused(lambda: erp.patch(f"/sales-order-amendments/{told['id']}", {"reason": "x"}), 409)


def test_a_withdrawal_that_comes_first_keeps_the_proposal_out(erp):
    thing = item(erp, stock=9)
    made = from_deal(erp, [line(thing, "4", source_line="71")])
    ref = f"crm:opportunity_amendment:{uuid.uuid4().int % 10**9}"
    lines = [line(thing, "3", source_line="71")]
    told = proposal(erp, made, lines, ref=ref, version=2, withdrawn=True)
    assert (told["number"], told["revision"], told["withdrawn"]) == (None, None, True)
    assert proposal(erp, made, lines, ref=ref)["source_result"] == "superseded"
    assert again(erp, "sales-orders", made)["revision"] == 0


def test_a_proposal_for_another_revision_is_refused(erp):
    thing = item(erp, stock=9)
    made = from_deal(erp, [line(thing, "4", source_line="71")])
    amend(erp, made, [keep(made, quantity="5")])
    problem = refused(lambda: proposal(erp, made, [line(thing, "3", source_line="71")]), 409)
    assert (problem["code"], problem["revision"], problem["base_revision"]) == (
        "revision_mismatch", 1, 0)
    now = again(erp, "sales-orders", made)
    assert proposal(erp, now, [line(thing, "3", source_line="71")])["revision"] == 2


def test_a_cancellation_frees_everything_as_long_as_nothing_has_left(erp):
    thing = item(erp, stock=9)
    made = from_deal(erp, [line(thing, "4"), line(item(erp, type="service"))])
    delivery = verb(erp, "sales-orders", made, "deliveries",
                    {"lines": [{"order_line_id": made["lines"][0]["id"], "quantity": "2"}]})
    verb(erp, "deliveries", delivery, "pick")
    draft = verb(erp, "sales-orders", made, "invoices", {
        "lines": [{"order_line_id": made["lines"][1]["id"], "quantity": "1"}]})
    assert proposal(erp, made, [], kind="cancel", reason="gone")["revision"] == 1
    now = again(erp, "sales-orders", made)
    assert (now["status"], now["revision"]) == ("cancelled", 1)
    assert again(erp, "deliveries", delivery)["status"] == "cancelled"
    assert again(erp, "invoices", draft)["status"] == "cancelled"
    assert available(erp, thing) == (9, 0, 9)
    assert events(erp, "sales-orders", now)[-1] == "sales_order.cancelled"


def test_a_cancellation_is_refused_with_a_remedy_once_something_has_left_or_is_invoiced(erp):
    made = from_deal(erp, [line(item(erp, stock=9), "4")])
    shipped = deliver(erp, made, [{"order_line_id": made["lines"][0]["id"], "quantity": "1"}])
    problem = refused(lambda: proposal(erp, made, [], kind="cancel"), 422)
    assert problem["code"] == "not_amendable" and shipped["number"] in problem["detail"]
    assert "return" in problem["hint"] and "close" in problem["hint"]
    made = from_deal(erp, [line(item(erp, type="service"))])
    invoice = invoiced(erp, made)
    problem = refused(lambda: proposal(erp, made, [], kind="cancel"), 422)
    assert invoice["number"] in problem["detail"] and "Credit" in problem["hint"]
    verb(erp, "invoices", invoice, "credit")
    refs = proposal(erp, again(erp, "sales-orders", made), [], kind="cancel")
    assert refs["revision"] == 1


# ---- at once ----

def test_of_shipping_and_amending_at_once_one_wins(erp, stack):
    for _ in range(6):
        made = confirmed(erp, [line(item(erp, stock=9), "6")])
        delivery = verb(erp, "sales-orders", made, "deliveries")
        shipped, amended = at_once(stack, [
            lambda api, d=delivery: verb(api, "deliveries", d, "ship"),
            lambda api, m=made: amend(api, m, [keep(m, quantity="2")])])
        now = again(erp, "sales-orders", made)
        conserved(now)
        if isinstance(amended, ApiError):
            assert amended.problem["code"] == "not_amendable", amended.problem
            assert quantities(now, "quantity", "delivered") == [(6, 6)]
        else:
            assert isinstance(shipped, ApiError) and shipped.status == 409
            assert quantities(now, "quantity", "delivered", "reserved") == [(2, 0, 2)]


def test_of_shipping_and_cancelling_at_once_one_wins(erp, stack):
    for _ in range(6):
        thing = item(erp, stock=9)
        made = from_deal(erp, [line(thing, "6")])
        delivery = verb(erp, "sales-orders", made, "deliveries")
        shipped, cancelled = at_once(stack, [
            lambda api, d=delivery: verb(api, "deliveries", d, "ship"),
            lambda api, m=made: proposal(api, m, [], kind="cancel")])
        assert isinstance(shipped, ApiError) != isinstance(cancelled, ApiError)
        now = again(erp, "sales-orders", made)
        if isinstance(shipped, ApiError):
            assert now["status"] == "cancelled" and available(erp, thing) == (9, 0, 9)
        else:
            assert cancelled.problem["code"] == "not_amendable"
            assert now["status"] == "delivered" and available(erp, thing) == (3, 0, 3)


def test_amendments_at_once_make_one_revision_each(erp, stack):
    thing = item(erp, stock=50)
    made = from_deal(erp, [line(thing, "4", source_line="1")])
    answers = at_once(stack, [lambda api, n=n: proposal(
        api, made, [line(thing, str(n), source_line="1")]) for n in range(5, 10)])
    won = [one for one in answers if not isinstance(one, ApiError)]
    assert len(won) == 1
    assert {one.problem["code"] for one in answers if isinstance(one, ApiError)} == {
        "revision_mismatch"}
    assert again(erp, "sales-orders", made)["revision"] == 1


def test_random_work_on_one_order_conserves_quantities(erp, stack):
    seed = random.randrange(10**6)
    print("seed", seed)
    things = [item(erp, stock=40) for _ in range(3)]
    made = confirmed(erp, [line(thing, "6") for thing in things])
    deadline = time.monotonic() + 4
    api_token = stack.tokens["erp"]

    def work(n):
        api, chance = Api(stack.url("erp"), api_token), random.Random(seed + n)

        def step():
            now = again(api, "sales-orders", made)
            conserved(now)
            choice = chance.random()
            if choice < 0.45:
                kept = [row for row in now["lines"] if chance.random() < 0.8]
                lines = [{"id": row["id"], "quantity": str(
                    max(1, int(float(row["delivered"])) + chance.randint(0, 6)))} for row in kept]
                if not lines or chance.random() < 0.3:
                    lines.append(line(chance.choice(things), str(chance.randint(1, 5))))
                amend(api, made, lines)
            elif choice < 0.65:
                verb(api, "sales-orders", made, "deliveries")
            else:
                found = api.get("/deliveries", sales_order_id=made["id"],
                                **{"status[in]": "draft,picked,packed"})["data"]
                if found:
                    verb(api, "deliveries", chance.choice(found),
                         chance.choice(["pick", "ship", "ship", "cancel"]))
        while time.monotonic() < deadline:
            try:
                step()
            except ApiError as error:
                assert error.status in (409, 422), error.problem
    for failed in at_once(stack, [lambda api, n=n: work(n) for n in range(4)]):
        assert failed is None, failed
    now = again(erp, "sales-orders", made)
    conserved(now)
    shipped = {}
    for delivery in erp.all("/deliveries", sales_order_id=made["id"], include="lines"):
        for row in delivery["lines"]:
            if delivery["status"] == "shipped":
                shipped[row["order_line_id"]] = (
                    shipped.get(row["order_line_id"], 0) + float(row["quantity"]))
    assert shipped == {row["id"]: float(row["delivered"]) for row in now["lines"]
                       if float(row["delivered"])}

    def stock_adds_up():
        return all(available(erp, thing) == (
            40 - sum(float(row["delivered"]) for row in now["lines"]
                     if row["item_id"] == thing["id"]),
            sum(float(row["reserved"]) for row in again(erp, "sales-orders", made)["lines"]
                if row["item_id"] == thing["id"]),
            available(erp, thing)[2]) for thing in things)
    eventually(stock_adds_up)
