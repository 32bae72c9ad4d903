-- erp-server/sales/order_refresh.sql -- works out the lines' quantities and the status of order $1.
WITH fresh AS (
	SELECT l.id, l.quantity - l.lost AS wanted, i.type = 'goods' AS goods,
		o.confirmed_at IS NOT NULL AND o.closed_at IS NULL AND o.cancelled_at IS NULL AS live,
		gone.n AS delivered, billed.n AS invoiced,
		-- of a bundle, as many as its scarcest component is held for
		coalesce((SELECT min(coalesce(r.quantity - r.consumed, 0) / c.quantity)
				FROM sales_order_component c
				JOIN item part ON part.id = c.item_id AND part.type = 'goods'
				LEFT JOIN stock_reservation r ON r.order_line_id = c.order_line_id
					AND r.item_id = c.item_id AND r.status = 'active'
				WHERE c.order_line_id = l.id),
			(SELECT sum(r.quantity - r.consumed) FROM stock_reservation r
				WHERE r.order_line_id = l.id AND r.status = 'active'), 0) AS reserved
	FROM sales_order o
	JOIN sales_order_line l ON l.sales_order_id = o.id
	JOIN item i ON i.id = l.item_id
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(dl.quantity), 0) AS n
		FROM delivery_line dl JOIN delivery d ON d.id = dl.delivery_id
		WHERE dl.order_line_id = l.id AND d.status IN ('shipped', 'delivered')
	) gone
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(CASE v.kind WHEN 'invoice' THEN il.quantity ELSE -il.quantity END), 0) AS n
		FROM invoice_line il JOIN invoice v ON v.id = il.invoice_id
		WHERE il.order_line_id = l.id AND v.status NOT IN ('draft', 'cancelled')
	) billed
	WHERE o.id = $1
), line AS (
	UPDATE sales_order_line l
	SET reserved = f.reserved, delivered = f.delivered, invoiced = f.invoiced,
		short = CASE WHEN f.goods AND f.live
			THEN greatest(f.wanted - f.delivered - f.reserved, 0) ELSE 0 END
	FROM fresh f
	WHERE f.id = l.id
), done AS (
	SELECT CASE WHEN count(*) FILTER (WHERE f.goods) = 0 THEN CASE WHEN bool_or(f.live) THEN 'full' ELSE 'none' END
			WHEN bool_and(f.delivered = 0) FILTER (WHERE f.goods) THEN 'none'
			WHEN bool_and(f.delivered >= f.wanted) FILTER (WHERE f.goods) THEN 'full'
			ELSE 'partial' END AS delivery,
		CASE WHEN coalesce(bool_and(f.invoiced <= 0), true) THEN 'none'
			WHEN bool_and(f.invoiced >= f.wanted) THEN 'full'
			ELSE 'partial' END AS invoice,
		bool_or(f.delivered > 0) AS any_delivered
	FROM fresh f
)
UPDATE sales_order o
SET delivery_status = d.delivery::sales_order_delivery_status,
	invoice_status = d.invoice::sales_order_invoice_status,
	invoiced_total = (SELECT coalesce(sum(CASE v.kind WHEN 'invoice' THEN v.total ELSE -v.total END), 0)
		FROM invoice v WHERE v.sales_order_id = o.id AND v.status NOT IN ('draft', 'cancelled')),
	status = (CASE WHEN o.cancelled_at IS NOT NULL THEN 'cancelled'
		WHEN o.closed_at IS NOT NULL THEN 'closed'
		WHEN o.held_at IS NOT NULL THEN 'on_hold'
		WHEN o.confirmed_at IS NULL THEN 'draft'
		WHEN d.delivery = 'full' AND d.invoice = 'full' THEN 'completed'
		WHEN d.delivery = 'full' THEN 'delivered'
		WHEN d.any_delivered THEN 'partially_delivered'
		ELSE 'confirmed' END)::sales_order_status
FROM done d
WHERE o.id = $1
