/* crm-server/crm.h -- what the rooms of the CRM show each other: the daemon and its entities. */
#ifndef CRM_H
#define CRM_H

#include "app/app.h"

extern const struct daemon crm_daemon;

/* customers/ */
extern struct entity account_entity;
extern struct entity contact_entity;

/* On create, owner_id becomes the person who asks, unless the body names somebody. */
void owner_default(struct request *rq, const struct record *record, cJSON *body);

/* sales/ */
extern struct entity currency_entity;
extern struct entity loss_reason_entity;
extern struct entity pipeline_entity;
extern struct entity stage_entity;
extern struct entity price_book_entity;
extern struct entity product_entity;
extern struct entity opportunity_entity;
extern struct entity opportunity_amendment_entity;

/* mirror/ */
extern struct entity erp_customer_entity;
extern struct entity erp_order_entity;
extern struct entity erp_delivery_entity;
extern struct entity erp_invoice_entity;
extern struct entity erp_item_entity;

#endif
