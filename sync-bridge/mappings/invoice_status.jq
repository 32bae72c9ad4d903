# sync-bridge/mappings/invoice_status.jq -- a posted ERP invoice or credit note as the CRM shows it.
.record
| {
	opportunity_id: (if (.order_ref // "") | startswith("crm:opportunity:")
		then .order_ref | split(":")[2] | tonumber else null end),
	account_id: (.customer_ref | split(":")[2] | tonumber),
	number, kind, status, currency, total, balance, invoice_date, due_date
}
