-- erp-server/sales/amend_trim.sql -- gives back what is reserved for order $2 beyond what amendment $1 leaves open.
UPDATE stock_reservation r
SET version = r.version + 1, updated_at = now(),
	quantity = CASE WHEN w.open > 0 THEN r.consumed + w.open ELSE r.quantity END,
	status = (CASE WHEN w.open > 0 THEN 'active' WHEN r.consumed > 0 THEN 'consumed'
		ELSE 'released' END)::stock_reservation_status
FROM (
	SELECT d.order_line_id, d.item_id, greatest(coalesce(a.quantity, 0) - l.delivered, 0) * d.per AS open
	FROM order_demand d
	JOIN sales_order_line l ON l.id = d.order_line_id
	LEFT JOIN sales_order_amendment_line a ON a.sales_order_amendment_id = $1 AND a.order_line_id = l.id
	WHERE d.sales_order_id = $2
) w
WHERE r.order_line_id = w.order_line_id AND r.item_id = w.item_id AND r.sales_order_id = $2
AND r.status = 'active' AND r.quantity - r.consumed > w.open
