/* common/http/guard.h -- reads every byte before evhttp does and refuses what evhttp lets pass.
 *
 * evhttp reads a second or odd Content-Length, an unknown Transfer-Encoding, a space before the
 * colon, a bare LF or a folded line in its own way, and whoever reads it differently can be made
 * to see another request. The guard takes only what has one meaning (RFC 9112, strictly), so
 * that evhttp and the guard cannot disagree; it also knows where each request begins and ends,
 * which the deadlines need.
 *
 * A zeroed struct guard is ready to use. It allocates nothing and holds no pointers.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define GUARD_HEAD_MAX 16384
#define GUARD_HEADERS_MAX 64
#define GUARD_BODY_MAX (1024 * 1024)
#define GUARD_METHODS "GET, POST, PUT, PATCH, DELETE"

enum guard_place { GUARD_BETWEEN, GUARD_HEAD, GUARD_BODY };

struct guard {
	unsigned char state;
	unsigned char next;          /* state after the line end that is awaited */
	unsigned char length;        /* bytes in word, or how far into "HTTP/1." */
	unsigned char escape;        /* hex digits still due after a '%' */
	char word[32];               /* method, header name, or the value of a framing header */
	unsigned char header;        /* which of the headers that matter is being read */
	unsigned hosts, lengths, codings, headers;
	size_t head_bytes;
	uint64_t left;               /* of the body or chunk */
	uint64_t body_bytes;         /* of this request, so far */
	unsigned long begun;         /* requests of which a byte was seen */
	unsigned long complete;      /* requests seen to their end */
	enum fault_code refusal;     /* ERR_NONE while all is well */
	const char *reason;          /* a literal: "Content-Length is given twice" */
};

/* Reads on. false once something was refused; what follows is not looked at. */
bool guard_feed(struct guard *guard, const char *bytes, size_t length);

/* Where the stream stands: between two requests, in a head, in a body. */
enum guard_place guard_place(const struct guard *guard);

#endif
