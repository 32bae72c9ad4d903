"""tests/api/test_rolling_restart.py -- daemons are replaced under load and no request fails."""
import http.client
import json
import threading
import time
import uuid

import pytest

from activation import Unit
from api import Api
from conftest import end_stack, new_stack
from fake_system import FakeSystem, post_event
from waiting import eventually, idle

RESTARTS = 20


@pytest.fixture(scope="module")
def units():
    """Three daemons on sockets that this process holds."""
    stack = new_stack()
    held = {}
    try:
        stack.prepare()
        for name in ("crm", "erp", "bridge"):
            held[name] = Unit(stack, name)
            held[name].start()
        stack.wait_subscribed()
        yield stack, held
    finally:
        for unit in held.values():
            unit.end()
        end_stack(stack)


class Load:
    """Clients that never repeat a request: any that is not answered as it should is a failure."""

    def __init__(self):
        self.ending = threading.Event()
        self.failures, self.answered, self.threads = [], {}, []

    def run(self, name, call):
        def work():
            while not self.ending.is_set():
                try:
                    status = call()
                    if not 200 <= status < 300:
                        self.failures.append((name, status))
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append((name, repr(error)))
                self.answered[name] = self.answered.get(name, 0) + 1
                time.sleep(0.005)
        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)


def one_request(stack, name, connection, method="GET", path="/livez", body=None):
    headers = {"Authorization": "Bearer " + stack.tokens[name], "Content-Type": "application/json",
               "Idempotency-Key": str(uuid.uuid4())}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    reply = connection.getresponse()
    reply.read()
    return reply.status


def fresh(stack, name, *request):
    """A connection for each request."""
    def call():
        connection = http.client.HTTPConnection("127.0.0.1", stack.ports[name], timeout=30)
        try:
            return one_request(stack, name, connection, *request)
        finally:
            connection.close()
    return call


def kept(stack, name, *request):
    """One connection, opened again only where a reply said "Connection: close"."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.ports[name], timeout=30)

    def call():
        return one_request(stack, name, connection, *request)
    return call


def webhooks(stack):
    """Signed changes of accounts that the CRM never heard of, with a key of its own each."""
    sender, number = FakeSystem("crm"), iter(range(10**6, 10**7))
    sender.close()
    sender.secret = stack.secret("crm-webhook")

    def call():
        record = {"id": next(number), "name": "From outside", "type": "prospect"}
        api = Api(stack.url("bridge"), timeout=30)
        try:
            # Not named as the CRM names its own: the bridge asks the CRM whether it knows those.
            return post_event(api, sender, sender.event("account", record, "updated", 1),
                              f"outside-{record['id']}").status
        finally:
            api.close()
    return call


def test_twenty_rolling_restarts_of_each_daemon_fail_no_request(units):
    stack, held = units
    load, statuses = Load(), []
    paths = {"crm": "/api/v1/accounts?limit=1", "erp": "/api/v1/items?limit=1",
             "bridge": "/api/v1/links?ref=crm:account:1"}
    for name, path in paths.items():
        load.run(f"{name} fresh", fresh(stack, name, "GET", path))
        load.run(f"{name} kept", kept(stack, name, "GET", path))
    load.run("crm write", kept(stack, "crm", "POST", "/api/v1/accounts",
                               {"name": "While all change", "type": "customer"}))
    load.run("bridge inbox", webhooks(stack))

    def restart(unit):
        for _ in range(RESTARTS):
            statuses.append(unit.replace())
    rounds = [threading.Thread(target=restart, args=(unit,)) for unit in held.values()]
    for thread in rounds:
        thread.start()
    for thread in rounds:
        thread.join(120)
    load.end()
    assert load.failures == []
    assert statuses == [0] * (3 * RESTARTS)
    assert min(load.answered.values()) > RESTARTS, load.answered
    # What was written meanwhile has crossed, each once.
    idle(stack.api("bridge"))
    written = stack.sql("SELECT count(*) FROM crm.account")
    assert stack.sql("SELECT count(*) FROM erp.customer") == written == \
        str(load.answered["crm write"])


def test_who_connects_while_nobody_runs_waits_and_is_answered(units):
    stack, held = units
    held["crm"].process.terminate()
    assert held["crm"].process.wait(30) == 0
    connection = http.client.HTTPConnection("127.0.0.1", stack.ports["crm"], timeout=30)
    connection.request("GET", "/livez")
    held["crm"].start()
    assert connection.getresponse().status == 200


def test_workers_beside_workers_take_over_a_port_of_their_own(units):
    """Without a socket that is held: the new ones listen on the same port, then the old go."""
    stack, held = units
    held["crm"].end()
    unit = held["crm"] = Unit(stack, "crm", "--workers", "2", activated=False)
    unit.start()
    load = Load()
    load.run("kept", kept(stack, "crm"))
    load.run("fresh", fresh(stack, "crm"))
    assert [unit.replace() for _ in range(3)] == [0, 0, 0]
    load.end()
    assert load.failures == []

    def the_last_two_answer():
        return Api(stack.url("crm")).raw("GET", "/readyz").status == 200
    eventually(the_last_two_answer)
