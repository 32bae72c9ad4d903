-- sync-bridge/prove_targets.sql -- whether some of a target's records are as far as their messages, and linked.
-- $1 source, $2 entity, $3 route, $4 sources' ids, $5 targets' references, $6 source versions there
WITH target AS (
	SELECT * FROM unnest($4::bigint[], $5::text[], $6::bigint[]) t (id, ref, version)
), judged AS (
	SELECT t.*, l.id IS NULL AS unlinked, coalesce((
		SELECT max(m.version) FROM message m WHERE m.source_id = t.id AND m.entity = $2
			AND m.source = $1 AND m.route = $3 AND m.state IN ('applied', 'unchanged')
		), l.source_version, 0) AS newest
	FROM target t
	LEFT JOIN link l ON l.left_ref = $1 || ':' || $2 || ':' || t.id AND l.right_ref = t.ref
)
SELECT count(*) FILTER (WHERE coalesce(version, 0) < newest) AS behind,
	count(*) FILTER (WHERE unlinked) AS unlinked,
	(SELECT string_agg(x.text, '; ') FROM (
		SELECT ref || CASE WHEN unlinked THEN ' has no link to ' ELSE ' has version '
				|| coalesce(version, 0) || ' instead of ' || newest || ' of ' END
			|| $1 || ':' || $2 || ':' || id AS text
		FROM judged WHERE unlinked OR coalesce(version, 0) < newest ORDER BY id LIMIT 3) x) AS examples
FROM judged
