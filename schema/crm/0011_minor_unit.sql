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

CREATE FUNCTION minor_unit(currency text) RETURNS int
LANGUAGE sql STABLE AS
	'SELECT coalesce((SELECT c.minor_unit FROM currency c WHERE c.code = currency), 2)::int';

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

-- Whoever writes a line rounds by its deal's currency, which a generated column cannot see.
ALTER TABLE opportunity_line ALTER COLUMN amount DROP EXPRESSION;
ALTER TABLE opportunity_line ALTER COLUMN amount SET DEFAULT 0;
ALTER TABLE opportunity_amendment_line ALTER COLUMN amount DROP EXPRESSION;
ALTER TABLE opportunity_amendment_line ALTER COLUMN amount SET DEFAULT 0;
COMMENT ON COLUMN opportunity_line.amount IS
	'Amount: quantity times price less discount, rounded to the currency''s smallest coin, half up.';
COMMENT ON COLUMN opportunity_amendment_line.amount IS
	'Amount: quantity times price less discount, rounded to the currency''s smallest coin, half up.';
