/* sync-bridge/messages.h -- messages as an entity of the API, with the operator's verbs. */
#ifndef BRIDGE_MESSAGES_H
#define BRIDGE_MESSAGES_H

#include "base/request.h"
#include "entity/entity.h"

extern struct entity message_entity;

/* Deletes messages that ended longer ago than the option says. Yields; may fail. */
void messages_prune(struct request *rq);

#endif
