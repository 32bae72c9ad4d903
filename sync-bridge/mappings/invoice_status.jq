# sync-bridge/mappings/invoice_status.jq -- a posted ERP invoice or credit note as the CRM shows it.
. as $change
| .record
| {
	opportunity_id: (if (.order_ref // "") | startswith("\($change.target):opportunity:")
		then .order_ref | split(":")[2] | tonumber else null end),
	account_id: (.customer_ref | split(":")[2] | tonumber),
	number, kind, status, currency, total, balance, invoice_date, due_date
}
