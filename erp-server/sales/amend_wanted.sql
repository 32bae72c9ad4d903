-- erp-server/sales/amend_wanted.sql -- lines $2 (JSON) as order $1 shall have them; a kept line has what is not said as it is.
WITH wanted AS (
	SELECT row_number() OVER () - 1 AS n, w.*
	FROM json_to_recordset($2::json) AS w (id bigint, item_id bigint, description text, quantity numeric,
		unit_price numeric, discount_percent numeric, tax_percent numeric)
)
SELECT w.n, w.id AS order_line_id, coalesce(w.item_id, l.item_id) AS item_id,
	coalesce(w.description, l.description) AS description, coalesce(w.quantity, l.quantity) AS quantity,
	coalesce(w.unit_price, l.unit_price) AS unit_price,
	coalesce(w.discount_percent, l.discount_percent, 0) AS discount_percent,
	coalesce(w.tax_percent, l.tax_percent, 0) AS tax_percent, l.source_line,
	w.id IS NOT NULL AND l.id IS NULL AS unknown,
	w.id IS NOT NULL AND count(*) OVER (PARTITION BY w.id) > 1 AS twice,
	coalesce(w.item_id <> l.item_id, false) AS other_item
FROM wanted w
LEFT JOIN sales_order_line l ON l.id = w.id AND l.sales_order_id = $1
ORDER BY w.n
