-- sync-bridge/causes_missed.sql -- takes rejected messages $1 up again when what they depend on changed in the last $2 ms,
-- or, when $2 is null, since a minute before they were refused.
-- What they pulled themselves was there before.
UPDATE message m SET state = 'received', round = m.round + 1, depends = NULL, finished_at = NULL, updated_at = now(),
	next_at = now() + least(interval '50 ms' * (2 ^ least(m.round + 1, 7) - 1), interval '5 s')
WHERE m.id = ANY ($1::bigint[]) AND m.state = 'rejected' AND m.depends IS NOT NULL AND (
	EXISTS (
		SELECT FROM unnest(m.depends) AS d (ref)
		JOIN message o ON o.source_id =
			CASE WHEN d.ref NOT LIKE '%:*' THEN split_part(d.ref, ':', 3)::bigint END
		WHERE o.id > (SELECT max(id) FROM message) - 20000 AND o.id <> m.id
			AND o.type NOT LIKE '%.pulled' AND o.source = split_part(d.ref, ':', 1) AND o.entity = split_part(d.ref, ':', 2)
			AND o.received_at >= coalesce(clock_timestamp() - $2::bigint * interval '1 ms', m.finished_at - interval '1 minute'))
	OR EXISTS (
		SELECT FROM (SELECT * FROM message ORDER BY id DESC LIMIT 500) AS o
		WHERE o.source || ':' || o.entity || ':*' = ANY (m.depends)
			AND o.received_at >= coalesce(clock_timestamp() - $2::bigint * interval '1 ms', m.finished_at - interval '1 minute')))
RETURNING (extract(epoch FROM next_at - now()) * 1000)::bigint AS ms
