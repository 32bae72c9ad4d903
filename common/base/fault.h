/* common/base/fault.h -- the one list of ways a request can be refused, and how it says so.
 *
 * fail() never returns: it unwinds to the request's root, as ereport(ERROR) does in PostgreSQL.
 * There the transaction is rolled back, one problem document (RFC 9457) is answered and one
 * line is logged. Several bad fields are collected with fault_field and raised together:
 *
 *	if (quantity_is_negative)
 *		fault_field(rq, "lines[2].quantity", "out_of_range", "must be more than 0");
 *	...
 *	fault_raise_collected(rq);          // returns when nothing was collected
 *
 *	fail(rq, ERR_CREDIT_LIMIT, .detail = "...", .hint = "Release credit or take a payment.",
 *	     .members = json_object_of(...));   // open_balance, limit, order_total
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

struct cJSON;
struct request;

/* X(name, HTTP status, code in the problem document, title) */
#define FAULTS(X)                                                                             \
	X(BAD_REQUEST, 400, "bad_request", "The request cannot be understood")                \
	X(BAD_JSON, 400, "bad_json", "The body is not acceptable JSON")                       \
	X(UNKNOWN_PARAMETER, 400, "unknown_parameter", "A query parameter is not known")      \
	X(UNAUTHENTICATED, 401, "unauthenticated", "A valid token is needed")                 \
	X(BAD_SIGNATURE, 401, "bad_signature", "The webhook signature does not verify")       \
	X(FORBIDDEN, 403, "forbidden", "The token does not allow this")                       \
	X(NOT_FOUND, 404, "not_found", "There is no such record or path")                     \
	X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", "The path does not take this method") \
	X(REQUEST_TIMEOUT, 408, "request_timeout", "The request took too long to arrive")     \
	X(CONFLICT, 409, "conflict", "The record conflicts with another one")                 \
	X(DUPLICATE, 409, "duplicate", "A record with this value exists already")             \
	X(IN_USE, 409, "in_use", "Other records refer to this one")                           \
	X(INVALID_STATE, 409, "invalid_state", "The record's status does not allow this")     \
	X(IN_PROGRESS, 409, "in_progress", "The same request is still running")               \
	X(LOCKED, 409, "locked", "Another request is changing this record")                   \
	X(REVISION_MISMATCH, 409, "revision_mismatch", "The document has another revision")   \
	X(VERSION_MISMATCH, 412, "version_mismatch", "The record was changed in the meantime") \
	X(TOO_LARGE, 413, "too_large", "The body is larger than allowed")                     \
	X(UNSUPPORTED_TYPE, 415, "unsupported_type", "The body must be application/json")     \
	X(VALIDATION, 422, "validation", "Some fields are not acceptable")                    \
	X(KEY_REUSED, 422, "idempotency_key_reused", "The key was used for another request") \
	X(RULE, 422, "rule_violated", "A business rule does not allow this")                  \
	X(NOT_IN_STOCK, 422, "not_in_stock", "There is not enough stock")                     \
	X(CREDIT_LIMIT, 422, "credit_limit", "The customer's credit does not cover this")     \
	X(CREDIT_HOLD, 422, "credit_hold", "The customer is on credit hold")                  \
	X(INACTIVE, 422, "inactive", "The record is not active")                              \
	X(TOTAL_MISMATCH, 422, "total_mismatch", "The totals of the two systems differ")      \
	X(OVER_ALLOCATION, 422, "over_allocation", "More is given out than there is")         \
	X(NOT_BALANCED, 422, "not_balanced", "Debits and credits differ")                     \
	X(PERIOD_CLOSED, 422, "period_closed", "The books of that day are closed")            \
	X(NOT_AMENDABLE, 422, "not_amendable", "What is delivered, on its way or invoiced stays") \
	X(RATE_LIMITED, 429, "rate_limited", "Too many requests")                             \
	X(INTERNAL, 500, "internal", "An error on our side; it has been logged")              \
	X(UNAVAILABLE, 503, "unavailable", "The service cannot answer just now")

enum fault_code {
	ERR_NONE = 0,
#define X(name, status, code, title) ERR_##name,
	FAULTS(X)
#undef X
};

struct field_fault {
	const char *field;    /* as the client wrote it: "lines[0].quantity" */
	const char *code;     /* "required", "unknown_field", "wrong_type", "out_of_range", ... */
	const char *message;
};

struct fault {
	enum fault_code code;
	const char *detail;      /* this case, in one sentence; may be NULL */
	const char *hint;        /* what would help; may be NULL */
	const char *field;       /* the one bad field, when there is just one */
	struct cJSON *members;   /* more members of the problem document: the arithmetic */
	int retry_after;         /* seconds, 0 for none */
	bool rerun;              /* serialization failure or deadlock: the work may be run again */
	bool unknown;            /* whether it was done is not known; all texts are literals */
	struct field_fault *fields;
	int field_count;
};

/* All strings must live as long as the request (literals, or its arena). */
#define fail(rq, fault_code_, ...) \
	fault_raise((rq), &(struct fault){ .code = (fault_code_), __VA_ARGS__ })

_Noreturn void fault_raise(struct request *rq, const struct fault *fault);

/* Collects one bad field; message is formatted into the arena. */
void fault_field(struct request *rq, const char *field, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Raises ERR_VALIDATION with everything collected; returns if nothing was. */
void fault_raise_collected(struct request *rq);

/* The problem document as text in the request's arena (application/problem+json). */
const char *fault_document(struct request *rq, const struct fault *fault);

int fault_status(enum fault_code code);
const char *fault_name(enum fault_code code);   /* "credit_limit" */
const char *fault_title(enum fault_code code);
enum fault_code fault_named(const char *name); /* ERR_NONE for an unknown one */

#endif
