"""tests/api/test_notify.py -- what a daemon tells systemd, and that it never waits for it."""
import os
import signal
import subprocess
import time

import pytest

from activation import Unit
from api import Api
from waiting import eventually


@pytest.fixture
def unit(stack, request):
    """One more CRM of the session's stack, on a port of its own; parameter: its workers."""
    unit = Unit(stack, "crm", "--port", "0", "--workers", str(getattr(request, "param", 1)),
                activated=False)
    unit.start()
    yield unit
    if unit.process.poll() is None:
        unit.process.send_signal(signal.SIGCONT)
    unit.end()


def children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


both = pytest.mark.parametrize("unit", [1, 2], indirect=True)


@both
def test_it_says_reloading_and_ready_again_and_stopping(unit):
    unit.heard.wait_for("WATCHDOG=1", 5)
    unit.process.send_signal(signal.SIGHUP)
    said = unit.heard.wait_for("RELOADING=1")
    stamp = int(said.split("MONOTONIC_USEC=")[1])
    assert 0 <= time.monotonic() * 1e6 - stamp < 10e6
    unit.heard.wait_for("READY=1")
    unit.process.terminate()
    unit.heard.wait_for("STOPPING=1")
    assert unit.process.wait(30) == 0


def test_a_loop_that_hangs_feeds_no_watchdog(unit):
    unit.heard.wait_for("WATCHDOG=1", 5)
    unit.process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    unit.heard.drain()
    assert unit.heard.next(1.5) is None
    unit.process.send_signal(signal.SIGCONT)
    unit.heard.wait_for("WATCHDOG=1", 5)


@pytest.mark.parametrize("unit", [2], indirect=True)
def test_one_worker_that_hangs_is_enough_to_feed_none(unit):
    stuck = children(unit.process.pid)[0]
    os.kill(stuck, signal.SIGSTOP)
    try:
        time.sleep(5.6)   # so long it may be silent
        unit.heard.drain()
        assert unit.heard.next(1.2) is None
    finally:
        os.kill(stuck, signal.SIGCONT)
    unit.heard.wait_for("WATCHDOG=1", 5)


def test_it_goes_on_when_nobody_reads_what_it_says(stack, unit):
    """The queue of a datagram socket holds some ten; a beat comes each half second."""
    time.sleep(0.5 * 12)
    log = (stack.var / "crm-server.log").read_text()
    port = log.rsplit('"event":"ready"', 1)[1].split('"port":"')[1].split('"')[0]

    def it_answers():
        return Api(f"http://127.0.0.1:{port}", timeout=5).raw("GET", "/livez").status == 200
    eventually(it_answers)
    assert len(unit.heard.drain()) >= 10
