# sync-bridge/mappings/customer_finance.jq -- what sales may know of a customer's account: no cost, no ledger.
.record
| {
	account_id: (.external_ref | split(":")[2] | tonumber),
	customer_number: .number,
	currency, open_balance, overdue_balance, credit_limit, credit_status
}
