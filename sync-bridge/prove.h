/* sync-bridge/prove.h -- shows that every change had one effect, or names those that had not. */
#ifndef BRIDGE_PROVE_H
#define BRIDGE_PROVE_H

#include "base/request.h"

/* GET /api/v1/proof: reads the sources' event logs, the targets' references and versions, the
 * bridge's own messages and links, and compares all of it once (a reconciliation that repairs
 * nothing). Takes as long as that takes. Yields. */
void prove_get(struct request *rq);

#endif
