"""tests/bench/reconcile.py -- how fast both sides are compared, and what live traffic feels."""
import json
import os
import pathlib
import re
import threading

from waiting import eventually, idle

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


def resident(stack):
    status = pathlib.Path(f"/proc/{stack.processes['bridge'].pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


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
    return eventually(it_has_ended, 3600, 0.2)


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


def bench(stack, figures, make_accounts, paced, seconds):
    ids = make_accounts(stack.api("crm"), 200)
    idle(stack.api("bridge"), 300)
    stack.sql(MADE.format(rows=ROWS))
    restart(stack, **{"reconcile-rate": "0"})
    bridge = stack.api("bridge")
    one_run(stack, bridge)   # warm
    before = resident(stack)
    run = one_run(stack, bridge)
    rows = run["rows_compared"] / 2
    figures.row("records compared on both sides", f"{rows:,.0f}", "",
                met=not (run["missing"] or run["extra"] or run["differs"]))
    figures.row("reconciliation, no limit", f"{float(run['seconds']):,.1f}", "s",
                f"{rows / float(run['seconds']):,.0f} records/s")
    figures.row("the same for 1,000,000 records",
                f"{float(run['seconds']) * 1e6 / rows:,.0f}", "s")
    figures.at_most("memory a second run takes more", resident(stack) - before, "MB", 4)
    restart(stack)
    bridge = stack.api("bridge")
    quiet = p99_of_changes(stack, ids, 2 * seconds, paced)
    stopping = threading.Event()

    def sweep():
        api = stack.api("bridge")
        while not stopping.is_set():
            one_run(stack, api)
    thread = threading.Thread(target=sweep)
    thread.start()
    busy = p99_of_changes(stack, ids, 2 * seconds, paced)
    stopping.set()
    figures.row("commit -> effect p99 while comparing", f"{busy:,.1f}", "ms",
                f"without {quiet:,.1f} ms", busy / quiet)
    thread.join()
