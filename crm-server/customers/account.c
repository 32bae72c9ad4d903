/* crm-server/customers/account.c -- companies that buy or may buy, and how they belong together. */
#include <string.h>

#include "account_overview.sql.h"
#include "crm.h"
#include "http/http.h"

/* Two writers that would close a circle from both ends go one after the other. */
static const char sql_lock_hierarchy[] =
	"SELECT pg_advisory_xact_lock(hashtextextended('account.parent_id', 0))";

static const char sql_circle[] =
	"WITH RECURSIVE up (id) AS ("
	"	SELECT parent_id FROM account WHERE id = $1"
	"	UNION SELECT a.parent_id FROM account a JOIN up ON a.id = up.id)"
	" SELECT 1 FROM up WHERE id = $1";

#define SAME_TAX_ID "lower(regexp_replace($1, '[^[:alnum:]]', '', 'g'))"

static const char sql_lock_tax_id[] =
	"SELECT pg_advisory_xact_lock(hashtextextended('account.tax_id:' || " SAME_TAX_ID ", 0))";

static const char sql_same_tax_id[] =
	"SELECT json_agg(json_build_object("
	"	'id', id, 'name', name, 'type', type, 'tax_id', tax_id) ORDER BY id) AS candidates"
	" FROM (SELECT * FROM account"
	"	WHERE lower(regexp_replace(tax_id, '[^[:alnum:]]', '', 'g')) = " SAME_TAX_ID
	"	AND tax_id IS NOT NULL AND " SAME_TAX_ID " <> '' AND id <> $2"
	"	ORDER BY id LIMIT 20) AS same";

static void account_prepare(struct request *rq, struct record *record, cJSON *body);
static void account_saved(struct request *rq, struct record *record, bool created);

static const struct view account_views[] = {
	{ .name = "overview",
	  .allow = "*",
	  .sql = sql_account_overview,
	  .text = "The account with its open deals and what the ERP says of it." },
	{ 0 }
};

struct entity account_entity = {
	.name = "account",
	.path = "accounts",
	.text = "A company or person that buys, may buy, or sells with us.",
	.read = "*",
	.write = "sales sales_manager marketing support",
	.remove = "sales_manager",
	.search = "name tax_id email billing_city",
	.derived = {
		{ "primary_contact_id", COLUMN_INTEGER,
		  "(SELECT c.id FROM contact c WHERE c.account_id = t.id AND c.is_primary)",
		  "The contact to turn to first." },
	},
	.views = account_views,
	.prepare = account_prepare,
	.saved = account_saved,
};

static void
account_prepare(struct request *rq, struct record *record, cJSON *body)
{
	owner_default(rq, record, body);
}

static void
refuse_circle(struct request *rq, const struct record *account)
{
	if (record_id(account, "parent_id") == 0)
		return;
	db_do(rq, sql_lock_hierarchy);
	if (db_one(rq, sql_circle, P_ID(account->id)) == NULL)
		return;
	fault_field(rq, "parent_id", "circle", "the parent belongs to this account");
	fault_raise_collected(rq);
}

/* The same company twice is the commonest rot of a CRM; only the one who adds it can tell. */
static void
refuse_duplicate(struct request *rq, const struct record *account)
{
	const char *tax_id = record_text(account, "tax_id");
	const char *skip = rq->http != NULL ? http_header(rq, "X-Skip-Duplicate-Check") : "true";

	if (tax_id == NULL || (skip != NULL && strcmp(skip, "true") == 0))
		return;
	db_do(rq, sql_lock_tax_id, P_TEXT(tax_id));
	const struct row *same = db_one(rq, sql_same_tax_id, P_TEXT(tax_id), P_ID(account->id));
	if (row_null(same, "candidates"))
		return;

	cJSON *members = cJSON_CreateObject();
	cJSON_AddItemToObject(members, "candidates", json_own(rq, row_text(same, "candidates")));
	fail(rq, ERR_DUPLICATE, .field = "tax_id", .members = members,
	     .detail = "Another account has the same tax id.",
	     .hint = "Use that account, or send X-Skip-Duplicate-Check: true.");
}

static void
account_saved(struct request *rq, struct record *record, bool created)
{
	if (created)
		refuse_duplicate(rq, record);
	else
		refuse_circle(rq, record);
}
