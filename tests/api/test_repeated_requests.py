"""tests/api/test_repeated_requests.py -- one Idempotency-Key means one effect and one answer."""
import concurrent.futures
import uuid

import psycopg2
import pytest

from api import Api


@pytest.fixture
def key():
    return uuid.uuid4().hex


def post(api, key, name="Keyed", **members):
    return api.raw("POST", "/accounts", {"name": name, "type": "prospect", **members},
                   {"Idempotency-Key": key})


def test_the_answer_comes_again_with_its_headers(crm, key):
    first, again = post(crm, key), post(crm, key)
    assert (first.status, again.status) == (201, 201)
    assert first.raw == again.raw
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]


def test_another_body_or_path_under_the_same_key_is_refused(crm, key):
    assert post(crm, key).status == 201
    for reply in (post(crm, key, name="Other"),
                  crm.raw("POST", "/contacts", {"name": "Keyed", "type": "prospect"},
                          {"Idempotency-Key": key})):
        assert (reply.status, reply.json["code"]) == (422, "idempotency_key_reused")


def test_a_refusal_is_kept_as_well(crm, key):
    first, again = post(crm, key, colour="red"), post(crm, key, colour="red")
    assert (first.status, again.status) == (422, 422)
    assert first.raw == again.raw and again.headers["idempotent-replay"] == "true"


def test_a_patch_done_twice_is_done_once(crm, key):
    account = crm.post("/accounts", {"name": "Patched", "type": "prospect"})
    replies = [crm.raw("PATCH", f"/accounts/{account['id']}", {"phone": "1"},
                       {"Idempotency-Key": key, "If-Match": '"1"'}) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert crm.get(f"/accounts/{account['id']}")["version"] == 2


def test_missing_rights_are_not_remembered(stack, crm, key):
    user = crm.post("/users", {"email": f"{uuid.uuid4().hex}@acme.test", "name": "Later"})
    later = stack.api("crm", crm.post(f"/users/{user['id']}/tokens", {"name": "ci"})["token"])
    assert post(later, key).status == 403
    crm.patch(f"/users/{user['id']}", {"roles": ["sales"]})
    assert post(later, key).status == 201


def test_many_at_once_have_one_winner_and_all_its_answer(stack, key):
    def one(_):
        api = stack.api("crm")
        try:
            return post(api, key)
        finally:
            api.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(one, range(32)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.raw for reply in replies}) == 1


def test_while_the_first_is_running_the_second_is_told_so(stack, crm, key):
    me = crm.get("/me")["id"]
    running = psycopg2.connect(stack.user_url("crm"))
    try:
        running.cursor().execute(
            "INSERT INTO idempotency_key (actor_id, key, method, path, body_sha256)"
            " VALUES (%s, %s, 'POST', '/api/v1/accounts', '')", (me, key))
        reply = post(crm, key)
        assert (reply.status, reply.json["code"]) == (409, "in_progress")
        assert reply.headers["retry-after"] == "1"
    finally:
        running.close()
    assert post(crm, key).status == 201


def test_a_record_another_request_holds_is_locked_not_in_progress(stack, crm, key):
    account = crm.post("/accounts", {"name": "Held", "type": "prospect"})
    holder = psycopg2.connect(stack.user_url("crm"))
    try:
        holder.cursor().execute("SELECT FROM account WHERE id = %s FOR UPDATE", (account["id"],))
        reply = crm.raw("PATCH", f"/accounts/{account['id']}", {"phone": "1"},
                        {"Idempotency-Key": key})
        assert (reply.status, reply.json["code"]) == (409, "locked")
    finally:
        holder.close()


@pytest.mark.parametrize("bad", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_no_key_is_a_400(stack, bad):
    assert post(Api(stack.url("crm"), stack.tokens["crm"]), bad).status == 400
