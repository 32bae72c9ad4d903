-- sync-bridge/finish.sql -- the outcome of one message, its link, and what others may do because of it.
-- $1 id, $2 state, $3 attempts made, $4 ms until the next try, $5 code, $6 reason, $7 remedy,
-- $8 waiting for, $9 target, $10 depends on, $11 own reference, $12 link: mirror, $13 target's version
WITH done AS (
	UPDATE message SET
		state = $2::message_state,
		attempts = attempts + $3::int,
		next_at = now() + $4::bigint * interval '1 ms',
		code = $5, reason = $6, remedy = $7, waiting_for = $8,
		target_ref = coalesce($9, target_ref),
		depends = $10::text[],
		finished_at = CASE WHEN $2::message_state NOT IN ('received', 'waiting', 'retrying')
			THEN clock_timestamp() END,
		updated_at = now()
	WHERE id = $1 AND state IN ('received', 'waiting', 'retrying')
	RETURNING id, source, entity, source_id, route, version, happened_at
), stale AS (
	-- A newer version of the same record on the same way makes the older ones needless.
	UPDATE message m SET state = 'superseded', reason = 'version ' || d.version || ' came',
		code = NULL, remedy = NULL, waiting_for = NULL, next_at = NULL,
		finished_at = clock_timestamp(), updated_at = now()
	FROM done d
	WHERE m.source_id = d.source_id AND m.entity = d.entity AND m.source = d.source
		AND m.route = d.route AND m.version < d.version
		AND m.state IN ('received', 'waiting', 'retrying')
), linked AS (
	INSERT INTO link (left_ref, right_ref, route, mirror, source_version, target_version)
	SELECT $11, $9, d.route, $12::boolean, d.version, $13::bigint FROM done d
	WHERE $9::text IS NOT NULL
	ON CONFLICT (left_ref, right_ref) DO UPDATE SET updated_at = now(),
		source_version = greatest(link.source_version, excluded.source_version),
		target_version = greatest(link.target_version, excluded.target_version)
), woken AS (
	UPDATE message m SET state = 'received', next_at = NULL, updated_at = now()
	FROM done d
	WHERE $9::text IS NOT NULL AND m.state = 'waiting' AND m.waiting_for IN ($11, $9)
		AND m.id <> d.id AND NOT (m.source_id = d.source_id AND m.entity = d.entity
			AND m.source = d.source)
	RETURNING m.id
), freed AS (
	-- The cause of a rejection may be gone when a record it depends on has changed.
	UPDATE message m SET state = 'retrying', round = m.round + 1, finished_at = NULL,
		next_at = greatest(now(), m.finished_at + interval '2 s'), updated_at = now()
	FROM done d
	WHERE m.state = 'rejected' AND m.depends @> ARRAY[$11::text] AND m.id <> d.id
		AND $2::message_state IN ('applied', 'unchanged', 'skipped')
	RETURNING m.id
)
SELECT (SELECT count(*) FROM woken) AS woken, (SELECT count(*) FROM freed) AS freed,
	extract(epoch FROM clock_timestamp() - d.happened_at) AS seconds
FROM done d
