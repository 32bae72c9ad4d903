-- erp-server/sales/order_totals.sql -- each line's amount and tax and the sums of order $1, after a change of its lines.
WITH line AS (
	SELECT l.id, a.amount, line_tax(o.tax_mode, a.amount, l.tax_percent, u.minor_unit) AS tax
	FROM sales_order o JOIN sales_order_line l ON l.sales_order_id = o.id
		JOIN currency u ON u.code = o.currency
		CROSS JOIN LATERAL (SELECT line_amount(l.quantity, l.unit_price, l.discount_percent,
			u.minor_unit) AS amount) a
	WHERE o.id = $1
), summed AS (
	UPDATE sales_order_line l SET amount = line.amount, tax_amount = line.tax
	FROM line WHERE line.id = l.id AND (line.amount, line.tax) <> (l.amount, l.tax_amount)
), sums AS (
	SELECT coalesce(sum(amount), 0) AS amount, coalesce(sum(tax), 0) AS tax FROM line
)
UPDATE sales_order o
SET amount = s.amount, tax_amount = s.tax,
	total = s.amount + CASE o.tax_mode WHEN 'exclusive' THEN s.tax ELSE 0 END
FROM sums s
WHERE o.id = $1
RETURNING o.total, o.agreed_total
