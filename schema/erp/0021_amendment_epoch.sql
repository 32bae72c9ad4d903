-- schema/erp/0021_amendment_epoch.sql -- amendments come from a system that may be restored, too.

ALTER TABLE sales_order_amendment ADD COLUMN source_epoch bigint;
