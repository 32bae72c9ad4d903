-- sync-bridge/drift_find.sql -- one finding, new or known: its state, and how often it was repaired in vain.
-- $1 route, $2 kind, $3 source's record, $4 target's, $5 field, $6 source's value, $7 target's value,
-- $8 owner, $9 source's version, $10 target's version
WITH found AS (
	INSERT INTO drift (route, kind, source_ref, target_ref, field, source_value, target_value, owner,
		source_version, target_version)
	VALUES ($1, $2::drift_kind, $3, $4, $5, left($6, 4000), left($7, 4000), $8, $9, $10)
	ON CONFLICT (route, source_ref, kind, field) WHERE state IN ('open', 'held') DO UPDATE SET
		target_ref = excluded.target_ref, source_value = excluded.source_value,
		target_value = excluded.target_value, source_version = excluded.source_version,
		target_version = excluded.target_version, last_seen_at = clock_timestamp(),
		updated_at = now(), version = drift.version + 1
	RETURNING state, forced
)
SELECT f.state = 'held' AS held, f.forced, (
	SELECT count(*) FROM drift d
	WHERE d.source_ref = $3 AND d.route = $1 AND d.field = $5 AND d.kind = $2::drift_kind
		AND d.state = 'repaired' AND d.ended_at > now() - interval '1 hour'
		AND d.source_value IS NOT DISTINCT FROM left($6, 4000)
		AND d.target_value IS NOT DISTINCT FROM left($7, 4000)) AS repaired
FROM found f
