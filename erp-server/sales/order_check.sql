-- erp-server/sales/order_check.sql -- what the last check found for order $1: reserved, short, promised.
SELECT json_build_object('sales_order_id', o.id, 'promised_date', o.promised_date, 'lines',
	(SELECT coalesce(json_agg(json_build_object('order_line_id', l.id, 'item_id', l.item_id,
			'ordered', l.quantity::text, 'reserved', l.reserved::text, 'delivered', l.delivered::text,
			'short', greatest(l.quantity - l.lost - l.delivered - l.reserved, 0)::text,
			'available', (SELECT v.available FROM item_level v WHERE v.item_id = l.item_id)::numeric(18,4)::text)
			ORDER BY l.position, l.id), '[]')
		FROM sales_order_line l JOIN item i ON i.id = l.item_id
		WHERE l.sales_order_id = o.id AND i.type = 'goods'))
FROM sales_order o
WHERE o.id = $1
