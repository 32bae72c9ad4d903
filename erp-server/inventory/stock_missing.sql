-- erp-server/inventory/stock_missing.sql -- what delivery $1 wants and is not there for it, with the arithmetic.
WITH want AS (
	SELECT o.item_id, d.warehouse_id, sum(dl.quantity * o.per) AS wanted,
		(SELECT coalesce(sum(r.quantity - r.consumed), 0) FROM stock_reservation r
			WHERE r.sales_order_id = d.sales_order_id AND r.item_id = o.item_id
			AND r.warehouse_id = d.warehouse_id AND r.status = 'active') AS ours
	FROM delivery d
	JOIN delivery_line dl ON dl.delivery_id = d.id
	JOIN order_demand o ON o.order_line_id = dl.order_line_id
	WHERE d.id = $1
	GROUP BY o.item_id, d.warehouse_id, d.sales_order_id
)
SELECT json_agg(json_build_object('item_id', w.item_id, 'sku', i.sku, 'wanted', w.wanted::numeric(18,4)::text,
	'on_hand', s.on_hand::numeric(18,4)::text, 'reserved', s.reserved::numeric(18,4)::text,
	'reserved_for_this_order', w.ours::numeric(18,4)::text) ORDER BY w.item_id) AS lines
FROM want w
JOIN item i ON i.id = w.item_id
CROSS JOIN LATERAL (
	SELECT coalesce(sum(t.on_hand), 0) AS on_hand, coalesce(sum(t.reserved), 0) AS reserved
	FROM item_stock t WHERE t.item_id = w.item_id AND t.warehouse_id = w.warehouse_id
) s
WHERE w.wanted > s.on_hand - (s.reserved - w.ours)
