-- schema/crm/0001_settings.sql -- what sales sets once: currencies, reasons, pipelines, books.

CREATE TABLE currency (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	code varchar(3) NOT NULL UNIQUE CHECK (code ~ '^[A-Z]{3}$'),
	name varchar(80) NOT NULL
);
COMMENT ON TABLE currency IS 'Currency: a currency that prices and amounts may be in.';
COMMENT ON COLUMN currency.code IS 'Code: three capital letters of ISO 4217.';
COMMENT ON COLUMN currency.name IS 'Name';

INSERT INTO currency (code, name) VALUES
	('USD', 'US dollar'), ('EUR', 'Euro'), ('GBP', 'Pound sterling'), ('CHF', 'Swiss franc'),
	('CAD', 'Canadian dollar'), ('AUD', 'Australian dollar'), ('NZD', 'New Zealand dollar'),
	('SEK', 'Swedish krona'), ('NOK', 'Norwegian krone'), ('DKK', 'Danish krone'),
	('PLN', 'Polish zloty'), ('CZK', 'Czech koruna'), ('CNY', 'Chinese yuan'),
	('INR', 'Indian rupee'), ('BRL', 'Brazilian real'), ('MXN', 'Mexican peso'),
	('SGD', 'Singapore dollar'), ('HKD', 'Hong Kong dollar'), ('ZAR', 'South African rand');

CREATE TABLE loss_reason (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	code varchar(40) NOT NULL UNIQUE CHECK (code ~ '^[a-z][a-z0-9_]*$'),
	name varchar(80) NOT NULL UNIQUE,
	position int NOT NULL DEFAULT 100,
	needs_notes boolean NOT NULL DEFAULT false,
	active boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE loss_reason IS 'Loss reason: why a deal was lost.';
COMMENT ON COLUMN loss_reason.code IS 'Code: how programs name the reason.';
COMMENT ON COLUMN loss_reason.name IS 'Name';
COMMENT ON COLUMN loss_reason.position IS 'Position: lower comes first in lists.';
COMMENT ON COLUMN loss_reason.needs_notes IS 'Needs notes: the reason alone says too little.';
COMMENT ON COLUMN loss_reason.active IS 'Active: can be given for further deals.';

INSERT INTO loss_reason (code, name, position, needs_notes) VALUES
	('price', 'Price too high', 1, false),
	('competitor', 'Lost to a competitor', 2, false),
	('no_budget', 'No budget', 3, false),
	('no_decision', 'No decision', 4, false),
	('timing', 'Wrong time', 5, false),
	('product_fit', 'Product does not fit', 6, false),
	('delivery_time', 'Delivery too late', 7, false),
	('no_response', 'No response', 8, false),
	('duplicate', 'Duplicate deal', 9, false),
	('other', 'Other', 100, true);

CREATE TABLE pipeline (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	name varchar(80) NOT NULL UNIQUE,
	is_default boolean NOT NULL DEFAULT false,
	active boolean NOT NULL DEFAULT true
);
-- Named as PostgreSQL names a unique column, so that an error names the field.
CREATE UNIQUE INDEX pipeline_is_default_key ON pipeline (is_default) WHERE is_default;
COMMENT ON TABLE pipeline IS 'Pipeline: a way of selling, as a row of stages.';
COMMENT ON COLUMN pipeline.name IS 'Name';
COMMENT ON COLUMN pipeline.is_default IS 'Default: where a deal goes that names no pipeline.';
COMMENT ON COLUMN pipeline.active IS 'Active: takes further deals.';

CREATE TYPE stage_kind AS ENUM ('open', 'won', 'lost');
CREATE TYPE stage_forecast_category AS ENUM
	('omitted', 'pipeline', 'best_case', 'most_likely', 'commit', 'closed');

CREATE TABLE stage (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	pipeline_id bigint NOT NULL REFERENCES pipeline (id),
	name varchar(80) NOT NULL,
	position int NOT NULL DEFAULT 50,
	kind stage_kind NOT NULL DEFAULT 'open',
	probability numeric(7,4) NOT NULL DEFAULT 0 CHECK (probability BETWEEN 0 AND 100),
	forecast_category stage_forecast_category NOT NULL DEFAULT 'pipeline',
	CONSTRAINT stage_name_key UNIQUE (pipeline_id, name),
	CONSTRAINT stage_probability_check1 CHECK ((kind <> 'won' OR probability = 100)
		AND (kind <> 'lost' OR probability = 0))
);
CREATE INDEX stage_pipeline_id_idx ON stage (pipeline_id, position, id);
CREATE UNIQUE INDEX stage_kind_key ON stage (pipeline_id, kind) WHERE kind <> 'open';
COMMENT ON TABLE stage IS 'Stage: a step of a pipeline.';
COMMENT ON COLUMN stage.pipeline_id IS 'Pipeline';
COMMENT ON COLUMN stage.name IS 'Name';
COMMENT ON COLUMN stage.position IS 'Position: lower comes first.';
COMMENT ON COLUMN stage.kind IS
	'Kind: a pipeline has one won and one lost stage, reached by winning and losing.';
COMMENT ON COLUMN stage.probability IS
	'Probability: percent; what a deal gets when it enters the stage.';
COMMENT ON COLUMN stage.forecast_category IS 'Forecast category';

INSERT INTO pipeline (name, is_default) VALUES ('Sales', true);
INSERT INTO stage (pipeline_id, name, position, kind, probability, forecast_category)
SELECT p.id, s.name, s.position, s.kind::stage_kind, s.probability,
	s.category::stage_forecast_category
FROM pipeline p, (VALUES
	('Prospecting', 1, 'open', 10, 'pipeline'),
	('Qualification', 2, 'open', 20, 'pipeline'),
	('Proposal', 3, 'open', 50, 'best_case'),
	('Negotiation', 4, 'open', 80, 'commit'),
	('Closed Won', 90, 'won', 100, 'closed'),
	('Closed Lost', 91, 'lost', 0, 'omitted'))
	AS s (name, position, kind, probability, category);

CREATE TABLE price_book (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	name varchar(80) NOT NULL UNIQUE,
	currency varchar(3) NOT NULL DEFAULT 'USD' REFERENCES currency (code),
	is_default boolean NOT NULL DEFAULT false,
	active boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX price_book_is_default_key ON price_book (is_default) WHERE is_default;
CREATE INDEX price_book_currency_idx ON price_book (currency);
COMMENT ON TABLE price_book IS
	'Price book: a set of prices; one entry per product and currency, kept with the products.';
COMMENT ON COLUMN price_book.name IS 'Name';
COMMENT ON COLUMN price_book.currency IS 'Currency: what its list prices are in.';
COMMENT ON COLUMN price_book.is_default IS
	'Default: holds the list prices, and prices deals that name no book.';
COMMENT ON COLUMN price_book.active IS 'Active: may be named by further deals.';

INSERT INTO price_book (name, is_default) VALUES ('Standard', true);

-- Defaults of columns that must have a value although a client need not name one.
CREATE FUNCTION default_pipeline() RETURNS bigint LANGUAGE sql STABLE
	AS $$ SELECT id FROM pipeline WHERE is_default $$;
CREATE FUNCTION first_stage(pipeline bigint) RETURNS bigint LANGUAGE sql STABLE
	AS $$
		SELECT id FROM stage WHERE pipeline_id = pipeline AND kind = 'open'
		ORDER BY position, id LIMIT 1
	$$;
CREATE FUNCTION default_price_book() RETURNS bigint LANGUAGE sql STABLE
	AS $$ SELECT id FROM price_book WHERE is_default $$;
