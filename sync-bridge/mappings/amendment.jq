# sync-bridge/mappings/amendment.jq -- what is proposed for a deal that is an order, as the ERP's amendment of that order.
. as $change
| .record
| {
	sales_order_id: {link: "\($change.source):opportunity:\(.opportunity_id)"},
	base_revision: (.revision - 1),
	kind,
	withdrawn: (.state == "withdrawn"),
	agreed_total: (if .kind == "amend" then .total else null end),
	reason: .asked_reason,
	lines: [.lines[] | {
		item_id: {link: "\($change.source):product:\(.product_id)"},
		description, quantity, unit_price, discount_percent, tax_percent,
		source_line: "\(.line_id)"
	}]
}
