"""tests/support/waiting.py -- waits for what the three daemons bring about by themselves."""
import time

from stack import StackError


def eventually(condition, seconds=20, pause=0.02):
    """Calls condition until it answers something true; its last answer, or an AssertionError."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition.__name__}"
        time.sleep(pause)


def idle(bridge, seconds=60):
    """Waits until every queue of the three is empty; otherwise says which is not."""
    deadline = time.monotonic() + seconds
    while not (status := bridge.get("/status"))["idle"]:
        left = [r for r in status["routes"] if r["pending"]]
        assert time.monotonic() < deadline, f"not idle: {status['systems']} {left}"
        time.sleep(0.1)


def revive(stack):
    """As a supervisor does: a daemon that starts while PostgreSQL is away ends again."""
    for name, process in stack.processes.items():
        if process.poll() is not None:
            stack.start_daemon(name)


def all_ready(stack, seconds=60):
    """Once PostgreSQL is back."""
    deadline = time.monotonic() + seconds
    for name in stack.processes:
        while True:
            revive(stack)
            try:
                stack.wait_ready(name, 5)
                break
            except StackError:
                if time.monotonic() > deadline:
                    raise
