/* common/http/guard.c -- a byte-wise reader of HTTP/1.1 requests that accepts one meaning only. */
#include "http/guard.h"

#include <string.h>

enum state {
	AT_START, AT_METHOD, AT_TARGET_START, AT_TARGET, AT_VERSION, AT_LINE_FEED,
	AT_HEADER, AT_NAME, AT_SPACE, AT_VALUE,
	AT_BODY, AT_CHUNK_SIZE, AT_CHUNK, AT_CHUNK_END, AT_LAST_CHUNK,
	AT_REFUSED,
	/* What an awaited line end leads to, when it is not simply the next state. */
	TO_HEAD_DONE, TO_DONE,
};

enum header { OTHER_HEADER, HOST, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT };

static const struct {
	const char *name;
	enum header header;
} known_headers[] = {
	{ "host", HOST },
	{ "content-length", CONTENT_LENGTH },
	{ "transfer-encoding", TRANSFER_ENCODING },
	{ "expect", EXPECT },
};

#define TOKEN 1    /* RFC 9110 tchar */
#define TARGET 2   /* visible ASCII without '#' */
#define VALUE 4    /* field content: no control byte but the tab */
#define DIGIT 8
#define HEX 16

#define V VALUE
#define T (TARGET | VALUE)
#define A (TOKEN | TARGET | VALUE)
#define H (A | HEX)
#define D (A | HEX | DIGIT)

static const unsigned char kinds[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/*  ! " #  $ % & '  ( ) * +  , - . / */
	V, A, T, TOKEN | VALUE, A, A, A, A, T, T, A, A, T, A, A, T,
	D, D, D, D, D, D, D, D, D, D, T, T, T, T, T, T,
	T, H, H, H, H, H, H, A, A, A, A, A, A, A, A, A,
	A, A, A, A, A, A, A, A, A, A, A, T, T, T, A, A,   /* [ \ ] ^ _ */
	A, H, H, H, H, H, H, A, A, A, A, A, A, A, A, A,
	A, A, A, A, A, A, A, A, A, A, A, T, A, T, A, 0,   /* { | } ~ DEL */
	[128 ... 255] = V,
};

#undef V
#undef T
#undef A
#undef H
#undef D

#define IS(c, kind) (kinds[(unsigned char)(c)] & (kind))

static const char *
refuse(struct guard *guard, enum fault_code code, const char *reason)
{
	guard->refusal = code;
	guard->reason = reason;
	guard->state = AT_REFUSED;
	return NULL;
}

static const char *
bad(struct guard *guard, const char *reason)
{
	return refuse(guard, ERR_BAD_REQUEST, reason);
}

static void
await_line_feed(struct guard *guard, enum state next)
{
	guard->state = AT_LINE_FEED;
	guard->next = (unsigned char)next;
}

static void
request_done(struct guard *guard)
{
	guard->complete++;
	guard->state = AT_START;
}

/* ---- the request line ---- */

static const char *
take_start(struct guard *guard, const char *at, const char *end)
{
	*guard = (struct guard){ .begun = guard->begun + 1, .complete = guard->complete,
				 .state = AT_METHOD };
	return at;
}

static bool
method_known(const char *word)
{
	return strcmp(word, "GET") == 0 || strcmp(word, "POST") == 0 ||
	       strcmp(word, "PATCH") == 0 || strcmp(word, "PUT") == 0 ||
	       strcmp(word, "DELETE") == 0;
}

static const char *
take_method(struct guard *guard, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (*at == ' ') {
			guard->word[guard->length] = '\0';
			if (!method_known(guard->word))
				return refuse(guard, ERR_METHOD_NOT_ALLOWED,
					      "This method is not offered.");
			guard->state = AT_TARGET_START;
			return at + 1;
		}
		if (*at < 'A' || *at > 'Z' || guard->length == 16)
			return bad(guard, "The request line does not begin with a method.");
		guard->word[guard->length++] = *at;
	}
	return at;
}

static const char *
take_target_start(struct guard *guard, const char *at, const char *end)
{
	if (*at != '/')
		return bad(guard, "The target does not begin with \"/\".");
	guard->state = AT_TARGET;
	guard->length = 1;
	return at + 1;
}

static const char *
take_target(struct guard *guard, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (guard->escape) {
			if (!IS(*at, HEX))
				return bad(guard, "The target holds a malformed percent-encoding.");
			if (*at != '0')
				guard->word[0] = 'x';
			if (--guard->escape == 0 && guard->word[0] == '0')
				return bad(guard, "The target holds %00.");
		} else if (*at == '%') {
			guard->escape = 2;
			guard->word[0] = '0';
		} else if (*at == ' ') {
			guard->state = AT_VERSION;
			guard->length = 0;
			return at + 1;
		} else if (!IS(*at, TARGET)) {
			return bad(guard, "The target holds a byte that must be percent-encoded.");
		} else if (*at == '/' && guard->length == 1) {
			return bad(guard, "The target begins with \"//\".");
		}
		guard->length = 2;
	}
	return at;
}

static const char *
take_version(struct guard *guard, const char *at, const char *end)
{
	static const char expected[] = "HTTP/1.";

	for (; at < end; at++) {
		bool fits = guard->length < 7 ? *at == expected[guard->length]
			    : guard->length == 7 ? *at == '0' || *at == '1' : *at == '\r';

		if (!fits)
			return bad(guard, "The request line does not end with HTTP/1.1.");
		if (guard->length++ == 8) {
			await_line_feed(guard, AT_HEADER);
			return at + 1;
		}
	}
	return at;
}

/* ---- the headers ---- */

static const char *
take_header(struct guard *guard, const char *at, const char *end)
{
	if (*at == '\r') {
		await_line_feed(guard, TO_HEAD_DONE);
		return at + 1;
	}
	if (*at == ' ' || *at == '\t')
		return bad(guard, "A header is folded over two lines.");
	if (++guard->headers > GUARD_HEADERS_MAX)
		return bad(guard, "There are more than 64 headers.");
	guard->state = AT_NAME;
	guard->length = 0;
	return at;
}

/* Longer names than word holds are none of the known ones. */
static void
header_named(struct guard *guard)
{
	guard->header = OTHER_HEADER;
	if (guard->length < sizeof(guard->word)) {
		guard->word[guard->length] = '\0';
		for (size_t i = 0; i < sizeof(known_headers) / sizeof(*known_headers); i++)
			if (strcmp(guard->word, known_headers[i].name) == 0)
				guard->header = (unsigned char)known_headers[i].header;
	}
	guard->state = AT_SPACE;
	guard->length = 0;
}

static const char *
take_name(struct guard *guard, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (*at == ':') {
			if (guard->length == 0)
				return bad(guard, "A header has no name.");
			header_named(guard);
			return at + 1;
		}
		if (!IS(*at, TOKEN))
			return bad(guard, "A header's name is not a token.");
		if (guard->length < sizeof(guard->word))
			guard->word[guard->length++] = *at >= 'A' && *at <= 'Z' ? *at | 32 : *at;
	}
	return at;
}

static const char *
take_space(struct guard *guard, const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	if (at < end)
		guard->state = AT_VALUE;
	return at;
}

static const char *
length_given(struct guard *guard, const char *at)
{
	if (guard->lengths++ > 0)
		return bad(guard, "Content-Length is given twice.");
	if (guard->length == 0 || guard->length > 9 ||
	    strspn(guard->word, "0123456789") != guard->length)
		return bad(guard, "Content-Length is not a number of up to 9 digits.");
	guard->left = 0;
	for (int i = 0; i < guard->length; i++)
		guard->left = guard->left * 10 + (uint64_t)(guard->word[i] - '0');
	return at;
}

static const char *
header_done(struct guard *guard, const char *at)
{
	while (guard->length > 0 && guard->word[guard->length - 1] == ' ')
		guard->length--;
	guard->word[guard->length] = '\0';
	switch ((enum header)guard->header) {
	case OTHER_HEADER:
		break;
	case HOST:
		guard->hosts++;
		break;
	case CONTENT_LENGTH:
		return length_given(guard, at);
	case TRANSFER_ENCODING:
		if (guard->codings++ > 0 || strcmp(guard->word, "chunked") != 0)
			return bad(guard, "Transfer-Encoding is other than one \"chunked\".");
		break;
	case EXPECT:
		if (strcmp(guard->word, "100-continue") != 0)
			return bad(guard, "Expect is other than \"100-continue\".");
		break;
	}
	return at;
}

/* Keeps the value of a framing header in word, lower case. */
static bool
keep_value(struct guard *guard, const char *from, size_t length)
{
	if (guard->length + length >= sizeof(guard->word))
		return false;
	for (size_t i = 0; i < length; i++)
		guard->word[guard->length++] =
			from[i] >= 'A' && from[i] <= 'Z' ? from[i] | 32 : from[i];
	return true;
}

static const char *
take_value(struct guard *guard, const char *at, const char *end)
{
	const char *from = at;

	while (at < end && IS(*at, VALUE))
		at++;
	if (guard->header > HOST && !keep_value(guard, from, (size_t)(at - from)))
		return bad(guard, "A header that frames the request is too long.");
	if (at == end)
		return at;
	if (*at != '\r')
		return bad(guard, "A header's value holds a control byte or ends without CR LF.");
	if (!header_done(guard, at))
		return NULL;
	await_line_feed(guard, AT_HEADER);
	return at + 1;
}

/* ---- the end of the head, and the body ---- */

static const char *
head_done(struct guard *guard, const char *at)
{
	if (guard->hosts != 1)
		return bad(guard, "There must be exactly one Host header.");
	if (guard->lengths && guard->codings)
		return bad(guard, "Content-Length and Transfer-Encoding exclude each other.");
	if (guard->left > GUARD_BODY_MAX)
		return refuse(guard, ERR_TOO_LARGE, "The body is larger than 1 MiB.");
	if (guard->codings) {
		guard->state = AT_CHUNK_SIZE;
		guard->length = 0;
	} else if (guard->left) {
		guard->state = AT_BODY;
	} else {
		request_done(guard);
	}
	return at;
}

static const char *
take_line_feed(struct guard *guard, const char *at, const char *end)
{
	if (*at != '\n')
		return bad(guard, "CR is not followed by LF.");
	if (guard->next == TO_HEAD_DONE)
		return head_done(guard, at + 1);
	if (guard->next == TO_DONE)
		request_done(guard);
	else
		guard->state = guard->next;
	return at + 1;
}

static const char *
take_body(struct guard *guard, const char *at, const char *end)
{
	size_t length = (size_t)(end - at);

	if (length > guard->left)
		length = (size_t)guard->left;
	guard->left -= length;
	guard->body_bytes += length;
	if (guard->left == 0) {
		if (guard->state == AT_BODY)
			request_done(guard);
		else
			guard->state = AT_CHUNK_END;
	}
	return at + length;
}

static const char *
take_chunk_size(struct guard *guard, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (IS(*at, HEX) && guard->length < 6) {
			guard->left =
				guard->left * 16 +
				(uint64_t)(IS(*at, DIGIT) ? *at - '0' : (*at | 32) - 'a' + 10);
			guard->length++;
			continue;
		}
		if (*at != '\r' || guard->length == 0)
			return bad(guard, "A chunk's size is not a short hexadecimal number.");
		if (guard->body_bytes + guard->left > GUARD_BODY_MAX)
			return refuse(guard, ERR_TOO_LARGE, "The body is larger than 1 MiB.");
		await_line_feed(guard, guard->left ? AT_CHUNK : AT_LAST_CHUNK);
		guard->length = 0;
		return at + 1;
	}
	return at;
}

static const char *
take_chunk_end(struct guard *guard, const char *at, const char *end)
{
	if (*at != '\r')
		return bad(guard, guard->state == AT_CHUNK_END ? "A chunk does not end with CR LF."
							       : "Trailers are not accepted.");
	await_line_feed(guard, guard->state == AT_CHUNK_END ? AT_CHUNK_SIZE : TO_DONE);
	return at + 1;
}

static const char *(*const takers[])(struct guard *, const char *, const char *) = {
	[AT_START] = take_start,
	[AT_METHOD] = take_method,
	[AT_TARGET_START] = take_target_start,
	[AT_TARGET] = take_target,
	[AT_VERSION] = take_version,
	[AT_LINE_FEED] = take_line_feed,
	[AT_HEADER] = take_header,
	[AT_NAME] = take_name,
	[AT_SPACE] = take_space,
	[AT_VALUE] = take_value,
	[AT_BODY] = take_body,
	[AT_CHUNK_SIZE] = take_chunk_size,
	[AT_CHUNK] = take_body,
	[AT_CHUNK_END] = take_chunk_end,
	[AT_LAST_CHUNK] = take_chunk_end,
};

enum guard_place
guard_place(const struct guard *guard)
{
	if (guard->begun == guard->complete)
		return GUARD_BETWEEN;
	return guard->state >= AT_BODY || (guard->state == AT_LINE_FEED && guard->next >= AT_BODY &&
					   guard->next != TO_HEAD_DONE)
		       ? GUARD_BODY : GUARD_HEAD;
}

bool
guard_feed(struct guard *guard, const char *bytes, size_t length)
{
	const char *end = bytes + length;
	const char *at = bytes;

	while (at && at < end && guard->refusal == ERR_NONE) {
		bool in_head = guard_place(guard) != GUARD_BODY;
		const char *from = at;

		at = takers[guard->state](guard, at, end);
		if (at && in_head && (guard->head_bytes += (size_t)(at - from)) > GUARD_HEAD_MAX)
			at = bad(guard, "The headers are larger than 16 KiB.");
	}
	return guard->refusal == ERR_NONE;
}
