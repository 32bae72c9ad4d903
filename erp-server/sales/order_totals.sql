-- erp-server/sales/order_totals.sql -- each line's tax and the sums of order $1, after a change of its lines.
WITH line AS (
	SELECT l.id, l.amount, l.tax_amount AS was, line_tax(o.tax_mode, l.amount, l.tax_percent) AS tax
	FROM sales_order o JOIN sales_order_line l ON l.sales_order_id = o.id
	WHERE o.id = $1
), taxed AS (
	UPDATE sales_order_line l SET tax_amount = line.tax
	FROM line WHERE line.id = l.id AND line.tax <> line.was
), sums AS (
	SELECT coalesce(sum(amount), 0) AS amount, coalesce(sum(tax), 0) AS tax FROM line
)
UPDATE sales_order o
SET amount = s.amount, tax_amount = s.tax,
	total = s.amount + CASE o.tax_mode WHEN 'exclusive' THEN s.tax ELSE 0 END
FROM sums s
WHERE o.id = $1
RETURNING o.total, o.agreed_total
