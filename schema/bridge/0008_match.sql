-- schema/bridge/0008_match.sql -- which records of two systems that already hold data are the same.

-- What a comparison knows of both sides while it runs.
CREATE TABLE match_side (
	replay_id bigint NOT NULL REFERENCES replay (id) ON DELETE CASCADE,
	is_left boolean NOT NULL,
	record_id bigint NOT NULL,
	record_version bigint NOT NULL,
	wanted boolean NOT NULL,
	external_ref text,
	name text,
	tax_id text,
	domain text,
	domain_verified boolean NOT NULL DEFAULT false,
	sku text,
	PRIMARY KEY (replay_id, is_left, record_id)
);
COMMENT ON TABLE match_side IS 'A record of one side as it is compared.';
COMMENT ON COLUMN match_side.tax_id IS 'Tax id: letters and digits alone, in lower case.';

CREATE TYPE match_state AS ENUM ('proposed', 'ambiguous', 'accepted', 'refused', 'linked');
CREATE TYPE match_rule AS ENUM ('external_ref', 'tax_id', 'domain', 'sku', 'name');

CREATE TABLE match (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	replay_id bigint REFERENCES replay (id) ON DELETE SET NULL,
	route varchar(100) NOT NULL,
	left_ref varchar(200) NOT NULL,
	right_ref varchar(200) NOT NULL,
	left_name varchar(200),
	right_name varchar(200),
	rule match_rule NOT NULL,
	key varchar(300) NOT NULL,
	state match_state NOT NULL,
	reason varchar(500),
	UNIQUE (left_ref, right_ref)
);
CREATE INDEX match_state_idx ON match (route, state, id);
CREATE INDEX match_right_ref_idx ON match (right_ref);
CREATE INDEX match_replay_id_idx ON match (replay_id);
COMMENT ON TABLE match IS 'Match: two records that may be the same one.';
COMMENT ON COLUMN match.replay_id IS 'Run: the comparison that found it last.';
COMMENT ON COLUMN match.route IS 'Route: along which the left becomes the right.';
COMMENT ON COLUMN match.left_ref IS 'Left: the record at the source.';
COMMENT ON COLUMN match.right_ref IS 'Right: the record at the target.';
COMMENT ON COLUMN match.left_name IS 'Left name';
COMMENT ON COLUMN match.right_name IS 'Right name';
COMMENT ON COLUMN match.rule IS 'Rule: what they have in common; a name alone is never enough.';
COMMENT ON COLUMN match.key IS 'Key: the value they share.';
COMMENT ON COLUMN match.state IS 'State: proposed pairs are certain and linked by a run that links; ambiguous ones wait for people.';
COMMENT ON COLUMN match.reason IS 'Reason: why it is ambiguous, or could not be linked.';
