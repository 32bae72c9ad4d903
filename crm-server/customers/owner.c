/* crm-server/customers/owner.c -- who looks after a new record. */
#include <string.h>

#include "crm.h"

void
owner_default(struct request *rq, const struct record *record, cJSON *body)
{
	if (record != NULL || json_get(body, "owner_id") != NULL)
		return;
	if (rq->actor->user_id > 0 && strcmp(rq->actor->origin, "user") == 0)
		json_add_integer(body, "owner_id", rq->actor->user_id);
}
