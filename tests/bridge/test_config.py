"""tests/bridge/test_config.py -- a broken bridge.json stops the start, saying where and why."""
import json
import signal
import subprocess
import time

import pytest
from fake_system import post_event
from lone_bridge import lone, one_lone_bridge  # noqa: F401


def refused(lone, config, options=(), place=None):
    """Starts with that text; answers what was said while it ended, which names the place."""
    path = lone.stack.var / "bridge.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config, indent=1))
    lone.stack.write_config("bridge")
    done = subprocess.run([lone.stack.bin / "sync-bridge", "--config",
                           lone.stack.config_path("bridge"), *options],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1, done.stderr
    assert str(place or path) in done.stderr
    return done.stderr


def change(lone, path, value):
    config = lone.config()
    place = config
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return config


@pytest.mark.parametrize("path, value, said", [
    (["rooutes"], [], 'unknown key \\"rooutes\\"'),
    (["public_url"], None, 'public_url\\" is missing'),
    (["public_url"], "127.0.0.1", "http://"),
    (["systems"], {}, "systems"),
    (["systems", "crm", "tokn"], "x", 'systems.crm: unknown key \\"tokn\\"'),
    (["systems", "crm", "token"], "@nowhere", "nowhere"),
    (["systems", "crm", "token"], 5, "token"),
    (["systems", "erp", "secret"], "s3cret", 'systems.erp: \\"secret\\"'),
    (["systems", "erp", "url"], "ftp://x", 'systems.erp: \\"url\\"'),
    (["systems", "erp", "epoch"], 0, 'systems.erp: \\"epoch\\" must be a whole number'),
    (["systems", "erp", "epoch"], "2", "whole number"),
    (["systems", "erp", "epoch"], 2.5, "whole number"),
    (["systems", "erp", "epoch"], 1000001, "whole number"),
    (["routes"], [], "routes"),
    (["routes", 0, "nam"], "x", 'routes[0]: unknown key \\"nam\\"'),
    (["routes", 1, "name"], "account-customer", "routes[1] (account-customer): there is another"),
    (["routes", 1, "name"], "Ünsinn", "routes[1]"),
    (["routes", 2, "from"], "shop", 'no system \\"shop\\"'),
    (["routes", 2, "to"], "crm", "same system"),
    (["routes", 2, "events"], "opportunity.won", 'events\\" must be a list'),
    (["routes", 2, "events"], ["won"], 'events\\"[0]'),
    (["routes", 2, "map"], None, 'map\\" is missing'),
    (["routes", 2, "map"], "nowhere.jq", "nowhere.jq"),
    (["routes", 0, "when"], ".record.type ==", 'routes[0] (account-customer): \\"when\\", line 1'),
    (["routes", 3, "mirror"], "yes", 'mirror\\" must be true or false'),
    (["routes", 0, "repair"], "maybe", 'repair\\" must be \\"owner\\" or \\"hold'),
    (["routes", 0, "compare"], {"whn": "true"}, 'compare: unknown key \\"whn\\"'),
    (["routes", 0, "compare"], {"revised": {"by": "revision"}}, '\\"fields\\" must be a list'),
    (["routes", 0, "compare"], {"revised": {"by": "revision", "fields": [1]}}, "[0] must be"),
    (["routes", 0, "compare"], {"revised": {"fields": ["lines"]}}, 'by\\" is missing'),
    (["routes", 0, "compare"], {"not": ["phone"]}, "must be an object of members"),
    (["routes", 0, "compare"], {"not": {"phone": 1}}, "must be a text"),
    (["routes", 0, "compare"], {"when": ".x ="}, "compare: "),
    (["routes", 2, "retry_on"], "period.opened", 'retry_on\\" must be a list'),
    (["routes", 2, "retry_on"], ["period"], 'retry_on\\"[0]'),
])
def test_a_wrong_value_stops_the_start_and_is_named(lone, path, value, said):
    error = refused(lone, change(lone, path, value))
    assert said in error, error


@pytest.mark.parametrize("text, said", [
    ("", "line 1"),
    ("{\n\"name\": \"x\",\n}", "line 3"),
    ("{\n\"name\": \"x\",\n\"name\": \"y\"}", "duplicate key"),
    ("[]", "must be an object"),
])
def test_broken_json_stops_the_start_with_its_line(lone, text, said):
    assert said in refused(lone, text)


def test_the_routes_show_how_they_are_compared_and_repaired(lone):
    def change(config):
        config["routes"][0].update(repair="hold", compare={"not": {"phone": "kept by hand"}})
    lone.start(change)
    routes = {route["name"]: route for route in lone.api.get("/routes")["data"]}
    first, order = routes["account-customer"], routes["opportunity-order"]
    assert first["repair"] == "hold" and first["compare"]["when"] is None
    assert first["compare"]["not"] == {"phone": "kept by hand"}
    assert order["repair"] == "owner" and "won" in order["compare"]["when"]
    assert order["compare"]["revised"] == {"by": "revision", "fields": ["agreed_total", "lines"]}
    assert "period.opened" in order["retry_on"]
    assert routes["amendment"]["retry_on"] == []
    assert routes["order-status"]["retry_on"] is None


def test_a_missing_file_stops_the_start(lone):
    done = subprocess.run([lone.stack.bin / "sync-bridge", "--config",
                           lone.stack.config_path("bridge"), "--bridge-config", "/nowhere.json"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "/nowhere.json" in done.stderr


def test_a_broken_mapping_stops_the_start_with_its_file_and_line(lone):
    mappings = lone.stack.var / "broken"
    mappings.mkdir(exist_ok=True)
    source = lone.config()["mappings"]
    for route in lone.config()["routes"]:
        (mappings / route["map"]).write_text(open(f"{source}/{route['map']}").read())
    (mappings / "availability.jq").write_text("# a comment\n.record\n| {on_hand, ]}\n")
    config = {**lone.config(), "mappings": str(mappings)}
    path = lone.stack.var / "bridge.json"
    path.write_text(json.dumps(config))
    lone.stack.write_config("bridge")
    done = subprocess.run([lone.stack.bin / "sync-bridge", "--config",
                           lone.stack.config_path("bridge")], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 1
    assert f"{mappings}/availability.jq, line 3: syntax error" in done.stderr


@pytest.mark.parametrize("text, line, word", [
    ("# env\n.record | {name: env.HOME}", 1, "env"),
    (".record\n| {name, env, input: .input}\n| .name = input_filename", 3, "input_filename"),
    ("{name: input_line_number}", 1, "input_line_number"),
    ("{\n name: ([inputs] | tojson)}", 2, "inputs"),
    ("{name: \"\\(debug)\"}", 1, "debug"),
])
def test_a_mapping_that_reaches_outside_of_its_change_stops_the_start(lone, text, line, word):
    config = lone.config()
    own_mapping(lone, text)(config)
    refused(lone, config, place=f"{config['mappings']}/account_customer.jq, line {line}: {word} is"
            " not available in a mapping")


def test_a_condition_that_reaches_outside_of_its_change_stops_the_start(lone):
    config = change(lone, ["routes", 0, "when"], ".record.name == input_filename")
    assert "line 1: input_filename is not available" in refused(lone, config)


def test_a_mapping_may_have_members_of_such_names_and_import_nothing(lone):
    config = lone.config()
    own_mapping(lone, 'import "a" as a; {}')(config)
    refused(lone, config, place="account_customer.jq, line 1: syntax error")
    lone.start(own_mapping(lone, ".record | {name, env, input: .debug} | del(.env, .input)"))
    lone.account(1)
    assert lone.ended("account", 1)["state"] == "applied"


def own_mapping(lone, text):
    mappings = lone.stack.var / "own"
    mappings.mkdir(exist_ok=True)
    for route in lone.config()["routes"]:
        (mappings / route["map"]).write_text("{}")
    (mappings / "account_customer.jq").write_text(text)
    return lambda config: config.update(mappings=str(mappings))


@pytest.mark.parametrize("text, said", [
    ('error("no tax id")', "no tax id"),
    (".record.name + 1", "cannot be added"),
    ("def f: f; f", "stopped after 250 ms"),
    ("[limit(1e12; repeat(1))]", "stopped after 250 ms"),
    ("1e300 | todate", "no such time"),
    ("-1e300 | strftime(\"%Y\")", "no such time"),
    ("empty", "gives no result"),
    ("{}, {}", "more than one result"),
    ('"text"', "no JSON object"),
    ('{parent_id: {link: "nonsense"}}', "not a reference"),
    ('{parent_id: {link: "erp:customer:1"}}', "not a reference"),
])
def test_a_mapping_that_fails_rejects_its_message_and_stops_nobody_else(lone, text, said):
    lone.start(own_mapping(lone, text))
    lone.account(1)
    message = lone.ended("account", 1)
    assert message["state"] == "rejected" and message["code"] == "mapping_failed"
    assert said in message["reason"]
    order = {"id": 7, "external_ref": "crm:opportunity:17"}
    event = lone.erp.event("sales_order", order)
    assert post_event(lone.api, lone.erp, event).status == 202
    assert lone.ended("sales_order", 7)["state"] == "applied"


def test_a_mapping_is_not_stopped_because_the_bridge_was_frozen_in_it(lone):
    """Its time is that of the CPU: a long one takes some 50 ms of it, a freeze takes none."""
    lone.start(own_mapping(lone, ". as $change | reduce range(50000) as $i (0; . + $i)"
                                 " | $change.record | {name}"))
    ids = range(1, 13)
    for id in ids:
        lone.account(id)
    for _ in range(20):
        lone.signal(signal.SIGSTOP)
        time.sleep(0.3)
        lone.signal(signal.SIGCONT)
        time.sleep(0.03)
    assert [lone.ended("account", id)["state"] for id in ids] == ["applied"] * len(ids)


def test_a_corrected_mapping_and_a_retry_bring_the_message_across(lone):
    lone.start(own_mapping(lone, "error(1)"))
    lone.account(1)
    message = lone.ended("account", 1)
    lone.stack.processes["bridge"].terminate()
    lone.stack.processes["bridge"].wait()
    lone.start()
    assert lone.message("account", 1)["state"] == "rejected"
    lone.api.post(f"/messages/{message['id']}/retry")
    assert lone.ended("account", 1)["state"] == "applied"
