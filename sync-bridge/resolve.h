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

#endif
