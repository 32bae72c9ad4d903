/* sync-bridge/original.h -- a source's record, and what its route makes of it at the target. */
#ifndef BRIDGE_ORIGINAL_H
#define BRIDGE_ORIGINAL_H

#include <stdbool.h>

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"
#include "pace.h"

struct original {
	int64_t id, version;
	const char *updated_at;    /* NULL: it does not say */
	const char *type;          /* of the event the mapping sees */
	const char *text;          /* the record */
	bool crossed;              /* the caller knows that the target has it */

	bool expected;             /* it is to be at the target */
	cJSON *body;               /* as it should be there, ids in the place of links; what has no
				    * link yet stays a {"link": ...}. NULL: not expected, or: */
	const char *error;         /* why it cannot be mapped */
};

/* Takes a record's text apart; false when it is none. Strings live in the request's arena. */
bool original_read(struct request *rq, const char *text, const char *type,
		   struct original *original);

/* The event as mappings see it; target_version, when not 0, is what a repair may overwrite. */
const char *original_event(struct request *rq, const struct bridge_route *route,
			   const struct original *original, int64_t target_version);

/* Finds out what is expected of each: by the route's condition, the mapping and the links there
 * are; nothing is pulled. One statement for the links of all. Yields; may fail. */
void originals_project(struct request *rq, const struct bridge_route *route,
		       struct original *originals, int count, struct pace *pace);

#endif
