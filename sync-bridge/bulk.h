/* sync-bridge/bulk.h -- retries or skips all messages that a filter names. */
#ifndef BRIDGE_BULK_H
#define BRIDGE_BULK_H

#include "base/request.h"

/* POST /api/v1/messages/retry {filter, limit} and /api/v1/messages/skip {filter, reason, limit}.
 * filter: state (one or an array; rejected and dead by default), route, source, entity, from and
 * to (both ids, or both times of receipt, inclusive). In one transaction, the oldest first, each
 * noted as one message's would be. What no configured route could work is not retried. Answers
 * {"messages": how many, "more": some were left}.
 */
/* What the bodies are, for OpenAPI; more is what follows the other members, required likewise. */
#define BULK_SCHEMA(required, more) \
	"{\"type\":\"object\",\"additionalProperties\":false," \
	"\"required\":[\"filter\"" required "]," \
	"\"properties\":{\"filter\":{\"type\":\"object\",\"additionalProperties\":false," \
	"\"description\":\"All that it names must hold; an empty one names all dead letters.\"," \
	"\"properties\":{\"state\":{\"type\":[\"string\",\"array\"]," \
	"\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":9}," \
	"\"route\":{\"type\":\"string\"},\"source\":{\"type\":\"string\"}," \
	"\"entity\":{\"type\":\"string\"}," \
	"\"from\":" BULK_END_SCHEMA ",\"to\":" BULK_END_SCHEMA "}}," \
	"\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000,\"default\":1000}" \
	more "}}"
#define BULK_END_SCHEMA \
	"{\"type\":[\"integer\",\"string\"]," \
	"\"description\":\"A message's id, or when it was received; inclusive.\"}"
#define BULK_RETRY_SCHEMA BULK_SCHEMA("", "")
#define BULK_SKIP_SCHEMA \
	BULK_SCHEMA(",\"reason\"", \
		    ",\"reason\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1000}")

void bulk_retry(struct request *rq);
void bulk_skip(struct request *rq);

#endif
