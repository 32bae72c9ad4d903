-- schema/bridge/0006_reconciliation.sql -- comparisons of both sides of each route, and what they found.

CREATE TYPE reconciliation_state AS ENUM ('requested', 'running', 'finished', 'failed');

CREATE TABLE reconciliation (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	state reconciliation_state NOT NULL DEFAULT 'requested',
	requested_by varchar(200),
	route varchar(100),
	source_ref varchar(200),
	repair boolean NOT NULL DEFAULT true,
	settle_seconds int NOT NULL,
	started_at timestamptz,
	finished_at timestamptz,
	seconds numeric(12,3),
	rows_compared bigint NOT NULL DEFAULT 0,
	missing int NOT NULL DEFAULT 0,
	extra int NOT NULL DEFAULT 0,
	differs int NOT NULL DEFAULT 0,
	repaired int NOT NULL DEFAULT 0,
	held int NOT NULL DEFAULT 0,
	in_flight int NOT NULL DEFAULT 0,
	reason varchar(400)
);
CREATE INDEX reconciliation_open_idx ON reconciliation (id) WHERE state IN ('requested', 'running');
CREATE INDEX reconciliation_started_at_idx ON reconciliation (started_at);
COMMENT ON TABLE reconciliation IS 'Reconciliation: one comparison of what the systems hold.';
COMMENT ON COLUMN reconciliation.state IS 'State';
COMMENT ON COLUMN reconciliation.requested_by IS 'Requested by: none when it was due by the clock.';
COMMENT ON COLUMN reconciliation.route IS 'Route: all when empty.';
COMMENT ON COLUMN reconciliation.source_ref IS 'Record: the one compared; all of the route when empty.';
COMMENT ON COLUMN reconciliation.repair IS 'Repair: what differs is repaired as its route says.';
COMMENT ON COLUMN reconciliation.settle_seconds IS 'Settle: a record that changed so short a time ago is left for the next comparison.';
COMMENT ON COLUMN reconciliation.started_at IS 'Started at';
COMMENT ON COLUMN reconciliation.finished_at IS 'Finished at';
COMMENT ON COLUMN reconciliation.seconds IS 'Seconds: it took.';
COMMENT ON COLUMN reconciliation.rows_compared IS 'Rows compared: records read at sources and targets.';
COMMENT ON COLUMN reconciliation.missing IS 'Missing: records that the target does not have.';
COMMENT ON COLUMN reconciliation.extra IS 'Extra: records of the target whose original is gone.';
COMMENT ON COLUMN reconciliation.differs IS 'Differs: records with a field that differs.';
COMMENT ON COLUMN reconciliation.repaired IS 'Repaired: of those, made equal again.';
COMMENT ON COLUMN reconciliation.held IS 'Held: of those, left for somebody to decide.';
COMMENT ON COLUMN reconciliation.in_flight IS 'In flight: left out because they were just changing.';
COMMENT ON COLUMN reconciliation.reason IS 'Reason: why it failed.';

CREATE TABLE reconciliation_route (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	reconciliation_id bigint NOT NULL REFERENCES reconciliation ON DELETE CASCADE,
	position int NOT NULL,
	route varchar(100) NOT NULL,
	source_rows bigint NOT NULL,
	target_rows bigint NOT NULL,
	buckets int NOT NULL,
	suspects int NOT NULL,
	in_flight int NOT NULL,
	missing int NOT NULL,
	extra int NOT NULL,
	differs int NOT NULL,
	repaired int NOT NULL,
	held int NOT NULL,
	compared varchar(2000) NOT NULL,
	not_compared varchar(1000),
	seconds numeric(12,3) NOT NULL
);
CREATE INDEX reconciliation_route_reconciliation_id_idx
	ON reconciliation_route (reconciliation_id, position);
COMMENT ON TABLE reconciliation_route IS 'Reconciliation route: what one comparison found on one route.';
COMMENT ON COLUMN reconciliation_route.reconciliation_id IS 'Reconciliation';
COMMENT ON COLUMN reconciliation_route.position IS 'Position';
COMMENT ON COLUMN reconciliation_route.route IS 'Route';
COMMENT ON COLUMN reconciliation_route.source_rows IS 'Source rows: records that are to be at the target.';
COMMENT ON COLUMN reconciliation_route.target_rows IS 'Target rows: records there that come from this source.';
COMMENT ON COLUMN reconciliation_route.buckets IS 'Buckets: of 1024, how many differed at first sight.';
COMMENT ON COLUMN reconciliation_route.suspects IS 'Suspects: records that differed at second sight.';
COMMENT ON COLUMN reconciliation_route.in_flight IS 'In flight: of those, still changing.';
COMMENT ON COLUMN reconciliation_route.missing IS 'Missing';
COMMENT ON COLUMN reconciliation_route.extra IS 'Extra';
COMMENT ON COLUMN reconciliation_route.differs IS 'Differs';
COMMENT ON COLUMN reconciliation_route.repaired IS 'Repaired';
COMMENT ON COLUMN reconciliation_route.held IS 'Held';
COMMENT ON COLUMN reconciliation_route.compared IS 'Compared: the members the mapping gives that were compared.';
COMMENT ON COLUMN reconciliation_route.not_compared IS 'Not compared: members the mapping gives that the target does not show, or that the route leaves out.';
COMMENT ON COLUMN reconciliation_route.seconds IS 'Seconds';

CREATE TYPE drift_kind AS ENUM ('missing', 'extra', 'differs');
CREATE TYPE drift_state AS ENUM ('open', 'repaired', 'held', 'gone');

CREATE TABLE drift (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	route varchar(100) NOT NULL,
	kind drift_kind NOT NULL,
	state drift_state NOT NULL DEFAULT 'open',
	source_ref varchar(200) NOT NULL,
	target_ref varchar(200),
	field varchar(200) NOT NULL DEFAULT '',
	source_value text,
	target_value text,
	owner varchar(40) NOT NULL,
	source_version bigint,
	target_version bigint,
	first_seen_at timestamptz NOT NULL DEFAULT now(),
	last_seen_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz,
	message_id bigint,
	forced boolean NOT NULL DEFAULT false,
	reason varchar(1000)
);
CREATE UNIQUE INDEX drift_standing_idx ON drift (route, source_ref, kind, field)
	WHERE state IN ('open', 'held');
CREATE INDEX drift_source_ref_idx ON drift (source_ref, id);
CREATE INDEX drift_message_id_idx ON drift (message_id) WHERE message_id IS NOT NULL;
COMMENT ON TABLE drift IS 'Drift: one field of one record that both sides hold differently, though nothing is under way.';
COMMENT ON COLUMN drift.route IS 'Route';
COMMENT ON COLUMN drift.kind IS 'Kind: missing at the target, extra there, or a field that differs.';
COMMENT ON COLUMN drift.state IS 'State: gone when it ended by itself.';
COMMENT ON COLUMN drift.source_ref IS 'Source: the record, as in crm:account:42.';
COMMENT ON COLUMN drift.target_ref IS 'Target: the record it is there.';
COMMENT ON COLUMN drift.field IS 'Field: as the target names it; empty when the whole record is meant.';
COMMENT ON COLUMN drift.source_value IS 'Source value: what the target should have.';
COMMENT ON COLUMN drift.target_value IS 'Target value: what it has.';
COMMENT ON COLUMN drift.owner IS 'Owner: the system whose value holds.';
COMMENT ON COLUMN drift.source_version IS 'Source version: of the record when it was compared.';
COMMENT ON COLUMN drift.target_version IS 'Target version: of the record when it was compared.';
COMMENT ON COLUMN drift.first_seen_at IS 'First seen at';
COMMENT ON COLUMN drift.last_seen_at IS 'Last seen at';
COMMENT ON COLUMN drift.ended_at IS 'Ended at';
COMMENT ON COLUMN drift.message_id IS 'Message: that repairs it.';
COMMENT ON COLUMN drift.forced IS 'Forced: somebody asked for the repair, whatever the route says.';
COMMENT ON COLUMN drift.reason IS 'Reason: why it is held, or how it ended.';
