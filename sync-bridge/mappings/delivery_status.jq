# sync-bridge/mappings/delivery_status.jq -- an ERP delivery as the CRM shows it.
. as $change
| .record
| {
	opportunity_id: (.order_ref | split(":")[2] | tonumber),
	account_id: (.customer_ref | split(":")[2] | tonumber),
	number, status, shipped_at, delivered_at, carrier, tracking_number,
	lines: [.lines[] | {product_id: {link: "\($change.source):item:\(.item_id)", optional: true}, quantity}]
}
