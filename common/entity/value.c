/* common/entity/value.c -- judges one value against one column. */
#include "entity/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* What the btree of a unique text can hold, whatever the characters. */
#define UNIQUE_TEXT_MAX 600
#define TEXTS_MAX 1000

static const struct misfit fits = { 0 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
decimal_read(const char *text, struct decimal *decimal)
{
	const char *at = text;
	const char *first = NULL, *last = NULL; /* significant digits */
	long before = 0;                        /* position of the point after *first */
	bool fraction = false;
	long exponent = 0;

	*decimal = (struct decimal){ .text = text };
	if (*at == '-') {
		decimal->negative = true;
		at++;
	}
	if (!is_digit(*at))
		return false;
	for (; is_digit(*at) || (*at == '.' && !fraction); at++) {
		if (*at == '.') {
			fraction = true;
			if (!is_digit(at[1]))
				return false;
			continue;
		}
		if (*at != '0') {
			last = at;
			if (!first)
				first = at;
		}
		if (!fraction && first)
			before++;
		if (fraction && !first)
			before--;
	}
	if (*at == 'e' || *at == 'E') {
		char *end;

		at++;
		if (!is_digit(*at) && !((*at == '-' || *at == '+') && is_digit(at[1])))
			return false;
		exponent = strtol(at, &end, 10);
		if (exponent > 100000 || exponent < -100000)
			exponent = exponent > 0 ? 100000 : -100000;
		at = end;
	}
	if (*at != '\0')
		return false;
	if (!first)
		return true;
	for (const char *digit = first; digit <= last; digit++)
		decimal->digits += *digit != '.';
	decimal->point = before + exponent;
	decimal->text = first;
	return true;
}

bool
decimal_equal(const char *a, const char *b)
{
	struct decimal x, y;
	const char *p, *q;

	if (!decimal_read(a, &x) || !decimal_read(b, &y) || x.digits != y.digits)
		return false;
	if (x.digits == 0)
		return true;
	if (x.negative != y.negative || x.point != y.point)
		return false;
	p = x.text;
	q = y.text;
	for (int i = 0; i < x.digits; i++, p++, q++) {
		p += *p == '.';
		q += *q == '.';
		if (*p != *q)
			return false;
	}
	return true;
}

/* Reads exactly count digits; -1 when they are not there. */
static int
digits_read(const char *text, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		if (!is_digit(text[i]))
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

static bool
date_starts(const char *text)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = digits_read(text, 4), month, day, last;

	if (year < 1 || text[4] != '-')
		return false;
	month = digits_read(text + 5, 2);
	if (month < 1 || month > 12 || text[7] != '-')
		return false;
	day = digits_read(text + 8, 2);
	last = days[month - 1];
	if (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		last = 29;
	return day >= 1 && day <= last;
}

bool
date_valid(const char *text)
{
	return date_starts(text) && text[10] == '\0';
}

static bool
offset_valid(const char *at, bool loose)
{
	int hours, minutes;

	if ((*at == 'Z' || *at == 'z') && at[1] == '\0')
		return true;
	if (*at != '+' && *at != '-')
		return false;
	hours = digits_read(at + 1, 2);
	if (hours < 0 || hours > 15)
		return false;
	if (loose && at[3] == '\0')
		return true;
	if (at[3] != ':')
		return false;
	minutes = digits_read(at + 4, 2);
	return minutes >= 0 && minutes < 60 && at[6] == '\0';
}

bool
instant_valid(const char *text, bool loose)
{
	const char *at;
	int hours, minutes, seconds;

	if (!date_starts(text))
		return false;
	at = text + 10;
	if (loose && *at == '\0')
		return true;
	if (*at != 'T' && *at != 't' && !(loose && *at == ' '))
		return false;
	hours = digits_read(at + 1, 2);
	if (hours < 0 || hours > 23 || at[3] != ':')
		return false;
	minutes = digits_read(at + 4, 2);
	if (minutes < 0 || minutes > 59 || at[6] != ':')
		return false;
	seconds = digits_read(at + 7, 2);
	if (seconds < 0 || seconds > 59)
		return false;
	at += 9;
	if (*at == '.') {
		if (!is_digit(at[1]))
			return false;
		at++;
		while (is_digit(*at))
			at++;
	}
	return offset_valid(at, loose);
}

static struct misfit
decimal_fits(struct arena *arena, const struct column *column, const char *text)
{
	struct decimal decimal;
	long whole = column->precision - column->scale;

	if (!decimal_read(text, &decimal))
		return (struct misfit){ "wrong_type",
					"must be a decimal number such as \"12.50\"" };
	if (decimal.digits == 0)
		return fits;
	if (column->precision == 0) {
		if (decimal.point > 1000 || decimal.digits - decimal.point > 1000)
			return (struct misfit){ "out_of_range", "has too many digits" };
		return fits;
	}
	if (decimal.point > whole)
		return (struct misfit){
			"out_of_range",
			arena_printf(arena, "must have at most %ld digits before the point", whole)
		};
	if (decimal.digits - decimal.point > column->scale)
		return (struct misfit){ "too_many_decimals",
					column->scale
						? arena_printf(arena,
							       "must have at most %d decimals",
							       column->scale)
						: "must be a whole number" };
	return fits;
}

static struct misfit
integer_fits(const struct column *column, const cJSON *value)
{
	int64_t number;
	struct decimal decimal;

	if (!json_is_number(value))
		return (struct misfit){ "wrong_type", "must be a whole number" };
	if (!json_node_integer(value, &number)) {
		if (decimal_read(json_number_text(value), &decimal) && decimal.point > 15)
			return (struct misfit){ "out_of_range", "is too large" };
		return (struct misfit){
			"wrong_type", "must be a whole number, written without point or exponent"
		};
	}
	if ((column->bytes == 2 && (number < INT16_MIN || number > INT16_MAX)) ||
	    (column->bytes == 4 && (number < INT32_MIN || number > INT32_MAX)))
		return (struct misfit){ "out_of_range",
					column->bytes == 2
						? "must be between -32768 and 32767"
						: "must be between -2147483648 and 2147483647" };
	return fits;
}

static int
characters(const char *text)
{
	int count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xC0) != 0x80;
	return count;
}

static struct misfit
string_fits(struct arena *arena, const struct column *column, const char *text)
{
	int most = column->length_max ? column->length_max : column->unique ? UNIQUE_TEXT_MAX : 0;

	if (most && characters(text) > most)
		return (struct misfit){
			"too_long", arena_printf(arena, "must have at most %d characters", most)
		};
	return fits;
}

static struct misfit
choice_fits(struct arena *arena, const struct column *column, const char *text)
{
	struct text list = text_in(arena);

	if (!column || !column->choices)
		return fits;
	for (int i = 0; column->choices[i]; i++) {
		if (strcmp(column->choices[i], text) == 0)
			return fits;
		text_addf(&list, "%s%s", i ? ", " : "", column->choices[i]);
	}
	return (struct misfit){ "not_a_choice",
				arena_printf(arena, "must be one of: %s", text_str(&list)) };
}

static struct misfit
texts_fit(const cJSON *value)
{
	const cJSON *item;
	int count = 0;

	if (!cJSON_IsArray(value))
		return (struct misfit){ "wrong_type", "must be an array of strings" };
	cJSON_ArrayForEach(item, value)
	{
		if (!cJSON_IsString(item))
			return (struct misfit){ "wrong_type", "must be an array of strings" };
		if (++count > TEXTS_MAX)
			return (struct misfit){ "too_long", "must have at most 1000 entries" };
	}
	return fits;
}

struct misfit
value_fits(struct arena *arena, const struct column *column, const cJSON *value)
{
	static const struct misfit no_string = { "wrong_type", "must be a string" };
	const char *text = cJSON_GetStringValue(value);

	switch (column->type) {
	case COLUMN_TEXT:
		return text ? string_fits(arena, column, text) : no_string;
	case COLUMN_CHOICE:
		return text ? choice_fits(arena, column, text) : no_string;
	case COLUMN_INTEGER:
		return integer_fits(column, value);
	case COLUMN_NUMERIC:
		if (!text)
			text = json_number_text(value);
		return decimal_fits(arena, column, text ? text : "");
	case COLUMN_BOOLEAN:
		return cJSON_IsBool(value)
			       ? fits
			       : (struct misfit){ "wrong_type", "must be true or false" };
	case COLUMN_DATE:
		if (!text)
			return no_string;
		return date_valid(text)
			       ? fits
			       : (struct misfit){ "bad_date", "must be a date YYYY-MM-DD" };
	case COLUMN_INSTANT:
		if (!text)
			return no_string;
		return instant_valid(text, false)
			       ? fits
			       : (struct misfit){
					 "bad_date",
					 "must be an instant such as 2026-01-31T09:30:00Z"
				 };
	case COLUMN_TEXTS:
		return texts_fit(value);
	case COLUMN_JSON:
		return fits;
	case COLUMN_BYTES:
		break;
	}
	return (struct misfit){ "unknown_field", "is not known here" };
}

struct misfit
text_fits(struct arena *arena, enum column_type type, const struct column *column, const char *text)
{
	struct decimal decimal;

	switch (type) {
	case COLUMN_INTEGER:
		if (decimal_read(text, &decimal) && !strpbrk(text, ".eE") && decimal.point <= 18)
			return fits;
		return (struct misfit){ "wrong_type", "must be a whole number" };
	case COLUMN_NUMERIC:
		if (decimal_read(text, &decimal) && labs(decimal.point) < 1000 &&
		    decimal.digits < 1000)
			return fits;
		return (struct misfit){ "wrong_type", "must be a decimal number" };
	case COLUMN_BOOLEAN:
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			return fits;
		return (struct misfit){ "wrong_type", "must be true or false" };
	case COLUMN_DATE:
		return date_valid(text)
			       ? fits
			       : (struct misfit){ "bad_date", "must be a date YYYY-MM-DD" };
	case COLUMN_INSTANT:
		return instant_valid(text, true)
			       ? fits
			       : (struct misfit){
					 "bad_date",
					 "must be an instant such as 2026-01-31T09:30:00Z"
				 };
	case COLUMN_CHOICE:
		return choice_fits(arena, column, text);
	default:
		return fits;
	}
}

bool
value_equal(struct request *rq, enum column_type type, const cJSON *a, const cJSON *b)
{
	const char *x, *y;

	if (cJSON_IsNull(a) || cJSON_IsNull(b))
		return cJSON_IsNull(a) && cJSON_IsNull(b);
	if (type == COLUMN_NUMERIC) {
		x = cJSON_IsString(a) ? a->valuestring : json_number_text(a);
		y = cJSON_IsString(b) ? b->valuestring : json_number_text(b);
		return x && y && decimal_equal(x, y);
	}
	return strcmp(json_text(rq, a), json_text(rq, b)) == 0;
}
