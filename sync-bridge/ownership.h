/* sync-bridge/ownership.h -- which route may write which fields of a target's record.
 *
 * The rule: a record of a target is named by one record of one source (its external_ref), so two
 * routes can only meet in it when they agree in from, entity, to and target. Those two may not both
 * own a field. Routes from other systems or of other entities, or to other systems, never meet: two
 * CRMs feeding one ERP, or one CRM feeding two, need no division. A difference in "when" is none:
 * what has crossed stays in step, whatever "when" says later. A route without "owns" owns all.
 */
#ifndef BRIDGE_OWNERSHIP_H
#define BRIDGE_OWNERSHIP_H

#include "base/json.h"

struct bridge_route;
struct config_reader;

/* Refuses the configuration when a field has two owners, naming both routes and the field. */
void ownership_check(struct config_reader *reader);

/* Why the route may not give this mapped body: it has a member that the route does not own. NULL
 * when all are its own. */
const char *ownership_problem(struct request *rq, const struct bridge_route *route,
			      const cJSON *body);

#endif
