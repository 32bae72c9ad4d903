-- erp-server/sales/order_defaults.sql -- the currency of customer $1 (or $2), and prices of items $3 in it.
SELECT coalesce($2, c.currency) AS currency,
	(SELECT json_object_agg(i.id, unit_price_for(c.id, i.id, coalesce($2, c.currency)))
		FROM item i WHERE i.id = ANY ($3::bigint[])) AS prices
FROM customer c
WHERE c.id = $1
