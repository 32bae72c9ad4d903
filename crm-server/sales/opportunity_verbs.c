/* crm-server/sales/opportunity_verbs.c -- how deals move, are won or lost, and handed over. */
#include <string.h>

#include "opportunity_reopen.sql.h"
#include "sales/opportunity.h"

static const char sql_stage[] = "SELECT pipeline_id, kind FROM stage WHERE id = $1";

static const char sql_move[] =
	"UPDATE opportunity o SET stage_id = s.id, probability = s.probability"
	" FROM stage s WHERE s.id = $2 AND o.id = $1";

static const char sql_lines[] =
	"SELECT p.sku, p.active FROM opportunity_line l JOIN product p ON p.id = l.product_id"
	" WHERE l.opportunity_id = $1 ORDER BY l.position, l.id";

static const char sql_end_stage[] =
	"SELECT id FROM stage WHERE pipeline_id = $1 AND kind = $2::stage_kind";

/* A deal won before its expected date was decided today. */
static const char sql_win[] =
	"UPDATE opportunity SET status = 'won', stage_id = $2, probability = 100,"
	" closed_at = now(), close_date = least(close_date, current_date), handover = 'pending',"
	" handover_order_number = NULL, handover_order_ref = NULL, handover_code = NULL,"
	" handover_reason = NULL, handover_remedy = NULL WHERE id = $1";

static const char sql_account_type[] = "SELECT type FROM account WHERE id = $1";
static const char sql_account_buys[] = "UPDATE account SET type = 'customer' WHERE id = $1";

static const char sql_reason[] =
	"SELECT code, needs_notes FROM loss_reason WHERE active AND ("
	"	code = lower(regexp_replace(btrim($1), '[^[:alnum:]]+', '_', 'g'))"
	"	OR lower(name) = lower(btrim($1))) ORDER BY position, id LIMIT 1";
static const char sql_reasons[] =
	"SELECT string_agg(code, ', ' ORDER BY position, id) AS codes"
	" FROM loss_reason WHERE active";

static const char sql_lose[] =
	"UPDATE opportunity SET status = 'lost', stage_id = $2, probability = 0, closed_at = now(),"
	" loss_reason = $3, loss_notes = $4 WHERE id = $1";

static const char sql_handover[] =
	"UPDATE opportunity SET handover = $2::opportunity_handover, handover_order_number = $3,"
	" handover_order_ref = $4, handover_code = $5, handover_reason = $6, handover_remedy = $7"
	" WHERE id = $1";

static void opportunity_move(struct request *rq, struct record *deal, cJSON *body);
static void opportunity_win(struct request *rq, struct record *deal, cJSON *body);
static void opportunity_lose(struct request *rq, struct record *deal, cJSON *body);
static void opportunity_reopen(struct request *rq, struct record *deal, cJSON *body);
static void opportunity_answer(struct request *rq, struct record *deal, cJSON *body);

static const struct param_spec move_params[] = {
	{ .name = "stage_id",
	  .type = COLUMN_INTEGER,
	  .required = true,
	  .references = "stage",
	  .text = "An open stage of the deal's pipeline." },
	{ 0 }
};

static const struct param_spec lose_params[] = {
	{ .name = "loss_reason",
	  .type = COLUMN_TEXT,
	  .required = true,
	  .text = "Code or name of a loss reason." },
	{ .name = "notes", .type = COLUMN_TEXT, .text = "What else there is to say." },
	{ 0 }
};

const struct param_spec answer_params[] = {
	{ .name = "state", .type = COLUMN_TEXT, .required = true, .text = "accepted or rejected." },
	{ .name = "order_number", .type = COLUMN_TEXT, .text = "The ERP's number of the order." },
	{ .name = "order_ref", .type = COLUMN_TEXT, .text = "The ERP's reference of the order." },
	{ .name = "code", .type = COLUMN_TEXT, .text = "Why it was refused, for programs." },
	{ .name = "reason", .type = COLUMN_TEXT, .text = "Why it was refused, for people." },
	{ .name = "remedy", .type = COLUMN_TEXT, .text = "What would help." },
	{ 0 }
};

const struct verb opportunity_verbs[] = {
	{ .name = "move",
	  .allow = "sales sales_manager",
	  .from = "open",
	  .params = move_params,
	  .run = opportunity_move,
	  .text = "Puts the deal into another open stage." },
	{ .name = "win",
	  .allow = "sales sales_manager",
	  .from = "open",
	  .run = opportunity_win,
	  .text = "Closes the deal as won and hands it to the ERP." },
	{ .name = "lose",
	  .allow = "sales sales_manager",
	  .from = "open",
	  .params = lose_params,
	  .run = opportunity_lose,
	  .text = "Closes the deal as lost, with the reason." },
	{ .name = "reopen",
	  .allow = "sales sales_manager",
	  .from = "won lost",
	  .run = opportunity_reopen,
	  .text = "Opens a lost deal, or a won one the ERP has refused." },
	{ .name = "amend",
	  .allow = "sales sales_manager",
	  .from = "won",
	  .params = amend_params,
	  .run = opportunity_amend,
	  .text = "Proposes other lines for a deal that is an order; the ERP accepts or refuses." },
	{ .name = "cancel",
	  .allow = "sales sales_manager",
	  .from = "won",
	  .params = cancel_params,
	  .run = opportunity_cancel,
	  .text = "Proposes to give up the order; the ERP accepts or refuses." },
	{ .name = "handover",
	  .allow = "bridge",
	  .from = "won",
	  .params = answer_params,
	  .run = opportunity_answer,
	  .text = "The ERP's answer to a won deal." },
	{ 0 }
};

static void
opportunity_move(struct request *rq, struct record *deal, cJSON *body)
{
	int64_t stage_id = 0;

	json_integer(body, "stage_id", &stage_id);
	const struct row *stage = db_one(rq, sql_stage, P_ID(stage_id));
	if (stage == NULL)
		fault_field(rq, "stage_id", "unknown_reference", "there is no such stage");
	else if (row_id(stage, "pipeline_id") != record_id(deal, "pipeline_id"))
		fault_field(rq, "stage_id", "wrong_reference",
			    "must be a stage of the deal's pipeline");
	else if (strcmp(row_text(stage, "kind"), "open") != 0)
		fault_field(rq, "stage_id", "wrong_reference",
			    "this stage is reached by the verb %s",
			    strcmp(row_text(stage, "kind"), "won") == 0 ? "win" : "lose");
	fault_raise_collected(rq);
	if (stage_id == record_id(deal, "stage_id"))
		return;
	db_do(rq, sql_move, P_ID(deal->id), P_ID(stage_id));
	opportunity_track(rq, deal->id);
	record_changed(rq, deal, "opportunity.moved");
}

static int64_t
end_stage(struct request *rq, const struct record *deal, const char *kind)
{
	const struct row *stage =
		db_one(rq, sql_end_stage, P_ID(record_id(deal, "pipeline_id")), P_TEXT(kind));

	if (stage == NULL)
		fail(rq, ERR_RULE, .field = "pipeline_id",
		     .detail = arena_printf(&rq->arena,
					    "The deal's pipeline has no stage of kind %s.", kind),
		     .hint = "Add one to the pipeline.");
	return row_id(stage, "id");
}

static void
refuse_unsellable(struct request *rq, const struct record *deal)
{
	struct rows *lines = db_all(rq, sql_lines, P_ID(deal->id));

	if (!rows_any(lines))
		fault_field(rq, "lines", "required", "a deal needs at least one line to be won");
	for (int i = 0; i < rows_count(lines); i++)
		if (!row_bool(rows_at(lines, i), "active"))
			fault_field(rq, arena_printf(&rq->arena, "lines[%d].product_id", i),
				    "inactive", "%s is not sold any more",
				    row_text(rows_at(lines, i), "sku"));
	fault_raise_collected(rq);
}

/* Who buys is a customer from then on; a partner stays one. */
static void
account_buys(struct request *rq, int64_t account_id)
{
	const char *type = row_text(db_one(rq, sql_account_type, P_ID(account_id)), "type");

	if (strcmp(type, "prospect") != 0 && strcmp(type, "former") != 0)
		return;
	struct record *account = record_lock(rq, &account_entity, account_id);
	if (strcmp(record_text(account, "type"), type) != 0)
		return;
	db_do(rq, sql_account_buys, P_ID(account_id));
	record_changed(rq, account, "account.converted");
}

static void
opportunity_win(struct request *rq, struct record *deal, cJSON *body)
{
	refuse_unsellable(rq, deal);
	db_do(rq, sql_win, P_ID(deal->id), P_ID(end_stage(rq, deal, "won")));
	opportunity_track(rq, deal->id);
	account_buys(rq, record_id(deal, "account_id"));
	record_changed(rq, deal, "opportunity.won");
}

static void
opportunity_lose(struct request *rq, struct record *deal, cJSON *body)
{
	const char *notes = json_string(body, "notes");
	const struct row *reason = db_one(rq, sql_reason, P_TEXT(json_string(body, "loss_reason")));

	if (reason == NULL)
		fault_field(rq, "loss_reason", "unknown_reference", "must be one of %s",
			    row_text(db_one(rq, sql_reasons), "codes"));
	else if (row_bool(reason, "needs_notes") &&
		 (notes == NULL || notes[strspn(notes, " \t\r\n")] == '\0'))
		fault_field(rq, "notes", "required", "this reason needs notes");
	fault_raise_collected(rq);
	db_do(rq, sql_lose, P_ID(deal->id), P_ID(end_stage(rq, deal, "lost")),
	      P_TEXT(row_text(reason, "code")), P_TEXT(notes));
	opportunity_track(rq, deal->id);
	record_changed(rq, deal, "opportunity.lost");
}

static void
opportunity_reopen(struct request *rq, struct record *deal, cJSON *body)
{
	const char *handover = record_text(deal, "handover");

	if (handover != NULL && strcmp(handover, "accepted") == 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "The ERP has taken the deal as order %s.",
					    record_text(deal, "handover_order_number")),
		     .hint = strcmp(record_text(deal, "status"), "won") == 0
				     ? "Use the verb amend or cancel; the ERP accepts or refuses."
				     : "That order was cancelled; make another deal.");
	if (handover != NULL && strcmp(handover, "pending") == 0)
		fail(rq, ERR_INVALID_STATE, .detail = "The ERP has not answered the handover yet.",
		     .hint = "Wait for its answer; a refused deal can be reopened.");
	db_do(rq, sql_opportunity_reopen, P_ID(deal->id));
	opportunity_track(rq, deal->id);
	record_reload(rq, deal);
	if (strcmp(record_text(deal, "status"), "open") != 0)
		fail(rq, ERR_RULE, .field = "pipeline_id",
		     .detail = "The deal's pipeline has no open stage.",
		     .hint = "Add one to the pipeline.");
	record_changed(rq, deal, "opportunity.reopened");
}

bool
json_says(const cJSON *body, const char *member, const char *was)
{
	const char *is = json_string(body, member);

	return strcmp(was != NULL ? was : "", is != NULL ? is : "") == 0;
}

static bool
says_the_same(const struct record *deal, const cJSON *body, const char *column, const char *member)
{
	return json_says(body, member, record_text(deal, column));
}

bool
answer_accepts(struct request *rq, const cJSON *body)
{
	const char *state = json_string(body, "state");
	bool accepted = strcmp(state, "accepted") == 0;

	if (!accepted && strcmp(state, "rejected") != 0)
		fault_field(rq, "state", "unknown_choice", "must be accepted or rejected");
	if (!accepted && json_string(body, "reason") == NULL)
		fault_field(rq, "reason", "required", "a refusal has a reason");
	return accepted;
}

/* An accepted deal stays accepted: the order stands, whatever an old message says. It is another
 * order when the ERP has lost the first one in a restore and made it again. */
static void
opportunity_answer(struct request *rq, struct record *deal, cJSON *body)
{
	const char *state = json_string(body, "state");
	bool accepted = answer_accepts(rq, body);

	if (accepted && json_string(body, "order_number") == NULL)
		fault_field(rq, "order_number", "required", "an accepted deal has an order");
	fault_raise_collected(rq);

	if (says_the_same(deal, body, "handover", "state") &&
	    says_the_same(deal, body, "handover_order_number", "order_number") &&
	    says_the_same(deal, body, "handover_order_ref", "order_ref") &&
	    says_the_same(deal, body, "handover_code", "code") &&
	    says_the_same(deal, body, "handover_reason", "reason") &&
	    says_the_same(deal, body, "handover_remedy", "remedy"))
		return;
	if (!accepted && strcmp(record_text(deal, "handover"), "accepted") == 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "The deal is order %s already.",
					    record_text(deal, "handover_order_number")));
	db_do(rq, sql_handover, P_ID(deal->id), P_TEXT(state),
	      P_TEXT(json_string(body, "order_number")), P_TEXT(json_string(body, "order_ref")),
	      P_TEXT(json_string(body, "code")), P_TEXT(json_string(body, "reason")),
	      P_TEXT(json_string(body, "remedy")));
	record_changed(rq, deal,
		       accepted ? "opportunity.handover_accepted"
				: "opportunity.handover_rejected");
}
