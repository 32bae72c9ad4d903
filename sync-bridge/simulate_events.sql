-- sync-bridge/simulate_events.sql -- the last changes on a route, the newest of each record; newest first.
-- $1 route, $2 how many changes, $3 how the target's references begin, $4 bytes of changes at most.
WITH recent AS (
	SELECT id, source, entity, source_id, version, type, state, body
	FROM message
	WHERE route = $1 AND id > coalesce((SELECT max(id) FROM message), 0) - 1000000
	ORDER BY id DESC LIMIT $2::bigint
), newest AS (
	SELECT DISTINCT ON (source, entity, source_id) *
	FROM recent ORDER BY source, entity, source_id, version DESC, id DESC
), sized AS (
	SELECT *, sum(length(body::text)) OVER (ORDER BY id DESC) AS bytes FROM newest
)
SELECT s.id, s.source || ':' || s.entity || ':' || s.source_id AS ref, s.version, s.type, s.state,
	s.body,
	(SELECT l.right_ref FROM link l
		WHERE l.left_ref = s.source || ':' || s.entity || ':' || s.source_id
			AND starts_with(l.right_ref, $3)
		ORDER BY l.id DESC LIMIT 1) AS target_ref,
	(SELECT count(*) FROM recent) AS events,
	(SELECT count(*) FROM newest) AS records
FROM sized s
WHERE s.bytes <= $4::bigint
ORDER BY s.id DESC
