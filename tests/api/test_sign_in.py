"""tests/api/test_sign_in.py -- users, roles, tokens and sessions, and what each of them refuses."""
import uuid

import pytest

from api import Api, ApiError


def person(crm, roles=("sales",), password="correct horse"):
    name = uuid.uuid4().hex[:10]
    user = crm.post("/users", {"email": f"{name}@Acme.test", "name": name, "roles": list(roles)})
    crm.post(f"/users/{user['id']}/set-password", {"password": password})
    return user


def sign_in(stack, email, password="correct horse"):
    return Api(stack.url("crm")).call("POST", "/login", {"email": email, "password": password})


def refused(call, status):
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status == status, caught.value
    return caught.value.problem


def detail(stack, authorization):
    reply = Api(stack.url("crm")).raw("GET", "/me", headers={"Authorization": authorization})
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    return reply.json["detail"]


def test_a_person_signs_in_works_and_signs_out(stack, crm):
    user = person(crm)
    assert user["email"].islower() and "password_hash" not in user
    session = sign_in(stack, user["email"].upper())
    assert session["token"].startswith("crm_session_") and session["user"]["roles"] == ["sales"]
    me = stack.api("crm", session["token"])
    assert me.get("/me")["email"] == user["email"]
    me.post("/accounts", {"name": "Signed in", "type": "prospect"})
    assert refused(lambda: me.get("/users"), 403)["detail"].endswith("admin.")
    me.call("POST", "/logout")
    assert refused(lambda: me.get("/me"), 401)["detail"] == "The token is unknown."


def test_a_wrong_password_and_an_unknown_account_are_told_apart_by_nothing(stack, crm):
    user = person(crm)
    wrong = refused(lambda: sign_in(stack, user["email"], "wrong wrong"), 401)
    unknown = refused(lambda: sign_in(stack, f"{uuid.uuid4().hex}@acme.test", "wrong wrong"), 401)
    for problem in (wrong, unknown):
        del problem["trace_id"]
    assert wrong == unknown


def test_failed_logins_of_one_account_are_limited_and_right_ones_are_not(stack, crm):
    user = person(crm)
    for _ in range(7):
        sign_in(stack, user["email"])
    for _ in range(5):
        refused(lambda: sign_in(stack, user["email"], "wrong wrong"), 401)
    reply = Api(stack.url("crm")).raw("POST", "/login", {"email": user["email"],
                                                         "password": "correct horse"})
    assert reply.status == 429 and int(reply.headers["retry-after"]) >= 1


@pytest.mark.parametrize("password", ["short", "password1", "x" * 201])
def test_a_password_that_is_no_good_is_refused_with_the_reason(crm, password):
    user = crm.post("/users", {"email": f"{uuid.uuid4().hex}@acme.test", "name": "Weak"})
    problem = refused(lambda: crm.post(f"/users/{user['id']}/set-password",
                                       {"password": password}), 422)
    assert problem["errors"][0]["field"] == "password"


def test_changing_the_own_password_needs_the_current_one_and_ends_the_sessions(stack, crm):
    user = person(crm)
    me = stack.api("crm", sign_in(stack, user["email"])["token"])
    change = {"current_password": "not this one", "password": "another horse"}
    problem = refused(lambda: me.call("POST", "/me/password", change), 422)
    assert problem["errors"][0]["field"] == "current_password"
    me.call("POST", "/me/password", {**change, "current_password": "correct horse"})
    refused(lambda: me.get("/me"), 401)
    refused(lambda: sign_in(stack, user["email"]), 401)
    sign_in(stack, user["email"], "another horse")


def test_a_change_of_roles_is_in_force_with_the_next_request(stack, crm):
    user = person(crm)
    token = crm.post(f"/users/{user['id']}/tokens", {"name": "ci"})["token"]
    me = stack.api("crm", token)
    account = {"name": "Roles", "type": "prospect"}
    for _ in range(10):
        crm.patch(f"/users/{user['id']}", {"roles": []})
        refused(lambda: me.post("/accounts", account), 403)
        crm.patch(f"/users/{user['id']}", {"roles": ["sales"]})
        me.post("/accounts", account)
    crm.patch(f"/users/{user['id']}", {"active": False})
    assert detail(stack, f"Bearer {token}") == "The token's user is not active."


def test_every_way_a_token_can_be_no_good_is_said(stack, crm):
    user = person(crm)

    def token(**members):
        return crm.post(f"/users/{user['id']}/tokens", {"name": "ci", **members})

    good = token()
    reply = Api(stack.url("crm")).raw("GET", "/me")
    assert reply.status == 401 and reply.json["detail"] == "The token is missing."
    assert detail(stack, "Basic eDp5") == "The token is malformed."
    assert detail(stack, "Bearer erp" + good["token"][3:]) == "The token is malformed."
    assert detail(stack, f"Bearer {good['token'][:-1]}") == "The token is malformed."
    assert detail(stack, f"Bearer {good['token'][:-4]}AAAA") == "The token is unknown."
    assert detail(stack, f"Bearer crm_live_999999_{'A' * 43}") == "The token is unknown."
    assert detail(stack, f"Bearer {token(expires_at='2020-01-01T00:00:00Z')['token']}") == \
        "The token is expired."
    assert stack.api("crm", good["token"]).get("/me")["id"] == user["id"]
    crm.post(f"/tokens/{good['id']}/revoke")
    assert detail(stack, f"Bearer {good['token']}") == "The token is revoked."
    shown = crm.get(f"/tokens/{good['id']}")
    assert shown["revoked_at"] and "secret_hash" not in shown


def test_a_token_is_stored_as_a_hash_and_its_secret_kept_nowhere(stack, crm):
    user = person(crm)
    key = uuid.uuid4().hex
    secret = crm.post(f"/users/{user['id']}/tokens", {"name": "ci"}, key)["token"].split("_", 3)[3]
    for table in ("api_token", "idempotency_key", "event"):
        found = stack.sql(f"SELECT count(*) FROM crm.{table} t"
                          f" WHERE strpos(t::text, '{secret}') > 0")
        assert found == "0", table
    problem = refused(lambda: crm.post(f"/users/{user['id']}/tokens", {"name": "ci"}, key), 409)
    assert "secret" in problem["detail"]


def test_roles_that_do_not_exist_are_named_with_those_that_do(crm):
    problem = refused(lambda: crm.post("/users", {"email": "a@b.test", "name": "A",
                                                  "roles": ["sales", "ghost", "king"]}), 422)
    assert [error["field"] for error in problem["errors"]] == ["roles[1]", "roles[2]"]
    assert "admin" in problem["errors"][0]["message"]


def test_only_administrators_see_users_tokens_webhooks_and_the_log(stack, crm):
    user = person(crm, roles=["sales", "support"])
    me = stack.api("crm", sign_in(stack, user["email"])["token"])
    for path in ("/users", "/tokens", "/webhooks", "/webhook-deliveries", "/events"):
        refused(lambda path=path: me.get(path), 403)


def test_a_webhook_hides_its_secret_and_wants_https_for_other_machines(crm):
    plain = {"name": "x", "url": "http://example.com/"}
    problem = refused(lambda: crm.post("/webhooks", plain), 422)
    assert problem["errors"][0]["field"] == "url"
    hook = crm.post("/webhooks", {"name": "x", "url": "https://example.invalid/", "events": ["x.y"],
                                  "secret": "whsec_" + "A" * 44})
    assert "secret" not in hook and hook["status"] == "active"
    assert crm.post(f"/webhooks/{hook['id']}/pause")["status"] == "paused"
    assert crm.post(f"/webhooks/{hook['id']}/resume")["status"] == "active"
    assert crm.post(f"/webhooks/{hook['id']}/rotate-secret")["secret"].startswith("whsec_")
    crm.delete(f"/webhooks/{hook['id']}")
