-- schema/common/0002_event.sql -- the event log, who is told about it, and what is still to be told.

CREATE TABLE event (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_id    uuid NOT NULL DEFAULT gen_random_uuid(),
	entity      text NOT NULL,
	record_id   bigint NOT NULL,
	version     bigint NOT NULL,
	type        text NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	user_id     bigint,
	actor       text NOT NULL,
	origin      text NOT NULL,
	trace       text NOT NULL,
	traceparent text NOT NULL,
	changed     text[] NOT NULL,
	record      json NOT NULL,
	txid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
	UNIQUE (entity, record_id, version)
);
CREATE INDEX ON event (txid, id);
CREATE INDEX ON event (at);

COMMENT ON TABLE event IS 'Event: one row per change of a record; never changed itself.';
COMMENT ON COLUMN event.id IS 'Id: in order of writing, which is not the order of commits.';
COMMENT ON COLUMN event.event_id IS 'Event id: the same on every copy sent out.';
COMMENT ON COLUMN event.entity IS 'Entity: what kind of record was changed.';
COMMENT ON COLUMN event.record_id IS 'Record: which one.';
COMMENT ON COLUMN event.version IS 'Version: of the record after the change; the order of its events.';
COMMENT ON COLUMN event.type IS 'Type: what happened, as entity.verb.';
COMMENT ON COLUMN event.at IS 'At: when it was written.';
COMMENT ON COLUMN event.user_id IS 'User: who asked; empty for the system itself.';
COMMENT ON COLUMN event.actor IS 'Actor: the name of who asked.';
COMMENT ON COLUMN event.origin IS 'Origin: user, bridge or system.';
COMMENT ON COLUMN event.trace IS 'Trace: W3C trace id of the request.';
COMMENT ON COLUMN event.traceparent IS 'Trace parent: W3C header to hand on.';
COMMENT ON COLUMN event.changed IS 'Changed: the fields that differ from before.';
COMMENT ON COLUMN event.record IS 'Record state: the whole record after the change.';
COMMENT ON COLUMN event.txid IS 'Transaction: together with the id a position in the log.';

-- Retention alone may delete, and says so: SET LOCAL dovetail.retention = 'on'.
CREATE FUNCTION event_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'UPDATE' AND current_setting('dovetail.retention', true) = 'on' THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'The event log cannot be changed.';
END
$$;
CREATE TRIGGER event_is_immutable BEFORE UPDATE OR DELETE ON event
	FOR EACH ROW EXECUTE FUNCTION event_is_immutable();
CREATE TRIGGER event_is_not_truncated BEFORE TRUNCATE ON event
	FOR EACH STATEMENT EXECUTE FUNCTION event_is_immutable();

CREATE TYPE webhook_status AS ENUM ('active', 'paused', 'disabled');

CREATE TABLE webhook (
	id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version          bigint NOT NULL DEFAULT 1,
	created_at       timestamptz NOT NULL DEFAULT now(),
	updated_at       timestamptz NOT NULL DEFAULT now(),
	external_ref     text UNIQUE,
	name             varchar(200) NOT NULL,
	url              varchar(2000) NOT NULL CHECK (url ~ '^https?://[^\s/]'),
	-- One LIKE pattern per element once * is %: so nothing but these characters.
	events           text[] NOT NULL DEFAULT '{*}' CHECK (
		cardinality(events) > 0 AND array_to_string(events, ' ', '?') ~ '^[a-z0-9_.*]+( [a-z0-9_.*]+)*$'),
	secret           text NOT NULL CHECK (secret ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$'),
	old_secret       text,
	old_secret_until timestamptz,
	status           webhook_status NOT NULL DEFAULT 'active',
	skip_origin      text[] NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE webhook IS 'Webhook: another system that is told about changes.';
COMMENT ON COLUMN webhook.id IS 'Id.';
COMMENT ON COLUMN webhook.version IS 'Version: counts changes.';
COMMENT ON COLUMN webhook.created_at IS 'Created.';
COMMENT ON COLUMN webhook.updated_at IS 'Updated.';
COMMENT ON COLUMN webhook.external_ref IS 'External reference: the other system''s name for it.';
COMMENT ON COLUMN webhook.name IS 'Name: for people.';
COMMENT ON COLUMN webhook.url IS 'URL: where changes are posted; https, or http on this machine.';
COMMENT ON COLUMN webhook.events IS 'Events: event types, with * for any part, as in account.*';
COMMENT ON COLUMN webhook.secret IS 'Secret: signs each message; whsec_ and base64.';
COMMENT ON COLUMN webhook.old_secret IS 'Old secret: signs too for a while after a rotation.';
COMMENT ON COLUMN webhook.old_secret_until IS 'Old secret until: when it stops signing.';
COMMENT ON COLUMN webhook.status IS 'Status: paused collects, disabled gets nothing new.';
COMMENT ON COLUMN webhook.skip_origin IS 'Skipped origins: changes made by these are not sent.';

CREATE TYPE webhook_delivery_status AS ENUM ('pending', 'delivered');

CREATE TABLE webhook_delivery (
	id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version        bigint NOT NULL DEFAULT 1,
	created_at     timestamptz NOT NULL DEFAULT now(),
	updated_at     timestamptz NOT NULL DEFAULT now(),
	webhook_id     bigint NOT NULL REFERENCES webhook ON DELETE CASCADE,
	event_id       bigint NOT NULL,
	entity         text NOT NULL,
	record_id      bigint NOT NULL,
	record_version bigint NOT NULL,
	status         webhook_delivery_status NOT NULL DEFAULT 'pending',
	attempts       int NOT NULL DEFAULT 0,
	next_at        timestamptz NOT NULL DEFAULT now(),
	delivered_at   timestamptz,
	last_status    int,
	last_error     text,
	UNIQUE (webhook_id, event_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
	autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- The order in which the sender walks: lane by lane, each lane by version.
CREATE INDEX ON webhook_delivery (webhook_id, entity, record_id, record_version)
	WHERE status = 'pending';

COMMENT ON TABLE webhook_delivery IS 'Webhook delivery: one event for one webhook.';
COMMENT ON COLUMN webhook_delivery.id IS 'Id.';
COMMENT ON COLUMN webhook_delivery.version IS 'Version: counts changes.';
COMMENT ON COLUMN webhook_delivery.created_at IS 'Created.';
COMMENT ON COLUMN webhook_delivery.updated_at IS 'Updated.';
COMMENT ON COLUMN webhook_delivery.webhook_id IS 'Webhook: who is told.';
COMMENT ON COLUMN webhook_delivery.event_id IS 'Event: what happened.';
COMMENT ON COLUMN webhook_delivery.entity IS 'Entity: what kind of record was changed.';
COMMENT ON COLUMN webhook_delivery.record_id IS 'Record: which one.';
COMMENT ON COLUMN webhook_delivery.record_version IS 'Record version: deliveries of a record go in this order.';
COMMENT ON COLUMN webhook_delivery.status IS 'Status: pending until the other system has confirmed.';
COMMENT ON COLUMN webhook_delivery.attempts IS 'Attempts: how often it was tried.';
COMMENT ON COLUMN webhook_delivery.next_at IS 'Next attempt: not before this.';
COMMENT ON COLUMN webhook_delivery.delivered_at IS 'Delivered: when the other system confirmed.';
COMMENT ON COLUMN webhook_delivery.last_status IS 'Last status: HTTP status of the last attempt; 0 without an answer.';
COMMENT ON COLUMN webhook_delivery.last_error IS 'Last error: why the last attempt failed.';
