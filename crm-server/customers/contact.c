/* crm-server/customers/contact.c -- people at accounts, at most one of them the primary one. */
#include "crm.h"

static const char sql_primary[] =
	"SELECT id, last_name FROM contact WHERE account_id = $1 AND is_primary AND id <> $2";

static void contact_prepare(struct request *rq, struct record *record, cJSON *body);

struct entity contact_entity = {
	.name = "contact",
	.path = "contacts",
	.text = "A person at an account.",
	.read = "*",
	.write = "sales sales_manager marketing support",
	.remove = "sales_manager",
	.search = "first_name last_name email",
	.derived = {
		{ "account_name", COLUMN_TEXT,
		  "(SELECT a.name FROM account a WHERE a.id = t.account_id)",
		  "Name of the account." },
	},
	.prepare = contact_prepare,
};

/* A unique index holds the rule; this says it before and names who stands in the way. */
static void
contact_prepare(struct request *rq, struct record *record, cJSON *body)
{
	int64_t account_id = record != NULL ? record_id(record, "account_id") : 0;
	int64_t own_id = record != NULL ? record->id : 0;

	owner_default(rq, record, body);
	json_integer(body, "account_id", &account_id);
	if (account_id == 0 || !cJSON_IsTrue(json_get(body, "is_primary")))
		return;
	const struct row *primary = db_one(rq, sql_primary, P_ID(account_id), P_ID(own_id));
	if (primary != NULL)
		fail(rq, ERR_RULE, .field = "is_primary",
		     .detail = arena_printf(
			     &rq->arena, "Contact %s (%s) is the primary one of this account.",
			     row_text(primary, "id"), row_text(primary, "last_name")),
		     .hint = "Set is_primary of that contact to false first.");
}
