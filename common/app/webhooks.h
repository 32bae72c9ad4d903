/* common/app/webhooks.h -- subscriptions to the event log and their deliveries as entities. */
#ifndef APP_WEBHOOKS_H
#define APP_WEBHOOKS_H

#include "entity/entity.h"
#include "http/http.h"

extern struct entity webhook_entity;
extern struct entity webhook_delivery_entity;

/* The log itself; ended by a NULL method. */
extern struct route event_routes[];

/* Before entity_register: lets the role "bridge", where there is one, subscribe itself. */
void webhooks_define(void);

#endif
