-- schema/crm/0004_opportunities.sql -- deals, what they are about, and how they moved.

CREATE TYPE opportunity_status AS ENUM ('open', 'won', 'lost');
CREATE TYPE opportunity_tax_mode AS ENUM ('none', 'exclusive', 'inclusive');
CREATE TYPE opportunity_handover AS ENUM ('pending', 'accepted', 'rejected');

CREATE SEQUENCE opportunity_number_seq;

CREATE TABLE opportunity (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) UNIQUE,
	source_version bigint,
	number varchar(30) NOT NULL UNIQUE
		DEFAULT to_char(now(), '"OPP-"YYYY-')
			|| to_char(nextval('opportunity_number_seq'), 'FM9999999900000'),
	name varchar(200) NOT NULL CHECK (name <> ''),
	account_id bigint NOT NULL REFERENCES account (id),
	contact_id bigint REFERENCES contact (id),
	owner_id bigint REFERENCES app_user (id),
	pipeline_id bigint NOT NULL DEFAULT default_pipeline() REFERENCES pipeline (id),
	stage_id bigint NOT NULL DEFAULT first_stage(default_pipeline()) REFERENCES stage (id),
	status opportunity_status NOT NULL DEFAULT 'open',
	probability numeric(7,4) NOT NULL DEFAULT 0 CHECK (probability BETWEEN 0 AND 100),
	close_date date NOT NULL,
	closed_at timestamptz,
	currency varchar(3) NOT NULL DEFAULT 'USD' REFERENCES currency (code),
	price_book_id bigint NOT NULL DEFAULT default_price_book() REFERENCES price_book (id),
	tax_mode opportunity_tax_mode NOT NULL DEFAULT 'none',
	amount numeric(18,2) NOT NULL DEFAULT 0,
	tax_amount numeric(18,2) NOT NULL DEFAULT 0,
	total numeric(18,2) NOT NULL DEFAULT 0,
	loss_reason varchar(40) REFERENCES loss_reason (code),
	loss_notes text,
	handover opportunity_handover,
	handover_order_number text,
	handover_order_ref text,
	handover_code text,
	handover_reason text,
	handover_remedy text,
	description text,
	CONSTRAINT opportunity_loss_reason_check
		CHECK ((status = 'lost') = (loss_reason IS NOT NULL)),
	CONSTRAINT opportunity_closed_at_check CHECK ((status = 'open') = (closed_at IS NULL)),
	CONSTRAINT opportunity_handover_check CHECK (handover IS NULL OR status = 'won')
);
CREATE INDEX opportunity_account_id_idx ON opportunity (account_id, id);
CREATE INDEX opportunity_contact_id_idx ON opportunity (contact_id);
CREATE INDEX opportunity_owner_id_idx ON opportunity (owner_id, id);
CREATE INDEX opportunity_pipeline_id_idx ON opportunity (pipeline_id);
CREATE INDEX opportunity_stage_id_idx ON opportunity (stage_id, id);
CREATE INDEX opportunity_status_idx ON opportunity (status, close_date, id);
CREATE INDEX opportunity_close_date_idx ON opportunity (close_date, id);
CREATE INDEX opportunity_created_at_idx ON opportunity (created_at, id);
CREATE INDEX opportunity_currency_idx ON opportunity (currency);
CREATE INDEX opportunity_price_book_id_idx ON opportunity (price_book_id);
CREATE INDEX opportunity_loss_reason_idx ON opportunity (loss_reason) WHERE loss_reason IS NOT NULL;
CREATE INDEX opportunity_handover_idx ON opportunity (handover, id) WHERE handover IS NOT NULL;
COMMENT ON TABLE opportunity IS 'Opportunity: a deal: what an account may buy, and whether it did.';
COMMENT ON COLUMN opportunity.number IS 'Number';
COMMENT ON COLUMN opportunity.name IS 'Name';
COMMENT ON COLUMN opportunity.account_id IS 'Account';
COMMENT ON COLUMN opportunity.contact_id IS 'Contact: the person at the account who decides.';
COMMENT ON COLUMN opportunity.owner_id IS 'Owner: who sells.';
COMMENT ON COLUMN opportunity.pipeline_id IS 'Pipeline';
COMMENT ON COLUMN opportunity.stage_id IS 'Stage';
COMMENT ON COLUMN opportunity.status IS 'Status: changed by win, lose and reopen.';
COMMENT ON COLUMN opportunity.probability IS
	'Probability: percent; set by the stage, may be changed.';
COMMENT ON COLUMN opportunity.close_date IS
	'Close date: when it is expected to be decided, or was.';
COMMENT ON COLUMN opportunity.closed_at IS 'Closed at';
COMMENT ON COLUMN opportunity.currency IS 'Currency: the account''s unless it says otherwise.';
COMMENT ON COLUMN opportunity.price_book_id IS 'Price book: where lines without a price get it.';
COMMENT ON COLUMN opportunity.tax_mode IS
	'Tax mode: tax is none, comes on top, or is contained in the prices.';
COMMENT ON COLUMN opportunity.amount IS 'Amount: sum of the lines.';
COMMENT ON COLUMN opportunity.tax_amount IS 'Tax amount';
COMMENT ON COLUMN opportunity.total IS 'Total: what the customer pays.';
COMMENT ON COLUMN opportunity.loss_reason IS 'Loss reason';
COMMENT ON COLUMN opportunity.loss_notes IS 'Loss notes';
COMMENT ON COLUMN opportunity.handover IS
	'Handover: whether the ERP has taken the won deal as an order.';
COMMENT ON COLUMN opportunity.handover_order_number IS 'Order number: the ERP''s.';
COMMENT ON COLUMN opportunity.handover_order_ref IS 'Order reference: the ERP''s.';
COMMENT ON COLUMN opportunity.handover_code IS 'Refusal code: why the ERP refused, for programs.';
COMMENT ON COLUMN opportunity.handover_reason IS 'Refusal reason: why the ERP refused.';
COMMENT ON COLUMN opportunity.handover_remedy IS 'Remedy: what would help.';
COMMENT ON COLUMN opportunity.description IS 'Description';

-- The bounds keep the amount of a line within numeric(18,2).
CREATE TABLE opportunity_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	opportunity_id bigint NOT NULL REFERENCES opportunity (id) ON DELETE CASCADE,
	position int NOT NULL,
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
CREATE INDEX opportunity_line_opportunity_id_idx ON opportunity_line (opportunity_id, position);
CREATE INDEX opportunity_line_product_id_idx ON opportunity_line (product_id);
COMMENT ON TABLE opportunity_line IS 'Line: one product of a deal, as it was agreed.';
COMMENT ON COLUMN opportunity_line.opportunity_id IS 'Opportunity';
COMMENT ON COLUMN opportunity_line.position IS 'Position';
COMMENT ON COLUMN opportunity_line.product_id IS 'Product';
COMMENT ON COLUMN opportunity_line.description IS
	'Description: when it differs from the product''s.';
COMMENT ON COLUMN opportunity_line.quantity IS 'Quantity';
COMMENT ON COLUMN opportunity_line.unit_price IS 'Unit price: the price book''s when left out.';
COMMENT ON COLUMN opportunity_line.discount_percent IS 'Discount: percent of the price.';
COMMENT ON COLUMN opportunity_line.tax_percent IS 'Tax: percent, used as the tax mode says.';
COMMENT ON COLUMN opportunity_line.amount IS
	'Amount: quantity times price less discount, to the cent, half up.';

CREATE TABLE opportunity_history (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	opportunity_id bigint NOT NULL REFERENCES opportunity (id) ON DELETE CASCADE,
	stage_id bigint NOT NULL REFERENCES stage (id),
	status opportunity_status NOT NULL,
	probability numeric(7,4) NOT NULL,
	amount numeric(18,2) NOT NULL,
	currency varchar(3) NOT NULL,
	close_date date NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	user_id bigint REFERENCES app_user (id)
);
CREATE INDEX opportunity_history_opportunity_id_idx ON opportunity_history (opportunity_id, id);
CREATE INDEX opportunity_history_stage_id_idx ON opportunity_history (stage_id);
CREATE INDEX opportunity_history_user_id_idx ON opportunity_history (user_id);
COMMENT ON TABLE opportunity_history IS
	'History: how a deal stood after each change of stage, status, amount or close date.';
COMMENT ON COLUMN opportunity_history.opportunity_id IS 'Opportunity';
COMMENT ON COLUMN opportunity_history.stage_id IS 'Stage';
COMMENT ON COLUMN opportunity_history.status IS 'Status';
COMMENT ON COLUMN opportunity_history.probability IS 'Probability: percent.';
COMMENT ON COLUMN opportunity_history.amount IS 'Amount';
COMMENT ON COLUMN opportunity_history.currency IS 'Currency';
COMMENT ON COLUMN opportunity_history.close_date IS 'Close date';
COMMENT ON COLUMN opportunity_history.changed_at IS 'Changed at';
COMMENT ON COLUMN opportunity_history.user_id IS 'User: who made the change.';
