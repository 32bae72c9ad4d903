-- schema/erp/0007_periods.sql -- accounting periods: up to the end of the last closed one, books stay as they are.

CREATE TYPE period_status AS ENUM ('open', 'closed');

-- Days in no period are open until a later period is closed.
CREATE TABLE period (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	code varchar(20) NOT NULL UNIQUE CHECK (btrim(code) <> ''),
	starts_on date NOT NULL,
	ends_on date NOT NULL,
	status period_status NOT NULL DEFAULT 'open',
	closed_at timestamptz,
	CONSTRAINT period_ends_on_check CHECK (ends_on >= starts_on),
	CONSTRAINT period_starts_on_excl EXCLUDE USING gist (daterange(starts_on, ends_on, '[]') WITH &&)
);
CREATE INDEX period_closed ON period (ends_on) WHERE status = 'closed';
COMMENT ON TABLE period IS 'Period: days whose books are closed together, as a month.';
COMMENT ON COLUMN period.code IS 'Code: as in 2026-11, which is that month when no days are given.';
COMMENT ON COLUMN period.starts_on IS 'Starts on';
COMMENT ON COLUMN period.ends_on IS 'Ends on';
COMMENT ON COLUMN period.status IS 'Status: nothing is posted into a closed period, nor before one.';
COMMENT ON COLUMN period.closed_at IS 'Closed at';

-- Posting and closing exclude each other, so that nothing is posted behind a closing; those who post
-- do not wait for each other. The name of the constraint is the code of the problem, the detail its
-- members.
CREATE FUNCTION period_lock_key() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT hashtextextended(current_schema() || '.period', 0) $$;

CREATE FUNCTION period_check(day date) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	shut record;
BEGIN
	PERFORM pg_advisory_xact_lock_shared(period_lock_key());
	SELECT p.id, p.code, p.starts_on, p.ends_on INTO shut
	FROM period p WHERE p.status = 'closed' AND p.ends_on >= day
	ORDER BY p.ends_on LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '% lies in or before period %, which is closed', day, shut.code
			USING CONSTRAINT = 'period_closed',
			HINT = format('Use a later date, or let finance open period %s again.', shut.code),
			DETAIL = json_build_object('date', day, 'period', shut.code,
				'starts_on', shut.starts_on, 'ends_on', shut.ends_on,
				'depends_on', json_build_array('period:' || shut.id));
	END IF;
END $$;

CREATE FUNCTION journal_entry_period() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM period_check(NEW.entry_date);
	RETURN NEW;
END $$;

CREATE TRIGGER journal_entry_period BEFORE INSERT ON journal_entry
	FOR EACH ROW EXECUTE FUNCTION journal_entry_period();
