/* common/http/client.c -- curl multi driven by the libevent loop; a call parks its coroutine. */
#include "http/client.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/coro.h"
#include "base/faultpoint.h"
#include "base/log.h"
#include "base/text.h"

#define TIMEOUT_MS 10000
#define CONNECT_TIMEOUT_MS 2000
#define REPLY_MAX (64 * 1024)
#define RETRY_AFTER_MAX 3600
#define HANDLES_KEPT 64
/* Below the 100 connections per address which a peer of ours accepts. */
#define CONNECTIONS_PER_HOST 90

/* One call under way; lives on its coroutine's stack. */
struct transfer {
	struct request *rq;
	struct http_call *call;
	struct coro *waiter;
	CURL *easy;
	struct curl_slist *headers;
	struct text reply;
	size_t reply_max;
	bool loopback_only;
	bool refused_address;
	bool too_large;
	bool headers_ended;        /* with an empty line, as they must */
	bool done;
	CURLcode result;
	char error[CURL_ERROR_SIZE];
};

static CURLM *multi;
static struct event *timer;
static CURL *handles[HANDLES_KEPT];
static int handle_count;

/* ---- the loop ---- */

static void
wake_finished(void)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left))) {
		struct transfer *transfer;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		transfer->result = message->data.result;
		transfer->done = true;
		coro_wake(transfer->waiter);
	}
}

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	int action =
		(what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(multi, fd, action, &running);
	wake_finished();
}

static void
time_is_up(evutil_socket_t fd, short what, void *arg)
{
	int running;

	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	wake_finished();
}

static int
set_timer(CURLM *handle, long ms, void *arg)
{
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms < 0)
		evtimer_del(timer);
	else
		evtimer_add(timer, &after);
	return 0;
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watched)
{
	struct event *event = watched;
	short wanted = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0));

	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(coro_loop(), fd, wanted, socket_ready, NULL);
		if (!event || event_add(event, NULL) != 0)
			die("out of memory");
	}
	curl_multi_assign(multi, fd, event);
	return 0;
}

/* ---- what curl asks during a transfer ---- */

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *in6 =
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(in6) ||
		       (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
	}
	return false;
}

/* The address itself is looked at, not the name: what a name means can change. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = arg;

	if (transfer->loopback_only && !is_loopback(&address->addr)) {
		transfer->refused_address = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A kept connection may have been opened by a call that allowed more. */
static int
before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct transfer *transfer = arg;

	if (!transfer->loopback_only || strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 ||
	    strncmp(peer, "::ffff:127.", 11) == 0)
		return CURL_PREREQFUNC_OK;
	transfer->refused_address = true;
	return CURL_PREREQFUNC_ABORT;
}

static size_t
take_reply(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t length = size * count;

	if (transfer->reply.length + length > transfer->reply_max) {
		transfer->too_large = true;
		return 0;
	}
	text_add_bytes(&transfer->reply, bytes, length);
	return length;
}

/* curl takes headers that break off for whole ones. */
static size_t
take_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t length = size * count;

	if (length > 5 && memcmp(bytes, "HTTP/", 5) == 0)
		transfer->headers_ended = false;
	else if (length == 2 && memcmp(bytes, "\r\n", 2) == 0)
		transfer->headers_ended = true;
	return length;
}

/* ---- a call ---- */

/* Options that are the same for every call. */
static CURL *
handle_new(void)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		die("out of memory");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1024L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, 10L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, 300L);
	/* A server of ours closes idle connections after 60 s: be earlier. */
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, 50L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "dovetail/" DOVETAIL_VERSION);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	return easy;
}

static void
set_method(CURL *easy, const struct http_call *call)
{
	bool plain_get = strcmp(call->method, "GET") == 0 && !call->body;

	if (call->body || strcmp(call->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body ? call->body : "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)(call->body ? call->body_length : 0));
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, plain_get ? NULL : call->method);
}

static void
add_header(struct transfer *transfer, const char *line)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, line);

	if (!longer)
		die("out of memory");
	transfer->headers = longer;
}

/* false when a header would break out of its line. */
static bool
set_headers(struct transfer *transfer)
{
	const struct http_call *call = transfer->call;
	const int most = sizeof(call->headers) / sizeof(*call->headers);
	bool typed = false;

	for (int i = 0; i < most && call->headers[i].name; i++) {
		const char *name = call->headers[i].name;
		const char *value = call->headers[i].value;

		if (!value || strpbrk(value, "\r\n") || strpbrk(name, "\r\n:"))
			return false;
		typed |= strcasecmp(name, "Content-Type") == 0;
		/* "Name;" is how curl is told to send a header without a value. */
		add_header(transfer,
			   *value ? arena_printf(&transfer->rq->arena, "%s: %s", name, value)
				  : arena_printf(&transfer->rq->arena, "%s;", name));
	}
	/* No waiting for "100 Continue", and no form type for a body that is none. */
	add_header(transfer, "Expect:");
	if (!typed)
		add_header(transfer, "Content-Type:");
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	return true;
}

static bool
prepare(struct transfer *transfer)
{
	const struct http_call *call = transfer->call;
	CURL *easy = transfer->easy;

	transfer->reply = text_in(&transfer->rq->arena);
	transfer->reply_max = call->reply_max ? call->reply_max : REPLY_MAX;
	transfer->loopback_only = !call->allow_plain && strncasecmp(call->url, "https:", 6) != 0;
	curl_easy_setopt(easy, CURLOPT_URL, call->url);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
			 (long)(call->timeout_ms ? call->timeout_ms : TIMEOUT_MS));
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	set_method(easy, call);
	return set_headers(transfer);
}

static const char *
what_failed(struct transfer *transfer)
{
	struct arena *arena = &transfer->rq->arena;
	const char *text =
		*transfer->error ? transfer->error : curl_easy_strerror(transfer->result);
	long error = 0;

	if (transfer->refused_address)
		return "plain http is allowed to loopback addresses only";
	if (transfer->too_large)
		return arena_printf(arena, "the reply is larger than %zu bytes",
				    transfer->reply_max);
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
	switch (transfer->result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return arena_printf(arena, "could not resolve the host name: %s", text);
	case CURLE_COULDNT_CONNECT:
		return arena_printf(arena, "could not connect: %s",
				    error ? strerror((int)error) : text);
	case CURLE_OPERATION_TIMEDOUT:
		return arena_printf(arena, "no answer in time: %s", text);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return arena_printf(arena, "the connection broke: %s", text);
	default:
		return arena_printf(arena, "the call failed: %s", text);
	}
}

/* NULL when the reply has none. */
static const char *
reply_header_of(CURL *easy, const char *name)
{
	struct curl_header *header;

	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
		       ? header->value : NULL;
}

static void
take_headers(struct transfer *transfer)
{
	const char *date = reply_header_of(transfer->easy, "Date");
	const char *replay = reply_header_of(transfer->easy, "Idempotent-Replay");
	time_t seconds = date ? curl_getdate(date, NULL) : -1;

	transfer->call->date = seconds > 0 ? seconds : 0;
	transfer->call->replayed = replay && strcmp(replay, "true") == 0;
}

static void
take_result(struct transfer *transfer)
{
	struct http_call *call = transfer->call;
	curl_off_t retry_after = 0;
	long status = 0;

	if (transfer->result != CURLE_OK) {
		call->error = what_failed(transfer);
		return;
	}
	if (!transfer->headers_ended) {
		call->error = "the connection broke: the reply's headers have no end";
		return;
	}
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
	take_headers(transfer);
	call->status = (int)status;
	call->retry_after = (int)(retry_after > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : retry_after);
	call->reply_length = transfer->reply.length;
	if (transfer->reply.data)
		call->reply = transfer->reply.data;
}

static void
handle_give(CURL *easy)
{
	/* Nothing of this call may stay behind in the handle. */
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	if (handle_count < HANDLES_KEPT)
		handles[handle_count++] = easy;
	else
		curl_easy_cleanup(easy);
}

void
http_call(struct request *rq, struct http_call *call)
{
	struct transfer transfer = {
		.rq = rq,
		.call = call,
		.waiter = coro_self(),
		.easy = handle_count ? handles[--handle_count] : handle_new(),
	};
	CURLMcode added;

	call->status = 0;
	call->reply = arena_strdup(&rq->arena, "");
	call->reply_length = 0;
	call->retry_after = 0;
	call->date = 0;
	call->replayed = false;
	call->error = NULL;
	if (!prepare(&transfer)) {
		call->error = "a header holds a line break or has no value";
	} else if ((added = curl_multi_add_handle(multi, transfer.easy)) != CURLM_OK) {
		call->error = curl_multi_strerror(added);
	} else {
		fault_point("http.call.before");
		/* Starts it at once rather than with the next turn of the loop. */
		time_is_up(-1, 0, NULL);
		while (!transfer.done)
			coro_park();
		fault_point("http.call.after");
		curl_multi_remove_handle(multi, transfer.easy);
		take_result(&transfer);
	}
	handle_give(transfer.easy);
	curl_slist_free_all(transfer.headers);
}

/* ---- life ---- */

void
http_client_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(multi = curl_multi_init()))
		die("curl cannot be started");
	timer = evtimer_new(coro_loop(), time_is_up, NULL);
	if (!timer)
		die("out of memory");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 256L);
	curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_PER_HOST);
}

void
http_client_shutdown(void)
{
	while (handle_count)
		curl_easy_cleanup(handles[--handle_count]);
	curl_multi_cleanup(multi);
	event_free(timer);
	multi = NULL;
	timer = NULL;
	curl_global_cleanup();
}
