"""tests/conftest.py -- real stacks for the tests: PostgreSQL, three daemons, HTTP."""
import os
import pathlib
import re
import shutil
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "script"), str(ROOT / "tests/support")]

import openapi  # noqa: E402
from stack import Stack  # noqa: E402

openapi.watch_replies()

BIN = pathlib.Path(os.environ.get("DOVETAIL_BIN", ROOT / "build-dev/bin"))


def new_stack(**options):
    """A stack in a folder of its own, stopped and removed by end_stack."""
    folder = tempfile.mkdtemp(prefix="dovetail-")
    os.chmod(folder, 0o755)
    return Stack(folder, BIN, **options)


def end_stack(stack):
    logs = {name: stack.file(name, "log") for name in stack.names}
    stack.stop()
    found = [f"{log.name}:\n{text[max(said.start() - 500, 0):said.start() + 6000]}"
             for log in logs.values() if log.exists()
             for text in [log.read_text(errors="replace")]
             for said in [re.search("Sanitizer|runtime error", text)] if said]
    shutil.rmtree(stack.var, ignore_errors=True)
    assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def stack():
    """One whole stack for the session; tests make their own records in it."""
    stack = new_stack()
    try:
        stack.start()
        yield stack
    finally:
        end_stack(stack)


@pytest.fixture
def crm(stack):
    return stack.api("crm")


@pytest.fixture
def erp(stack):
    return stack.api("erp")


@pytest.fixture
def bridge(stack):
    return stack.api("bridge")
