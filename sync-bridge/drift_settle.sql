-- sync-bridge/drift_settle.sql -- what became of route $1's repairs whose messages have ended.
-- A target that answers "unchanged" has kept what differs.
WITH ended AS (
	UPDATE drift d SET
		state = (CASE m.state WHEN 'applied' THEN 'repaired' WHEN 'superseded' THEN 'open'
			ELSE 'held' END)::drift_state,
		reason = CASE m.state WHEN 'applied' THEN NULL
			WHEN 'superseded' THEN 'changed before it could be repaired'
			WHEN 'unchanged' THEN 'the target took message ' || m.id || ' but keeps its own value'
			ELSE left('message ' || m.id || ' is ' || m.state || ': ' || coalesce(m.reason, ''), 1000)
			END,
		ended_at = CASE m.state WHEN 'applied' THEN clock_timestamp() END,
		message_id = CASE m.state WHEN 'superseded' THEN NULL ELSE d.message_id END,
		forced = false, updated_at = now(), version = d.version + 1
	FROM message m
	WHERE m.id = d.message_id AND d.route = $1 AND d.state IN ('open', 'held')
		AND m.finished_at IS NOT NULL AND (d.state = 'open' OR d.forced)
	RETURNING d.state, d.source_ref
)
SELECT count(DISTINCT source_ref) FILTER (WHERE state = 'repaired') AS repaired,
	count(DISTINCT source_ref) FILTER (WHERE state = 'held') AS held
FROM ended
