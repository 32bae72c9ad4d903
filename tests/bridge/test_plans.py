"""tests/bridge/test_plans.py -- statements run for each message are planned once, not each time."""
import psycopg2
import pytest
from conftest import ROOT
from lone_bridge import one_lone_bridge  # noqa: F401

MESSAGES = """
    INSERT INTO message (version, route, source, event_id, type, entity, source_id, state,
            finished_at, body)
        SELECT 1, 'account-customer', 'crm', 'planned-' || n, 'account.updated', 'account', n,
            'applied', now(), '{}'
        FROM generate_series(1, 100000) n;
    ANALYZE message"""

FINISH = ("(1, 'applied', 1, NULL, NULL, NULL, NULL, NULL, 'erp:customer:5', NULL, 'crm:account:5',"
          " false, 2, 'crm', 'account', 5, 'account-customer', 3, {any}, {any}, 5, 1)")


@pytest.fixture
def cursor(one_lone_bridge):  # noqa: F811
    connection = psycopg2.connect(one_lone_bridge.stack.user_url("bridge"))
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.mark.parametrize("others", ["true", "false"])
def test_an_outcome_is_written_by_a_plan_that_is_kept(cursor, others):
    cursor.execute(MESSAGES)
    cursor.execute("PREPARE finish AS " + (ROOT / "sync-bridge/finish.sql").read_text())
    for _ in range(8):
        cursor.execute("EXECUTE finish" + FINISH.format(any=others))
    cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements")
    assert cursor.fetchone() == (3, 5)   # five are tried before one is kept
