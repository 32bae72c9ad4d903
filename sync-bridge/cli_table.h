/* sync-bridge/cli_table.h -- a command's answer as a table. */
#ifndef BRIDGE_CLI_TABLE_H
#define BRIDGE_CLI_TABLE_H

#include <jv.h>

/* A column: the member of each row, and its heading. */
struct column {
	const char *member;
	const char *heading;
};

#define CLI_COLUMNS_MAX 12

/* Takes rows over, an array of objects. count: CLI_COLUMNS_MAX at most. */
void cli_table(jv rows, const struct column *columns, int count);

/* {"crm": {...}} -> [{"name": "crm", ...}]. Takes object over. */
jv cli_named_rows(jv object);

/* What a cell shows of a row's member, on one line and cut after 100 bytes; malloced. */
char *cli_cell(jv row, const char *member);

/* The text of a member in whole, "" when it is none or object is no object; malloced. Leaves
 * object alone. */
char *cli_text(jv object, const char *member);

/* As asprintf; malloced. */
char *cli_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
