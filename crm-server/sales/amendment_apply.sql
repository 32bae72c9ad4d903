-- crm-server/sales/amendment_apply.sql -- gives deal $1 the lines of the accepted proposal $2.
WITH agreed AS (
	SELECT * FROM opportunity_amendment_line WHERE opportunity_amendment_id = $2
), gone AS (
	DELETE FROM opportunity_line l
	WHERE l.opportunity_id = $1 AND NOT EXISTS (SELECT FROM agreed a WHERE a.line_id = l.id)
), kept AS (
	UPDATE opportunity_line l SET position = a.position, description = a.description,
		quantity = a.quantity, unit_price = a.unit_price,
		discount_percent = a.discount_percent, tax_percent = a.tax_percent
	FROM agreed a
	WHERE l.opportunity_id = $1 AND l.id = a.line_id
)
INSERT INTO opportunity_line (id, opportunity_id, position, product_id, description, quantity,
	unit_price, discount_percent, tax_percent)
OVERRIDING SYSTEM VALUE
SELECT a.line_id, $1, a.position, a.product_id, a.description, a.quantity, a.unit_price,
	a.discount_percent, a.tax_percent
FROM agreed a
WHERE NOT EXISTS (SELECT FROM opportunity_line l WHERE l.id = a.line_id)
