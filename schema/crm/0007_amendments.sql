-- schema/crm/0007_amendments.sql -- proposals to change or cancel a deal that the ERP has taken as an order.

CREATE TYPE opportunity_amendment_kind AS ENUM ('amend', 'cancel');
CREATE TYPE opportunity_amendment_state AS ENUM ('pending', 'accepted', 'rejected', 'withdrawn');

CREATE TABLE opportunity_amendment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	opportunity_id bigint NOT NULL REFERENCES opportunity (id) ON DELETE CASCADE,
	revision int NOT NULL CHECK (revision > 0),
	kind opportunity_amendment_kind NOT NULL,
	state opportunity_amendment_state NOT NULL DEFAULT 'pending',
	tax_mode opportunity_tax_mode NOT NULL DEFAULT 'none',
	currency varchar(3) NOT NULL REFERENCES currency (code),
	amount numeric(18,2) NOT NULL DEFAULT 0,
	tax_amount numeric(18,2) NOT NULL DEFAULT 0,
	total numeric(18,2) NOT NULL DEFAULT 0,
	asked_reason text,
	asked_by bigint REFERENCES app_user (id),
	asked_at timestamptz NOT NULL DEFAULT now(),
	code text,
	reason text,
	remedy text,
	answered_at timestamptz
);
CREATE INDEX opportunity_amendment_opportunity_id_idx
	ON opportunity_amendment (opportunity_id, id);
CREATE UNIQUE INDEX opportunity_amendment_opportunity_id_key
	ON opportunity_amendment (opportunity_id) WHERE state = 'pending';
CREATE INDEX opportunity_amendment_state_idx ON opportunity_amendment (state, id);
CREATE INDEX opportunity_amendment_currency_idx ON opportunity_amendment (currency);
CREATE INDEX opportunity_amendment_asked_by_idx ON opportunity_amendment (asked_by);
COMMENT ON TABLE opportunity_amendment IS
	'Amendment: what is proposed for a deal that is an order already; it takes effect when the ERP accepts it.';
COMMENT ON COLUMN opportunity_amendment.opportunity_id IS 'Opportunity';
COMMENT ON COLUMN opportunity_amendment.revision IS
	'Revision: of deal and order, should it be accepted.';
COMMENT ON COLUMN opportunity_amendment.kind IS 'Kind: other lines, or no order at all.';
COMMENT ON COLUMN opportunity_amendment.state IS
	'State: pending until the ERP has answered or it was withdrawn; one pending at a time.';
COMMENT ON COLUMN opportunity_amendment.tax_mode IS 'Tax mode: the deal''s.';
COMMENT ON COLUMN opportunity_amendment.currency IS 'Currency: the deal''s.';
COMMENT ON COLUMN opportunity_amendment.amount IS 'Amount: sum of the proposed lines.';
COMMENT ON COLUMN opportunity_amendment.tax_amount IS 'Tax amount';
COMMENT ON COLUMN opportunity_amendment.total IS
	'Total: what the ERP must come to as well, or it refuses.';
COMMENT ON COLUMN opportunity_amendment.asked_reason IS 'Why it is asked';
COMMENT ON COLUMN opportunity_amendment.asked_by IS 'Asked by';
COMMENT ON COLUMN opportunity_amendment.asked_at IS 'Asked at';
COMMENT ON COLUMN opportunity_amendment.code IS 'Refusal code: why the ERP refused, for programs.';
COMMENT ON COLUMN opportunity_amendment.reason IS 'Refusal reason: why the ERP refused.';
COMMENT ON COLUMN opportunity_amendment.remedy IS 'Remedy: what would help.';
COMMENT ON COLUMN opportunity_amendment.answered_at IS 'Answered at';

-- A line that is added has the id it will have in the deal, so that the ERP can name it.
CREATE TABLE opportunity_amendment_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	opportunity_amendment_id bigint NOT NULL
		REFERENCES opportunity_amendment (id) ON DELETE CASCADE,
	position int NOT NULL,
	line_id bigint NOT NULL,
	product_id bigint NOT NULL REFERENCES product (id),
	description varchar(400),
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0 AND quantity <= 100000000),
	unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0 AND unit_price <= 10000000),
	discount_percent numeric(7,4) NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
	tax_percent numeric(7,4) NOT NULL DEFAULT 0 CHECK (tax_percent BETWEEN 0 AND 100),
	amount numeric(18,2) NOT NULL
		GENERATED ALWAYS AS
			(round(quantity * unit_price * (100 - discount_percent) / 100, 2)) STORED
);
CREATE INDEX opportunity_amendment_line_opportunity_amendment_id_idx
	ON opportunity_amendment_line (opportunity_amendment_id, position);
CREATE INDEX opportunity_amendment_line_product_id_idx ON opportunity_amendment_line (product_id);
COMMENT ON TABLE opportunity_amendment_line IS
	'Amendment line: one line as the deal shall have it; lines not named go.';
COMMENT ON COLUMN opportunity_amendment_line.opportunity_amendment_id IS 'Amendment';
COMMENT ON COLUMN opportunity_amendment_line.position IS 'Position';
COMMENT ON COLUMN opportunity_amendment_line.line_id IS
	'Line: of the deal, or the one it will be.';
COMMENT ON COLUMN opportunity_amendment_line.product_id IS 'Product';
COMMENT ON COLUMN opportunity_amendment_line.description IS 'Description';
COMMENT ON COLUMN opportunity_amendment_line.quantity IS 'Quantity';
COMMENT ON COLUMN opportunity_amendment_line.unit_price IS 'Unit price';
COMMENT ON COLUMN opportunity_amendment_line.discount_percent IS 'Discount: percent of the price.';
COMMENT ON COLUMN opportunity_amendment_line.tax_percent IS
	'Tax: percent, used as the tax mode says.';
COMMENT ON COLUMN opportunity_amendment_line.amount IS
	'Amount: quantity times price less discount, to the cent, half up.';

ALTER TABLE opportunity
	ADD COLUMN revision int NOT NULL DEFAULT 0,
	ADD COLUMN amendment_id bigint REFERENCES opportunity_amendment (id),
	DROP CONSTRAINT opportunity_handover_check,
	ADD CONSTRAINT opportunity_handover_check
		CHECK (handover IS NULL OR status = 'won' OR (status = 'lost' AND handover = 'accepted'));
CREATE INDEX opportunity_amendment_id_idx ON opportunity (amendment_id)
	WHERE amendment_id IS NOT NULL;
COMMENT ON COLUMN opportunity.revision IS
	'Revision: counts the changes that the ERP accepted after the handover; its order has the same.';
COMMENT ON COLUMN opportunity.amendment_id IS 'Amendment: the last one proposed.';

ALTER TABLE erp_order ADD COLUMN revision int NOT NULL DEFAULT 0;
COMMENT ON COLUMN erp_order.revision IS
	'Revision: counts the changes since the order was confirmed.';

INSERT INTO loss_reason (code, name, position)
VALUES ('order_cancelled', 'Order cancelled', 90) ON CONFLICT DO NOTHING;

DO $$
DECLARE
	c record;
BEGIN
	FOR c IN
		SELECT a.attrelid::regclass AS tab, a.attname, l.comment
		FROM pg_attribute a
		JOIN pg_class t ON t.oid = a.attrelid AND t.relkind = 'r'
			AND t.relnamespace = current_schema()::regnamespace
			AND t.relname LIKE 'opportunity\_amendment%'
		JOIN (VALUES
			('id', 'Id'),
			('version', 'Version: counts the changes.'),
			('created_at', 'Created at'),
			('updated_at', 'Updated at')) AS l (name, comment) ON l.name = a.attname
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', c.tab, c.attname, c.comment);
	END LOOP;
END
$$;
