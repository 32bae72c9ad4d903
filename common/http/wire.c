/* common/http/wire.c -- puts a reply on the wire, past evhttp's formatting where possible.
 *
 * evhttp copies every header three times, formats the date for each reply and waits for the
 * loop to say "writable". Nearly every reply fits the socket's buffer: so head and body go out
 * in one sendmsg straight away, and evhttp is only told that it has nothing left to send.
 */
#include "http/connection.h"

#include <errno.h>
#include <event2/http_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
	{ 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" }, { 400, "Bad Request" },
	{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" },
	{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" }, { 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

static const char *
phrase_of(int status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Other";
}

/* The Date header's value, made once a second. */
static const char *
http_date(void)
{
	static char date[40];
	static time_t made;
	time_t now = (time_t)clock_unix();
	struct tm tm;

	if (now != made) {
		gmtime_r(&now, &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		made = now;
	}
	return date;
}

static void
add_header(struct text *out, const char *name, const char *value)
{
	text_add(out, name);
	text_add_bytes(out, ": ", 2);
	text_add(out, value);
	text_add_bytes(out, "\r\n", 2);
}

struct text
wire_head(struct request *rq, bool close, bool keep_alive_1_0)
{
	struct http_reply *reply = &rq->http->reply;
	struct text out = text_in(&rq->arena);
	bool cache_said = false;
	char number[32];

	text_reserve(&out, 500);
	snprintf(number, sizeof(number), "HTTP/1.1 %d ", reply->status);
	text_add(&out, number);
	text_add(&out, phrase_of(reply->status));
	text_add_bytes(&out, "\r\n", 2);
	add_header(&out, "Date", http_date());
	if (reply->status != 204 && reply->status != 304) {
		snprintf(number, sizeof(number), "%zu", reply->length);
		add_header(&out, "Content-Length", number);
		if (reply->type)
			add_header(&out, "Content-Type", reply->type);
	}
	for (int i = 0; i < reply->header_count; i++) {
		add_header(&out, reply->headers[i].name, reply->headers[i].value);
		cache_said |= strcasecmp(reply->headers[i].name, "Cache-Control") == 0;
	}
	if (!cache_said)
		add_header(&out, "Cache-Control", "no-store");
	add_header(&out, "X-Content-Type-Options", "nosniff");
	add_header(&out, "traceparent", rq->traceparent);
	if (close)
		add_header(&out, "Connection", "close");
	else if (keep_alive_1_0)
		add_header(&out, "Connection", "keep-alive");
	text_add_bytes(&out, "\r\n", 2);
	return out;
}

static bool
connection_says(struct evhttp_request *ev, const char *word)
{
	const char *value = evhttp_find_header(evhttp_request_get_input_headers(ev), "Connection");

	return value && strcasecmp(value, word) == 0;
}

static bool
must_close(const struct connection *connection, struct evhttp_request *ev)
{
	bool poisoned = connection->guard.refusal != ERR_NONE &&
			connection->guard.complete == connection->dispatched;

	return poisoned || connection->server->draining || connection_says(ev, "close") ||
	       (ev->minor == 0 && !connection_says(ev, "keep-alive"));
}

/* What the kernel did not take goes through evhttp's buffer. */
static void
send_rest(struct work *work, const struct iovec *parts, size_t sent)
{
	struct evbuffer *rest = evbuffer_new();

	for (int i = 0; i < 2; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		evbuffer_add(rest, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
		sent -= skip;
	}
	evhttp_send_reply_chunk(work->ev, rest);
	evbuffer_free(rest);
	/* Until it is out we read nothing more: neither more requests nor a half-closed end. */
	bufferevent_disable(work->connection->socket, EV_READ);
	evhttp_send_reply_end(work->ev);
}

void
wire_send(struct work *work)
{
	struct connection *connection = work->connection;
	struct http_reply *reply = &work->exchange.reply;
	bool close = must_close(connection, work->ev);
	struct text head = wire_head(&work->rq, close, work->ev->minor == 0);
	bool has_body = reply->status != 204 && reply->status != 304;
	struct iovec parts[2] = {
		{ .iov_base = head.data, .iov_len = head.length },
		{ .iov_base = (char *)(uintptr_t)reply->body,
		  .iov_len = has_body ? reply->length : 0 },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent = 0;

	connection->since_ms = clock_ms();
	if (close)
		evhttp_add_header(evhttp_request_get_output_headers(work->ev), "Connection",
				  "close");
	if (evbuffer_get_length(bufferevent_get_output(connection->socket)) == 0)
		sent = sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		connection_close(connection);
		return;
	}
	if (sent < 0)
		sent = 0;
	if ((size_t)sent == parts[0].iov_len + parts[1].iov_len)
		evhttp_send_reply_end(work->ev);
	else
		send_rest(work, parts, (size_t)sent);
}
