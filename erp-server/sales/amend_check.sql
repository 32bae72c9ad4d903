-- erp-server/sales/amend_check.sql -- what is wrong with each line of amendment $1 to order $2, with the arithmetic.
-- Lines of the order that it does not name come last: they are given up.
WITH present AS (
	SELECT l.*,
		(SELECT coalesce(sum(dl.quantity), 0) FROM delivery_line dl JOIN delivery d ON d.id = dl.delivery_id
			WHERE dl.order_line_id = l.id AND d.status IN ('draft', 'picked', 'packed')) AS allocated,
		EXISTS (SELECT FROM delivery_line dl JOIN delivery d ON d.id = dl.delivery_id
			WHERE dl.order_line_id = l.id AND d.status = 'draft') AS drafted,
		(SELECT coalesce(sum(CASE v.kind WHEN 'invoice' THEN il.quantity ELSE -il.quantity END), 0)
			FROM invoice_line il JOIN invoice v ON v.id = il.invoice_id
			WHERE il.order_line_id = l.id AND v.status <> 'cancelled') AS billed
	FROM sales_order_line l
	WHERE l.sales_order_id = $2
), wanted AS (
	SELECT row_number() OVER (ORDER BY a.position, a.id) - 1 AS n, a.*
	FROM sales_order_amendment_line a WHERE a.sales_order_amendment_id = $1
), line AS (
	SELECT w.n, i.id AS item_id, i.sku, l.drafted,
		w.order_line_id IS NOT NULL AND count(*) OVER (PARTITION BY w.order_line_id) > 1 AS twice,
		coalesce(w.item_id <> l.item_id, false) AS other_item,
		l.id IS NOT NULL AND coalesce(w.quantity, 0) < greatest(l.delivered + l.allocated, l.billed) AS too_little,
		coalesce(l.billed > 0 AND (w.unit_price, w.discount_percent, w.tax_percent)
			<> (l.unit_price, l.discount_percent, l.tax_percent), false) AS priced,
		NOT i.active AND w.n IS NOT NULL AND (l.id IS NULL OR w.quantity > l.quantity) AS inactive,
		l.id AS order_line_id, coalesce(w.quantity, 0)::numeric(18,4)::text AS wanted, l.quantity::text AS ordered,
		l.delivered::text AS delivered, l.allocated::numeric(18,4)::text AS allocated,
		l.billed::numeric(18,4)::text AS invoiced
	FROM wanted w
	FULL JOIN present l ON l.id = w.order_line_id
	JOIN item i ON i.id = coalesce(w.item_id, l.item_id)
)
SELECT line.*, json_build_object('order_line_id', order_line_id, 'sku', sku, 'wanted', wanted, 'ordered', ordered,
	'delivered', delivered, 'allocated', allocated, 'invoiced', invoiced) AS arithmetic
FROM line
ORDER BY n NULLS LAST, order_line_id
