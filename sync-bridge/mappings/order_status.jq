# sync-bridge/mappings/order_status.jq -- an ERP sales order as the CRM shows it: quantities so far, never deltas.
. as $change
| .record
| {
	opportunity_id: (.external_ref | split(":")[2] | tonumber),
	account_id: (.customer_ref | split(":")[2] | tonumber),
	number, status, revision, currency, total, promised_date,
	lines: [.lines[] | {
		product_id: {link: "\($change.source):item:\(.item_id)", optional: true},
		ordered: .quantity, reserved, delivered, invoiced
	}]
}
