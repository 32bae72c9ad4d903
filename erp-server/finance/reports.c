/* erp-server/finance/reports.c -- what the ledger adds up to. */
#include "erp.h"
#include "trial_balance.sql.h"

void
report_trial_balance(struct request *rq)
{
	static const char *const known[] = { "as_of", "currency", NULL };
	struct row *row;

	http_only_query(rq, known);
	row = db_one(rq, sql_trial_balance, P_TEXT(http_query(rq, "as_of")),
		     P_TEXT(http_query(rq, "currency")));
	reply_json(rq, 200, row_text(row, "report"));
}
