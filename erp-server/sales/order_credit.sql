-- erp-server/sales/order_credit.sql -- what order $1 adds, as far as it is not invoiced, to what its customer owes.
SELECT e.*, e.comparable AND e.open_balance + e.open_orders + e.order_total > e.credit_limit AS too_much
FROM (
	SELECT c.credit_limit, greatest(o.total - o.invoiced_total, 0) AS order_total, o.currency = c.currency AS comparable,
		(SELECT coalesce(sum(CASE i.kind WHEN 'invoice' THEN i.balance ELSE -i.balance END), 0)
			FROM invoice i
			WHERE i.customer_id = c.id AND i.balance > 0 AND i.currency = c.currency) AS open_balance,
		(SELECT coalesce(sum(greatest(s.total - s.invoiced_total, 0)), 0)
			FROM sales_order s
			WHERE s.customer_id = c.id AND s.id <> o.id AND s.currency = c.currency
			AND s.confirmed_at IS NOT NULL AND s.closed_at IS NULL
			AND s.cancelled_at IS NULL) AS open_orders
	FROM sales_order o JOIN customer c ON c.id = o.customer_id
	WHERE o.id = $1
) e
