-- crm-server/sales/amendment_cancel.sql -- deal $1 has lost its order by revision $2, for reason $3.
WITH reason AS (
	INSERT INTO loss_reason (code, name, position)
	VALUES ('order_cancelled', 'Order cancelled', 90) ON CONFLICT DO NOTHING
)
UPDATE opportunity o SET
	status = 'lost', probability = 0, closed_at = now(), revision = $2,
	stage_id = coalesce((SELECT s.id FROM stage s
		WHERE s.pipeline_id = o.pipeline_id AND s.kind = 'lost'), o.stage_id),
	loss_reason = 'order_cancelled', loss_notes = $3
WHERE o.id = $1
