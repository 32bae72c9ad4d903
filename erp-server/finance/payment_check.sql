-- erp-server/finance/payment_check.sql -- what is wrong with the new allocations of payment $1 (after place $2).
SELECT row_number() OVER (ORDER BY a.position, a.id) - 1 AS n, a.invoice_id, a.amount, i.number, i.balance,
	i.customer_id <> p.customer_id AS foreign_invoice,
	i.currency <> p.currency AS other_currency,
	i.kind <> 'invoice' OR i.posted_at IS NULL AS not_payable,
	a.amount <> round(a.amount, u.minor_unit) AND a.amount <> i.balance AS has_fraction,
	sum(a.amount) OVER (PARTITION BY a.invoice_id) > i.balance AS too_much
FROM payment p
JOIN currency u ON u.code = p.currency
JOIN payment_allocation a ON a.payment_id = p.id
JOIN invoice i ON i.id = a.invoice_id
WHERE p.id = $1 AND a.position > $2
ORDER BY 1
