-- erp-server/inventory/stock_adjust.sql -- the move, the value and the new average cost of adjustment $1.
WITH wanted AS (
	SELECT a.id, a.item_id, a.quantity, a.warehouse_id, s.quantity AS had, s.value AS worth,
		CASE WHEN a.quantity > 0 THEN round(a.quantity * coalesce(a.unit_cost, i.unit_cost), 2)
			ELSE round(s.value * -a.quantity / nullif(s.quantity, 0), 2) END AS value,
		(SELECT min(l.id) FROM location l
			WHERE l.warehouse_id = a.warehouse_id AND l.kind = 'storage') AS storage,
		(SELECT min(l.id) FROM location l WHERE l.kind = 'inventory_loss') AS loss
	FROM stock_adjustment a
	JOIN item i ON i.id = a.item_id
	CROSS JOIN LATERAL (SELECT coalesce(sum(l.quantity), 0) AS quantity, coalesce(sum(l.value), 0) AS value
		FROM stock_level l WHERE l.item_id = a.item_id) s
	WHERE a.id = $1
), moved AS (
	INSERT INTO stock_move (item_id, quantity, from_location_id, to_location_id, value, source_entity, source_id)
	SELECT item_id, abs(quantity), CASE WHEN quantity > 0 THEN loss ELSE storage END,
		CASE WHEN quantity > 0 THEN storage ELSE loss END, value, 'stock_adjustment', id
	FROM wanted
), costed AS (
	UPDATE item i SET unit_cost = round((w.worth + w.value) / (w.had + w.quantity), 4)
	FROM wanted w WHERE i.id = w.item_id AND w.quantity > 0 AND w.had + w.quantity > 0
)
UPDATE stock_adjustment a SET value = w.value
FROM wanted w WHERE w.id = a.id
RETURNING a.value
