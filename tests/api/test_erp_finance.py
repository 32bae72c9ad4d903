"""tests/api/test_erp_finance.py -- invoices, payments, credit notes and the ledger behind them."""
import datetime

from erp_records import (again, booked, confirmed, customer, deliver, events, invoiced, item, line,
                         order, pay, quantities, refused, sold, trial_balance, verb)
from waiting import eventually


def parts(made, *amounts):
    return [{"order_line_id": one["id"], "quantity": amount}
            for one, amount in zip(made["lines"], amounts)]


def test_posting_gives_a_number_a_due_date_and_books_it(erp):
    buyer = customer(erp, payment_terms_days=10)
    made = confirmed(erp, [line(item(erp, stock=2), "2", "50", tax_percent="20")],
                     customer_id=buyer["id"], tax_mode="exclusive")
    deliver(erp, made)
    draft = verb(erp, "sales-orders", made, "invoices")
    assert (draft["status"], draft["number"], draft["balance"]) == ("draft", None, "0.00")
    moved, invoice = booked(erp, lambda: verb(erp, "invoices", draft, "post"))
    assert moved == {"1100": 120, "4000": -100, "2200": -20}
    assert (invoice["status"], invoice["total"], invoice["balance"]) == (
        "posted", "120.00", "120.00")
    day = datetime.date.fromisoformat(invoice["invoice_date"])
    assert invoice["due_date"] == str(day + datetime.timedelta(days=10))
    buyer = again(erp, "customers", buyer)
    assert (buyer["open_balance"], buyer["overdue_balance"]) == ("120.00", "0.00")
    assert events(erp, "customers", buyer)[-1] == "customer.finance_changed"
    refused(lambda: verb(erp, "invoices", invoice, "post"), 409)


def test_contained_tax_is_taken_out_of_revenue(erp):
    made = confirmed(erp, [line(item(erp, stock=1), "1", "119", tax_percent="19")],
                     tax_mode="inclusive")
    deliver(erp, made)
    moved, invoice = booked(erp, lambda: invoiced(erp, made))
    assert (invoice["amount"], invoice["tax_amount"], invoice["total"]) == (
        "119.00", "19.00", "119.00")
    assert moved == {"1100": 119, "4000": -100, "2200": -19}


def test_invoice_numbers_have_no_gaps(erp):
    numbers = [int(sold(erp, "1")[0]["number"].split("-")[2]) for _ in range(3)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_parts_of_a_line_come_to_its_amount_exactly(erp):
    made = confirmed(erp, [line(item(erp, stock=3), "3", "3.3333", tax_percent="7")],
                     tax_mode="exclusive")
    deliver(erp, made)
    assert (made["amount"], made["tax_amount"]) == ("10.00", "0.70")
    invoices = [invoiced(erp, made, parts(made, "1")) for _ in range(3)]
    assert [one["amount"] for one in invoices] == ["3.33", "3.34", "3.33"]
    assert [one["tax_amount"] for one in invoices] == ["0.23", "0.24", "0.23"]
    made = again(erp, "sales-orders", made)
    assert (made["status"], made["invoiced_total"]) == ("completed", "10.70")


def test_a_cancelled_draft_leaves_its_quantity_to_be_invoiced(erp):
    made = confirmed(erp, [line(item(erp, stock=3), "3", "3.3333")])
    deliver(erp, made)
    drafts = [verb(erp, "sales-orders", made, "invoices", {"lines": parts(made, "1")})
              for _ in range(2)]
    verb(erp, "invoices", drafts[0], "cancel")
    verb(erp, "invoices", drafts[1], "post")
    assert invoiced(erp, made)["amount"] == "6.66"


def test_only_what_is_delivered_is_invoiced_by_default_and_never_more_than_ordered(erp):
    made = confirmed(erp, [line(item(erp, stock=5), "5")])
    problem = refused(lambda: verb(erp, "sales-orders", made, "invoices"), 422)
    assert "hint" in problem
    deliver(erp, made, parts(made, "2"))
    assert invoiced(erp, made)["lines"][0]["quantity"] == "2.0000"
    refused(lambda: verb(erp, "sales-orders", made, "invoices"), 422)
    problem = refused(lambda: verb(erp, "sales-orders", made, "invoices",
                                   {"lines": parts(made, "4")}), 422)
    assert (problem["lines"][0]["wanted"], problem["lines"][0]["invoiced"]) == ("4.0000", "2.0000")


def test_bad_invoice_lines_and_dates_are_named(erp):
    made = confirmed(erp, [line(item(erp, stock=5), "5")])
    [one] = made["lines"]
    refused(lambda: verb(erp, "sales-orders", made, "invoices", {"lines": [
        {"order_line_id": one["id"], "quantity": "0"},
        {"order_line_id": 999999999, "quantity": "1"}]}),
        422, "lines[0].quantity", "lines[1].order_line_id")
    refused(lambda: verb(erp, "sales-orders", made, "invoices", {"lines": parts(made, "1") * 2}),
            422, "lines[0].order_line_id", "lines[1].order_line_id")
    refused(lambda: verb(erp, "sales-orders", made, "invoices", {
        "lines": parts(made, "1"), "invoice_date": "2026-02-01", "due_date": "2026-01-01"}), 422,
        "due_date")
    refused(lambda: verb(erp, "sales-orders", order(erp, [line(item(erp))]), "invoices"), 409)


def test_payments_go_to_the_oldest_invoice_first(erp):
    buyer = customer(erp)
    thing = item(erp, stock=9)
    invoices = []
    for due in ("2031-03-01", "2031-01-01", "2031-02-01"):
        made = confirmed(erp, [line(thing, "1", "100")], customer_id=buyer["id"])
        deliver(erp, made)
        invoices.append(invoiced(erp, made, due_date=due))
    moved, payment = booked(erp, lambda: pay(erp, buyer["id"], "150"))
    assert moved == {"1000": 150, "1100": -150}
    assert [(one["invoice_id"], one["amount"]) for one in payment["allocations"]] == [
        (invoices[1]["id"], "100.00"), (invoices[2]["id"], "50.00")]
    states = [again(erp, "invoices", one) for one in invoices]
    assert [(one["status"], one["balance"]) for one in states] == [
        ("posted", "100.00"), ("paid", "0.00"), ("partially_paid", "50.00")]
    assert events(erp, "invoices", invoices[1])[-1] == "invoice.paid"
    assert events(erp, "invoices", invoices[2])[-1] == "invoice.partially_paid"
    assert again(erp, "customers", buyer)["open_balance"] == "150.00"


def test_what_is_left_of_a_payment_is_unapplied_cash_to_allocate_later(erp):
    buyer = customer(erp)
    moved, payment = booked(erp, lambda: pay(erp, buyer["id"], "150"))
    assert moved == {"1000": 150, "2100": -150}
    assert (payment["allocated"], payment["unapplied"]) == ("0.00", "150.00")
    invoice, _ = sold(erp, "4", "25", customer_id=buyer["id"])
    assert again(erp, "customers", buyer)["unapplied_cash"] == "150.00"
    moved, payment = booked(erp, lambda: verb(erp, "payments", payment, "allocate", {
        "allocations": [{"invoice_id": invoice["id"], "amount": "40"}]}))
    assert moved == {"2100": 40, "1100": -40}
    payment = verb(erp, "payments", payment, "allocate")
    assert (payment["allocated"], payment["unapplied"]) == ("100.00", "50.00")
    assert again(erp, "invoices", invoice)["status"] == "paid"


def test_nothing_is_allocated_twice(erp):
    invoice, made = sold(erp, "4", "25")
    problem = refused(lambda: pay(erp, made["customer_id"], "200", allocations=[
        {"invoice_id": invoice["id"], "amount": "100.01"}]), 422)
    assert problem["code"] == "over_allocation"
    assert (problem["allocations"][0]["wanted"],
            problem["allocations"][0]["balance"]) == ("100.01", "100.00")
    problem = refused(lambda: pay(erp, made["customer_id"], "50", allocations=[
        {"invoice_id": invoice["id"], "amount": "50.01"}]), 422)
    assert (problem["available"], problem["allocated"]) == ("50.00", "50.01")
    refused(lambda: pay(erp, made["customer_id"], "200", allocations=[
        {"invoice_id": invoice["id"], "amount": "60"},
        {"invoice_id": invoice["id"], "amount": "60"}]), 422)
    assert again(erp, "invoices", invoice)["balance"] == "100.00"


def test_bad_payments_are_named(erp):
    invoice, made = sold(erp)
    stranger = customer(erp)["id"]
    for amount in ("0", "-1", "1" * 30, "1.001", "ten"):
        refused(lambda: pay(erp, stranger, amount), 422, "amount")
    refused(lambda: pay(erp, 999999999, "1"), 422, "customer_id")
    refused(lambda: pay(erp, stranger, "1",
                        allocations=[{"invoice_id": invoice["id"], "amount": "1"}]),
            422, "allocations[0].invoice_id")
    refused(lambda: pay(erp, stranger, "1", allocations=[{"invoice_id": 999999999, "amount": "1"}]),
            422, "allocations[0].invoice_id")
    draft = verb(erp, "sales-orders", confirmed(erp, [line(item(erp, type="service"))],
                                                customer_id=made["customer_id"]), "invoices")
    refused(lambda: pay(erp, made["customer_id"], "1", allocations=[
        {"invoice_id": draft["id"], "amount": "1"}]), 422, "allocations[0].invoice_id")
    payment = pay(erp, stranger, "5")
    refused(lambda: erp.patch(f"/payments/{payment['id']}", {"amount": "6"}), 409)


def test_a_credit_note_takes_back_quantity_and_balance(erp):
    invoice, made = sold(erp, "4", "25")
    moved, note = booked(erp, lambda: verb(erp, "invoices", invoice, "credit", {
        "lines": [{"invoice_line_id": invoice["lines"][0]["id"], "quantity": "1"}],
        "reason": "broken"}))
    assert moved == {"1100": -25, "4000": 25}
    assert (note["kind"], note["total"], note["reverses_id"], note["status"], note["balance"]) == (
        "credit_note", "25.00", invoice["id"], "paid", "0.00")
    assert note["number"].startswith("CN-")
    invoice = again(erp, "invoices", invoice)
    assert (invoice["status"], invoice["balance"], invoice["credited"]) == (
        "posted", "75.00", "25.00")
    made = again(erp, "sales-orders", made)
    assert quantities(made, "delivered", "invoiced") == [(4, 3)]
    assert made["invoice_status"] == "partial"
    verb(erp, "invoices", invoice, "credit")
    invoice = again(erp, "invoices", invoice)
    assert (invoice["status"], invoice["balance"]) == ("credited", "0.00")
    refused(lambda: verb(erp, "invoices", invoice, "credit"), 409)


def test_crediting_a_paid_invoice_leaves_the_customer_a_credit(erp):
    invoice, made = sold(erp, "4", "25")
    pay(erp, made["customer_id"], "100")
    note = verb(erp, "invoices", invoice, "credit")
    assert (note["status"], note["balance"]) == ("posted", "100.00")
    assert again(erp, "invoices", invoice)["status"] == "paid"
    assert again(erp, "customers", {"id": made["customer_id"]})["open_balance"] == "-100.00"


def test_more_than_invoiced_is_not_credited(erp):
    invoice, _ = sold(erp, "4", "25")
    problem = refused(lambda: verb(erp, "invoices", invoice, "credit", {
        "lines": [{"invoice_line_id": invoice["lines"][0]["id"], "quantity": "5"}]}), 422)
    assert (problem["lines"][0]["wanted"], problem["lines"][0]["invoiced"]) == ("5.0000", "4.0000")


def test_an_invoice_past_its_due_date_is_overdue_until_it_is_paid(erp):
    made = confirmed(erp, [line(item(erp, stock=1), "1", "80")])
    deliver(erp, made)
    invoice = invoiced(erp, made, invoice_date="2020-01-01", due_date="2020-01-31")
    assert invoice["status"] == "overdue" and invoice["number"].startswith("INV-2020-")
    assert again(erp, "customers", {"id": made["customer_id"]})["overdue_balance"] == "80.00"
    pay(erp, made["customer_id"], "30")
    assert again(erp, "invoices", invoice)["status"] == "overdue"
    pay(erp, made["customer_id"], "50")
    assert again(erp, "invoices", invoice)["status"] == "paid"


def test_the_clock_makes_an_invoice_overdue_and_says_so(erp, stack):
    invoice, _ = sold(erp)
    stack.sql(f"UPDATE erp.invoice SET due_date = current_date - 1 WHERE id = {invoice['id']}")

    def overdue():
        return again(erp, "invoices", invoice)["status"] == "overdue"
    eventually(overdue, 90, 0.5)
    assert events(erp, "invoices", invoice)[-1] == "invoice.overdue"


def test_a_manual_entry_must_balance(erp):
    accounts = {one["code"]: one["id"] for one in erp.all("/ledger-accounts")}

    def entry(debit, credit):
        return erp.post("/journal-entries", {"memo": "opening", "lines": [
            {"ledger_account_id": accounts["1000"], "debit": debit},
            {"ledger_account_id": accounts["3000"], "credit": credit}]})
    moved, made = booked(erp, lambda: entry("500", "500"))
    assert moved == {"1000": 500, "3000": -500} and made["kind"] == "manual"
    problem = refused(lambda: entry("500", "499.99"), 422)
    assert problem["code"] == "not_balanced"
    assert (problem["total_debit"], problem["total_credit"]) == ("500.00", "499.99")
    refused(lambda: entry("-1", "-1"), 422)
    refused(lambda: erp.post("/journal-entries", {"lines": []}), 422, "lines")
    refused(lambda: erp.patch(f"/journal-entries/{made['id']}", {"memo": "x"}), 409)


def test_the_database_itself_refuses_to_change_the_books(erp, stack):
    invoice, _ = sold(erp)
    for statement in ("UPDATE erp.journal_line SET debit = debit + 1",
                      "DELETE FROM erp.journal_entry",
                      "UPDATE erp.stock_move SET quantity = 1"):
        try:
            stack.sql(statement)
        except Exception as error:   # noqa: BLE001 -- whatever the stack says psql said
            assert "never changed" in str(error)
        else:
            raise AssertionError(statement)
    assert invoice["balance"] == "100.00"


def test_receivable_rows_carry_the_customer_and_the_due_date(erp):
    invoice, made = sold(erp)
    [entry] = erp.get("/journal-entries", source_entity="invoice", source_id=invoice["id"],
                      include="lines")["data"]
    [receivable] = [one for one in entry["lines"] if one["customer_id"]]
    assert (receivable["customer_id"], receivable["due_date"], receivable["debit"]) == (
        made["customer_id"], invoice["due_date"], "100.00")


def test_the_trial_balance_can_be_asked_for_a_day(erp):
    sold(erp)
    trial_balance(erp)
    early = erp.get("/reports/trial-balance", as_of="2019-12-31")
    assert early["rows"] == [] and early["total_debit"] == "0.00"
    assert erp.raw("GET", "/reports/trial-balance?asof=x").status == 400
    assert erp.raw("GET", "/reports/trial-balance?as_of=tomorrowish").status in (400, 422)
