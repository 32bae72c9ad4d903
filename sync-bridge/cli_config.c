/* sync-bridge/cli_config.c -- check-config, reload and rotate-secret. */
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bridge.h"
#include "cli.h"
#include "config.h"
#include "event/signature.h"

#define OVERLAP_HOURS 24
#define OVERLAP_HOURS_MAX 8760

int
cli_check_config(const struct cli *cli)
{
	char error[CONFIG_ERROR_MAX];
	struct bridge read;

	if (!bridge_config_read(cli->arguments[0], &read, error, sizeof(error))) {
		fprintf(stderr, "sync-bridge: %s\n", error);
		return 1;
	}
	printf("ok: %d systems, %d routes\n", read.system_count, read.route_count);
	arena_release(&read.arena);
	return 0;
}

int
cli_reload(const struct cli *cli)
{
	int exit_status;
	jv reply = cli_ask(cli, "POST", "/api/v1/config/reload", "{}", &exit_status);
	bool changed;

	if (!jv_is_valid(reply))
		return exit_status;
	changed = jv_get_kind(jv_object_get(reply, jv_string("changed"))) == JV_KIND_TRUE;
	puts(changed ? "another configuration runs" : "nothing has changed");
	return 0;
}

/* ---- rotate-secret ---- */

/* Paths; an empty until means that the old secret counts until it is taken out by hand. */
struct secret_files {
	char secret[1024], old[1024], until[1024];
};

/* The file that a member of the system names by "@file"; false when it is another text. */
static bool
file_of(jv system, const char *key, char *out, size_t size)
{
	char folder[512];
	jv value = jv_object_get(jv_copy(system), jv_string(key));
	const char *text = jv_get_kind(value) == JV_KIND_STRING ? jv_string_value(value) : "";
	bool named = *text == '@';

	*out = '\0';
	snprintf(folder, sizeof(folder), "%s", bridge_options.config);
	if (named && text[1] == '/')
		snprintf(out, size, "%s", text + 1);
	else if (named)
		snprintf(out, size, "%s/%s", dirname(folder), text + 1);
	named = named || !*text;
	jv_free(value);
	return named;
}

static bool
find_files(const char *name, struct secret_files *files)
{
	jv root = jv_load_file(bridge_options.config, 0);
	jv systems = jv_object_get(jv_array_get(root, 0), jv_string("systems"));
	jv system = jv_object_get(systems, jv_string(name));
	bool good = file_of(system, "secret", files->secret, sizeof(files->secret)) &&
		    file_of(system, "old_secret", files->old, sizeof(files->old)) &&
		    file_of(system, "old_secret_until", files->until, sizeof(files->until));

	jv_free(system);
	if (good && *files->secret && *files->old)
		return true;
	fprintf(stderr,
		"sync-bridge: %s: systems.%s: to rotate, \"secret\" and \"old_secret\" must name "
		"files (\"@file\"), and \"old_secret_until\" too when it is there\n",
		bridge_options.config, name);
	return false;
}

/* All or nothing, and readable for whom the secret's file is. */
static bool
replace(const char *path, const char *text, const struct stat *like)
{
	char next[1100];
	size_t length = strlen(text);
	bool good;
	int fd;

	snprintf(next, sizeof(next), "%s.next", path);
	unlink(next);
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	good = fd >= 0 && write(fd, text, length) == (ssize_t)length &&
	       fchmod(fd, like->st_mode & 0777) == 0 &&
	       (geteuid() != 0 || fchown(fd, like->st_uid, like->st_gid) == 0) && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	if (good && rename(next, path) == 0)
		return true;
	fprintf(stderr, "sync-bridge: %s cannot be written: %m\n", path);
	unlink(next);
	return false;
}

/* The old one is in its place before the new one is: whatever is read in between is accepted. */
static bool
write_files(const struct secret_files *files, const struct bridge_system *system, long hours)
{
	char until[32] = "";
	time_t at = time(NULL) + hours * 3600;
	struct arena arena = { 0 };
	struct stat like;
	struct tm tm;
	bool good;

	if (stat(files->secret, &like) != 0) {
		fprintf(stderr, "sync-bridge: %s: %m\n", files->secret);
		return false;
	}
	strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	good = (!*files->until || replace(files->until, until, &like)) &&
	       replace(files->old, system->secret, &like) &&
	       replace(files->secret, signature_secret(&arena), &like);
	arena_release(&arena);
	if (good && *files->until)
		printf("%s: the old secret is accepted until %s\n", system->name, until);
	else if (good)
		printf("%s: the old secret is accepted until rotate-secret %s --end\n",
		       system->name, system->name);
	return good;
}

static bool
end_overlap(const struct secret_files *files)
{
	struct stat like;

	return stat(files->secret, &like) == 0 && replace(files->old, "", &like);
}

static bool
rotate(const struct cli *cli, const struct bridge_system *system)
{
	const char *overlap = cli_flag(cli, "overlap");
	char *rest = NULL;
	long hours = overlap ? strtol(overlap, &rest, 10) : OVERLAP_HOURS;
	struct secret_files files;

	if (hours < 1 || hours > OVERLAP_HOURS_MAX || (rest && *rest)) {
		fprintf(stderr, "sync-bridge: --overlap takes hours, 1 to %d\n",
			OVERLAP_HOURS_MAX);
		return false;
	}
	if (!find_files(system->name, &files))
		return false;
	if (cli_flag(cli, "end"))
		return end_overlap(&files);
	if (system->old_secret &&
	    (!system->old_secret_until || system->old_secret_until > time(NULL))) {
		fprintf(stderr,
			"sync-bridge: %s: a rotation is under way; rotate-secret %s --end ends "
			"it\n",
			system->name, system->name);
		return false;
	}
	return write_files(&files, system, hours);
}

int
cli_rotate_secret(const struct cli *cli)
{
	char error[CONFIG_ERROR_MAX];
	struct bridge read;
	bool good = false;
	bool found = false;

	if (sodium_init() < 0)
		return 1;
	if (!bridge_config_read(bridge_options.config, &read, error, sizeof(error))) {
		fprintf(stderr, "sync-bridge: %s\n", error);
		return 1;
	}
	for (int i = 0; i < read.system_count; i++) {
		if (strcmp(read.systems[i].name, cli->arguments[0]) != 0)
			continue;
		found = true;
		good = rotate(cli, &read.systems[i]);
	}
	if (!found)
		fprintf(stderr, "sync-bridge: there is no system \"%s\"\n", cli->arguments[0]);
	arena_release(&read.arena);
	return good ? cli_reload(cli) : 1;
}
