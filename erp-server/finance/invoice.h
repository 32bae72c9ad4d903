/* erp-server/finance/invoice.h -- what payments and orders need of invoices.
 *
 * An invoice's paid, credited, balance and status are worked out from allocations, credit notes
 * and the calendar by invoice_refresh alone.
 */
#ifndef FINANCE_INVOICE_H
#define FINANCE_INVOICE_H

#include <stdint.h>

struct request;
struct record;
struct row;
struct rows;
struct cJSON;

/* Queued, not awaited. */
void invoice_refresh(struct request *rq, int64_t id);

/* Verbs of finance/invoice_credit.c. */
void invoice_credit(struct request *rq, struct record *invoice, struct cJSON *body);

/* Lines of a new invoice or credit note from a statement's rows; refuses the bad ones by place.
 * Columns: unknown, nothing, too_much, arithmetic, and those named in copied. */
struct cJSON *
invoice_lines(struct request *rq, struct rows *wanted, const char *id_name, const char *too_much);

/* An object with these columns of the row, each as a string. */
void invoice_copy(struct cJSON *to, const struct row *row, const char *const *columns);

#endif
