-- crm-server/sales/amendment_totals.sql -- adds up proposal $1 by the same formulas as a deal.
UPDATE opportunity_amendment a SET
	amount = s.amount,
	tax_amount = s.tax,
	total = s.amount + CASE a.tax_mode WHEN 'exclusive' THEN s.tax ELSE 0 END
FROM (
	SELECT coalesce(sum(l.amount), 0) AS amount,
		coalesce(sum(CASE p.tax_mode
			WHEN 'exclusive' THEN round(l.amount * l.tax_percent / 100, 2)
			WHEN 'inclusive' THEN
				l.amount - round(l.amount / (1 + l.tax_percent / 100), 2)
			ELSE 0 END), 0) AS tax
	FROM opportunity_amendment p
	LEFT JOIN opportunity_amendment_line l ON l.opportunity_amendment_id = p.id
	WHERE p.id = $1) AS s
WHERE a.id = $1
