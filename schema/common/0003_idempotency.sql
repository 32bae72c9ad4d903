-- schema/common/0003_idempotency.sql -- answers kept so that a repeated request gets the same one.

CREATE TABLE idempotency_key (
	actor_id bigint NOT NULL,
	key varchar(255) NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	method text NOT NULL,
	path text NOT NULL,
	body_sha256 bytea NOT NULL,
	status int,
	headers json,
	body text,
	PRIMARY KEY (actor_id, key)
);
CREATE INDEX idempotency_key_created_at_idx ON idempotency_key (created_at);
COMMENT ON TABLE idempotency_key IS 'Idempotency key: one request, and the answer it got.';
