# sync-bridge/mappings/availability.jq -- what a rep may promise of a product today.
.record
| {
	product_id: (.external_ref | split(":")[2] | tonumber),
	on_hand, reserved, available
}
