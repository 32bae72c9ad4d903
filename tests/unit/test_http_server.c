/* tests/unit/test_http_server.c -- order, refusals, deadlines and drain over real sockets. */
#include "unit.h"

#include "http_child.h"

#include <sys/resource.h>

#define HOST " HTTP/1.1\r\nHost: a\r\n"
#define GET(target) "GET " target HOST "\r\n"

static struct child server;
static char heard[4 * 1024 * 1024];

/* ---- what the child answers ---- */

static void
echo(struct request *rq)
{
	reply_text(rq, 200, "text/plain", rq->http->body);
}

static void
show_item(struct request *rq)
{
	static const char *const known[] = { "q", "r", NULL };
	const char *q;

	http_only_query(rq, known);
	q = http_query(rq, "q");
	reply_text(rq, 200, "text/plain",
		   arena_printf(&rq->arena, "item %lld ref %s q %s", (long long)http_id(rq),
				http_param(rq, "ref"), q ? q : "-"));
}

static void
show_new(struct request *rq)
{
	reply_text(rq, 200, "text/plain", "literal");
}

static void
sleep_a_while(struct request *rq)
{
	coro_sleep(strtoul(http_query(rq, "ms"), NULL, 10));
	/* Headers must still be readable when the client is gone by now. */
	reply_text(rq, 200, "text/plain", http_header(rq, "Host"));
}

static void
send_much(struct request *rq)
{
	size_t size = strtoul(http_query(rq, "size"), NULL, 10);
	char *body = arena_alloc(&rq->arena, size + 1);

	memset(body, 'x', size);
	reply_text(rq, 200, "text/plain", body);
}

static void
take_json(struct request *rq)
{
	reply_tree(rq, 201, http_json(rq, false));
}

static void
refuse(struct request *rq)
{
	reply_header(rq, "X-Name", "two\r\nlines");
	fail(rq, ERR_RATE_LIMITED, .detail = "slow down", .retry_after = 7);
}

static void
deny(struct request *rq)
{
	fail(rq, ERR_UNAUTHENTICATED, .detail = "who are you?");
}

static void
say_nothing(struct request *rq)
{
}

static void
answer_empty(struct request *rq)
{
	reply_empty(rq, 204);
}

static struct route routes[] = {
	{ "POST", "/echo", echo },
	{ "POST", "/large", echo, .flags = ROUTE_LARGE },
	{ "GET", "/items/{id}/by-ref/{ref}", show_item },
	{ "GET", "/items/new/by-ref/{ref}", show_new },
	{ "PATCH", "/items/{id}", echo },
	{ "GET", "/items/new", show_new },
	{ "GET", "/sleep", sleep_a_while },
	{ "GET", "/much", send_much },
	{ "POST", "/json", take_json },
	{ "GET", "/refuse", refuse },
	{ "GET", "/deny", deny },
	{ "GET", "/silent", say_nothing },
	{ "DELETE", "/empty", answer_empty },
};

static void
dispatch(struct request *rq, void *arg)
{
	static struct router *router;

	if (!router) {
		router = router_new();
		for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
			router_add(router, &routes[i]);
	}
	router_find(router, rq)->handle(rq);
}

/* ---- asking ---- */

/* One request on a connection of its own, everything that comes back. */
static const char *
ask(const char *request)
{
	int fd = dial(&server);

	say(fd, request);
	hear(fd, heard, sizeof(heard), 1, 2000);
	close(fd);
	return heard;
}

static void
expect(const char *request, const char *first, const char *second)
{
	const char *reply = ask(request);

	if (!strstr(reply, first) || (second && !strstr(reply, second)))
		unit_fail("request: %.300s\nreply: %.900s\nexpected: %s and %s\n", request, reply,
			  first, second ? second : "");
}

static int
count_of(const char *text, const char *word)
{
	int count = 0;

	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		count++;
	return count;
}

/* ---- tests ---- */

static void
a_request_is_answered_and_the_connection_kept(void **state)
{
	int fd = dial(&server);

	for (int i = 0; i < 3; i++) {
		say(fd, "POST /echo" HOST "Content-Length: 5\r\n\r\nhello");
		hear(fd, heard, sizeof(heard), 1, 2000);
		assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
		assert_non_null(strstr(heard, "Content-Length: 5\r\n"));
		assert_non_null(strstr(heard, "Cache-Control: no-store\r\n"));
		assert_non_null(strstr(heard, "X-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(heard, "traceparent: 00-"));
		assert_non_null(strstr(heard, "\r\n\r\nhello"));
		assert_null(strstr(heard, "Connection: close"));
	}
	close(fd);
	expect("GET /sleep?ms=0" HOST
	       "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
	       "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-", "200 OK");
}

static void
a_chunked_body_is_put_together(void **state)
{
	expect("POST /echo" HOST
	       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
	       "200 OK", "\r\n\r\nabcde");
}

static void
expect_continue_is_answered(void **state)
{
	int fd = dial(&server);

	say(fd, "POST /echo" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	hear(fd, heard, sizeof(heard), 1, 500);
	assert_non_null(strstr(heard, "100 Continue"));
	say(fd, "ok");
	hear(fd, heard, sizeof(heard), 1, 2000);
	assert_non_null(strstr(heard, "\r\n\r\nok"));
	close(fd);
}

static void
old_clients_are_served(void **state)
{
	int fd = dial(&server);

	say(fd, "GET /items/new HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
	hear(fd, heard, sizeof(heard), 1, 2000);
	assert_non_null(strstr(heard, "Connection: keep-alive"));
	say(fd, "GET /items/new HTTP/1.0\r\nHost: a\r\n\r\n");
	hear(fd, heard, sizeof(heard), 1, 2000);
	assert_non_null(strstr(heard, "Connection: close"));
	assert_true(is_closed(fd, 1000));
	close(fd);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
	int fd = dial(&server);
	const char *first, *second, *third;

	say(fd, GET("/sleep?ms=100") "POST /echo" HOST
				     "Content-Length: 6\r\n\r\nsecond" GET("/items/new"));
	hear(fd, heard, sizeof(heard), 3, 2000);
	first = strstr(heard, "\r\n\r\na");
	second = strstr(heard, "\r\n\r\nsecond");
	third = strstr(heard, "\r\n\r\nliteral");
	assert_true(first && second && third && first < second && second < third);
	close(fd);
}

static void
what_is_good_before_something_bad_is_answered_and_no_more(void **state)
{
	int fd = dial(&server);

	say(fd, GET("/items/new") "BAD\r\n\r\n" GET("/items/new"));
	hear(fd, heard, sizeof(heard), 0, 2000);
	assert_int_equal(count_of(heard, "literal"), 1);
	assert_non_null(strstr(heard, "Connection: close"));
	close(fd);

	/* The same while the first one's handler is still busy. */
	fd = dial(&server);
	say(fd, GET("/sleep?ms=100"));
	nap(30);
	say(fd, "POST /echo" HOST "Content-Length : 3\r\n\r\n" GET("/items/new"));
	hear(fd, heard, sizeof(heard), 0, 2000);
	assert_int_equal(count_of(heard, "literal"), 0);
	assert_int_equal(count_of(heard, "HTTP/1.1 200"), 1);
	close(fd);
}

static void
smuggling_is_refused_and_the_connection_closed(void **state)
{
	static const char *const probes[] = {
		"POST /echo" HOST "Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc",
		"POST /echo" HOST "Content-Length: +3\r\n\r\nabc",
		"POST /echo" HOST "Content-Length : 3\r\n\r\nabc",
		"POST /echo" HOST "Transfer-Encoding: xchunked\r\n\r\n",
		"POST /echo" HOST
		"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"GET /items/new HTTP/1.1\nHost: a\n\n",
		"GET /items/new" HOST "Host: b\r\n\r\n",
		"GET /items/new HTTP/1.1\r\n\r\n",
		"GET /items%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /items\x01new HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /items/new" HOST "X: a\r\n b\r\n\r\n",
		"GET http://a/items/new" HOST "\r\n",
		"GET /items/%ff" HOST "\r\n",
	};

	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		int fd = dial(&server);

		say(fd, probes[i]);
		say(fd, GET("/items/new"));
		hear(fd, heard, sizeof(heard), 0, 2000);
		if (strncmp(heard, "HTTP/1.1 400 ", 13) != 0 || count_of(heard, "HTTP/1.1 ") != 1 ||
		    !strstr(heard, "Connection: close") ||
		    !strstr(heard, "\"code\":\"bad_request\"") ||
		    !strstr(heard, "application/problem+json") || strstr(heard, "literal"))
			unit_fail("probe: %s\nreply: %s\n", probes[i], heard);
		close(fd);
	}
}

static void
too_much_is_refused(void **state)
{
	static char request[400 * 1024];
	char head[100];

	expect("POST /echo" HOST "Content-Length: 1048577\r\n\r\n", "413 ", "Connection: close");
	for (int large = 0; large < 2; large++) {
		const char *path = large ? "/large" : "/echo";

		snprintf(head, sizeof(head), "POST %s" HOST "Content-Length: 300000\r\n\r\n", path);
		strcpy(request, head);
		memset(request + strlen(head), 'y', 300000);
		request[strlen(head) + 300000] = '\0';
		expect(request, large ? "200 OK" : "413 ",
		       large ? "Content-Length: 300000" : "too_large");
	}
	snprintf(request, sizeof(request), "GET /items/new" HOST "X: %020000d\r\n\r\n", 1);
	expect(request, "400 ", "larger than 16 KiB");
	strcpy(request, "GET /items/new" HOST);
	for (int i = 0; i < 64; i++)
		strcat(request, "X: y\r\n");
	strcat(request, "\r\n");
	expect(request, "400 ", "more than 64 headers");
}

static void
other_methods_are_refused(void **state)
{
	expect("HEAD /items/new" HOST "\r\n", "405 ", "Allow: GET, POST, PUT, PATCH, DELETE");
	expect("OPTIONS /items/new" HOST "\r\n", "405 ", "Connection: close");
	expect("BREW /items/new" HOST "\r\n", "405 ", "method_not_allowed");
}

static void
routes_are_found(void **state)
{
	expect(GET("/items/7/by-ref/crm%3Aa%2Fb?q=x+y%26z"), "200 OK",
	       "item 7 ref crm:a/b q x y&z");
	expect(GET("/items/new/by-ref/x"), "200 OK", "literal");
	expect("PATCH /items/new" HOST "Content-Length: 2\r\n\r\nhi", "200 OK", "\r\n\r\nhi");
	expect(GET("/items/0/by-ref/x"), "404 ", "not_found");
	expect(GET("/items/x7/by-ref/x"), "404 ", NULL);
	expect(GET("/items/7/by-ref/"), "404 ", NULL);
	expect(GET("/nothing"), "404 ", "There is no such path.");
	expect(GET("/echo"), "405 ", "Allow: POST\r\n");
	expect("POST /items/new" HOST "\r\n", "405 ", "Allow: GET, PATCH\r\n");
	expect(GET("/items/7/by-ref/x?q=1&colour=2&q=3"), "400 ", "\"field\":\"colour\"");
	expect(GET("/items/7/by-ref/x?q=1&q=3"), "400 ", "\"code\":\"repeated\"");
}

static void
json_bodies_are_strict(void **state)
{
#define JSON(type, length, body)                                                              \
	"POST /json" HOST "Content-Type: " type "\r\nContent-Length: " length "\r\n\r\n" body
	expect(JSON("application/json", "7", "{\"a\":1}"), "201 Created", "\r\n\r\n{\"a\":1}");
	expect(JSON("Application/JSON; charset=UTF-8", "2", "{}"), "201 ", NULL);
	expect(JSON("application/merge-patch+json", "2", "{}"), "201 ", NULL);
	expect(JSON("application/json; charset=latin1", "2", "{}"), "415 ", "unsupported_type");
	expect(JSON("application/jsonx", "2", "{}"), "415 ", NULL);
	expect(JSON("application/json", "9", "{\"a\":1,}x"), "400 ", "at byte ");
	expect(JSON("application/json", "2", "[]"), "400 ", "must be a JSON object");
	expect("POST /json" HOST "Content-Length: 2\r\n\r\n{}", "415 ", "application/json");
	expect("POST /json" HOST "\r\n", "400 ", "bad_json");
}

static void
faults_become_problem_documents(void **state)
{
	expect(GET("/refuse"), "429 ", "Retry-After: 7\r\n");
	expect(GET("/refuse"), "application/problem+json", "X-Name: two  lines\r\n");
	expect(GET("/deny"), "401 ", "WWW-Authenticate: Bearer\r\n");
	expect(GET("/silent"), "500 ", "internal");
	expect("DELETE /empty" HOST "\r\n", "HTTP/1.1 204 No Content\r\n", "\r\n\r\n");
	assert_null(strstr(heard, "Content-Length"));
}

static void
a_large_reply_reaches_a_slow_reader_whole(void **state)
{
	int fd = dial(&server);
	size_t length;

	say(fd, GET("/much?size=4000000"));
	shutdown(fd, SHUT_WR);
	nap(100);
	length = hear(fd, heard, sizeof(heard), 0, 2000);
	assert_true(length > 4000000);
	assert_int_equal(heard[length - 1], 'x');
	close(fd);

	/* And one that goes away in the middle of it. */
	fd = dial(&server);
	say(fd, GET("/much?size=4000000"));
	assert_true(recv(fd, heard, 1000, 0) > 0);
	close(fd);
}

static void
a_client_may_leave_while_its_handler_waits(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct linger hard = { .l_onoff = 1 };
		int fd = dial(&server);

		say(fd, GET("/sleep?ms=150") GET("/sleep?ms=1"));
		nap(30);
		if (i == 1)   /* a reset instead of an orderly end */
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	nap(400);
	expect(GET("/items/new"), "200 OK", "literal");
}

static void
slow_input_is_cut_off_at_the_deadline(void **state)
{
	struct child hasty = child_start((struct http_options){
		.dispatch = dispatch, .header_timeout_ms = 700, .body_timeout_ms = 700,
		.idle_timeout_ms = 500 });
	int drip = dial(&hasty), silent = dial(&hasty), body = dial(&hasty), idle = dial(&hasty);
	int stalled = dial(&hasty);
	const char *head = GET("/items/new");

	say(body, "POST /echo" HOST "Content-Length: 100\r\n\r\n");
	say(idle, GET("/items/new"));
	hear(idle, heard, sizeof(heard), 1, 1000);
	say(stalled, GET("/much?size=30000000"));
	/* A byte every 100 ms is never late by a timeout that starts anew with each byte. */
	for (int i = 0; i < 15; i++) {
		if (send(drip, head + i, 1, MSG_NOSIGNAL) < 0 ||
		    send(body, "x", 1, MSG_NOSIGNAL) < 0)
			break;
		nap(100);
	}
	hear(drip, heard, sizeof(heard), 0, 100);
	assert_non_null(strstr(heard, "408 "));
	hear(body, heard, sizeof(heard), 0, 100);
	assert_non_null(strstr(heard, "408 "));
	assert_true(is_closed(silent, 100));
	assert_true(is_closed(idle, 100));
	nap(1000);
	while (recv(stalled, heard, sizeof(heard), 0) > 0)
		;
	close(drip);
	close(silent);
	close(body);
	close(idle);
	close(stalled);
	child_stop(&hasty);
}

static void
connections_over_the_cap_are_closed(void **state)
{
	struct child small = child_start((struct http_options){
		.dispatch = dispatch, .connections_max = 2 });
	int first = dial(&small), second = dial(&small), third;

	say(first, GET("/items/new"));
	hear(first, heard, sizeof(heard), 1, 1000);
	third = dial(&small);
	assert_true(is_closed(third, 1000));
	close(third);
	close(second);
	nap(50);
	third = dial(&small);
	say(third, GET("/items/new"));
	hear(third, heard, sizeof(heard), 1, 1000);
	assert_non_null(strstr(heard, "literal"));
	close(first);
	close(third);
	child_stop(&small);
}

static void
running_out_of_files_turns_clients_away(void **state)
{
	struct rlimit before;
	struct child poor;
	int fds[30], served = 0, turned_away = 0, fd;

	getrlimit(RLIMIT_NOFILE, &before);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 24, before.rlim_max });
	poor = child_start((struct http_options){ .dispatch = dispatch });
	setrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < 30; i++)
		fds[i] = dial(&poor);
	for (int i = 0; i < 30; i++) {
		if (send(fds[i], GET("/items/new"), strlen(GET("/items/new")), MSG_NOSIGNAL) > 0 &&
		    hear(fds[i], heard, sizeof(heard), 1, 100) > 0)
			served++;
		else
			turned_away += is_closed(fds[i], 100);
	}
	assert_true(served > 3);
	assert_true(turned_away > 0);
	for (int i = 0; i < 30; i++)
		close(fds[i]);
	nap(200);
	fd = dial(&poor);
	say(fd, GET("/items/new"));
	hear(fd, heard, sizeof(heard), 1, 1000);
	assert_non_null(strstr(heard, "literal"));
	close(fd);
	child_stop(&poor);
}

static void
draining_answers_what_runs_and_closes(void **state)
{
	struct child leaving = child_start((struct http_options){ .dispatch = dispatch });
	int busy = dial(&leaving);

	say(busy, GET("/sleep?ms=300"));
	nap(50);
	kill(leaving.pid, SIGTERM);
	hear(busy, heard, sizeof(heard), 1, 2000);
	assert_non_null(strstr(heard, "200 OK"));
	assert_non_null(strstr(heard, "Connection: close"));
	assert_true(is_closed(busy, 1000));
	close(busy);
	child_wait(&leaving);
}

static int
start(void **state)
{
	server = child_start((struct http_options){ .dispatch = dispatch });
	return 0;
}

static int
stop(void **state)
{
	child_stop(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
		cmocka_unit_test(a_chunked_body_is_put_together),
		cmocka_unit_test(expect_continue_is_answered),
		cmocka_unit_test(old_clients_are_served),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(what_is_good_before_something_bad_is_answered_and_no_more),
		cmocka_unit_test(smuggling_is_refused_and_the_connection_closed),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(routes_are_found),
		cmocka_unit_test(json_bodies_are_strict),
		cmocka_unit_test(faults_become_problem_documents),
		cmocka_unit_test(a_large_reply_reaches_a_slow_reader_whole),
		cmocka_unit_test(a_client_may_leave_while_its_handler_waits),
		cmocka_unit_test(slow_input_is_cut_off_at_the_deadline),
		cmocka_unit_test(connections_over_the_cap_are_closed),
		cmocka_unit_test(running_out_of_files_turns_clients_away),
		cmocka_unit_test(draining_answers_what_runs_and_closes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
