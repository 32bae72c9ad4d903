/* common/base/log.c -- writes log lines without ever blocking the loop. */
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/request.h"

/* A pipe that polls writable takes this much without blocking. */
#define LINE_MAX_BYTES 4096

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static const char *service_name = "dovetail";
static enum log_level least_level = LOG_INFO_;
static bool as_text;
static unsigned long dropped, dropped_told;

struct line {
	char data[LINE_MAX_BYTES];
	size_t length;
};

void
log_init(const char *service, enum log_level least, const char *format)
{
	service_name = service;
	least_level = least;
	as_text = strcmp(format, "text") == 0 ||
		  (strcmp(format, "auto") == 0 && isatty(STDERR_FILENO));
}

bool
log_level_parse(const char *name, enum log_level *level)
{
	for (int i = 0; i < 4; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

static void
line_add(struct line *line, const char *text)
{
	size_t length = strlen(text);
	size_t room = sizeof(line->data) - 3 - line->length;   /* 3: closing "}\n" */

	if (length > room)
		length = room;
	memcpy(line->data + line->length, text, length);
	line->length += length;
}

/* Encodes so that no value can forge a line or a field. */
static void
line_add_quoted(struct line *line, const char *text)
{
	char escape[8];

	line_add(line, "\"");
	for (const char *at = text; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (line->length > sizeof(line->data) - 16)
			break;
		if (c == '"' || c == '\\')
			snprintf(escape, sizeof(escape), "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		else
			snprintf(escape, sizeof(escape), "%c", c);
		line_add(line, escape);
	}
	line_add(line, "\"");
}

static void
line_add_field(struct line *line, const char *name, const char *value)
{
	if (as_text) {
		line_add(line, " ");
		line_add(line, name);
		line_add(line, "=");
	} else {
		line_add(line, ",\"");
		line_add(line, name);
		line_add(line, "\":");
	}
	line_add_quoted(line, value);
}

static void
line_write(struct line *line)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	line_add(line, as_text ? "\n" : "}\n");
	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) ||
	    write(STDERR_FILENO, line->data, line->length) < 0)
		dropped++;
}

static void
line_begin(struct line *line, enum log_level level, const char *message)
{
	struct request *rq = request_current();
	char now[28];

	clock_rfc3339(now);
	line->length = 0;
	if (as_text) {
		line_add(line, now);
		line_add(line, " ");
		line_add(line, level_names[level]);
		line_add(line, " ");
		line_add(line, service_name);
		line_add(line, ": ");
		line_add(line, message);
	} else {
		line_add(line, "{\"ts\":");
		line_add_quoted(line, now);
		line_add_field(line, "level", level_names[level]);
		line_add_field(line, "service", service_name);
		line_add_field(line, "event", message);
	}
	if (rq)
		line_add_field(line, "trace_id", rq->trace_id);
}

void
log_line(enum log_level level, const char *message, ...)
{
	struct line line;
	const char *name;
	va_list args;

	if (level < least_level)
		return;
	line_begin(&line, level, message);
	va_start(args, message);
	while ((name = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);

		if (value)
			line_add_field(&line, name, value);
	}
	va_end(args);
	if (dropped > dropped_told) {
		line_add_field(&line, "lines_dropped", log_num((long long)dropped));
		dropped_told = dropped;
	}
	line_write(&line);
}

const char *
log_num(long long n)
{
	static char numbers[8][24];
	static int next;
	char *number = numbers[next++ % 8];

	snprintf(number, sizeof(numbers[0]), "%lld", n);
	return number;
}

void
log_fault(struct request *rq, const char *what)
{
	const struct fault *fault = &rq->fault;
	enum log_level level = fault_status(fault->code) >= 500 ? LOG_ERROR_ : LOG_INFO_;

	log_line(level, what, "code", fault_name(fault->code), "detail", fault->detail, "field",
		 fault->field, NULL);
}

_Noreturn void
die(const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	log_error(message, NULL);
	exit(1);
}

unsigned long
log_dropped(void)
{
	return dropped;
}
