"""tests/api/test_bad_input.py -- bad input gets the right 4xx and does nothing."""
import concurrent.futures
import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import Api

HEADERS = {"Content-Type": "application/json"}


def count(api, path):
    return api.get(path, count="true", limit=1)["count"]


@pytest.mark.parametrize("body", [
    b'{"name":"x"', b'{"name":"x",}', b"{'name':'x'}", b"", b"null", b"[]", b'"x"', b"\xff\xfe",
    b'{"name":"a\x00b","type":"customer"}', b'{"name":"a\\u0000b","type":"customer"}',
    b'{"name":"\xc3\x28","type":"customer"}', b'{"name":"\\ud800","type":"customer"}',
    b'{"name":"x","name":"y","type":"customer"}', b'{"name":"x","type":"customer"} trailing',
    b'\xef\xbb\xbf{"name":"x","type":"customer"}', b'{"name":NaN,"type":"customer"}',
    b'{"parent_id":007,"name":"x","type":"customer"}', b'{"parent_id":1e400,"name":"x"}',
    b'{"parent_id":12345678901234567890,"name":"x"}', b"[" * 1000 + b"]" * 1000,
    b'{"a":' * 40 + b"1" + b"}" * 40,
], ids=range(21))
def test_json_that_is_not_acceptable_is_a_400_and_creates_nothing(crm, body):
    before = count(crm, "/accounts")
    reply = crm.raw("POST", "/accounts", body, HEADERS)
    assert reply.status == 400, reply.raw
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["code"] in ("bad_json", "bad_request")
    assert reply.json["trace_id"]
    assert count(crm, "/accounts") == before


def test_a_body_over_the_limit_is_413(crm):
    body = json.dumps({"name": "x" * 300_000, "type": "customer"})
    assert crm.raw("POST", "/accounts", body, HEADERS).status == 413


def test_a_body_that_is_not_json_by_its_type_is_415(crm):
    assert crm.raw("POST", "/accounts", b"name=x",
                   {"Content-Type": "application/x-www-form-urlencoded"}).status == 415


def test_all_bad_fields_are_named_at_once(crm):
    reply = crm.raw("POST", "/opportunities", {
        "account_id": "one", "name": "", "close_date": "2026-02-30", "colour": "red",
        "status": "won", "tax_mode": "sometimes",
        "lines": [{"product_id": 1, "quantity": "-2", "unit_price": "1" * 30,
                   "discount_percent": "x", "shade": 1}]})
    assert reply.status == 422
    named = {error["field"] for error in reply.json["errors"]}
    assert named >= {"account_id", "name", "close_date", "colour", "status", "tax_mode",
                     "lines[0].unit_price", "lines[0].discount_percent", "lines[0].shade"}


@pytest.mark.parametrize("quantity", ["0", "-1", "abc", "", "1" * 30, "1.23456", None, True,
                                      [], {}, "NaN", "Infinity", " 5", "0x10"])
def test_a_bad_quantity_is_named_with_its_line(crm, erp, quantity):
    account = crm.post("/accounts", {"name": "Q", "type": "prospect"})
    product = crm.post("/products", {"sku": f"Q-{uuid.uuid4().hex}", "name": "Q"})
    reply = crm.raw("POST", "/opportunities", {
        "account_id": account["id"], "name": "Q", "close_date": "2026-12-01",
        "lines": [{"product_id": product["id"], "quantity": quantity, "unit_price": "1.00"}]})
    assert reply.status == 422, reply.raw
    assert [error["field"] for error in reply.json["errors"]] == ["lines[0].quantity"]


def test_amounts_are_kept_to_the_digit(crm):
    product = crm.post("/products", {"sku": f"D-{uuid.uuid4().hex}", "name": "Digits",
                                     "list_price": "9999999.9999"})
    assert product["list_price"] == "9999999.9999"


def test_unknown_references_are_named_together(crm):
    reply = crm.raw("POST", "/opportunities", {
        "account_id": 999999999, "name": "x", "close_date": "2026-12-01",
        "lines": [{"product_id": 999999998, "quantity": 1, "unit_price": "1.00"}]})
    assert reply.status == 422
    assert {error["field"] for error in reply.json["errors"]} >= {"account_id"}


@pytest.mark.parametrize("path", ["/accounts/0", "/accounts/-1", "/accounts/abc", "/accounts/1e3",
                                  "/accounts/99999999999999999999", "/accounts/999999999",
                                  "/nothing", "/accounts/1/nothing", "/accounts/%00",
                                  "/accounts/%zz"])
def test_paths_that_lead_nowhere_are_404_or_400(crm, path):
    assert crm.raw("GET", path).status in (400, 404)


@pytest.mark.parametrize("query", ["colour=red", "limit=0", "limit=201", "limit=x", "sort=colour",
                                   "fields=colour", "include=colour", "cursor=garbage", "type=odd",
                                   "created_at[gte]=yesterday", "name[almost]=x", "parent_id=x",
                                   "password_hash=x", "limit=1&limit=2", "count=maybe"])
def test_a_query_parameter_that_is_not_understood_is_a_400_naming_it(crm, query):
    reply = crm.raw("GET", f"/accounts?{query}")
    assert reply.status == 400, reply.raw
    name = query.partition("=")[0].partition("[")[0]
    assert name in reply.raw.decode()


def test_without_a_good_token_nothing_is_answered(stack):
    for token in (None, "", "x", "crm_live_1_x", stack.tokens["erp"], stack.tokens["crm"] + "x",
                  stack.tokens["crm"][:-1]):
        reply = Api(stack.url("crm"), token).raw("GET", "/accounts")
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")


def test_every_route_but_the_public_ones_wants_a_token(stack):
    for name in ("crm", "erp", "bridge"):
        api = stack.api(name)
        document = api.raw("GET", "/openapi.json").json
        nobody = Api(api.url)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation.get("security") == []:
                    continue
                concrete = path.replace("{id}", "1").replace("{external_ref}", "x:y:1")
                assert nobody.raw(method.upper(), concrete).status == 401, (method, path)


def test_two_clients_winning_one_deal_get_one_winner(crm, stack):
    account = crm.post("/accounts", {"name": "Race", "type": "prospect"})
    product = crm.post("/products", {"sku": f"R-{uuid.uuid4().hex}", "name": "R"})
    deal = crm.post("/opportunities", {
        "account_id": account["id"], "name": "Race", "close_date": "2026-12-01",
        "lines": [{"product_id": product["id"], "quantity": 1, "unit_price": "1.00"}]})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stack.api("crm").raw(
            "POST", f"/opportunities/{deal['id']}/win", {}).status, range(8)))
    assert sorted(answers) == [200] + [409] * 7


def test_one_key_used_by_many_clients_at_once_has_one_effect(crm, stack):
    key, name = str(uuid.uuid4()), f"Key {uuid.uuid4().hex}"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stack.api("crm").raw(
            "POST", "/accounts", {"name": name, "type": "prospect"}, {"Idempotency-Key": key}),
            range(8)))
    assert {a.status for a in answers} <= {201, 409}
    bodies = {a.raw for a in answers if a.status == 201}
    assert len(bodies) == 1
    assert len(crm.get("/accounts", name=name)["data"]) == 1


def test_a_key_with_another_body_is_refused_and_with_the_same_is_replayed(crm):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = crm.raw("POST", "/accounts", {"name": "K", "type": "prospect"}, key)
    again = crm.raw("POST", "/accounts", {"name": "K", "type": "prospect"}, key)
    other = crm.raw("POST", "/accounts", {"name": "L", "type": "prospect"}, key)
    assert (first.status, again.status, other.status) == (201, 201, 422)
    assert again.raw == first.raw
    assert again.headers["idempotent-replay"] == "true"
    assert other.json["code"] == "idempotency_key_reused"


def test_a_stale_if_match_is_412_with_the_fields_that_differ(crm):
    account = crm.post("/accounts", {"name": "Old", "type": "prospect"})
    path = f"/accounts/{account['id']}"
    assert crm.raw("PATCH", path, {"name": "New"}, {"If-Match": '"1"'}).status == 200
    stale = crm.raw("PATCH", path, {"name": "Newer", "phone": "1"}, {"If-Match": '"1"'})
    assert stale.status == 412
    assert "name" in stale.raw.decode()
    assert crm.get(path)["name"] == "New"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10**15, 10**15) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner,
                                                                 max_size=4), max_leaves=10)
FIELDS = st.sampled_from(["name", "type", "parent_id", "currency", "tax_id", "email", "version",
                          "id", "billing_city", "payment_terms_days", "lines", "created_at"])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(FIELDS | st.text(max_size=8), JSON, max_size=6))
def test_whatever_is_sent_the_answer_is_never_a_5xx(crm, body):
    reply = crm.raw("POST", "/accounts", body)
    assert reply.status in (201, 400, 409, 422), reply.raw


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=60))
def test_whatever_bytes_are_sent_the_answer_is_a_4xx(erp, body):
    reply = erp.raw("POST", "/sales-orders", body, HEADERS)
    assert 400 <= reply.status < 500, reply.raw
