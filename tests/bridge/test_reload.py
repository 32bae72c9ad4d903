"""tests/bridge/test_reload.py -- another configuration without a restart."""
import base64
import json
import pathlib
import signal
import subprocess
import threading

import psycopg2
import pytest
from api import Api, ApiError
from fake_system import post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401
from waiting import eventually


def write(lone, change=None):
    config = lone.config()
    if change:
        change(config)
    (lone.stack.var / "bridge.json").write_text(
        config if isinstance(config, str) else json.dumps(config, indent=1))


def reload(lone, change=None):
    write(lone, change)
    return lone.api.post("/config/reload")


def refused(lone):
    with pytest.raises(ApiError) as caught:
        lone.api.post("/config/reload")
    assert caught.value.status == 422, caught.value.problem
    return caught.value.problem["detail"]


def command(lone, *words):
    return subprocess.run([lone.stack.bin / "sync-bridge", "--config",
                           lone.stack.config_path("bridge"), *words],
                          capture_output=True, text=True, timeout=30)


def own_mappings(lone, **programs):
    """A folder of copies with some of them replaced; answers the change of bridge.json."""
    folder = lone.stack.var / "own-mappings"
    folder.mkdir(exist_ok=True)
    for path in pathlib.Path(lone.config()["mappings"]).glob("*.jq"):
        (folder / path.name).write_text(programs.get(path.stem, path.read_text()))
    return lambda config: config.update(mappings=str(folder))


def log(lone):
    return lone.stack.file("bridge", "log").read_text()


RENAMED = '.record | {name: ("new " + .name), currency, active: true}'


def test_a_changed_mapping_maps_the_next_change(lone):
    lone.start()
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"
    before = lone.api.get("/status")["configuration"]
    reply = reload(lone, own_mappings(lone, account_customer=RENAMED))
    assert reply["changed"] and reply["routes"] == 9 and reply["digest"] != before["digest"]
    lone.account(1, version=2)
    assert lone.ended("account", 1, version=2)["state"] == "applied"
    names = [c.body["name"] for c in lone.erp.effects_of("crm:account:1")]
    assert names == ["Account 1", "new Account 1"]
    after = lone.api.get("/status")["configuration"]
    assert after["current"] and after["digest"] == reply["digest"]
    assert after["generation"] == before["generation"] + 1
    assert not lone.api.post("/config/reload")["changed"]


@pytest.mark.parametrize("change, said", [
    (lambda c: c["routes"][1].update(name="account-customer"),
     "routes[1] (account-customer): there is another"),
    (lambda c: c["systems"]["crm"].update(token="@nowhere"), "nowhere"),
    (lambda c: c["systems"]["crm"].update(old_secret="short"), 'systems.crm: "old_secret"'),
    (lambda c: c["systems"]["crm"].update(old_secret_until="soon"), 'old_secret_until" must be'),
    (lambda c: c["routes"][0].update(when=".record |"), '"when", line 1: syntax error'),
])
def test_a_wrong_configuration_is_refused_whole_and_the_old_one_goes_on(lone, change, said):
    lone.start()
    before = lone.api.get("/status")["configuration"]
    write(lone, change)
    detail = refused(lone)
    assert said in detail and detail.startswith(str(lone.stack.var / "bridge.json")), detail
    assert lone.api.get("/status")["configuration"] == before
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"


def test_a_wrong_place_is_named_with_its_line(lone):
    write(lone, lambda c: (c["systems"]["erp"].update(skip_origin=1),
                           c["systems"]["crm"].update(skip_origin="routes")))
    path = lone.stack.var / "bridge.json"
    lines, erp = path.read_text().splitlines(), '  "erp": {'
    said = command(lone, "check-config", str(path)).stderr
    assert f"{path}: line {lines.index(erp) + 1}: systems.erp: " in said, said
    write(lone, lambda c: c["routes"][4].update(mirror=1))
    lines = path.read_text().splitlines()
    said = command(lone, "check-config", str(path)).stderr
    line = lines.index('   "name": "order-status",')
    assert f"{path}: line {line}: routes[4] (order-status): " in said, said


def test_a_broken_mapping_is_refused_with_its_file_and_line(lone):
    lone.start()
    write(lone, own_mappings(lone, availability="# a comment\n.record\n| {on_hand, ]}\n"))
    assert "own-mappings/availability.jq, line 3: syntax error" in refused(lone)
    (lone.stack.var / "bridge.json").write_text('{\n"name": "x",\n}')
    assert "line 3" in refused(lone)
    done = command(lone, "check-config", str(lone.stack.var / "bridge.json"))
    assert done.returncode == 1 and "bridge.json: line 3" in done.stderr
    assert command(lone, "reload").returncode == 1
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"


def test_a_file_is_checked_without_a_daemon(lone):
    write(lone)
    done = command(lone, "check-config", str(lone.stack.var / "bridge.json"))
    assert done.returncode == 0 and done.stdout == "ok: 2 systems, 9 routes\n", done.stderr
    assert command(lone, "check-config", "/nowhere.json").returncode == 1
    assert command(lone, "check-config").returncode == 2
    assert command(lone, "reload").returncode == 1


def test_a_hangup_signal_reloads_and_logs_what_it_refuses(lone):
    lone.start()
    before = lone.api.get("/status")["configuration"]["digest"]
    process = lone.stack.processes["bridge"]
    write(lone, lambda c: c["routes"][0].update(events=["account"]))
    process.send_signal(signal.SIGHUP)

    def the_refusal_is_logged():
        return "the configuration is refused" in log(lone)
    eventually(the_refusal_is_logged)
    assert 'routes[0] (account-customer): \\"events\\"[0] must be like' in log(lone)
    assert lone.api.get("/status")["configuration"]["digest"] == before
    write(lone, lambda c: c["routes"][0].update(events=["account.updated"]))
    process.send_signal(signal.SIGHUP)

    def the_new_events_are_wanted():
        return lone.api.get("/routes")["data"][0]["events"] == ["account.updated"]
    eventually(the_new_events_are_wanted)


def test_only_operators_reload(lone):
    lone.start()
    viewer = lone.stack.token("bridge", "viewer", "viewer")
    assert Api(lone.api.url, viewer).raw("POST", "/config/reload").status == 403
    assert Api(lone.api.url, "").raw("POST", "/config/reload").status == 401
    assert lone.api.raw("POST", "/config/reload?now=1").status == 400
    operator = lone.stack.token("bridge", "operator", "operator")
    assert Api(lone.api.url, operator).raw("POST", "/config/reload").status == 200


def test_every_process_reloads_when_one_is_asked(lone):
    lone.start(workers=3)

    def digests():
        seen = set()
        for _ in range(24):
            lone.api.close()
            seen.add(lone.api.get("/status")["configuration"]["digest"])
        return seen
    [before] = digests()
    reply = reload(lone, lambda c: c["routes"][0].update(skip_reason="other words"))
    assert reply["digest"] != before

    def all_processes_run_it():
        return digests() == {reply["digest"]}
    eventually(all_processes_run_it)
    lone.account(1, kind="prospect")
    message = lone.ended("account", 1)
    assert message["state"] == "skipped" and message["reason"] == "other words"


def test_a_reload_while_a_systems_state_is_written_leaves_its_last_state_in_the_table(lone):
    lone.start()

    def the_table_says_subscribed():
        return lone.stack.sql("SELECT subscribed FROM bridge.system_state"
                              " WHERE name = 'crm'") == "t"

    def its_writing_waits():
        return lone.stack.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                              " AND query LIKE '%system_state%'") != "0"

    def hang_up(reason):
        write(lone, lambda c: c["routes"][0].update(skip_reason=reason))
        before = log(lone).count("runs another configuration")
        lone.signal(signal.SIGHUP)

        def it_is_in_effect():
            return log(lone).count("runs another configuration") > before
        eventually(it_is_in_effect)
    eventually(the_table_says_subscribed)
    holder = psycopg2.connect(lone.stack.database_url)
    holder.cursor().execute("SELECT FROM bridge.system_state FOR UPDATE")
    lone.crm.close()
    hang_up("first")
    eventually(its_writing_waits)
    lone.crm.open()
    hang_up("second")
    holder.close()
    eventually(the_table_says_subscribed)


def test_messages_of_a_removed_route_wait_in_sight_and_go_on_when_it_is_back(lone):
    lone.start()
    lone.erp.close()
    for id in range(1, 6):
        lone.account(id)
    reload(lone, lambda c: c.update(routes=c["routes"][1:]))

    def all_wait_for_the_route():
        return [(m["state"], m["code"], m["reason"]) for m in lone.messages()] == \
            [("waiting", "unknown_route", "route account-customer is not configured")] * 5
    # What was under way when the route went ends a little later.
    eventually(all_wait_for_the_route, 30)
    status = lone.api.get("/status")
    [gone] = [r for r in status["routes"] if r["name"] == "account-customer"]
    assert gone["pending"] == 5 and gone["from"] is None and not status["idle"]
    for message in lone.messages()[:1]:
        with pytest.raises(ApiError) as caught:
            lone.api.post(f"/messages/{message['id']}/retry")
        assert caught.value.status == 409 and "not configured" in str(caught.value)
    lone.erp.open()
    reload(lone)
    lone.all_ended()
    assert {m["state"] for m in lone.messages()} == {"applied"}
    assert len(lone.erp.effects) == 5


def test_a_breaker_stays_open_across_a_reload_unless_the_address_changed(lone):
    lone.start()
    lone.erp.close()
    lone.account(1)

    def the_breaker_opens():
        return lone.api.get("/status")["systems"]["erp"]["breaker"] != "closed"
    eventually(the_breaker_opens)
    reload(lone, lambda c: c["routes"][0].update(skip_reason="other words"))
    assert lone.api.get("/status")["systems"]["erp"]["breaker"] != "closed"
    lone.erp.port = 0
    lone.erp.open()
    reload(lone)
    assert lone.ended("account", 1)["state"] == "applied"


def test_a_message_under_way_ends_with_the_configuration_it_began_with(lone):
    lone.start()
    held = threading.Event()

    def rule(call):
        if call.method == "PUT" and "/customers/" in call.path:
            held.wait(10)
        return None
    lone.erp.rule = rule
    lone.account(1)

    def the_call_is_out():
        return lone.erp.puts("crm:account:1")
    eventually(the_call_is_out)
    lone.account(1, version=2)
    reload(lone, own_mappings(lone, account_customer=RENAMED))
    held.set()
    assert lone.ended("account", 1, version=2)["state"] == "applied"
    assert [c.body["name"] for c in lone.erp.effects_of("crm:account:1")] == [
        "Account 1", "new Account 1"]
    assert lone.ended("account", 1, version=1)["state"] == "applied"


def test_nothing_is_lost_or_doubled_while_configurations_change(lone):
    lone.start()
    stop = threading.Event()
    failures = []

    def change_all_the_time():
        api, turn = Api(lone.api.url, lone.stack.tokens["bridge"]), 0
        while not stop.is_set():
            turn += 1
            write(lone, lambda c: c["routes"][1].update(skip_reason=f"turn {turn}"))
            try:
                assert api.post("/config/reload")["changed"]
            except (ApiError, AssertionError, OSError) as error:
                failures.append(error)
                return
    thread = threading.Thread(target=change_all_the_time)
    thread.start()
    try:
        for id in range(1, 151):
            lone.account(id)
    finally:
        stop.set()
        thread.join()
    assert not failures
    lone.all_ended()
    assert {m["state"] for m in lone.messages()} == {"applied"}
    assert len(lone.erp.effects) == 150


def test_a_changed_secret_or_set_of_events_is_subscribed_anew(lone):
    lone.start()

    def subscriptions():
        return [c.body for c in lone.crm.calls if "/webhooks/by-ref/" in c.path]
    eventually(subscriptions)
    secret = "whsec_" + base64.b64encode(b"n" * 32).decode()

    def change(config):
        config["systems"]["crm"]["secret"] = secret
        config["routes"][0]["events"] = ["account.updated"]
    reload(lone, change)

    def the_new_one_is_there():
        return subscriptions()[-1]["secret"] == secret
    eventually(the_new_one_is_there)
    assert "account.updated" in subscriptions()[-1]["events"]
    event = lone.crm.event("account", {"id": 1, "name": "A", "type": "prospect"})
    assert post_event(lone.api, lone.crm, event).status == 401
    lone.crm.secret = secret
    assert post_event(lone.api, lone.crm, event).status == 202
