-- crm-server/sales/opportunity_totals.sql -- adds up one deal by the same formulas as the ERP.
WITH line AS (
	SELECT l.id, a.amount, line_tax(d.tax_mode, a.amount, l.tax_percent, u.minor_unit) AS tax
	FROM opportunity d JOIN opportunity_line l ON l.opportunity_id = d.id
		JOIN currency u ON u.code = d.currency
		CROSS JOIN LATERAL (SELECT line_amount(l.quantity, l.unit_price, l.discount_percent,
			u.minor_unit) AS amount) a
	WHERE d.id = $1
), summed AS (
	UPDATE opportunity_line l SET amount = line.amount
	FROM line WHERE line.id = l.id AND line.amount <> l.amount
), sums AS (
	SELECT coalesce(sum(amount), 0) AS amount, coalesce(sum(tax), 0) AS tax FROM line
)
UPDATE opportunity d SET amount = s.amount, tax_amount = s.tax,
	total = s.amount + CASE d.tax_mode WHEN 'exclusive' THEN s.tax ELSE 0 END
FROM sums s
WHERE d.id = $1
