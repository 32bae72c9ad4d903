-- schema/bridge/0004_shards_and_pauses.sql -- who works which records, and what operators have halted.

CREATE TABLE shard (
	id smallint PRIMARY KEY,
	term bigint NOT NULL DEFAULT 0,
	taken_at timestamptz
) WITH (fillfactor = 50);
INSERT INTO shard (id) SELECT generate_series(0, 60);
COMMENT ON TABLE shard IS 'One part of the records: those whose id modulo 61 is the shard''s.';
COMMENT ON COLUMN shard.id IS 'Shard';
COMMENT ON COLUMN shard.term IS 'Term: one more for each process that takes the shard; what an earlier one writes is refused.';
COMMENT ON COLUMN shard.taken_at IS 'Taken at';

-- A pause may be there before anything else is known of the system or the route.
ALTER TABLE system_state
	ALTER COLUMN breaker SET DEFAULT 'closed',
	ALTER COLUMN subscribed SET DEFAULT false,
	ADD COLUMN paused_at timestamptz,
	ADD COLUMN paused_by varchar(200),
	ADD COLUMN paused_reason varchar(1000);
COMMENT ON COLUMN system_state.paused_at IS 'Paused at: nothing is sent to the system since; none when it is not paused.';
COMMENT ON COLUMN system_state.paused_by IS 'Paused by: who did it.';
COMMENT ON COLUMN system_state.paused_reason IS 'Paused because: as he said.';

ALTER TABLE route_state
	ALTER COLUMN last_effect_at DROP NOT NULL,
	ADD COLUMN paused_at timestamptz,
	ADD COLUMN paused_by varchar(200),
	ADD COLUMN paused_reason varchar(1000);
COMMENT ON COLUMN route_state.paused_at IS 'Paused at: the route''s messages wait since; none when it is not paused.';
COMMENT ON COLUMN route_state.paused_by IS 'Paused by: who did it.';
COMMENT ON COLUMN route_state.paused_reason IS 'Paused because: as he said.';
