/* sync-bridge/pause.h -- what operators have halted: single routes, or all that goes to a system.
 *
 * Messages of a paused route park as they are: taken in, not worked, nothing counted. Kept in the
 * tables route_state and system_state; each sweep reads them, so every process knows within a
 * second. Names are kept here and not in the routes, so that a new configuration changes nothing.
 */
#ifndef BRIDGE_PAUSE_H
#define BRIDGE_PAUSE_H

#include <stdbool.h>

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"

void pause_route(struct request *rq);     /* POST /api/v1/routes/{name}/pause {reason} */
void resume_route(struct request *rq);    /* POST /api/v1/routes/{name}/resume */
void pause_system(struct request *rq);    /* POST /api/v1/systems/{name}/pause {reason} */
void resume_system(struct request *rq);   /* POST /api/v1/systems/{name}/resume */

/* As of the last sweep; before the first one everything is. */
bool pause_holds_route(const struct bridge_route *route);     /* or its target */
bool pause_holds_system(const struct bridge_system *system);

/* What the sweep has read: names, one a line, NULL for none. */
void pause_known(const char *routes, const char *systems);

/* Adds "paused": null, or who did it, when and why, from columns of those names. */
struct row;
void pause_add(cJSON *item, const struct row *row);
/* The same for a system. Yields; may fail. */
void pause_add_system(struct request *rq, const char *name, cJSON *item);

#endif
