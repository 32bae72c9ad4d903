/* common/http/client.h -- HTTP calls to other systems on curl multi, on the same loop.
 *
 * Redirects are never followed, the proxy environment is ignored, TLS is verified (1.2 and up),
 * plain http is allowed to loopback only unless allow_plain. Connect 2 s, whole call 10 s, a
 * reply over 64 KiB (or reply_max) is an error. Connections are kept and reused.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

struct http_call {
	const char *method;
	const char *url;
	struct http_pair headers[12];    /* ended by a NULL name; no CR or LF, else error */
	const char *body;                /* NULL for none */
	size_t body_length;
	int timeout_ms;                  /* 0: 10 s */
	size_t reply_max;                /* 0: 64 KiB */
	bool allow_plain;

	int status;                      /* 0: no answer, see error */
	char *reply;                     /* NUL-terminated, in the request's arena */
	size_t reply_length;
	int retry_after;                 /* seconds from the header, 0 for none, at most 3600 */
	int64_t date;                    /* of the header, seconds since 1970; 0: none */
	bool replayed;                   /* Idempotent-Replay: true */
	const char *error;               /* transport: "could not connect ..." */
};

void http_client_init(void);
void http_client_shutdown(void);

/* Yields until the call has ended. Never fails by unwinding. */
void http_call(struct request *rq, struct http_call *call);

#endif
