-- schema/erp/0003_stock.sql -- stock is what the moves between locations add up to, never a counter.

CREATE TABLE warehouse (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	code varchar(20) NOT NULL UNIQUE CHECK (btrim(code) <> ''),
	name varchar(120) NOT NULL,
	active boolean NOT NULL DEFAULT true,
	is_default boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX warehouse_is_default_key ON warehouse (is_default) WHERE is_default;
COMMENT ON TABLE warehouse IS 'Warehouse: a place that holds stock.';
COMMENT ON COLUMN warehouse.is_default IS 'Default: taken where none is named.';

CREATE FUNCTION default_warehouse() RETURNS bigint
LANGUAGE sql STABLE AS 'SELECT id FROM warehouse WHERE is_default';

CREATE TYPE location_kind AS ENUM
	('storage', 'input', 'output', 'customer', 'supplier', 'production', 'inventory_loss');

CREATE TABLE location (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	warehouse_id bigint REFERENCES warehouse,
	code varchar(40) NOT NULL,
	name varchar(120) NOT NULL,
	kind location_kind NOT NULL DEFAULT 'storage',
	CONSTRAINT location_code_key UNIQUE NULLS NOT DISTINCT (warehouse_id, code),
	CONSTRAINT location_warehouse_id_check
		CHECK ((kind IN ('storage', 'input', 'output')) <= (warehouse_id IS NOT NULL))
);
COMMENT ON TABLE location IS 'Location: one end of a stock move.';
COMMENT ON COLUMN location.kind IS 'Kind: storage, input and output are ours; goods elsewhere are not on hand.';

CREATE TYPE stock_move_status AS ENUM ('draft', 'done', 'cancelled');

CREATE TABLE stock_move (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	item_id bigint NOT NULL REFERENCES item,
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	from_location_id bigint NOT NULL REFERENCES location,
	to_location_id bigint NOT NULL REFERENCES location,
	from_warehouse_id bigint REFERENCES warehouse,
	to_warehouse_id bigint REFERENCES warehouse,
	value numeric(18,2) NOT NULL DEFAULT 0,
	status stock_move_status NOT NULL DEFAULT 'done',
	moved_at timestamptz NOT NULL DEFAULT now(),
	source_entity varchar(60),
	source_id bigint,
	source_line_id bigint,
	CONSTRAINT stock_move_to_location_id_check CHECK (to_location_id <> from_location_id)
);
CREATE INDEX stock_move_level ON stock_move (item_id)
	INCLUDE (from_warehouse_id, to_warehouse_id, quantity, value) WHERE status = 'done';
CREATE INDEX ON stock_move (source_entity, source_id);
COMMENT ON TABLE stock_move IS 'Stock move: a quantity that went from one location to another.';
COMMENT ON COLUMN stock_move.value IS 'Value: what the quantity cost.';
COMMENT ON COLUMN stock_move.from_warehouse_id IS 'From warehouse: whose stock it lowered; empty when it was not ours.';
COMMENT ON COLUMN stock_move.to_warehouse_id IS 'To warehouse: whose stock it raised; empty when it is not ours.';

CREATE FUNCTION stock_move_warehouses() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.from_warehouse_id := (SELECT l.warehouse_id FROM location l
		WHERE l.id = NEW.from_location_id AND l.kind IN ('storage', 'input', 'output'));
	NEW.to_warehouse_id := (SELECT l.warehouse_id FROM location l
		WHERE l.id = NEW.to_location_id AND l.kind IN ('storage', 'input', 'output'));
	RETURN NEW;
END $$;

CREATE TRIGGER stock_move_warehouses BEFORE INSERT ON stock_move
	FOR EACH ROW EXECUTE FUNCTION stock_move_warehouses();
CREATE TRIGGER stock_move_done BEFORE UPDATE OR DELETE ON stock_move
	FOR EACH ROW WHEN (OLD.status = 'done') EXECUTE FUNCTION refuse_change();

-- What moves have made of a location's warehouse is history: it does not move itself.
CREATE TRIGGER location_kept BEFORE UPDATE ON location
	FOR EACH ROW WHEN (OLD.kind <> NEW.kind OR OLD.warehouse_id IS DISTINCT FROM NEW.warehouse_id)
	EXECUTE FUNCTION refuse_change();

-- Each done move as what it did to our warehouses; their sum is what is on hand.
CREATE VIEW stock_level AS
	SELECT item_id, to_warehouse_id AS warehouse_id, quantity, value
	FROM stock_move WHERE status = 'done' AND to_warehouse_id IS NOT NULL
	UNION ALL
	SELECT item_id, from_warehouse_id, -quantity, -value
	FROM stock_move WHERE status = 'done' AND from_warehouse_id IS NOT NULL;

CREATE SEQUENCE stock_adjustment_number_seq;

CREATE TABLE stock_adjustment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(30) NOT NULL UNIQUE DEFAULT document_number('ADJ', 'stock_adjustment_number_seq'),
	warehouse_id bigint NOT NULL DEFAULT default_warehouse() REFERENCES warehouse,
	item_id bigint NOT NULL REFERENCES item,
	quantity numeric(18,4) NOT NULL CHECK (quantity <> 0),
	unit_cost numeric(18,4) CHECK (unit_cost >= 0),
	value numeric(18,2) NOT NULL DEFAULT 0,
	reason varchar(400) NOT NULL CHECK (btrim(reason) <> '')
);
CREATE INDEX ON stock_adjustment (item_id);
COMMENT ON TABLE stock_adjustment IS 'Stock adjustment: stock found, lost or brought in without an order; takes effect at once.';
COMMENT ON COLUMN stock_adjustment.quantity IS 'Quantity: more than 0 adds, less than 0 takes away.';
COMMENT ON COLUMN stock_adjustment.unit_cost IS 'Unit cost: of what is added; the item''s own when empty.';
