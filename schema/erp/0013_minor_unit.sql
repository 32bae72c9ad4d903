-- schema/erp/0013_minor_unit.sql -- amounts are rounded to the smallest coin of their currency.

-- Amounts are kept with two decimals: a currency with more cannot be sold in.
ALTER TABLE currency DROP CONSTRAINT currency_minor_unit_check;
ALTER TABLE currency ADD CONSTRAINT currency_minor_unit_check CHECK (minor_unit BETWEEN 0 AND 2) NOT VALID;

-- Rounded half up, per line, to the currency's smallest coin. Those of 0010 stay for a version from before.
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
ALTER TABLE sales_order_line ADD CHECK (amount IS NOT NULL);
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

-- A version from before this migration leaves amounts to the table: to the cent, as ever. This one
-- gives them, or adds up what has changed afterwards.
CREATE FUNCTION line_amount_to_the_cent() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.amount := round(NEW.quantity * NEW.unit_price * (100 - NEW.discount_percent) / 100, 2);
	RETURN NEW;
END $$;

CREATE TRIGGER sales_order_line_new BEFORE INSERT ON sales_order_line
	FOR EACH ROW WHEN (NEW.amount IS NULL) EXECUTE FUNCTION line_amount_to_the_cent();
CREATE TRIGGER sales_order_line_changed BEFORE UPDATE OF quantity, unit_price, discount_percent ON sales_order_line
	FOR EACH ROW WHEN ((NEW.quantity, NEW.unit_price, NEW.discount_percent)
		IS DISTINCT FROM (OLD.quantity, OLD.unit_price, OLD.discount_percent))
	EXECUTE FUNCTION line_amount_to_the_cent();
