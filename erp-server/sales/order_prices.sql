-- erp-server/sales/order_prices.sql -- what items $3 cost customer $1 in currency $2, or in his own.
SELECT json_object_agg(i.id, unit_price_for(c.id, i.id, coalesce($2, c.currency))) AS prices
FROM customer c, item i
WHERE c.id = $1 AND i.id = ANY ($3::bigint[])
