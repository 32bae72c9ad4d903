"""tests/bridge/test_northwind.py -- the main job on real data: all of Northwind, twice."""
import northwind
import pytest
from conftest import end_stack, new_stack
from invariants import check_all


@pytest.fixture(scope="module")
def own_stack():
    stack = new_stack()
    try:
        stack.start()
        yield stack
    finally:
        end_stack(stack)


def play(stack):
    return northwind.play(stack.api("crm"), stack.api("erp"), stack.api("bridge"))


def events(stack):
    return [stack.sql(f"SELECT count(*) FROM {schema}.event") for schema in ("crm", "erp")]


def test_northwind_is_equal_on_both_sides_and_a_second_run_changes_nothing(own_stack):
    assert play(own_stack)
    check_all(own_stack)
    before = events(own_stack)
    assert play(own_stack)
    assert events(own_stack) == before


def test_prospects_did_not_cross(own_stack):
    assert own_stack.sql("SELECT count(*) FROM crm.account WHERE type = 'prospect'") == "2"
    assert own_stack.sql("SELECT count(*) FROM erp.customer") == "89"
