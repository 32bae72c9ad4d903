/* sync-bridge/resolve.h -- puts the target's ids where a mapped body names records of the source.
 *
 * {"link": "crm:account:42"} becomes the id of the record that crm:account:42 is at the target.
 * A record that has not crossed is pulled: fetched from its system as it is now and sent along
 * its own route first. With "optional": true, a record that has no counterpart becomes null.
 */
#ifndef BRIDGE_RESOLVE_H
#define BRIDGE_RESOLVE_H

#include "deliver.h"

/* The references of a mapped body, in order. */
struct references {
	cJSON **nodes;       /* {"link": ...} objects */
	const char **refs;
	bool *optional;
	int count;
	int size;
	const char *bad;     /* one that is none, as text; NULL */
};
void resolve_find(struct request *rq, struct references *found, cJSON *body,
		  const struct bridge_system *to);

/* Puts the id, or null for 0, in the place of a reference. */
void resolve_put(struct request *rq, cJSON *node, int64_t id);

/* False when the delivery cannot go on; its outcome is set. Yields; may fail. */
bool resolve_links(struct request *rq, struct delivery *d, cJSON *body);

#endif
