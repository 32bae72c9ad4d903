-- erp-server/sales/delivery_wanted.sql -- what of order $1 is to be delivered: lines $2 (JSON), or all that is reserved.
WITH line AS (
	SELECT l.id, l.position, l.item_id, i.type = 'goods' AS goods, i.sku, l.quantity AS ordered, l.lost,
		l.delivered, l.reserved,
		(SELECT coalesce(sum(dl.quantity), 0) FROM delivery_line dl JOIN delivery d ON d.id = dl.delivery_id
			WHERE dl.order_line_id = l.id AND d.status IN ('draft', 'picked', 'packed')) AS allocated
	FROM sales_order_line l JOIN item i ON i.id = l.item_id
	WHERE l.sales_order_id = $1
), wanted AS (
	SELECT row_number() OVER () - 1 AS n, w.order_line_id, w.quantity,
		sum(w.quantity) OVER (PARTITION BY w.order_line_id) AS together
	FROM json_to_recordset($2::json) AS w (order_line_id bigint, quantity numeric)
	WHERE $2::json IS NOT NULL
	UNION ALL
	SELECT row_number() OVER (ORDER BY position, id) - 1, id, least(reserved - allocated, ordered - lost - delivered - allocated),
		least(reserved - allocated, ordered - lost - delivered - allocated)
	FROM line
	WHERE $2::json IS NULL AND goods AND least(reserved - allocated, ordered - lost - delivered - allocated) > 0
)
SELECT w.n, w.order_line_id, w.quantity::numeric(18,4) AS quantity, l.item_id, l.sku, l.goods,
	l.id IS NULL AS unknown, w.quantity <= 0 AS nothing,
	w.together > l.ordered - l.lost - l.delivered - l.allocated AS too_much,
	w.together > l.reserved - l.allocated AS short,
	json_build_object('order_line_id', l.id, 'sku', l.sku, 'wanted', w.together::numeric(18,4)::text,
		'ordered', l.ordered::text, 'lost', l.lost::text, 'delivered', l.delivered::text,
		'reserved', l.reserved::text, 'on_other_deliveries', l.allocated::numeric(18,4)::text) AS arithmetic
FROM wanted w LEFT JOIN line l ON l.id = w.order_line_id
ORDER BY w.n
