/* common/app/dispatch.h -- the life of one HTTP request between its arrival and its reply. */
#ifndef APP_DISPATCH_H
#define APP_DISPATCH_H

#include "base/request.h"

/* arg is the struct app. Leaves a reply set, whatever happens. Yields. */
void dispatch(struct request *rq, void *arg);

#endif
