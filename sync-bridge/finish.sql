-- sync-bridge/finish.sql -- the outcome of one message, its link, and what others may do because of it.
-- $1 id, $2 state, $3 attempts made, $4 ms until the next try, $5 code, $6 reason, $7 remedy,
-- $8 waiting for, $9 target, $10 depends on, $11 own reference, $12 link: mirror, $13 target's version,
-- $14 source, $15 entity, $16 source id, $17 route, $18 version,
-- $19 whether any message may wait, $20 whether any rejected one may be freed,
-- $21 shard, $22 the term under which it was worked
-- A condition on parameters alone, and the search by "depends", stand in a SELECT of their own:
-- otherwise a plan for these very parameters, made anew each time, looks cheaper than one to keep.
WITH done AS (
	-- By id alone: coalesce keeps the planner from the index of open messages.
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
	WHERE id = $1 AND coalesce(finished_at, 'infinity') = 'infinity'
		-- The fence. The row is not locked: who takes the shard in this very moment works the
		-- message once more, and the target takes it once.
		AND EXISTS (SELECT FROM shard WHERE shard.id = $21 AND term = $22)
	RETURNING id, happened_at
), stale AS (
	-- A newer version of the same record on the same way makes the older ones needless.
	UPDATE message SET state = 'superseded', reason = 'version ' || $18 || ' came',
		code = NULL, remedy = NULL, waiting_for = NULL, next_at = NULL,
		finished_at = clock_timestamp(), updated_at = now()
	WHERE source_id = $16 AND entity = $15 AND source = $14 AND route = $17
		AND version < $18::bigint AND finished_at IS NULL AND EXISTS (SELECT FROM done)
), linked AS (
	INSERT INTO link (left_ref, right_ref, route, mirror, source_version, target_version)
	SELECT $11, $9, $17, $12::boolean, $18::bigint, $13::bigint FROM done
	WHERE $9::text IS NOT NULL
	ON CONFLICT (left_ref, right_ref) DO UPDATE SET updated_at = now(),
		source_version = greatest(link.source_version, excluded.source_version),
		target_version = greatest(link.target_version, excluded.target_version)
), woken AS (
	UPDATE message SET state = 'received', waiting_for = NULL, next_at = NULL, updated_at = now()
	WHERE waiting_for IN ($11, $9) AND id <> $1 AND $9::text IS NOT NULL
		AND NOT (source_id = $16 AND entity = $15 AND source = $14)
		AND (SELECT $19::boolean) AND EXISTS (SELECT FROM done)
	RETURNING id
), freed AS (
	-- The cause of a rejection may be gone when a record it depends on has changed; see causes.h.
	UPDATE message SET state = 'received', round = round + 1, depends = NULL,
		next_at = greatest(now(), finished_at +
			least(interval '50 ms' * (2 ^ least(round, 7) - 1), interval '5 s')),
		finished_at = NULL, updated_at = now()
	WHERE id = ANY (ARRAY(SELECT f.id FROM message f WHERE f.id <> $1
			AND f.depends && ARRAY[$11::text, $14::text || ':' || $15::text || ':*']))
		AND depends IS NOT NULL AND EXISTS (SELECT FROM done)
		AND (SELECT $20::boolean AND $2::message_state IN ('applied', 'unchanged', 'skipped'))
	RETURNING next_at
)
-- The message would only be worked again if this commit got lost: its effect is kept at the target.
SELECT (SELECT count(*) FROM woken) AS woken, (SELECT count(*) FROM freed) AS freed,
	(SELECT (extract(epoch FROM min(next_at) - now()) * 1000)::bigint FROM freed) AS freed_ms,
	extract(epoch FROM clock_timestamp() - happened_at) AS seconds,
	to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
	set_config('synchronous_commit', 'off', true)
FROM done
