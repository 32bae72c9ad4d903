-- erp-server/finance/payment_applied.sql -- what the allocations of payment $1 come to, those after place $2 apart.
WITH sums AS (
	SELECT coalesce(sum(amount), 0)::numeric(18,2) AS whole,
		coalesce(sum(amount) FILTER (WHERE position > $2), 0)::numeric(18,2) AS fresh
	FROM payment_allocation
	WHERE payment_id = $1
)
UPDATE payment p
SET allocated = s.whole, unapplied = greatest(p.amount - s.whole, 0)
FROM sums s, currency u
WHERE p.id = $1 AND u.code = p.currency
RETURNING s.whole, s.fresh, p.amount, p.amount - (s.whole - s.fresh) AS had, p.unapplied,
	p.amount <> round(p.amount, u.minor_unit) AS has_fraction,
	s.whole > p.amount AS too_much
