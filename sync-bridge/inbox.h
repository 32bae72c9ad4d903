/* sync-bridge/inbox.h -- takes changes in: verified, committed, then answered with 202. */
#ifndef BRIDGE_INBOX_H
#define BRIDGE_INBOX_H

#include "base/request.h"

/* POST /api/v1/inbox/{system} */
void inbox_post(struct request *rq);

#endif
