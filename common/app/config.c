/* common/app/config.c -- fills the options from flags, environment, INI file and defaults. */
#include "app/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config_print.h"

/* A file of an option's name or value longer than this is a mistake. */
#define LINE_MAX_LENGTH 4096
#define SECRET_MAX_LENGTH 4096

static const struct {
	const char *unit;
	long ms;
} units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 } };

struct parse {
	const struct option *tables[2];
	const char *prefix;
	const char *file;     /* of --config, as far as known */
	const char *printing; /* the flag that prints and leaves, if any */
	int errors;
};

static __attribute__((format(printf, 3, 4))) void
complain(struct parse *parse, const char *where, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", where);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	parse->errors++;
}

/* What a setter found wrong, for complain(); NULL when the value was taken. */
static const char *problem_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *
problem_text(const char *format, ...)
{
	static char problem[512];
	va_list args;

	va_start(args, format);
	vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	return problem;
}

static bool
parse_long(const char *text, long *number, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number = strtol(text, &end, 10);
	*rest = end;
	return errno == 0;
}

static bool
parse_duration(const char *text, long *ms)
{
	const char *unit;
	long number;

	if (!parse_long(text, &number, &unit))
		return false;
	if (number == 0 && *unit == '\0') {
		*ms = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].unit) == 0)
			return !__builtin_mul_overflow(number, units[i].ms, ms);
	return false;
}

static bool
parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = { "on", "true", "yes", "1" };
	static const char *const no[] = { "off", "false", "no", "0" };

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(text, yes[i]) != 0 && strcmp(text, no[i]) != 0)
			continue;
		*value = strcmp(text, yes[i]) == 0;
		return true;
	}
	return false;
}

static bool
is_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	for (const char *at = choices; *at; at += strspn(at, " ")) {
		size_t size = strcspn(at, " ");

		if (size == length && strncmp(at, value, size) == 0)
			return true;
		at += size;
	}
	return false;
}

static const char *
set_number(const struct option *option, const char *value)
{
	const char *rest = "";
	long number;

	if (option->type == OPTION_DURATION) {
		if (!parse_duration(value, &number))
			return problem_text("\"%s\" is no duration such as 250ms, 30s, 5min or 1h",
					    value);
	} else if (!parse_long(value, &number, &rest) || *rest) {
		return problem_text("\"%s\" is no whole number", value);
	}
	if (number < option->min || number > option->max)
		return problem_text("%s is not between %s and %s", value,
				    config_number_text(option, option->min),
				    config_number_text(option, option->max));
	*option->value_number = number;
	return NULL;
}

const char *
config_credential(const char *name)
{
	static char path[PATH_MAX];
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (!folder || !*folder || strchr(name, '/'))
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static const char *
read_secret(const char *name, char **secret)
{
	const char *credential = config_credential(name);
	const char *path = credential ? credential : name;
	char content[SECRET_MAX_LENGTH];
	FILE *file = fopen(path, "re");
	size_t length;

	if (!file)
		return problem_text("the file %s cannot be read: %s", path, strerror(errno));
	length = fread(content, 1, sizeof(content), file);
	fclose(file);
	if (length == sizeof(content))
		return problem_text("the file %s is too long for a secret", path);
	content[length] = '\0';
	content[strcspn(content, "\r\n")] = '\0';
	*secret = strdup(content);
	return NULL;
}

static const char *
set_text(const struct option *option, const char *value)
{
	char *copy = NULL;

	if (option->type == OPTION_CHOICE && !is_choice(option->choices, value))
		return problem_text("\"%s\" is none of: %s", value, option->choices);
	if (option->type == OPTION_FILE && *value && access(value, R_OK) != 0)
		return problem_text("the file %s cannot be read: %s", value, strerror(errno));
	if (option->secret && value[0] == '@') {
		const char *problem = read_secret(value + 1, &copy);

		if (problem)
			return problem;
	} else {
		copy = strdup(value);
	}
	/* Of a source farther away; the option starts as NULL. */
	free((char *)*option->value_text);
	*option->value_text = copy;
	return NULL;
}

static const char *
set_value(const struct option *option, const char *value)
{
	switch (option->type) {
	case OPTION_COUNT:
	case OPTION_DURATION:
		return set_number(option, value);
	case OPTION_BOOL:
		if (!parse_bool(value, option->value_bool))
			return problem_text("\"%s\" is neither on nor off", value);
		return NULL;
	default:
		return set_text(option, value);
	}
}

static void
set_from(struct parse *parse, const char *where, const struct option *option, const char *value)
{
	const char *problem = set_value(option, value);

	if (problem)
		complain(parse, where, "option %s: %s", option->name, problem);
}

static const struct option *
find_option(const struct parse *parse, const char *name, size_t length)
{
	for (int t = 0; t < 2; t++)
		for (const struct option *o = parse->tables[t]; o && o->name; o++)
			if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
				return o;
	return NULL;
}

static void
set_defaults(struct parse *parse)
{
	for (int t = 0; t < 2; t++)
		for (const struct option *o = parse->tables[t]; o && o->name; o++)
			if (o->initial)
				set_from(parse, "default", o, o->initial);
}

static char *
trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

static void
set_from_line(struct parse *parse, const char *where, char *line)
{
	char *equals = strchr(line, '=');
	const struct option *option;
	char *name;

	if (!equals) {
		complain(parse, where, "expected \"name = value\", found \"%s\"", line);
		return;
	}
	*equals = '\0';
	name = trim(line);
	option = find_option(parse, name, strlen(name));
	if (!option)
		complain(parse, where, "there is no option \"%s\"", name);
	else if (strcmp(option->name, "config") == 0)
		complain(parse, where, "option config: a file cannot name another one");
	else
		set_from(parse, where, option, trim(equals + 1));
}

static void
set_from_file(struct parse *parse, const char *path)
{
	char line[LINE_MAX_LENGTH], where[PATH_MAX + 16];
	FILE *file = fopen(path, "re");
	int number = 0;

	if (!file) {
		complain(parse, path, "cannot be read: %s", strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		char *text = trim(line);

		snprintf(where, sizeof(where), "%s:%d", path, ++number);
		if (*text && *text != '#')
			set_from_line(parse, where, text);
	}
	fclose(file);
}

static const char *
environment(const struct parse *parse, const struct option *option, char *name, size_t size)
{
	config_variable(parse->prefix, option->name, name, size);
	return getenv(name);
}

static void
set_from_environment(struct parse *parse)
{
	char name[128];

	for (int t = 0; t < 2; t++)
		for (const struct option *o = parse->tables[t]; o && o->name; o++) {
			const char *value = environment(parse, o, name, sizeof(name));

			if (value)
				set_from(parse, name, o, value);
		}
}

/* Flags that print and leave. */
static bool
is_printing(const char *flag)
{
	static const char *const flags[] = { "--help", "-h", "--version", "--config-doc",
					     "--show-config" };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(flag, flags[i]) == 0)
			return true;
	return false;
}

static bool
is_flag(const char *argument)
{
	return (strncmp(argument, "--", 2) == 0 && argument[2]) || strcmp(argument, "-h") == 0;
}

static void
take_flag(struct parse *parse, const struct option *option, const char *flag, const char *value)
{
	char where[160];

	if (!option) {
		complain(parse, flag, "there is no such option; --help lists them");
	} else if (!value) {
		complain(parse, flag, "needs a value");
	} else {
		snprintf(where, sizeof(where), "--%s", option->name);
		set_from(parse, where, option, value);
	}
}

/* Walks the flags; the first walk only looks for --config and what prints. Answers the index of
 * the first argument that is no flag. */
static int
walk_flags(struct parse *parse, int argc, char **argv, bool first)
{
	int i;

	for (i = 1; i < argc && is_flag(argv[i]); i++) {
		const char *flag = argv[i];
		size_t length = strcspn(flag, "=");
		const struct option *option = find_option(parse, flag + 2, length - 2);
		const char *value = flag[length] ? flag + length + 1 : NULL;

		if (is_printing(flag)) {
			parse->printing = flag;
			continue;
		}
		if (option && !value && option->type == OPTION_BOOL)
			value = "on";
		if (option && !value && i + 1 < argc)
			value = argv[++i];
		if (!first)
			take_flag(parse, option, flag, value);
		else if (option && value && strcmp(option->name, "config") == 0)
			parse->file = value;
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	return i;
}

static void
print_and_leave(const struct parse *parse, const char *usage)
{
	if (strcmp(parse->printing, "--version") == 0)
		printf("%s\n", DOVETAIL_VERSION);
	else if (strcmp(parse->printing, "--config-doc") == 0)
		config_print_doc(parse->tables, parse->prefix, usage);
	else if (strcmp(parse->printing, "--show-config") == 0)
		config_print_values(parse->tables);
	else
		config_print_help(parse->tables, parse->prefix, usage);
	exit(0);
}

int
config_load(const struct option *common, const struct option *own, const char *env_prefix,
	    const char *usage, int argc, char **argv)
{
	struct parse parse = { .tables = { common, own }, .prefix = env_prefix };
	const struct option *config = find_option(&parse, "config", strlen("config"));
	char name[128];
	int first;

	if (config)
		parse.file = environment(&parse, config, name, sizeof(name));
	walk_flags(&parse, argc, argv, true);
	/* Help must not depend on a sound configuration; showing one does. */
	if (parse.printing && strcmp(parse.printing, "--show-config") != 0)
		print_and_leave(&parse, usage);
	set_defaults(&parse);
	if (parse.file && *parse.file)
		set_from_file(&parse, parse.file);
	set_from_environment(&parse);
	first = walk_flags(&parse, argc, argv, false);
	if (parse.errors)
		exit(2);
	if (parse.printing)
		print_and_leave(&parse, usage);
	return first;
}
