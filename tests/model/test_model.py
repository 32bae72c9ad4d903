"""tests/model/test_model.py -- spin searches every run of the protocol, and of broken ones.

MODEL_FAULTS=3 searches deeper (44 million states, 3 GB, some minutes).
"""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

MODEL = pathlib.Path(__file__).with_name("bridge.pml")
FAULTS = int(os.environ.get("MODEL_FAULTS", 2))


def search(*defines, cycles=False, optimize="-O0"):
    """What the searcher says; raises unless it went through everything or stopped at an error."""
    with tempfile.TemporaryDirectory() as folder:
        def run(*command):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout
        run("spin", "-a", *(f"-D{define}" for define in defines), MODEL)
        run("gcc", optimize, "-w", "-DNP" if cycles else "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=6000",
            "-o", "pan", "pan.c")
        said = run("./pan", "-m500000", *(["-l"] if cycles else []))
    assert "max search depth too small" not in said and "out of memory" not in said, said
    assert "errors: 0" not in said or "Search not completed" not in said, said
    return said


def errors(said):
    return int(re.search(r"errors: (\d+)", said)[1])


def states(said):
    return int(re.search(r"(\d+) states, stored", said)[1])


def test_every_run_keeps_the_invariants_and_ends_with_both_sides_equal():
    said = search("EDITS=2", f"FAULTS={FAULTS}", optimize="-O2")
    assert errors(said) == 0, said
    assert states(said) > 1_000_000
    print(f"{states(said)} states")


def test_three_edits_in_a_row_keep_them_too():
    said = search("EDITS=3", f"FAULTS={FAULTS}", "RESTORES=0")
    assert errors(said) == 0, said
    assert states(said) > 100_000


def test_no_run_goes_on_for_ever():
    assert errors(search("FAULTS=1", cycles=True)) == 0
    assert errors(search("RESTORES=0", cycles=True)) == 0


def test_retries_that_no_fault_causes_are_found_to_go_on_for_ever():
    said = search("FAULTS=1", "NO_PATIENCE", cycles=True)
    assert errors(said) == 1 and "non-progress cycle" in said


# What each safeguard is for, as the searcher names the assertion.
I1_ONE_EFFECT = "effects_again==0"
I1_TAKEN_IN_ONCE = "twice==0"
I3_ORDER = "epoch_of[id]>target_epoch"
I4_CAUSE = "committed&"
I5_DURABLE = "acked& ~"
I6_QUIESCENCE = "outbox==0"
I10_EQUAL = "target_value==value"


@pytest.mark.parametrize("without, broken", [
    ("NO_COMMIT_BEFORE_SENDING", I4_CAUSE),
    ("NO_OUTBOX_IN_TRANSACTION", I10_EQUAL),
    ("NO_WAIT_FOR_ACK", I10_EQUAL),
    ("NO_DEDUPLICATION", I1_TAKEN_IN_ONCE),
    ("NO_COMMIT_BEFORE_ACK", I5_DURABLE),
    ("NO_CALL_BEFORE_OUTCOME", I10_EQUAL),
    ("NO_TAKEOVER", I6_QUIESCENCE),
    ("NO_GUARD", I3_ORDER),
    ("NO_GUARD NO_FENCING", I3_ORDER),
    ("NO_GUARD NO_KEY", I1_ONE_EFFECT),
    ("NO_EPOCH", I10_EQUAL),
])
def test_without_a_safeguard_the_search_finds_what_it_is_for(without, broken):
    said = search(*without.split())
    assert errors(said) == 1, said
    violated = re.search(r"assertion violated (.*) \(at depth", said)[1]
    assert broken in violated, violated


@pytest.mark.parametrize("without", ["NO_KEY", "NO_FENCING"])
def test_while_the_guard_stands_the_key_and_the_terms_are_spare(without):
    """They save calls and keep answers the same; order and one effect do not hang on them."""
    assert errors(search(without, "EDITS=2", "FAULTS=2", "RESTORES=0")) == 0
