-- schema/erp/0009_recovery.sql -- a customer's domain, and which history a source's version is of.

ALTER TABLE customer ADD COLUMN domain varchar(200)
	CHECK (domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$');
COMMENT ON COLUMN customer.domain IS 'Domain: of its e-mail, in lower case, as in acme.com.';

ALTER TABLE customer ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE item ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE sales_order ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN customer.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN item.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN sales_order.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
