"""tests/bench/backlog.py -- how fast the bridge carries what has piled up, and what slows it."""
import collections
import contextlib
import os
import threading
import time

import psycopg2
import use
from reconcile import MADE
from reference import Script
from waiting import eventually, idle

COUNT = int(os.environ.get("BENCH_BACKLOG", 10000))
FLAT = int(os.environ.get("BENCH_FLAT", 40000))
CHUNK = 20000

# Changes as the CRM writes them, of many records at once: the new version, its event, its delivery.
CHANGED = """
    WITH a AS (
        UPDATE crm.account a SET billing_street = '{street}', version = version + 1,
            updated_at = clock_timestamp()
        WHERE id IN (SELECT id FROM crm.account WHERE name LIKE 'Company %' AND id > {after}
            ORDER BY id LIMIT {count})
        RETURNING a.*),
    e AS (
        INSERT INTO crm.event (entity, record_id, version, type, user_id, actor, origin, trace,
            traceparent, changed, record)
        SELECT 'account', a.id, a.version, 'account.updated', 1, 'admin', 'user', t.trace,
            '00-' || t.trace || '-' || left(t.trace, 16) || '-01', '{{billing_street}}',
            (to_jsonb(a) || '{{"primary_contact_id": null}}')::json
        FROM a CROSS JOIN LATERAL (SELECT md5(a.id || ':' || a.version) AS trace) t
        RETURNING id, record_id, version),
    d AS (
        INSERT INTO crm.webhook_delivery (webhook_id, event_id, entity, record_id, record_version)
        SELECT w.id, e.id, 'account', e.record_id, e.version FROM e CROSS JOIN crm.webhook w)
    SELECT max(record_id) FROM e"""

Drain = collections.namedtuple("Drain", "rate quarters cpu grown")

# What one change costs in commits: taken in, in effect with its event, done with its link.
SAME_COMMITS = [
    "INSERT INTO bridge.message (version, route, source, event_id, type, entity, source_id,"
    " traceparent, happened_at, body) VALUES (1, 'account-customer', 'crm',"
    " gen_random_uuid()::text, 'account.updated', 'account', :id, '', now(), $1) RETURNING id"
    " AS message",
    "BEGIN",
    "UPDATE erp.customer SET billing_street = billing_street || '', updated_at = now()"
    " WHERE id = :id RETURNING version",
    "INSERT INTO erp.event (entity, record_id, version, type, actor, origin, trace, traceparent,"
    " changed, record) VALUES ('bench', :id, (random() * 9e15)::bigint, 'bench.updated', 'bridge',"
    " 'bridge', '', '', '{}', $1)",
    "COMMIT",
    "UPDATE bridge.message SET state = 'applied', finished_at = now(), attempts = 1"
    " WHERE id = :message"]


def stop_bridge(stack):
    stack.processes["bridge"].terminate()
    stack.processes["bridge"].wait(60)


def start_bridge(stack, workers):
    stack.options["bridge"] = {"workers": workers}
    stack.write_config("bridge")
    stack.start_daemon("bridge")
    stack.wait_ready("bridge")


def pile_up(stack, count):
    """Changes of as many records, made while the bridge is away."""
    after, street = 0, f"{time.time_ns()} Street"
    for made in range(0, count, CHUNK):
        after = stack.sql(CHANGED.format(street=street, after=after,
                                         count=min(CHUNK, count - made)))
    stack.sql("ANALYZE crm.event; ANALYZE crm.webhook_delivery")


class Watch:
    """CPU and memory while something runs, by how far it has come."""

    def __init__(self, stack, newest):
        self.stack, self.newest = stack, newest
        self.pids = {name: process.pid for name, process in stack.processes.items()}
        self.pids["postgres"] = use.postmaster(stack)
        self.samples = []   # (effects, {process: CPU seconds}, {daemon: MB})
        self.look()

    def look(self):
        effects = int(self.stack.sql("SELECT coalesce(max(id), 0) FROM erp.event")) - self.newest
        self.samples.append((effects, {n: use.cpu_seconds(p) for n, p in self.pids.items()},
                             {n: use.resident(p) for n, p in self.pids.items() if n != "postgres"}))
        return effects

    def cpu(self, part=(0, 1)):
        """Microseconds of each process for one effect, in a part of the way."""
        last = self.samples[-1][0]
        first, end = (min(self.samples, key=lambda s: abs(s[0] - share * last)) for share in part)
        return {n: 1e6 * (end[1][n] - first[1][n]) / max(1, end[0] - first[0])
                for n in self.pids}

    def grown(self):
        """MB, of each daemon: its most in the second half over its most in the first quarter."""
        last = self.samples[-1][0]
        early = [s[2] for s in self.samples if s[0] <= last / 4]
        late = [s[2] for s in self.samples if s[0] >= last / 2]
        return {n: max(s[n] for s in late) - max(s[n] for s in early) for n in late[0]}


def drain(stack, count, workers):
    stop_bridge(stack)
    pile_up(stack, count)
    newest = int(stack.sql("SELECT coalesce(max(id), 0) FROM erp.event"))
    start_bridge(stack, workers)
    watch = Watch(stack, newest)
    pause = min(5, max(0.2, count / 40000))
    eventually(lambda: watch.look() >= count, 7200, pause)
    idle(stack.api("bridge"), 600)
    quarters = [tuple(map(float, line.split("|"))) for line in stack.sql(f"""
        SELECT count(*), extract(epoch FROM min(at)), extract(epoch FROM max(at)) FROM (
            SELECT at, ntile(4) OVER (ORDER BY at) AS quarter FROM erp.event
            WHERE type = 'customer.updated' AND origin = 'bridge' AND id > {newest}) e
        GROUP BY quarter ORDER BY quarter""").split("\n")]
    assert sum(n for n, _, _ in quarters) == count
    return Drain(count / (quarters[-1][2] - quarters[0][1]),
                 [n / (last - first) for n, first, last in quarters], watch, watch.grown())


def reference(stack, seconds):
    customers = stack.sql("SELECT min(id), max(id) FROM erp.customer").split("|")
    script = Script(stack.var, "commits")
    for number, sql in enumerate(SAME_COMMITS):
        script.add(sql, ['{"name": "x"}'] if "$1" in sql else [], {}, gset=number == 0)
    script.set_random("id", *map(int, customers))
    return script.best(stack.database_url, [8, 16], seconds)


def make_crossed(stack, count):
    """Accounts that have crossed, up to so many."""
    there = int(stack.sql("SELECT count(*) FROM crm.account WHERE name LIKE 'Company %'"))
    if there < count:
        stack.sql(MADE.format(rows=count - there))


def report_cpu(figures, watch):
    for name, used in sorted(watch.cpu().items(), key=lambda each: -each[1]):
        figures.row(f"  CPU of {name}", f"{used:,.0f}", "us", "for one change")


def drain_with_snapshot(stack):
    """While somebody looks at what was before."""
    with contextlib.closing(psycopg2.connect(stack.database_url)) as holder:
        holder.cursor().execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM crm.event")
        return drain(stack, COUNT, 1)


def bench(stack, figures, seconds):
    make_crossed(stack, COUNT)
    drain(stack, COUNT // 4, 1)   # warm
    one = drain(stack, COUNT, 1)
    best = reference(stack, seconds)
    figures.row("changes carried from a backlog, 1 process", f"{one.rate:,.0f}", "/s",
                f"pgbench, same commits {best:,.0f}", one.rate / best)
    report_cpu(figures, one.cpu)
    two = drain(stack, COUNT, 2)
    figures.row("changes carried from a backlog, 2 processes", f"{two.rate:,.0f}", "/s",
                f"1 process {one.rate:,.0f}", two.rate / one.rate)
    report_cpu(figures, two.cpu)
    # By turns: each is short, and a vacuum or a checkpoint may fall into it.
    runs = [(drain_with_snapshot(stack), drain(stack, COUNT, 1)) for _ in range(3)]
    held, again = (max(each, key=lambda run: run.rate) for each in zip(*runs))
    figures.row("  with an old snapshot held", f"{held.rate:,.0f}", "/s",
                f"without {again.rate:,.0f}", held.rate / again.rate, ">= 0.95",
                held.rate / again.rate >= 0.95)
    costs = [sum(each.cpu.cpu().values()) for each in (held, again)]
    figures.row("  its CPU for one change", f"{costs[0]:,.0f}", "us", f"without {costs[1]:,.0f}",
                costs[0] / costs[1])


def bench_flat(stack, figures):
    """One long backlog: the last quarter goes as the first."""
    make_crossed(stack, FLAT)
    long = drain(stack, FLAT, 1)
    figures.row(f"a backlog of {FLAT:,}, 1 process", f"{long.rate:,.0f}", "/s")
    ratio = long.quarters[-1] / long.quarters[0]
    figures.row("  by quarter", " ".join(f"{q:,.0f}" for q in long.quarters), "/s", "",
                ratio, ">= 0.9", ratio >= 0.9)
    first, last = (sum(long.cpu.cpu(part).values()) for part in ((0, 0.25), (0.75, 1)))
    figures.row("  CPU for one change, last quarter", f"{last:,.0f}", "us",
                f"first {first:,.0f}", last / first)
    report_cpu(figures, long.cpu)
    for name, grown in long.grown.items():
        figures.row(f"  memory of {name} grown by", f"{grown:.1f}", "MB", target="<= 10 MB",
                    met=grown <= 10)


def poison(stack, figures, make_accounts, paced, latencies, seconds):
    """1 % of the records are refused at each change; the others must not notice."""
    crm = stack.api("crm")
    ids = make_accounts(crm, 100)
    crm.post("/currencies", {"code": "XTS", "name": "Unknown to the ERP"})
    sick = crm.post("/accounts", {"name": "Poison", "type": "customer", "currency": "XTS"})["id"]
    idle(stack.api("bridge"), 300)
    local = threading.local()

    def change(account, turn):
        if not hasattr(local, "crm"):
            local.crm = stack.api("crm")
        local.crm.patch(f"/accounts/{account}", {"billing_street": f"{turn} Poison Street"})

    def p99(records):
        newest = stack.sql("SELECT max(id) FROM crm.event")
        paced(100 * seconds * 8, 100, lambda turn: change(records[turn % len(records)], turn))
        idle(stack.api("bridge"), 300)
        found = latencies(stack, f"(SELECT * FROM crm.event WHERE id > {newest} AND type ="
                          f" 'account.updated' AND record_id <> {sick})",
                          "(SELECT * FROM erp.event WHERE type = 'customer.updated')")
        return found[int(0.99 * len(found))]
    # By turns, the best of each: a p99 is the few slowest, and something else may have been it.
    # Of 800 changes it swung between 0.8 and 1.35 of itself, so there are 3,200.
    runs = [(p99(ids), p99(ids[:99] + [sick])) for _ in range(3)]
    well, ill = (min(each) for each in zip(*runs))
    figures.row("p99 of the others with 1 % poisoned records", f"{ill:.1f}", "ms",
                f"without {well:.1f}", ill / well, "<= 1.10", ill / well <= 1.10)
    stack.api("erp").post("/currencies", {"code": "XTS", "name": "Known now"})
    idle(stack.api("bridge"), 60)   # it has crossed, for what is measured next
