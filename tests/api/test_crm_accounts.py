"""tests/api/test_crm_accounts.py -- accounts and contacts: hierarchy, duplicates, one primary."""
import threading

from api import Api, ApiError
from crm_records import account, deal, refused, unique


def test_an_account_needs_only_a_name_and_gets_sensible_defaults(crm):
    made = crm.post("/accounts", {"name": unique("Plain")})
    assert made["type"] == "prospect"
    assert made["currency"] == "USD"
    assert made["payment_terms_days"] == 30
    assert made["version"] == 1


def test_addresses_tax_id_currency_and_terms_come_back_as_sent(crm):
    sent = {"name": unique("Full"), "type": "partner", "currency": "EUR", "tax_id": unique("DE"),
            "payment_terms_days": 14, "billing_street": "Obere Str. 57", "billing_city": "Berlin",
            "billing_region": "BE", "billing_postal_code": "12209", "billing_country": "Germany",
            "shipping_street": "Hafen 1", "shipping_city": "Hamburg", "phone": "+49 30 007",
            "email": "info@example.com", "website": "https://example.com"}
    made = crm.post("/accounts", sent)
    read = crm.get(f"/accounts/{made['id']}")
    assert {name: read[name] for name in sent} == sent


def test_unknown_type_currency_and_terms_out_of_range_are_named(crm):
    refused(lambda: crm.post("/accounts", {"name": "x", "type": "friend"}), 422, "type")
    refused(lambda: crm.post("/accounts", {"name": "x", "currency": "XXX"}), 422, "currency")
    refused(lambda: crm.post("/accounts", {"name": "x", "payment_terms_days": -1}), 422,
            "payment_terms_days")
    refused(lambda: crm.post("/accounts", {"name": ""}), 422, "name")
    refused(lambda: crm.post("/accounts", {"name": "x", "parent_id": 999999999}), 422, "parent_id")


def test_the_same_name_twice_is_allowed(crm):
    name = unique("Twin")
    assert account(crm, name=name)["id"] != account(crm, name=name)["id"]


def test_the_same_tax_id_however_written_is_a_duplicate_unless_forced(crm):
    tax_id = unique("DE 81.0")
    first = account(crm, tax_id=tax_id)
    again = tax_id.lower().replace(".", "").replace(" ", "-")
    problem = refused(lambda: account(crm, tax_id=again), 409, "tax_id")
    assert [found["id"] for found in problem["candidates"]] == [first["id"]]
    forced = crm.call("POST", "/accounts", {"name": unique("Twin"), "tax_id": again},
                      {"X-Skip-Duplicate-Check": "true"})
    assert forced["tax_id"] == again


def test_of_two_clients_adding_one_tax_id_at_once_one_is_refused(crm, stack):
    tax_id, statuses = unique("RACE"), []

    def add():
        client = stack.api("crm")
        statuses.append(client.raw("POST", "/accounts",
                                   {"name": unique("Racer"), "tax_id": tax_id}).status)

    racers = [threading.Thread(target=add) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(statuses) == [201, 409, 409, 409]


def test_an_account_cannot_belong_to_itself_or_to_its_own_descendants(crm):
    top = account(crm)
    middle = account(crm, parent_id=top["id"])
    bottom = account(crm, parent_id=middle["id"])
    for parent in (top, middle, bottom):
        refused(lambda: crm.patch(f"/accounts/{top['id']}", {"parent_id": parent["id"]}),
                422, "parent_id")
    moved = crm.patch(f"/accounts/{bottom['id']}", {"parent_id": top["id"]})
    assert moved["parent_id"] == top["id"]


def test_two_clients_closing_a_circle_from_both_ends_do_not_both_succeed(crm, stack):
    one, two = account(crm), account(crm)
    statuses = []

    def adopt(child, parent):
        client = stack.api("crm")
        statuses.append(client.raw("PATCH", f"/accounts/{child['id']}",
                                   {"parent_id": parent["id"]}).status)

    racers = [threading.Thread(target=adopt, args=pair) for pair in ((one, two), (two, one))]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(statuses) == [200, 422]


def test_an_account_in_use_is_not_deleted_and_an_unused_one_is(crm):
    used, unused = account(crm), account(crm)
    deal(crm, account_id=used["id"])
    problem = refused(lambda: crm.delete(f"/accounts/{used['id']}"), 409)
    assert problem["code"] == "in_use"
    crm.delete(f"/accounts/{unused['id']}")
    refused(lambda: crm.get(f"/accounts/{unused['id']}"), 404)


def test_an_account_has_one_primary_contact_at_most(crm):
    company = account(crm)
    first = crm.post("/contacts", {"account_id": company["id"], "last_name": "Roe",
                                   "is_primary": True})
    assert crm.get(f"/accounts/{company['id']}")["primary_contact_id"] == first["id"]
    second = crm.post("/contacts", {"account_id": company["id"], "last_name": "Doe"})
    problem = refused(lambda: crm.patch(f"/contacts/{second['id']}", {"is_primary": True}), 422)
    assert str(first["id"]) in problem["detail"]
    crm.patch(f"/contacts/{first['id']}", {"is_primary": False})
    assert crm.patch(f"/contacts/{second['id']}", {"is_primary": True})["is_primary"]


def test_a_contact_needs_an_account_and_a_last_name(crm):
    refused(lambda: crm.post("/contacts", {}), 422, "account_id", "last_name")
    refused(lambda: crm.post("/contacts", {"account_id": 999999999, "last_name": "Roe"}),
            422, "account_id")


def test_who_creates_an_account_owns_it(crm, stack):
    sales = Api(stack.url("crm"), stack.token("crm", "rosa", "sales"))
    mine = account(sales)
    assert mine["owner_id"] is not None
    assert account(crm, owner_id=mine["owner_id"])["owner_id"] == mine["owner_id"]


def test_a_viewer_reads_and_does_not_write(crm, stack):
    viewer = Api(stack.url("crm"), stack.token("crm", "victor", "viewer"))
    seen = account(crm)
    assert viewer.get(f"/accounts/{seen['id']}")["name"] == seen["name"]
    refused(lambda: account(viewer), 403)
    refused(lambda: viewer.delete(f"/accounts/{seen['id']}"), 403)


def test_a_stale_writer_is_told_so(crm):
    seen = account(crm)
    path = f"/accounts/{seen['id']}"
    crm.patch(path, {"phone": "1"}, {"If-Match": '"1"'})
    try:
        crm.patch(path, {"phone": "2"}, {"If-Match": '"1"'})
        raise AssertionError("the stale write was taken")
    except ApiError as error:
        assert error.status == 412
    assert crm.get(path)["phone"] == "1"
