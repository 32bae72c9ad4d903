"""tests/support/invariants.py -- what must hold on both sides once every queue is empty."""
import json
import os

import psycopg2


def rows(stack, sql):
    """Rows as dicts, read by the cluster's owner: the only one who may look at both schemas."""
    connection = psycopg2.connect(stack.database_url)
    try:
        cursor = connection.cursor()
        cursor.execute(f"SELECT coalesce(json_agg(r), '[]')::text FROM ({sql}) r")
        return json.loads(cursor.fetchone()[0])
    finally:
        connection.close()


def won_deals_without_their_order(stack):
    """They should have exactly one each, and an equal one."""
    return rows(stack, """
        SELECT o.id, o.number, o.total, o.handover, count(s.id) AS orders, min(s.total) AS ordered
        FROM crm.opportunity o
        LEFT JOIN erp.sales_order s ON s.external_ref = 'crm:opportunity:' || o.id
        WHERE o.status = 'won'
        GROUP BY o.id
        HAVING count(s.id) <> 1 OR min(s.total) <> o.total
            OR o.handover IS DISTINCT FROM 'accepted'""")


def orders_without_their_deal(stack):
    return rows(stack, """
        SELECT s.id, s.external_ref FROM erp.sales_order s
        WHERE s.external_ref LIKE 'crm:opportunity:%' AND NOT EXISTS (
            SELECT FROM crm.opportunity o
            WHERE s.external_ref = 'crm:opportunity:' || o.id AND (o.status = 'won'
                OR (o.loss_reason = 'order_cancelled' AND s.status = 'cancelled')))""")


def each_won_deal_has_one_order(stack):
    wrong, extra = won_deals_without_their_order(stack), orders_without_their_deal(stack)
    assert not wrong, f"won deals without exactly one equal order: {wrong[:5]}"
    assert not extra, f"orders without a won deal: {extra[:5]}"


def revisions_are_the_same(stack):
    """Of every deal and its order, and of the order's picture; as many as were accepted."""
    wrong = rows(stack, """
        SELECT o.id, o.revision, s.revision AS ordered, m.revision AS mirrored, a.accepted
        FROM crm.opportunity o
        JOIN erp.sales_order s ON s.external_ref = 'crm:opportunity:' || o.id
        JOIN crm.erp_order m ON m.external_ref = 'erp:sales_order:' || s.id
        CROSS JOIN LATERAL (SELECT count(*) AS accepted FROM crm.opportunity_amendment a
            WHERE a.opportunity_id = o.id AND a.state = 'accepted') a
        WHERE (o.revision, o.revision, o.revision) IS DISTINCT FROM
            (s.revision, m.revision, a.accepted::int)""")
    assert not wrong, f"deals and orders of different revisions: {wrong[:5]}"


def quantities_are_conserved(stack):
    wrong = rows(stack, """
        SELECT s.number, s.status, l.id, l.quantity, l.delivered, l.reserved, l.short, l.lost
        FROM erp.sales_order s JOIN erp.sales_order_line l ON l.sales_order_id = s.id
        JOIN erp.item i ON i.id = l.item_id AND i.type = 'goods'
        WHERE least(l.delivered, l.reserved, l.short, l.lost) < 0
            OR l.delivered + l.reserved + l.lost > l.quantity
            OR (s.confirmed_at IS NOT NULL AND s.cancelled_at IS NULL AND s.closed_at IS NULL
                AND l.quantity <> l.delivered + l.reserved + l.short + l.lost)
            OR l.delivered <> (SELECT coalesce(sum(d.quantity), 0)
                FROM erp.delivery_line d JOIN erp.delivery v ON v.id = d.delivery_id
                WHERE d.order_line_id = l.id AND v.status IN ('shipped', 'delivered'))""")
    assert not wrong, f"lines whose quantities do not add up: {wrong[:5]}"


def lines_are_the_same(stack):
    wrong = rows(stack, """
        WITH sold AS (
            SELECT 'crm:opportunity:' || l.opportunity_id AS ref,
                   'crm:product:' || l.product_id AS item,
                   l.quantity, l.unit_price, l.discount_percent, l.amount, count(*)
            FROM crm.opportunity_line l JOIN crm.opportunity o ON o.id = l.opportunity_id
            WHERE o.status = 'won' GROUP BY 1, 2, 3, 4, 5, 6),
        ordered AS (
            SELECT s.external_ref AS ref, i.external_ref AS item,
                   l.quantity, l.unit_price, l.discount_percent, l.amount, count(*)
            FROM erp.sales_order_line l JOIN erp.sales_order s ON s.id = l.sales_order_id
            JOIN erp.item i ON i.id = l.item_id
            WHERE s.external_ref LIKE 'crm:opportunity:%' AND s.status <> 'cancelled'
            GROUP BY 1, 2, 3, 4, 5, 6)
        (TABLE sold EXCEPT TABLE ordered) UNION ALL (TABLE ordered EXCEPT TABLE sold)""")
    assert not wrong, f"lines that differ: {wrong[:5]}"


def documents_are_mirrored(stack):
    for what, query in {
        "orders": """
            SELECT 'erp:sales_order:' || id AS ref, number, status::text, total, promised_date
            FROM erp.sales_order WHERE external_ref LIKE 'crm:%'""",
        "deliveries": """
            SELECT 'erp:delivery:' || d.id AS ref, d.number, d.status::text, d.shipped_at::text
            FROM erp.delivery d JOIN erp.sales_order s ON s.id = d.sales_order_id
            WHERE s.external_ref LIKE 'crm:%' AND d.status <> 'draft'""",
        "invoices": """
            SELECT 'erp:invoice:' || i.id AS ref, i.number, i.status::text, i.total, i.balance
            FROM erp.invoice i JOIN erp.customer c ON c.id = i.customer_id
            WHERE c.external_ref LIKE 'crm:%' AND i.number IS NOT NULL""",
    }.items():
        mirror = {"orders": "external_ref, number, status::text, total, promised_date"
                            " FROM crm.erp_order",
                  "deliveries": "external_ref, number, status::text, shipped_at::text"
                                " FROM crm.erp_delivery WHERE status::text <> 'draft'",
                  "invoices": "external_ref, number, status::text, total, balance"
                              " FROM crm.erp_invoice",
                  }[what]
        wrong = rows(stack, f"WITH facts AS ({query}), mirror AS (SELECT {mirror}) "
                            "(TABLE facts EXCEPT TABLE mirror) UNION ALL "
                            "(TABLE mirror EXCEPT TABLE facts)")
        assert not wrong, f"{what} that differ: {wrong[:5]}"


def mirrored_lines_are_the_same(stack):
    wrong = rows(stack, """
        WITH facts AS (
            SELECT 'erp:sales_order:' || s.id AS ref, i.external_ref AS item,
                   sum(l.quantity) AS ordered, sum(l.reserved) AS reserved,
                   sum(l.delivered) AS delivered, sum(l.invoiced) AS invoiced
            FROM erp.sales_order s JOIN erp.sales_order_line l ON l.sales_order_id = s.id
            JOIN erp.item i ON i.id = l.item_id
            WHERE s.external_ref LIKE 'crm:%' GROUP BY 1, 2),
        mirror AS (
            SELECT o.external_ref AS ref, 'crm:product:' || l.product_id AS item,
                   sum(l.ordered), sum(l.reserved), sum(l.delivered), sum(l.invoiced)
            FROM crm.erp_order o JOIN crm.erp_order_line l ON l.erp_order_id = o.id
            GROUP BY 1, 2)
        (TABLE facts EXCEPT TABLE mirror) UNION ALL (TABLE mirror EXCEPT TABLE facts)""")
    assert not wrong, f"order lines that differ: {wrong[:5]}"


def balances_and_stock_are_mirrored(stack, erp, crm):
    customers = {c["id"]: c for c in erp.all("/customers")
                 if (c["external_ref"] or "").startswith("crm:")}
    mirror = {int(m["external_ref"].split(":")[2]): m for m in crm.all("/erp-customers")}
    assert customers.keys() == mirror.keys()
    for number, customer in customers.items():
        for field in ("open_balance", "overdue_balance", "credit_status"):
            assert customer[field] == mirror[number][field], (number, field)
    items = {i["id"]: i for i in erp.all("/items") if (i["external_ref"] or "").startswith("crm:")}
    mirror = {int(m["external_ref"].split(":")[2]): m for m in crm.all("/erp-items")}
    assert items.keys() == mirror.keys()
    for number, item in items.items():
        for field in ("on_hand", "reserved", "available"):
            assert item[field] == mirror[number][field], (number, field)


def ledger_balances(erp):
    trial = erp.get("/reports/trial-balance")
    assert trial["total_debit"] == trial["total_credit"]


def no_record_skipped_a_version(stack):
    """Every change left its event: versions of a record run from 1 without a gap."""
    for schema in ("crm", "erp"):
        wrong = rows(stack, f"""
            SELECT entity, record_id, count(*), max(version) FROM {schema}.event
            GROUP BY 1, 2 HAVING count(*) <> max(version)""")
        assert not wrong, f"{schema}: {wrong[:5]}"


def queues_are_empty(stack, bridge, predicted=0):
    """I6: nothing waits, and only the predicted messages were refused."""
    assert bridge.get("/status")["idle"]
    for schema in ("crm", "erp"):
        assert stack.sql(f"SELECT count(*) FROM {schema}.webhook_delivery"
                         " WHERE status = 'pending'") == "0"
    bad = rows(stack, """
        SELECT id, route, entity, source_id, state, code, reason FROM bridge.message
        WHERE state NOT IN ('applied', 'unchanged', 'superseded', 'skipped')
            AND event_id NOT LIKE 'poison-%'
            AND (route, state) IS DISTINCT FROM ('amendment', 'rejected')""")   # final, an answer
    assert not bad, f"messages that came to no good end: {bad[:3]}"
    refused = rows(stack, """
        SELECT id, state FROM bridge.message WHERE event_id LIKE 'poison-%'""")
    assert len(refused) == predicted and all(m["state"] == "rejected" for m in refused), refused


# ---- each change ----

SENT = """
    SELECT '{0}' AS source, 'evt_' || e.event_id AS event_id, e.entity, e.record_id, e.version,
           d.status::text
    FROM {0}.webhook_delivery d JOIN {0}.event e ON e.id = d.event_id"""
BOTH_SENT = SENT.format("crm") + " UNION ALL " + SENT.format("erp")


def lost_changes(stack):
    """Changes that were sent and are not in the inbox."""
    return rows(stack, f"""
        SELECT * FROM ({BOTH_SENT}) s WHERE NOT EXISTS (SELECT FROM bridge.message m
            WHERE m.source = s.source AND m.event_id = s.event_id)""")


def duplicated_changes(stack):
    """Changes that one route took twice, and effects that one change had twice. A source that was
    restored gives ids out again: what they meant before must be gone, and be of an older epoch."""
    twice = rows(stack, """
        SELECT source, event_id, route, count(*) FROM bridge.message
        GROUP BY 1, 2, 3 HAVING count(*) > 1""")
    for schema, cause in (("crm", "erp"), ("erp", "crm")):
        twice += rows(stack, f"""
            SELECT ref, array_agg(record_id) AS ids, array_agg(epoch) AS epochs FROM (
                SELECT record ->> 'external_ref' AS ref, record_id,
                    min(coalesce(record ->> 'source_epoch', '1')) AS epoch,
                    bool_or(type ~ '\\.deleted$') AS gone
                FROM {schema}.event WHERE record ->> 'external_ref' LIKE '{cause}:%'
                GROUP BY 1, 2) e
            GROUP BY 1 HAVING count(*) > count(DISTINCT epoch)
                OR count(*) FILTER (WHERE NOT gone) > 1""")
        twice += rows(stack, f"""
            SELECT entity, record_id, type, record ->> 'source_version' AS source_version,
                record ->> 'source_epoch' AS source_epoch, array_agg(version) AS versions,
                array_agg(changed::text) AS changed
            FROM {schema}.event WHERE origin = 'bridge' AND type ~ '\\.(created|updated)$'
                AND record ->> 'external_ref' LIKE '{cause}:%'
                AND record ->> 'source_version' IS NOT NULL
            GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1""")
    return twice


def inverted_changes(stack):
    """Effects of an older version of a record, in one history of it, after those of a newer."""
    wrong = []
    for schema in ("crm", "erp"):
        wrong += rows(stack, f"""
            SELECT * FROM (
                SELECT entity, record_id, version, (record ->> 'source_version')::bigint AS source,
                    lag((record ->> 'source_version')::bigint) OVER (
                        PARTITION BY entity, record_id, record ->> 'source_epoch'
                        ORDER BY version) AS before
                FROM {schema}.event WHERE record ->> 'source_version' IS NOT NULL) e
            WHERE source < before""")
    return wrong


def finished_out_of_order(stack):
    """Messages of a record that were applied after a newer one on the same route."""
    return rows(stack, """
        SELECT a.entity, a.source_id FROM bridge.message b JOIN bridge.message a
        ON a.source = b.source AND a.entity = b.entity AND a.source_id = b.source_id
           AND a.route = b.route AND a.version < b.version
           AND a.state = 'applied' AND b.state = 'applied' AND a.finished_at > b.finished_at""")


def each_change_arrived_once(stack):
    """I1: every committed change has exactly one effect at the peer."""
    lost, twice = lost_changes(stack), duplicated_changes(stack)
    same = rows(stack, """
        SELECT name, count(*) FROM crm.account GROUP BY 1 HAVING count(*) > 1""")
    assert not same, f"accounts made twice: {same[:3]}"
    assert not lost, f"lost: {lost[:3]}"
    assert not twice, f"twice: {twice[:3]}"


def versions_were_applied_in_order(stack):
    """I3: the source's versions rise over the effects of each record."""
    wrong = inverted_changes(stack)
    assert not wrong, f"wrong order: {wrong[:3]}"
    seen = rows(stack, "SELECT count(*) FROM erp.event WHERE record ->> 'source_version' > ''")
    assert seen[0]["count"] > 0, "no effect says which version it has"


def nothing_came_from_nowhere(stack):
    """I4: each effect names a record and a version of it that its source committed."""
    for target, source, tables in (
            ("erp", "crm", {"customer": "account", "item": "product",
                            "sales_order": "opportunity"}),
            ("crm", "erp", {"erp_order": "sales_order", "erp_delivery": "delivery",
                            "erp_invoice": "invoice", "erp_customer": "customer",
                            "erp_item": "item"})):
        for table, entity in tables.items():
            wrong = rows(stack, f"""
                SELECT t.id, t.external_ref, t.source_version FROM {target}.{table} t
                WHERE t.external_ref LIKE '{source}:%' AND NOT EXISTS (
                    SELECT FROM {source}.event e WHERE e.entity = '{entity}'
                        AND '{source}:{entity}:' || e.record_id = t.external_ref
                        AND e.version >= t.source_version)""")
            assert not wrong, f"{target}.{table} from nowhere: {wrong[:3]}"
    wrong = rows(stack, f"""
        SELECT m.source, m.event_id FROM bridge.message m
        WHERE m.event_id LIKE 'evt\\_%' AND NOT EXISTS (
            SELECT FROM ({BOTH_SENT}) s WHERE s.source = m.source AND s.event_id = m.event_id)""")
    assert not wrong, f"messages from nowhere: {wrong[:3]}"


def what_was_acknowledged_is_there(stack, won=()):
    """I5: a delivery that counts as done is in the inbox; what a client was told is committed."""
    wrong = [d for d in lost_changes(stack) if d["status"] == "delivered"]
    assert not wrong, f"acknowledged and lost: {wrong[:3]}"
    if won:
        ids = ", ".join(str(number) for number in won)
        wrong = rows(stack, f"""
            SELECT id FROM unnest(ARRAY[{ids}]) id
            WHERE id NOT IN (SELECT id FROM crm.opportunity WHERE status = 'won')""")
        assert not wrong, f"answered and lost: {wrong[:3]}"


def money_and_goods_are_conserved(stack, erp):
    """I2: debits are credits; what is owed, on hand and delivered is what the documents say."""
    ledger_balances(erp)
    wrong = rows(stack, """
        SELECT journal_entry_id FROM erp.journal_line
        GROUP BY 1 HAVING sum(debit) <> sum(credit)""")
    assert not wrong, f"entries that do not balance: {wrong[:3]}"
    wrong = rows(stack, """
        SELECT i.id, i.total, i.amount, i.tax_amount, i.paid, i.credited, i.balance,
            sum(l.amount) AS lines
        FROM erp.invoice i JOIN erp.invoice_line l ON l.invoice_id = i.id
        GROUP BY i.id HAVING sum(l.amount) <> i.amount OR i.amount + i.tax_amount <> i.total
            OR (i.number IS NOT NULL AND i.kind = 'invoice'
                AND i.balance <> i.total - i.paid - i.credited)""")
    assert not wrong, f"invoices that do not add up: {wrong[:3]}"
    wrong = rows(stack, """
        SELECT s.id, s.total, sum(l.amount) AS lines FROM erp.sales_order s
        JOIN erp.sales_order_line l ON l.sales_order_id = s.id
        GROUP BY s.id HAVING sum(l.amount) <> s.amount OR s.amount + s.tax_amount <> s.total""")
    assert not wrong, f"orders that do not add up: {wrong[:3]}"
    wrong = rows(stack, """
        SELECT l.id, l.delivered, sum(d.quantity) AS shipped FROM erp.sales_order_line l
        JOIN erp.delivery_line d ON d.order_line_id = l.id
        JOIN erp.delivery v ON v.id = d.delivery_id AND v.status IN ('shipped', 'delivered')
        GROUP BY l.id HAVING sum(d.quantity) <> l.delivered""")
    assert not wrong, f"lines whose deliveries do not add up: {wrong[:3]}"
    wrong = rows(stack, """
        SELECT o.id, o.amount, sum(i.amount) AS invoiced FROM erp.sales_order o
        JOIN erp.invoice i ON i.sales_order_id = o.id AND i.number IS NOT NULL
        WHERE o.invoice_status = 'full' AND i.kind = 'invoice'
        GROUP BY o.id HAVING sum(i.amount) <> o.amount""")
    assert not wrong, f"orders invoiced at other amounts: {wrong[:3]}"
    wrong = rows(stack, """
        SELECT i.id, coalesce((SELECT sum(l.quantity) FROM erp.stock_level l
                WHERE l.item_id = i.id), 0) AS on_hand,
            coalesce((SELECT sum(a.quantity) FROM erp.stock_adjustment a
                WHERE a.item_id = i.id), 0) AS received,
            coalesce((SELECT sum(d.quantity) FROM erp.delivery_line d
                JOIN erp.delivery v ON v.id = d.delivery_id
                WHERE d.item_id = i.id AND v.status IN ('shipped', 'delivered')), 0) AS shipped
        FROM erp.item i""")
    wrong = [w for w in wrong if abs(w["on_hand"] - w["received"] + w["shipped"]) > 0.00005]
    assert not wrong, f"items whose stock does not add up: {wrong[:3]}"


def the_crm_holds_no_finance(stack, canary=None):
    """I7: no cost, margin or ledger in any column or event of the CRM; nor the cost itself."""
    wrong = rows(stack, """
        SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'crm'
            AND column_name ~ '(cost|margin|ledger|journal|valuation)'""")
    wrong += rows(stack, """
        SELECT id, entity FROM crm.event
        WHERE record::text ~ '"[a-z_]*(cost|margin|ledger|journal|valuation)[a-z_]*" *:' LIMIT 3""")
    wrong += rows(stack, """
        SELECT id, route FROM bridge.message WHERE source = 'crm' AND body::text ~ '"unit_cost"'""")
    assert not wrong, f"finance in the CRM: {wrong[:3]}"
    if canary:
        # Not among the digits of a time of day.
        wrong = rows(stack, f"""
            SELECT id, entity FROM crm.event
            WHERE record::text ~ '(^|[^0-9]){canary.replace(".", "[.]")}' LIMIT 3""")
        assert not wrong, f"the cost in the CRM: {wrong}"


def the_event_log_is_whole_and_closed(stack):
    """I8: no gap in any record's versions, and nobody can change what is written."""
    no_record_skipped_a_version(stack)
    for schema in ("crm", "erp"):
        for change in (f"UPDATE {schema}.event SET actor = 'x'", f"DELETE FROM {schema}.event",
                       f"TRUNCATE {schema}.event"):
            try:
                stack.sql(change, schema)
            except Exception as error:   # noqa: BLE001 -- StackError with psql's words
                assert "cannot be changed" in str(error), error
            else:
                raise AssertionError(f"{change} was let through")


def customers_and_items_are_the_same(stack):
    """I10, CRM to ERP: field by field."""
    wrong = rows(stack, """
        SELECT a.id, a.name AS account, c.name AS customer, a.billing_city, c.billing_city AS city
        FROM crm.account a JOIN erp.customer c ON c.external_ref = 'crm:account:' || a.id
        WHERE (a.name, a.billing_city, a.tax_id, a.currency, a.phone)
            IS DISTINCT FROM (c.name, c.billing_city, c.tax_id, c.currency, c.phone)""")
    wrong += rows(stack, """
        SELECT p.id, p.name AS product, i.name AS item, p.sku, i.sku AS item_sku
        FROM crm.product p JOIN erp.item i ON i.external_ref = 'crm:product:' || p.id
        WHERE (p.sku, p.name, p.description, p.active)
            IS DISTINCT FROM (i.sku, i.name, i.description, i.active)""")
    wrong += rows(stack, """
        SELECT a.id, a.name FROM crm.account a WHERE a.type = 'customer' AND NOT EXISTS (
            SELECT FROM erp.customer c WHERE c.external_ref = 'crm:account:' || a.id)""")
    assert not wrong, f"customers and items that differ: {wrong[:5]}"


def what_crossed_is_linked(stack):
    """I10, what joins the two sides."""
    wrong = rows(stack, """
        SELECT m.id, m.route, m.target_ref FROM bridge.message m
        WHERE m.state IN ('applied', 'unchanged') AND NOT EXISTS (SELECT FROM bridge.link l
            WHERE l.left_ref = m.source || ':' || m.entity || ':' || m.source_id
                AND l.right_ref = m.target_ref)""")
    assert not wrong, f"links that are missing: {wrong[:3]}"


def both_sides_are_equal(stack, crm, erp):
    """I10, everything that crosses, field by field."""
    each_won_deal_has_one_order(stack)
    revisions_are_the_same(stack)
    quantities_are_conserved(stack)
    lines_are_the_same(stack)
    customers_and_items_are_the_same(stack)
    documents_are_mirrored(stack)
    mirrored_lines_are_the_same(stack)
    balances_and_stock_are_mirrored(stack, erp, crm)


def link_of(path):
    """Where it leads; None when it was closed meanwhile."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return None


def resources(stack):
    """Open files, open sockets and resident megabytes of each daemon."""
    used = {}
    for name, process in stack.processes.items():
        folder = f"/proc/{process.pid}"
        with open(f"{folder}/statm") as statm:
            pages = int(statm.read().split()[1])
        names = [link for file in os.scandir(f"{folder}/fd") if (link := link_of(file.path))]
        sockets = sum(link.startswith("socket:") for link in names)
        used[name] = {"files": len(names) - sockets, "sockets": sockets,
                      "megabytes": pages * 4096 >> 20}
    return used


def nothing_has_grown(before, after):
    """I9: beside kept connections (90 to a host, 100 from one) and the sanitizers' 256 MB."""
    for name, used in after.items():
        for what, more in (("files", 4), ("sockets", 400), ("megabytes", 400)):
            assert used[what] <= before[name][what] + more, (name, before[name], used)


def checkers(stack, predicted=0, won=(), canary=None):
    """By name: I1 to I10, but for I9, which needs two moments."""
    crm, erp, bridge = (stack.api(name) for name in ("crm", "erp", "bridge"))
    return {
        "I1": lambda: each_change_arrived_once(stack),
        "I2": lambda: money_and_goods_are_conserved(stack, erp),
        "I3": lambda: versions_were_applied_in_order(stack),
        "I4": lambda: nothing_came_from_nowhere(stack),
        "I5": lambda: what_was_acknowledged_is_there(stack, won),
        "I6": lambda: queues_are_empty(stack, bridge, predicted),
        "I7": lambda: the_crm_holds_no_finance(stack, canary),
        "I8": lambda: the_event_log_is_whole_and_closed(stack),
        "I10": lambda: (what_crossed_is_linked(stack), both_sides_are_equal(stack, crm, erp)),
    }


def check_all(stack, predicted=0, won=(), canary=None, but=()):
    """but: what cannot hold because a test threw away what it would be seen by."""
    for name, check in checkers(stack, predicted, won, canary).items():
        if name not in but:
            check()
