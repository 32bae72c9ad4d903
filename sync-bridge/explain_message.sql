-- sync-bridge/explain_message.sql -- the newest message of one record that concerns one route.
-- $1 system, $2 entity, $3 id, $4 route.
SELECT m.id, m.type, m.version, m.state, m.code, m.reason, m.remedy, m.attempts, m.round,
	m.waiting_for, m.target_ref,
	to_char(m.happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS happened_at,
	to_char(m.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS received_at,
	to_char(m.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS finished_at,
	to_char(m.next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS next_at
FROM message m
WHERE m.source_id = $3 AND m.source = $1 AND m.entity = $2 AND ($4::text IS NULL OR m.route = $4)
	AND m.code IS DISTINCT FROM 'not_touched'
ORDER BY m.version DESC, m.id DESC
LIMIT 1
