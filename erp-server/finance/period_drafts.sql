-- erp-server/finance/period_drafts.sql -- what is not finished yet and dated in period $1 or before it.
SELECT count(*) AS drafts, json_agg(json_build_object('entity', d.entity, 'id', d.id,
	'number', d.number, 'date', d.day) ORDER BY d.day, d.entity, d.id) AS list
FROM (
	SELECT 'invoice' AS entity, i.id, i.number, i.invoice_date AS day
	FROM invoice i, period p
	WHERE p.id = $1 AND i.status = 'draft' AND i.invoice_date <= p.ends_on
	UNION ALL
	SELECT 'sales_order', o.id, o.number, o.order_date
	FROM sales_order o, period p
	WHERE p.id = $1 AND o.order_date <= p.ends_on AND o.confirmed_at IS NULL
	AND o.status IN ('draft', 'on_hold')
	ORDER BY day, entity, id LIMIT 100
) d
