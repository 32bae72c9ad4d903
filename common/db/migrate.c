/* common/db/migrate.c -- applies the migrations that a schema lacks, one transaction each. */
#include "db/migrate.h"

#include <libpq-fe.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define LOCK_TRIES 20

static const char sql_settings[] =
	"SELECT set_config('client_min_messages', 'warning', false),"
	" set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false),"
	" set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),"
	" set_config('idle_in_transaction_session_timeout', '0', false)";
static const char sql_schema[] = "SELECT current_schema(), current_user";
static const char sql_lock[] =
	"SELECT pg_advisory_lock(hashtext('dovetail migration'), hashtext(current_schema()))";
static const char sql_create[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
				 " name text PRIMARY KEY,"
				 " sha256 text NOT NULL,"
				 " applied_at timestamptz NOT NULL DEFAULT now())";
static const char sql_exists[] =
	"SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'schema_migration'"
	" AND relnamespace = current_schema()::regnamespace";
static const char sql_applied[] = "SELECT name, sha256 FROM schema_migration ORDER BY name";
static const char sql_remember[] = "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)";
static const char sql_patience[] = "SET LOCAL lock_timeout = '3s'";

static char error_text[1024];

static int
refuse(const char **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error_text, sizeof error_text, format, args);
	va_end(args);
	*error = error_text;
	return -1;
}

static void
sha256_hex(const char *text, char out[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (!EVP_Digest(text, strlen(text), hash, &length, EVP_sha256(), NULL))
		die("SHA-256 is not available");
	for (unsigned i = 0; i < 32; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[64] = '\0';
}

static PGresult *
ask(PGconn *pg, const char *sql)
{
	return PQexecParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0);
}

static bool
run(PGconn *pg, const char *sql)
{
	PGresult *result = ask(pg, sql);
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY;
}

/* NULL on failure. */
static PGconn *
migrate_connect(const char *url, const char **error)
{
	const char *const names[] = { "application_name", "client_encoding", "connect_timeout",
				      "dbname", NULL };
	const char *const values[] = { "dovetail migration", "UTF8", "10", url, NULL };
	PGconn *pg = PQconnectdbParams(names, values, 1);
	PGresult *result;

	if (PQstatus(pg) != CONNECTION_OK || !run(pg, sql_settings)) {
		refuse(error, "%s", PQerrorMessage(pg));
		PQfinish(pg);
		return NULL;
	}
	result = ask(pg, sql_schema);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQgetisnull(result, 0, 0)) {
		refuse(error, "the search_path of role \"%s\" names no schema that exists",
		       PQresultStatus(result) == PGRES_TUPLES_OK ? PQgetvalue(result, 0, 1) : "");
		PQclear(result);
		PQfinish(pg);
		return NULL;
	}
	PQclear(result);
	return pg;
}

static int
applied_index(const PGresult *applied, const char *name)
{
	for (int i = 0; i < PQntuples(applied); i++)
		if (strcmp(PQgetvalue(applied, i, 0), name) == 0)
			return i;
	return -1;
}

static const char *
stranger(const PGresult *applied, const struct migration *list)
{
	for (int i = 0; i < PQntuples(applied); i++) {
		const struct migration *m = list;

		while (m->name && strcmp(m->name, PQgetvalue(applied, i, 0)) != 0)
			m++;
		if (!m->name)
			return PQgetvalue(applied, i, 0);
	}
	return NULL;
}

/* How many are missing; -1 when what was applied is not what this binary knows. */
static int
migrate_compare(const PGresult *applied, const struct migration *list, const char **error)
{
	const char *unknown = stranger(applied, list);
	const struct migration *first_missing = NULL;
	int missing = 0;

	for (const struct migration *m = list; m->name; m++) {
		int at = applied_index(applied, m->name);
		char sum[65];

		if (at < 0) {
			if (!missing++)
				first_missing = m;
			continue;
		}
		sha256_hex(m->sql, sum);
		if (strcmp(sum, PQgetvalue(applied, at, 1)) != 0)
			return refuse(error,
				      "migration %s was changed after it was applied: "
				      "the schema has %s, this program has %s",
				      m->name, PQgetvalue(applied, at, 1), sum);
	}
	/* Strangers alone are fine: a newer program was here, and migrations only add. */
	if (unknown && missing) {
		char sum[65];

		sha256_hex(first_missing->sql, sum);
		return refuse(error,
			      "the schema has migration %s (%s), which this program does "
			      "not know, and lacks %s (%s): they come from different versions",
			      unknown, PQgetvalue(applied, applied_index(applied, unknown), 1),
			      first_missing->name, sum);
	}
	return missing;
}

static bool
is_lock_timeout(PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate && (strcmp(sqlstate, "55P03") == 0 || strcmp(sqlstate, "40P01") == 0);
}

/* Many statements at once; the last result, which is the error if there was one. */
static PGresult *
run_script(PGconn *pg, const char *sql)
{
	PGresult *last = NULL, *result;

	if (!PQsendQuery(pg, sql))
		return PQmakeEmptyPGresult(pg, PGRES_FATAL_ERROR);
	while ((result = PQgetResult(pg))) {
		PQclear(last);
		last = result;
	}
	return last;
}

/* Answers 1 when done, 0 when a lock was not to be had, -1 on failure. */
static int
migration_try(PGconn *pg, const struct migration *migration, const char **error)
{
	char sum[65];
	const char *const values[] = { migration->name, sum };
	PGresult *result;
	int answer;

	sha256_hex(migration->sql, sum);
	if (!run(pg, "BEGIN") || !run(pg, sql_patience))
		return refuse(error, "migration %s: %s", migration->name, PQerrorMessage(pg));
	result = run_script(pg, migration->sql);
	if (PQresultStatus(result) == PGRES_FATAL_ERROR ||
	    PQresultStatus(result) == PGRES_BAD_RESPONSE) {
		const char *place = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);

		answer = is_lock_timeout(result)
				 ? 0
				 : refuse(error, "migration %s, character %s: %s", migration->name,
					  place ? place : "?", PQresultErrorMessage(result));
		PQclear(result);
		run(pg, "ROLLBACK");
		return answer;
	}
	PQclear(result);
	result = PQexecParams(pg, sql_remember, 2, NULL, values, NULL, NULL, 0);
	answer = PQresultStatus(result) == PGRES_COMMAND_OK ? 1 : -1;
	PQclear(result);
	if (answer < 0 || !run(pg, "COMMIT")) {
		refuse(error, "migration %s: %s", migration->name, PQerrorMessage(pg));
		run(pg, "ROLLBACK");
		return -1;
	}
	return 1;
}

static int
migration_apply(PGconn *pg, const struct migration *migration, const char **error)
{
	for (int tries = 1; tries <= LOCK_TRIES; tries++) {
		int answer = migration_try(pg, migration, error);

		if (answer)
			return answer;
		log_warn("migration waits for a lock", "migration", migration->name, NULL);
		usleep(100000u * (unsigned)tries);
	}
	return refuse(error, "migration %s: a lock it needs is held", migration->name);
}

static int
migrate_locked(PGconn *pg, const struct migration *list, const char **error)
{
	PGresult *applied;
	int count = 0;
	int missing;

	if (!run(pg, sql_lock) || !run(pg, sql_create))
		return refuse(error, "%s", PQerrorMessage(pg));
	applied = ask(pg, sql_applied);
	if (PQresultStatus(applied) != PGRES_TUPLES_OK) {
		PQclear(applied);
		return refuse(error, "%s", PQerrorMessage(pg));
	}
	missing = migrate_compare(applied, list, error);
	for (const struct migration *m = list; missing > 0 && m->name; m++) {
		if (applied_index(applied, m->name) >= 0)
			continue;
		if (migration_apply(pg, m, error) < 0) {
			missing = -1;
			break;
		}
		log_info("migration applied", "migration", m->name, NULL);
		count++;
	}
	PQclear(applied);
	return missing < 0 ? -1 : count;
}

int
migrate_apply(const char *url, const struct migration *list, const char **error)
{
	PGconn *pg = migrate_connect(url, error);
	int count;

	if (!pg)
		return -1;
	count = migrate_locked(pg, list, error);
	PQfinish(pg);
	return count;
}

int
migrate_missing(const char *url, const struct migration *list, const char **error)
{
	PGconn *pg = migrate_connect(url, error);
	PGresult *result;
	bool exists;
	int missing = 0;

	if (!pg)
		return -1;
	result = ask(pg, sql_exists);
	exists = PQntuples(result) == 1;
	PQclear(result);
	if (exists) {
		result = ask(pg, sql_applied);
		missing = PQresultStatus(result) == PGRES_TUPLES_OK
				  ? migrate_compare(result, list, error)
				  : refuse(error, "%s", PQerrorMessage(pg));
		PQclear(result);
	} else {
		while (list[missing].name)
			missing++;
	}
	PQfinish(pg);
	return missing;
}
