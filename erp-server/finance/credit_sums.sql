-- erp-server/finance/credit_sums.sql -- the sums of lines $2 (JSON) in tax mode $3 as a credit note on invoice $1.
-- What the invoice still owes is used up at once; the rest stays open for the customer.
SELECT s.amount, s.tax_amount, s.total, s.total - s.tax_amount AS net,
	least(s.total, i.balance)::numeric(18,2) AS credited,
	(s.total - least(s.total, i.balance))::numeric(18,2) AS balance,
	CASE WHEN s.total <= i.balance THEN 'paid' ELSE 'posted' END AS status,
	current_date AS invoice_date, gapless_number('CN', current_date) AS number,
	to_json(now()) #>> '{}' AS posted_at
FROM invoice i, (
	SELECT sum(l.amount)::numeric(18,2) AS amount, sum(l.tax_amount)::numeric(18,2) AS tax_amount,
		(sum(l.amount) + CASE WHEN $3 = 'exclusive' THEN sum(l.tax_amount) ELSE 0 END)::numeric(18,2) AS total
	FROM json_to_recordset($2::json) AS l (amount numeric, tax_amount numeric)
) s
WHERE i.id = $1
