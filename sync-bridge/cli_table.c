/* sync-bridge/cli_table.c -- prints rows of JSON as a table. */
#include "cli_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX 100

char *
cli_printf(const char *format, ...)
{
	va_list args;
	char *out;

	va_start(args, format);
	if (vasprintf(&out, format, args) < 0)
		abort();
	va_end(args);
	return out;
}

char *
cli_text(jv object, const char *member)
{
	jv value = jv_get_kind(object) == JV_KIND_OBJECT
			   ? jv_object_get(jv_copy(object), jv_string(member))
			   : jv_null();
	char *text;

	if (jv_get_kind(value) == JV_KIND_NULL || !jv_is_valid(value)) {
		jv_free(value);
		value = jv_string("");
	} else if (jv_get_kind(value) != JV_KIND_STRING) {
		value = jv_dump_string(value, 0);
	}
	text = strdup(jv_string_value(value));
	if (!text)
		abort();
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	jv_free(value);
	return text;
}

char *
cli_cell(jv row, const char *member)
{
	char *text = cli_text(row, member);
	size_t length = strlen(text);
	char *dash;

	if (length > CELL_MAX) {
		length = CELL_MAX;
		while (length && ((unsigned char)text[length] & 0xC0) == 0x80)
			length--;
		text[length] = '\0';
	}
	if (length)
		return text;
	free(text);
	dash = strdup("-");
	if (!dash)
		abort();
	return dash;
}

/* Characters, as a terminal counts them. */
static int
width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0) != 0x80;
	return width;
}

static int
column_width(jv rows, const struct column *column)
{
	int width = width_of(column->heading);

	jv_array_foreach(rows, i, row) {
		char *text = cli_cell(row, column->member);

		if (width_of(text) > width)
			width = width_of(text);
		free(text);
		jv_free(row);
	}
	return width;
}

/* The last cell of a line has no spaces after it. */
static void
print_cell(const char *text, int width, int last)
{
	if (last)
		printf("%s\n", text);
	else
		printf("%s%*s", text, width - width_of(text) + 2, "");
}

void
cli_table(jv rows, const struct column *columns, int count)
{
	int widths[CLI_COLUMNS_MAX];

	for (int c = 0; c < count; c++) {
		widths[c] = column_width(rows, &columns[c]);
		print_cell(columns[c].heading, widths[c], c + 1 == count);
	}
	jv_array_foreach(rows, i, row) {
		for (int c = 0; c < count; c++) {
			char *text = cli_cell(row, columns[c].member);

			print_cell(text, widths[c], c + 1 == count);
			free(text);
		}
		jv_free(row);
	}
	jv_free(rows);
}

jv
cli_named_rows(jv object)
{
	jv rows = jv_array();

	jv_object_foreach(object, key, value)
		rows = jv_array_append(rows, jv_object_set(value, jv_string("name"), key));
	jv_free(object);
	return rows;
}
