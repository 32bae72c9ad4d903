-- schema/crm/0009_recovery.sql -- what tells an account apart, and which history a version is of.

ALTER TABLE account ADD COLUMN domain varchar(200)
	CHECK (domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$');
ALTER TABLE account ADD COLUMN domain_verified_at timestamptz;
CREATE INDEX account_domain_idx ON account (domain) WHERE domain IS NOT NULL;
COMMENT ON COLUMN account.domain IS 'Domain: of its e-mail, in lower case, as in acme.com.';
COMMENT ON COLUMN account.domain_verified_at IS
	'Domain verified at: when somebody made sure that it is the account''s; another domain has to be verified anew.';

CREATE FUNCTION account_domain_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.domain_verified_at := NULL;
	RETURN NEW;
END
$$;
CREATE TRIGGER account_domain_changed BEFORE UPDATE ON account FOR EACH ROW
	WHEN (NEW.domain IS DISTINCT FROM OLD.domain
		AND NEW.domain_verified_at IS NOT DISTINCT FROM OLD.domain_verified_at)
	EXECUTE FUNCTION account_domain_changed();

ALTER TABLE account ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE contact ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE product ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE opportunity ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE erp_customer ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE erp_order ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE erp_delivery ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE erp_invoice ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE erp_item ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN account.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN contact.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN product.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN opportunity.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN erp_customer.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN erp_order.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN erp_delivery.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN erp_invoice.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
COMMENT ON COLUMN erp_item.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
