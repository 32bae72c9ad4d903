"""tests/consistency/test_isolation.py -- the three share a PostgreSQL and nothing else."""
import pathlib
import re

import pytest
from stack import StackError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("user, other, table", [
    ("crm", "erp", "sales_order"), ("crm", "bridge", "message"), ("erp", "crm", "account"),
    ("erp", "bridge", "link"), ("bridge", "crm", "opportunity"), ("bridge", "erp", "customer")])
def test_no_role_reads_another_schema(stack, user, other, table):
    with pytest.raises(StackError, match="permission denied"):
        stack.sql(f"SELECT 1 FROM {other}.{table} LIMIT 1", user=user)


@pytest.mark.parametrize("user", ["crm", "erp", "bridge"])
def test_no_role_is_more_than_a_login(stack, user):
    assert stack.sql(f"SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR "
                     f"rolbypassrls FROM pg_roles WHERE rolname = '{user}'") == "f"


def test_the_servers_never_include_each_other():
    for mine, others in (("crm-server", ("erp-server", "sync-bridge")),
                         ("erp-server", ("crm-server", "sync-bridge")),
                         ("sync-bridge", ("crm-server", "erp-server"))):
        for path in (ROOT / mine).rglob("*.[ch]"):
            for name in re.findall(r'#include "([^"]+)"', path.read_text()):
                assert not any((ROOT / other / name).exists() for other in others), (path, name)


def test_stored_events_cannot_be_changed(stack):
    for user in ("crm", "erp"):
        with pytest.raises(StackError):
            stack.sql("UPDATE event SET actor = 'nobody' WHERE id = (SELECT min(id) FROM event)",
                      user=user)
