-- erp-server/sales/amend_apply.sql -- changes and adds the lines of order $2 as amendment $1 says; lines to go still stand.
WITH wanted AS (
	SELECT * FROM sales_order_amendment_line WHERE sales_order_amendment_id = $1
), kept AS (
	UPDATE sales_order_line l SET position = w.position, description = w.description, quantity = w.quantity,
		unit_price = w.unit_price, discount_percent = w.discount_percent, tax_percent = w.tax_percent
	FROM wanted w
	WHERE l.id = w.order_line_id AND l.sales_order_id = $2
), added AS (
	INSERT INTO sales_order_line (id, sales_order_id, position, item_id, description, quantity, unit_price,
		discount_percent, tax_percent, source_line)
	OVERRIDING SYSTEM VALUE
	SELECT w.order_line_id, $2, w.position, w.item_id, w.description, w.quantity, w.unit_price,
		w.discount_percent, w.tax_percent, w.source_line
	FROM wanted w
	WHERE NOT EXISTS (SELECT FROM sales_order_line l WHERE l.id = w.order_line_id)
	RETURNING id, item_id
)
INSERT INTO sales_order_component (order_line_id, item_id, quantity)
SELECT a.id, c.component_id, c.quantity FROM added a JOIN item_component c ON c.item_id = a.item_id
