"""tests/api/test_crm_opportunities.py -- deals: totals to the cent, stages, won, lost, handover."""
import datetime
import threading
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import Api
from crm_records import (account, crm_alone, deal, events, line, product, refused, stage, unique,
                         verb)

CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def stack():
    yield from crm_alone()


@pytest.fixture
def relay(stack):
    """The bridge's own client."""
    return Api(stack.url("crm"), stack.token("crm", "bridge", "bridge"))


def cents(amount):
    return amount.quantize(CENT, ROUND_HALF_UP)


def test_a_deal_needs_account_name_and_close_date(crm):
    refused(lambda: crm.post("/opportunities", {}), 422, "account_id", "close_date", "name")


def test_all_bad_fields_of_header_and_lines_are_named_at_once(crm):
    bad = line(product(crm)["id"], "-1", "x", discount_percent="101")
    refused(lambda: crm.post("/opportunities", {"name": "x", "status": "won", "lines": [bad]}),
            422, "account_id", "close_date", "status", "lines[0].quantity", "lines[0].unit_price",
            "lines[0].discount_percent")
    del bad["unit_price"]
    refused(lambda: crm.post("/opportunities", {"name": "x", "lines": [bad]}), 422, "account_id",
            "close_date", "lines[0].quantity", "lines[0].unit_price", "lines[0].discount_percent")


def test_a_deal_starts_open_in_the_first_stage_of_the_default_pipeline(crm):
    made = deal(crm)
    assert (made["status"], made["stage"]) == ("open", "Prospecting")
    assert made["probability"] == "10.0000"
    assert (made["amount"], made["total"], made["expected_revenue"]) == ("10.00", "10.00", "1.00")
    assert made["handover"] is None
    assert made["number"].startswith(f"OPP-{datetime.date.today().year}-")


def test_a_deal_is_in_its_accounts_currency(crm):
    company = account(crm, currency="EUR")
    assert deal(crm, account_id=company["id"])["currency"] == "EUR"
    assert deal(crm, account_id=company["id"], currency="CHF")["currency"] == "CHF"


def test_a_deal_may_start_in_a_later_stage(crm):
    made = deal(crm, stage_id=stage(crm, "Proposal"))
    assert (made["stage"], made["probability"]) == ("Proposal", "50.0000")
    refused(lambda: deal(crm, stage_id=stage(crm, "Closed Won")), 422, "stage_id")


def test_each_line_is_rounded_half_up_and_the_amount_is_their_sum(crm):
    made = product(crm)["id"]
    sold = deal(crm, lines=[line(made, "3", "0.335"), line(made, "1", "1.005"),
                            line(made, "7", "9.99", discount_percent="12.5")])
    assert [each["amount"] for each in sold["lines"]] == ["1.01", "1.01", "61.19"]
    assert sold["amount"] == "63.21"


def test_tax_comes_on_top_or_is_contained_per_line(crm):
    made = product(crm)["id"]
    lines = [line(made, "1", "0.33", tax_percent="19"), line(made, "1", "0.33", tax_percent="19")]
    on_top = deal(crm, lines=lines, tax_mode="exclusive")
    assert (on_top["amount"], on_top["tax_amount"], on_top["total"]) == ("0.66", "0.12", "0.78")
    contained = deal(crm, lines=lines, tax_mode="inclusive")
    assert (contained["amount"], contained["tax_amount"], contained["total"]) == (
        "0.66", "0.10", "0.66")
    without = deal(crm, lines=lines)
    assert (without["tax_amount"], without["total"]) == ("0.00", "0.66")


decimals = st.decimals(min_value="0.0001", max_value="9999", places=4)
percents = st.decimals(min_value=0, max_value=100, places=2)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(decimals, decimals, percents, percents), min_size=1, max_size=5),
       st.sampled_from(["none", "exclusive", "inclusive"]))
def test_totals_agree_with_exact_decimals(crm, lines, tax_mode):
    if not hasattr(test_totals_agree_with_exact_decimals, "base"):
        test_totals_agree_with_exact_decimals.base = account(crm)["id"], product(crm)["id"]
    company, item = test_totals_agree_with_exact_decimals.base
    made = deal(crm, account_id=company, tax_mode=tax_mode, lines=[
        line(item, str(q), str(p), discount_percent=str(d), tax_percent=str(t))
        for q, p, d, t in lines])
    amounts = [cents(q * p * (100 - d) / 100) for q, p, d, _ in lines]
    taxes = {"none": [Decimal(0)],
             "exclusive": [cents(a * t / 100) for a, (_, _, _, t) in zip(amounts, lines)],
             "inclusive": [a - cents(a / (1 + t / 100)) for a, (_, _, _, t) in zip(amounts, lines)],
             }[tax_mode]
    total = sum(amounts) + (sum(taxes) if tax_mode == "exclusive" else 0)
    assert [Decimal(each["amount"]) for each in made["lines"]] == amounts
    assert (Decimal(made["amount"]), Decimal(made["tax_amount"]), Decimal(made["total"])) == (
        sum(amounts), sum(taxes), total)


def test_changed_lines_change_the_totals_in_the_same_version(crm):
    made = deal(crm)
    path = f"/opportunities/{made['id']}"
    kept = made["lines"][0]
    changed = crm.patch(path, {"lines": [{"id": kept["id"], "quantity": "2"},
                                         line(kept["product_id"], "1", "5")]})
    assert [each["amount"] for each in changed["lines"]] == ["20.00", "5.00"]
    assert (changed["amount"], changed["version"]) == ("25.00", 2)
    assert crm.patch(path, {"lines": []})["amount"] == "0.00"


@pytest.mark.parametrize("member, value", [
    ("quantity", "-1"), ("quantity", "0"), ("quantity", "1" * 30), ("quantity", "1e9"),
    ("quantity", "many"), ("quantity", "100000000.0001"), ("discount_percent", "1000"),
    ("unit_price", "-0.01"), ("unit_price", "9" * 30),
    ("unit_price", "1.00001"), ("discount_percent", "100.01"), ("discount_percent", "-1"),
    ("tax_percent", "101"), ("product_id", 999999999), ("product_id", "x"), ("colour", "red")])
def test_a_bad_member_of_a_line_is_named_with_its_line(crm, member, value):
    made = product(crm)["id"]
    bad = {**line(made), member: value}
    company = account(crm)["id"]
    refused(lambda: deal(crm, account_id=company, lines=[line(made), bad]), 422,
            f"lines[1].{member}")


def test_a_deal_of_more_than_all_the_money_there_is_is_refused(crm):
    made = product(crm)["id"]
    refused(lambda: deal(crm, lines=[line(made, "100000000", "10000000")] * 2), 422, "lines")


def test_bad_references_and_choices_are_named(crm):
    company = account(crm)["id"]
    stranger = crm.post("/contacts", {"account_id": account(crm)["id"], "last_name": "Roe"})["id"]
    refused(lambda: deal(crm, account_id=999999999), 422, "account_id")
    refused(lambda: deal(crm, account_id=company, contact_id=stranger), 422, "contact_id")
    refused(lambda: deal(crm, account_id=company, tax_mode="some"), 422, "tax_mode")
    refused(lambda: deal(crm, account_id=company, close_date="2030-02-30"), 422, "close_date")
    refused(lambda: deal(crm, account_id=company, status="won"), 422, "status")
    refused(lambda: deal(crm, account_id=company, amount="1"), 422, "amount")


def test_a_deal_moves_between_open_stages_of_its_pipeline_only(crm):
    made = deal(crm)
    moved = verb(crm, made, "move", {"stage_id": stage(crm, "Negotiation")})
    assert (moved["stage"], moved["probability"], moved["version"]) == ("Negotiation", "80.0000", 2)
    same = verb(crm, made, "move", {"stage_id": stage(crm, "Negotiation")})
    assert same["version"] == 2
    for name, word in (("Closed Won", "win"), ("Closed Lost", "lose")):
        problem = refused(lambda: verb(crm, made, "move", {"stage_id": stage(crm, name)}),
                          422, "stage_id")
        assert word in problem["errors"][0]["message"]
    refused(lambda: verb(crm, made, "move", {}), 422, "stage_id")
    refused(lambda: verb(crm, made, "move", {"stage_id": 999999999}), 422, "stage_id")
    other = crm.post("/pipelines", {"name": unique("Partners")})
    step = crm.post("/stages", {"pipeline_id": other["id"], "name": "First", "probability": "5"})
    assert crm.post("/stages", {"pipeline_id": other["id"], "name": "Won",
                                "kind": "won"})["probability"] == "100.0000"
    refused(lambda: verb(crm, made, "move", {"stage_id": step["id"]}), 422, "stage_id")
    assert deal(crm, pipeline_id=other["id"])["stage"] == "First"


def test_a_won_deal_is_closed_handed_over_and_makes_its_prospect_a_customer(crm):
    company = account(crm)
    made = deal(crm, account_id=company["id"])
    won = verb(crm, made, "win")
    assert (won["status"], won["stage"], won["probability"]) == ("won", "Closed Won", "100.0000")
    assert won["handover"] == "pending"
    assert won["closed_at"] is not None
    assert won["close_date"] == datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    customer = crm.get(f"/accounts/{company['id']}")
    assert (customer["type"], customer["version"]) == ("customer", 2)
    assert "account.converted" in events(crm, f"/accounts/{company['id']}")
    assert "opportunity.won" in events(crm, f"/opportunities/{made['id']}")


def test_a_deal_won_after_its_close_date_keeps_it(crm):
    assert verb(crm, deal(crm, close_date="2020-01-31"), "win")["close_date"] == "2020-01-31"


def test_a_partner_who_buys_stays_one_and_a_former_customer_comes_back(crm):
    for was, becomes in (("partner", "partner"), ("former", "customer")):
        company = account(crm, type=was)
        verb(crm, deal(crm, account_id=company["id"]), "win")
        assert crm.get(f"/accounts/{company['id']}")["type"] == becomes


def test_a_deal_without_lines_or_with_an_inactive_product_is_not_won(crm):
    empty = deal(crm, lines=[])
    refused(lambda: verb(crm, empty, "win"), 422, "lines")
    old = product(crm)
    stale = deal(crm, lines=[line(product(crm)["id"]), line(old["id"])])
    crm.patch(f"/products/{old['id']}", {"active": False})
    refused(lambda: verb(crm, stale, "win"), 422, "lines[1].product_id")
    assert crm.get(f"/opportunities/{stale['id']}")["status"] == "open"


def test_of_many_clients_winning_one_deal_exactly_one_does(crm, stack):
    made = deal(crm)
    statuses = []

    def win():
        client = stack.api("crm")
        statuses.append(client.raw("POST", f"/opportunities/{made['id']}/win", {}).status)

    racers = [threading.Thread(target=win) for _ in range(5)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    assert events(crm, f"/opportunities/{made['id']}").count("opportunity.won") == 1


def test_a_closed_deal_is_not_edited(crm):
    for close in (lambda d: verb(crm, d, "win"),
                  lambda d: verb(crm, d, "lose", {"loss_reason": "price"})):
        made = deal(crm)
        close(made)
        problem = refused(lambda: crm.patch(f"/opportunities/{made['id']}", {"name": "x"}), 409)
        assert problem["code"] == "invalid_state"
        assert "reopen" in problem["hint"]
        refused(lambda: verb(crm, made, "move", {"stage_id": stage(crm, "Proposal")}), 409)
    refused(lambda: crm.delete(f"/opportunities/{deal_won(crm)['id']}"), 409)


def deal_won(crm):
    return verb(crm, deal(crm), "win")


def test_losing_needs_a_known_reason_and_other_needs_notes(crm):
    made = deal(crm)
    refused(lambda: verb(crm, made, "lose", {}), 422, "loss_reason")
    refused(lambda: verb(crm, made, "lose", {"loss_reason": "weather"}), 422, "loss_reason")
    refused(lambda: verb(crm, made, "lose", {"loss_reason": "other"}), 422, "notes")
    refused(lambda: verb(crm, made, "lose", {"loss_reason": "Other", "notes": " "}), 422, "notes")
    lost = verb(crm, made, "lose", {"loss_reason": "Price too high", "notes": "by 20 %"})
    assert (lost["status"], lost["stage"], lost["loss_reason"]) == ("lost", "Closed Lost", "price")
    assert (lost["probability"], lost["handover"]) == ("0.0000", None)


def test_a_lost_deal_reopens_where_it_stood(crm):
    made = deal(crm)
    verb(crm, made, "move", {"stage_id": stage(crm, "Proposal")})
    verb(crm, made, "lose", {"loss_reason": "no_budget"})
    again = verb(crm, made, "reopen")
    assert (again["status"], again["stage"]) == ("open", "Proposal")
    assert again["probability"] == "50.0000"
    assert (again["loss_reason"], again["closed_at"]) == (None, None)
    refused(lambda: verb(crm, made, "reopen"), 409)


def test_the_handover_is_answered_once_and_an_accepted_deal_stays_so(crm, relay):
    made = deal_won(crm)
    refused(lambda: verb(crm, made, "reopen"), 409)
    no = {"state": "rejected", "code": "credit_limit", "reason": "Over the limit",
          "remedy": "Take a payment"}
    rejected = verb(relay, made, "handover", no)
    assert (rejected["handover"], rejected["handover_code"]) == ("rejected", "credit_limit")
    assert verb(relay, made, "handover", no)["version"] == rejected["version"]
    yes = {"state": "accepted", "order_number": "SO-2030-00001", "order_ref": "erp:sales_order:1"}
    accepted = verb(relay, made, "handover", yes)
    assert (accepted["handover"], accepted["handover_order_number"]) == (
        "accepted", "SO-2030-00001")
    assert accepted["handover_reason"] is None
    assert verb(relay, made, "handover", yes)["version"] == accepted["version"]
    refused(lambda: verb(relay, made, "handover", no), 409)
    problem = refused(lambda: verb(crm, made, "reopen"), 409)
    assert "SO-2030-00001" in problem["detail"]


def test_a_refused_deal_reopens_and_can_be_won_again(crm, relay):
    made = deal_won(crm)
    verb(relay, made, "handover", {"state": "rejected", "reason": "Unknown item"})
    assert verb(crm, made, "reopen")["handover"] is None
    won = verb(crm, made, "win")
    assert (won["handover"], won["handover_reason"]) == ("pending", None)


def test_only_the_bridge_answers_a_handover_and_says_what_is_needed(crm, relay, stack):
    made = deal_won(crm)
    sales = Api(stack.url("crm"), stack.token("crm", "rosa", "sales"))
    refused(lambda: verb(sales, made, "handover", {"state": "accepted"}), 403)
    refused(lambda: verb(relay, made, "handover", {"state": "maybe"}), 422)
    refused(lambda: verb(relay, made, "handover", {"state": "accepted"}), 422, "order_number")
    refused(lambda: verb(relay, made, "handover", {"state": "rejected"}), 422, "reason")
    refused(lambda: verb(relay, deal(crm), "handover", {"state": "rejected", "reason": "x"}), 409)


def test_history_has_one_row_per_change_that_matters(crm):
    made = deal(crm)
    path = f"/opportunities/{made['id']}"
    crm.patch(path, {"name": unique("Renamed")})
    crm.patch(path, {"close_date": "2031-01-01"})
    verb(crm, made, "move", {"stage_id": stage(crm, "Proposal")})
    verb(crm, made, "win")
    rows = crm.get(path + "/history")["data"]
    assert [(row["stage"], row["status"], row["amount"]) for row in rows] == [
        ("Prospecting", "open", "10.00"), ("Prospecting", "open", "10.00"),
        ("Proposal", "open", "10.00"), ("Closed Won", "won", "10.00")]
    assert rows[1]["close_date"] == "2031-01-01"
    assert all(row["user"] for row in rows)


def test_the_default_pipeline_can_be_another_one(crm):
    other = crm.post("/pipelines", {"name": unique("Renewals")})
    crm.post("/stages", {"pipeline_id": other["id"], "name": "Due", "probability": "70"})
    [sales] = [p for p in crm.all("/pipelines") if p["is_default"]]
    try:
        assert crm.post(f"/pipelines/{other['id']}/make-default")["is_default"]
        made = deal(crm)
        assert (made["stage"], made["probability"]) == ("Due", "70.0000")
        problem = refused(lambda: verb(crm, made, "win"), 422)
        assert "won" in problem["detail"]
    finally:
        crm.post(f"/pipelines/{sales['id']}/make-default")
