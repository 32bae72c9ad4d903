"""tests/bridge/test_rotation.py -- secrets and tokens change under traffic."""
import json
import os
import subprocess
import threading
import time
import uuid

import pytest
from api import Api
from conftest import end_stack, new_stack
from fake_system import post_event, signed
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from waiting import eventually, idle


def with_files(stack):
    """The overlap's files, as an operator sets them up."""
    def change(config):
        config["systems"]["crm"].update(old_secret="@secrets/crm-webhook-old",
                                        old_secret_until="@secrets/crm-webhook-until")
    stack.bridge_config = change
    return stack


@pytest.fixture(scope="module")
def whole():
    stack = with_files(new_stack(options={"bridge": {"workers": 2}}))
    try:
        yield stack.start()
    finally:
        end_stack(stack)


def command(stack, *words):
    return subprocess.run([stack.bin / "sync-bridge", "--config", stack.config_path("bridge"),
                           *words], capture_output=True, text=True, timeout=30)


def told(stack, event):
    """What the bridge answered to a change signed with that secret; no event of the CRM's log,
    which it would be missed in."""
    secret, body = event
    headers = signed(secret, body, f"outside-{uuid.uuid4()}")
    return Api(stack.url("bridge")).raw("POST", "/inbox/crm", body, headers).status


class Stream:
    """Accounts made one after the other until it is ended; counts them."""

    def __init__(self, stack):
        self.stack, self.ids, self.ended = stack, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        crm = self.stack.api("crm")
        while not self.ended.is_set():
            self.ids.append(crm.post("/accounts", {"name": f"Account {len(self.ids)}",
                                                   "type": "customer"})["id"])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def refused_webhooks(stack):
    """Deliveries that took more than one try."""
    return int(stack.sql("SELECT count(*) FROM crm.webhook_delivery WHERE attempts > 1"
                         " OR coalesce(last_error, '') <> ''"))


def all_crossed(stack, ids):
    idle(stack.api("bridge"))
    refs = {c["external_ref"] for c in stack.api("erp").all("/customers")}
    missing = [id for id in ids if f"crm:account:{id}" not in refs]
    assert not missing, missing


def made_until(stream, count):
    def enough_were_made():
        return len(stream.ids) >= count
    eventually(enough_were_made)


def test_a_webhook_secret_rotates_under_traffic_without_one_refusal(whole):
    files = whole.var / "secrets"
    old = (files / "crm-webhook").read_text()
    with Stream(whole) as stream:
        made_until(stream, 20)
        done = command(whole, "rotate-secret", "crm")
        assert done.returncode == 0, done.stderr
        new = (files / "crm-webhook").read_text()
        assert new != old and new not in done.stdout + done.stderr
        assert old not in done.stdout + done.stderr

        def the_crm_signs_with_the_new_one():
            return whole.sql("SELECT secret FROM crm.webhook") == new
        eventually(the_crm_signs_with_the_new_one)
        assert whole.sql("SELECT old_secret FROM crm.webhook"
                         " WHERE old_secret_until > now() + interval '23 h'") == old
        made_until(stream, len(stream.ids) + 30)
    all_crossed(whole, stream.ids)
    assert refused_webhooks(whole) == 0
    assert (files / "crm-webhook-old").read_text() == old
    for name in ("crm-webhook", "crm-webhook-old", "crm-webhook-until"):
        assert os.stat(files / name).st_mode & 0o777 == 0o600
    body = json.dumps({"type": "contact.updated", "timestamp": "2026-01-01T00:00:00Z",
                       "data": {"entity": "contact", "id": 1, "version": 1, "record": {}}}).encode()
    assert [told(whole, (s, body)) for s in (old, new)] == [202, 202]
    again = command(whole, "rotate-secret", "crm")
    assert again.returncode == 1 and "a rotation is under way" in again.stderr
    assert command(whole, "rotate-secret", "crm", "--end").returncode == 0

    def every_process_refuses_the_old_one():
        return {told(whole, (old, body)) for _ in range(8)} == {401}
    eventually(every_process_refuses_the_old_one)
    assert told(whole, (new, body)) == 202
    log = whole.file("bridge", "log").read_text()
    assert old not in log and new not in log


def test_a_token_rotates_under_traffic_without_one_refusal(whole):
    crm, bridge = whole.api("crm"), whole.api("bridge")
    before = crm.get("/tokens", sort="id", limit=200)["data"]
    with Stream(whole) as stream:
        made_until(stream, 10)
        for name in ("crm", "erp"):
            token = whole.run(name, "--create-token", "bridge")
            whole.write_secret(f"{name}-bridge-token", token)
        assert bridge.post("/config/reload")["changed"]

        def every_process_has_them():
            bridge.close()
            return bridge.get("/status")["configuration"]["current"]
        for _ in range(6):
            eventually(every_process_has_them)
        made_until(stream, len(stream.ids) + 10)
        for name in ("crm", "erp"):
            api = whole.api(name)
            bridge_user = api.get("/users", email="bridge@localhost")["data"][0]["id"]
            [old, new] = api.get("/tokens", user_id=bridge_user, sort="id")["data"]
            api.post(f"/tokens/{old['id']}/revoke")
        made_until(stream, len(stream.ids) + 30)
    all_crossed(whole, stream.ids)
    assert len(crm.get("/tokens", limit=200)["data"]) == len(before) + 1
    assert "refuses our token" not in whole.file("bridge", "log").read_text()


def test_an_old_secret_counts_until_its_time(lone):
    old = lone.crm.secret
    lone.crm.secret = old.replace("a", "b", 1)
    assert lone.crm.secret != old
    until = time.time() + 2

    def change(config):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
        config["systems"]["crm"].update(old_secret=old, old_secret_until=stamp)
    lone.start(change)
    event = lone.crm.event("account", {"id": 1, "name": "A", "type": "prospect"})
    new, lone.crm.secret = lone.crm.secret, old
    assert post_event(lone.api, lone.crm, event).status == 202

    def the_old_one_is_refused():
        return post_event(lone.api, lone.crm, event).status == 401
    eventually(the_old_one_is_refused)
    assert time.time() >= int(until)
    lone.crm.secret = new
    assert post_event(lone.api, lone.crm, event).status == 202


def test_rotation_says_what_it_lacks(lone):
    lone.start()
    done = command(lone.stack, "rotate-secret", "crm")
    assert done.returncode == 1 and "must name files" in done.stderr
    done = command(lone.stack, "rotate-secret", "shop")
    assert done.returncode == 1 and 'no system "shop"' in done.stderr
    assert command(lone.stack, "rotate-secret").returncode == 2
    done = command(lone.stack, "rotate-secret", "crm", "--overlap", "soon")
    assert done.returncode == 1 and "--overlap takes hours" in done.stderr
