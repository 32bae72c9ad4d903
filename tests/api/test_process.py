"""tests/api/test_process.py -- starting, draining, workers, readiness and settings of a daemon."""
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from api import Api
from conftest import BIN, end_stack, new_stack
from waiting import eventually


@pytest.fixture(scope="module")
def alone():
    """A prepared stack; each test starts its own CRM on it."""
    stack = new_stack()
    try:
        stack.prepare()
        yield stack
    finally:
        end_stack(stack)


class Daemon:
    def __init__(self, stack, *flags):
        self.log = stack.var / "process.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BIN / "crm-server", "--config", stack.config_path("crm"), "--port", "0", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.url = f"http://127.0.0.1:{eventually(self.port)}"
        self.token = stack.tokens["crm"]
        eventually(self.ready)

    def port(self):
        found = re.search(r'"event":"ready".*"port":"(\d+)"', self.log.read_text())
        return found and found[1]

    def ready(self):
        return self.api().raw("GET", "/readyz").status == 200

    def api(self):
        return Api(self.url, self.token)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(40)


@pytest.fixture
def start(alone):
    started = []

    def start_one(*flags):
        started.append(Daemon(alone, *flags))
        return started[-1]

    yield start_one
    for daemon in started:
        daemon.end()


def hold_an_account(alone, api):
    """A transaction that keeps one account locked, so that a PATCH of it takes as long."""
    account = api.post("/accounts", {"name": "Slow", "type": "prospect"})
    holder = psycopg2.connect(alone.user_url("crm"))
    holder.cursor().execute("SELECT FROM account WHERE id = %s FOR UPDATE", (account["id"],))
    return account, holder


def in_background(call):
    answers = []

    def run():
        try:
            answers.append(call())
        except OSError as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def test_sigterm_finishes_what_is_in_flight_and_takes_nothing_new(alone, start):
    daemon = start("--lock-timeout", "10s")
    kept = daemon.api()
    assert kept.raw("GET", "/readyz").status == 200
    account, holder = hold_an_account(alone, kept)
    path = f"/accounts/{account['id']}"
    thread, answers = in_background(lambda: daemon.api().raw("PATCH", path, {"phone": "7"}))
    time.sleep(0.5)
    daemon.process.send_signal(signal.SIGTERM)
    eventually(lambda: "draining" in daemon.log.read_text())
    reply = kept.raw("GET", "/readyz")
    assert reply.status == 503 and reply.json["reason"] == "draining"
    with pytest.raises(OSError):
        Api(daemon.url).raw("GET", "/livez")
    holder.close()
    thread.join(20)
    assert answers[0].status == 200 and answers[0].json["phone"] == "7"
    assert daemon.process.wait(10) == 0


def test_a_second_signal_ends_it_at_once(alone, start):
    daemon = start("--lock-timeout", "10s")
    account, holder = hold_an_account(alone, daemon.api())
    path = f"/accounts/{account['id']}"
    thread, _ = in_background(lambda: daemon.api().raw("PATCH", path, {"phone": "7"}))
    time.sleep(0.5)
    daemon.process.send_signal(signal.SIGTERM)
    eventually(lambda: "draining" in daemon.log.read_text())
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(2) == 1
    holder.close()
    thread.join(20)


def test_what_does_not_end_in_time_is_given_up(alone, start):
    daemon = start("--lock-timeout", "30s", "--drain", "1s")
    account, holder = hold_an_account(alone, daemon.api())
    path = f"/accounts/{account['id']}"
    thread, _ = in_background(lambda: daemon.api().raw("PATCH", path, {"phone": "7"}))
    time.sleep(0.5)
    began = time.monotonic()
    assert daemon.end() == 0
    assert 0.9 < time.monotonic() - began < 5
    holder.close()
    thread.join(20)


def test_workers_share_one_port_and_a_dead_one_is_started_again(start):
    daemon = start("--workers", "3")

    def children():
        found = subprocess.run(["pgrep", "-P", str(daemon.process.pid)], capture_output=True)
        return set(found.stdout.split())

    eventually(lambda: daemon.log.read_text().count('"event":"ready"') == 3)
    first = children()
    assert len(first) == 3
    os.kill(int(min(first)), signal.SIGKILL)
    eventually(lambda: len(children()) == 3 and children() != first)
    for _ in range(20):
        assert Api(daemon.url).raw("GET", "/livez").status == 200
    assert daemon.end() == 0
    assert not children()


def test_roles_change_in_all_workers_before_the_answer(start):
    daemon = start("--workers", "3")
    admin = daemon.api()
    user = admin.post("/users", {"email": "workers@acme.test", "name": "W", "roles": ["sales"]})
    token = admin.post(f"/users/{user['id']}/tokens", {"name": "w"})["token"]
    for roles, status in [(["sales"], 200), ([], 403)] * 5:
        admin.patch(f"/users/{user['id']}", {"roles": roles})
        replies = [Api(daemon.url, token).raw("GET", "/accounts?limit=1") for _ in range(8)]
        allowed = {reply.status for reply in replies}
        assert allowed == {200} or status == 403, allowed


def test_metrics_name_routes_by_pattern_and_never_ids(start):
    daemon = start()
    api = daemon.api()
    account = api.post("/accounts", {"name": "Counted", "type": "prospect"})
    api.get(f"/accounts/{account['id']}")
    text = api.raw("GET", "/metrics").raw.decode()
    assert 'http_requests_total{route="/api/v1/accounts/{id}",method="GET",code="200"} 1' in text
    assert f"/accounts/{account['id']}" not in text
    for name in ("http_request_duration_seconds_bucket", "outbox_pending", "db_pool_connections",
                 "event_loop_lag_seconds", "process_resident_memory_bytes", "build_info",
                 "idempotency_hits_total", "http_rejected_total"):
        assert f"\n{name}" in text, name
    for line in text.splitlines():
        assert re.fullmatch(r"#.*|[a-z_]+(\{.*\})? [-+0-9.e]+", line), line


def run(stack, *flags, env=None, name="crm-server", stdin=""):
    return subprocess.run([BIN / name, *flags], capture_output=True, text=True, input=stdin,
                          timeout=60, env={**os.environ, **(env or {})})


def test_a_schema_that_is_too_old_stops_the_start(alone):
    url = alone.user_url("crm")
    alone.sql("CREATE ROLE empty LOGIN PASSWORD 'x'; CREATE SCHEMA empty AUTHORIZATION empty;"
              "ALTER ROLE empty SET search_path = empty")
    done = run(alone, "--database", url.replace("crm:", "empty:", 1).replace(
        alone.secret("crm-database"), "x"), "--port", "0")
    assert done.returncode == 1
    assert "--migrate" in done.stderr


@pytest.mark.parametrize("flags, says", [
    (["--prot", "1"], "--prot: there is no such option"),
    (["--port", "eighty"], '--port: option port: "eighty" is no whole number'),
    (["--drain", "5"], "is no duration"),
    (["--workers=65"], "65 is not between 1 and 64"),
    ([], "option database must be set"),
    (["status"], 'unexpected argument "status"'),
])
def test_bad_settings_stop_the_start_and_say_where(alone, flags, says):
    done = run(alone, *flags)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_bad_line_in_the_file_is_named_with_its_number(alone, tmp_path):
    file = tmp_path / "bad.ini"
    file.write_text("# fine\nport = 8081\nlog-level = loud\n")
    done = run(alone, "--config", str(file))
    assert done.returncode == 2
    assert f'{file}:3: option log-level: "loud" is none of: debug info warn error' in done.stderr


def test_the_configuration_shown_hides_the_database(alone):
    done = run(alone, "--config", str(alone.config_path("crm")), "--show-config")
    assert done.returncode == 0
    assert "database = ********" in done.stdout
    assert alone.secret("crm-database") not in done.stdout


def test_docs_config_is_what_the_programs_say():
    said = "".join(run(None, "--config-doc", name=name).stdout
                   for name in ("crm-server", "erp-server", "sync-bridge"))
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    assert said in (root / "docs/CONFIG.md").read_text(), \
        "docs/CONFIG.md: make it anew with --config-doc of the three programs"


def test_a_user_made_on_the_command_line_can_sign_in(alone, start):
    config = str(alone.config_path("crm"))
    done = run(alone, "--config", config, "--create-user", "ann@acme.test", "--role", "sales",
               stdin="correct horse\n")
    assert done.returncode == 0, done.stderr
    weak = run(alone, "--config", config, "--create-user", "bob@acme.test", stdin="short\n")
    assert weak.returncode == 1 and "password" in weak.stderr
    ghost = run(alone, "--config", config, "--create-token", "x", "--role", "ghost")
    assert ghost.returncode == 1 and "ghost" in ghost.stderr and ghost.stdout == ""
    session = Api(start().url).call("POST", "/login", {"email": "ann@acme.test",
                                                       "password": "correct horse"})
    assert session["user"]["roles"] == ["sales"]
