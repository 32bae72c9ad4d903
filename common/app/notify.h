/* common/app/notify.h -- tells systemd how the service is, without ever waiting for it. */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include <stdbool.h>

/* "READY=1", as in sd_notify(3). False when it could not be said now: worth another try, unlike
 * with sd_notify, which stops the whole loop while nobody reads. True without a $NOTIFY_SOCKET. */
bool notify(const char *state);

/* "RELOADING=1" with the time that systemd wants beside it. */
bool notify_reloading(void);

#endif
