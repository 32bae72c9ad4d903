/* common/db/statement.c -- remembers which SQL texts are prepared, and on which connection. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metric_list.h"
#include "db/internal.h"

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The word at the beginning of text, in lower case; answers its length. */
static size_t
word(const char *text, char *out, size_t size)
{
	size_t length = 0;

	while (is_word(text[length]) || (text[length] >= '0' && text[length] <= '9'))
		length++;
	snprintf(out, size, "%.*s", (int)length, text);
	for (char *c = out; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return length;
}

/* The first table it reads or writes; functions and subqueries are none. */
static bool
table_of(const char *sql, char *out, size_t size)
{
	static const char *const before[] = { "from", "into", "update" };
	char name[40];
	size_t length;

	for (const char *at = sql; *at; at += length ? length : 1) {
		length = is_word(*at) ? word(at, name, sizeof name) : 0;
		for (size_t i = 0; i < 3; i++) {
			const char *next = at + length + strspn(at + length, " \t\n");

			if (!length || strcmp(name, before[i]) != 0 || !is_word(*next))
				continue;
			if (next[word(next, out, size)] != '(')
				return true;
		}
	}
	return false;
}

/* "select account", or of a .sql file, which begins with its own path, "order_track". */
static void
statement_label(const char *sql, char *out, size_t size)
{
	char verb[40] = "", table[40] = "";
	const char *dot, *slash;

	if (strncmp(sql, "-- ", 3) == 0 && (dot = strstr(sql, ".sql "))) {
		for (slash = dot; slash > sql && slash[-1] != '/'; slash--)
			;
		snprintf(out, size, "stmt=\"%.*s\"", (int)(dot - slash), slash);
		return;
	}
	sql += strspn(sql, " \t\n");
	word(sql, verb, sizeof verb);
	if (!table_of(sql, table, sizeof table))
		table[0] = '\0';
	snprintf(out, size, "stmt=\"%s%s%s\"", verb, *table ? " " : "", table);
}

static uint64_t *
statement_times(const char *sql)
{
	char label[120];

	statement_label(sql, label, sizeof label);
	return metric_series(&metric_db_query, label);
}

static struct statement *
statement_find_text(struct db *db, const char *sql)
{
	struct statement *statement;
	size_t length = strlen(sql);

	HASH_FIND(hh, db->statements, sql, length, statement);
	if (statement || db->statement_count == STATEMENTS_MAX)
		return statement;

	statement = calloc(1, sizeof *statement);
	if (!statement)
		die("out of memory");
	statement->sql = sql;
	statement->number = db->statement_count++;
	statement->times = statement_times(sql);
	HASH_ADD_KEYPTR(hh, db->statements, statement->sql, length, statement);
	if (db->statement_count == STATEMENTS_MAX)
		log_warn("too many SQL texts to keep prepared", "most", log_num(STATEMENTS_MAX),
			 NULL);
	return statement;
}

/* The pointer is looked at first: nearly all texts are literals. */
struct statement *
statement_find(struct db *db, const char *sql)
{
	unsigned slot = (unsigned)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 54);

	if (db->cache[slot].sql != sql) {
		db->cache[slot].statement = statement_find_text(db, sql);
		db->cache[slot].sql = sql;
	}
	return db->cache[slot].statement;
}

void
statements_free(struct db *db)
{
	struct statement *statement, *next;

	HASH_ITER(hh, db->statements, statement, next)
	{
		HASH_DEL(db->statements, statement);
		free(statement);
	}
}

bool
statement_prepared(const struct connection *c, const struct statement *statement)
{
	return c->prepared[statement->number / 64] & (UINT64_C(1) << (statement->number % 64));
}

void
statement_mark(struct connection *c, const struct statement *statement, bool prepared)
{
	uint64_t bit = UINT64_C(1) << (statement->number % 64);

	if (prepared)
		c->prepared[statement->number / 64] |= bit;
	else
		c->prepared[statement->number / 64] &= ~bit;
}

void
statement_name(const struct connection *c, const struct statement *statement, char out[24])
{
	char digits[12];
	int n = 0, at = 0;
	unsigned parts[2] = { (unsigned)statement->number, c->generation };

	for (int i = 0; i < 2; i++) {
		out[at++] = i ? 'g' : 's';
		n = 0;
		do {
			digits[n++] = (char)('0' + parts[i] % 10);
		} while (parts[i] /= 10);
		while (n)
			out[at++] = digits[--n];
	}
	out[at] = '\0';
}

void
statements_forget(struct connection *c)
{
	memset(c->prepared, 0, sizeof c->prepared);
	c->generation++;
}
