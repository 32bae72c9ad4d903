/* crm-server/sales/opportunity.c -- deals: their totals, their rules, and their history. */
#include <string.h>

#include "opportunity_fulfilment.sql.h"
#include "opportunity_history.sql.h"
#include "opportunity_totals.sql.h"
#include "opportunity_track.sql.h"
#include "sales/opportunity.h"

static const char sql_misfits[] =
	"SELECT s.pipeline_id <> o.pipeline_id AS other_pipeline, s.kind <> 'open' AS closed_stage,"
	"	c.account_id <> o.account_id AS other_account,"
	"	(SELECT sum(line_amount(l.quantity, l.unit_price, l.discount_percent, 2))"
	"		> 999999999999999 FROM opportunity_line l"
	"		WHERE l.opportunity_id = o.id) AS too_much"
	" FROM opportunity o JOIN stage s ON s.id = o.stage_id"
	" LEFT JOIN contact c ON c.id = o.contact_id WHERE o.id = $1";

static void opportunity_prepare(struct request *rq, struct record *record, cJSON *body);
static void opportunity_saved(struct request *rq, struct record *record, bool created);
static void opportunity_deleting(struct request *rq, struct record *record);

static const struct view opportunity_views[] = {
	{ .name = "fulfilment",
	  .allow = "*",
	  .sql = sql_opportunity_fulfilment,
	  .text = "The deal's way from won to paid, as the ERP tells it." },
	{ .name = "history",
	  .allow = "*",
	  .sql = sql_opportunity_history,
	  .text = "How the deal moved through its stages." },
	{ 0 }
};

struct entity opportunity_entity = {
	.name = "opportunity",
	.path = "opportunities",
	.text = "A deal: what an account may buy, and whether it did.",
	.read = "*",
	.write = "sales sales_manager",
	.remove = "sales_manager",
	.computed = "number status closed_at amount tax_amount total loss_reason loss_notes"
		    " handover handover_order_number handover_order_ref handover_code"
		    " handover_reason handover_remedy revision amendment_id",
	.search = "number name",
	.derived = {
		{ "stage", COLUMN_TEXT, "(SELECT s.name FROM stage s WHERE s.id = t.stage_id)",
		  "Name of the stage." },
		{ "account_name", COLUMN_TEXT,
		  "(SELECT a.name FROM account a WHERE a.id = t.account_id)",
		  "Name of the account." },
		{ "account_company", COLUMN_TEXT,
		  "(SELECT a.company FROM account a WHERE a.id = t.account_id)",
		  "Company that serves the account; the bridge may route by it." },
		{ "account_region", COLUMN_TEXT,
		  "(SELECT a.billing_region FROM account a WHERE a.id = t.account_id)",
		  "Billing region of the account." },
		{ "account_country", COLUMN_TEXT,
		  "(SELECT a.billing_country FROM account a WHERE a.id = t.account_id)",
		  "Billing country of the account." },
		{ "expected_revenue", COLUMN_NUMERIC, "round(t.amount * t.probability / 100, 2)",
		  "Amount weighted by the probability." },
		{ "amendment", COLUMN_JSON,
		  "CASE WHEN t.amendment_id IS NOT NULL THEN (SELECT json_build_object("
		  "'id', a.id, 'revision', a.revision, 'kind', a.kind, 'state', a.state,"
		  " 'total', a.total::text, 'asked_reason', a.asked_reason,"
		  " 'asked_by', a.asked_by, 'asked_at', a.asked_at,"
		  " 'answered_at', a.answered_at,"
		  " 'code', a.code, 'reason', a.reason, 'remedy', a.remedy)"
		  " FROM opportunity_amendment a WHERE a.id = t.amendment_id) END",
		  "The last change that was proposed after the handover, and the ERP's answer." },
	},
	.lines = { { .name = "lines", .table = "opportunity_line", .parent = "opportunity_id",
		     .computed = "amount",
		     .inserted = { { "amount", DEAL_LINE_AMOUNT } },
		     .joined = DEAL_LINE_JOINED } },
	.verbs = opportunity_verbs,
	.views = opportunity_views,
	.prepare = opportunity_prepare,
	.saved = opportunity_saved,
	.deleting = opportunity_deleting,
};

static void
opportunity_prepare(struct request *rq, struct record *record, cJSON *body)
{
	if (record != NULL && strcmp(record_text(record, "status"), "open") != 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(
			     &rq->arena, "Opportunity %s is %s and cannot be edited.",
			     record_text(record, "number"), record_text(record, "status")),
		     .hint = "Use the verb reopen first.");
	owner_default(rq, record, body);
	opportunity_fill(rq, record, body);
	opportunity_fill_prices(rq, record, body);
	opportunity_check_lines(rq, body);
}

static void
opportunity_saved(struct request *rq, struct record *record, bool created)
{
	const struct row *misfits = db_one(rq, sql_misfits, P_ID(record->id));

	if (row_bool(misfits, "other_pipeline"))
		fault_field(rq, "stage_id", "wrong_reference",
			    "must be a stage of the deal's pipeline");
	else if (row_bool(misfits, "closed_stage"))
		fault_field(rq, "stage_id", "wrong_reference",
			    "must be an open stage; use the verbs win and lose for the others");
	if (row_bool(misfits, "other_account"))
		fault_field(rq, "contact_id", "wrong_reference",
			    "must be a contact of the account");
	if (row_bool(misfits, "too_much"))
		fault_field(rq, "lines", "out_of_range", "must come to 999999999999999 at most");
	fault_raise_collected(rq);
	db_do(rq, sql_opportunity_totals, P_ID(record->id));
	opportunity_track(rq, record->id);
}

static void
opportunity_deleting(struct request *rq, struct record *record)
{
	if (strcmp(record_text(record, "status"), "won") == 0)
		fail(rq, ERR_INVALID_STATE, .detail = "A won deal cannot be deleted.",
		     .hint = "Reopen it first, as long as the ERP has not accepted it.");
	if (record_text(record, "handover") != NULL)
		fail(rq, ERR_INVALID_STATE, .detail = "The deal was an order and is kept.");
}

void
opportunity_track(struct request *rq, int64_t id)
{
	db_do(rq, sql_opportunity_track, P_ID(id), P_ID(rq->actor->user_id));
}
