"""tests/api/test_metrics.py -- what Prometheus is told: complete, bounded and true."""
import os
import re
import signal
import socket
import subprocess

import psycopg2
import pytest

from api import Api
from test_process import Daemon
from metrics import names, promtool, samples, scrape, value
from waiting import eventually, idle

ALL = """http_requests_total http_request_duration_seconds http_connections http_rejected_total
outbox_pending outbox_oldest_age_seconds outbox_inserted_total outbox_delivered_total
outbox_delivery_attempts_total webhook_verify_failures_total idempotency_hits_total
db_pool_connections db_query_duration_seconds db_reconnects_total db_oldest_xmin_age_seconds
db_dead_tuples db_notify_queue_ratio clock_skew_seconds event_loop_lag_seconds schema_version
process_cpu_seconds_total process_resident_memory_bytes process_open_fds
process_start_time_seconds build_info""".split()
BRIDGE = """inbox_pending inbox_oldest_age_seconds inbox_received_total inbox_duplicates_total
bridge_effect_latency_seconds bridge_stage_duration_seconds bridge_applied_total
bridge_retries_total bridge_breaker_state bridge_lanes bridge_blocked_keys bridge_dlq_events
bridge_dlq_added_total bridge_loops_dropped_total""".split()


@pytest.fixture(scope="module")
def deal(stack, crm, bridge):
    """One won deal has crossed, so that everything has had something to count."""
    account = crm.post("/accounts", {"name": "Measured", "type": "customer"})
    product = crm.post("/products", {"sku": "M-1", "name": "Metre", "list_price": "5.00"})
    deal = crm.post("/opportunities", {
        "account_id": account["id"], "name": "Metres", "close_date": "2026-12-31",
        "lines": [{"product_id": product["id"], "quantity": "3", "unit_price": "4.00"}]})
    crm.post(f"/opportunities/{deal['id']}/win")
    idle(bridge)
    return deal


@pytest.fixture(scope="module")
def crm(stack):
    return stack.api("crm")


@pytest.fixture(scope="module")
def bridge(stack):
    return stack.api("bridge")


@pytest.mark.parametrize("name", ["crm", "erp", "bridge"])
def test_every_metric_is_there_and_promtool_has_nothing_to_say(stack, deal, name):
    page = scrape(stack.api(name))
    missing = set(ALL + (BRIDGE if name == "bridge" else [])) - set(names(page))
    assert not missing
    assert len(names(page)) == len(set(names(page)))
    promtool("check", "metrics", stdin=page)


@pytest.mark.parametrize("name", ["crm", "erp", "bridge"])
def test_no_label_holds_an_id_a_url_or_anything_that_came_from_outside(stack, deal, name):
    api = stack.api(name)
    api.raw("GET", "/api/v1/no-such-path/77?x=1")
    for metric, labels, _ in samples(scrape(api)):
        for label, text in labels.items():
            if label in ("le", "code", "version"):
                continue
            assert re.fullmatch(r"[A-Za-z_.{} /-]+|/api/v1[a-z_{}/-]*|none", text), (metric, labels)
            assert "http:" not in text and len(text) < 100, (metric, labels)


def test_a_crossing_moves_the_counters_on_both_sides_of_it(stack, crm, bridge, deal):
    before = [scrape(api) for api in (crm, bridge)]
    crm.post("/accounts", {"name": "One more", "type": "customer"})
    idle(bridge)
    after = [scrape(api) for api in (crm, bridge)]

    def grown(side, name, **labels):
        return value(after[side], name, **labels) - (value(before[side], name, **labels) or 0)
    assert grown(0, "http_requests_total", route="/api/v1/accounts", method="POST",
                 code="201") == 1
    assert grown(0, "http_request_duration_seconds_count", route="/api/v1/accounts") >= 1
    assert grown(0, "outbox_inserted_total") == 1
    assert grown(0, "outbox_delivered_total") == 1
    assert grown(0, "outbox_delivery_attempts_total", outcome="ok") == 1
    assert grown(0, "db_query_duration_seconds_count", stmt="event_append") >= 1
    # The account crosses, and the ERP's answer about the customer's balance comes back.
    assert grown(1, "inbox_received_total") >= 1
    assert grown(1, "bridge_applied_total", result="applied") >= 1
    assert grown(1, "bridge_effect_latency_seconds_count") >= 1
    for stage in ("receive", "queue", "map", "call", "finish"):
        assert grown(1, "bridge_stage_duration_seconds_count", stage=stage) >= 1, stage


def test_what_is_refused_is_counted_by_its_reason(stack, crm, bridge):
    before = [scrape(api) for api in (crm, bridge)]
    key = {"Idempotency-Key": "metrics-key"}
    for body in ({"name": "Once", "type": "prospect"}, {"name": "Once", "type": "prospect"},
                 {"name": "Twice", "type": "prospect"}):
        crm.raw("POST", "/accounts", body, key)
    Api(stack.url("crm"), "nonsense").raw("GET", "/accounts")
    with socket.create_connection(("127.0.0.1", stack.ports["crm"])) as raw:
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        raw.recv(100)
    bridge.raw("POST", "/api/v1/inbox/crm", {}, {
        "webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"})
    bridge.raw("POST", "/api/v1/inbox/crm", {})
    after = [scrape(api) for api in (crm, bridge)]
    for side, name, labels in [
            (0, "idempotency_hits_total", {"result": "replay"}),
            (0, "idempotency_hits_total", {"result": "mismatch"}),
            (0, "http_rejected_total", {"reason": "auth"}),
            (0, "http_rejected_total", {"reason": "smuggle"}),
            (1, "webhook_verify_failures_total", {"reason": "stale"}),
            (1, "webhook_verify_failures_total", {"reason": "missing"})]:
        assert value(after[side], name, **labels) - value(before[side], name, **labels) == 1, labels


def test_a_snapshot_that_is_held_shows_its_age(stack, crm):
    with psycopg2.connect(stack.user_url("crm")) as holder:
        holder.set_session(isolation_level="REPEATABLE READ")
        holder.cursor().execute("SELECT count(*) FROM account")
        crm.post("/accounts", {"name": "Writes on", "type": "prospect"})
        scrape(crm)

        def the_age_grows():
            return value(scrape(crm), "db_oldest_xmin_age_seconds") > 0.3
        eventually(the_age_grows)
    holder.close()

    def the_age_is_gone():
        return value(scrape(crm), "db_oldest_xmin_age_seconds") < 0.3
    eventually(the_age_is_gone)


def test_the_clock_and_the_schema_are_told(stack, crm, bridge, deal):
    assert value(scrape(crm), "clock_skew_seconds", peer="database") < 5
    migrations = int(stack.sql("SELECT count(*) FROM crm.schema_migration"))
    assert value(scrape(crm), "schema_version") == migrations
    assert value(scrape(bridge), "clock_skew_seconds", peer="erp") < 5
    assert value(scrape(bridge), "bridge_breaker_state", target="erp") == 0


def test_one_page_answers_for_all_workers_and_goes_on_when_one_dies(stack):
    daemon = Daemon(stack, "--workers", "3")
    route = {"route": "/api/v1/accounts", "method": "GET", "code": "200"}

    def children():
        return subprocess.run(["pgrep", "-P", str(daemon.process.pid)], capture_output=True,
                              text=True).stdout.split()

    def counted():
        """By several of the workers: each connection comes to any."""
        return {value(scrape(Api(daemon.url)), "http_requests_total", **route) for _ in range(12)}
    try:
        for _ in range(60):
            assert daemon.api().raw("GET", "/accounts").status == 200
        assert counted() == {60}
        dead = children()[0]
        os.kill(int(dead), signal.SIGKILL)

        def another_has_its_place():
            return len(children()) == 3 and dead not in children()
        eventually(another_has_its_place)
        assert counted() == {60}
        for _ in range(20):
            daemon.api().raw("GET", "/accounts")
        assert counted() == {80}
    finally:
        assert daemon.end() == 0
