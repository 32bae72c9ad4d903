-- erp-server/finance/trial_balance.sql -- every account's balance up to date $1 in currency $2.
WITH wanted AS (
	SELECT coalesce($2, company_currency()) AS currency, coalesce($1::date, 'infinity'::date) AS as_of
), sums AS (
	SELECT a.code, a.name, sum(l.debit) - sum(l.credit) AS balance
	FROM wanted w
	JOIN journal_entry e ON e.currency = w.currency AND e.entry_date <= w.as_of
	JOIN journal_line l ON l.journal_entry_id = e.id
	JOIN ledger_account a ON a.id = l.ledger_account_id
	GROUP BY a.code, a.name
), sides AS (
	SELECT code, name, greatest(balance, 0)::numeric(18,2) AS debit, greatest(-balance, 0)::numeric(18,2) AS credit
	FROM sums
)
SELECT json_build_object(
	'currency', (SELECT currency FROM wanted),
	'as_of', $1::date,
	'rows', coalesce(json_agg(json_build_object('account', code, 'name', name,
		'debit', debit::text, 'credit', credit::text) ORDER BY code), '[]'),
	'total_debit', coalesce(sum(debit), 0)::numeric(18,2)::text,
	'total_credit', coalesce(sum(credit), 0)::numeric(18,2)::text,
	'other_currencies', (SELECT coalesce(json_agg(DISTINCT e.currency), '[]') FROM journal_entry e, wanted w
		WHERE e.currency <> w.currency)) AS report
FROM sides
