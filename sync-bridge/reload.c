/* sync-bridge/reload.c -- reads the configuration anew, swaps it, and brings the others along. */
#include "reload.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "bridge.h"
#include "config.h"
#include "http/http.h"
#include "lane.h"
#include "links.h"
#include "subscribe.h"

#define TICK_MS 1000
#define STRAND_AGAIN_MS 10000   /* what was under way when a route went may end after that */
#define DIGEST_SHOWN 12

/* No row comes back when it was published already. */
static const char sql_publish[] =
	"INSERT INTO config_state (digest) VALUES ($1) ON CONFLICT (id) DO UPDATE SET"
	" generation = config_state.generation + 1, digest = excluded.digest, changed_at = now()"
	" WHERE config_state.digest <> excluded.digest RETURNING generation";

static const char sql_published[] = "SELECT generation, digest FROM config_state";

/* $1 the routes there are. */
static const char sql_strand[] =
	"UPDATE message SET state = 'waiting', code = 'unknown_route',"
	" reason = 'route ' || route || ' is not configured',"
	" remedy = 'Configure the route again, or skip the message.',"
	" next_at = NULL, waiting_for = NULL, updated_at = now()"
	" WHERE finished_at IS NULL AND route <> ALL ($1::text[])"
	" AND (code IS DISTINCT FROM 'unknown_route' OR state <> 'waiting')";

static const char sql_take_up[] =
	"UPDATE message SET state = 'received', code = NULL, reason = NULL, remedy = NULL,"
	" updated_at = now()"
	" WHERE finished_at IS NULL AND code = 'unknown_route' AND route = ANY ($1::text[])";

/* What was replaced, until nobody can point to it any more. Oldest first. */
struct retired {
	struct bridge bridge;
	unsigned age;
	STAILQ_ENTRY(retired) entry;
};

static STAILQ_HEAD(, retired) retired = STAILQ_HEAD_INITIALIZER(retired);
static struct event *timer;
static int64_t seen_generation;
static uint64_t strand_at;        /* clock_ms of one more look for stranded messages; 0: none */
static bool looking, begun;

static void
carry_system(struct bridge_system *fresh, const struct bridge_system *old)
{
	struct bridge_system next = *old;
	bool same = strcmp(fresh->url, old->url) == 0 && strcmp(fresh->token, old->token) == 0;

	next.name = fresh->name;
	next.url = fresh->url;
	next.token = fresh->token;
	next.secret = fresh->secret;
	next.old_secret = fresh->old_secret;
	next.old_secret_until = fresh->old_secret_until;
	next.skip_origin = fresh->skip_origin;
	next.epoch_stated = fresh->epoch_stated;
	if (!same) {
		next.breaker = (struct breaker){ 0 };
		next.paused_until = 0;
		next.error[0] = '\0';
		next.back++;
	} else if (next.breaker.state == BREAKER_PROBING) {
		/* The probe that is out tells the old one. */
		next.breaker.state = BREAKER_OPEN;
		next.breaker.until_ms = clock_ms();
	}
	next.subscribed = false;
	next.subscribe_error[0] = '\0';
	next.subscribe_at = 0;
	*fresh = next;
}

/* What is known of systems and routes that stay. */
static void
carry_over(struct bridge *fresh)
{
	for (int i = 0; i < fresh->system_count; i++) {
		const struct bridge_system *old = bridge_system(fresh->systems[i].name);

		if (old)
			carry_system(&fresh->systems[i], old);
	}
	for (int i = 0; i < fresh->route_count; i++) {
		struct bridge_route *route = &fresh->routes[i];
		const struct bridge_route *old = bridge_route(route->name);

		if (!old)
			continue;
		memcpy(route->last_effect, old->last_effect, sizeof(route->last_effect));
		memcpy(route->told_effect, old->told_effect, sizeof(route->told_effect));
		route->window = old->window;
	}
}

static void
free_oldest(void)
{
	struct retired *oldest = STAILQ_FIRST(&retired);

	STAILQ_REMOVE_HEAD(&retired, entry);
	arena_release(&oldest->bridge.arena);
	free(oldest);
}

static void
free_unused(void)
{
	while (!STAILQ_EMPTY(&retired) && request_age_over(STAILQ_FIRST(&retired)->age))
		free_oldest();
}

static void
free_at_exit(void)
{
	while (!STAILQ_EMPTY(&retired))
		free_oldest();
}

static void
swap(struct bridge *fresh)
{
	struct retired *old = malloc(sizeof(*old));

	if (!old)
		die("out of memory");
	carry_over(fresh);
	old->bridge = bridge;
	bridge = *fresh;
	old->age = request_age_begin();
	STAILQ_INSERT_TAIL(&retired, old, entry);
	lane_drop_queued();
	links_forget();
	strand_at = clock_ms() + STRAND_AGAIN_MS;
	log_info("runs another configuration", "digest", bridge.digest, NULL);
}

/* ---- reading: on the loop's own stack, which is large enough for jq's compiler ---- */

struct reading {
	struct coro *coro;
	char error[CONFIG_ERROR_MAX];
	bool good, done;
};

static void
read_now(evutil_socket_t fd, short what, void *arg)
{
	struct reading *reading = arg;
	struct bridge fresh;

	reading->good = bridge_config_read(bridge_options.config, &fresh, reading->error,
					   sizeof(reading->error));
	if (reading->good && strcmp(fresh.digest, bridge.digest) != 0)
		swap(&fresh);
	else if (reading->good)
		arena_release(&fresh.arena);
	reading->done = true;
	coro_wake(reading->coro);
}

/* Reads and swaps; NULL, or why it was refused. Yields. */
static const char *
reread(struct request *rq)
{
	static const struct timeval now = { 0 };
	struct reading *reading = arena_new(&rq->arena, struct reading);

	reading->coro = coro_self();
	if (event_base_once(coro_loop(), -1, EV_TIMEOUT, read_now, reading, &now) != 0)
		die("out of memory");
	while (!reading->done)
		coro_park();
	return reading->good ? NULL : reading->error;
}

/* ---- the table, and the other processes ---- */

/* Messages of routes that are gone show it; those of routes that came back go on. */
static void
strand(struct request *rq)
{
	const char *names = bridge_route_names(rq);
	int count = rows_affected(db_all(rq, sql_strand, P_TEXT(names)));

	if (count > 0)
		log_warn("messages wait for routes that are not configured", "messages",
			 log_num(count), NULL);
	if (rows_affected(db_all(rq, sql_take_up, P_TEXT(names))) > 0)
		lane_sweep_soon(0);
}

/* True when it is something new. */
static bool
publish(struct request *rq)
{
	const struct row *row = db_one(rq, sql_publish, P_TEXT(bridge.digest));
	bool fresh = row != NULL;

	if (row)
		db_notify(app_current()->db, "bridge_config");
	else
		row = db_one(rq, sql_published);
	seen_generation = row_id(row, "generation");
	return fresh;
}

/* What follows a good one, in the process that was asked. Yields; may fail. */
static void
swapped(struct request *rq, const struct bridge *was)
{
	strand(rq);
	if (publish(rq) && strcmp(was->digest, bridge.digest) != 0)
		subscribe_leave(rq, was);
}

/* What the others run, when it is something new. */
static void
follow(struct request *rq)
{
	const struct row *row = db_one(rq, sql_published);
	const char *error;

	if (!row || row_id(row, "generation") <= seen_generation)
		return;
	seen_generation = row_id(row, "generation");
	if (strcmp(row_text(row, "digest"), bridge.digest) == 0)
		return;
	error = reread(rq);
	if (error)
		log_error("another process runs a configuration that is refused here", "reason",
			  error, NULL);
	else if (strcmp(row_text(row, "digest"), bridge.digest) != 0)
		log_warn("another process runs a configuration that differs from this one's files",
			 NULL);
	strand(rq);
}

static void
look_work(struct request *rq, void *arg)
{
	if (!begun) {
		strand(rq);
		publish(rq);
		begun = true;
		return;
	}
	follow(rq);
	if (strand_at && clock_ms() >= strand_at) {
		strand_at = 0;
		strand(rq);
	}
}

/* While the database is away nothing is said: the next tick tries again. */
static void
look(struct request *rq, void *arg)
{
	request_run(rq, look_work, NULL);
	looking = false;
}

static void
look_soon(void *arg)
{
	if (looking || app_current()->draining)
		return;
	looking = true;
	app_background("configuration", look, NULL);
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	free_unused();
	look_soon(NULL);
}

/* ---- what asks for it ---- */

void
reload_start(void)
{
	static const struct timeval period = { .tv_sec = TICK_MS / 1000,
					       .tv_usec = TICK_MS % 1000 * 1000 };

	timer = event_new(coro_loop(), -1, EV_PERSIST, tick, NULL);
	if (!timer)
		die("out of memory");
	event_add(timer, &period);
	atexit(free_at_exit);   /* leak checkers cannot follow jq's stack */
	db_listen(app_current()->db, "bridge_config", look_soon, NULL);
	look_soon(NULL);
}

void
reload_stop(void)
{
	event_del(timer);
}

static void
by_signal(struct request *rq, void *arg)
{
	const struct bridge was = bridge;   /* kept as long as this request runs */
	const char *error = reread(rq);

	if (error)
		log_error("the configuration is refused; the old one goes on", "reason", error,
			  NULL);
	else
		swapped(rq, &was);
}

void
reload_signal(struct app *app)
{
	app_background("reload", by_signal, NULL);
}

static cJSON *
state(struct request *rq, const struct row *published)
{
	cJSON *item = cJSON_CreateObject();
	char at[32];
	time_t seconds = (time_t)bridge.read_at;
	struct tm tm;
	bool current = published && strcmp(row_text(published, "digest"), bridge.digest) == 0;

	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
	json_add_string(item, "digest", arena_strndup(&rq->arena, bridge.digest, DIGEST_SHOWN));
	json_add_string(item, "read_at", at);
	json_add_integer(item, "generation", published ? row_id(published, "generation") : 0);
	cJSON_AddBoolToObject(item, "current", current);
	return item;
}

cJSON *
reload_state(struct request *rq)
{
	return state(rq, db_one(rq, sql_published));
}

void
reload_post(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	const struct bridge was = bridge;   /* kept as long as this request runs */
	const char *error;
	cJSON *reply;

	http_only_query(rq, no_query);
	error = reread(rq);
	if (error)
		fail(rq, ERR_VALIDATION, .field = "bridge-config", .detail = error,
		     .hint = "Every process goes on with the configuration it has.");
	swapped(rq, &was);
	reply = reload_state(rq);
	cJSON_AddBoolToObject(reply, "changed", strcmp(was.digest, bridge.digest) != 0);
	json_add_integer(reply, "systems", bridge.system_count);
	json_add_integer(reply, "routes", bridge.route_count);
	reply_tree(rq, 200, reply);
}
