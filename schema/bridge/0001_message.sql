-- schema/bridge/0001_message.sql -- the inbox: one row for each change and each route that takes it.

CREATE TYPE message_state AS ENUM ('received', 'waiting', 'retrying', 'applied', 'unchanged',
	'superseded', 'skipped', 'rejected', 'dead');

CREATE TABLE message (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	route varchar(100),
	source varchar(40) NOT NULL,
	event_id varchar(100) NOT NULL,
	type varchar(100) NOT NULL,
	entity varchar(60) NOT NULL,
	source_id bigint NOT NULL,
	state message_state NOT NULL DEFAULT 'received',
	attempts int NOT NULL DEFAULT 0,
	round int NOT NULL DEFAULT 0,
	next_at timestamptz,
	code varchar(60),
	reason varchar(2000),
	remedy varchar(1000),
	waiting_for varchar(200),
	target_ref varchar(200),
	depends text[],
	traceparent varchar(55),
	happened_at timestamptz,
	received_at timestamptz NOT NULL DEFAULT now(),
	finished_at timestamptz,
	body json NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- A change is taken in once for each route; a change that no route takes is one row without.
CREATE UNIQUE INDEX message_event_id_key ON message (source, event_id, coalesce(route, ''));
CREATE INDEX message_state_idx ON message (state, id);
CREATE INDEX message_source_id_idx ON message (source_id, id);
-- The rest is small. Each condition is written differently on purpose: a plan made while all of them
-- were empty must not settle on the wrong one.
CREATE INDEX message_open_idx ON message (id) WHERE state IN ('received', 'waiting', 'retrying');
CREATE INDEX message_record_open_idx ON message (source_id, entity, source)
	WHERE finished_at IS NULL;
CREATE INDEX message_waiting_for_idx ON message (waiting_for) WHERE waiting_for IS NOT NULL;
CREATE INDEX message_rejected_idx ON message (finished_at) WHERE depends IS NOT NULL;
CREATE INDEX message_depends_idx ON message USING gin (depends) WHERE depends IS NOT NULL;

COMMENT ON TABLE message IS 'One change of one system on its way along one route.';
COMMENT ON COLUMN message.version IS 'Version: of the source''s record, as of this change.';
COMMENT ON COLUMN message.route IS 'Route: none when no route takes the change.';
COMMENT ON COLUMN message.source IS 'Source: the system that the change happened in.';
COMMENT ON COLUMN message.event_id IS 'Event: the source''s name for the change.';
COMMENT ON COLUMN message.type IS 'Type: what happened, as in account.updated; a record fetched because another needs it is .pulled.';
COMMENT ON COLUMN message.entity IS 'Entity: the source''s kind of record.';
COMMENT ON COLUMN message.source_id IS 'Source id: of the record in its system.';
COMMENT ON COLUMN message.state IS 'State';
COMMENT ON COLUMN message.attempts IS 'Attempts: calls that were made, those not counted while a system is known to be away.';
COMMENT ON COLUMN message.round IS 'Round: how often a rejected message was taken up again.';
COMMENT ON COLUMN message.next_at IS 'Next try: not before this time.';
COMMENT ON COLUMN message.code IS 'Code: the cause as a word, from the system that refused.';
COMMENT ON COLUMN message.reason IS 'Reason: why it is in this state.';
COMMENT ON COLUMN message.remedy IS 'Remedy: what would help.';
COMMENT ON COLUMN message.waiting_for IS 'Waiting for: the record that must cross first.';
COMMENT ON COLUMN message.target_ref IS 'Target: the record it became.';
COMMENT ON COLUMN message.depends IS 'Depends on: records whose change takes a rejected message up again.';
COMMENT ON COLUMN message.traceparent IS 'Trace: W3C traceparent of the change.';
COMMENT ON COLUMN message.happened_at IS 'Happened at: when the source made the change.';
COMMENT ON COLUMN message.received_at IS 'Received at';
COMMENT ON COLUMN message.finished_at IS 'Finished at: when it came to its final state.';
COMMENT ON COLUMN message.body IS 'Body: the change as the mapping sees it.';

CREATE TYPE message_action_action AS ENUM ('retry', 'skip');

CREATE TABLE message_action (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	message_id bigint NOT NULL REFERENCES message (id) ON DELETE CASCADE,
	position int NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	actor varchar(200) NOT NULL,
	action message_action_action NOT NULL,
	was message_state NOT NULL,
	reason varchar(1000)
);
CREATE INDEX message_action_message_id_idx ON message_action (message_id, position);
COMMENT ON TABLE message_action IS 'What an operator did with a message.';
COMMENT ON COLUMN message_action.message_id IS 'Message';
COMMENT ON COLUMN message_action.position IS 'Position';
COMMENT ON COLUMN message_action.at IS 'At';
COMMENT ON COLUMN message_action.actor IS 'Actor';
COMMENT ON COLUMN message_action.action IS 'Action';
COMMENT ON COLUMN message_action.was IS 'Was: the state before.';
COMMENT ON COLUMN message_action.reason IS 'Reason';
