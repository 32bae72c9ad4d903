-- schema/erp/0005_finance.sql -- accounts, a ledger that balances and never changes, invoices, payments.

CREATE TYPE ledger_account_kind AS ENUM ('asset', 'liability', 'equity', 'income', 'expense');

CREATE TABLE ledger_account (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	code varchar(20) NOT NULL UNIQUE CHECK (btrim(code) <> ''),
	name varchar(120) NOT NULL,
	kind ledger_account_kind NOT NULL,
	receivable boolean NOT NULL DEFAULT false,
	active boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE ledger_account IS 'Ledger account: a row of the chart of accounts.';
COMMENT ON COLUMN ledger_account.receivable IS 'Receivable: its rows carry the customer and the due date.';

CREATE TYPE posting_rule_document AS ENUM
	('invoice', 'credit_note', 'delivery', 'stock_gain', 'stock_loss', 'payment', 'allocation');
CREATE TYPE posting_rule_side AS ENUM ('debit', 'credit');

CREATE TABLE posting_rule (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	document posting_rule_document NOT NULL,
	role varchar(40) NOT NULL,
	side posting_rule_side NOT NULL,
	ledger_account_id bigint NOT NULL REFERENCES ledger_account,
	position int NOT NULL DEFAULT 0,
	CONSTRAINT posting_rule_role_key UNIQUE (document, role, side)
);
COMMENT ON TABLE posting_rule IS 'Posting rule: which account takes which amount of a document, on which side.';
COMMENT ON COLUMN posting_rule.role IS 'Role: the document''s amount it is about, such as total, tax or cost.';

CREATE SEQUENCE journal_entry_number_seq;

CREATE TABLE journal_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(30) NOT NULL UNIQUE DEFAULT document_number('JE', 'journal_entry_number_seq'),
	entry_date date NOT NULL DEFAULT current_date,
	kind varchar(40) NOT NULL DEFAULT 'manual',
	source_entity varchar(60),
	source_id bigint,
	currency varchar(3) NOT NULL DEFAULT company_currency() REFERENCES currency (code),
	memo varchar(400)
);
CREATE INDEX ON journal_entry (source_entity, source_id);
CREATE INDEX ON journal_entry (entry_date);
COMMENT ON TABLE journal_entry IS 'Journal entry: debits and credits that balance; never changed, only reversed.';

CREATE TABLE journal_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	journal_entry_id bigint NOT NULL REFERENCES journal_entry,
	position int NOT NULL DEFAULT 0,
	ledger_account_id bigint NOT NULL REFERENCES ledger_account,
	debit numeric(18,2) NOT NULL DEFAULT 0 CHECK (debit >= 0),
	credit numeric(18,2) NOT NULL DEFAULT 0 CHECK (credit >= 0),
	customer_id bigint REFERENCES customer,
	due_date date,
	memo varchar(400),
	CONSTRAINT journal_line_amount_check CHECK ((debit > 0) <> (credit > 0))
);
CREATE INDEX ON journal_line (journal_entry_id);
CREATE INDEX ON journal_line (ledger_account_id) INCLUDE (debit, credit);
CREATE INDEX ON journal_line (customer_id) WHERE customer_id IS NOT NULL;

CREATE FUNCTION journal_balanced() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	sums record;
BEGIN
	SELECT sum(debit) AS debit, sum(credit) AS credit INTO sums
	FROM journal_line WHERE journal_entry_id = NEW.journal_entry_id;
	IF sums.debit <> sums.credit THEN
		RAISE EXCEPTION 'The journal entry does not balance: debits %, credits %', sums.debit, sums.credit
			USING HINT = 'Check the posting rules of this kind of document.';
	END IF;
	RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER journal_line_balanced AFTER INSERT ON journal_line
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION journal_balanced();
CREATE TRIGGER journal_entry_posted BEFORE UPDATE OR DELETE ON journal_entry
	FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER journal_line_posted BEFORE UPDATE OR DELETE ON journal_line
	FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TYPE invoice_kind AS ENUM ('invoice', 'credit_note');
CREATE TYPE invoice_status AS ENUM
	('draft', 'posted', 'partially_paid', 'paid', 'overdue', 'credited', 'cancelled');

CREATE TABLE invoice (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(30) UNIQUE,
	kind invoice_kind NOT NULL DEFAULT 'invoice',
	sales_order_id bigint REFERENCES sales_order,
	customer_id bigint NOT NULL REFERENCES customer,
	reverses_id bigint REFERENCES invoice,
	status invoice_status NOT NULL DEFAULT 'draft',
	invoice_date date NOT NULL DEFAULT current_date,
	due_date date,
	currency varchar(3) NOT NULL REFERENCES currency (code),
	tax_mode sales_order_tax_mode NOT NULL DEFAULT 'none',
	amount numeric(18,2) NOT NULL DEFAULT 0,
	tax_amount numeric(18,2) NOT NULL DEFAULT 0,
	total numeric(18,2) NOT NULL DEFAULT 0,
	paid numeric(18,2) NOT NULL DEFAULT 0,
	credited numeric(18,2) NOT NULL DEFAULT 0,
	balance numeric(18,2) NOT NULL DEFAULT 0 CHECK (balance >= 0),
	reason varchar(400),
	posted_at timestamptz,
	CONSTRAINT invoice_reverses_id_check CHECK ((kind = 'credit_note') = (reverses_id IS NOT NULL))
);
CREATE INDEX ON invoice (sales_order_id);
CREATE INDEX ON invoice (customer_id, status);
CREATE INDEX ON invoice (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX invoice_open ON invoice (customer_id) INCLUDE (kind, currency, balance, due_date)
	WHERE balance > 0;
CREATE INDEX invoice_falling_due ON invoice (due_date) WHERE status IN ('posted', 'partially_paid');
COMMENT ON TABLE invoice IS 'Invoice: what a customer owes for what was sold; a credit note takes some of it back.';
COMMENT ON COLUMN invoice.number IS 'Number: given when it is posted, without gaps.';
COMMENT ON COLUMN invoice.reverses_id IS 'Reverses: the invoice a credit note is about.';
COMMENT ON COLUMN invoice.paid IS 'Paid: payments allocated to it.';
COMMENT ON COLUMN invoice.credited IS 'Credited: on an invoice, what credit notes took off; on a credit note, what was used up.';
COMMENT ON COLUMN invoice.balance IS 'Balance: still to be paid, or of a credit note, still to be used.';

CREATE TABLE invoice_line (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	invoice_id bigint NOT NULL REFERENCES invoice ON DELETE CASCADE,
	position int NOT NULL DEFAULT 0,
	order_line_id bigint REFERENCES sales_order_line,
	reverses_line_id bigint REFERENCES invoice_line,
	item_id bigint NOT NULL REFERENCES item,
	description varchar(400),
	quantity numeric(18,4) NOT NULL CHECK (quantity > 0),
	unit_price numeric(18,4) NOT NULL,
	discount_percent numeric(7,4) NOT NULL DEFAULT 0,
	tax_percent numeric(7,4) NOT NULL DEFAULT 0,
	amount numeric(18,2) NOT NULL,
	tax_amount numeric(18,2) NOT NULL DEFAULT 0
);
CREATE INDEX ON invoice_line (invoice_id);
CREATE INDEX ON invoice_line (order_line_id);
CREATE INDEX ON invoice_line (reverses_line_id) WHERE reverses_line_id IS NOT NULL;

CREATE TYPE payment_method AS ENUM ('bank_transfer', 'card', 'cash', 'cheque', 'other');
CREATE SEQUENCE payment_number_seq;

CREATE TABLE payment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	number varchar(30) NOT NULL UNIQUE DEFAULT document_number('PAY', 'payment_number_seq'),
	customer_id bigint NOT NULL REFERENCES customer,
	amount numeric(18,2) NOT NULL CHECK (amount > 0),
	currency varchar(3) NOT NULL DEFAULT company_currency() REFERENCES currency (code),
	date date NOT NULL DEFAULT current_date,
	method payment_method NOT NULL DEFAULT 'bank_transfer',
	reference varchar(120),
	auto_allocate boolean NOT NULL DEFAULT true,
	allocated numeric(18,2) NOT NULL DEFAULT 0,
	unapplied numeric(18,2) NOT NULL DEFAULT 0 CHECK (unapplied >= 0)
);
CREATE INDEX ON payment (customer_id, date);
CREATE INDEX payment_unapplied ON payment (customer_id) INCLUDE (currency, unapplied) WHERE unapplied > 0;
COMMENT ON TABLE payment IS 'Payment: money a customer sent, and which invoices it pays.';
COMMENT ON COLUMN payment.auto_allocate IS 'Allocate by itself: to the oldest invoices first when no allocations are given.';
COMMENT ON COLUMN payment.unapplied IS 'Unapplied: not allocated to an invoice yet.';

CREATE TABLE payment_allocation (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	payment_id bigint NOT NULL REFERENCES payment,
	position int NOT NULL DEFAULT 0,
	invoice_id bigint NOT NULL REFERENCES invoice,
	amount numeric(18,2) NOT NULL CHECK (amount > 0),
	date date NOT NULL DEFAULT current_date
);
CREATE INDEX ON payment_allocation (payment_id);
CREATE INDEX ON payment_allocation (invoice_id) INCLUDE (amount);
