"""tests/api/test_crm_products.py -- products: list price and price book are one, bundles end."""
import pytest

from crm_records import crm_alone, deal, product, refused, unique


@pytest.fixture(scope="module")
def stack():
    yield from crm_alone()


def standard(crm):
    return next(book for book in crm.all("/price-books") if book["is_default"])


def prices(record):
    return {(p["price_book_id"], p["currency"]): p["unit_price"] for p in record["prices"]}


def test_a_product_needs_only_sku_and_name(crm):
    made = product(crm)
    assert made["active"] is True
    assert made["type"] == "goods"
    assert made["list_price"] is None
    assert made["prices"] == []
    refused(lambda: crm.post("/products", {}), 422, "name", "sku")


def test_a_sku_is_taken_once(crm):
    made = product(crm)
    refused(lambda: product(crm, sku=made["sku"]), 409, "sku")


def test_the_list_price_is_the_default_books_entry(crm):
    book = standard(crm)
    made = product(crm, list_price="19.90")
    assert made["list_price"] == "19.9000"
    assert prices(made) == {(book["id"], "USD"): "19.9000"}


def test_a_new_list_price_changes_the_entry_and_is_one_event(crm):
    made = product(crm, list_price="19.90")
    changed = crm.patch(f"/products/{made['id']}", {"list_price": "21"})
    assert [p["unit_price"] for p in changed["prices"]] == ["21.0000"]
    assert changed["version"] == 2


def test_no_list_price_is_no_entry(crm):
    made = product(crm, list_price="19.90")
    assert crm.patch(f"/products/{made['id']}", {"list_price": None})["prices"] == []


def test_a_new_default_entry_is_the_list_price(crm):
    book = standard(crm)
    made = product(crm, list_price="5")
    changed = crm.patch(f"/products/{made['id']}", {"prices": [
        {"price_book_id": book["id"], "currency": "USD", "unit_price": "7.5"},
        {"price_book_id": book["id"], "currency": "EUR", "unit_price": "6.5"}]})
    assert changed["list_price"] == "7.5000"
    assert prices(changed) == {(book["id"], "USD"): "7.5000", (book["id"], "EUR"): "6.5000"}
    assert changed["version"] == 2
    bare = crm.patch(f"/products/{made['id']}", {"prices": []})
    assert bare["list_price"] is None


def test_a_price_without_book_and_currency_is_the_list_price(crm):
    assert product(crm, prices=[{"unit_price": "3"}])["list_price"] == "3.0000"


def test_bad_prices_are_named(crm):
    refused(lambda: product(crm, list_price="-1"), 422, "list_price")
    refused(lambda: product(crm, list_price="1" * 30), 422, "list_price")
    refused(lambda: product(crm, prices=[{"unit_price": "x"}]), 422, "prices[0].unit_price")
    refused(lambda: product(crm, prices=[{"currency": "EUR"}]), 422, "prices[0].unit_price")


def test_a_bundle_names_its_components_and_does_not_contain_itself(crm):
    part = product(crm)
    kit = product(crm, components=[{"component_id": part["id"], "quantity": "2"}])
    assert [(c["component_id"], c["quantity"]) for c in kit["components"]] == [
        (part["id"], "2.0000")]
    refused(lambda: crm.patch(f"/products/{part['id']}", {
        "components": [{"component_id": kit["id"], "quantity": "1"}]}), 422, "components")
    outer = product(crm, components=[{"component_id": kit["id"], "quantity": "1"}])
    refused(lambda: crm.patch(f"/products/{part['id']}", {
        "components": [{"component_id": outer["id"], "quantity": "1"}]}), 422, "components")


def test_a_line_without_price_gets_it_from_the_deals_book_then_from_the_default_one(crm):
    special = crm.post("/price-books", {"name": unique("Special")})
    made = product(crm, list_price="10")
    both = product(crm, list_price="10",
                   prices=[{"price_book_id": special["id"], "unit_price": "8"}])
    won = deal(crm, price_book_id=special["id"], lines=[
        {"product_id": made["id"], "quantity": "1"}, {"product_id": both["id"], "quantity": "1"}])
    assert [each["unit_price"] for each in won["lines"]] == ["10.0000", "8.0000"]
    assert won["amount"] == "18.00"


def test_a_line_without_price_in_the_deals_currency_must_give_one(crm):
    made = product(crm, list_price="10")
    problem = refused(lambda: deal(crm, currency="EUR", lines=[
        {"product_id": made["id"], "quantity": "1"}]), 422, "lines[0].unit_price")
    assert made["sku"] in problem["errors"][0]["message"]


def test_the_currency_of_a_book_with_list_prices_does_not_change(crm):
    product(crm, list_price="1")
    refused(lambda: crm.patch(f"/price-books/{standard(crm)['id']}", {"currency": "EUR"}), 409)


def test_availability_is_null_until_the_erp_knows_the_product(crm):
    made = product(crm)
    assert crm.get(f"/products/{made['id']}/availability") == {
        "product_id": made["id"], "sku": made["sku"], "on_hand": None, "reserved": None,
        "available": None}
