/* sync-bridge/prove_route.h -- one route's part of the proof: its events, its targets. */
#ifndef BRIDGE_PROVE_ROUTE_H
#define BRIDGE_PROVE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/request.h"
#include "bridge.h"
#include "pace.h"
#include "page.h"

struct route_proof {
	const struct bridge_route *route;
	struct pace pace;
	char cursor[CURSOR_MAX];
	char last_ref[REF_MAX];      /* of the target's last record, for what is there twice */
	bool ok;
	char error[400];             /* why it could not be read */

	/* Of the events the route takes: how each ended. covered: never came or was refused, but a
	 * later version of the record came through; expired: older than messages are kept. */
	int64_t events, applied, unchanged, superseded, skipped, covered, expired;
	int64_t refused, open, gaps;
	int64_t targets, behind, unlinked, duplicates;
	char examples[3][700];
	int example_count;
};

/* False with error. Yields; never fails by unwinding. */
bool prove_route(struct request *rq, struct route_proof *proof);

#endif
