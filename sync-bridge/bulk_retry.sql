-- sync-bridge/bulk_retry.sql -- takes up again the oldest messages that a filter names.
-- $1 states, $2 route, $3 source, $4 entity, $5 and $6 ids, $7 and $8 times of receipt,
-- $9 at most, $10 actor, $11 nothing
WITH named AS (
	SELECT id, state FROM message
	WHERE state = ANY ($1::message_state[]) AND route IS NOT NULL
		AND ($2::text IS NULL OR route = $2) AND ($3::text IS NULL OR source = $3)
		AND ($4::text IS NULL OR entity = $4)
		AND ($5::bigint IS NULL OR id >= $5::bigint) AND ($6::bigint IS NULL OR id <= $6::bigint)
		AND ($7::timestamptz IS NULL OR received_at >= $7::timestamptz)
		AND ($8::timestamptz IS NULL OR received_at <= $8::timestamptz)
	ORDER BY id LIMIT $9::bigint + 1
), picked AS (
	SELECT m.id, m.state FROM message m
	WHERE m.id IN (SELECT id FROM named ORDER BY id LIMIT $9::bigint)
		AND m.state = ANY ($1::message_state[])
	ORDER BY m.id FOR UPDATE
), noted AS (
	INSERT INTO message_action (message_id, position, actor, action, was, reason)
	SELECT p.id, (SELECT count(*) + 1 FROM message_action a WHERE a.message_id = p.id),
		$10, 'retry', p.state, $11 FROM picked p
), done AS (
	-- A message that was refused gets another round: its calls are new ones for the target.
	UPDATE message m SET state = 'received', next_at = NULL, waiting_for = NULL, depends = NULL,
		finished_at = NULL, updated_at = now(),
		round = round + CASE WHEN m.state IN ('rejected', 'dead', 'skipped') THEN 1 ELSE 0 END
	FROM picked p WHERE m.id = p.id
	RETURNING 1
)
SELECT (SELECT count(*) FROM done) AS count, (SELECT count(*) FROM named) > $9::bigint AS more
