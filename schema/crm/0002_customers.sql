-- schema/crm/0002_customers.sql -- accounts and the people who work there.

CREATE TYPE account_type AS ENUM ('prospect', 'customer', 'partner', 'former');

CREATE TABLE account (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) UNIQUE,
	source_version bigint,
	name varchar(200) NOT NULL CHECK (name <> ''),
	type account_type NOT NULL DEFAULT 'prospect',
	parent_id bigint REFERENCES account (id),
	currency varchar(3) NOT NULL DEFAULT 'USD' REFERENCES currency (code),
	tax_id varchar(40),
	payment_terms_days int NOT NULL DEFAULT 30 CHECK (payment_terms_days BETWEEN 0 AND 365),
	billing_street varchar(200),
	billing_city varchar(100),
	billing_region varchar(100),
	billing_postal_code varchar(20),
	billing_country varchar(80),
	shipping_street varchar(200),
	shipping_city varchar(100),
	shipping_region varchar(100),
	shipping_postal_code varchar(20),
	shipping_country varchar(80),
	phone varchar(40),
	email varchar(254),
	website varchar(300),
	industry varchar(80),
	description text,
	owner_id bigint REFERENCES app_user (id)
);
CREATE INDEX account_name_idx ON account (name, id);
CREATE INDEX account_type_idx ON account (type, id);
CREATE INDEX account_parent_id_idx ON account (parent_id);
CREATE INDEX account_currency_idx ON account (currency);
CREATE INDEX account_owner_id_idx ON account (owner_id, id);
CREATE INDEX account_created_at_idx ON account (created_at, id);
-- The same tax id however it is written: "DE 123.456" is "de123456".
CREATE INDEX account_tax_id_idx ON account (lower(regexp_replace(tax_id, '[^[:alnum:]]', '', 'g')))
	WHERE tax_id IS NOT NULL;
COMMENT ON TABLE account IS 'Account: a company or person that buys, may buy, or sells with us.';
COMMENT ON COLUMN account.name IS 'Name';
COMMENT ON COLUMN account.type IS 'Type: a prospect becomes a customer with its first won deal.';
COMMENT ON COLUMN account.parent_id IS 'Parent: the account this one belongs to.';
COMMENT ON COLUMN account.currency IS 'Currency: what its deals are in unless they say otherwise.';
COMMENT ON COLUMN account.tax_id IS 'Tax id: as its tax office wrote it.';
COMMENT ON COLUMN account.payment_terms_days IS 'Payment terms: days from invoice to due date.';
COMMENT ON COLUMN account.phone IS 'Phone';
COMMENT ON COLUMN account.email IS 'Email';
COMMENT ON COLUMN account.website IS 'Website';
COMMENT ON COLUMN account.industry IS 'Industry';
COMMENT ON COLUMN account.description IS 'Description';
COMMENT ON COLUMN account.owner_id IS 'Owner: who looks after the account.';

CREATE TABLE contact (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	external_ref varchar(200) UNIQUE,
	source_version bigint,
	account_id bigint NOT NULL REFERENCES account (id),
	first_name varchar(100),
	last_name varchar(100) NOT NULL CHECK (last_name <> ''),
	title varchar(100),
	email varchar(254),
	phone varchar(40),
	mobile varchar(40),
	is_primary boolean NOT NULL DEFAULT false,
	description text,
	owner_id bigint REFERENCES app_user (id)
);
CREATE UNIQUE INDEX contact_is_primary_key ON contact (account_id) WHERE is_primary;
CREATE INDEX contact_account_id_idx ON contact (account_id, id);
CREATE INDEX contact_email_idx ON contact (lower(email));
CREATE INDEX contact_last_name_idx ON contact (last_name, id);
CREATE INDEX contact_owner_id_idx ON contact (owner_id, id);
COMMENT ON TABLE contact IS 'Contact: a person at an account.';
COMMENT ON COLUMN contact.account_id IS 'Account';
COMMENT ON COLUMN contact.first_name IS 'First name';
COMMENT ON COLUMN contact.last_name IS 'Last name';
COMMENT ON COLUMN contact.title IS 'Title: what the person does there.';
COMMENT ON COLUMN contact.email IS 'Email';
COMMENT ON COLUMN contact.phone IS 'Phone';
COMMENT ON COLUMN contact.mobile IS 'Mobile';
COMMENT ON COLUMN contact.is_primary IS
	'Primary: the one to turn to first; one per account at most.';
COMMENT ON COLUMN contact.description IS 'Description';
COMMENT ON COLUMN contact.owner_id IS 'Owner: who looks after the contact.';
