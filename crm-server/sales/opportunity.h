/* crm-server/sales/opportunity.h -- what the files of the opportunity show each other. */
#ifndef SALES_OPPORTUNITY_H
#define SALES_OPPORTUNITY_H

#include "crm.h"

extern const struct verb opportunity_verbs[];

/* Fills what the client left out of the body: stage, probability, currency, prices. Yields. */
void opportunity_fill(struct request *rq, const struct record *record, cJSON *body);
void opportunity_fill_prices(struct request *rq, const struct record *record, cJSON *body);

/* Names every line whose numbers are out of range; for bodies that are not validated yet. */
void opportunity_check_lines(struct request *rq, const cJSON *body);

/* Writes one row of history when the deal stands otherwise than in the last one. Not awaited. */
void opportunity_track(struct request *rq, int64_t id);

#endif
