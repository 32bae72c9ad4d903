-- schema/erp/0010_order_sums.sql -- what a sales order line comes to, and an order's sums, as functions.

-- Rounded half up to cents, per line.
CREATE FUNCTION line_amount(quantity numeric, unit_price numeric, discount_percent numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS 'SELECT round(quantity * unit_price * (100 - discount_percent) / 100, 2)';

ALTER TABLE sales_order_line DROP COLUMN amount;
ALTER TABLE sales_order_line ADD COLUMN amount numeric(18,2)
	GENERATED ALWAYS AS (line_amount(quantity, unit_price, discount_percent)) STORED;
COMMENT ON COLUMN sales_order_line.amount IS 'Amount: quantity at unit price less discount, rounded to cents.';

-- On top of the amount (exclusive), or contained in it (inclusive).
CREATE FUNCTION line_tax(tax_mode sales_order_tax_mode, amount numeric, tax_percent numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE tax_mode
		WHEN 'exclusive' THEN round(amount * tax_percent / 100, 2)
		WHEN 'inclusive' THEN amount - round(amount * 100 / (100 + tax_percent), 2)
		ELSE 0 END
$$;

-- Of lines that are not inserted yet, as their JSON says.
CREATE FUNCTION order_sums(lines jsonb, tax_mode sales_order_tax_mode)
RETURNS TABLE (amount numeric, tax_amount numeric)
LANGUAGE sql STABLE AS $$
	SELECT coalesce(sum(a.amount), 0), coalesce(sum(line_tax(tax_mode, a.amount, coalesce(l.tax_percent, 0))), 0)
	FROM jsonb_to_recordset(coalesce(lines, '[]')) AS l (quantity numeric(18,4), unit_price numeric(18,4),
			discount_percent numeric(7,4), tax_percent numeric(7,4))
		CROSS JOIN LATERAL (SELECT line_amount(l.quantity, l.unit_price, coalesce(l.discount_percent, 0)) AS amount) a
$$;

-- The totals change with nearly every step; kept out of the index they need no new index entries.
DROP INDEX sales_order_exposure;
CREATE INDEX sales_order_exposure ON sales_order (customer_id)
	WHERE confirmed_at IS NOT NULL AND closed_at IS NULL AND cancelled_at IS NULL;
ALTER TABLE sales_order SET (fillfactor = 85);
