-- erp-server/inventory/stock_sweep.sql -- the items that somebody waits for although some are free.
-- However it is planned: the short lines, then one look at the stock of each item they want (OFFSET 0: not
-- all items' moves are added up instead).
WITH wanted AS MATERIALIZED (
	SELECT DISTINCT coalesce(c.item_id, l.item_id) AS item_id, o.warehouse_id
	FROM sales_order_line l
	JOIN sales_order o ON o.id = l.sales_order_id
	LEFT JOIN sales_order_component c ON c.order_line_id = l.id
	WHERE l.short > 0 AND o.status IN ('confirmed', 'partially_delivered')
)
SELECT DISTINCT w.item_id
FROM wanted w
WHERE EXISTS (SELECT FROM item_stock s
	WHERE s.item_id = w.item_id AND s.warehouse_id = w.warehouse_id AND s.on_hand > s.reserved OFFSET 0)
ORDER BY w.item_id
LIMIT 100
