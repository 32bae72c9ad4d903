-- crm-server/sales/opportunity_reopen.sql -- puts a closed deal back to where it last stood.
UPDATE opportunity o SET
	status = 'open', stage_id = s.id, probability = s.probability, closed_at = NULL,
	loss_reason = NULL, loss_notes = NULL,
	handover = NULL, handover_order_number = NULL, handover_order_ref = NULL,
	handover_code = NULL, handover_reason = NULL, handover_remedy = NULL
FROM (
	SELECT coalesce((
		SELECT h.stage_id
		FROM opportunity_history h
		JOIN stage q ON q.id = h.stage_id
		WHERE h.opportunity_id = p.id AND q.kind = 'open' AND q.pipeline_id = p.pipeline_id
		ORDER BY h.id DESC LIMIT 1), first_stage(p.pipeline_id)) AS id
	FROM opportunity p WHERE p.id = $1) AS last
JOIN stage s ON s.id = last.id
WHERE o.id = $1
