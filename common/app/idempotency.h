/* common/app/idempotency.h -- a request repeated under its key has one effect and one answer.
 *
 * The key's row is the first statement of the request's transaction: a twin running at the same
 * time waits on its index. It commits together with the effect and the answer. The handler
 * does not wait for it, so it costs no round trip; whether the key was ours is looked at before
 * COMMIT, or after the rollback when the handler refused.
 * Kept: every answer below 500 except 401, 403, 429 and those that say "try again". An answer
 * that holds a secret (Cache-Control: no-store) is kept without its body.
 */
#ifndef APP_IDEMPOTENCY_H
#define APP_IDEMPOTENCY_H

#include <stdbool.h>

#include "app/app.h"

struct idempotency {
	const char *key; /* NULL: the request has none */
	char body_sha256[65];
	struct pending *claim; /* the key's INSERT, once it was sent */
};

/* Reads the header. Fails: 400 when it is not 1 to 255 printable ASCII characters. */
void idempotency_read(struct request *rq, struct idempotency *idempotency);

/* In the open transaction, before the handler. */
void idempotency_claim(struct request *rq, struct idempotency *idempotency);

/* After the handler. True: the key is ours and the answer is stored; COMMIT is next. False: the
 * transaction was rolled back and the reply is the stored one. Fails: 422 when the key was used
 * for another request. Yields. */
bool idempotency_finish(struct request *rq, struct idempotency *idempotency);

/* After the rollback of a refused request whose reply is set: replaces it by the stored one when
 * there is one, otherwise keeps it where it may be kept. Yields; never fails. */
void
idempotency_refused(struct request *rq, struct idempotency *idempotency, const struct fault *fault);

struct idempotency_stats {
	unsigned long replay, mismatch, inflight;
};
extern struct idempotency_stats idempotency_stats;

#endif
