-- crm-server/sales/amendment_wanted.sql -- lines $2 (JSON) as deal $1 shall have them, and what is wrong with each.
-- A line that is kept has what is not said as it is now; one that is new gets its id here.
WITH wanted AS (
	SELECT row_number() OVER () - 1 AS n, w.*
	FROM json_to_recordset($2::json) AS w (id bigint, product_id bigint, description text,
		quantity numeric, unit_price numeric, discount_percent numeric, tax_percent numeric)
)
SELECT w.n,
	coalesce(w.id, nextval(pg_get_serial_sequence('opportunity_line', 'id'))) AS line_id,
	coalesce(w.product_id, l.product_id) AS product_id,
	coalesce(w.description, l.description) AS description,
	coalesce(w.quantity, l.quantity) AS quantity,
	coalesce(w.unit_price, l.unit_price) AS unit_price,
	coalesce(w.discount_percent, l.discount_percent, 0) AS discount_percent,
	coalesce(w.tax_percent, l.tax_percent, 0) AS tax_percent,
	p.sku,
	w.id IS NOT NULL AND l.id IS NULL AS unknown,
	w.id IS NOT NULL AND count(*) OVER (PARTITION BY w.id) > 1 AS twice,
	coalesce(w.product_id <> l.product_id, false) AS other_product,
	w.id IS NULL AND w.product_id IS NULL AS no_product,
	w.id IS NULL AND w.quantity IS NULL AS no_quantity,
	coalesce(NOT p.active AND (l.id IS NULL OR w.quantity > l.quantity), false) AS inactive
FROM wanted w
LEFT JOIN opportunity_line l ON l.id = w.id AND l.opportunity_id = $1
LEFT JOIN product p ON p.id = coalesce(w.product_id, l.product_id)
ORDER BY w.n
