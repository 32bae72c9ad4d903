/* erp-server/finance/ledger.h -- the one writer of the ledger.
 *
 * A document says its amounts by role; the posting rules (data) say which account takes which,
 * on which side. Amounts of zero make no row. The database refuses an entry that does not
 * balance at COMMIT, any change of a posted one, and any that is dated in a closed period.
 */
#ifndef FINANCE_LEDGER_H
#define FINANCE_LEDGER_H

#include <stdint.h>

struct request;

struct posting {
	const char *document; /* posting_rule.document: "invoice" */
	const char *entity;   /* the document's entity and id */
	int64_t id;
	const char *date;     /* NULL: today */
	const char *currency; /* NULL: the company's */
	int64_t customer_id;  /* for receivable rows, 0 for none */
	const char *due_date; /* for receivable rows */
	const char *memo;
	struct {
		const char *role;
		const char *amount;
	} amounts[4]; /* ended by a NULL role */
};

/* Fails with period_closed when the books of that day (NULL: today) are closed, and keeps them from
 * being closed until COMMIT. Queued, not awaited. */
void ledger_require_open(struct request *rq, const char *day);

/* Queued, not awaited. */
void ledger_post(struct request *rq, const struct posting *posting);

#endif
