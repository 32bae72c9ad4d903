-- erp-server/finance/invoice_wanted.sql -- what of order $1 is to be invoiced: lines $2 (JSON), or all that is delivered.
-- Parts of a line are rounded so that together they come to the line's amount exactly.
WITH line AS (
	SELECT l.*, i.sku, u.minor_unit, b.quantity AS billed, b.amount AS billed_amount, b.tax AS billed_tax,
		CASE i.type WHEN 'goods' THEN l.delivered ELSE l.quantity - l.lost END - b.quantity AS due
	FROM sales_order_line l
	JOIN sales_order o ON o.id = l.sales_order_id
	JOIN currency u ON u.code = o.currency
	JOIN item i ON i.id = l.item_id
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(x.sign * il.quantity), 0) AS quantity,
			coalesce(sum(x.sign * il.amount), 0) AS amount,
			coalesce(sum(x.sign * il.tax_amount), 0) AS tax
		FROM invoice_line il
		JOIN invoice v ON v.id = il.invoice_id
		CROSS JOIN LATERAL (SELECT CASE v.kind WHEN 'invoice' THEN 1 ELSE -1 END AS sign) x
		WHERE il.order_line_id = l.id AND v.status <> 'cancelled'
	) b
	WHERE l.sales_order_id = $1
), wanted AS (
	SELECT row_number() OVER () - 1 AS n, w.order_line_id, w.quantity,
		sum(w.quantity) OVER (PARTITION BY w.order_line_id) AS together,
		count(*) OVER (PARTITION BY w.order_line_id) > 1 AS twice
	FROM json_to_recordset($2::json) AS w (order_line_id bigint, quantity numeric)
	WHERE $2::json IS NOT NULL
	UNION ALL
	SELECT row_number() OVER (ORDER BY position, id) - 1, id, due, due, false
	FROM line
	WHERE $2::json IS NULL AND due > 0
)
SELECT w.n, w.order_line_id, w.quantity::numeric(18,4) AS quantity, l.item_id, l.description,
	l.unit_price, l.discount_percent, l.tax_percent,
	round(l.amount * (l.billed + w.quantity) / l.quantity, l.minor_unit) - l.billed_amount AS amount,
	round(l.tax_amount * (l.billed + w.quantity) / l.quantity, l.minor_unit) - l.billed_tax AS tax_amount,
	l.id IS NULL AS unknown, w.quantity <= 0 AS nothing, w.twice,
	w.together > l.quantity - l.lost - l.billed AS too_much,
	json_build_object('order_line_id', l.id, 'sku', l.sku, 'wanted', w.together::numeric(18,4)::text,
		'ordered', l.quantity::text, 'lost', l.lost::text, 'delivered', l.delivered::text,
		'invoiced', l.billed::numeric(18,4)::text) AS arithmetic
FROM wanted w LEFT JOIN line l ON l.id = w.order_line_id
ORDER BY w.n
