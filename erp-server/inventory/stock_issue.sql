-- erp-server/inventory/stock_issue.sql -- moves the goods of delivery $1 out at their moving average cost.
WITH want AS (
	SELECT dl.id AS line_id, o.order_line_id, d.warehouse_id, o.item_id,
		dl.quantity * o.per AS quantity,
		sum(dl.quantity * o.per) OVER (PARTITION BY o.item_id ORDER BY dl.position, dl.id
			ROWS UNBOUNDED PRECEDING) AS upto
	FROM delivery d
	JOIN delivery_line dl ON dl.delivery_id = d.id
	JOIN order_demand o ON o.order_line_id = dl.order_line_id
	WHERE d.id = $1
), worth AS (
	SELECT w.item_id, s.quantity, s.value
	FROM (SELECT DISTINCT item_id FROM want) w
	CROSS JOIN LATERAL (SELECT sum(l.quantity) AS quantity, sum(l.value) AS value
		FROM stock_level l WHERE l.item_id = w.item_id) s
), used AS (
	UPDATE stock_reservation r
	SET consumed = least(r.quantity, r.consumed + w.quantity), version = r.version + 1,
		status = CASE WHEN r.consumed + w.quantity >= r.quantity THEN 'consumed'
			ELSE 'active' END::stock_reservation_status,
		updated_at = now()
	FROM (SELECT order_line_id, item_id, warehouse_id, sum(quantity) AS quantity FROM want
		GROUP BY order_line_id, item_id, warehouse_id) w
	WHERE r.order_line_id = w.order_line_id AND r.item_id = w.item_id
	AND r.warehouse_id = w.warehouse_id AND r.status = 'active'
), moved AS (
	INSERT INTO stock_move (item_id, quantity, from_location_id, to_location_id, value,
		source_entity, source_id, source_line_id)
	SELECT w.item_id, w.quantity,
		(SELECT min(l.id) FROM location l WHERE l.warehouse_id = w.warehouse_id AND l.kind = 'storage'),
		(SELECT min(l.id) FROM location l WHERE l.kind = 'customer'),
		round(t.value * w.upto / t.quantity, 2) - round(t.value * (w.upto - w.quantity) / t.quantity, 2),
		'delivery', $1, w.line_id
	FROM want w JOIN worth t ON t.item_id = w.item_id
	RETURNING value
)
SELECT coalesce(sum(value), 0)::numeric(18,2) AS cost FROM moved
