/* common/app/process.c -- one serving process from its loop's first turn to its last. */
#include "app/process.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/auth.h"
#include "app/dispatch.h"
#include "app/heartbeat.h"
#include "app/jobs.h"
#include "app/metrics.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "event/sender.h"
#include "http/client.h"
#include "http/server.h"

#define DRAIN_TICK_MS 20
#define CLOSE_MS 300 /* for connections that are just being opened */

static struct http_server *server;
static int64_t started;
static uint64_t drain_until_ms;
static struct event *signals[3];
static struct event *drain_timer;

struct http_server *
process_server(void)
{
	return server;
}

int64_t
process_started(void)
{
	return started;
}

static struct event_base *
loop_open(struct app *app)
{
	struct event_base *loop = event_base_new();
	struct db_options options = {
		.url = settings.database,
		.service = app->daemon->name,
		.shared = (int)settings.database_shared,
		.leased = (int)settings.database_leased,
		.wait_ms = (int)settings.database_wait,
		.statement_timeout_ms = (int)settings.statement_timeout,
		.lock_timeout_ms = (int)settings.lock_timeout,
	};

	if (!loop)
		die("out of memory");
	coro_init(loop);
	json_init();
	http_client_init();
	app->db = db_open(&options);
	return loop;
}

static void
stop_waiting(evutil_socket_t fd, short what, void *arg)
{
	*(bool *)arg = true;
}

static void
loop_close(struct app *app, struct event_base *loop)
{
	static const struct timeval moment = { .tv_usec = CLOSE_MS * 1000 };
	bool late = false;

	db_close(app->db);
	event_base_once(loop, -1, EV_TIMEOUT, stop_waiting, &late, &moment);
	while (coro_count() > 0 && !late)
		event_base_loop(loop, EVLOOP_ONCE);
	http_client_shutdown();
	/* What still waits now ends with the process. */
	if (coro_count() == 0) {
		coro_shutdown();
		event_base_free(loop);
	}
}

static bool
drained(void)
{
	return http_server_connections(server) == 0 && http_server_busy(server) == 0 &&
	       sender_busy() == 0 && background_count() == 0;
}

static void
drain_tick(evutil_socket_t fd, short what, void *arg)
{
	bool late = clock_ms() >= drain_until_ms;

	if (!drained() && !late)
		return;
	if (late)
		log_warn("not everything ended in time", "requests",
			 log_num(http_server_busy(server)), "connections",
			 log_num(http_server_connections(server)), "deliveries",
			 log_num(sender_busy()), "background", log_num(background_count()), NULL);
	event_base_loopbreak(coro_loop());
}

static void
drain_begin(struct app *app)
{
	static const struct timeval period = { .tv_usec = DRAIN_TICK_MS * 1000 };

	log_info("draining", NULL);
	app->draining = true;
	heartbeat_stop();
	drain_until_ms = clock_ms() + (uint64_t)settings.drain;
	http_server_drain(server);
	sender_stop();
	if (app->daemon->stop)
		app->daemon->stop(app);
	drain_timer = event_new(coro_loop(), -1, EV_PERSIST, drain_tick, NULL);
	if (!drain_timer)
		die("out of memory");
	event_add(drain_timer, &period);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct app *app = arg;

	if (number == SIGHUP) {
		log_info("reloading", NULL);
		heartbeat_reload(false);
		if (app->daemon->reload)
			app->daemon->reload(app);
		heartbeat_reload(true);
		return;
	}
	if (app->draining) {
		log_warn("ended at once by a second signal", NULL);
		_exit(1);
	}
	drain_begin(app);
}

static void
signals_open(struct app *app, struct event_base *loop)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		signals[i] = evsignal_new(loop, numbers[i], on_signal, app);
		if (!signals[i])
			die("out of memory");
		event_add(signals[i], NULL);
	}
}

static void
server_open(struct app *app, bool reuse_port)
{
	struct http_options options = {
		.address = settings.listen,
		.port = (int)settings.port,
		.reuse_port = reuse_port,
		.socket = settings.socket,
		.connections_max = (int)settings.connections,
		.connections_per_address_max = (int)settings.connections_per_address,
		.header_timeout_ms = (int)settings.header_timeout,
		.body_timeout_ms = (int)settings.body_timeout,
		.idle_timeout_ms = (int)settings.idle_timeout,
		.db = app->db,
		.dispatch = dispatch,
		.arg = app,
	};
	const char *error = NULL;

	server = http_server_start(&options, &error);
	if (!server)
		die("cannot listen on %s port %ld: %s", settings.listen, settings.port, error);
}

static void
process_close(struct app *app, struct event_base *loop)
{
	http_server_stop(server);
	event_free(drain_timer);
	for (int i = 0; i < 3; i++)
		event_free(signals[i]);
	loop_close(app, loop);
}

int
process_serve(struct app *app, int pipe, int number)
{
	struct event_base *loop;

	metrics_start(number);
	loop = loop_open(app);
	started = clock_unix();
	signals_open(app, loop);
	auth_start(app);
	if (app->daemon->start)
		app->daemon->start(app);
	server_open(app, pipe >= 0);
	sender_start(app->db, settings.allow_plain_http);
	jobs_start(app);
	heartbeat_start(pipe);
	log_info("ready", "version", DOVETAIL_VERSION, "address", settings.listen, "port",
		 log_num(http_server_port(server)), NULL);
	event_base_dispatch(loop);
	log_info("ended", NULL);
	/* What is still at work must not see its server go: it ends with the process. */
	if (!drained())
		_exit(0);
	process_close(app, loop);
	return 0;
}

struct command {
	const char *name;
	void (*work)(struct request *rq, void *arg);
	struct db *db;
	int status;
};

static void
command_work(void *arg)
{
	struct command *command = arg;
	struct request rq;

	request_init(&rq, command->db);
	if (!request_run(&rq, command->work, NULL)) {
		const struct fault *fault = &rq.fault;

		command->status = 1;
		fprintf(stderr, "%s: %s\n", command->name,
			fault->detail ? fault->detail : fault_title(fault->code));
		for (int i = 0; i < fault->field_count; i++)
			fprintf(stderr, "  %s: %s\n", fault->fields[i].field,
				fault->fields[i].message);
	}
	request_release(&rq);
	event_base_loopbreak(coro_loop());
}

int
process_command(struct app *app, const char *name, void (*work)(struct request *rq, void *arg))
{
	struct event_base *loop = loop_open(app);
	struct command command = { .name = name, .work = work, .db = app->db };

	coro_start(command_work, &command);
	event_base_dispatch(loop);
	loop_close(app, loop);
	return fflush(stdout) == 0 ? command.status : 1;
}
