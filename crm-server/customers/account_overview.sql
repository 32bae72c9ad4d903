-- crm-server/customers/account_overview.sql -- one account, its open deals, and what the ERP says of it.
SELECT json_build_object(
	'account', to_jsonb(a),
	'open_opportunities', coalesce((
		SELECT json_agg(json_build_object(
			'id', o.id, 'number', o.number, 'name', o.name, 'stage', s.name,
			'amount', o.amount::text, 'total', o.total::text, 'currency', o.currency,
			'probability', o.probability::text, 'close_date', o.close_date,
			'owner_id', o.owner_id) ORDER BY o.id DESC)
		FROM (SELECT * FROM opportunity WHERE account_id = a.id AND status = 'open'
			ORDER BY id DESC LIMIT 50) AS o
		JOIN stage s ON s.id = o.stage_id), '[]'),
	'erp', json_build_object(
		'customer_number', c.customer_number,
		'currency', c.currency,
		'open_balance', c.open_balance::text,
		'overdue_balance', c.overdue_balance::text,
		'credit_limit', c.credit_limit::text,
		'credit_status', c.credit_status,
		'orders', coalesce((
			SELECT json_agg(json_build_object(
				'number', e.number, 'status', e.status, 'total', e.total::text,
				'currency', e.currency, 'promised_date', e.promised_date,
				'opportunity_id', e.opportunity_id) ORDER BY e.id DESC)
			FROM (SELECT * FROM erp_order WHERE account_id = a.id ORDER BY id DESC LIMIT 50) AS e), '[]'),
		'deliveries', coalesce((
			SELECT json_agg(json_build_object(
				'number', d.number, 'status', d.status,
				'shipped_at', d.shipped_at,
				'delivered_at', d.delivered_at,
				'carrier', d.carrier, 'tracking_number', d.tracking_number,
				'opportunity_id', d.opportunity_id) ORDER BY d.id DESC)
			FROM (SELECT * FROM erp_delivery WHERE account_id = a.id ORDER BY id DESC LIMIT 50) AS d), '[]'),
		'invoices', coalesce((
			SELECT json_agg(json_build_object(
				'number', i.number, 'kind', i.kind, 'status', i.status, 'total', i.total::text,
				'balance', i.balance::text, 'currency', i.currency, 'invoice_date', i.invoice_date,
				'due_date', i.due_date, 'opportunity_id', i.opportunity_id) ORDER BY i.id DESC)
			FROM (SELECT * FROM erp_invoice WHERE account_id = a.id ORDER BY id DESC LIMIT 50) AS i), '[]')))
FROM account a
LEFT JOIN LATERAL (SELECT * FROM erp_customer WHERE account_id = a.id ORDER BY id DESC LIMIT 1) AS c ON true
WHERE a.id = $1
