-- erp-server/inventory/item_availability.sql -- what there is of item $1, in all and per warehouse.
SELECT json_build_object('item_id', i.id,
	'on_hand', coalesce(sum(s.on_hand), 0)::numeric(18,4)::text,
	'reserved', coalesce(sum(s.reserved), 0)::numeric(18,4)::text,
	'available', (SELECT v.available FROM item_level v WHERE v.item_id = i.id)::numeric(18,4)::text,
	'warehouses', coalesce(json_agg(json_build_object('warehouse_id', w.id, 'code', w.code,
		'on_hand', s.on_hand::numeric(18,4)::text, 'reserved', s.reserved::numeric(18,4)::text,
		'available', (s.on_hand - s.reserved)::numeric(18,4)::text) ORDER BY w.code)
		FILTER (WHERE w.id IS NOT NULL), '[]'))
FROM item i
LEFT JOIN LATERAL (SELECT * FROM item_stock s WHERE s.item_id = i.id) s ON true
LEFT JOIN warehouse w ON w.id = s.warehouse_id
WHERE i.id = $1
GROUP BY i.id
