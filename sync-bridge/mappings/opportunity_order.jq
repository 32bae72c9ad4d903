# sync-bridge/mappings/opportunity_order.jq -- a won deal as the ERP's sales order, at exactly the agreed prices.
. as $change
| .record
| {
	customer_id: {link: "\($change.source):account:\(.account_id)"},
	customer_reference: .number,
	currency, tax_mode,
	agreed_total: .total,
	lines: [.lines[] | {
		item_id: {link: "\($change.source):product:\(.product_id)"},
		description, quantity, unit_price, discount_percent, tax_percent,
		source_line: "\(.id)"
	}]
}
