-- schema/crm/0006_labels.sql -- labels of the columns that every table has.

DO $$
DECLARE
	c record;
BEGIN
	FOR c IN
		SELECT a.attrelid::regclass AS tab, a.attname, l.comment
		FROM pg_attribute a
		JOIN pg_class t ON t.oid = a.attrelid AND t.relkind = 'r'
			AND t.relnamespace = current_schema()::regnamespace
		JOIN (VALUES
			('id', 'Id'),
			('version', 'Version: counts the changes.'),
			('created_at', 'Created at'),
			('updated_at', 'Updated at'),
			('external_ref', 'External reference: the other system''s name for it.'),
			('source_version', 'Source version: the other system''s, as last taken.'),
			('billing_street', 'Billing street'),
			('billing_city', 'Billing city'),
			('billing_region', 'Billing region'),
			('billing_postal_code', 'Billing postal code'),
			('billing_country', 'Billing country'),
			('shipping_street', 'Shipping street'),
			('shipping_city', 'Shipping city'),
			('shipping_region', 'Shipping region'),
			('shipping_postal_code', 'Shipping postal code'),
			('shipping_country', 'Shipping country')) AS l (name, comment)
			ON l.name = a.attname
		WHERE NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', c.tab, c.attname, c.comment);
	END LOOP;
END
$$;
