-- sync-bridge/prove_events.sql -- what became of some of a source's events on one route.
-- $1 source, $2 entity, $3 route, $4 events, $5 records, $6 versions, $7 times, $8 days messages are kept
WITH event AS (
	SELECT * FROM unnest($4::text[], $5::bigint[], $6::bigint[], $7::timestamptz[])
		e (event_id, id, version, at)
), judged AS (
	SELECT e.id, e.version, m.state, m.code, m.reason,
		e.at < now() - $8::int * interval '1 day' AS expired,
		-- The same or a later version of the record took the way to its end.
		EXISTS (SELECT FROM message n WHERE n.source_id = e.id AND n.entity = $2 AND n.source = $1
			AND n.route = $3 AND n.version >= e.version
			AND (n.state IN ('applied', 'unchanged') OR n.state = 'skipped' AND n.code = 'not_wanted'))
			AS covered,
		EXISTS (SELECT FROM message n WHERE n.source_id = e.id AND n.entity = $2 AND n.source = $1
			AND n.route = $3 AND n.version >= e.version AND n.state <> 'superseded'
			AND n.code IS DISTINCT FROM 'not_touched') AS followed
	FROM event e
	LEFT JOIN message m ON m.source = $1 AND m.event_id = e.event_id AND coalesce(m.route, '') = $3
), sorted AS (
	SELECT *, CASE
		WHEN state IN ('received', 'waiting', 'retrying') THEN 'open'
		WHEN state IN ('applied', 'unchanged') THEN state::text
		WHEN state = 'skipped' AND (code IN ('not_wanted', 'not_touched') OR covered) THEN 'skipped'
		WHEN state IN ('skipped', 'rejected', 'dead') THEN CASE WHEN covered THEN 'covered' ELSE 'refused' END
		WHEN state = 'superseded' AND (followed OR reason LIKE '% has a later version already') THEN 'superseded'
		WHEN covered THEN 'covered'
		WHEN expired THEN 'expired'
		ELSE 'gap' END AS fate
	FROM judged
)
SELECT count(*) FILTER (WHERE fate = 'applied') AS applied,
	count(*) FILTER (WHERE fate = 'unchanged') AS unchanged,
	count(*) FILTER (WHERE fate = 'superseded') AS superseded,
	count(*) FILTER (WHERE fate = 'skipped') AS skipped,
	count(*) FILTER (WHERE fate = 'covered') AS covered,
	count(*) FILTER (WHERE fate = 'expired') AS expired,
	count(*) FILTER (WHERE fate = 'refused') AS refused,
	count(*) FILTER (WHERE fate = 'open') AS open,
	count(*) FILTER (WHERE fate = 'gap') AS gaps,
	(SELECT string_agg(x.text, '; ') FROM (
		SELECT $1 || ':' || $2 || ':' || id || ' version ' || version || ' is '
			|| CASE fate WHEN 'gap' THEN 'in the log of its system but never took this way'
				WHEN 'refused' THEN 'refused' ELSE 'still open' END AS text
		FROM sorted WHERE fate IN ('gap', 'refused', 'open') ORDER BY id, version LIMIT 3) x) AS examples
FROM sorted
