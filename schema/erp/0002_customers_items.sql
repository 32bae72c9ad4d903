-- schema/erp/0002_customers_items.sql -- who buys, what is sold, and at what price.

CREATE TABLE price_list (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	name varchar(120) NOT NULL UNIQUE,
	currency varchar(3) NOT NULL DEFAULT company_currency() REFERENCES currency (code),
	active boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE price_list IS 'Price list: prices for the customers it is given to; others pay the item''s own price.';

CREATE TYPE customer_credit_status AS ENUM ('ok', 'watch', 'hold');
CREATE SEQUENCE customer_number_seq;

CREATE TABLE customer (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(20) NOT NULL UNIQUE DEFAULT plain_number('C', 'customer_number_seq'),
	external_ref varchar(120) UNIQUE,
	source_version bigint,
	name varchar(200) NOT NULL CHECK (btrim(name) <> ''),
	parent_id bigint REFERENCES customer,
	tax_id varchar(60),
	currency varchar(3) NOT NULL DEFAULT company_currency() REFERENCES currency (code),
	payment_terms_days int NOT NULL DEFAULT company_terms() CHECK (payment_terms_days BETWEEN 0 AND 3650),
	price_list_id bigint REFERENCES price_list,
	billing_street varchar(200),
	billing_city varchar(120),
	billing_region varchar(120),
	billing_postal_code varchar(30),
	billing_country varchar(80),
	shipping_street varchar(200),
	shipping_city varchar(120),
	shipping_region varchar(120),
	shipping_postal_code varchar(30),
	shipping_country varchar(80),
	phone varchar(60),
	email varchar(254),
	credit_limit numeric(18,2) CHECK (credit_limit >= 0),
	credit_status customer_credit_status NOT NULL DEFAULT 'ok',
	active boolean NOT NULL DEFAULT true,
	CONSTRAINT customer_parent_id_check CHECK (parent_id <> id)
);
CREATE INDEX ON customer (parent_id);
CREATE INDEX ON customer (name);
COMMENT ON TABLE customer IS 'Customer: who buys from us and owes for it.';
COMMENT ON COLUMN customer.external_ref IS 'External reference: the other system''s name for it.';
COMMENT ON COLUMN customer.credit_limit IS 'Credit limit: open balance plus confirmed orders may not exceed it; empty is no limit.';
COMMENT ON COLUMN customer.credit_status IS 'Credit status: orders of a customer on hold are not confirmed.';

CREATE TYPE item_type AS ENUM ('goods', 'service');

CREATE TABLE item (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	sku varchar(60) NOT NULL UNIQUE CHECK (btrim(sku) <> ''),
	external_ref varchar(120) UNIQUE,
	source_version bigint,
	name varchar(200) NOT NULL CHECK (btrim(name) <> ''),
	description text,
	unit varchar(20) NOT NULL DEFAULT 'pcs',
	type item_type NOT NULL DEFAULT 'goods',
	active boolean NOT NULL DEFAULT true,
	unit_cost numeric(18,4) NOT NULL DEFAULT 0 CHECK (unit_cost >= 0),
	lead_time_days int NOT NULL DEFAULT 14 CHECK (lead_time_days BETWEEN 0 AND 3650)
);
CREATE INDEX ON item (name);
COMMENT ON TABLE item IS 'Item: what is bought, stored, made and sold.';
COMMENT ON COLUMN item.sku IS 'SKU: the number people know it by.';
COMMENT ON COLUMN item.type IS 'Type: goods have stock; a service has none and never holds up a delivery.';
COMMENT ON COLUMN item.unit_cost IS 'Unit cost: moving average of what is in stock.';
COMMENT ON COLUMN item.lead_time_days IS 'Lead time: days until missing stock can be there; promises are made from it.';

CREATE TABLE item_price (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	item_id bigint NOT NULL REFERENCES item ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	currency varchar(3) NOT NULL DEFAULT company_currency() REFERENCES currency (code),
	unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0),
	CONSTRAINT item_price_currency_key UNIQUE (item_id, currency) DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE item_price IS 'Price: what one unit costs in a currency.';

CREATE TABLE item_component (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	item_id bigint NOT NULL REFERENCES item ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	component_id bigint NOT NULL REFERENCES item,
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	CONSTRAINT item_component_component_id_key UNIQUE (item_id, component_id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON item_component (component_id);
COMMENT ON TABLE item_component IS 'Component: what a bundle consists of; the bundle is sold, its components move.';

CREATE TABLE price_list_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	price_list_id bigint NOT NULL REFERENCES price_list ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	item_id bigint NOT NULL REFERENCES item,
	unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0),
	CONSTRAINT price_list_entry_item_id_key UNIQUE (price_list_id, item_id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON price_list_entry (item_id);

-- What one unit costs this customer: his price list first, then the item's own price.
CREATE FUNCTION unit_price_for(customer bigint, item bigint, wanted varchar) RETURNS numeric
LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT e.unit_price FROM customer c
			JOIN price_list p ON p.id = c.price_list_id AND p.active AND p.currency = $3
			JOIN price_list_entry e ON e.price_list_id = p.id AND e.item_id = $2
			WHERE c.id = $1),
		(SELECT p.unit_price FROM item_price p WHERE p.item_id = $2 AND p.currency = $3))
$$;
