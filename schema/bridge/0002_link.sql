-- schema/bridge/0002_link.sql -- which record of one system is which record of another.

CREATE TABLE link (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	left_ref varchar(200) NOT NULL,
	right_ref varchar(200) NOT NULL,
	route varchar(100) NOT NULL,
	mirror boolean NOT NULL,
	source_version bigint NOT NULL,
	target_version bigint,
	linked_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT link_left_ref_key UNIQUE (left_ref, right_ref)
) WITH (fillfactor = 80);
CREATE INDEX link_right_ref_idx ON link (right_ref);
COMMENT ON TABLE link IS 'A record on the left became the record on the right.';
COMMENT ON COLUMN link.left_ref IS 'Left: the record at its source, as in crm:account:42.';
COMMENT ON COLUMN link.right_ref IS 'Right: the record at the target, as in erp:customer:7.';
COMMENT ON COLUMN link.route IS 'Route';
COMMENT ON COLUMN link.mirror IS 'Mirror: the right is a picture of the left, not the same thing; it never stands for it in a mapping.';
COMMENT ON COLUMN link.source_version IS 'Source version: the last that crossed.';
COMMENT ON COLUMN link.target_version IS 'Target version: of the record after that.';
COMMENT ON COLUMN link.linked_at IS 'Linked at';
COMMENT ON COLUMN link.updated_at IS 'Updated at: when a version last crossed.';
