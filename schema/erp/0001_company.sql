-- schema/erp/0001_company.sql -- the company itself, currencies, and how documents get numbers.

CREATE TABLE currency (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	code varchar(3) NOT NULL UNIQUE CHECK (code ~ '^[A-Z]{3}$'),
	minor_unit smallint NOT NULL DEFAULT 2 CHECK (minor_unit BETWEEN 0 AND 4),
	name varchar(80) NOT NULL
);
COMMENT ON TABLE currency IS 'Currency: what amounts are counted in.';
COMMENT ON COLUMN currency.code IS 'Code: three letters of ISO 4217.';
COMMENT ON COLUMN currency.minor_unit IS 'Minor unit: decimals of the smallest coin.';

CREATE TABLE company (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	name varchar(200) NOT NULL,
	currency varchar(3) NOT NULL DEFAULT 'USD' REFERENCES currency (code),
	payment_terms_days int NOT NULL DEFAULT 30 CHECK (payment_terms_days BETWEEN 0 AND 3650)
);
CREATE UNIQUE INDEX company_one ON company ((true));
COMMENT ON TABLE company IS 'Company: the one whose books these are.';
COMMENT ON COLUMN company.currency IS 'Currency: the books are kept in it.';
COMMENT ON COLUMN company.payment_terms_days IS 'Payment terms: days a new customer has to pay.';

CREATE FUNCTION company_currency() RETURNS varchar
LANGUAGE sql STABLE AS 'SELECT currency FROM company';

CREATE FUNCTION company_terms() RETURNS int
LANGUAGE sql STABLE AS 'SELECT payment_terms_days FROM company';

-- "SO-2026-00017" from a sequence: never blocks, may have gaps.
CREATE FUNCTION document_number(prefix text, series regclass) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	n text := nextval(series)::text;
BEGIN
	RETURN prefix || '-' || to_char(current_date, 'YYYY') || '-' || lpad(n, greatest(5, length(n)), '0');
END $$;

-- "C-00017", for what has no year.
CREATE FUNCTION plain_number(prefix text, series regclass) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	n text := nextval(series)::text;
BEGIN
	RETURN prefix || '-' || lpad(n, greatest(5, length(n)), '0');
END $$;

-- Gapless numbers: the row stays locked until the document that took one is committed.
CREATE TABLE number_series (
	series text NOT NULL,
	year int NOT NULL,
	last bigint NOT NULL,
	PRIMARY KEY (series, year)
);

CREATE FUNCTION gapless_number(wanted text, day date) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	n text;
BEGIN
	INSERT INTO number_series AS s (series, year, last) VALUES (wanted, extract(year FROM day)::int, 1)
	ON CONFLICT (series, year) DO UPDATE SET last = s.last + 1
	RETURNING last::text INTO n;
	RETURN wanted || '-' || to_char(day, 'YYYY') || '-' || lpad(n, greatest(5, length(n)), '0');
END $$;

-- For rows that are history: a mistake is corrected by another row.
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'A row of % is never changed or deleted', TG_TABLE_NAME
		USING HINT = 'Correct it by a document that reverses it.';
END $$;
