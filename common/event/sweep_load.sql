-- common/event/sweep_load.sql -- the next records with pending deliveries, and what of them is due.
-- $1 webhook, $2 and $3 entity and record to go on after, $4 records at most, $5 deliveries at
-- most, shared evenly by the records, but 2 of each. Walks the partial index from record to
-- record, so that a record with many pending deliveries costs no more than one with a single one.
-- A record whose first delivery is not due yet comes as one row of nulls.
WITH RECURSIVE walk AS (
	(SELECT 1 AS n, d.entity, d.record_id, d.next_at <= now() AS due
	 FROM webhook_delivery d
	 WHERE d.webhook_id = $1::bigint AND d.status = 'pending'
		AND (d.entity, d.record_id) > ($2::text, $3::bigint)
	 ORDER BY d.entity, d.record_id, d.record_version
	 LIMIT 1)
	UNION ALL
	SELECT w.n + 1, k.entity, k.record_id, k.due
	FROM walk w
	CROSS JOIN LATERAL (
		SELECT d.entity, d.record_id, d.next_at <= now() AS due
		FROM webhook_delivery d
		WHERE d.webhook_id = $1::bigint AND d.status = 'pending'
			AND (d.entity, d.record_id) > (w.entity, w.record_id)
		ORDER BY d.entity, d.record_id, d.record_version
		LIMIT 1) k
	WHERE w.n < $4::int
), share AS (
	SELECT greatest($5::int / nullif(count(*), 0), 2) AS depth FROM walk
)
SELECT w.n, (SELECT depth FROM share), w.entity, w.record_id,
	p.id, p.record_version, p.attempts, e.event_id, e.type,
	to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
	e.origin, e.trace, e.traceparent, to_json(e.changed) AS changed, e.record
FROM walk w
LEFT JOIN LATERAL (
	SELECT d.id, d.event_id, d.record_version, d.attempts
	FROM webhook_delivery d
	WHERE w.due AND d.webhook_id = $1::bigint AND d.status = 'pending'
		AND d.entity = w.entity AND d.record_id = w.record_id
	ORDER BY d.record_version
	LIMIT (SELECT depth FROM share)) p ON true
-- By its key each, whatever the planner thinks of the walk's length: hence the LIMIT.
LEFT JOIN LATERAL (SELECT * FROM event WHERE event.id = p.event_id LIMIT 1) e ON true
ORDER BY w.n, p.record_version
