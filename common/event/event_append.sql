-- common/event/event_append.sql -- the event of one change, and a delivery for each webhook that wants it.
-- $1 entity, $2 type. r is the record: id, version, JSON, what changed, and who did it; other statements
-- put their own r there, of one record or more (event_statement).
-- Answers a row per delivery, one without when there is none, with the highest version of the record
-- that was still pending before: deliveries made here are not visible to it.
WITH r AS (
	SELECT $3::bigint AS id, $4::bigint AS version, $5::text::json AS json_, $6::text[] AS changed_,
		$7::bigint AS user_, $8::text AS actor_, $9::text AS origin_, $10::text AS trace_,
		$11::text AS traceparent_
), e AS (
	INSERT INTO event (entity, record_id, version, type, user_id, actor, origin, trace,
		traceparent, changed, record)
	SELECT $1::text, r.id, r.version, $2::text, r.user_, r.actor_, r.origin_, r.trace_,
		r.traceparent_, r.changed_, r.json_
	FROM r
	RETURNING id, event_id, at, changed, record_id, version, origin
), d AS (
	INSERT INTO webhook_delivery (webhook_id, event_id, entity, record_id, record_version)
	SELECT w.id, e.id, $1::text, e.record_id, e.version
	FROM e, webhook w
	WHERE w.status IN ('active', 'paused')
		AND e.origin <> ALL (w.skip_origin)
		AND EXISTS (
			SELECT FROM unnest(w.events) p
			WHERE $2::text LIKE replace(replace(p, '_', '\_'), '*', '%'))
	ORDER BY e.id, w.id
	RETURNING id, webhook_id, event_id
)
SELECT d.id AS delivery_, d.webhook_id AS webhook_, e.event_id AS event_,
	to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at_,
	to_json(e.changed) AS changes_,
	(SELECT max(o.record_version)
	 FROM webhook_delivery o
	 WHERE o.webhook_id = d.webhook_id AND o.entity = $1::text AND o.record_id = r.id
		AND o.status = 'pending') AS older_
FROM r JOIN e ON e.record_id = r.id LEFT JOIN d ON d.event_id = e.id
