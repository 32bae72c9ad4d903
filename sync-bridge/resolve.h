/* sync-bridge/resolve.h -- puts the target's ids where a mapped body names records of the source.
 *
 * {"link": "crm:account:42"} becomes the id of the record that crm:account:42 is at the target.
 * A record that has not crossed is pulled: fetched from its system as it is now and sent along
 * its own route first. With "optional": true, a record that has no counterpart becomes null.
 */
#ifndef BRIDGE_RESOLVE_H
#define BRIDGE_RESOLVE_H

#include "deliver.h"

/* False when the delivery cannot go on; its outcome is set. Yields; may fail. */
bool resolve_links(struct request *rq, struct delivery *d, cJSON *body);

/* The {"link": ...} objects of one body or several, in order. Zeroed, it is empty; its memory is
 * the request's. */
struct link_nodes {
	cJSON **nodes;
	const char **refs;
	bool *optional;
	int count;
	int size;
	const char *bad;     /* one that is none, as JSON; NULL: all are well */
};

/* Adds those in node, which records of other systems than the target may stand in. May fail. */
void resolve_find(struct request *rq, struct link_nodes *found, cJSON *node,
		  const struct bridge_system *to);

/* Makes a {"link": ...} object the id; 0 makes it null. */
void resolve_put(struct request *rq, cJSON *node, int64_t id);

#endif
