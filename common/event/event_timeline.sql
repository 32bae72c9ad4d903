-- common/event/event_timeline.sql -- who changed a record when, from what to what.
-- $1 entity, $2 record, $3 versions under this, $4 fields to leave out, $5 rows.
SELECT e.version, e.type, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
	e.user_id, e.actor, e.origin, e.trace,
	coalesce((
		SELECT json_object_agg(field,
			json_build_object('from', b.record -> field, 'to', e.record -> field))
		FROM unnest(e.changed) field
		WHERE field <> ALL (string_to_array($4::text, ' '))), '{}') AS changes
FROM event e
LEFT JOIN LATERAL (
	SELECT p.record
	FROM event p
	WHERE p.entity = e.entity AND p.record_id = e.record_id AND p.version < e.version
	ORDER BY p.version DESC
	LIMIT 1) b ON true
WHERE e.entity = $1::text AND e.record_id = $2::bigint AND e.version < $3::bigint
ORDER BY e.version DESC
LIMIT $5::int
