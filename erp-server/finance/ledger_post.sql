-- erp-server/finance/ledger_post.sql -- one balanced entry by the posting rules of document $1 and its amounts by role.
WITH line AS (
	SELECT r.position, r.side, r.ledger_account_id, a.receivable, v.amount
	FROM unnest($8::text[], $9::numeric[]) AS v (role, amount)
	JOIN posting_rule r ON r.document = $1::posting_rule_document AND r.role = v.role
	JOIN ledger_account a ON a.id = r.ledger_account_id
	WHERE v.amount <> 0
), entry AS (
	INSERT INTO journal_entry (kind, source_entity, source_id, entry_date, currency, memo)
	SELECT $1, $2, $3::bigint, coalesce($4::date, current_date), coalesce($5, company_currency()), left($10, 400)
	WHERE EXISTS (SELECT FROM line)
	RETURNING id
)
INSERT INTO journal_line (journal_entry_id, position, ledger_account_id, debit, credit, customer_id, due_date)
SELECT e.id, row_number() OVER (ORDER BY l.position) - 1, l.ledger_account_id,
	CASE l.side WHEN 'debit' THEN l.amount ELSE 0 END, CASE l.side WHEN 'credit' THEN l.amount ELSE 0 END,
	CASE WHEN l.receivable THEN $6::bigint END, CASE WHEN l.receivable THEN $7::date END
FROM entry e, line l
