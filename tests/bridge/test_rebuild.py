"""tests/bridge/test_rebuild.py -- the bridge's schema is dropped and comes back from both ends."""
import time

import pytest
from invariants import check_all
from recovery import Company
from test_operators import cli
from waiting import eventually


@pytest.fixture(scope="module")
def company():
    company = Company()
    try:
        yield company.fill()
    finally:
        company.end()


def drop_schema(company):
    """As an operator would: stop, drop, migrate, a new token. The bridge is away then."""
    stack = company.stack
    process = stack.processes["bridge"]
    process.terminate()
    assert process.wait(30) == 0
    stack.sql("DROP SCHEMA bridge CASCADE")
    stack.sql("CREATE SCHEMA bridge AUTHORIZATION bridge")
    stack.run("bridge", "--migrate")
    stack.tokens["bridge"] = stack.run("bridge", "--create-token", "admin", "--role", "admin")
    stack.write_secret("bridge-admin-token", stack.tokens["bridge"])


def start(company):
    company.stack.start_daemon("bridge")
    company.stack.wait_ready("bridge")
    company.bridge = company.stack.api("bridge")
    company.stack.wait_subscribed()


class Operator:
    """What test_operators.cli needs of a lone bridge."""

    def __init__(self, company):
        self.stack = company.stack


def test_every_link_comes_back_and_no_record_changes(company):
    links, versions = company.links(), company.versions()
    drop_schema(company)
    start(company)
    assert company.links() == []
    said = cli(Operator(company), "rebuild")
    assert "done" in said
    company.idle()
    assert company.links() == links
    assert company.versions() == versions
    check_all(company.stack, but=("I1", "I5"))   # the old inbox is gone


def test_what_happened_meanwhile_crosses_once(company):
    """Deliveries that the sources still hold, a refused handover, and a change that was lost."""
    crm, erp, stack = company.crm, company.erp, company.stack
    order = company.order(company.deals[0])
    erp.patch(f"/customers/{order['customer_id']}", {"credit_limit": "1.00"})
    refused = company.win(company.deal(company.accounts[0]))

    def handover():
        return crm.get(f"/opportunities/{refused['id']}/fulfilment")["handover"]["state"]

    def the_erp_refuses():
        return handover() == "rejected"
    eventually(the_erp_refuses)
    company.idle()
    links = company.links()
    # As after two restores of the CRM: what has crossed since is of its third epoch.
    stack.sql("UPDATE bridge.system_epoch SET number = 3 WHERE name = 'crm'")
    time.sleep(2.5)
    company.replayed({"route": "account-customer"})
    drop_schema(company)
    held = company.win(company.deal(company.accounts[1]))        # its delivery waits at the CRM
    stack.sql("UPDATE crm.webhook SET status = 'disabled'")
    crm.patch(f"/accounts/{company.accounts[1]['id']}", {"billing_city": "Lost"})
    stack.sql("UPDATE crm.webhook SET status = 'active'")
    start(company)
    job = company.replayed({}, "/rebuild")
    assert job["state"] == "done" and job["kind"] == "rebuild"
    assert set(links) < set(company.links())
    assert company.order(held)["total"] == "38.00"
    customer = erp.get(f"/customers/{company.order(held)['customer_id']}")
    assert customer["billing_city"] == "Lost"
    assert handover() == "rejected" and company.order(refused) is None
    erp.patch(f"/customers/{order['customer_id']}", {"credit_limit": None})

    def the_cause_is_gone():
        return handover() == "accepted"
    eventually(the_cause_is_gone)
    company.idle()
    check_all(stack, but=("I1", "I5"))
    assert stack.sql("SELECT number FROM bridge.system_epoch WHERE name = 'crm'") == "3"
    crm.patch(f"/accounts/{company.accounts[1]['id']}", {"billing_city": "Found"})
    company.idle()
    customer = erp.get(f"/customers/{customer['id']}")
    assert customer["billing_city"] == "Found" and customer["source_epoch"] == 3
