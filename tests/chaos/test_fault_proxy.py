"""tests/chaos/test_fault_proxy.py -- each fault of the network, one at a time, changes nothing."""
import http.client
import json
import time

import pytest
from api import Api
from fake_system import signed
from fault_proxy import KINDS, SIGNED_KINDS, FaultProxy
from lone_bridge import lone, one_lone_bridge  # noqa: F401 -- fixtures
from waiting import eventually


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_behind_a_bad_network_takes_each_change_once_and_in_order(lone, kind):
    proxy = FaultProxy(lone.erp.port, f"target {kind}", (kind,), silence_seconds=0.3)

    def through_proxy(config):
        config["systems"]["erp"]["url"] = proxy.url
    lone.start(through_proxy)
    proxy.share = 0.5
    for version in (1, 2, 3):
        for account in range(1, 6):
            lone.account(account, version)
    time.sleep(0.3)
    eventually(lambda: proxy.counts[kind] >= 3 or not lone.account(6, 1 + proxy.number))
    proxy.heal()
    lone.all_ended()
    for account in range(1, 6):
        taken = [int(call.headers["Source-Version"])
                 for call in lone.erp.effects_of(f"crm:account:{account}")]
        assert taken == sorted(set(taken)) and taken[-1] == 3, taken
    assert {m["state"] for m in lone.messages()} <= {"applied", "superseded", "unchanged"}
    proxy.close()


def test_a_reply_whose_headers_break_off_counts_as_none(lone):
    proxy = FaultProxy(lone.erp.port, "headers", ("cut_reply",), share=1.0)
    proxy.cut_at = len("HTTP/1.0 201 Created\r\nServ")

    def through_proxy(config):
        config["systems"]["erp"]["url"] = proxy.url
    lone.start(through_proxy)
    lone.account(1)
    eventually(lambda: proxy.counts["cut_reply"] >= 2)
    lone.in_state("retrying", "account", 1)
    proxy.heal()
    assert lone.ended("account", 1)["state"] in ("applied", "unchanged")
    assert len(lone.erp.effects_of("crm:account:1")) == 1
    proxy.close()


def post_through(proxy, lone, account, id=None):
    record = {"id": account, "name": f"Account {account}", "type": "customer",
              "currency": "USD", "parent_id": None}
    body = json.dumps(lone.crm.event("account", record)).encode()
    try:
        return Api(proxy.url).raw("POST", "/inbox/crm", body,
                                  signed(lone.crm.secret, body, id)).status
    except (OSError, http.client.HTTPException):
        return 0


@pytest.mark.parametrize("kind", ["garbled", "bad_signature"])
def test_a_changed_message_is_refused_and_nothing_of_it_is_stored(lone, kind):
    lone.start()
    proxy = FaultProxy(lone.stack.ports["bridge"], f"source {kind}", (kind,), share=1.0)
    assert {post_through(proxy, lone, 1) for _ in range(20)} == {401}
    assert lone.messages() == []
    proxy.heal()
    assert post_through(proxy, lone, 1) == 202
    proxy.close()


@pytest.mark.parametrize("kind", [kind for kind in SIGNED_KINDS if kind not in
                                  ("garbled", "bad_signature")])
def test_a_message_that_is_sent_until_it_is_acknowledged_is_taken_in_once(lone, kind):
    lone.start()
    proxy = FaultProxy(lone.stack.ports["bridge"], f"source {kind}", (kind,), share=0.6,
                       silence_seconds=0.2)
    for account in range(1, 6):
        while post_through(proxy, lone, account, f"evt_{kind}_{account}") != 202:
            pass
    proxy.heal()
    time.sleep(2.1 if kind == "copied_late" else 0)
    lone.all_ended()
    assert sorted(m["source_id"] for m in lone.messages()) == [1, 2, 3, 4, 5]
    assert proxy.injections > 0
    proxy.close()


def test_the_same_seed_brings_the_same_faults():
    first, second, other = (FaultProxy(1, seed, share=0.3) for seed in (7, 7, 8))
    told = [[proxy.fault_of(n)[0] for n in range(500)] for proxy in (first, second, other)]
    assert told[0] == told[1] != told[2]
    assert 100 < sum(1 for kind in told[0] if kind) < 200
    for proxy in (first, second, other):
        proxy.close()
