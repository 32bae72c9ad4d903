-- schema/erp/0011_amendment_epoch.sql -- amendments come from a system that may be restored, too.

ALTER TABLE sales_order_amendment ADD COLUMN source_epoch bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN sales_order_amendment.source_epoch IS
	'Source epoch: raised when the source was restored from a backup; goes before the version.';
