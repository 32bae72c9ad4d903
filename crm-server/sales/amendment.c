/* crm-server/sales/amendment.c -- proposals to change or cancel an order, and the ERP's answers.
 *
 * A deal that the ERP has taken does not change until the ERP agrees: what is asked stands in an
 * opportunity_amendment, which crosses the bridge by itself. What the ERP accepts is a fact, also
 * when the proposal was refused before or withdrawn too late; revisions put facts in order.
 *
 * Row locks are taken in this order: amendment, deal.
 */
#include <string.h>

#include "amendment_apply.sql.h"
#include "amendment_cancel.sql.h"
#include "amendment_totals.sql.h"
#include "amendment_wanted.sql.h"
#include "opportunity_totals.sql.h"
#include "sales/opportunity.h"

/* The order as it is known here may be ahead of the deal: the ERP changes orders itself, too. */
static const char sql_standing[] =
	"SELECT 1 + greatest(o.revision, (SELECT max(e.revision) FROM erp_order e"
	"	WHERE e.opportunity_id = o.id)) AS next,"
	" (SELECT a.id FROM opportunity_amendment a"
	"	WHERE a.opportunity_id = o.id AND a.state = 'pending') AS pending"
	" FROM opportunity o WHERE o.id = $1";

static const char sql_proposed[] = "UPDATE opportunity SET amendment_id = $2 WHERE id = $1";

static const char sql_withdraw[] =
	"UPDATE opportunity_amendment SET state = 'withdrawn' WHERE id = $1";

static const char sql_answer[] =
	"UPDATE opportunity_amendment SET state = $2::opportunity_amendment_state, code = $3,"
	" reason = $4, remedy = $5, answered_at = now() WHERE id = $1";

static const char sql_revised[] = "UPDATE opportunity SET revision = $2 WHERE id = $1";

static void amendment_saved(struct request *rq, struct record *amendment, bool created);
static void amendment_answer(struct request *rq, struct record *amendment, cJSON *body);
static void amendment_withdraw(struct request *rq, struct record *amendment, cJSON *body);

static const struct param_spec line_params[] = {
	{ .name = "id", .type = COLUMN_INTEGER, .text = "A line of the deal that is kept." },
	{ .name = "product_id",
	  .type = COLUMN_INTEGER,
	  .references = "product",
	  .text = "Of a line that is added." },
	{ .name = "description", .type = COLUMN_TEXT, .text = "When it differs." },
	{ .name = "quantity", .type = COLUMN_NUMERIC, .text = "How many in all." },
	{ .name = "unit_price",
	  .type = COLUMN_NUMERIC,
	  .text = "The price book's on a line that is added without one." },
	{ .name = "discount_percent", .type = COLUMN_NUMERIC, .text = "Percent of the price." },
	{ .name = "tax_percent", .type = COLUMN_NUMERIC, .text = "Percent." },
	{ 0 }
};

const struct param_spec amend_params[] = {
	{ .name = "lines",
	  .type = COLUMN_JSON,
	  .required = true,
	  .items = line_params,
	  .text = "The lines as they shall be; lines not named are given up." },
	{ .name = "reason", .type = COLUMN_TEXT, .text = "Why." },
	{ 0 }
};

const struct param_spec cancel_params[] = {
	{ .name = "reason", .type = COLUMN_TEXT, .required = true, .text = "Why." }, { 0 }
};

static const struct verb verbs[] = {
	{ .name = "answer",
	  .allow = "bridge",
	  .params = answer_params,
	  .run = amendment_answer,
	  .text = "The ERP's answer to the proposal." },
	{ .name = "withdraw",
	  .allow = "sales sales_manager",
	  .run = amendment_withdraw,
	  .text = "Takes a pending proposal back; the ERP may have accepted it before." },
	{ 0 }
};

struct entity opportunity_amendment_entity = {
	.name = "opportunity_amendment",
	.path = "opportunity-amendments",
	.text = "What is proposed for a deal that is an order already, and the ERP's answer.",
	.read = "*",
	.lines = { { .name = "lines",
		     .table = "opportunity_amendment_line",
		     .parent = "opportunity_amendment_id",
		     .computed = "amount",
		     .inserted = { { "amount", DEAL_LINE_AMOUNT } },
		     .joined = DEAL_LINE_JOINED } },
	.verbs = verbs,
	.saved = amendment_saved,
};

static void
amendment_saved(struct request *rq, struct record *amendment, bool created)
{
	db_do(rq, sql_amendment_totals, P_ID(amendment->id));
}

/* ---- asking ---- */

static cJSON *
proposal_of(struct request *rq, const struct record *deal, const char *kind, const cJSON *body)
{
	const char *handover = record_text(deal, "handover");
	cJSON *proposal = cJSON_CreateObject();
	struct row *standing;

	if (handover == NULL || strcmp(handover, "accepted") != 0)
		fail(rq, ERR_INVALID_STATE, .detail = "The ERP has not taken the deal as an order.",
		     .hint = "Wait for its answer; a refused deal can be reopened and changed.");
	standing = db_one(rq, sql_standing, P_ID(deal->id));
	if (!row_null(standing, "pending"))
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Amendment %s is not answered yet.",
					    row_text(standing, "pending")),
		     .hint = "Wait for the ERP's answer, or withdraw it.");
	json_add_integer(proposal, "opportunity_id", deal->id);
	json_add_integer(proposal, "revision", row_id(standing, "next"));
	json_add_string(proposal, "kind", kind);
	json_add_string(proposal, "tax_mode", record_text(deal, "tax_mode"));
	json_add_string(proposal, "currency", record_text(deal, "currency"));
	json_add_string(proposal, "asked_reason", json_string(body, "reason"));
	if (rq->actor->user_id != 0)
		json_add_integer(proposal, "asked_by", rq->actor->user_id);
	return proposal;
}

static void
propose(struct request *rq, struct record *deal, cJSON *proposal, const char *event)
{
	struct record *amendment = record_create(rq, &opportunity_amendment_entity, proposal);

	db_do(rq, sql_proposed, P_ID(deal->id), P_ID(amendment->id));
	record_changed(rq, deal, event);
}

static void
check_line(struct request *rq, const struct row *row, int n)
{
	const char *line = arena_printf(&rq->arena, "lines[%d]", n);
	const char *product = arena_printf(&rq->arena, "%s.product_id", line);

	if (row_bool(row, "unknown"))
		fault_field(rq, arena_printf(&rq->arena, "%s.id", line), "unknown_reference",
			    "is no line of this deal");
	else if (row_bool(row, "twice"))
		fault_field(rq, arena_printf(&rq->arena, "%s.id", line), "duplicate",
			    "is given twice");
	if (row_bool(row, "other_product"))
		fault_field(rq, product, "wrong_reference",
			    "is another product; give the line up and add one");
	else if (row_bool(row, "no_product"))
		fault_field(rq, product, "required", "must be given");
	else if (row_bool(row, "inactive"))
		fault_field(rq, product, "inactive", "%s is not sold any more",
			    row_text(row, "sku"));
	if (row_bool(row, "no_quantity"))
		fault_field(rq, arena_printf(&rq->arena, "%s.quantity", line), "required",
			    "must be given");
}

static cJSON *
proposed_lines(struct request *rq, const struct record *deal, const cJSON *given)
{
	static const char *const copied[] = { "description",      "quantity",    "unit_price",
					      "discount_percent", "tax_percent", NULL };
	struct rows *wanted =
		db_all(rq, sql_amendment_wanted, P_ID(deal->id), P_TEXT(json_text(rq, given)));
	cJSON *lines = cJSON_CreateArray();

	if (!rows_any(wanted))
		fault_field(rq, "lines", "required",
			    "must have at least one line; use the verb cancel to give all up");
	for (int i = 0; i < rows_count(wanted); i++) {
		struct row *row = rows_at(wanted, i);
		cJSON *line = cJSON_CreateObject();

		check_line(rq, row, i);
		json_add_integer(line, "line_id", row_id(row, "line_id"));
		json_add_integer(line, "product_id",
				 row_null(row, "product_id") ? 0 : row_id(row, "product_id"));
		for (int c = 0; copied[c] != NULL; c++)
			if (!row_null(row, copied[c]))
				json_add_string(line, copied[c], row_text(row, copied[c]));
		cJSON_AddItemToArray(lines, line);
	}
	fault_raise_collected(rq);
	return lines;
}

void
opportunity_amend(struct request *rq, struct record *deal, cJSON *body)
{
	cJSON *proposal = proposal_of(rq, deal, "amend", body);

	opportunity_fill_prices(rq, deal, body);
	opportunity_check_lines(rq, body);
	cJSON_AddItemToObject(proposal, "lines", proposed_lines(rq, deal, json_get(body, "lines")));
	propose(rq, deal, proposal, "opportunity.amend_asked");
}

void
opportunity_cancel(struct request *rq, struct record *deal, cJSON *body)
{
	propose(rq, deal, proposal_of(rq, deal, "cancel", body), "opportunity.cancel_asked");
}

static void
amendment_withdraw(struct request *rq, struct record *amendment, cJSON *body)
{
	const char *state = record_text(amendment, "state");
	struct record *deal;

	if (strcmp(state, "pending") != 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "The proposal is %s.", state));
	deal = record_lock(rq, &opportunity_entity, record_id(amendment, "opportunity_id"));
	db_do(rq, sql_withdraw, P_ID(amendment->id));
	record_changed(rq, amendment, "opportunity_amendment.withdrawn");
	record_changed(rq, deal, "opportunity.amend_withdrawn");
}

/* ---- the answer ---- */

/* Whether it is news. An accepted answer without an order took note of a withdrawal. */
static bool
is_news(struct request *rq, const struct record *amendment, const cJSON *body, bool accepted)
{
	static const char *const told[] = { "code", "reason", "remedy", NULL };
	const char *state = record_text(amendment, "state");
	bool withdrawn = strcmp(state, "withdrawn") == 0;

	if (accepted && json_string(body, "order_number") == NULL) {
		if (!withdrawn)
			fault_field(rq, "order_number", "required",
				    "an accepted proposal has an order");
		fault_raise_collected(rq);
		return false;
	}
	if (strcmp(state, "accepted") == 0) {
		if (accepted)
			return false;
		fail(rq, ERR_INVALID_STATE, .detail = "The proposal is accepted already.");
	}
	if (accepted || strcmp(state, "pending") == 0)
		return true;
	if (withdrawn)
		return false;
	for (int i = 0; told[i] != NULL; i++)
		if (!json_says(body, told[i], record_text(amendment, told[i])))
			return true;
	return false;
}

/* Facts that come late do not undo later ones. */
static const char *
take_effect(struct request *rq, const struct record *amendment, const struct record *deal)
{
	bool cancel = strcmp(record_text(amendment, "kind"), "cancel") == 0;
	struct param revision = P_ID(record_id(amendment, "revision"));

	if (record_id(deal, "revision") >= record_id(amendment, "revision"))
		return "opportunity.amend_confirmed";
	if (cancel) {
		db_do(rq, sql_amendment_cancel, P_ID(deal->id), revision,
		      P_TEXT(record_text(amendment, "asked_reason")));
	} else {
		db_do(rq, sql_amendment_apply, P_ID(deal->id), P_ID(amendment->id));
		db_do(rq, sql_opportunity_totals, P_ID(deal->id));
		db_do(rq, sql_revised, P_ID(deal->id), revision);
	}
	opportunity_track(rq, deal->id);
	return cancel ? "opportunity.cancelled" : "opportunity.amended";
}

static void
amendment_answer(struct request *rq, struct record *amendment, cJSON *body)
{
	bool accepted = answer_accepts(rq, body);
	const char *event = "opportunity.amend_rejected";
	struct record *deal;

	fault_raise_collected(rq);
	if (!is_news(rq, amendment, body, accepted))
		return;
	deal = record_lock(rq, &opportunity_entity, record_id(amendment, "opportunity_id"));
	if (accepted)
		event = take_effect(rq, amendment, deal);
	db_do(rq, sql_answer, P_ID(amendment->id), P_TEXT(json_string(body, "state")),
	      P_TEXT(json_string(body, "code")), P_TEXT(json_string(body, "reason")),
	      P_TEXT(json_string(body, "remedy")));
	record_changed(rq, amendment,
		       accepted ? "opportunity_amendment.accepted"
				: "opportunity_amendment.rejected");
	record_changed(rq, deal, event);
}
