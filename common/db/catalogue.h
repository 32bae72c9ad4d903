/* common/db/catalogue.h -- what PostgreSQL's catalogue says of our tables; read once at start.
 *
 * The schema is the one place for columns, types, NOT NULL, defaults, lengths, choices, unique
 * keys, references and help (COMMENT ON). A comment is "Label: help text."; the label alone
 * is fine.
 */
#ifndef DB_CATALOGUE_H
#define DB_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

enum column_type {
	COLUMN_TEXT,        /* text, varchar(n) */
	COLUMN_INTEGER,     /* int2, int4, int8: see bytes */
	COLUMN_NUMERIC,     /* numeric(precision, scale): JSON decimal string */
	COLUMN_BOOLEAN,
	COLUMN_DATE,
	COLUMN_INSTANT,     /* timestamptz */
	COLUMN_CHOICE,      /* enum type: see choices */
	COLUMN_JSON,        /* json, jsonb */
	COLUMN_TEXTS,       /* text[] */
	COLUMN_BYTES,       /* bytea: never shown */
};

struct column {
	const char *name;
	const char *label;
	const char *help;            /* may be "" */
	enum column_type type;
	const char *sql_type;        /* format_type: "numeric(18,2)", "order_status" */
	int bytes;                   /* of an integer: 2, 4, 8 */
	int precision, scale;        /* of a numeric; precision 0: unlimited */
	int length_max;              /* of varchar(n); 0: unlimited */
	const char **choices;        /* NULL-terminated */
	bool not_null;
	bool unique;                 /* alone */
	const char *initial;         /* default expression as SQL, NULL for none */
	bool generated;              /* GENERATED ALWAYS: never written */
	const char *references;      /* table, NULL for none */
};

struct table {
	const char *name;
	const char *comment;
	struct column *columns;
	int column_count;
};

struct catalogue {
	struct table *tables;
	int table_count;
};

/* Blocking, before the loop runs; lives as long as the process. NULL on failure. */
const struct catalogue *catalogue_read(const char *url, const char **error);
const struct table *catalogue_table(const struct catalogue *catalogue, const char *name);
const struct column *table_column(const struct table *table, const char *name);

#endif
