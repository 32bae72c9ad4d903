# sync-bridge/mappings/account_customer.jq -- a CRM account as the ERP's customer; credit stays the ERP's own.
. as $change
| .record
| {
	name, tax_id, currency, payment_terms_days,
	billing_street, billing_city, billing_region, billing_postal_code, billing_country,
	shipping_street, shipping_city, shipping_region, shipping_postal_code, shipping_country,
	phone, email,
	parent_id: (if .parent_id then {link: "\($change.source):account:\(.parent_id)"} else null end),
	active: (.type != "former" and ($change.type | endswith(".deleted") | not))
}
