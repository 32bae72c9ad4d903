-- erp-server/sales/amend_drafts.sql -- locks the draft deliveries of order $2 that amendment $1 leaves too little for.
-- One that another request works on is left alone, so that it and we never wait for each other.
SELECT d.id
FROM delivery d
WHERE d.sales_order_id = $2 AND d.status = 'draft' AND EXISTS (
	SELECT FROM delivery_line mine
	JOIN sales_order_line l ON l.id = mine.order_line_id
	LEFT JOIN sales_order_amendment_line a ON a.sales_order_amendment_id = $1 AND a.order_line_id = l.id
	WHERE mine.delivery_id = d.id AND coalesce(a.quantity, 0) < l.delivered + (
		SELECT sum(dl.quantity) FROM delivery_line dl JOIN delivery o ON o.id = dl.delivery_id
		WHERE dl.order_line_id = l.id AND o.status IN ('draft', 'picked', 'packed')))
ORDER BY d.id
FOR NO KEY UPDATE OF d SKIP LOCKED
