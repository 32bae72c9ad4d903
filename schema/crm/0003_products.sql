-- schema/crm/0003_products.sql -- what is sold, its prices per book and currency, and bundles.

CREATE TYPE product_type AS ENUM ('goods', 'service');

CREATE TABLE product (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) UNIQUE,
	source_version bigint,
	sku varchar(60) NOT NULL UNIQUE CHECK (sku <> ''),
	name varchar(200) NOT NULL CHECK (name <> ''),
	description text,
	unit varchar(20) NOT NULL DEFAULT 'pcs' CHECK (unit <> ''),
	type product_type NOT NULL DEFAULT 'goods',
	active boolean NOT NULL DEFAULT true,
	list_price numeric(18,4) CHECK (list_price >= 0)
);
CREATE INDEX product_name_idx ON product (name, id);
CREATE INDEX product_active_idx ON product (active, id);
COMMENT ON TABLE product IS 'Product: something we sell.';
COMMENT ON COLUMN product.sku IS 'SKU: its one name in both systems.';
COMMENT ON COLUMN product.name IS 'Name';
COMMENT ON COLUMN product.description IS 'Description';
COMMENT ON COLUMN product.unit IS 'Unit: what a quantity of 1 is.';
COMMENT ON COLUMN product.type IS 'Type: goods are stocked and shipped, services are not.';
COMMENT ON COLUMN product.active IS 'Active: may be sold.';
COMMENT ON COLUMN product.list_price IS
	'List price: the default price book''s price in that book''s currency.';

CREATE TABLE price_book_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	product_id bigint NOT NULL REFERENCES product (id) ON DELETE CASCADE,
	position int NOT NULL,
	price_book_id bigint NOT NULL DEFAULT default_price_book() REFERENCES price_book (id),
	currency varchar(3) NOT NULL DEFAULT 'USD' REFERENCES currency (code),
	unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0),
	CONSTRAINT price_book_entry_currency_key UNIQUE (product_id, price_book_id, currency)
);
CREATE INDEX price_book_entry_price_book_id_idx ON price_book_entry (price_book_id, currency);
CREATE INDEX price_book_entry_currency_idx ON price_book_entry (currency);
COMMENT ON TABLE price_book_entry IS
	'Price book entry: the price of a product in one book and currency.';
COMMENT ON COLUMN price_book_entry.product_id IS 'Product';
COMMENT ON COLUMN price_book_entry.position IS 'Position';
COMMENT ON COLUMN price_book_entry.price_book_id IS 'Price book';
COMMENT ON COLUMN price_book_entry.currency IS 'Currency';
COMMENT ON COLUMN price_book_entry.unit_price IS 'Unit price';

CREATE TABLE product_component (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	product_id bigint NOT NULL REFERENCES product (id) ON DELETE CASCADE,
	position int NOT NULL,
	component_id bigint NOT NULL REFERENCES product (id),
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	CONSTRAINT product_component_component_id_key UNIQUE (product_id, component_id)
);
CREATE INDEX product_component_component_id_idx ON product_component (component_id);
COMMENT ON TABLE product_component IS 'Component: what one bundle is made of.';
COMMENT ON COLUMN product_component.product_id IS 'Bundle';
COMMENT ON COLUMN product_component.position IS 'Position';
COMMENT ON COLUMN product_component.component_id IS 'Component';
COMMENT ON COLUMN product_component.quantity IS 'Quantity: in one bundle.';
