-- schema/crm/0011_minor_unit.sql -- amounts are rounded to the smallest coin of their currency, as the ERP does.

-- Amounts are kept with two decimals: a currency with more cannot be sold in.
ALTER TABLE currency ADD COLUMN minor_unit smallint NOT NULL DEFAULT 2 CHECK (minor_unit BETWEEN 0 AND 2);
COMMENT ON COLUMN currency.minor_unit IS 'Minor unit: decimals of the smallest coin, as ISO 4217 has them.';

UPDATE currency SET minor_unit = 0, version = version + 1, updated_at = now()
WHERE code IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
	'XAF', 'XOF', 'XPF');
INSERT INTO currency (code, name, minor_unit) VALUES
	('JPY', 'Japanese yen', 0), ('KRW', 'South Korean won', 0), ('ISK', 'Icelandic krona', 0)
ON CONFLICT DO NOTHING;

-- Rounded half up, per line, to the currency's smallest coin.
CREATE FUNCTION line_amount(quantity numeric, unit_price numeric, discount_percent numeric, minor_unit int)
RETURNS numeric
LANGUAGE sql IMMUTABLE AS 'SELECT round(quantity * unit_price * (100 - discount_percent) / 100, minor_unit)';

-- On top of the amount (exclusive), or contained in it (inclusive).
CREATE FUNCTION line_tax(tax_mode opportunity_tax_mode, amount numeric, tax_percent numeric, minor_unit int)
RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE tax_mode
		WHEN 'exclusive' THEN round(amount * tax_percent / 100, minor_unit)
		WHEN 'inclusive' THEN amount - round(amount * 100 / (100 + tax_percent), minor_unit)
		ELSE 0 END
$$;

-- Whoever writes a line rounds by its deal's currency, which a generated column cannot see. A column that
-- is NOT NULL without a default would have to be in every body.
ALTER TABLE opportunity_line ALTER COLUMN amount DROP EXPRESSION, ALTER COLUMN amount DROP NOT NULL,
	ADD CHECK (amount IS NOT NULL);
ALTER TABLE opportunity_amendment_line ALTER COLUMN amount DROP EXPRESSION, ALTER COLUMN amount DROP NOT NULL,
	ADD CHECK (amount IS NOT NULL);
COMMENT ON COLUMN opportunity_line.amount IS
	'Amount: quantity times price less discount, rounded to the currency''s smallest coin, half up.';
COMMENT ON COLUMN opportunity_amendment_line.amount IS
	'Amount: quantity times price less discount, rounded to the currency''s smallest coin, half up.';

-- A version from before this migration leaves amounts to the table: to the cent, as ever. This one
-- gives them, or adds up what has changed afterwards.
CREATE FUNCTION line_amount_to_the_cent() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.amount := round(NEW.quantity * NEW.unit_price * (100 - NEW.discount_percent) / 100, 2);
	RETURN NEW;
END $$;

CREATE TRIGGER opportunity_line_new BEFORE INSERT ON opportunity_line
	FOR EACH ROW WHEN (NEW.amount IS NULL) EXECUTE FUNCTION line_amount_to_the_cent();
CREATE TRIGGER opportunity_line_changed BEFORE UPDATE OF quantity, unit_price, discount_percent ON opportunity_line
	FOR EACH ROW WHEN ((NEW.quantity, NEW.unit_price, NEW.discount_percent)
		IS DISTINCT FROM (OLD.quantity, OLD.unit_price, OLD.discount_percent))
	EXECUTE FUNCTION line_amount_to_the_cent();
CREATE TRIGGER opportunity_amendment_line_new BEFORE INSERT ON opportunity_amendment_line
	FOR EACH ROW WHEN (NEW.amount IS NULL) EXECUTE FUNCTION line_amount_to_the_cent();
CREATE TRIGGER opportunity_amendment_line_changed BEFORE UPDATE OF quantity, unit_price, discount_percent ON opportunity_amendment_line
	FOR EACH ROW WHEN ((NEW.quantity, NEW.unit_price, NEW.discount_percent)
		IS DISTINCT FROM (OLD.quantity, OLD.unit_price, OLD.discount_percent))
	EXECUTE FUNCTION line_amount_to_the_cent();
