/* erp-server/sales/order.h -- what other documents need of a sales order.
 *
 * A sales order's status and its lines' reserved, delivered, invoiced and short quantities are
 * never set: order_refresh works them out from reservations, deliveries and invoices, and is the
 * one place that does. Row locks are always taken in this order: delivery or invoice, sales order,
 * customer, items, number series.
 */
#ifndef SALES_ORDER_H
#define SALES_ORDER_H

#include "entity/entity.h"

extern struct entity sales_order_entity;
extern const struct verb sales_order_verbs[];

/* Queued, not awaited. */
void order_refresh(struct request *rq, int64_t id);

/* When all of it can leave, as things stand now. Queued, not awaited. */
void order_promise(struct request *rq, int64_t id);

/* Checks customer, items and credit, and reserves what is there. The record is locked; the event
 * is the caller's. Yields. */
void order_confirm(struct request *rq, struct record *order);

/* Each line's tax and the sums; fails with total_mismatch unless they come to the agreed total, if
 * one is agreed. Yields. */
void order_total(struct request *rq, int64_t id);

/* The customer's prices for the new lines of the body that have none. Yields. */
void order_fill_prices(struct request *rq, struct record *order, cJSON *body, cJSON *lines);

/* A customer with a limit is locked before the items; then active, credit status and limit are
 * checked against the order as it is now. Yield. */
void order_lock_customer(struct request *rq, const struct record *order);
void order_check_customer(struct request *rq, struct record *order);

/* Gives the order up, with its reservations. The event is the caller's. Yields. */
void order_cancel(struct request *rq, struct record *order);

/* Verb of sales/amendment.c. */
extern const struct param_spec order_amend_params[];
void order_amend(struct request *rq, struct record *order, cJSON *body);

/* Verbs that make other documents: sales/delivery.c and finance/invoice_make.c. */
void order_deliver(struct request *rq, struct record *order, cJSON *body);
void order_invoice(struct request *rq, struct record *order, cJSON *body);

#endif
