"""tests/bench/backlog.py -- how fast the bridge carries what has piled up, and what slows it."""
import os
import pathlib
import re
import threading
import time

import psycopg2
from reference import Script
from waiting import idle

COUNT = int(os.environ.get("BENCH_BACKLOG", 4000))

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


def pile_up(stack, ids, count):
    """Changes of as many records, made while the bridge is away."""
    turns = iter(range(count))
    lock = threading.Lock()
    tag = time.time_ns()

    def change():
        crm = stack.api("crm")
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            crm.patch(f"/accounts/{ids[turn % len(ids)]}",
                      {"billing_street": f"{turn} Street {tag}"})
    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident(stack):
    status = pathlib.Path(f"/proc/{stack.processes['bridge'].pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def drain(stack, ids, count, workers):
    """Effects a second, and in the first and the last quarter; resident MB after and before."""
    stop_bridge(stack)
    pile_up(stack, ids, count)
    newest = stack.sql("SELECT coalesce(max(id), 0) FROM erp.event")
    start_bridge(stack, workers)
    before = resident(stack)
    idle(stack.api("bridge"), 1800)
    times = [float(t) for t in stack.sql(
        "SELECT extract(epoch FROM at) FROM erp.event WHERE type = 'customer.updated'"
        f" AND origin = 'bridge' AND id > {newest} ORDER BY at").split()]
    quarter = len(times) // 4

    def rate(part):
        return (len(part) - 1) / (part[-1] - part[0])
    return (rate(times), rate(times[:quarter]), rate(times[-quarter:]), resident(stack) - before)


def reference(stack, ids, seconds):
    customers = stack.sql("SELECT min(id), max(id) FROM erp.customer").split("|")
    script = Script(stack.var, "commits")
    for number, sql in enumerate(SAME_COMMITS):
        script.add(sql, ['{"name": "x"}'] if "$1" in sql else [], {}, gset=number == 0)
    script.set_random("id", *map(int, customers))
    return script.best(stack.database_url, [8, 16], seconds)


def bench(stack, figures, make_accounts, seconds):
    ids = make_accounts(stack.api("crm"), COUNT)
    idle(stack.api("bridge"), 600)
    one, first, last, grown = drain(stack, ids, COUNT, 1)
    best = reference(stack, ids, seconds)
    figures.row("changes carried from a backlog, 1 process", f"{one:,.0f}", "/s",
                f"pgbench, same commits {best:,.0f}", one / best)
    figures.row(f"  of {COUNT:,}: last quarter to first", f"{last / first:.2f}", "",
                target=">= 0.9", met=last / first >= 0.9)
    figures.row("  memory grown by", f"{grown:.1f}", "MB", target="<= 10 MB", met=grown <= 10)
    two = drain(stack, ids, COUNT, 2)[0]
    figures.row("changes carried from a backlog, 2 processes", f"{two:,.0f}", "/s",
                f"1 process {one:,.0f}", two / one)
    holder = psycopg2.connect(stack.database_url)
    with holder.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM crm.event")
        held = drain(stack, ids, COUNT, 1)[0]
    holder.close()
    again = drain(stack, ids, COUNT, 1)[0]
    figures.row("  with an old snapshot held", f"{held:,.0f}", "/s", f"without {again:,.0f}",
                held / again, ">= 0.95", held / again >= 0.95)


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
        paced(100 * seconds * 2, 100, lambda turn: change(records[turn % len(records)], turn))
        idle(stack.api("bridge"), 300)
        found = latencies(stack, f"(SELECT * FROM crm.event WHERE id > {newest} AND type ="
                          f" 'account.updated' AND record_id <> {sick})",
                          "(SELECT * FROM erp.event WHERE type = 'customer.updated')")
        return found[int(0.99 * len(found))]
    well = p99(ids)
    ill = p99(ids[:99] + [sick])
    figures.row("p99 of the others with 1 % poisoned records", f"{ill:.1f}", "ms",
                f"without {well:.1f}", ill / well, "<= 1.10", ill / well <= 1.10)
