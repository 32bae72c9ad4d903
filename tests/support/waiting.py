"""tests/support/waiting.py -- waits for what the three daemons bring about by themselves."""
import time


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
    """Waits until every queue of the three is empty."""
    def all_queues_empty():
        return bridge.get("/status")["idle"]
    eventually(all_queues_empty, seconds, 0.1)
