-- crm-server/sales/opportunity_track.sql -- a row of history when a deal stands otherwise.
INSERT INTO opportunity_history
	(opportunity_id, stage_id, status, probability, amount, currency, close_date, user_id)
SELECT o.id, o.stage_id, o.status, o.probability, o.amount, o.currency, o.close_date,
	nullif($2::bigint, 0)
FROM opportunity o
LEFT JOIN LATERAL (
	SELECT * FROM opportunity_history h WHERE h.opportunity_id = o.id
	ORDER BY h.id DESC LIMIT 1) AS h ON true
WHERE o.id = $1 AND (h.id IS NULL OR
	(o.stage_id, o.status, o.probability, o.amount, o.currency, o.close_date) IS DISTINCT FROM
	(h.stage_id, h.status, h.probability, h.amount, h.currency, h.close_date))
