-- erp-server/sales/order_totals.sql -- each line's tax and the sums of order $1; answers what to check.
WITH line AS (
	SELECT l.id, l.amount, l.tax_amount AS was,
		CASE o.tax_mode
			WHEN 'exclusive' THEN round(l.amount * l.tax_percent / 100, 2)
			WHEN 'inclusive' THEN l.amount - round(l.amount * 100 / (100 + l.tax_percent), 2)
			ELSE 0 END AS tax
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
RETURNING o.total, o.agreed_total, o.agreed_total <> o.total AS differs
