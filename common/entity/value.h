/* common/entity/value.h -- does a value fit a column: decimals, dates, instants, lengths, choices.
 *
 * Pure functions over text; nothing here touches the database, and no amount becomes a double.
 */
#ifndef ENTITY_VALUE_H
#define ENTITY_VALUE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/json.h"
#include "db/catalogue.h"

/* Why a value does not fit; code is NULL when it does. */
struct misfit {
	const char *code;    /* "too_many_decimals" */
	const char *message; /* a literal, or in the arena */
};

/* A decimal taken apart: value = 0.<digits> * 10^point, without leading or trailing zeros. */
struct decimal {
	bool negative;
	int digits; /* significant; 0 for zero */
	long point;
	const char *text;
};

/* -?digits[.digits][e[+-]digits]; false for anything else. */
bool decimal_read(const char *text, struct decimal *decimal);
bool decimal_equal(const char *a, const char *b);

/* YYYY-MM-DD, years 0001 to 9999, a day that exists. */
bool date_valid(const char *text);

/* RFC 3339 with an offset or Z. loose: also what PostgreSQL prints ("2026-01-02 03:04:05+00") and
 * a date alone. */
bool instant_valid(const char *text, bool loose);

/* Does the JSON value fit the column? null is not judged here. */
struct misfit value_fits(struct arena *arena, const struct column *column, const cJSON *value);

/* Does text from a query parameter fit the column's type? Lengths and scales do not matter there.
 */
struct misfit text_fits(struct arena *arena, enum column_type type, const struct column *column,
			const char *text);

/* The same value, whatever its notation ("1.5", 1.50)? */
bool value_equal(struct request *rq, enum column_type type, const cJSON *a, const cJSON *b);

#endif
