-- schema/erp/0004_sales.sql -- sales orders, what is reserved for them, and what was delivered.

CREATE TYPE sales_order_status AS ENUM ('draft', 'confirmed', 'on_hold', 'partially_delivered',
	'delivered', 'completed', 'closed', 'cancelled');
CREATE TYPE sales_order_delivery_status AS ENUM ('none', 'partial', 'full');
CREATE TYPE sales_order_invoice_status AS ENUM ('none', 'partial', 'full');
CREATE TYPE sales_order_tax_mode AS ENUM ('none', 'exclusive', 'inclusive');
CREATE SEQUENCE sales_order_number_seq;

CREATE TABLE sales_order (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(30) NOT NULL UNIQUE DEFAULT document_number('SO', 'sales_order_number_seq'),
	external_ref varchar(120) UNIQUE,
	source_version bigint,
	customer_id bigint NOT NULL REFERENCES customer,
	customer_reference varchar(120),
	order_date date NOT NULL DEFAULT current_date,
	requested_date date,
	promised_date date,
	currency varchar(3) NOT NULL DEFAULT '' REFERENCES currency (code),
	tax_mode sales_order_tax_mode NOT NULL DEFAULT 'none',
	warehouse_id bigint NOT NULL DEFAULT default_warehouse() REFERENCES warehouse,
	payment_terms_days int CHECK (payment_terms_days BETWEEN 0 AND 3650),
	agreed_total numeric(18,2),
	amount numeric(18,2) NOT NULL DEFAULT 0,
	tax_amount numeric(18,2) NOT NULL DEFAULT 0,
	total numeric(18,2) NOT NULL DEFAULT 0,
	invoiced_total numeric(18,2) NOT NULL DEFAULT 0,
	status sales_order_status NOT NULL DEFAULT 'draft',
	delivery_status sales_order_delivery_status NOT NULL DEFAULT 'none',
	invoice_status sales_order_invoice_status NOT NULL DEFAULT 'none',
	hold_reason varchar(400),
	confirmed_at timestamptz,
	held_at timestamptz,
	closed_at timestamptz,
	cancelled_at timestamptz,
	notes text
);
CREATE INDEX ON sales_order (customer_id, status);
CREATE INDEX ON sales_order (status, order_date);
CREATE INDEX sales_order_exposure ON sales_order (customer_id) INCLUDE (total, invoiced_total)
	WHERE confirmed_at IS NOT NULL AND closed_at IS NULL AND cancelled_at IS NULL;

CREATE FUNCTION sales_order_currency() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.currency := coalesce((SELECT c.currency FROM customer c WHERE c.id = NEW.customer_id),
		company_currency());
	RETURN NEW;
END $$;

CREATE TRIGGER sales_order_currency BEFORE INSERT ON sales_order
	FOR EACH ROW WHEN (NEW.currency = '') EXECUTE FUNCTION sales_order_currency();

COMMENT ON TABLE sales_order IS 'Sales order: what a customer has ordered, and how far it is.';
COMMENT ON COLUMN sales_order.currency IS 'Currency: the customer''s when none is given.';
COMMENT ON COLUMN sales_order.customer_reference IS 'Customer reference: his own order number.';
COMMENT ON COLUMN sales_order.requested_date IS 'Requested date: when the customer wants it.';
COMMENT ON COLUMN sales_order.promised_date IS 'Promised date: when all of it can leave, as of the last check.';
COMMENT ON COLUMN sales_order.payment_terms_days IS 'Payment terms: days to pay; the customer''s own when empty.';
COMMENT ON COLUMN sales_order.agreed_total IS 'Agreed total: what was sold; an order that comes to another total is refused.';
COMMENT ON COLUMN sales_order.invoiced_total IS 'Invoiced total: posted invoices less credit notes.';
COMMENT ON COLUMN sales_order.status IS 'Status: follows from the lines'' quantities and from what was decided.';

CREATE TABLE sales_order_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sales_order_id bigint NOT NULL REFERENCES sales_order ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	item_id bigint NOT NULL REFERENCES item,
	description varchar(400),
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0),
	discount_percent numeric(7,4) NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
	tax_percent numeric(7,4) NOT NULL DEFAULT 0 CHECK (tax_percent BETWEEN 0 AND 100),
	amount numeric(18,2) GENERATED ALWAYS AS
		(round(quantity * unit_price * (100 - discount_percent) / 100, 2)) STORED,
	tax_amount numeric(18,2) NOT NULL DEFAULT 0,
	reserved numeric(18,4) NOT NULL DEFAULT 0,
	delivered numeric(18,4) NOT NULL DEFAULT 0,
	invoiced numeric(18,4) NOT NULL DEFAULT 0,
	lost numeric(18,4) NOT NULL DEFAULT 0,
	short numeric(18,4) NOT NULL DEFAULT 0,
	source_line varchar(120)
);
CREATE INDEX ON sales_order_line (sales_order_id);
CREATE INDEX ON sales_order_line (item_id);
CREATE INDEX sales_order_line_short ON sales_order_line (item_id) WHERE short > 0;
COMMENT ON COLUMN sales_order_line.amount IS 'Amount: quantity at unit price less discount, rounded to cents.';
COMMENT ON COLUMN sales_order_line.tax_amount IS 'Tax: on top of the amount, or contained in it.';
COMMENT ON COLUMN sales_order_line.reserved IS 'Reserved: held in the warehouse for this line.';
COMMENT ON COLUMN sales_order_line.lost IS 'Lost: ordered but never delivered when the order was closed.';
COMMENT ON COLUMN sales_order_line.short IS 'Short: confirmed but not yet in stock; arriving stock goes there, oldest order first.';
COMMENT ON COLUMN sales_order_line.source_line IS 'Source line: the line in the system the order came from.';

-- What a bundle line consists of, as it was when the order was confirmed.
CREATE TABLE sales_order_component (
	order_line_id bigint NOT NULL REFERENCES sales_order_line ON DELETE CASCADE,
	item_id bigint NOT NULL REFERENCES item,
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	PRIMARY KEY (order_line_id, item_id)
);
CREATE INDEX ON sales_order_component (item_id);

-- Which items, and how many of each per unit of the line, a line takes out of stock.
CREATE VIEW order_demand AS
	SELECT l.sales_order_id, l.id AS order_line_id, l.item_id, 1::numeric AS per, false AS bundle
	FROM sales_order_line l JOIN item i ON i.id = l.item_id
	WHERE i.type = 'goods'
	AND NOT EXISTS (SELECT FROM sales_order_component c WHERE c.order_line_id = l.id)
	UNION ALL
	SELECT l.sales_order_id, l.id, c.item_id, c.quantity, true
	FROM sales_order_line l
	JOIN sales_order_component c ON c.order_line_id = l.id
	JOIN item i ON i.id = c.item_id
	WHERE i.type = 'goods';

CREATE TYPE stock_reservation_status AS ENUM ('active', 'consumed', 'released');

CREATE TABLE stock_reservation (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	sales_order_id bigint NOT NULL REFERENCES sales_order,
	order_line_id bigint NOT NULL REFERENCES sales_order_line,
	item_id bigint NOT NULL REFERENCES item,
	warehouse_id bigint NOT NULL REFERENCES warehouse,
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	consumed numeric(18,4) NOT NULL DEFAULT 0,
	status stock_reservation_status NOT NULL DEFAULT 'active',
	CONSTRAINT stock_reservation_consumed_check CHECK (consumed BETWEEN 0 AND quantity)
);
CREATE UNIQUE INDEX stock_reservation_active ON stock_reservation
	(order_line_id, item_id, warehouse_id) WHERE status = 'active';
CREATE INDEX stock_reservation_level ON stock_reservation (item_id, warehouse_id)
	INCLUDE (quantity, consumed) WHERE status = 'active';
CREATE INDEX ON stock_reservation (sales_order_id);
COMMENT ON TABLE stock_reservation IS 'Reservation: stock held for a line of an order.';
COMMENT ON COLUMN stock_reservation.consumed IS 'Consumed: shipped out of it; the rest is still held while it is active.';

-- On hand and reserved by item and warehouse.
CREATE VIEW item_stock AS
	SELECT item_id, warehouse_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved
	FROM (
		SELECT item_id, warehouse_id, quantity AS on_hand, 0::numeric AS reserved FROM stock_level
		UNION ALL
		SELECT item_id, warehouse_id, 0, quantity - consumed FROM stock_reservation
		WHERE status = 'active'
	) both_sides
	GROUP BY item_id, warehouse_id;

-- The same by item, in one look at its moves.
CREATE VIEW item_own_level AS
	SELECT i.id AS item_id, i.type,
		(SELECT coalesce(sum(CASE WHEN m.to_warehouse_id IS NULL THEN 0 ELSE m.quantity END
				- CASE WHEN m.from_warehouse_id IS NULL THEN 0 ELSE m.quantity END), 0)
			FROM stock_move m WHERE m.item_id = i.id AND m.status = 'done')::numeric(18,4) AS on_hand,
		(SELECT coalesce(sum(r.quantity - r.consumed), 0)
			FROM stock_reservation r WHERE r.item_id = i.id AND r.status = 'active')::numeric(18,4) AS reserved
	FROM item i;

-- Available is what can still be promised: of a bundle, as many as its
-- scarcest component allows.
CREATE VIEW item_level AS
	SELECT b.item_id, b.on_hand, b.reserved,
		CASE WHEN EXISTS (SELECT FROM item_component c WHERE c.item_id = b.item_id)
			THEN coalesce((SELECT min(trunc((p.on_hand - p.reserved) / c.quantity))
				FROM item_component c
				JOIN item_own_level p ON p.item_id = c.component_id AND p.type = 'goods'
				WHERE c.item_id = b.item_id), 0)
			ELSE b.on_hand - b.reserved END AS available
	FROM item_own_level b;

-- Gives free stock to the open bundle lines of an order and answers whether there was any. The
-- caller holds the row locks of the items; a line that needs others is left alone. Never gives
-- more than is free, nor more than is still open.
CREATE FUNCTION stock_reserve_bundles(wanted bigint, items bigint[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	line record;
	give numeric;
	given boolean := false;
BEGIN
	FOR line IN
		SELECT l.id, o.warehouse_id, l.quantity - l.lost - l.delivered - l.reserved AS open
		FROM sales_order o JOIN sales_order_line l ON l.sales_order_id = o.id
		WHERE o.id = wanted AND l.quantity - l.lost - l.delivered - l.reserved > 0
		AND EXISTS (SELECT FROM sales_order_component c WHERE c.order_line_id = l.id)
		AND NOT EXISTS (SELECT FROM order_demand d
			WHERE d.order_line_id = l.id AND d.item_id <> ALL (items))
		ORDER BY l.position, l.id
	LOOP
		SELECT min(trunc(s.free / d.per)) INTO give
		FROM order_demand d
		CROSS JOIN LATERAL (
			SELECT coalesce(sum(i.on_hand - i.reserved), 0) AS free FROM item_stock i
			WHERE i.item_id = d.item_id AND i.warehouse_id = line.warehouse_id
		) s
		WHERE d.order_line_id = line.id;
		give := least(give, line.open);
		IF give > 0 THEN
			INSERT INTO stock_reservation AS r
				(sales_order_id, order_line_id, item_id, warehouse_id, quantity)
			SELECT wanted, line.id, d.item_id, line.warehouse_id, give * d.per
			FROM order_demand d WHERE d.order_line_id = line.id
			ON CONFLICT (order_line_id, item_id, warehouse_id) WHERE status = 'active'
			DO UPDATE SET quantity = r.quantity + excluded.quantity,
				version = r.version + 1, updated_at = now();
			given := true;
		END IF;
	END LOOP;
	RETURN given;
END $$;

-- Takes reservations back, newest order first, until no more is reserved than there is, and
-- answers the orders that lost some. The caller holds the item's row lock.
CREATE FUNCTION stock_unreserve(item bigint, warehouse bigint) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	line record;
	missing numeric := (SELECT reserved - on_hand FROM item_stock
		WHERE item_id = item AND warehouse_id = warehouse);
BEGIN
	FOR line IN
		SELECT r.order_line_id, r.sales_order_id, r.quantity - r.consumed AS held
		FROM stock_reservation r JOIN sales_order o ON o.id = r.sales_order_id
		WHERE r.item_id = item AND r.warehouse_id = warehouse AND r.status = 'active'
		ORDER BY o.confirmed_at DESC, o.id DESC, r.id DESC
	LOOP
		EXIT WHEN coalesce(missing, 0) <= 0;
		UPDATE stock_reservation SET version = version + 1, updated_at = now(), status = 'released'
		WHERE order_line_id = line.order_line_id AND status = 'active';
		missing := missing - line.held;
		RETURN NEXT line.sales_order_id;
	END LOOP;
END $$;

CREATE TYPE delivery_status AS ENUM
	('draft', 'picked', 'packed', 'shipped', 'delivered', 'returned', 'cancelled');
CREATE SEQUENCE delivery_number_seq;

CREATE TABLE delivery (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(30) NOT NULL UNIQUE DEFAULT document_number('DL', 'delivery_number_seq'),
	sales_order_id bigint NOT NULL REFERENCES sales_order,
	customer_id bigint NOT NULL REFERENCES customer,
	warehouse_id bigint NOT NULL REFERENCES warehouse,
	status delivery_status NOT NULL DEFAULT 'draft',
	carrier varchar(80),
	tracking_number varchar(80),
	picked_at timestamptz,
	packed_at timestamptz,
	shipped_at timestamptz,
	delivered_at timestamptz,
	cancelled_at timestamptz,
	cost numeric(18,2) NOT NULL DEFAULT 0
);
CREATE INDEX ON delivery (sales_order_id);
CREATE INDEX ON delivery (customer_id);
CREATE INDEX ON delivery (status);
COMMENT ON TABLE delivery IS 'Delivery: goods leaving a warehouse for a customer.';
COMMENT ON COLUMN delivery.cost IS 'Cost: what the shipped goods were worth in our books.';

CREATE TABLE delivery_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	delivery_id bigint NOT NULL REFERENCES delivery ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	order_line_id bigint NOT NULL REFERENCES sales_order_line,
	item_id bigint NOT NULL REFERENCES item,
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0)
);
CREATE INDEX ON delivery_line (delivery_id);
CREATE INDEX ON delivery_line (order_line_id);
