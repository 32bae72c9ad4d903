-- crm-server/sales/opportunity_totals.sql -- adds up one deal by the same formulas as the ERP.
UPDATE opportunity o SET
	amount = s.amount,
	tax_amount = s.tax,
	total = s.amount + CASE o.tax_mode WHEN 'exclusive' THEN s.tax ELSE 0 END
FROM (
	SELECT coalesce(sum(l.amount), 0) AS amount,
		coalesce(sum(CASE p.tax_mode
			WHEN 'exclusive' THEN round(l.amount * l.tax_percent / 100, 2)
			WHEN 'inclusive' THEN
				l.amount - round(l.amount / (1 + l.tax_percent / 100), 2)
			ELSE 0 END), 0) AS tax
	FROM opportunity p
	LEFT JOIN opportunity_line l ON l.opportunity_id = p.id
	WHERE p.id = $1) AS s
WHERE o.id = $1
