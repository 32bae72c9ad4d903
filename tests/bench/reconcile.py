"""tests/bench/reconcile.py -- how fast both sides are compared, and what live traffic feels."""
import json
import os
import threading
import time

import use
from waiting import eventually, idle

RATE = 5000   # the default of reconcile-rate
ROWS = int(os.environ.get("BENCH_RECONCILE_ROWS", 100000))

# What the first crossing of so many accounts leaves behind, without the crossing.
MADE = """
    INSERT INTO crm.account (name, type, currency, tax_id, payment_terms_days, billing_street,
            billing_city, billing_postal_code, billing_country, phone, email)
        SELECT 'Company ' || n, 'customer', 'USD', 'TAX' || n, 30, n || ' Main Street',
            'Springfield', lpad((n % 99999)::text, 5, '0'), 'US', '+1 555 ' || n,
            'c' || n || '@example.com' FROM generate_series(1, {rows}) n;
    SET search_path = erp;
    INSERT INTO erp.customer (name, external_ref, source_version, currency, tax_id,
            payment_terms_days, billing_street, billing_city, billing_postal_code, billing_country,
            phone, email)
        SELECT name, 'crm:account:' || id, version, currency, tax_id, payment_terms_days,
            billing_street, billing_city, billing_postal_code, billing_country, phone, email
        FROM crm.account a WHERE type = 'customer' AND NOT EXISTS (
            SELECT FROM erp.customer c WHERE c.external_ref = 'crm:account:' || a.id);
    INSERT INTO bridge.link (left_ref, right_ref, route, mirror, source_version, target_version)
        SELECT external_ref, 'erp:customer:' || id, 'account-customer', false, 1, 1
        FROM erp.customer ON CONFLICT DO NOTHING;
    ANALYZE crm.account; ANALYZE erp.customer; ANALYZE bridge.link"""


def restart(stack, **options):
    stack.processes["bridge"].terminate()
    stack.processes["bridge"].wait(30)
    stack.options["bridge"] = options
    stack.write_config("bridge")
    stack.start_daemon("bridge")
    stack.wait_ready("bridge")
    stack.wait_subscribed()


def one_run(stack, bridge):
    run = bridge.post("/reconciliations", {"route": "account-customer", "repair": False})["id"]

    def it_has_ended():
        found = bridge.get(f"/reconciliations/{run}")
        return found if found["state"] in ("finished", "failed") else None
    return eventually(it_has_ended, 7200, min(2, max(0.2, ROWS / 500000)))


class Measured:
    """One run, with the CPU seconds of each process, the bridge's most memory, and what it kept."""

    def __init__(self, stack, bridge):
        processes = {name: process.pid for name, process in stack.processes.items()}
        processes["postgres"] = use.postmaster(stack)
        before = {name: use.cpu_seconds(pid) for name, pid in processes.items()}
        first = use.resident(processes["bridge"])
        self.peak, ended = 0, threading.Event()

        def look():
            while not ended.wait(0.2):
                self.peak = max(self.peak, use.resident(processes["bridge"]))
        watcher = threading.Thread(target=look)
        watcher.start()
        self.run = one_run(stack, bridge)
        ended.set()
        watcher.join()
        self.kept = use.resident(processes["bridge"]) - first
        self.rows = self.run["rows_compared"] / 2
        self.seconds = float(self.run["seconds"])
        self.cpu = {name: use.cpu_seconds(pid) - before[name] for name, pid in processes.items()}
        self.equal = not (self.run["missing"] or self.run["extra"] or self.run["differs"])


def p99_of_changes(stack, ids, seconds, paced):
    """Milliseconds from a commit in the CRM to its effect in the ERP, at 100 a second."""
    local = threading.local()
    since = stack.sql("SELECT clock_timestamp()")

    def change(turn):
        if not hasattr(local, "crm"):
            local.crm = stack.api("crm")
        local.crm.patch(f"/accounts/{ids[turn % len(ids)]}", {"billing_street": f"{since} {turn}"})
    paced(100 * seconds, 100, change)
    idle(stack.api("bridge"), 120)
    found = sorted(json.loads(stack.sql(f"""
        SELECT coalesce(json_agg(1000 * extract(epoch FROM pg_xact_commit_timestamp(t.txid::xid)
                                                - pg_xact_commit_timestamp(s.txid::xid))), '[]')
        FROM crm.event s JOIN erp.event t ON t.trace = s.trace AND t.type = 'customer.updated'
        WHERE s.type = 'account.updated' AND s.at > '{since}'""")))
    return found[int(0.99 * len(found))]


def traffic(stack, figures, ids, seconds, paced, what):
    """The p99 of live changes while runs follow each other, and without."""
    quiet = p99_of_changes(stack, ids, seconds, paced)
    stopping = threading.Event()

    def sweep():
        api = stack.api("bridge")
        while not stopping.is_set():
            try:
                one_run(stack, api)
            except OSError:
                return   # the bridge was stopped meanwhile
    thread = threading.Thread(target=sweep, daemon=True)
    thread.start()
    time.sleep(1)
    busy = p99_of_changes(stack, ids, seconds, paced)
    stopping.set()
    figures.row(f"commit -> effect p99 while comparing, {what}", f"{busy:,.1f}", "ms",
                f"without {quiet:,.1f} ms", busy / quiet)


def bench(stack, figures, make_accounts, paced, seconds):
    ids = make_accounts(stack.api("crm"), 200)
    idle(stack.api("bridge"), 300)
    stack.sql(MADE.format(rows=ROWS))
    restart(stack, **{"reconcile-rate": "0"})
    first = Measured(stack, stack.api("bridge"))
    again = Measured(stack, stack.api("bridge")) if ROWS < 1e6 else first
    figures.row("records compared on both sides", f"{again.rows:,.0f}", "",
                met=first.equal and again.equal)
    figures.row("reconciliation, no limit", f"{again.seconds:,.1f}", "s",
                f"{again.rows / again.seconds:,.0f} records/s")
    if ROWS < 1e6:
        figures.row("the same for 1,000,000 records",
                    f"{again.seconds * 1e6 / again.rows:,.0f}", "s")
    for name, used in sorted(again.cpu.items(), key=lambda each: -each[1]):
        figures.row(f"  CPU of {name}", f"{1e6 * used / again.rows:,.0f}", "us", "for one record")
    figures.at_most("the bridge's memory meanwhile", again.peak, "MB", 60)
    figures.at_most("  kept after the run", first.kept, "MB", 4)
    if again is not first:
        figures.at_most("  a second run takes more", again.peak - first.peak, "MB", 4)
    traffic(stack, figures, ids, 2 * seconds, paced, "no limit")
    restart(stack)
    traffic(stack, figures, ids, 2 * seconds, paced, "default rate")
    figures.row("reconciliation at the default rate, at least",
                f"{again.run['rows_compared'] / RATE:,.0f}", "s", f"{RATE:,} rows/s")
