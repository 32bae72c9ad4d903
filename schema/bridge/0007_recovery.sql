-- schema/bridge/0007_recovery.sql -- records that are carried again, and which history each system is in.

CREATE TYPE replay_kind AS ENUM ('record', 'route', 'range', 'rebuild', 'restore', 'match');
CREATE TYPE replay_state AS ENUM ('running', 'done', 'failed', 'cancelled');

CREATE TABLE replay (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	kind replay_kind NOT NULL,
	state replay_state NOT NULL DEFAULT 'running',
	ref varchar(200),
	route varchar(100),
	entity varchar(60),
	"from" timestamptz,
	"to" timestamptz,
	system varchar(40),
	link boolean NOT NULL DEFAULT false,
	rate int NOT NULL DEFAULT 500 CHECK (rate BETWEEN 1 AND 5000),
	actor varchar(200) NOT NULL,
	step int NOT NULL DEFAULT 0,
	steps int NOT NULL DEFAULT 1,
	position varchar(100),
	total bigint,
	done bigint NOT NULL DEFAULT 0,
	reason varchar(1000),
	report json,
	finished_at timestamptz
);
CREATE INDEX replay_running_idx ON replay (id) WHERE state = 'running';
COMMENT ON TABLE replay IS 'Replay: a job that carries records again, learns links or compares records.';
COMMENT ON COLUMN replay.kind IS 'Kind: what it goes through.';
COMMENT ON COLUMN replay.state IS 'State';
COMMENT ON COLUMN replay.ref IS 'Record: the one to carry again, as in crm:account:42.';
COMMENT ON COLUMN replay.route IS 'Route: carry all its records again.';
COMMENT ON COLUMN replay.entity IS 'Entity: of a time range, only this kind of record.';
COMMENT ON COLUMN replay."from" IS 'From: carry again what changed from this time on.';
COMMENT ON COLUMN replay."to" IS 'To: and before this time; now when left out.';
COMMENT ON COLUMN replay.system IS 'System: the one that was restored.';
COMMENT ON COLUMN replay.link IS 'Link: the pairs found for certain are linked.';
COMMENT ON COLUMN replay.rate IS 'Rate: records a second at most.';
COMMENT ON COLUMN replay.actor IS 'Actor: who asked for it.';
COMMENT ON COLUMN replay.step IS 'Step: how many parts are done.';
COMMENT ON COLUMN replay.steps IS 'Steps: how many parts there are.';
COMMENT ON COLUMN replay.position IS 'Position: in the part at hand; where it goes on after a crash.';
COMMENT ON COLUMN replay.total IS 'Total: records, as far as they are counted yet.';
COMMENT ON COLUMN replay.done IS 'Done: records gone through.';
COMMENT ON COLUMN replay.reason IS 'Reason: why it waits or has failed.';
COMMENT ON COLUMN replay.report IS 'Report: what was found.';
COMMENT ON COLUMN replay.finished_at IS 'Finished at';

CREATE TABLE system_epoch (
	name varchar(40) PRIMARY KEY,
	number bigint NOT NULL DEFAULT 1,
	epoch varchar(100),
	last_event varchar(200),
	checked_at timestamptz,
	restored_at timestamptz,
	restored_reason varchar(500),
	accepted_at timestamptz,
	accepted_by varchar(200)
);
COMMENT ON TABLE system_epoch IS 'Which history each system is in, and whether it was restored from a backup.';
COMMENT ON COLUMN system_epoch.number IS 'Number: raised when a restore is accepted; goes before the versions of its records.';
COMMENT ON COLUMN system_epoch.epoch IS 'Epoch: the system''s own name for its history.';
COMMENT ON COLUMN system_epoch.last_event IS 'Last event: the newest it told of; while it knows it, nothing older is missing.';
COMMENT ON COLUMN system_epoch.checked_at IS 'Checked at';
COMMENT ON COLUMN system_epoch.restored_at IS 'Restored at: when it was noticed; its routes stand still until that is accepted.';
COMMENT ON COLUMN system_epoch.restored_reason IS 'Restored reason: how it was noticed.';

CREATE TABLE held (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	replay_id bigint REFERENCES replay (id),
	system varchar(40) NOT NULL,
	ref varchar(200) NOT NULL,
	source_ref varchar(200) NOT NULL,
	reason varchar(500) NOT NULL,
	UNIQUE (ref, source_ref)
);
CREATE INDEX held_replay_id_idx ON held (replay_id);
COMMENT ON TABLE held IS 'Held: a record whose source was lost in a restore; it stays as it is for people to decide.';
COMMENT ON COLUMN held.replay_id IS 'Replay: that found it.';
COMMENT ON COLUMN held.system IS 'System: the one that was restored.';
COMMENT ON COLUMN held.ref IS 'Record: that is kept, as in erp:sales_order:7.';
COMMENT ON COLUMN held.source_ref IS 'Source: the record that is gone.';
COMMENT ON COLUMN held.reason IS 'Reason';
