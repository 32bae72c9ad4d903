/* common/event/receiver.h -- takes in a webhook from another system, once it is proven genuine.
 *
 * The route must be ROUTE_PUBLIC | ROUTE_RAW_BODY: the signature stands for the token and is
 * over the bytes as they came. The caller dedups on the id, commits, and only then answers 202.
 */
#ifndef EVENT_RECEIVER_H
#define EVENT_RECEIVER_H

#include <stdint.h>

#include "base/json.h"
#include "base/request.h"

struct webhook_message {
	const char *id;         /* the same over all attempts: dedup on it */
	int64_t sent_at;        /* unix seconds of this attempt */
	const char *type;       /* "account.updated" */
	const char *timestamp;  /* of the change, RFC 3339 */
	cJSON *data;            /* entity, id, version, origin, trace, changed, record */
	cJSON *json;            /* the whole body */
};

/* secrets: NULL-terminated, current one first. Fails: ERR_BAD_SIGNATURE when it is not proven,
 * ERR_BAD_JSON when the body is not {type, timestamp, data}. Continues the sender's trace. */
void webhook_receive(struct request *rq, const char *const *secrets,
		     struct webhook_message *message);

#endif
