-- erp-server/finance/invoice_refresh.sql -- works out what invoice $1 has been paid, its balance and status.
UPDATE invoice i
SET paid = f.paid, credited = f.credited, balance = i.total - f.paid - f.credited,
	status = (CASE
		WHEN i.kind = 'credit_note' THEN CASE WHEN i.total = f.credited THEN 'paid' ELSE 'posted' END
		WHEN i.total - f.paid - f.credited > 0 THEN CASE
			WHEN i.due_date < current_date THEN 'overdue'
			WHEN f.paid > 0 THEN 'partially_paid'
			ELSE 'posted' END
		WHEN f.paid = 0 AND f.credited > 0 THEN 'credited'
		ELSE 'paid' END)::invoice_status
FROM (
	SELECT v.id,
		(SELECT coalesce(sum(a.amount), 0) FROM payment_allocation a WHERE a.invoice_id = v.id) AS paid,
		CASE v.kind WHEN 'credit_note' THEN v.credited
			ELSE (SELECT coalesce(sum(c.credited), 0) FROM invoice c WHERE c.reverses_id = v.id) END AS credited
	FROM invoice v
	WHERE v.id = $1 AND v.posted_at IS NOT NULL
) f
WHERE f.id = i.id
