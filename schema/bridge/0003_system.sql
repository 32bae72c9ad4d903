-- schema/bridge/0003_system.sql -- how each system answers, as the process that works the lanes sees it.

CREATE TABLE system_state (
	name varchar(40) PRIMARY KEY,
	breaker varchar(20) NOT NULL,
	subscribed boolean NOT NULL,
	error varchar(400),
	updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE system_state IS 'How a system answers: for the processes that do not call it.';
COMMENT ON COLUMN system_state.name IS 'Name: of the system.';
COMMENT ON COLUMN system_state.breaker IS 'Breaker: closed, open, probing or paused.';
COMMENT ON COLUMN system_state.subscribed IS 'Subscribed: its changes reach the bridge.';
COMMENT ON COLUMN system_state.error IS 'Error: its last failure.';
COMMENT ON COLUMN system_state.updated_at IS 'Updated at';
