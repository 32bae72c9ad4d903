/* common/app/idempotency.c -- claims keys, stores answers and gives them again. */
#include "app/idempotency.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char sql_claim[] =
	"INSERT INTO idempotency_key (actor_id, key, method, path, body_sha256)"
	" VALUES ($1, $2, $3, $4, decode($5, 'hex')) ON CONFLICT DO NOTHING";

static const char sql_store[] = "UPDATE idempotency_key SET status = $3, headers = $4, body = $5"
				" WHERE actor_id = $1 AND key = $2";

static const char sql_store_refusal[] =
	"INSERT INTO idempotency_key (actor_id, key, method, path, body_sha256, status, headers, "
	"body)"
	" VALUES ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8) ON CONFLICT DO NOTHING";

static const char sql_stored[] =
	"SELECT status, headers::text AS headers, body,"
	" method = $3 AND path = $4 AND body_sha256 = decode($5, 'hex') AS same"
	" FROM idempotency_key WHERE actor_id = $1 AND key = $2";

static const char sql_short_wait[] = "SET LOCAL lock_timeout = '10ms'";

struct idempotency_stats idempotency_stats;

void
idempotency_read(struct request *rq, struct idempotency *idempotency)
{
	const char *key = http_header(rq, "Idempotency-Key");
	unsigned char hash[crypto_hash_sha256_BYTES];
	size_t length;

	if (!key)
		return;
	length = strlen(key);
	for (const char *at = key; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			length = 0;
	if (length < 1 || length > 255)
		fail(rq, ERR_BAD_REQUEST,
		     .detail = "Idempotency-Key must be 1 to 255 printable ASCII characters.");
	crypto_hash_sha256(hash, (const unsigned char *)rq->http->body, rq->http->body_length);
	sodium_bin2hex(idempotency->body_sha256, sizeof(idempotency->body_sha256), hash,
		       sizeof(hash));
	idempotency->key = key;
}

void
idempotency_claim(struct request *rq, struct idempotency *idempotency)
{
	idempotency->claim = db_send(rq, sql_claim, P_ID(rq->actor->user_id),
				     P_TEXT(idempotency->key), P_TEXT(rq->http->method),
				     P_TEXT(rq->http->target), P_TEXT(idempotency->body_sha256));
}

/* The reply's headers as a JSON object, its type among them. */
static const char *
headers_text(struct request *rq)
{
	const struct http_reply *reply = &rq->http->reply;
	struct text out = text_in(&rq->arena);

	text_add(&out, "{\"Content-Type\":");
	text_add_json(&out, reply->type);
	for (int i = 0; i < reply->header_count; i++) {
		text_add(&out, ",");
		text_add_json(&out, reply->headers[i].name);
		text_add(&out, ":");
		text_add_json(&out, reply->headers[i].value);
	}
	text_add(&out, "}");
	return text_str(&out);
}

/* NULL for a secret: it must not lie in a table. */
static const char *
body_to_keep(const struct http_reply *reply)
{
	for (int i = 0; i < reply->header_count; i++)
		if (strcmp(reply->headers[i].name, "Cache-Control") == 0 &&
		    strcmp(reply->headers[i].value, "no-store") == 0)
			return NULL;
	return reply->body ? reply->body : "";
}

static void
reply_stored(struct request *rq, const struct row *row)
{
	const cJSON *headers = json_own(rq, row_text(row, "headers"));
	const char *type = json_string(headers, "Content-Type");
	const char *body = row_text(row, "body");
	const cJSON *header;

	memset(&rq->http->reply, 0, sizeof(rq->http->reply));
	idempotency_stats.replay++;
	if (!body)
		fail(rq, ERR_CONFLICT,
		     .detail = "This was done; its answer held a secret and was not kept.",
		     .hint = "Revoke what was made and make it anew with another Idempotency-Key.");
	if (*body)
		reply_text(rq, (int)row_id(row, "status"), type, body);
	else
		reply_empty(rq, (int)row_id(row, "status"));
	cJSON_ArrayForEach(header, headers) if (strcmp(header->string, "Content-Type") != 0)
		reply_header(rq, header->string, header->valuestring);
	reply_header(rq, "Idempotent-Replay", "true");
}

/* False when nothing is stored. */
static bool
replay(struct request *rq, const struct idempotency *idempotency)
{
	struct row *row = db_one(rq, sql_stored, P_ID(rq->actor->user_id), P_TEXT(idempotency->key),
				 P_TEXT(rq->http->method), P_TEXT(rq->http->target),
				 P_TEXT(idempotency->body_sha256));

	if (!row)
		return false;
	if (!row_bool(row, "same")) {
		idempotency_stats.mismatch++;
		fail(rq, ERR_KEY_REUSED,
		     .detail = "The Idempotency-Key was used for another method, path or body.");
	}
	reply_stored(rq, row);
	return true;
}

_Noreturn static void
still_running(struct request *rq)
{
	idempotency_stats.inflight++;
	fail(rq, ERR_IN_PROGRESS, .detail = "A request with this Idempotency-Key is still running.",
	     .retry_after = 1);
}

bool
idempotency_finish(struct request *rq, struct idempotency *idempotency)
{
	const struct http_reply *reply = &rq->http->reply;
	bool ours = rows_affected(db_wait(rq, idempotency->claim)) == 1;

	if (ours) {
		db_do(rq, sql_store, P_ID(rq->actor->user_id), P_TEXT(idempotency->key),
		      P_ID(reply->status), P_TEXT(headers_text(rq)), P_TEXT(body_to_keep(reply)));
		return true;
	}
	db_rollback(rq);
	idempotency->claim = NULL;
	if (!replay(rq, idempotency))
		still_running(rq);
	return false;
}

static bool
may_keep(const struct fault *fault)
{
	int status = fault_status(fault->code);

	if (fault->rerun || fault->code == ERR_IN_PROGRESS || fault->code == ERR_LOCKED)
		return false;
	return status < 500 && status != 401 && status != 403 && status != 408 && status != 429;
}

static void
keep_refusal(struct request *rq, const struct idempotency *idempotency)
{
	const struct http_reply *reply = &rq->http->reply;
	struct rows *done =
		db_all(rq, sql_store_refusal, P_ID(rq->actor->user_id), P_TEXT(idempotency->key),
		       P_TEXT(rq->http->method), P_TEXT(rq->http->target),
		       P_TEXT(idempotency->body_sha256), P_ID(reply->status),
		       P_TEXT(headers_text(rq)), P_TEXT(body_to_keep(reply)));

	/* A twin was faster: its answer is the one. */
	if (rows_affected(done) == 0)
		replay(rq, idempotency);
}

/* Was it the key that could not be locked, or a record? Tries to claim it for a moment. */
static void
check_running(struct request *rq, struct idempotency *idempotency)
{
	db_begin(rq);
	db_do(rq, sql_short_wait);
	idempotency_claim(rq, idempotency);
	db_wait(rq, idempotency->claim);
	db_rollback(rq);
}

struct refusal {
	struct idempotency *idempotency;
	const struct fault *fault;
};

static void
handle_refusal(struct request *rq, void *arg)
{
	struct refusal *refusal = arg;

	if (replay(rq, refusal->idempotency))
		return;
	if (may_keep(refusal->fault))
		keep_refusal(rq, refusal->idempotency);
	else if (refusal->fault->code == ERR_LOCKED)
		check_running(rq, refusal->idempotency);
}

void
idempotency_refused(struct request *rq, struct idempotency *idempotency, const struct fault *fault)
{
	struct refusal refusal = { idempotency, fault };

	if (fault_status(fault->code) >= 500 || request_run(rq, handle_refusal, &refusal))
		return;
	if (rq->fault.code == ERR_LOCKED) {
		idempotency_stats.inflight++;
		rq->fault = (struct fault){
			.code = ERR_IN_PROGRESS,
			.retry_after = 1,
			.detail = "A request with this Idempotency-Key is still running."
		};
	}
	if (fault_status(rq->fault.code) < 500) {
		memset(&rq->http->reply, 0, sizeof(rq->http->reply));
		reply_fault(rq, &rq->fault);
	}
}
