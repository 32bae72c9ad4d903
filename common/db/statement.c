/* common/db/statement.c -- remembers which SQL texts are prepared, and on which connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/internal.h"

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
