-- crm-server/sales/opportunity_fulfilment.sql -- one deal from won to paid, as the ERP tells it.
SELECT json_build_object(
	'handover', json_build_object(
		'state', o.handover, 'order_number', o.handover_order_number,
		'code', o.handover_code, 'reason', o.handover_reason, 'remedy', o.handover_remedy),
	'order', (
		SELECT json_build_object(
			'number', e.number, 'status', e.status, 'total', e.total::text, 'currency', e.currency,
			'promised_date', e.promised_date,
			'lines', coalesce((
				SELECT json_agg(json_build_object(
					'product_id', l.product_id, 'ordered', l.ordered::text,
					'reserved', l.reserved::text, 'delivered', l.delivered::text,
					'invoiced', l.invoiced::text) ORDER BY l.position, l.id)
				FROM erp_order_line l WHERE l.erp_order_id = e.id), '[]'))
		FROM erp_order e WHERE e.opportunity_id = o.id ORDER BY e.id DESC LIMIT 1),
	'deliveries', coalesce((
		SELECT json_agg(json_build_object(
			'number', d.number, 'status', d.status,
			'shipped_at', d.shipped_at,
			'delivered_at', d.delivered_at,
			'carrier', d.carrier, 'tracking_number', d.tracking_number,
			'lines', coalesce((
				SELECT json_agg(json_build_object(
					'product_id', l.product_id, 'quantity', l.quantity::text) ORDER BY l.position, l.id)
				FROM erp_delivery_line l WHERE l.erp_delivery_id = d.id), '[]')) ORDER BY d.number, d.id)
		FROM erp_delivery d WHERE d.opportunity_id = o.id), '[]'),
	'invoices', coalesce((
		SELECT json_agg(json_build_object(
			'number', i.number, 'kind', i.kind, 'status', i.status, 'total', i.total::text,
			'balance', i.balance::text, 'currency', i.currency, 'invoice_date', i.invoice_date,
			'due_date', i.due_date) ORDER BY i.invoice_date, i.id)
		FROM erp_invoice i WHERE i.opportunity_id = o.id), '[]'),
	'open_balance', (
		SELECT coalesce(sum(CASE i.kind WHEN 'credit_note' THEN -i.balance ELSE i.balance END), 0)
			::numeric(18,2)::text
		FROM erp_invoice i WHERE i.opportunity_id = o.id))
FROM opportunity o WHERE o.id = $1
