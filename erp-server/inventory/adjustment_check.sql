-- erp-server/inventory/adjustment_check.sql -- whether adjustment $1 can be done, with the arithmetic.
SELECT i.sku, w.code, a.quantity, a.quantity < 0 AS loss,
	i.type = 'goods' AND NOT EXISTS (SELECT FROM item_component c WHERE c.item_id = i.id) AS stockable,
	coalesce(s.on_hand, 0)::numeric(18,4) AS on_hand,
	coalesce(s.reserved, 0)::numeric(18,4) AS reserved,
	a.quantity + coalesce(s.on_hand, 0) < 0 AS too_much
FROM stock_adjustment a
JOIN item i ON i.id = a.item_id
JOIN warehouse w ON w.id = a.warehouse_id
LEFT JOIN LATERAL (SELECT s.on_hand, s.reserved FROM item_stock s
	WHERE s.item_id = a.item_id AND s.warehouse_id = a.warehouse_id) s ON true
WHERE a.id = $1
