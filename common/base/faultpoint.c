/* common/base/faultpoint.c -- dies at the fault point, or fails the allocation, asked for. */
#include "base/faultpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ready;
static int count_file = -1;
static const char *wanted;      /* name to die at; "" is any, NULL none */
static size_t wanted_length;
static long hits_left;

static void
read_environment(void)
{
	const char *point = getenv("FAULT_POINT");
	const char *file = getenv("FAULT_COUNT");
	const char *colon;

	ready = true;
	if (file)
		count_file = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (!point)
		return;
	colon = strrchr(point, ':');
	wanted = point;
	wanted_length = colon ? (size_t)(colon - point) : 0;
	hits_left = strtol(colon ? colon + 1 : point, NULL, 10);
}

/* Named once and in one write, so that a line is whole whatever kills the process. */
static void
count(const char *name)
{
	char line[64];
	size_t length = strnlen(name, sizeof(line) - 1);

	memcpy(line, name, length);
	line[length] = '\n';
	if (write(count_file, line, length + 1) < 0)
		count_file = -1;
}

void
fault_point(const char *name)
{
	if (!ready)
		read_environment();
	if (count_file >= 0)
		count(name);
	if (!wanted || (wanted_length && (strlen(name) != wanted_length ||
					  strncmp(name, wanted, wanted_length) != 0)))
		return;
	if (--hits_left == 0)
		raise(SIGKILL);
}

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long allocations, failing;     /* failing: which of them; 0 none */
static bool counting;

static void
tell_allocations(void)
{
	FILE *file = fopen(getenv("FAULT_MALLOC_COUNT"), "w");

	if (!file)
		return;
	fprintf(file, "%ld\n", allocations);
	fclose(file);
}

static bool
fails(void)
{
	if (!counting) {
		const char *which = getenv("FAULT_MALLOC");

		counting = true;
		failing = which ? strtol(which, NULL, 10) : 0;
		if (getenv("FAULT_MALLOC_COUNT"))
			atexit(tell_allocations);
	}
	return ++allocations == failing;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}
