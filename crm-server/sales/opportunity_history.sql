-- crm-server/sales/opportunity_history.sql -- how one deal moved, oldest first.
SELECT json_build_object('data', coalesce((
	SELECT json_agg(json_build_object(
		'stage_id', h.stage_id, 'stage', s.name, 'status', h.status,
		'probability', h.probability::text, 'amount', h.amount::text,
		'currency', h.currency,
		'close_date', h.close_date,
		'changed_at', h.changed_at,
		'user_id', h.user_id, 'user', u.name) ORDER BY h.id)
	FROM opportunity_history h
	JOIN stage s ON s.id = h.stage_id
	LEFT JOIN app_user u ON u.id = h.user_id
	WHERE h.opportunity_id = o.id), '[]'))
FROM opportunity o WHERE o.id = $1
