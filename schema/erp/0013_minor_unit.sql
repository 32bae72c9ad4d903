-- schema/erp/0013_minor_unit.sql -- amounts are rounded to the smallest coin of their currency.

-- Amounts are kept with two decimals: a currency with more cannot be sold in.
ALTER TABLE currency DROP CONSTRAINT currency_minor_unit_check;
ALTER TABLE currency ADD CONSTRAINT currency_minor_unit_check CHECK (minor_unit BETWEEN 0 AND 2) NOT VALID;

CREATE FUNCTION minor_unit(currency text) RETURNS int
LANGUAGE sql STABLE AS
	'SELECT least(coalesce((SELECT c.minor_unit FROM currency c WHERE c.code = currency), 2), 2)::int';

-- Rounded half up, per line, to the currency's smallest coin.
CREATE FUNCTION line_amount(quantity numeric, unit_price numeric, discount_percent numeric, minor_unit int)
RETURNS numeric
LANGUAGE sql IMMUTABLE AS 'SELECT round(quantity * unit_price * (100 - discount_percent) / 100, minor_unit)';

-- On top of the amount (exclusive), or contained in it (inclusive).
CREATE FUNCTION line_tax(tax_mode sales_order_tax_mode, amount numeric, tax_percent numeric, minor_unit int)
RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE tax_mode
		WHEN 'exclusive' THEN round(amount * tax_percent / 100, minor_unit)
		WHEN 'inclusive' THEN amount - round(amount * 100 / (100 + tax_percent), minor_unit)
		ELSE 0 END
$$;

-- Whoever writes a line rounds by its order's currency, which a generated column cannot see.
ALTER TABLE sales_order_line ALTER COLUMN amount DROP EXPRESSION;
ALTER TABLE sales_order_line ALTER COLUMN amount SET DEFAULT 0, ALTER COLUMN amount SET NOT NULL;
COMMENT ON COLUMN sales_order_line.amount IS
	'Amount: quantity at unit price less discount, rounded to the currency''s smallest coin.';

-- Of lines that are not inserted yet, as their JSON says.
CREATE FUNCTION order_sums(lines jsonb, tax_mode sales_order_tax_mode, minor_unit int)
RETURNS TABLE (amount numeric, tax_amount numeric)
LANGUAGE sql STABLE AS $$
	SELECT coalesce(sum(a.amount), 0),
		coalesce(sum(line_tax(tax_mode, a.amount, coalesce(l.tax_percent, 0), minor_unit)), 0)
	FROM jsonb_to_recordset(coalesce(lines, '[]')) AS l (quantity numeric(18,4), unit_price numeric(18,4),
			discount_percent numeric(7,4), tax_percent numeric(7,4))
		CROSS JOIN LATERAL (SELECT line_amount(l.quantity, l.unit_price, coalesce(l.discount_percent, 0),
			minor_unit) AS amount) a
$$;

DROP FUNCTION order_sums(jsonb, sales_order_tax_mode);
DROP FUNCTION line_tax(sales_order_tax_mode, numeric, numeric);
DROP FUNCTION line_amount(numeric, numeric, numeric);
