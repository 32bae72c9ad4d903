/* common/app/auth.h -- who asks: a bearer token becomes the request's actor.
 *
 * A verified token is remembered for one second, so that a busy client costs no SQL, and
 * forgotten at once in every process when a user, token or session changes.
 */
#ifndef APP_AUTH_H
#define APP_AUTH_H

#include "app/app.h"

/* Once, before the workers are forked. */
void auth_share(void);

/* Listens for changes made by other processes and notes when tokens were used. */
void auth_start(struct app *app);

/* Sets rq->actor. Fails: 401 saying whether the token is missing, malformed, unknown, expired
 * or revoked. Yields when the token is not remembered. */
void auth_request(struct request *rq);

/* This request changed who may do what: when it ends, every process forgets its tokens. */
void auth_changed(struct request *rq);

#endif
