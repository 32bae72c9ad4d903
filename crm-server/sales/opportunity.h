/* crm-server/sales/opportunity.h -- what the files of the opportunity show each other. */
#ifndef SALES_OPPORTUNITY_H
#define SALES_OPPORTUNITY_H

#include "crm.h"

/* What a new line of a deal or a proposal comes to; a changed one is added up with the sums. */
#define DEAL_LINE_AMOUNT \
	"line_amount(x.quantity, x.unit_price, coalesce(x.discount_percent, 0)," \
	" coalesce(m.minor_unit, 2))"
#define DEAL_LINE_JOINED " LEFT JOIN currency m ON m.code = h.currency"

extern const struct verb opportunity_verbs[];

/* The ERP's answer to a handover or an amendment: state, order_number, code, reason, remedy. */
extern const struct param_spec answer_params[];

/* Whether the answer is yes; collects what is wrong with it. */
bool answer_accepts(struct request *rq, const cJSON *body);

/* Whether the text that a member of body has, if any, is the one that was. */
bool json_says(const cJSON *body, const char *member, const char *was);

/* Verbs of sales/amendment.c. */
extern const struct param_spec amend_params[], cancel_params[];
void opportunity_amend(struct request *rq, struct record *deal, cJSON *body);
void opportunity_cancel(struct request *rq, struct record *deal, cJSON *body);

/* Fills what the client left out of the body: stage, probability, currency, prices. Yields. */
void opportunity_fill(struct request *rq, const struct record *record, cJSON *body);
void opportunity_fill_prices(struct request *rq, const struct record *record, cJSON *body);

/* Names every line whose numbers are out of range; for bodies that are not validated yet. */
void opportunity_check_lines(struct request *rq, const cJSON *body);

/* Writes one row of history when the deal stands otherwise than in the last one. Not awaited. */
void opportunity_track(struct request *rq, int64_t id);

#endif
