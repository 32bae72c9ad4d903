-- sync-bridge/trace_messages.sql -- what the bridge did with each change of one record, oldest first.
-- $1 system, $2 entity, $3 id.
SELECT m.id, m.route, m.type, m.version, m.state, m.code, m.reason, m.remedy, m.attempts, m.round,
	m.waiting_for, m.target_ref, substr(m.traceparent, 4, 32) AS trace,
	m.body -> 'record' ->> 'number' AS number, m.body ->> 'origin' AS origin,
	to_char(m.happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS happened_at,
	to_char(m.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS received_at,
	to_char(m.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS finished_at,
	to_char(m.next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS next_at,
	round(extract(epoch FROM m.received_at - m.happened_at) * 1000, 1) AS received_ms,
	round(extract(epoch FROM m.finished_at - m.happened_at) * 1000, 1) AS effect_ms
FROM (SELECT * FROM message
	WHERE source_id = $3 AND source = $1 AND entity = $2
	ORDER BY id DESC LIMIT 500) m
ORDER BY m.version, m.id
