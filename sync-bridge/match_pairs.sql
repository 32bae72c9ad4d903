-- sync-bridge/match_pairs.sql -- the pairs of one run: $1 run, $2 route, $3 left and $4 right reference's begin.
-- Down the ladder: a record that a higher rule has a certain partner for is not looked at again.
WITH l AS MATERIALIZED (
	SELECT s.*, $3 || s.record_id AS ref FROM match_side s WHERE replay_id = $1 AND is_left
), r AS MATERIALIZED (
	SELECT s.*, $4 || s.record_id AS ref FROM match_side s WHERE replay_id = $1 AND NOT is_left
), decided AS MATERIALIZED (
	SELECT left_ref, right_ref, state FROM match WHERE route = $2 AND state IN ('accepted', 'refused')
), linked AS MATERIALIZED (
	SELECT l.record_id AS l_id, r.record_id AS r_id FROM l JOIN r ON r.external_ref = l.ref
	UNION
	SELECT l.record_id, r.record_id FROM l JOIN r ON l.external_ref = r.ref
), taken AS MATERIALIZED (
	SELECT $3 || l_id AS left_ref, $4 || r_id AS right_ref FROM linked
	UNION
	SELECT left_ref, right_ref FROM decided WHERE state = 'accepted'
), lf AS MATERIALIZED (
	SELECT * FROM l WHERE NOT EXISTS (SELECT FROM taken t WHERE t.left_ref = l.ref)
), rf AS MATERIALIZED (
	SELECT * FROM r WHERE NOT EXISTS (SELECT FROM taken t WHERE t.right_ref = r.ref)
), keyed AS (
	SELECT l.record_id AS l_id, r.record_id AS r_id, 'tax_id' AS rule, 2 AS rank, l.tax_id AS key
	FROM lf l JOIN rf r ON l.tax_id = r.tax_id
	UNION ALL
	SELECT l.record_id, r.record_id, 'domain', 3, l.domain FROM lf l JOIN rf r ON l.domain = r.domain
	WHERE l.domain_verified
	UNION ALL
	SELECT l.record_id, r.record_id, 'sku', 4, l.sku FROM lf l JOIN rf r ON l.sku = r.sku
), free AS MATERIALIZED (
	SELECT k.*, min(rank) OVER (PARTITION BY l_id) AS l_best, min(rank) OVER (PARTITION BY r_id) AS r_best
	FROM keyed k
	WHERE NOT EXISTS (SELECT FROM decided d WHERE d.left_ref = $3 || k.l_id AND d.right_ref = $4 || k.r_id)
), best AS (
	-- Each side's best rule; only where both agree on it can a pair be certain.
	SELECT f.*, count(*) FILTER (WHERE rank = l_best) OVER (PARTITION BY l_id) AS l_count,
		count(*) FILTER (WHERE rank = r_best) OVER (PARTITION BY r_id) AS r_count
	FROM free f
), certain AS MATERIALIZED (
	SELECT b.* FROM best b JOIN r ON r.record_id = b.r_id
	WHERE rank = l_best AND rank = r_best AND l_count = 1 AND r_count = 1
		AND r.external_ref IS NULL
), named AS (
	SELECT l.record_id AS l_id, r.record_id AS r_id, l.name
	FROM lf l JOIN rf r ON lower(l.name) = lower(r.name)
	WHERE l.sku IS NULL AND r.external_ref IS NULL
), queue AS (
	SELECT b.l_id, b.r_id, b.rule, b.rank, b.key, CASE
		WHEN r.external_ref IS NOT NULL THEN 'the right record is ' || r.external_ref || ' already'
		WHEN b.l_count > 1 OR b.r_count > 1 THEN 'several records have the same ' || b.rule
		ELSE 'another rule says otherwise' END AS reason
	FROM best b JOIN r ON r.record_id = b.r_id
	UNION ALL
	SELECT n.l_id, n.r_id, 'name', 9, n.name, 'a name alone is not enough' FROM named n
	WHERE NOT EXISTS (SELECT FROM decided d WHERE d.left_ref = $3 || n.l_id AND d.right_ref = $4 || n.r_id)
), found AS MATERIALIZED (
	SELECT l_id, r_id, 'external_ref' AS rule, $3 || l_id AS key, 'linked' AS state, NULL AS reason FROM linked
	UNION ALL
	SELECT l_id, r_id, rule, key, 'proposed', NULL FROM certain
	UNION ALL
	SELECT * FROM (SELECT DISTINCT ON (q.l_id, q.r_id) q.l_id, q.r_id, q.rule, q.key, 'ambiguous', q.reason
		FROM queue q
		WHERE NOT EXISTS (SELECT FROM certain c WHERE c.l_id = q.l_id)
			AND NOT EXISTS (SELECT FROM certain c WHERE c.r_id = q.r_id)
		ORDER BY q.l_id, q.r_id, q.rank) u
), gone AS (
	-- What an earlier run proposed and this one does not find again; decisions stay.
	DELETE FROM match m WHERE m.route = $2 AND m.state IN ('proposed', 'ambiguous')
		AND NOT EXISTS (SELECT FROM found f WHERE m.left_ref = $3 || f.l_id AND m.right_ref = $4 || f.r_id)
), written AS (
	INSERT INTO match AS m (replay_id, route, left_ref, right_ref, left_name, right_name, rule, key, state, reason)
	SELECT $1, $2, $3 || f.l_id, $4 || f.r_id, left(l.name, 200), left(r.name, 200), f.rule::match_rule,
		left(f.key, 300), f.state::match_state, f.reason
	FROM found f JOIN l ON l.record_id = f.l_id JOIN r ON r.record_id = f.r_id
	ON CONFLICT (left_ref, right_ref) DO UPDATE SET replay_id = excluded.replay_id,
		route = excluded.route, left_name = excluded.left_name, right_name = excluded.right_name,
		rule = excluded.rule, key = excluded.key, reason = excluded.reason, state = excluded.state,
		version = m.version + 1, updated_at = now()
	RETURNING m.left_ref, m.right_ref, m.rule, m.state
), settled AS (
	SELECT left_ref, right_ref FROM written WHERE state IN ('linked', 'proposed')
	UNION
	SELECT left_ref, right_ref FROM decided WHERE state = 'accepted'
), extra AS (
	SELECT r.record_id, r.ref, r.name FROM r
	WHERE NOT EXISTS (SELECT FROM settled s WHERE s.right_ref = r.ref)
)
SELECT json_build_object(
	'left', (SELECT count(*) FROM l), 'right', (SELECT count(*) FROM r),
	'linked', (SELECT count(*) FROM written WHERE state = 'linked'),
	'proposed', (SELECT coalesce(json_object_agg(rule, n), '{}') FROM
		(SELECT rule, count(*) AS n FROM written WHERE state = 'proposed' GROUP BY rule) p),
	'ambiguous', (SELECT count(*) FROM written WHERE state = 'ambiguous'),
	'accepted', (SELECT count(*) FROM decided WHERE state = 'accepted'),
	'refused', (SELECT count(*) FROM decided WHERE state = 'refused'),
	'to_create', (SELECT count(*) FROM l WHERE wanted
		AND NOT EXISTS (SELECT FROM settled s WHERE s.left_ref = l.ref)),
	'extra', (SELECT count(*) FROM extra),
	'extra_sample', (SELECT coalesce(json_agg(json_build_object('ref', x.ref, 'name', x.name)), '[]')
		FROM (SELECT ref, name FROM extra ORDER BY record_id LIMIT 20) x)) AS report
