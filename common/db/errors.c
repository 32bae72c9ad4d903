/* common/db/errors.c -- turns PostgreSQL's errors into faults that name the field. */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "db/internal.h"

#define COLUMNS_MAX 8

/* What a client can only try again later. Found by the beginning of the SQLSTATE; the
 * transaction's work may be run again where nothing of it can have stayed. */
static const struct {
	const char *sqlstate;
	enum fault_code code;
	bool rerun;
	const char *detail;
} passing[] = {
	{ "40001", ERR_LOCKED, true, "Another request changed the same records at the same time." },
	{ "40P01", ERR_LOCKED, true, "Another request changed the same records at the same time." },
	{ "55P03", ERR_LOCKED, false, "Another request holds the record for too long." },
	{ "57014", ERR_UNAVAILABLE, false, "The database took too long." },
	{ "57P", ERR_UNAVAILABLE, true, "The database is restarting." },
	{ "25P03", ERR_UNAVAILABLE, true, "The transaction stood still for too long." },
	{ "25006", ERR_UNAVAILABLE, true, "The database takes no writes just now." },
	{ "26000", ERR_UNAVAILABLE, true, "The database was changed meanwhile." },
	{ "08", ERR_UNAVAILABLE, true, "The connection to the database was lost." },
	{ "53", ERR_UNAVAILABLE, false, "The database is out of resources." },
};

/* Values the server could not take: class 22. */
static const struct {
	const char *sqlstate;
	const char *code;
} unfit[] = {
	{ "22001", "too_long" },   { "22003", "out_of_range" }, { "22008", "out_of_range" },
	{ "22007", "wrong_type" }, { "22P02", "wrong_type" },   { "22021", "bad_text" },
	{ "22P05", "bad_text" },   { "22", "invalid" },
};

static const char *
error_field(const PGresult *result, int which)
{
	const char *value = PQresultErrorField(result, which);

	return value ? value : "";
}

static char *
error_copy(struct request *rq, const PGresult *result, int which)
{
	const char *value = PQresultErrorField(result, which);

	return value && *value ? arena_strdup(&rq->arena, value) : NULL;
}

bool
error_is_reported(const PGresult *result)
{
	return *error_field(result, PG_DIAG_SQLSTATE) != '\0';
}

bool
error_is_stale(const PGresult *result)
{
	const char *sqlstate = error_field(result, PG_DIAG_SQLSTATE);

	return strcmp(sqlstate, "26000") == 0 ||
	       (strcmp(sqlstate, "0A000") == 0 &&
		strcmp(error_field(result, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0);
}

/* "account_tax_id_key1" of table "account" is about "tax_id"; "account_check" about no column. */
static char *
columns_of_constraint(struct request *rq, const PGresult *result)
{
	static const char *const suffixes[] = { "_key", "_fkey", "_check", "_excl", "_idx" };
	const char *table = error_field(result, PG_DIAG_TABLE_NAME);
	const char *name = error_field(result, PG_DIAG_CONSTRAINT_NAME);
	size_t length = strlen(table);
	size_t left;

	if (!length || strncmp(name, table, length) != 0 || name[length] != '_')
		return NULL;
	name += length + 1;
	left = strlen(name);
	while (left && isdigit((unsigned char)name[left - 1]))
		left--;
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		size_t end = strlen(suffixes[i]);

		if (left > end && memcmp(name + left - end, suffixes[i], end) == 0)
			return arena_strndup(&rq->arena, name, left - end);
	}
	return NULL;
}

/* "Key (account_id, sku)=(7, X) ..." names the columns in every language; an expression's
 * columns come from the constraint's name. */
static int
columns_of_detail(struct request *rq, const PGresult *result, char *columns[COLUMNS_MAX])
{
	const char *detail = error_field(result, PG_DIAG_MESSAGE_DETAIL);
	const char *open = strchr(detail, '(');
	const char *close = open ? strstr(open, ")=(") : NULL;
	char *list, *save = NULL;
	int count = 0;

	if (!close || memchr(open + 1, '(', (size_t)(close - open - 1)))
		return 0;
	list = arena_strndup(&rq->arena, open + 1, (size_t)(close - open - 1));
	for (char *word = strtok_r(list, ", ", &save); word && count < COLUMNS_MAX;
	     word = strtok_r(NULL, ", ", &save))
		columns[count++] = word;
	return count;
}

static int
error_columns(struct request *rq, const PGresult *result, char *columns[COLUMNS_MAX])
{
	int count = columns_of_detail(rq, result, columns);

	if (count)
		return count;
	columns[0] = error_copy(rq, result, PG_DIAG_COLUMN_NAME);
	if (!columns[0])
		columns[0] = columns_of_constraint(rq, result);
	return columns[0] != NULL;
}

/* Names every column in the problem document, each with the same reason. */
static void
fault_fields(struct request *rq, struct fault *fault, char *const columns[], int count,
	     const char *code, const char *message)
{
	if (!count)
		return;
	fault->field = columns[0];
	fault->field_count = count;
	fault->fields = arena_array(&rq->arena, struct field_fault, (size_t)count);
	for (int i = 0; i < count; i++)
		fault->fields[i] = (struct field_fault){ columns[i], code, message };
}

static char *
words_of(struct request *rq, const char *name)
{
	char *words = arena_strdup(&rq->arena, name);

	for (char *at = words; *at; at++)
		if (*at == '_')
			*at = ' ';
	return words;
}

static const char *
join_words(struct request *rq, char *const columns[], int count)
{
	const char *joined = words_of(rq, columns[0]);

	for (int i = 1; i < count; i++)
		joined = arena_printf(&rq->arena, "%s%s%s", joined, i == count - 1 ? " and " : ", ",
				      words_of(rq, columns[i]));
	return joined;
}

static void
map_duplicate(struct request *rq, const PGresult *result, struct fault *fault)
{
	char *columns[COLUMNS_MAX];
	int count = error_columns(rq, result, columns);

	fault->code = ERR_DUPLICATE;
	fault->detail = count ? arena_printf(&rq->arena, "Another record has the same %s.",
					     join_words(rq, columns, count))
			      : "Another record has the same values.";
	fault_fields(rq, fault, columns, count, "duplicate", "is taken by another record");
}

/* Both directions are one SQLSTATE. The message tells them apart; where the server speaks
 * another language, the key in the detail is the constraint's own only when
 * writing the reference. */
static bool
reference_is_missing(const PGresult *result, const char *key, const char *constrained)
{
	const char *message = error_field(result, PG_DIAG_MESSAGE_PRIMARY);

	if (strncmp(message, "insert or update on ", 20) == 0)
		return true;
	if (strncmp(message, "update or delete on ", 20) == 0)
		return false;
	return key && constrained && strcmp(key, constrained) == 0;
}

static void
map_reference(struct request *rq, const PGresult *result, struct fault *fault)
{
	char *columns[COLUMNS_MAX];
	int count = error_columns(rq, result, columns);
	const char *key = count ? columns[0] : NULL;

	if (reference_is_missing(result, key, columns_of_constraint(rq, result))) {
		fault->code = ERR_VALIDATION;
		fault->detail =
			key ? arena_printf(&rq->arena, "There is no such %s.", words_of(rq, key))
			    : "A record that is referred to does not exist.";
		fault_fields(rq, fault, columns, count, "unknown_reference", "refers to no record");
		return;
	}
	fault->code = ERR_IN_USE;
	fault->detail = arena_printf(&rq->arena, "It is still used by: %s.",
				     words_of(rq, error_field(result, PG_DIAG_TABLE_NAME)));
}

static void
map_field(struct request *rq, const PGresult *result, struct fault *fault, const char *code,
	  const char *message)
{
	char *columns[COLUMNS_MAX];
	/* A check's detail shows the whole row, which is not for the client. */
	int count = 0;

	columns[0] = error_copy(rq, result, PG_DIAG_COLUMN_NAME);
	if (!columns[0])
		columns[0] = columns_of_constraint(rq, result);
	count = columns[0] != NULL;
	fault->code = ERR_VALIDATION;
	fault->detail =
		count ? arena_printf(&rq->arena, "The %s %s.", words_of(rq, columns[0]), message)
		      : arena_printf(&rq->arena, "A value of the %s %s.",
				     words_of(rq, error_field(result, PG_DIAG_TABLE_NAME)),
				     message);
	fault_fields(rq, fault, columns, count, code, message);
}

static void
map_unfit(struct request *rq, const PGresult *result, struct fault *fault)
{
	const char *sqlstate = error_field(result, PG_DIAG_SQLSTATE);
	char *column = error_copy(rq, result, PG_DIAG_COLUMN_NAME);
	size_t i = 0;

	while (strncmp(sqlstate, unfit[i].sqlstate, strlen(unfit[i].sqlstate)) != 0)
		i++;
	fault->code = ERR_VALIDATION;
	fault->detail = error_copy(rq, result, PG_DIAG_MESSAGE_PRIMARY);
	fault_fields(rq, fault, &column, column != NULL, unfit[i].code, fault->detail);
}

/* RAISE EXCEPTION ... USING CONSTRAINT = the problem's code, DETAIL = its members as JSON. */
static void
map_rule(struct request *rq, const PGresult *result, struct fault *fault)
{
	char *column = error_copy(rq, result, PG_DIAG_COLUMN_NAME);
	const char *detail = error_field(result, PG_DIAG_MESSAGE_DETAIL);

	fault->code = fault_named(error_field(result, PG_DIAG_CONSTRAINT_NAME));
	if (fault->code == ERR_NONE)
		fault->code = ERR_RULE;
	else if (detail[0] == '{')
		fault->members = json_own(rq, arena_strdup(&rq->arena, detail));
	fault->detail = error_copy(rq, result, PG_DIAG_MESSAGE_PRIMARY);
	fault->hint = error_copy(rq, result, PG_DIAG_MESSAGE_HINT);
	fault_fields(rq, fault, &column, column != NULL, fault_name(fault->code), fault->detail);
}

/* What the statement asks for is wrong; false when that is not it. */
static bool
map_refusal(struct request *rq, const PGresult *result, struct fault *fault)
{
	const char *sqlstate = error_field(result, PG_DIAG_SQLSTATE);

	if (strcmp(sqlstate, "23505") == 0) {
		map_duplicate(rq, result, fault);
	} else if (strcmp(sqlstate, "23503") == 0 || strcmp(sqlstate, "23001") == 0) {
		map_reference(rq, result, fault);
	} else if (strcmp(sqlstate, "23514") == 0) {
		map_field(rq, result, fault, "out_of_range", "is outside what is allowed");
	} else if (strcmp(sqlstate, "23502") == 0) {
		map_field(rq, result, fault, "required", "must be given");
	} else if (strcmp(sqlstate, "23P01") == 0) {
		map_field(rq, result, fault, "conflict", "overlaps another record");
		fault->code = ERR_CONFLICT;
	} else if (strncmp(sqlstate, "22", 2) == 0) {
		map_unfit(rq, result, fault);
	} else if (strcmp(sqlstate, "P0001") == 0) {
		map_rule(rq, result, fault);
	} else {
		return false;
	}
	return true;
}

static bool
map_passing(struct request *rq, const PGresult *result, struct fault *fault, enum phase phase)
{
	const char *sqlstate =
		error_is_stale(result) ? "26000" : error_field(result, PG_DIAG_SQLSTATE);

	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
		if (strncmp(sqlstate, passing[i].sqlstate, strlen(passing[i].sqlstate)) != 0)
			continue;
		fault->code = passing[i].code;
		fault->rerun = passing[i].rerun && phase == PHASE_TRANSACTION;
		/* A failed COMMIT that the server answered did not happen. */
		if (passing[i].code == ERR_LOCKED)
			fault->rerun = passing[i].rerun;
		fault->detail = passing[i].detail;
		fault->retry_after = 1;
		return true;
	}
	return false;
}

_Noreturn void
error_raise(struct request *rq, const PGresult *result, const char *sql, enum phase phase)
{
	const char *severity = error_field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	struct fault fault = { .code = ERR_INTERNAL };

	/* FATAL says that the connection is gone, not what became of the COMMIT. */
	if (!error_is_reported(result) || (phase == PHASE_COMMIT && strcmp(severity, "ERROR") != 0))
		error_raise_lost(rq, phase);
	if (!map_refusal(rq, result, &fault) && !map_passing(rq, result, &fault, phase))
		log_error("statement failed", "sqlstate", error_field(result, PG_DIAG_SQLSTATE),
			  "message", error_field(result, PG_DIAG_MESSAGE_PRIMARY), "sql", sql,
			  NULL);
	if (fault.rerun)
		rq->db->stats.reruns++;
	fault_raise(rq, &fault);
}

_Noreturn void
error_raise_lost(struct request *rq, enum phase phase)
{
	if (phase == PHASE_COMMIT)
		fail(rq, ERR_UNAVAILABLE, .retry_after = 1, .unknown = true,
		     .detail = "The connection to the database was lost during COMMIT: "
			       "whether the change was made is not known.",
		     .hint = "Look whether it was made, or send the request again with the same "
			     "Idempotency-Key.");
	if (phase == PHASE_TRANSACTION)
		rq->db->stats.reruns++;
	fail(rq, ERR_UNAVAILABLE, .retry_after = 1, .rerun = phase == PHASE_TRANSACTION,
	     .detail = "The connection to the database was lost.");
}
