-- erp-server/inventory/stock_waiting.sql -- locks the orders that wait for items $1, oldest first, as far as they are free.
WITH free AS MATERIALIZED (
	SELECT s.warehouse_id FROM item_stock s
	WHERE s.item_id = ANY ($1::bigint[]) AND s.on_hand > s.reserved
)
SELECT o.id
FROM sales_order o
WHERE o.status IN ('confirmed', 'partially_delivered')
AND o.id IN (
	SELECT l.sales_order_id FROM sales_order_line l
	WHERE l.short > 0 AND l.item_id = ANY ($1::bigint[])
	UNION
	SELECT l.sales_order_id FROM sales_order_component c
	JOIN sales_order_line l ON l.id = c.order_line_id
	WHERE l.short > 0 AND c.item_id = ANY ($1::bigint[])
)
AND o.warehouse_id IN (SELECT warehouse_id FROM free)
ORDER BY o.confirmed_at, o.id
LIMIT 100
FOR NO KEY UPDATE OF o SKIP LOCKED
