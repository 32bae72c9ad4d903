-- erp-server/inventory/item_nested.sql -- a bundle in a bundle with item $1: it would hide what is taken out of stock.
SELECT i.sku
FROM item_component c JOIN item i ON i.id = c.component_id
WHERE (c.item_id = $1 AND EXISTS (SELECT FROM item_component x WHERE x.item_id = c.component_id))
OR (c.component_id = $1 AND EXISTS (SELECT FROM item_component x WHERE x.item_id = $1))
OR (c.item_id = $1 AND c.component_id = $1)
LIMIT 1
