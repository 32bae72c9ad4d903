"""tests/bench/use.py -- CPU seconds and memory of a daemon or a cluster, with its children."""
import os
import pathlib
import re


def postmaster(stack):
    return int((stack.var / "postgres/data/postmaster.pid").read_text().split()[0])


def descendants(pid):
    """With those that end just now, and cannot be looked at any more."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid] + [each for child in children for each in descendants(int(child))]


def cpu_seconds(pid):
    """Of a process and its children, those that have ended too."""
    total = 0
    for each in descendants(pid):
        try:
            fields = pathlib.Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(fields[n]) for n in (11, 12, 13, 14))
    return total / os.sysconf("SC_CLK_TCK")


def resident(pid):
    """MB, of a process and its children; what they share is counted once."""
    total = 0
    for each in descendants(pid):
        text = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
        total += int(re.search(r"Pss:\s+(\d+)", text)[1])
    return total / 1024
