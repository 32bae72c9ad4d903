/* tests/unit/test_http_client.c -- calls arrive, or say why they did not. */
#include "unit.h"

#include "http_child.h"

#include "base/clock.h"
#include "http/client.h"

static struct child server;

/* ---- what the child answers ---- */

static void
dispatch(struct request *rq, void *arg)
{
	const char *path = rq->http->path;
	char *body;

	if (strcmp(path, "/echo") == 0) {
		body = arena_printf(
			&rq->arena, "%s|%s|%s|%s|%s", rq->http->method,
			http_header(rq, "X-Key") ? http_header(rq, "X-Key") : "",
			http_header(rq, "Content-Type") ? http_header(rq, "Content-Type") : "",
			http_header(rq, "Expect") ? "expect" : "", rq->http->body);
		reply_text(rq, 200, "text/plain", body);
	} else if (strcmp(path, "/sleep") == 0) {
		coro_sleep(strtoul(http_query(rq, "ms"), NULL, 10));
		reply_text(rq, 200, "text/plain", "slept");
	} else if (strcmp(path, "/much") == 0) {
		size_t size = strtoul(http_query(rq, "size"), NULL, 10);

		body = arena_alloc(&rq->arena, size + 1);
		memset(body, 'x', size);
		reply_text(rq, 200, "text/plain", body);
	} else if (strcmp(path, "/away") == 0) {
		reply_header(rq, "Location", "/echo");
		reply_empty(rq, 302);
	} else {
		fail(rq, ERR_UNAVAILABLE, .retry_after = 100000);
	}
}

/* ---- calling ---- */


static const char *
url(struct request *rq, const char *path)
{
	return arena_printf(&rq->arena, "http://127.0.0.1:%d%s", server.port, path);
}

static void
run_work(struct request *rq, void *arg)
{
	void (*work)(struct request *rq) = *(void (**)(struct request *))arg;

	work(rq);
}

static void
run_coroutine(void *arg)
{
	struct request rq;

	request_init(&rq, NULL);
	assert_true(request_run(&rq, run_work, arg));
	request_release(&rq);
}

static void
in_request(void (*work)(struct request *rq))
{
	coro_start(run_coroutine, &work);
	while (coro_count() > 0)
		event_base_loop(coro_loop(), EVLOOP_ONCE);
}

static void
expect_error(struct request *rq, struct http_call call, const char *words)
{
	http_call(rq, &call);
	if (call.status != 0 || !call.error || !strstr(call.error, words))
		unit_fail("%s: status %d, error %s, expected %s\n", call.url, call.status,
			  call.error ? call.error : "none", words);
	assert_string_equal(call.reply, "");
}

/* ---- tests ---- */

static void
call_echo(struct request *rq)
{
	struct http_call post = { .method = "POST",
				  .url = url(rq, "/echo"),
				  .body = "hello",
				  .body_length = 5,
				  .headers = { { "X-Key", "k1" },
					       { "Content-Type", "application/json" } } };
	struct http_call get = { .method = "GET", .url = url(rq, "/echo") };
	struct http_call patch = { .method = "PATCH", .url = url(rq, "/echo"), .body = "{}",
				   .body_length = 2 };
	struct http_call bare = { .method = "POST", .url = url(rq, "/echo") };
	struct http_call gone = { .method = "DELETE", .url = url(rq, "/echo") };

	http_call(rq, &post);
	assert_null(post.error);
	assert_int_equal(post.status, 200);
	assert_string_equal(post.reply, "POST|k1|application/json||hello");
	assert_int_equal(post.reply_length, strlen(post.reply));
	http_call(rq, &get);
	assert_string_equal(get.reply, "GET||||");
	http_call(rq, &patch);
	assert_string_equal(patch.reply, "PATCH||||{}");
	http_call(rq, &bare);
	assert_string_equal(bare.reply, "POST||||");
	http_call(rq, &gone);
	assert_string_equal(gone.reply, "DELETE||||");
}

static void
every_method_is_sent_as_it_is(void **state)
{
	in_request(call_echo);
}

static void
call_wrongly(struct request *rq)
{
	struct http_call away = { .method = "GET", .url = url(rq, "/away") };
	struct http_call busy = { .method = "GET", .url = url(rq, "/busy") };
	struct http_call fits = { .method = "GET", .url = url(rq, "/much?size=65536") };

	expect_error(rq, (struct http_call){ .method = "GET", .url = url(rq, "/sleep?ms=600"),
					     .timeout_ms = 150 }, "no answer in time");
	expect_error(rq, (struct http_call){ .method = "GET", .url = url(rq, "/much?size=65537") },
		     "larger than 65536 bytes");
	expect_error(rq, (struct http_call){ .method = "GET", .url = url(rq, "/much?size=101"),
					     .reply_max = 100 }, "larger than 100 bytes");
	expect_error(rq, (struct http_call){ .method = "GET", .url = "http://127.0.0.1:1/" },
		     "could not connect: Connection refused");
	expect_error(rq, (struct http_call){ .method = "GET", .url = "ftp://127.0.0.1/" },
		     "the call failed");
	expect_error(rq, (struct http_call){ .method = "GET", .url = "http://u:p@127.0.0.1/" },
		     "the call failed");
	expect_error(rq, (struct http_call){ .method = "GET", .url = url(rq, "/x\r\nX: y") },
		     "the call failed");
	expect_error(rq,
		     (struct http_call){ .method = "GET",
					 .url = url(rq, "/echo"),
					 .headers = { { "X-Key", "a\r\nb: c" } } },
		     "line break");
	http_call(rq, &fits);
	assert_int_equal(fits.status, 200);
	assert_int_equal(fits.reply_length, 65536);
	http_call(rq, &away);
	assert_int_equal(away.status, 302);
	http_call(rq, &busy);
	assert_int_equal(busy.status, 503);
	assert_int_equal(busy.retry_after, 3600);
}

static void
what_goes_wrong_is_said(void **state)
{
	in_request(call_wrongly);
}

static void
call_outside(struct request *rq)
{
	/* 192.0.2.0/24 is for documentation: nobody is there, and nobody may be asked. */
	uint64_t before = clock_ms();

	expect_error(rq, (struct http_call){ .method = "GET", .url = "http://192.0.2.1/" },
		     "loopback addresses only");
	expect_error(rq, (struct http_call){ .method = "GET", .url = "192.0.2.1/" },
		     "loopback addresses only");
	assert_true(clock_ms() - before < 1000);
}

static void
plain_http_stays_on_this_machine(void **state)
{
	in_request(call_outside);
}

static int finished;

static void
call_slow(struct request *rq)
{
	struct http_call call = { .method = "GET", .url = url(rq, "/sleep?ms=200") };

	http_call(rq, &call);
	assert_int_equal(call.status, 200);
	finished++;
}

static void
calls_run_side_by_side(void **state)
{
	void (*work)(struct request *rq) = call_slow;
	uint64_t before = clock_ms();

	for (int i = 0; i < 20; i++)
		coro_start(run_coroutine, &work);
	while (coro_count() > 0)
		event_base_loop(coro_loop(), EVLOOP_ONCE);
	assert_int_equal(finished, 20);
	assert_true(clock_ms() - before < 3000);
}

static void
call_again_and_again(struct request *rq)
{
	for (int i = 0; i < 200; i++) {
		struct http_call call = { .method = "POST", .url = url(rq, "/echo"), .body = "x",
					  .body_length = 1 };
		http_call(rq, &call);
		assert_int_equal(call.status, 200);
	}
}

static void
many_calls_one_after_the_other(void **state)
{
	in_request(call_again_and_again);
}

static void
call_survivor(struct request *rq)
{
	struct http_call call = { .method = "GET", .url = url(rq, "/echo") };

	http_call(rq, &call);
	assert_int_equal(call.status, 200);
}

static void
a_kept_connection_may_die_with_its_server(void **state)
{
	in_request(call_survivor);
	child_stop(&server);
	server = child_start((struct http_options){ .dispatch = dispatch, .port = server.port });
	in_request(call_survivor);
}

static int
start(void **state)
{
	server = child_start((struct http_options){ .dispatch = dispatch });
	coro_init(event_base_new());
	json_init();
	log_init("unit", LOG_ERROR_, "json");
	http_client_init();
	return 0;
}

static int
stop(void **state)
{
	struct event_base *loop = coro_loop();

	http_client_shutdown();
	coro_shutdown();
	event_base_free(loop);
	child_stop(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_is_sent_as_it_is),
		cmocka_unit_test(what_goes_wrong_is_said),
		cmocka_unit_test(plain_http_stays_on_this_machine),
		cmocka_unit_test(calls_run_side_by_side),
		cmocka_unit_test(many_calls_one_after_the_other),
		cmocka_unit_test(a_kept_connection_may_die_with_its_server),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
