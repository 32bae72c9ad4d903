-- schema/crm/0008_routing.sql -- what decides which ERP a record crosses to, where there are several.

ALTER TABLE account ADD COLUMN company varchar(40);
CREATE INDEX account_company_idx ON account (company, id);
COMMENT ON COLUMN account.company IS
	'Company: which of our companies serves it; the bridge may route by it.';

ALTER TABLE product ADD COLUMN item_group varchar(60);
CREATE INDEX product_item_group_idx ON product (item_group, id);
COMMENT ON COLUMN product.item_group IS
	'Item group: what kind of goods it belongs to; the bridge may route by it.';
