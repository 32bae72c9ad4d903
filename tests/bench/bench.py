"""tests/bench/bench.py -- measures reads, writes, latency, drain and footprint."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "script"), str(ROOT / "tests/support")]

import backlog  # noqa: E402
import reconcile  # noqa: E402
from reference import Script, StatementLog  # noqa: E402
from stack import DAEMONS, Stack  # noqa: E402
from waiting import eventually, idle  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", 4))
CLIENTS = [int(n) for n in os.environ.get("BENCH_PGBENCH_CLIENTS", "2,4,8,16").split(",")]


class Figures:
    """Collects the rows of the table and whether every target was met."""

    def __init__(self):
        self.good = True

    def row(self, what, value, unit, reference="", ratio=None, target=None, met=None):
        self.good = self.good and met is not False
        verdict = "" if met is None else "ok" if met else "MISSED"
        print(f"  {what:<44} {value:>10} {unit:<6} {reference:<30}"
              f" {'' if ratio is None else f'{ratio:.2f}':>6} {target or '':<14} {verdict}",
              flush=True)

    def ratio(self, what, value, unit, reference_value, reference, least):
        ratio = value / reference_value
        self.row(what, f"{value:,.0f}", unit, f"{reference} {reference_value:,.0f}", ratio,
                 f">= {least}", ratio >= least)

    def at_most(self, what, value, unit, limit):
        self.row(what, f"{value:,.1f}", unit, target=f"<= {limit} {unit}", met=value <= limit)


def wrk(stack, daemon, connections, script, *arguments):
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-H",
         f"Authorization: Bearer {stack.tokens[daemon]}", "-s",
         str(ROOT / "tests/bench" / script), stack.url(daemon), "--", *map(str, arguments)],
        capture_output=True, text=True)
    if "Non-2xx" in done.stdout or "Requests/sec" not in done.stdout:
        raise SystemExit(f"wrk: {done.stdout}{done.stderr}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])


# ---- one record by id ----

def make_accounts(crm, count):
    tag = time.time_ns()
    made = [crm.post("/accounts/batch", {"records": [
        {"name": f"Bench {n}", "type": "customer", "billing_street": "1 Main Street",
         "billing_city": "Springfield", "billing_country": "US", "tax_id": f"{tag}-{n}"}
        for n in range(start, start + 100)]})["data"] for start in range(0, count, 100)]
    return [account["id"] for batch in made for account in batch]


def bench_read(stack, figures):
    crm = stack.api("crm")
    ids = make_accounts(crm, 1000)
    idle(stack.api("bridge"), 300)
    crm.get(f"/accounts/{ids[0]}")
    with StatementLog(stack) as log:
        crm.get(f"/accounts/{ids[0]}")
    statements = [s for s in log.statements if str(ids[0]) in s[2] and "account" in s[1]]
    script = Script(stack.var, "read")
    script.add(statements[0][1], statements[0][2], {str(ids[0]): "id"})
    script.set_random("id", min(ids), max(ids))
    reference = ours = 0
    for _ in range(2):
        reference = max(reference, script.best(stack.user_url("crm"), CLIENTS, SECONDS))
        ours = max(ours, wrk(stack, "crm", 32, "random_reads.lua", "/api/v1/accounts",
                             min(ids), max(ids)))
    figures.ratio("read one record, 32 clients, with token", ours, "req/s", reference,
                  "pgbench, same select", 0.6)


# ---- a sales order with three lines ----

def order_bodies(erp, customers=100, items=300, count=1000):
    """Orders of three lines over many customers and items, as a company has them."""
    tag = f"B{time.time_ns()}"
    chance = random.Random(1)

    def made(path, records):
        return [r["id"] for start in range(0, len(records), 100) for r in
                erp.post(f"{path}/batch", {"records": records[start:start + 100]})["data"]]
    customers = made("/customers", [{"name": f"{tag} {n}"} for n in range(customers)])
    items = made("/items", [{"sku": f"{tag}-{n}", "name": f"Item {n}"} for n in range(items)])
    return customers, items, [
        {"customer_id": chance.choice(customers),
         "lines": [{"item_id": item, "quantity": "2", "unit_price": "12.50"}
                   for item in sorted(chance.sample(items, 3))]} for _ in range(count)]


ADD_UP = ("UPDATE sales_order o SET amount = s.amount, tax_amount = s.tax, total = s.amount"
          " FROM (SELECT sum(amount) AS amount, sum(tax_amount) AS tax"
          " FROM sales_order_line WHERE sales_order_id = :id) s WHERE o.id = :id")
READ_BACK = ("SELECT row_to_json(o), (SELECT json_agg(l ORDER BY l.position)"
             " FROM sales_order_line l WHERE l.sales_order_id = o.id)"
             " FROM sales_order o WHERE o.id = :id")


def one_by_one(stack, customers, items, order, webhook, rows_only=False):
    """What the server does, a statement for each step: the order, its lines, its sums, the
    document for reply and event, the event, its delivery. rows_only: nothing is added up or
    read back."""
    script = Script(stack.var, "create_by_row")
    script.add("BEGIN", [], {})
    script.add("INSERT INTO sales_order (customer_id, currency, amount, total)"
               " VALUES (:customer, 'USD', $1, $1) RETURNING id", [order["total"]], {}, gset=True)
    for position, line in enumerate(order["lines"], 1):
        script.add("INSERT INTO sales_order_line (sales_order_id, position, item_id, quantity,"
                   f" unit_price, amount) VALUES (:id, $1, :item{position}, $2, $3, $4)",
                   [str(position), line["quantity"], line["unit_price"], line["amount"]], {})
    for sql in () if rows_only else (ADD_UP, READ_BACK):
        script.add(sql, [], {})
    script.add("INSERT INTO event (entity, record_id, version, type, user_id, actor, origin, trace,"
               " traceparent, changed, record) VALUES ('sales_order', :id, 1,"
               " 'sales_order.created', 1, 'admin', 'user', $1, $2, $3, $4)"
               " RETURNING id AS event",
               ["0" * 32, "00-" + "0" * 52, "{" + ",".join(order) + "}", json.dumps(order)], {},
               gset=True)
    script.add("INSERT INTO webhook_delivery (webhook_id, event_id, entity, record_id,"
               " record_version) VALUES ($1, :event, 'sales_order', :id, 1)",
               [str(webhook["id"])], {})
    script.add("COMMIT", [], {})
    statements = len(script.lines)
    script.set_random("customer", min(customers), max(customers))
    for position in (3, 2, 1):
        script.set_random(f"item{position}", min(items), max(items))
    return script, statements


def transaction_of(statements):
    """The statements of the transaction that made the order: from BEGIN on, or one on its own."""
    where, pid = next((n, s[0]) for n, s in enumerate(statements)
                      if re.search(r'INTO "?sales_order"? ', s[1]))
    mine = [s for s in statements[:where] if s[0] == pid]
    first = max((n for n, s in enumerate(mine) if s[1].upper() in ("BEGIN", "COMMIT", "ROLLBACK")),
                default=None)
    if first is None or mine[first][1].upper() != "BEGIN":
        return [statements[where]]
    return [s for s in mine[first:] + statements[where:] if s[0] == pid]


def own_statements(stack, statements, order):
    """Exactly what the server sent for one POST."""
    script, dynamic = Script(stack.var, "create_own"), {}
    for _, sql, parameters in statements:
        inserts_order = re.search(r'INTO "?sales_order"? ', sql) is not None
        script.add(sql, parameters, dynamic, gset=inserts_order)
        if inserts_order:
            dynamic[str(order["id"])] = "id"
    return script


def bench_create(stack, figures):
    """The last one: what it writes stays undelivered, so that only the creating is measured."""
    erp = stack.api("erp")
    customers, items, bodies = order_bodies(erp)
    idle(stack.api("bridge"), 300)
    [webhook] = erp.get("/webhooks")["data"]
    erp.post(f"/webhooks/{webhook['id']}/pause")
    erp.call("POST", "/sales-orders", bodies[0])
    with StatementLog(stack) as log:
        order = erp.call("POST", "/sales-orders", bodies[0])
    own = own_statements(stack, transaction_of(log.statements), order)
    script, statements = one_by_one(stack, customers, items, order, webhook)
    bare, bare_statements = one_by_one(stack, customers, items, order, webhook, rows_only=True)
    path = stack.var / "orders.json"
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    reference = rows = same = ours = 0
    for _ in range(3):
        for clients in (8, 16):
            reference = max(reference, script.best(stack.user_url("erp"), [clients], SECONDS))
            rows = max(rows, bare.best(stack.user_url("erp"), [clients], SECONDS))
            same = max(same, own.best(stack.user_url("erp"), [clients], SECONDS))
            ours = max(ours, wrk(stack, "erp", clients, "posts.lua", "/api/v1/sales-orders", path))
    figures.ratio("create a sales order with 3 lines", ours, "req/s", reference,
                  f"pgbench, {statements} statements", 1.0)
    figures.ratio("  against our own statements", ours, "req/s", same,
                  f"pgbench, {len(own.lines)} statements", 1.0)
    figures.row("  the bare rows, given all values", f"{rows:,.0f}", "tx/s",
                f"pgbench, {bare_statements} statements", ours / rows)


# ---- commit here, effect there ----

def paced(count, per_second, work):
    """Open loop: calls are due by the clock, however slow the ones before were."""
    began = time.monotonic()
    turns = iter(range(count))
    lock = threading.Lock()

    def worker():
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            time.sleep(max(0, began + turn / per_second - time.monotonic()))
            work(turn)
    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def latencies(stack, source, target):
    """Milliseconds from commit to commit of events of one trace, by PostgreSQL's commit stamps."""
    text = stack.sql(f"""
        SELECT coalesce(json_agg(1000 * extract(epoch FROM pg_xact_commit_timestamp(t.txid::xid)
                                                - pg_xact_commit_timestamp(s.txid::xid))), '[]')
        FROM {source} s JOIN {target} t ON t.trace = s.trace
        WHERE s.at > now() - interval '1 minute'""")
    return sorted(json.loads(text))


def report_latency(figures, what, found, expected):
    if len(found) < expected:
        figures.row(what, f"{len(found)}", "found", target=f"{expected}", met=False)
        return
    for share, limit in ((0.50, 3), (0.99, 15), (0.999, None)):
        value = found[min(len(found) - 1, int(share * len(found)))]
        name = f"{what}, p{share * 100:g}"
        if limit:
            figures.at_most(name, value, "ms", limit)
        else:
            figures.row(name, f"{value:.1f}", "ms")


def bench_latency(stack, figures):
    crm, erp = stack.api("crm"), stack.api("erp")
    ids = make_accounts(crm, 200)
    idle(stack.api("bridge"), 300)
    count, local = 100 * SECONDS * 2, threading.local()

    def api(name):
        if not hasattr(local, name):
            setattr(local, name, stack.api(name))
        return getattr(local, name)

    def change_account(turn):
        api("crm").patch(f"/accounts/{ids[turn % len(ids)]}", {"billing_street": f"{turn} Main"})
    paced(count, 100, change_account)
    idle(stack.api("bridge"))
    report_latency(figures, "commit in CRM -> in ERP at 100/s", latencies(
        stack, "(SELECT * FROM crm.event WHERE type = 'account.updated')",
        "(SELECT * FROM erp.event WHERE type = 'customer.updated')"), count)

    customers = [erp.get("/customers", external_ref=f"crm:account:{i}")["data"][0]["id"]
                 for i in ids]

    def change_customer(turn):
        api("erp").patch(f"/customers/{customers[turn % len(ids)]}",
                         {"credit_limit": f"{turn + 1}"})
    paced(count, 100, change_customer)
    idle(stack.api("bridge"))
    report_latency(figures, "commit in ERP -> in CRM at 100/s", latencies(
        stack, "(SELECT * FROM erp.event WHERE type = 'customer.updated' AND origin = 'user')",
        "(SELECT * FROM crm.event WHERE type = 'erp_customer.updated')"), count)


# ---- won opportunities drained ----

def bench_drain(stack, figures, count=500):
    crm = stack.api("crm")
    account = make_accounts(crm, 100)[0]
    product = crm.post("/products", {"sku": f"D{time.time_ns()}", "name": "Drain",
                                     "list_price": "5.00"})["id"]
    deals = [crm.post("/opportunities", {
        "account_id": account, "name": f"Drain {n}", "close_date": "2026-12-01",
        "lines": [{"product_id": product, "quantity": 1, "unit_price": "5.00"}]})["id"]
        for n in range(count)]
    idle(stack.api("bridge"), 300)
    stack.processes["bridge"].terminate()
    stack.processes["bridge"].wait(30)
    for deal in deals:
        crm.post(f"/opportunities/{deal}/win")
    stack.start_daemon("bridge")
    stack.wait_ready("bridge")
    refs = ",".join(f"'crm:opportunity:{d}'" for d in deals)

    def spread():
        return stack.sql(f"""
            SELECT CASE WHEN count(*) = {count}
                   THEN extract(epoch FROM max(created_at) - min(created_at)) END
            FROM erp.sales_order WHERE external_ref IN ({refs})""")
    seconds = float(eventually(spread, 120, 0.2))
    figures.row("won opportunities drained, sustained", f"{count / seconds:,.0f}", "/s")


# ---- footprint ----

def bench_footprint(stack, figures):
    for name, daemon in DAEMONS.items():
        stack.processes[name].terminate()
        stack.processes[name].wait(30)
        began = time.monotonic()
        stack.start_daemon(name)
        stack.wait_ready(name)
        figures.at_most(f"{daemon} ready after start", (time.monotonic() - began) * 1000, "ms", 300)
    time.sleep(3)
    for name, daemon in DAEMONS.items():
        status = pathlib.Path(f"/proc/{stack.processes[name].pid}/status").read_text()
        resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
        figures.at_most(f"{daemon} resident when idle", resident, "MB", 25)


# ---- both sides compared ----

def bench_reconcile(stack, figures):
    reconcile.bench(stack, figures, make_accounts, paced, SECONDS)


# ---- what has piled up, and what slows it down ----

def bench_backlog(stack, figures):
    backlog.bench(stack, figures, SECONDS)


def bench_flat(stack, figures):
    backlog.bench_flat(stack, figures)


def bench_poison(stack, figures):
    backlog.poison(stack, figures, make_accounts, paced, latencies, SECONDS)


ALL = {"footprint": bench_footprint, "read": bench_read, "latency": bench_latency,
       "drain": bench_drain, "poison": bench_poison, "backlog": bench_backlog,
       "flat": bench_flat, "reconcile": bench_reconcile, "create": bench_create}


def main():
    chosen = sys.argv[1:] or list(ALL)
    folder = tempfile.mkdtemp(prefix="dovetail-bench-")
    os.chmod(folder, 0o755)
    stack, figures = Stack(folder, ROOT / "build/bin"), Figures()
    try:
        stack.postgres("start")
        stack.database_url = stack.postgres("url")
        stack.sql("ALTER SYSTEM SET track_commit_timestamp = on")
        stack.postgres("stop")
        stack.start()
        for name in chosen:
            ALL[name](stack, figures)
    finally:
        stack.stop()
        subprocess.run(["rm", "-rf", folder], check=False)
    sys.exit(0 if figures.good else 1)


if __name__ == "__main__":
    main()
