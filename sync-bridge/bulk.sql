-- sync-bridge/bulk.sql -- takes up again, or ends without effect, the oldest messages that a filter names.
-- $1 states, $2 route, $3 source, $4 entity, $5 and $6 ids, $7 and $8 times of receipt,
-- $9 at most, $10 actor, $11 reason of a skip, $12 retry or skip, $13 routes there are, NULL for any
WITH named AS (
	SELECT id, state FROM message
	WHERE state = ANY ($1::message_state[])
		AND ($13::text[] IS NULL OR route = ANY ($13::text[]))
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
		$10, $12::text::message_action_action, p.state, $11::text FROM picked p
), done AS (
	-- A message that was refused gets another round: its calls are new ones for the target.
	UPDATE message m SET
		state = CASE $12::text WHEN 'retry' THEN 'received' ELSE 'skipped' END::message_state,
		code = CASE $12::text WHEN 'retry' THEN m.code ELSE 'by_hand' END,
		reason = CASE $12::text WHEN 'retry' THEN m.reason ELSE $11::text END,
		remedy = CASE $12::text WHEN 'retry' THEN m.remedy END,
		finished_at = CASE $12::text WHEN 'retry' THEN NULL ELSE clock_timestamp() END,
		round = round + CASE WHEN $12::text = 'retry' AND m.state IN ('rejected', 'dead', 'skipped') THEN 1 ELSE 0 END,
		next_at = NULL, waiting_for = NULL, depends = NULL, updated_at = now()
	FROM picked p WHERE m.id = p.id
	RETURNING 1
)
SELECT (SELECT count(*) FROM done) AS count, (SELECT count(*) FROM named) > $9::bigint AS more
