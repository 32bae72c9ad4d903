-- schema/bridge/0003_system.sql -- what the process that works the lanes tells the others.

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

CREATE TABLE route_state (
	name varchar(100) PRIMARY KEY,
	last_effect_at timestamptz NOT NULL
);
COMMENT ON TABLE route_state IS 'When each route last had an effect, to the second.';
COMMENT ON COLUMN route_state.name IS 'Name: of the route.';
COMMENT ON COLUMN route_state.last_effect_at IS 'Last effect at';
