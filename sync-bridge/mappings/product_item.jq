# sync-bridge/mappings/product_item.jq -- a CRM product as the ERP's item, with one price for each currency.
# Where several price books have a price in one currency, the oldest book's crosses.
. as $change
| .record
| {
	sku, name, description, unit, type,
	active: (.active and ($change.type | endswith(".deleted") | not)),
	prices: [(.prices // []) | group_by(.currency)[] | min_by(.price_book_id) | {currency, unit_price}],
	components: [(.components // [])[] | {component_id: {link: "\($change.source):product:\(.component_id)"}, quantity}]
}
