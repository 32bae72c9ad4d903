-- crm-server/sales/opportunity_fulfilment.sql -- one deal from won to paid, as the ERP tells it.
SELECT json_build_object(
	'handover', json_build_object(
		'state', o.handover,
		'order_number', o.handover_order_number,
		'code', o.handover_code,
		'reason', o.handover_reason,
		'remedy', o.handover_remedy),
	'revision', o.revision,
	'amendment', (
		SELECT json_build_object('id', a.id, 'revision', a.revision, 'kind', a.kind,
			'state', a.state, 'total', a.total::text, 'asked_reason', a.asked_reason,
			'asked_at', a.asked_at, 'answered_at', a.answered_at,
			'code', a.code, 'reason', a.reason, 'remedy', a.remedy)
		FROM opportunity_amendment a WHERE a.id = o.amendment_id),
	'order', (
		SELECT row_to_json(r) FROM (
			SELECT e.number, e.status, e.revision, e.total::text, e.currency, e.promised_date,
				coalesce(lines.list, '[]') AS lines
			FROM erp_order e
			LEFT JOIN LATERAL (
				SELECT json_agg(l) AS list FROM (
					SELECT product_id, ordered::text, reserved::text,
						delivered::text, invoiced::text
					FROM erp_order_line WHERE erp_order_id = e.id
					ORDER BY position, id) AS l) AS lines ON true
			WHERE e.opportunity_id = o.id
			ORDER BY e.id DESC LIMIT 1) AS r),
	'deliveries', coalesce((
		SELECT json_agg(r) FROM (
			SELECT d.number, d.status, d.shipped_at, d.delivered_at, d.carrier,
				d.tracking_number, coalesce(lines.list, '[]') AS lines
			FROM erp_delivery d
			LEFT JOIN LATERAL (
				SELECT json_agg(l) AS list FROM (
					SELECT product_id, quantity::text
					FROM erp_delivery_line WHERE erp_delivery_id = d.id
					ORDER BY position, id) AS l) AS lines ON true
			WHERE d.opportunity_id = o.id
			ORDER BY d.number, d.id) AS r), '[]'),
	'invoices', coalesce((
		SELECT json_agg(r) FROM (
			SELECT i.number, i.kind, i.status, i.total::text, i.balance::text,
				i.currency, i.invoice_date, i.due_date
			FROM erp_invoice i WHERE i.opportunity_id = o.id
			ORDER BY i.invoice_date, i.id) AS r), '[]'),
	'open_balance', (
		SELECT coalesce(sum(CASE kind WHEN 'credit_note' THEN -balance ELSE balance END), 0)
			::numeric(18,2)::text
		FROM erp_invoice WHERE opportunity_id = o.id))
FROM opportunity o WHERE o.id = $1
