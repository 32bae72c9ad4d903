"""tests/api/test_entity_lists.py -- filters, order, pages and chosen fields."""
import urllib.parse

import pytest

from crm_records import account, deal, unique


@pytest.fixture(scope="module")
def tagged(stack):
    """40 accounts of one name, some without a city, with equal and different terms."""
    crm, name = stack.api("crm"), unique("Listed")
    crm.post("/accounts/batch", {"records": [
        {"name": name, "type": "partner" if n % 4 == 0 else "prospect",
         "payment_terms_days": n % 5, "billing_city": None if n % 3 == 0 else f"City {n % 7}"}
        for n in range(40)]})
    return name


def ids(records):
    return [record["id"] for record in records]


def named(problem):
    return {error["field"] for error in problem["errors"]}


@pytest.mark.parametrize("sort", [
    "id", "-id", "billing_city", "-billing_city", "billing_city,-payment_terms_days",
    "-payment_terms_days,billing_city", "type,-billing_city,name", "-created_at",
    "primary_contact_id", "-primary_contact_id,-id"])
@pytest.mark.parametrize("limit", [1, 7])
def test_pages_show_every_record_once_in_the_order_of_the_whole(crm, tagged, sort, limit):
    whole = crm.get("/accounts", name=tagged, sort=sort, limit=200)
    assert whole["next_cursor"] is None and len(whole["data"]) == 40
    assert ids(crm.all("/accounts", name=tagged, sort=sort, limit=limit)) == ids(whole["data"])


def test_a_page_is_not_disturbed_by_records_that_come_and_go(crm):
    name = unique("Moving")
    first = [account(crm, name=name)["id"] for _ in range(4)]
    page = crm.get("/accounts", name=name, limit=2)
    crm.delete(f"/accounts/{first[0]}")
    late = account(crm, name=name)["id"]
    rest = crm.get("/accounts", name=name, limit=10, cursor=page["next_cursor"])
    assert ids(rest["data"]) == [*first[2:], late]


@pytest.mark.parametrize("query, expected", [
    ({"type": "partner"}, 10), ({"type[ne]": "partner"}, 30), ({"type[in]": "partner,former"}, 10),
    ({"payment_terms_days[gte]": "3"}, 16), ({"payment_terms_days[lt]": "1"}, 8),
    ({"billing_city[null]": "true"}, 14), ({"billing_city[null]": "false"}, 26),
    ({"billing_city[like]": "CITY"}, 26), ({"billing_city[ne]": "City 1"}, 36),
    ({"created_at[gt]": "2020-01-01T00:00:00Z", "payment_terms_days[in]": "0,1"}, 16),
    ({"billing_city[like]": "city_1"}, 0), ({"billing_city": "' OR true --"}, 0)])
def test_filters_count_what_they_say(crm, tagged, query, expected):
    page = crm.get("/accounts", name=tagged, count="true", limit=1, **query)
    assert page["count"] == expected


def test_search_wants_every_word_and_takes_wildcards_for_what_they_are(crm, tagged):
    words = tagged.split()
    assert crm.get("/accounts", q=f"{words[0].lower()} {words[1]}", count="true")["count"] == 40
    assert crm.get("/accounts", q=f"{words[1]} nowhere", count="true")["count"] == 0
    assert crm.get("/accounts", q=f"{words[1]} %", count="true")["count"] == 0


def test_everything_unknown_in_a_query_is_named_at_once(crm):
    query = {"colour": "1", "name[near]": "x", "type": "nobody", "payment_terms_days": "ten",
             "created_at[gt]": "2026-02-30", "limit": "0", "sort": "shade", "include": "moon",
             "count": "maybe", "payment_terms_days[like]": "1"}
    reply = crm.raw("GET", "/accounts?" + urllib.parse.urlencode(query))
    assert reply.status == 400 and reply.json["code"] == "unknown_parameter"
    assert named(reply.json) == set(query)


@pytest.mark.parametrize("query", [
    "limit=201", "limit=x", "limit=1&limit=2", "cursor=", "cursor=!", "cursor=e30",
    "sort=name,name", "fields=name&include=owner,owner"])
def test_known_parameters_with_bad_values_are_a_400(crm, query):
    assert crm.raw("GET", "/accounts?" + query).status == 400


def test_a_cursor_belongs_to_its_sort(crm, tagged):
    cursor = crm.get("/accounts", name=tagged, sort="name", limit=1)["next_cursor"]
    assert crm.raw("GET", f"/accounts?sort=-name&cursor={cursor}").status == 400


def test_only_the_fields_asked_for_are_shown_and_the_id(crm, tagged):
    page = crm.get("/accounts", name=tagged, fields="name,billing_city", limit=3)
    assert all(set(record) == {"id", "name", "billing_city"} for record in page["data"])
    one = crm.get(f"/accounts/{page['data'][0]['id']}", fields="type")
    assert set(one) == {"id", "type"}


def test_lines_and_the_records_referred_to_come_when_asked_for(crm):
    made = deal(crm)
    plain = crm.get("/opportunities", id=made["id"])["data"][0]
    assert "lines" not in plain and "account" not in plain
    full = crm.get("/opportunities", id=made["id"], include="lines,account")["data"][0]
    assert full["lines"] == made["lines"]
    assert full["account"]["id"] == made["account_id"]
    assert full["account"] == crm.get(f"/accounts/{made['account_id']}")


def test_secrets_can_neither_be_read_nor_asked_for(crm):
    for query in ("password_hash=x", "sort=password_hash", "fields=password_hash",
                  "password_hash[null]=true"):
        assert crm.raw("GET", "/users?" + query).status == 400
    assert all("password_hash" not in user for user in crm.all("/users"))
