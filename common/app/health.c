/* common/app/health.c -- /livez: the loop turns; /readyz: a request would be answered. */
#include "app/health.h"

#include "app/heartbeat.h"
#include "app/metrics.h"

static const char sql_migrations[] = "SELECT count(*) AS count FROM schema_migration";

static void livez(struct request *rq);
static void readyz(struct request *rq);

struct route health_routes[] = { { .method = "GET",
				   .pattern = "/livez",
				   .handle = livez,
				   .flags = ROUTE_PUBLIC,
				   .summary =
					   "200 while the process works; touches nothing else." },
				 { .method = "GET",
				   .pattern = "/readyz",
				   .handle = readyz,
				   .flags = ROUTE_PUBLIC,
				   .summary = "200 while requests can be answered: database there, "
					      "schema right, not draining." },
				 { .method = "GET",
				   .pattern = "/metrics",
				   .handle = metrics_page,
				   .flags = ROUTE_PUBLIC,
				   .summary = "Prometheus metrics of this process." },
				 { 0 } };

static void
livez(struct request *rq)
{
	bool alive = heartbeat_alive();

	reply_json(rq, alive ? 200 : 503,
		   alive ? "{\"status\":\"alive\"}" : "{\"status\":\"stuck\"}");
}

static void
not_ready(struct request *rq, const char *reason)
{
	reply_json(
		rq, 503,
		arena_printf(&rq->arena, "{\"status\":\"not_ready\",\"reason\":\"%s\"}", reason));
	reply_header(rq, "Retry-After", "1");
}

static void
count_migrations(struct request *rq, void *arg)
{
	int64_t *count = arg;

	*count = row_id(db_one(rq, sql_migrations), "count");
}

static void
readyz(struct request *rq)
{
	struct app *app = app_current();
	int64_t applied = 0;
	int64_t known = 0;

	while (app->daemon->migrations[known].name)
		known++;
	if (app->draining)
		not_ready(rq, "draining");
	else if (!db_ready(app->db) || !request_run(rq, count_migrations, &applied))
		not_ready(rq, "database");
	else if (applied < known)
		not_ready(rq, "schema");
	else
		reply_json(rq, 200, "{\"status\":\"ready\"}");
}
