-- erp-server/finance/payment_oldest.sql -- gives payment $1's unapplied money to the oldest of the customer's invoices.
INSERT INTO payment_allocation (payment_id, position, invoice_id, amount)
SELECT $1, row_number() OVER (ORDER BY o.due_date, o.id)
		+ (SELECT count(*) FROM payment_allocation a WHERE a.payment_id = $1), o.id,
	least(o.balance, o.left_over)
FROM (
	SELECT i.id, i.due_date, i.balance,
		p.amount - p.allocated - (sum(i.balance) OVER (ORDER BY i.due_date, i.id) - i.balance) AS left_over
	FROM payment p
	JOIN invoice i ON i.customer_id = p.customer_id AND i.currency = p.currency
	WHERE p.id = $1 AND i.kind = 'invoice' AND i.balance > 0
) o
WHERE o.left_over > 0
RETURNING invoice_id
