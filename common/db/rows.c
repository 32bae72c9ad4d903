/* common/db/rows.c -- rows of a result and their columns by name or position. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/internal.h"

struct rows {
	struct request *rq;
	PGresult *result;
	int count;
	int columns;
	int next_column; /* columns are mostly read in order */
	struct row *all;
	struct row first;
};

static void
rows_clear(void *result)
{
	PQclear(result);
}

struct rows *
rows_new(struct request *rq, PGresult *result)
{
	struct rows *rows = arena_new(&rq->arena, struct rows);

	rows->rq = rq;
	rows->result = result;
	rows->count = PQntuples(result);
	rows->columns = PQnfields(result);
	rows->first = (struct row){ .rows = rows };
	arena_defer(&rq->arena, rows_clear, result);
	return rows;
}

int
rows_count(const struct rows *rows)
{
	return rows->count;
}

bool
rows_any(const struct rows *rows)
{
	return rows->count > 0;
}

struct rows *
rows_copy(struct request *rq, const struct rows *rows, int first, int count)
{
	PGresult *from = rows->result, *copy = PQcopyResult(from, PG_COPYRES_ATTRS);

	for (int i = 0; i < count; i++)
		for (int at = 0; at < rows->columns; at++) {
			bool null = PQgetisnull(from, first + i, at);

			if (!copy || !PQsetvalue(copy, i, at,
					null ? NULL : PQgetvalue(from, first + i, at),
					null ? -1 : PQgetlength(from, first + i, at)))
				die("out of memory");
		}
	return rows_new(rq, copy);
}

static _Noreturn void
rows_refuse(const struct rows *rows, const char *what, const char *value)
{
	log_error(what, "value", value, NULL);
	fail(rows->rq, ERR_INTERNAL);
}

struct row *
rows_at(struct rows *rows, int index)
{
	if (index < 0 || index >= rows->count)
		rows_refuse(rows, "no such row", log_num(index));
	if (rows->count == 1)
		return &rows->first;
	if (!rows->all) {
		rows->all = arena_array(&rows->rq->arena, struct row, (size_t)rows->count);
		for (int i = 0; i < rows->count; i++)
			rows->all[i] = (struct row){ .rows = rows, .index = i };
	}
	return &rows->all[index];
}

int
rows_affected(const struct rows *rows)
{
	return (int)strtol(PQcmdTuples(rows->result), NULL, 10);
}

const char *
row_at(const struct row *row, int column)
{
	const struct rows *rows = row->rows;
	const char *value;

	if ((unsigned)column >= (unsigned)rows->columns)
		rows_refuse(rows, "no such column", log_num(column));
	value = PQgetvalue(rows->result, row->index, column);
	/* libpq gives "" for NULL. */
	return *value || !PQgetisnull(rows->result, row->index, column) ? value : NULL;
}

int
row_length(const struct row *row, int column)
{
	if ((unsigned)column >= (unsigned)row->rows->columns)
		rows_refuse(row->rows, "no such column", log_num(column));
	return PQgetlength(row->rows->result, row->index, column);
}

const char *
row_text(const struct row *row, const char *column)
{
	struct rows *rows = row->rows;

	for (int i = 0, at = rows->next_column; i < rows->columns; i++, at++) {
		if (at >= rows->columns)
			at = 0;
		if (strcmp(PQfname(rows->result, at), column) == 0) {
			rows->next_column = at + 1;
			return row_at(row, at);
		}
	}
	rows_refuse(rows, "no such column", column);
}

bool
row_null(const struct row *row, const char *column)
{
	return row_text(row, column) == NULL;
}

int64_t
row_id(const struct row *row, const char *column)
{
	const char *value = row_text(row, column);

	return value ? strtoll(value, NULL, 10) : 0;
}

bool
row_bool(const struct row *row, const char *column)
{
	const char *value = row_text(row, column);

	return value && value[0] == 't';
}
