-- schema/erp/0008_amendments.sql -- revisions of a confirmed order: who asked for what, and what it became.

ALTER TABLE sales_order ADD COLUMN revision int NOT NULL DEFAULT 0;
COMMENT ON COLUMN sales_order.revision IS 'Revision: counts the changes since the order was confirmed.';

CREATE TYPE sales_order_amendment_kind AS ENUM ('amend', 'cancel');

CREATE TABLE sales_order_amendment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(120) UNIQUE,
	source_version bigint,
	sales_order_id bigint NOT NULL REFERENCES sales_order,
	base_revision int NOT NULL CHECK (base_revision >= 0),
	revision int,
	kind sales_order_amendment_kind NOT NULL DEFAULT 'amend',
	withdrawn boolean NOT NULL DEFAULT false,
	agreed_total numeric(18,2),
	reason text,
	CONSTRAINT sales_order_amendment_revision_key UNIQUE (sales_order_id, revision)
);
COMMENT ON TABLE sales_order_amendment IS 'Order amendment: a change of a confirmed order, in effect unless it was withdrawn.';
COMMENT ON COLUMN sales_order_amendment.base_revision IS 'Base revision: of the order as who asks knows it.';
COMMENT ON COLUMN sales_order_amendment.revision IS 'Revision: of the order by this change; none when it was withdrawn.';
COMMENT ON COLUMN sales_order_amendment.kind IS 'Kind: other lines, or no order at all.';
COMMENT ON COLUMN sales_order_amendment.withdrawn IS 'Withdrawn: taken back before it got here; it has no effect.';
COMMENT ON COLUMN sales_order_amendment.agreed_total IS 'Agreed total: what was sold; lines that come to another total are refused.';

CREATE TABLE sales_order_amendment_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sales_order_amendment_id bigint NOT NULL REFERENCES sales_order_amendment ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	order_line_id bigint,
	item_id bigint NOT NULL REFERENCES item,
	description varchar(400),
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0),
	discount_percent numeric(7,4) NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
	tax_percent numeric(7,4) NOT NULL DEFAULT 0 CHECK (tax_percent BETWEEN 0 AND 100),
	source_line varchar(120)
);
CREATE INDEX ON sales_order_amendment_line (sales_order_amendment_id);
COMMENT ON TABLE sales_order_amendment_line IS 'Order amendment line: a line as the order shall have it.';
COMMENT ON COLUMN sales_order_amendment_line.order_line_id IS 'Order line: the one that is kept, or the one it became.';
COMMENT ON COLUMN sales_order_amendment_line.source_line IS 'Source line: names the order''s line in the system it came from.';

-- A line that is given up leaves the order; what was planned for it stays as history.
ALTER TABLE delivery_line ALTER COLUMN order_line_id DROP NOT NULL,
	DROP CONSTRAINT delivery_line_order_line_id_fkey,
	ADD CONSTRAINT delivery_line_order_line_id_fkey FOREIGN KEY (order_line_id)
		REFERENCES sales_order_line ON DELETE SET NULL;
ALTER TABLE invoice_line
	DROP CONSTRAINT invoice_line_order_line_id_fkey,
	ADD CONSTRAINT invoice_line_order_line_id_fkey FOREIGN KEY (order_line_id)
		REFERENCES sales_order_line ON DELETE SET NULL;
-- By order and line, so that it is found by the order's index.
DROP INDEX sales_order_line_sales_order_id_idx;
ALTER TABLE sales_order_line ADD CONSTRAINT sales_order_line_sales_order_id_key UNIQUE (sales_order_id, id);
ALTER TABLE stock_reservation ALTER COLUMN order_line_id DROP NOT NULL,
	DROP CONSTRAINT stock_reservation_order_line_id_fkey,
	ADD CONSTRAINT stock_reservation_order_line_id_fkey FOREIGN KEY (sales_order_id, order_line_id)
		REFERENCES sales_order_line (sales_order_id, id) ON DELETE SET NULL (order_line_id),
	ADD CONSTRAINT stock_reservation_order_line_id_check
		CHECK (status <> 'active' OR order_line_id IS NOT NULL);
