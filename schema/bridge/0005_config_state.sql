-- schema/bridge/0005_config_state.sql -- which configuration the processes of the bridge should run.

CREATE TABLE config_state (
	id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
	generation bigint NOT NULL DEFAULT 1,
	digest varchar(64) NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE config_state IS 'Configuration: what one process has loaded and the others follow.';
COMMENT ON COLUMN config_state.id IS 'Id: there is one row.';
COMMENT ON COLUMN config_state.generation IS 'Generation: counts configurations.';
COMMENT ON COLUMN config_state.digest IS 'Digest: of bridge.json, its secrets and its mappings.';
COMMENT ON COLUMN config_state.changed_at IS 'Changed at';
