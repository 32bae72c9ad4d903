"""tests/support/invariants.py -- what must hold on both sides once every queue is empty."""
import json


def rows(stack, sql):
    """Rows as dicts, read by the cluster's owner: the only one who may look at both schemas."""
    text = stack.sql(f"SELECT coalesce(json_agg(r), '[]') FROM ({sql}) r")
    return json.loads(text)


def each_won_deal_has_one_order(stack):
    wrong = rows(stack, """
        SELECT o.id, o.number, o.total, o.handover, count(s.id) AS orders, min(s.total) AS ordered
        FROM crm.opportunity o
        LEFT JOIN erp.sales_order s ON s.external_ref = 'crm:opportunity:' || o.id
        WHERE o.status = 'won'
        GROUP BY o.id
        HAVING count(s.id) <> 1 OR min(s.total) <> o.total
            OR o.handover IS DISTINCT FROM 'accepted'""")
    assert not wrong, f"won deals without exactly one equal order: {wrong[:5]}"
    extra = rows(stack, """
        SELECT s.id, s.external_ref FROM erp.sales_order s
        WHERE s.external_ref LIKE 'crm:opportunity:%' AND NOT EXISTS (
            SELECT FROM crm.opportunity o
            WHERE s.external_ref = 'crm:opportunity:' || o.id AND (o.status = 'won'
                OR (o.loss_reason = 'order_cancelled' AND s.status = 'cancelled')))""")
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


def queues_are_empty(stack, bridge):
    assert bridge.get("/status")["idle"]
    for schema in ("crm", "erp"):
        assert stack.sql(f"SELECT count(*) FROM {schema}.webhook_delivery"
                         " WHERE status = 'pending'") == "0"
    bad = [m for m in bridge.all("/messages")
           if m["state"] not in ("applied", "unchanged", "superseded", "skipped")
           and (m["route"], m["state"]) != ("amendment", "rejected")]   # an answer, and final
    assert not bad, bad[:3]


def check_all(stack):
    crm, erp, bridge = (stack.api(name) for name in ("crm", "erp", "bridge"))
    queues_are_empty(stack, bridge)
    each_won_deal_has_one_order(stack)
    revisions_are_the_same(stack)
    quantities_are_conserved(stack)
    lines_are_the_same(stack)
    documents_are_mirrored(stack)
    mirrored_lines_are_the_same(stack)
    balances_and_stock_are_mirrored(stack, erp, crm)
    ledger_balances(erp)
    no_record_skipped_a_version(stack)
