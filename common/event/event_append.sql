-- common/event/event_append.sql -- the event of one change, and a delivery for each webhook that wants it.
-- $1 entity, $2 type, $3 user, $4 actor, $5 origin, $6 trace, $7 traceparent. r is the record: id, version,
-- JSON, and what changed; other statements put their own r there (event_statement).
-- Answers a row per delivery, one without when there is none, with the highest version of the record
-- that was still pending before: deliveries made here are not visible to it.
WITH r AS (
	SELECT $8::bigint AS id, $9::bigint AS version, $10::text::json AS json_, $11::text[] AS changed_
), e AS (
	INSERT INTO event (entity, record_id, version, type, user_id, actor, origin, trace,
		traceparent, changed, record)
	SELECT $1::text, r.id, r.version, $2::text, $3::bigint, $4::text, $5::text, $6::text, $7::text,
		r.changed_, r.json_
	FROM r
	RETURNING id, event_id, at, changed
), d AS (
	INSERT INTO webhook_delivery (webhook_id, event_id, entity, record_id, record_version)
	SELECT w.id, e.id, $1::text, r.id, r.version
	FROM e, r, webhook w
	WHERE w.status IN ('active', 'paused')
		AND $5::text <> ALL (w.skip_origin)
		AND EXISTS (
			SELECT FROM unnest(w.events) p
			WHERE $2::text LIKE replace(replace(p, '_', '\_'), '*', '%'))
	ORDER BY w.id
	RETURNING id, webhook_id
)
SELECT d.id AS delivery_, d.webhook_id AS webhook_, e.event_id AS event_,
	to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at_,
	to_json(e.changed) AS changes_,
	(SELECT max(o.record_version)
	 FROM webhook_delivery o
	 WHERE o.webhook_id = d.webhook_id AND o.entity = $1::text AND o.record_id = r.id
		AND o.status = 'pending') AS older_
FROM r, e LEFT JOIN d ON true
