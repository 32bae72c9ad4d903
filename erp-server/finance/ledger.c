/* erp-server/finance/ledger.c -- posts documents by rules, and takes manual entries that balance.
 */
#include "finance/ledger.h"

#include "base/text.h"
#include "erp.h"
#include "ledger_post.sql.h"

static const char sql_balance[] = "SELECT coalesce(sum(debit), 0) AS debit, coalesce(sum(credit), "
				  "0) AS credit, count(*) AS lines,"
				  " coalesce(sum(debit), 0) <> coalesce(sum(credit), 0) AS differ "
				  "FROM journal_line WHERE journal_entry_id = $1";

static const char sql_period_check[] = "SELECT period_check(coalesce($1::date, current_date))";

static void entry_prepare(struct request *rq, struct record *entry, cJSON *body);
static void entry_saved(struct request *rq, struct record *entry, bool created);

struct entity ledger_account_entity = {
	.name = "ledger_account",
	.path = "ledger-accounts",
	.text = "A row of the chart of accounts.",
	.read = "finance purchasing",
	.write = "finance",
	.search = "code name",
};

struct entity posting_rule_entity = {
	.name = "posting_rule",
	.path = "posting-rules",
	.text = "Which account takes which amount of a document.",
	.read = "finance",
	.write = "finance",
	.remove = "finance",
};

struct entity journal_entry_entity = {
	.name = "journal_entry",
	.path = "journal-entries",
	.text = "Debits and credits that balance; never changed, only reversed.",
	.read = "finance",
	.write = "finance",
	.computed = "number kind source_entity source_id",
	.search = "number memo",
	.lines = { { "lines", "journal_line", "journal_entry_id" } },
	.prepare = entry_prepare,
	.saved = entry_saved,
};

void
ledger_require_open(struct request *rq, const char *day)
{
	db_do(rq, sql_period_check, P_TEXT(day));
}

/* What is worth nothing makes no entry, and is no less a change of that day. */
void
ledger_post(struct request *rq, const struct posting *posting)
{
	struct text roles = text_in(&rq->arena);
	struct text amounts = text_in(&rq->arena);

	ledger_require_open(rq, posting->date);
	for (int i = 0; i < 4 && posting->amounts[i].role != NULL; i++) {
		text_addf(&roles, "%c%s", i ? ',' : '{', posting->amounts[i].role);
		text_addf(&amounts, "%c%s", i ? ',' : '{', posting->amounts[i].amount);
	}
	text_add_char(&roles, '}');
	text_add_char(&amounts, '}');
	db_do(rq, sql_ledger_post, P_TEXT(posting->document), P_TEXT(posting->entity),
	      P_ID(posting->id), P_TEXT(posting->date), P_TEXT(posting->currency),
	      posting->customer_id ? P_ID(posting->customer_id) : P_NULL, P_TEXT(posting->due_date),
	      P_TEXT(text_str(&roles)), P_TEXT(text_str(&amounts)), P_TEXT(posting->memo));
}

/* ---- manual entries ---- */

static void
entry_prepare(struct request *rq, struct record *entry, cJSON *body)
{
	if (entry != NULL)
		fail(rq, ERR_INVALID_STATE, .detail = "A journal entry is never changed.",
		     .hint = "Post another one that reverses it.");
}

static void
entry_saved(struct request *rq, struct record *entry, bool created)
{
	struct row *sums = db_one(rq, sql_balance, P_ID(entry->id));

	if (row_id(sums, "lines") < 2)
		fault_field(rq, "lines", "required", "an entry needs two lines or more");
	fault_raise_collected(rq);
	if (row_bool(sums, "differ")) {
		cJSON *members = cJSON_CreateObject();

		json_add_string(members, "total_debit", row_text(sums, "debit"));
		json_add_string(members, "total_credit", row_text(sums, "credit"));
		fail(rq, ERR_NOT_BALANCED, .members = members, .field = "lines",
		     .detail = arena_printf(&rq->arena, "Debits are %s, credits %s.",
					    row_text(sums, "debit"), row_text(sums, "credit")));
	}
}
