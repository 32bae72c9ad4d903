-- erp-server/finance/credit_wanted.sql -- what of invoice $1 is to be credited: lines $2 (JSON), or all that is left.
WITH line AS (
	SELECT l.*, i.sku, u.minor_unit, b.quantity AS credited, b.amount AS credited_amount, b.tax AS credited_tax
	FROM invoice_line l
	JOIN invoice v ON v.id = l.invoice_id
	JOIN currency u ON u.code = v.currency
	JOIN item i ON i.id = l.item_id
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(c.quantity), 0) AS quantity, coalesce(sum(c.amount), 0) AS amount,
			coalesce(sum(c.tax_amount), 0) AS tax
		FROM invoice_line c WHERE c.reverses_line_id = l.id
	) b
	WHERE l.invoice_id = $1
), wanted AS (
	SELECT row_number() OVER () - 1 AS n, w.invoice_line_id, w.quantity,
		sum(w.quantity) OVER (PARTITION BY w.invoice_line_id) AS together,
		count(*) OVER (PARTITION BY w.invoice_line_id) > 1 AS twice
	FROM json_to_recordset($2::json) AS w (invoice_line_id bigint, quantity numeric)
	WHERE $2::json IS NOT NULL
	UNION ALL
	SELECT row_number() OVER (ORDER BY position, id) - 1, id, quantity - credited, quantity - credited, false
	FROM line
	WHERE $2::json IS NULL AND quantity > credited
)
SELECT w.n, l.id AS reverses_line_id, w.quantity::numeric(18,4) AS quantity, l.order_line_id, l.item_id,
	l.description, l.unit_price, l.discount_percent, l.tax_percent,
	round(l.amount * (l.credited + w.quantity) / l.quantity, l.minor_unit) - l.credited_amount AS amount,
	round(l.tax_amount * (l.credited + w.quantity) / l.quantity, l.minor_unit) - l.credited_tax AS tax_amount,
	l.id IS NULL AS unknown, w.quantity <= 0 AS nothing, w.twice,
	w.together > l.quantity - l.credited AS too_much,
	json_build_object('invoice_line_id', l.id, 'sku', l.sku, 'wanted', w.together::numeric(18,4)::text,
		'invoiced', l.quantity::text, 'credited', l.credited::numeric(18,4)::text) AS arithmetic
FROM wanted w LEFT JOIN line l ON l.id = w.invoice_line_id
ORDER BY w.n
