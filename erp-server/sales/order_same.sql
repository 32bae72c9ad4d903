-- erp-server/sales/order_same.sql -- whether lines $2 (JSON) and agreed total $3 say what order $1 has already.
WITH wanted AS (
	SELECT row_number() OVER () AS n, w.*
	FROM json_to_recordset(coalesce($2::json, '[]')) AS w (item_id bigint, description text, quantity numeric,
		unit_price numeric, discount_percent numeric, tax_percent numeric, source_line text)
), present AS (
	SELECT row_number() OVER (ORDER BY position, id) AS n, l.*
	FROM sales_order_line l WHERE l.sales_order_id = $1
)
SELECT ($3::numeric IS NULL OR $3::numeric IS NOT DISTINCT FROM
		(SELECT o.agreed_total FROM sales_order o WHERE o.id = $1))
	AND ($2::json IS NULL OR coalesce(bool_and(w.n IS NOT NULL AND p.n IS NOT NULL
	AND w.item_id = p.item_id
	AND w.quantity = p.quantity
	AND coalesce(w.unit_price, p.unit_price) = p.unit_price
	AND coalesce(w.discount_percent, 0) = p.discount_percent
	AND coalesce(w.tax_percent, 0) = p.tax_percent
	AND coalesce(w.description, p.description) IS NOT DISTINCT FROM p.description
	AND coalesce(w.source_line, p.source_line) IS NOT DISTINCT FROM p.source_line), true)) AS same
FROM wanted w FULL JOIN present p ON p.n = w.n
