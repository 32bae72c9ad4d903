-- sync-bridge/match_pairs.sql -- the pairs of one run: $1 run, $2 route, $3 left and $4 right reference's begin.
-- Down the ladder: a record that a higher rule has a certain partner for is not looked at again.
-- Keys are counted before they are joined, so that one which thousands share costs no more than others.
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
), lk AS MATERIALIZED (
	-- The rules by rank; 1 is external_ref. A name alone (5) is never certain.
	SELECT * FROM (SELECT record_id AS l_id, ref, generate_series(2, 5) AS rank, unnest(ARRAY[
			tax_id, CASE WHEN domain_verified THEN domain END, sku,
			CASE WHEN sku IS NULL THEN lower(name) END]) AS key
		FROM l WHERE NOT EXISTS (SELECT FROM taken t WHERE t.left_ref = l.ref)) k
	WHERE key IS NOT NULL
), rk AS MATERIALIZED (
	SELECT * FROM (SELECT record_id AS r_id, ref, external_ref AS already, generate_series(2, 5) AS rank,
			unnest(ARRAY[tax_id, domain, sku, CASE WHEN external_ref IS NULL THEN lower(name) END]) AS key
		FROM r WHERE NOT EXISTS (SELECT FROM taken t WHERE t.right_ref = r.ref)) k
	WHERE key IS NOT NULL
), refused AS MATERIALIZED (
	SELECT l_id, r_id, rank FROM decided d JOIN lk ON lk.ref = d.left_ref JOIN rk USING (rank, key)
	WHERE d.state = 'refused' AND rk.ref = d.right_ref
), shared AS MATERIALIZED (
	SELECT * FROM (SELECT rank, key, count(*) AS l_of FROM lk GROUP BY 1, 2) a
		JOIN (SELECT rank, key, count(*) AS r_of FROM rk GROUP BY 1, 2) b USING (rank, key)
), lc AS MATERIALIZED (
	-- For each record and rule how many it may be; best: the first rule that gives one.
	SELECT *, min(rank) OVER (PARTITION BY l_id) AS best FROM (
		SELECT l_id, rank, key, r_of - coalesce(n, 0) AS may_be FROM lk JOIN shared USING (rank, key)
			LEFT JOIN (SELECT l_id, rank, count(*) AS n FROM refused GROUP BY 1, 2) x USING (l_id, rank)) k
	WHERE may_be > 0
), rc AS MATERIALIZED (
	SELECT *, min(rank) OVER (PARTITION BY r_id) AS best FROM (
		SELECT r_id, rank, key, already, l_of - coalesce(n, 0) AS may_be FROM rk JOIN shared USING (rank, key)
			LEFT JOIN (SELECT r_id, rank, count(*) AS n FROM refused GROUP BY 1, 2) x USING (r_id, rank)) k
	WHERE may_be > 0
), certain AS MATERIALIZED (
	-- Only where each is the other's one by the best rule of both.
	SELECT l_id, r_id, rank, key
	FROM (SELECT * FROM lc WHERE rank = best AND may_be = 1 AND rank < 5) a
		JOIN (SELECT * FROM rc WHERE rank = best AND may_be = 1 AND already IS NULL) b USING (rank, key)
	WHERE NOT EXISTS (SELECT FROM refused x WHERE x.l_id = a.l_id AND x.r_id = b.r_id)
), lq AS MATERIALIZED (
	SELECT * FROM lc WHERE NOT EXISTS (SELECT FROM certain c WHERE c.l_id = lc.l_id)
), rq AS MATERIALIZED (
	SELECT * FROM rc WHERE NOT EXISTS (SELECT FROM certain c WHERE c.r_id = rc.r_id)
), asked AS MATERIALIZED (
	-- What so many share that nobody could go through the pairs is only counted.
	SELECT *, l_of * r_of > 400 AS crowded
	FROM (SELECT rank, key, count(*) AS l_of FROM lq GROUP BY 1, 2) a
		JOIN (SELECT rank, key, count(*) AS r_of FROM rq GROUP BY 1, 2) b USING (rank, key)
), queue AS (
	SELECT l_id, r_id, rank, key, CASE
		WHEN rank = 5 THEN 'a name alone is not enough'
		WHEN already IS NOT NULL THEN 'the right record is ' || already || ' already'
		WHEN lq.may_be > 1 OR rq.may_be > 1 THEN 'several records have the same ' || (enum_range(NULL::match_rule))[rank]
		ELSE 'another rule says otherwise' END AS reason
	FROM asked JOIN lq USING (rank, key) JOIN rq USING (rank, key)
	WHERE NOT crowded AND NOT EXISTS (SELECT FROM refused x WHERE x.l_id = lq.l_id AND x.r_id = rq.r_id)
), found AS MATERIALIZED (
	SELECT l_id, r_id, 1 AS rank, $3 || l_id AS key, 'linked' AS state, NULL AS reason FROM linked
	UNION ALL
	SELECT l_id, r_id, rank, key, 'proposed', NULL FROM certain
	UNION ALL
	SELECT * FROM (SELECT DISTINCT ON (l_id, r_id) l_id, r_id, rank, key, 'ambiguous', reason
		FROM queue ORDER BY l_id, r_id, rank) u
), gone AS (
	-- What an earlier run proposed and this one does not find again; decisions stay.
	DELETE FROM match m WHERE m.route = $2 AND m.state IN ('proposed', 'ambiguous')
		AND NOT EXISTS (SELECT FROM found f WHERE m.left_ref = $3 || f.l_id AND m.right_ref = $4 || f.r_id)
), written AS (
	INSERT INTO match AS m (replay_id, route, left_ref, right_ref, left_name, right_name, rule, key, state, reason)
	SELECT $1, $2, $3 || f.l_id, $4 || f.r_id, left(l.name, 200), left(r.name, 200), (enum_range(NULL::match_rule))[f.rank],
		left(CASE WHEN f.rank = 5 THEN l.name ELSE f.key END, 300), f.state::match_state, f.reason
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
	'crowded', (SELECT coalesce(json_agg(json_build_object('rule', (enum_range(NULL::match_rule))[rank],
		'key', left(key, 300), 'left', l_of, 'right', r_of)), '[]')
		FROM (SELECT * FROM asked WHERE crowded ORDER BY l_of * r_of DESC, rank, key LIMIT 20) c),
	'accepted', (SELECT count(*) FROM decided WHERE state = 'accepted'),
	'refused', (SELECT count(*) FROM decided WHERE state = 'refused'),
	'to_create', (SELECT count(*) FROM l WHERE wanted
		AND NOT EXISTS (SELECT FROM settled s WHERE s.left_ref = l.ref)),
	'extra', (SELECT count(*) FROM extra),
	'extra_sample', (SELECT coalesce(json_agg(json_build_object('ref', x.ref, 'name', x.name)), '[]')
		FROM (SELECT ref, name FROM extra ORDER BY record_id LIMIT 20) x)) AS report
