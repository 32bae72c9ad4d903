/* common/app/config_print.c -- writes the options as help text, as Markdown and as an INI file. */
#include "app/config_print.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void
config_variable(const char *prefix, const char *option, char *name, size_t size)
{
	snprintf(name, size, "%s_%s", prefix, option);
	for (char *at = name; *at; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

const char *
config_number_text(const struct option *option, long number)
{
	static char texts[4][32];
	static int next;
	char *text = texts[next++ % 4];
	size_t size = sizeof(texts[0]);

	if (option->type != OPTION_DURATION || number == 0)
		snprintf(text, size, "%ld", number);
	else if (number % 3600000 == 0)
		snprintf(text, size, "%ldh", number / 3600000);
	else if (number % 60000 == 0)
		snprintf(text, size, "%ldmin", number / 60000);
	else if (number % 1000 == 0)
		snprintf(text, size, "%lds", number / 1000);
	else
		snprintf(text, size, "%ldms", number);
	return text;
}

/* What may stand there: "1 .. 64", "on or off", "debug info warn error". */
static void
values_text(const struct option *option, char *text, size_t size)
{
	switch (option->type) {
	case OPTION_COUNT:
	case OPTION_DURATION:
		snprintf(text, size, "%s .. %s", config_number_text(option, option->min),
			 config_number_text(option, option->max));
		break;
	case OPTION_BOOL:
		snprintf(text, size, "on or off");
		break;
	case OPTION_CHOICE:
		snprintf(text, size, "%s", option->choices);
		break;
	case OPTION_FILE:
		snprintf(text, size, "path of a readable file");
		break;
	default:
		snprintf(text, size, "%s", option->secret ? "text, or @file" : "text");
	}
}

void
config_print_help(const struct option *const *tables, const char *prefix, const char *usage)
{
	char values[256];

	printf("%s\n\nEach option is a flag (--name value), an environment variable (%s_NAME) or a "
	       "line\n"
	       "\"name = value\" of the --config file; the first of these that is set wins.\n\n",
	       usage, prefix);
	for (int t = 0; t < 2; t++)
		for (const struct option *o = tables[t]; o && o->name; o++) {
			values_text(o, values, sizeof(values));
			printf("  --%-28s %s\n  %-30s (%s%s%s)\n", o->name, o->text, "", values,
			       o->initial ? "; default " : "", o->initial ? o->initial : "");
		}
	printf("  --%-28s %s\n", "show-config",
	       "Print the values in force and exit; secrets are masked.");
	printf("  --%-28s %s\n", "config-doc", "Print this table as Markdown and exit.");
	printf("  --%-28s %s\n", "version", "Print the version and exit.");
}

void
config_print_doc(const struct option *const *tables, const char *prefix, const char *usage)
{
	char values[256], variable[128];

	printf("## %s\n\n", usage);
	printf("| option | variable | values | default | what it does |\n|---|---|---|---|---|\n");
	for (int t = 0; t < 2; t++)
		for (const struct option *o = tables[t]; o && o->name; o++) {
			values_text(o, values, sizeof(values));
			config_variable(prefix, o->name, variable, sizeof(variable));
			printf("| `%s` | `%s` | %s | %s%s%s | %s |\n", o->name, variable, values,
			       o->initial && *o->initial ? "`" : "", o->initial ? o->initial : "",
			       o->initial && *o->initial ? "`" : "", o->text);
		}
	printf("\n");
}

void
config_print_values(const struct option *const *tables)
{
	for (int t = 0; t < 2; t++)
		for (const struct option *o = tables[t]; o && o->name; o++) {
			if (o->value_number)
				printf("%s = %s\n", o->name,
				       config_number_text(o, *o->value_number));
			else if (o->value_bool)
				printf("%s = %s\n", o->name, *o->value_bool ? "on" : "off");
			else if (o->value_text && *o->value_text)
				printf("%s = %s\n", o->name,
				       o->secret ? "********" : *o->value_text);
		}
}
