-- common/event/event_list.sql -- the log after a position, up to the oldest open transaction.
-- $1 transaction, $2 id to go on after, $3 entity, $4 record, $5 LIKE pattern of types, $6 rows,
-- $7 and $8 written from and before, $9 whether with the records' states.
SELECT txid::text || '-' || id AS position, event_id, type,
	to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
	entity, record_id, version, origin, trace, to_json(changed) AS changed,
	CASE WHEN $9::boolean THEN record ELSE 'null' END AS record
FROM event
WHERE (txid, id) > ($1::text::xid8, $2::bigint)
	AND txid < pg_snapshot_xmin(pg_current_snapshot())
	AND ($3::text IS NULL OR entity = $3)
	AND ($4::bigint IS NULL OR record_id = $4)
	AND ($5::text IS NULL OR type LIKE $5)
	AND ($7::text IS NULL OR at >= $7::timestamptz)
	AND ($8::text IS NULL OR at < $8::timestamptz)
ORDER BY txid, id
LIMIT $6::int
