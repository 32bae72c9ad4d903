/* sync-bridge/pull.h -- brings a record across because another one needs it first. */
#ifndef BRIDGE_PULL_H
#define BRIDGE_PULL_H

#include "deliver.h"

/* The id at the target of d's route. 0 when there is none: then d is settled, unless the reference
 * is optional and has no counterpart. Yields; may fail. */
int64_t pull(struct request *rq, struct delivery *d, const char *ref, bool optional);

/* Whether pull could bring such a record across, or find where it came from. */
bool pull_can(const struct ref *ref, const struct bridge_system *to);
/* The body of a message about a record as it is now, which no event told of. */
const char *pull_body(struct request *rq, const struct ref *ref, const char *type, int64_t version,
		      const cJSON *record);

#endif
