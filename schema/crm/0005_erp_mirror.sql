-- schema/crm/0005_erp_mirror.sql -- the ERP's customers, orders, deliveries, invoices and stock.
-- Statuses are plain text here: the ERP owns their list, and a new one of it must not be refused.

CREATE TABLE erp_customer (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) NOT NULL UNIQUE,
	source_version bigint,
	account_id bigint NOT NULL REFERENCES account (id),
	customer_number varchar(40) NOT NULL,
	currency varchar(3) NOT NULL,
	open_balance numeric(18,2) NOT NULL DEFAULT 0,
	overdue_balance numeric(18,2) NOT NULL DEFAULT 0,
	credit_limit numeric(18,2),
	credit_status varchar(20) NOT NULL DEFAULT 'ok'
);
CREATE INDEX erp_customer_account_id_idx ON erp_customer (account_id, id);
CREATE INDEX erp_customer_customer_number_idx ON erp_customer (customer_number);
COMMENT ON TABLE erp_customer IS
	'ERP customer: the account as the ERP''s customer: what is open and overdue.';
COMMENT ON COLUMN erp_customer.account_id IS 'Account';
COMMENT ON COLUMN erp_customer.customer_number IS 'Customer number: the ERP''s.';
COMMENT ON COLUMN erp_customer.currency IS 'Currency';
COMMENT ON COLUMN erp_customer.open_balance IS 'Open balance: posted and not paid.';
COMMENT ON COLUMN erp_customer.overdue_balance IS 'Overdue balance: of that, past its due date.';
COMMENT ON COLUMN erp_customer.credit_limit IS 'Credit limit: none when empty.';
COMMENT ON COLUMN erp_customer.credit_status IS 'Credit status: ok, watch or hold.';

CREATE TABLE erp_order (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) NOT NULL UNIQUE,
	source_version bigint,
	opportunity_id bigint REFERENCES opportunity (id),
	account_id bigint NOT NULL REFERENCES account (id),
	number varchar(40) NOT NULL,
	status varchar(40) NOT NULL,
	currency varchar(3) NOT NULL,
	total numeric(18,2) NOT NULL,
	promised_date date
);
CREATE INDEX erp_order_opportunity_id_idx ON erp_order (opportunity_id, id);
CREATE INDEX erp_order_account_id_idx ON erp_order (account_id, id);
CREATE INDEX erp_order_status_idx ON erp_order (status, id);
CREATE INDEX erp_order_number_idx ON erp_order (number);
COMMENT ON TABLE erp_order IS 'ERP order: a sales order of the ERP.';
COMMENT ON COLUMN erp_order.opportunity_id IS 'Opportunity: the deal it came from.';
COMMENT ON COLUMN erp_order.account_id IS 'Account';
COMMENT ON COLUMN erp_order.number IS 'Number: the ERP''s.';
COMMENT ON COLUMN erp_order.status IS 'Status';
COMMENT ON COLUMN erp_order.currency IS 'Currency';
COMMENT ON COLUMN erp_order.total IS 'Total';
COMMENT ON COLUMN erp_order.promised_date IS 'Promised date: when the goods will leave.';

CREATE TABLE erp_order_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	erp_order_id bigint NOT NULL REFERENCES erp_order (id) ON DELETE CASCADE,
	position int NOT NULL,
	product_id bigint REFERENCES product (id),
	ordered numeric(18,4) NOT NULL DEFAULT 0,
	reserved numeric(18,4) NOT NULL DEFAULT 0,
	delivered numeric(18,4) NOT NULL DEFAULT 0,
	invoiced numeric(18,4) NOT NULL DEFAULT 0
);
CREATE INDEX erp_order_line_erp_order_id_idx ON erp_order_line (erp_order_id, position);
CREATE INDEX erp_order_line_product_id_idx ON erp_order_line (product_id);
COMMENT ON TABLE erp_order_line IS
	'ERP order line: one line of an ERP order, in whole quantities so far.';
COMMENT ON COLUMN erp_order_line.erp_order_id IS 'Order';
COMMENT ON COLUMN erp_order_line.position IS 'Position';
COMMENT ON COLUMN erp_order_line.product_id IS 'Product: none for an item that only the ERP knows.';
COMMENT ON COLUMN erp_order_line.ordered IS 'Ordered';
COMMENT ON COLUMN erp_order_line.reserved IS 'Reserved';
COMMENT ON COLUMN erp_order_line.delivered IS 'Delivered';
COMMENT ON COLUMN erp_order_line.invoiced IS 'Invoiced';

CREATE TABLE erp_delivery (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) NOT NULL UNIQUE,
	source_version bigint,
	opportunity_id bigint REFERENCES opportunity (id),
	account_id bigint NOT NULL REFERENCES account (id),
	number varchar(40) NOT NULL,
	status varchar(40) NOT NULL,
	shipped_at timestamptz,
	delivered_at timestamptz,
	carrier varchar(80),
	tracking_number varchar(80)
);
CREATE INDEX erp_delivery_opportunity_id_idx ON erp_delivery (opportunity_id, id);
CREATE INDEX erp_delivery_account_id_idx ON erp_delivery (account_id, id);
CREATE INDEX erp_delivery_number_idx ON erp_delivery (number);
COMMENT ON TABLE erp_delivery IS 'ERP delivery: a delivery of the ERP.';
COMMENT ON COLUMN erp_delivery.opportunity_id IS 'Opportunity';
COMMENT ON COLUMN erp_delivery.account_id IS 'Account';
COMMENT ON COLUMN erp_delivery.number IS 'Number: the ERP''s.';
COMMENT ON COLUMN erp_delivery.status IS 'Status';
COMMENT ON COLUMN erp_delivery.shipped_at IS 'Shipped at';
COMMENT ON COLUMN erp_delivery.delivered_at IS 'Delivered at';
COMMENT ON COLUMN erp_delivery.carrier IS 'Carrier';
COMMENT ON COLUMN erp_delivery.tracking_number IS 'Tracking number';

CREATE TABLE erp_delivery_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	erp_delivery_id bigint NOT NULL REFERENCES erp_delivery (id) ON DELETE CASCADE,
	position int NOT NULL,
	product_id bigint REFERENCES product (id),
	quantity numeric(18,4) NOT NULL
);
CREATE INDEX erp_delivery_line_erp_delivery_id_idx ON erp_delivery_line (erp_delivery_id, position);
CREATE INDEX erp_delivery_line_product_id_idx ON erp_delivery_line (product_id);
COMMENT ON TABLE erp_delivery_line IS 'ERP delivery line: what one delivery holds of one product.';
COMMENT ON COLUMN erp_delivery_line.erp_delivery_id IS 'Delivery';
COMMENT ON COLUMN erp_delivery_line.position IS 'Position';
COMMENT ON COLUMN erp_delivery_line.product_id IS
	'Product: none for an item that only the ERP knows.';
COMMENT ON COLUMN erp_delivery_line.quantity IS 'Quantity';

CREATE TABLE erp_invoice (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) NOT NULL UNIQUE,
	source_version bigint,
	opportunity_id bigint REFERENCES opportunity (id),
	account_id bigint NOT NULL REFERENCES account (id),
	number varchar(40) NOT NULL,
	kind varchar(20) NOT NULL DEFAULT 'invoice',
	status varchar(40) NOT NULL,
	currency varchar(3) NOT NULL,
	total numeric(18,2) NOT NULL,
	balance numeric(18,2) NOT NULL,
	invoice_date date,
	due_date date
);
CREATE INDEX erp_invoice_opportunity_id_idx ON erp_invoice (opportunity_id, id);
CREATE INDEX erp_invoice_account_id_idx ON erp_invoice (account_id, id);
CREATE INDEX erp_invoice_status_idx ON erp_invoice (status, due_date, id);
CREATE INDEX erp_invoice_number_idx ON erp_invoice (number);
COMMENT ON TABLE erp_invoice IS 'ERP invoice: a posted invoice or credit note of the ERP.';
COMMENT ON COLUMN erp_invoice.opportunity_id IS 'Opportunity: none when it comes from no deal.';
COMMENT ON COLUMN erp_invoice.account_id IS 'Account';
COMMENT ON COLUMN erp_invoice.number IS 'Number: the ERP''s.';
COMMENT ON COLUMN erp_invoice.kind IS 'Kind: invoice or credit_note.';
COMMENT ON COLUMN erp_invoice.status IS 'Status';
COMMENT ON COLUMN erp_invoice.currency IS 'Currency';
COMMENT ON COLUMN erp_invoice.total IS 'Total';
COMMENT ON COLUMN erp_invoice.balance IS
	'Balance: still to be paid, or of a credit note, still to be used.';
COMMENT ON COLUMN erp_invoice.invoice_date IS 'Invoice date';
COMMENT ON COLUMN erp_invoice.due_date IS 'Due date';

CREATE TABLE erp_item (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) NOT NULL UNIQUE,
	source_version bigint,
	product_id bigint NOT NULL REFERENCES product (id),
	on_hand numeric(18,4) NOT NULL DEFAULT 0,
	reserved numeric(18,4) NOT NULL DEFAULT 0,
	available numeric(18,4) NOT NULL DEFAULT 0
);
CREATE INDEX erp_item_product_id_idx ON erp_item (product_id, id);
COMMENT ON TABLE erp_item IS 'ERP item: the product as the ERP''s item: what a rep may promise.';
COMMENT ON COLUMN erp_item.product_id IS 'Product';
COMMENT ON COLUMN erp_item.on_hand IS 'On hand';
COMMENT ON COLUMN erp_item.reserved IS 'Reserved: of that, promised to others.';
COMMENT ON COLUMN erp_item.available IS 'Available: on hand and not reserved.';
