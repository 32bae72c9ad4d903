-- crm-server/customers/account_overview.sql -- one account, its open deals, its side in the ERP.
SELECT json_build_object(
	'account', to_jsonb(a),
	'open_opportunities', coalesce(deals.list, '[]'),
	'erp', json_build_object(
		'customer_number', c.customer_number,
		'currency', c.currency,
		'open_balance', c.open_balance::text,
		'overdue_balance', c.overdue_balance::text,
		'credit_limit', c.credit_limit::text,
		'credit_status', c.credit_status,
		'orders', coalesce(orders.list, '[]'),
		'deliveries', coalesce(deliveries.list, '[]'),
		'invoices', coalesce(invoices.list, '[]')))
FROM account a
LEFT JOIN LATERAL (
	SELECT * FROM erp_customer WHERE account_id = a.id ORDER BY id DESC LIMIT 1) AS c ON true
LEFT JOIN LATERAL (
	SELECT json_agg(r) AS list FROM (
		SELECT o.id, o.number, o.name, s.name AS stage, o.amount::text, o.total::text,
			o.currency, o.probability::text, o.close_date, o.owner_id
		FROM opportunity o JOIN stage s ON s.id = o.stage_id
		WHERE o.account_id = a.id AND o.status = 'open'
		ORDER BY o.id DESC LIMIT 50) AS r) AS deals ON true
LEFT JOIN LATERAL (
	SELECT json_agg(r) AS list FROM (
		SELECT e.number, e.status, e.total::text, e.currency, e.promised_date,
			e.opportunity_id
		FROM erp_order e WHERE e.account_id = a.id
		ORDER BY e.id DESC LIMIT 50) AS r) AS orders ON true
LEFT JOIN LATERAL (
	SELECT json_agg(r) AS list FROM (
		SELECT d.number, d.status, d.shipped_at, d.delivered_at, d.carrier,
			d.tracking_number, d.opportunity_id
		FROM erp_delivery d WHERE d.account_id = a.id
		ORDER BY d.id DESC LIMIT 50) AS r) AS deliveries ON true
LEFT JOIN LATERAL (
	SELECT json_agg(r) AS list FROM (
		SELECT i.number, i.kind, i.status, i.total::text, i.balance::text, i.currency,
			i.invoice_date, i.due_date, i.opportunity_id
		FROM erp_invoice i WHERE i.account_id = a.id
		ORDER BY i.id DESC LIMIT 50) AS r) AS invoices ON true
WHERE a.id = $1
