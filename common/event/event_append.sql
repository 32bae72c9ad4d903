-- common/event/event_append.sql -- one change, and a delivery for each webhook that wants it.
-- $1 entity, $2 record, $3 version, $4 type, $5 user, $6 actor, $7 origin, $8 trace,
-- $9 traceparent, $10 JSON before or null, $11 JSON now. Answers one row per delivery, with the
-- highest version of the record that was still pending before: deliveries made here are not
-- visible to it.
WITH e AS (
	INSERT INTO event (entity, record_id, version, type, user_id, actor, origin, trace,
		traceparent, changed, record)
	VALUES ($1::text, $2::bigint, $3::bigint, $4::text, $5::bigint, $6::text, $7::text,
		$8::text, $9::text,
		ARRAY(
			SELECT coalesce(n.key, o.key)
			FROM jsonb_each($11::text::jsonb) n
			FULL JOIN jsonb_each(coalesce($10::text, '{}')::jsonb) o ON o.key = n.key
			WHERE nullif(n.value, 'null') IS DISTINCT FROM nullif(o.value, 'null')
				AND coalesce(n.key, o.key) NOT IN ('version', 'updated_at')
			ORDER BY 1),
		$11::text::json)
	RETURNING id, event_id, at, changed
), d AS (
	INSERT INTO webhook_delivery (webhook_id, event_id, entity, record_id, record_version)
	SELECT w.id, e.id, $1::text, $2::bigint, $3::bigint
	FROM e, webhook w
	WHERE w.status IN ('active', 'paused')
		AND $7::text <> ALL (w.skip_origin)
		AND EXISTS (
			SELECT FROM unnest(w.events) p
			WHERE $4::text LIKE replace(replace(p, '_', '\_'), '*', '%'))
	ORDER BY w.id
	RETURNING id, webhook_id
)
SELECT d.id, d.webhook_id, e.event_id,
	to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
	to_json(e.changed) AS changed,
	(SELECT max(o.record_version)
	 FROM webhook_delivery o
	 WHERE o.webhook_id = d.webhook_id AND o.entity = $1::text AND o.record_id = $2::bigint
		AND o.status = 'pending') AS older
FROM d, e
