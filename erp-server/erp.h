/* erp-server/erp.h -- every entity, route and job of the ERP, by name. */
#ifndef ERP_H
#define ERP_H

#include "app/app.h"

/* sales/ */
extern struct entity customer_entity;
extern struct entity price_list_entity;
extern struct entity sales_order_entity;
extern struct entity sales_order_amendment_entity;
extern struct entity delivery_entity;

/* inventory/ */
extern struct entity item_entity;
extern struct entity warehouse_entity;
extern struct entity location_entity;
extern struct entity stock_move_entity;
extern struct entity stock_reservation_entity;
extern struct entity stock_adjustment_entity;
void stock_sweep(struct request *rq);

/* finance/ */
extern struct entity company_entity;
extern struct entity currency_entity;
extern struct entity period_entity;
extern struct entity ledger_account_entity;
extern struct entity posting_rule_entity;
extern struct entity journal_entry_entity;
extern struct entity invoice_entity;
extern struct entity payment_entity;
void invoice_overdue(struct request *rq);
void report_trial_balance(struct request *rq);

extern const struct daemon erp_daemon;

#endif
