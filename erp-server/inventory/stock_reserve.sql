-- erp-server/inventory/stock_reserve.sql -- gives free stock of items $2 to the open lines of order $1.
-- Lines of bundles are left to stock_reserve_bundles. The caller holds the items' row locks.
WITH open AS (
	SELECT l.id, l.sales_order_id, l.item_id, o.warehouse_id, n.need,
		sum(n.need) OVER (PARTITION BY l.item_id, o.warehouse_id
			ORDER BY l.position, l.id ROWS UNBOUNDED PRECEDING) AS upto
	FROM sales_order o
	JOIN sales_order_line l ON l.sales_order_id = o.id
	JOIN item i ON i.id = l.item_id
	CROSS JOIN LATERAL (SELECT l.quantity - l.lost - l.delivered - l.reserved AS need) n
	WHERE o.id = $1 AND l.item_id = ANY ($2::bigint[]) AND i.type = 'goods' AND n.need > 0
	AND NOT EXISTS (SELECT FROM sales_order_component c WHERE c.order_line_id = l.id)
), place AS (
	SELECT DISTINCT item_id, warehouse_id FROM open
), free AS (
	SELECT p.item_id, p.warehouse_id, h.n - r.n AS n
	FROM place p
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(CASE WHEN m.to_warehouse_id = p.warehouse_id THEN m.quantity ELSE 0 END
			- CASE WHEN m.from_warehouse_id = p.warehouse_id THEN m.quantity ELSE 0 END), 0) AS n
		FROM stock_move m WHERE m.item_id = p.item_id AND m.status = 'done'
	) h
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(r.quantity - r.consumed), 0) AS n
		FROM stock_reservation r
		WHERE r.item_id = p.item_id AND r.warehouse_id = p.warehouse_id AND r.status = 'active'
	) r
), made AS (
	INSERT INTO stock_reservation AS s (sales_order_id, order_line_id, item_id, warehouse_id, quantity)
	SELECT o.sales_order_id, o.id, o.item_id, o.warehouse_id, least(o.need, f.n - (o.upto - o.need))
	FROM open o JOIN free f ON f.item_id = o.item_id AND f.warehouse_id = o.warehouse_id
	WHERE f.n > o.upto - o.need
	ON CONFLICT (order_line_id, item_id, warehouse_id) WHERE status = 'active'
	DO UPDATE SET quantity = s.quantity + excluded.quantity, version = s.version + 1, updated_at = now()
	RETURNING s.sales_order_id
)
SELECT sales_order_id FROM made LIMIT 1
