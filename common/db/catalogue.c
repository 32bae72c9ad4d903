/* common/db/catalogue.c -- reads tables and columns out of PostgreSQL's catalogue at start. */
#include "db/catalogue.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "catalogue_columns.sql.h"

enum {
	TABLE,
	TABLE_COMMENT,
	NAME,
	COMMENT,
	SQL_TYPE,
	TYPE_NAME,
	TYPE_KIND,
	TYPMOD,
	NOT_NULL,
	GENERATED,
	INITIAL,
	CHOICES,
	UNIQUE,
	TARGET
};

/* Types that are not here are kept from the outside, as bytea is. */
static const struct {
	const char *name;
	enum column_type type;
	int bytes;
} types[] = {
	{ "text", COLUMN_TEXT, 0 },       { "varchar", COLUMN_TEXT, 0 },
	{ "bpchar", COLUMN_TEXT, 0 },     { "citext", COLUMN_TEXT, 0 },
	{ "name", COLUMN_TEXT, 0 },       { "uuid", COLUMN_TEXT, 0 },
	{ "inet", COLUMN_TEXT, 0 },       { "time", COLUMN_TEXT, 0 },
	{ "interval", COLUMN_TEXT, 0 },   { "int2", COLUMN_INTEGER, 2 },
	{ "int4", COLUMN_INTEGER, 4 },    { "int8", COLUMN_INTEGER, 8 },
	{ "numeric", COLUMN_NUMERIC, 0 }, { "bool", COLUMN_BOOLEAN, 0 },
	{ "date", COLUMN_DATE, 0 },       { "timestamptz", COLUMN_INSTANT, 0 },
	{ "json", COLUMN_JSON, 0 },       { "jsonb", COLUMN_JSON, 0 },
	{ "_text", COLUMN_TEXTS, 0 },     { "_varchar", COLUMN_TEXTS, 0 },
};

/* Inexact amounts and instants without a zone lose what companies need. */
static const char *const refused[][2] = {
	{ "float4", "numeric" },
	{ "float8", "numeric" },
	{ "money", "numeric(18,2)" },
	{ "timestamp", "timestamptz" },
};

static char error_text[512];
static struct arena memory;

static const char *
text_at(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column)
		       ? NULL
		       : arena_strdup(&memory, PQgetvalue(result, row, column));
}

static bool
true_at(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

/* "billing_city" is "Billing city", "account_id" is "Account". */
static char *
label_from_name(const char *name)
{
	char *label = arena_strdup(&memory, name);
	size_t length = strlen(label);

	if (length > 3 && strcmp(label + length - 3, "_id") == 0)
		label[length - 3] = '\0';
	for (char *at = label; *at; at++)
		if (*at == '_')
			*at = ' ';
	label[0] = (char)toupper((unsigned char)label[0]);
	return label;
}

static void
column_comment(struct column *column, const char *comment)
{
	const char *colon = comment ? strstr(comment, ": ") : NULL;

	column->help = "";
	if (!comment || !*comment) {
		column->label = label_from_name(column->name);
	} else if (colon) {
		column->label = arena_strndup(&memory, comment, (size_t)(colon - comment));
		column->help = colon + 2;
	} else {
		column->label = comment;
	}
}

static void
column_choices(struct column *column, const char *labels)
{
	char *list = arena_strdup(&memory, labels);
	char *save = NULL;
	int count = 1;

	for (const char *at = list; *at; at++)
		count += *at == '\n';
	column->type = COLUMN_CHOICE;
	column->choices = arena_array(&memory, const char *, (size_t)count + 1);
	count = 0;
	for (char *label = strtok_r(list, "\n", &save); label; label = strtok_r(NULL, "\n", &save))
		column->choices[count++] = label;
}

static bool
column_type(struct column *column, const char *table, const char *type, int typmod)
{
	column->type = COLUMN_BYTES;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		if (strcmp(type, refused[i][0]) != 0)
			continue;
		snprintf(error_text, sizeof error_text, "column %s.%s is of type %s; use %s", table,
			 column->name, column->sql_type, refused[i][1]);
		return false;
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strcmp(type, types[i].name) != 0)
			continue;
		column->type = types[i].type;
		column->bytes = types[i].bytes;
	}
	/* The modifier's first four bytes are a header's length. */
	if (typmod >= 4 && column->type == COLUMN_NUMERIC) {
		column->precision = ((typmod - 4) >> 16) & 0xffff;
		column->scale = (typmod - 4) & 0x7ff;
	} else if (typmod >= 4 && (strcmp(type, "varchar") == 0 || strcmp(type, "bpchar") == 0)) {
		column->length_max = typmod - 4;
	}
	return true;
}

static bool
column_read(struct column *column, const PGresult *result, int row)
{
	column->name = text_at(result, row, NAME);
	column->sql_type = text_at(result, row, SQL_TYPE);
	column->not_null = true_at(result, row, NOT_NULL);
	column->unique = true_at(result, row, UNIQUE);
	column->generated = true_at(result, row, GENERATED);
	column->initial = text_at(result, row, INITIAL);
	column->references = text_at(result, row, TARGET);
	column_comment(column, text_at(result, row, COMMENT));
	if (PQgetvalue(result, row, TYPE_KIND)[0] == 'e') {
		column_choices(column, PQgetvalue(result, row, CHOICES));
		return true;
	}
	return column_type(column, PQgetvalue(result, row, TABLE),
			   PQgetvalue(result, row, TYPE_NAME),
			   (int)strtol(PQgetvalue(result, row, TYPMOD), NULL, 10));
}

/* The rows come table by table. */
static struct catalogue *
catalogue_build(const PGresult *result)
{
	struct catalogue *catalogue = arena_new(&memory, struct catalogue);
	struct column *columns = arena_array(&memory, struct column, (size_t)PQntuples(result) + 1);
	struct table *table = NULL;

	catalogue->tables = arena_array(&memory, struct table, (size_t)PQntuples(result) + 1);
	for (int row = 0; row < PQntuples(result); row++) {
		if (!table || strcmp(table->name, PQgetvalue(result, row, TABLE)) != 0) {
			table = &catalogue->tables[catalogue->table_count++];
			table->name = text_at(result, row, TABLE);
			table->comment = text_at(result, row, TABLE_COMMENT);
			table->columns = &columns[row];
		}
		if (!column_read(&columns[row], result, row))
			return NULL;
		table->column_count++;
	}
	return catalogue;
}

const struct catalogue *
catalogue_read(const char *url, const char **error)
{
	const char *const names[] = { "client_encoding", "connect_timeout", "dbname", NULL };
	const char *const values[] = { "UTF8", "10", url, NULL };
	PGconn *pg = PQconnectdbParams(names, values, 1);
	PGresult *result = PQexecParams(pg, sql_catalogue_columns, 0, NULL, NULL, NULL, NULL, 0);
	const struct catalogue *catalogue = NULL;

	*error = error_text;
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		catalogue = catalogue_build(result);
	else
		snprintf(error_text, sizeof error_text, "%s", PQerrorMessage(pg));
	PQclear(result);
	PQfinish(pg);
	return catalogue;
}

static int
table_compare(const void *name, const void *table)
{
	return strcmp(name, ((const struct table *)table)->name);
}

const struct table *
catalogue_table(const struct catalogue *catalogue, const char *name)
{
	return bsearch(name, catalogue->tables, (size_t)catalogue->table_count,
		       sizeof(struct table), table_compare);
}

const struct column *
table_column(const struct table *table, const char *name)
{
	for (int i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	return NULL;
}
