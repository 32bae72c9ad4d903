/* sync-bridge/config.c -- reads and checks bridge.json, its secrets and its mappings. */
#include "config.h"

#include <inttypes.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "bridge.h"
#include "config_reader.h"
#include "epoch.h"
#include "event/signature.h"
#include "mapping.h"
#include "ownership.h"

#define EPOCH_MAX 1000000

struct bridge bridge;
struct bridge_options bridge_options;

static const char *const bridge_keys[] = { "name",    "public_url", "mappings",
					   "systems", "routes",     NULL };
static const char *const system_keys[] = { "url", "token", "secret", "old_secret",
	"old_secret_until", "skip_origin", "epoch", NULL };
static const char *const route_keys[] = { "name", "from", "entity", "source_path", "events", "when",
	"skip_reason", "to", "target", "path", "map", "owns", "answer", "mirror", "repair",
	"compare", "retry_on", "reads", NULL };
static const char *const compare_keys[] = { "when", "not", "revised", NULL };
static const char *const revised_keys[] = { "by", "fields", NULL };

static struct bridge_system *
system_in(const struct bridge *in, const char *name)
{
	for (int i = 0; i < in->system_count; i++)
		if (strcmp(in->systems[i].name, name) == 0)
			return &in->systems[i];
	return NULL;
}

static struct bridge_route *
route_in(const struct bridge *in, const char *name)
{
	for (int i = 0; i < in->route_count; i++)
		if (strcmp(in->routes[i].name, name) == 0)
			return &in->routes[i];
	return NULL;
}

struct bridge_system *
bridge_system(const char *name)
{
	return system_in(&bridge, name);
}

struct bridge_route *
bridge_route(const char *name)
{
	return route_in(&bridge, name);
}

const char *
bridge_route_names(struct request *rq)
{
	struct text out = text_in(&rq->arena);

	text_add(&out, "{");
	for (int i = 0; i < bridge.route_count; i++)
		text_addf(&out, "%s\"%s\"", i ? "," : "", bridge.routes[i].name);
	text_add(&out, "}");
	return text_str(&out);
}

static void
check_secret(struct config_reader *reader, const char *place, const char *key, const char *secret)
{
	if (!signature_make(&reader->rq->arena, secret, "probe", "0", "", 0))
		config_refuse(reader, place,
			      "\"%s\" must be \"whsec_\" and base64 of 24 to 64 bytes", key);
}

/* Unix seconds of 2026-11-24T10:00:00Z, 0 when it is none. */
static int64_t
instant(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return rest && strcmp(rest, "Z") == 0 ? (int64_t)timegm(&tm) : 0;
}

static void
read_old_secret(struct config_reader *reader, const char *place, const cJSON *node,
		struct bridge_system *system)
{
	const char *until = config_optional_secret(reader, place, node, "old_secret_until");

	system->old_secret = config_optional_secret(reader, place, node, "old_secret");
	if (system->old_secret)
		check_secret(reader, place, "old_secret", system->old_secret);
	if (!until)
		return;
	system->old_secret_until = instant(until);
	if (!system->old_secret_until)
		config_refuse(reader, place,
			      "\"old_secret_until\" must be an instant like 2026-01-31T18:00:00Z");
}

/* 0 when it is not there. Versions of a lower one than is known would be superseded for ever. */
static int64_t
read_epoch(struct config_reader *reader, const char *place, const cJSON *node)
{
	int64_t stated = 0, known = epoch_known(node->string);

	if (!json_get(node, "epoch"))
		return 0;
	if (!json_integer(node, "epoch", &stated) || stated < 1 || stated > EPOCH_MAX)
		config_refuse(reader, place, "\"epoch\" must be a whole number, 1 to %d",
			      EPOCH_MAX);
	if (stated < known)
		config_refuse(reader, place,
			      "\"epoch\": %" PRId64 " is over; the system is in epoch %" PRId64,
			      stated, known);
	return stated;
}

static void
read_system(struct config_reader *reader, const cJSON *node, struct bridge_system *system)
{
	const char *place = arena_printf(&reader->rq->arena, "systems.%s", node->string);

	if (strlen(node->string) > 40 ||
	    strspn(node->string, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(node->string))
		config_refuse(reader, place, "a system's name is lower-case letters, digits, "
					     "_ and - (40 at most)");
	config_only_keys(reader, place, node, system_keys);
	system->name = node->string;
	system->url = config_url(reader, place, node, "url");
	system->token = config_secret(reader, place, node, "token");
	if (strpbrk(system->token, "\r\n"))
		config_refuse(reader, place, "\"token\" must be one line");
	system->secret = config_secret(reader, place, node, "secret");
	check_secret(reader, place, "secret", system->secret);
	read_old_secret(reader, place, node, system);
	system->skip_origin = config_optional(reader, place, node, "skip_origin");
	system->epoch_stated = read_epoch(reader, place, node);
}

static void
read_systems(struct config_reader *reader, const cJSON *node)
{
	struct bridge *into = reader->bridge;
	const cJSON *member;

	if (!cJSON_IsObject(node) || !node->child)
		config_refuse(reader, "systems", "must be an object with at least one system");
	into->systems = arena_array(&reader->rq->arena, struct bridge_system,
				    (size_t)cJSON_GetArraySize(node));
	cJSON_ArrayForEach(member, node)
		read_system(reader, member, &into->systems[into->system_count++]);
}

static struct bridge_system *
required_system(struct config_reader *reader, const char *place, const cJSON *object,
		const char *key)
{
	const char *name = config_required(reader, place, object, key);
	struct bridge_system *system = system_in(reader->bridge, name);

	if (!system)
		config_refuse(reader, place, "\"%s\": there is no system \"%s\"", key, name);
	return system;
}

static const char **
read_events(struct config_reader *reader, const char *place, const cJSON *node, const char *key)
{
	const char **events;
	const cJSON *member;
	int count = 0;

	if (!cJSON_IsArray(node) || !node->child)
		config_refuse(reader, place,
			      "\"%s\" must be a list of event types, as in [\"account.*\"]", key);
	events = arena_array(&reader->rq->arena, const char *,
			     (size_t)cJSON_GetArraySize(node) + 1);
	cJSON_ArrayForEach(member, node) {
		if (!cJSON_IsString(member) || !strchr(member->valuestring, '.') ||
		    strspn(member->valuestring, "abcdefghijklmnopqrstuvwxyz0123456789_.*") !=
		    strlen(member->valuestring))
			config_refuse(reader, place,
			       "\"%s\"[%d] must be like \"account.updated\" or \"account.*\"",
			       key, count);
		events[count++] = member->valuestring;
	}
	return events;
}

/* NULL when it is not there; it may be empty. */
static const char **
read_retry_on(struct config_reader *reader, const char *place, const cJSON *node)
{
	if (!node)
		return NULL;
	if (cJSON_IsArray(node) && !node->child)
		return arena_array(&reader->rq->arena, const char *, 1);
	return read_events(reader, place, node, "retry_on");
}

static void
read_mapping(struct config_reader *reader, const char *place, const cJSON *node,
	     struct bridge_route *route)
{
	const char *when = config_optional(reader, place, node, "when");
	const char *path;
	const char *program;

	route->when_text = when;
	if (when)
		route->when = mapping_add(reader->mappings,
					  arena_printf(&reader->rq->arena, "%s: %s: \"when\"",
						       reader->file, config_place(reader, place)),
					  when, route->to->name);
	route->skip_reason = config_optional(reader, place, node, "skip_reason");
	if (!route->skip_reason && when)
		route->skip_reason = arena_printf(&reader->rq->arena, "not so: %.300s", when);
	route->map_file = config_required(reader, place, node, "map");
	path = config_beside(reader, reader->mappings_folder, route->map_file);
	program = config_file(reader, path);
	if (!program)
		config_refuse(reader, place, "\"map\": cannot read %s", path);
	route->map = mapping_add(reader->mappings, path, program, route->to->name);
}

/* "revised": {"by": "<member>", "fields": ["<member>", ...]} */
static void
read_revised(struct config_reader *reader, const char *place, const cJSON *node,
	     struct bridge_route *route)
{
	const cJSON *fields = json_get(node, "fields"), *each;
	int count = 0;

	if (!node)
		return;
	place = arena_printf(&reader->rq->arena, "%s: revised", place);
	config_only_keys(reader, place, node, revised_keys);
	route->revised_by = config_name(reader, place, node, "by");
	if (!cJSON_IsArray(fields) || !fields->child)
		config_refuse(reader, place, "\"fields\" must be a list of the target's members");
	route->revised_fields = arena_array(&reader->rq->arena, const char *,
					    (size_t)cJSON_GetArraySize(fields) + 1);
	cJSON_ArrayForEach(each, fields) {
		if (!cJSON_IsString(each) || !*each->valuestring)
			config_refuse(reader, place, "\"fields\"[%d] must be a text", count);
		route->revised_fields[count++] = each->valuestring;
	}
}

/* "repair": "owner" or "hold"; "compare": {"when": ..., "not": {"<member>": "<why>"}, ...} */
static void
read_compare(struct config_reader *reader, const char *place, const cJSON *node,
	     struct bridge_route *route)
{
	const char *repair = config_optional(reader, place, node, "repair");
	const cJSON *compare = json_get(node, "compare");
	const cJSON *not = json_get(compare, "not");
	size_t size = (size_t)cJSON_GetArraySize(not) + 1;
	struct arena *arena = &reader->rq->arena;
	const cJSON *member;
	const char *when;
	int count = 0;

	if (repair && strcmp(repair, "owner") != 0 && strcmp(repair, "hold") != 0)
		config_refuse(reader, place, "\"repair\" must be \"owner\" or \"hold\"");
	route->hold = repair && strcmp(repair, "hold") == 0;
	place = arena_printf(arena, "%s: compare", place);
	if (compare)
		config_only_keys(reader, place, compare, compare_keys);
	when = compare ? config_optional(reader, place, compare, "when") : NULL;
	route->compare_when_text = when;
	if (when)
		route->compare_when = mapping_add(reader->mappings,
			arena_printf(arena, "%s: %s: \"when\"", reader->file,
				     config_place(reader, place)),
			when, route->to->name);
	read_revised(reader, place, json_get(compare, "revised"), route);
	if (not && !cJSON_IsObject(not))
		config_refuse(reader, place,
			      "\"not\" must be an object of members and why each is left out");
	route->not_compared = arena_array(arena, const char *, size);
	route->not_compared_why = arena_array(arena, const char *, size);
	cJSON_ArrayForEach(member, not) {
		route->not_compared_why[count] =
			config_required(reader, place, not, member->string);
		route->not_compared[count++] = member->string;
	}
}

static void
read_route(struct config_reader *reader, const cJSON *node, int index, struct bridge_route *route)
{
	const char *place = arena_printf(&reader->rq->arena, "routes[%d]", index);
	const cJSON *mirror;

	config_only_keys(reader, place, node, route_keys);
	route->name = config_name(reader, place, node, "name");
	place = arena_printf(&reader->rq->arena, "routes[%d] (%s)", index, route->name);
	if (route_in(reader->bridge, route->name))
		config_refuse(reader, place, "there is another route of this name");
	route->from = required_system(reader, place, node, "from");
	route->entity = config_name(reader, place, node, "entity");
	route->source_path = config_name(reader, place, node, "source_path");
	route->events = read_events(reader, place, json_get(node, "events"), "events");
	route->retry_on = read_retry_on(reader, place, json_get(node, "retry_on"));
	route->to = required_system(reader, place, node, "to");
	if (route->to == route->from)
		config_refuse(reader, place, "\"from\" and \"to\" are the same system");
	route->target = config_name(reader, place, node, "target");
	route->path = config_name(reader, place, node, "path");
	route->owns = config_fields(reader, place, node, "owns", "the target's");
	route->reads = config_fields(reader, place, node, "reads", "the source's");
	if (json_get(node, "answer"))
		route->answer = config_name(reader, place, node, "answer");
	mirror = json_get(node, "mirror");
	if (mirror && !cJSON_IsBool(mirror))
		config_refuse(reader, place, "\"mirror\" must be true or false");
	route->mirror = cJSON_IsTrue(mirror);
	read_compare(reader, place, node, route);
	read_mapping(reader, place, node, route);
}

static void
read_routes(struct config_reader *reader, const cJSON *node)
{
	const cJSON *member;
	int index = 0;

	if (!cJSON_IsArray(node) || !node->child)
		config_refuse(reader, "routes", "must be a list with at least one route");
	reader->bridge->routes = arena_array(&reader->rq->arena, struct bridge_route,
					     (size_t)cJSON_GetArraySize(node));
	cJSON_ArrayForEach(member, node) {
		struct bridge_route route = { 0 };

		read_route(reader, member, index++, &route);
		reader->bridge->routes[reader->bridge->route_count++] = route;
	}
}

static int
line_of(const char *text, size_t offset)
{
	int line = 1;

	for (size_t i = 0; i < offset && text[i]; i++)
		line += text[i] == '\n';
	return line;
}

static void
read_all(struct request *rq, void *arg)
{
	struct config_reader *reader = arg;
	struct bridge *into = reader->bridge;
	struct json_error error;
	const char *text, *mappings, *said;
	cJSON *root;

	reader->rq = rq;
	reader->folder = dirname(arena_strdup(&rq->arena, reader->file));
	text = config_file(reader, reader->file);
	if (!text)
		config_refuse(reader, "", "cannot be read as the bridge's configuration");
	root = json_parse(rq, text, strlen(text), &error);
	if (!root)
		config_refuse(reader, "", "line %d: %s", line_of(text, error.offset),
			      error.reason);
	reader->text = text;
	config_only_keys(reader, "", root, bridge_keys);
	into->name = json_get(root, "name") ? config_required(reader, "", root, "name")
					    : "sync-bridge";
	into->public_url = config_url(reader, "", root, "public_url");
	mappings = config_optional(reader, "", root, "mappings");
	reader->mappings_folder =
		config_beside(reader, reader->folder, mappings ? mappings : "mappings");
	reader->mappings = mappings_new(&rq->arena);
	read_systems(reader, json_get(root, "systems"));
	read_routes(reader, json_get(root, "routes"));
	ownership_check(reader);
	if (!mappings_compile(reader->mappings, &said))
		fail(rq, ERR_VALIDATION, .detail = said);
}

bool
bridge_config_read(const char *file, struct bridge *out, char *error, size_t error_size)
{
	crypto_generichash_state digest;
	unsigned char bytes[16];
	struct config_reader reader = { .bridge = out, .file = file, .digest = &digest };
	struct request rq;
	bool good;

	json_init();
	*out = (struct bridge){ .read_at = clock_unix() };
	request_init(&rq, NULL);
	crypto_generichash_init(&digest, NULL, 0, sizeof(bytes));
	good = request_run(&rq, read_all, &reader);
	crypto_generichash_final(&digest, bytes, sizeof(bytes));
	sodium_bin2hex(out->digest, sizeof(out->digest), bytes, sizeof(bytes));
	if (good) {
		/* The memory goes on without the request that it was taken for. */
		out->arena = rq.arena;
		rq.arena = (struct arena){ 0 };
	} else {
		snprintf(error, error_size, "%s", rq.fault.detail);
	}
	request_release(&rq);
	return good;
}

static void
release_at_exit(void)
{
	arena_release(&bridge.arena);
}

void
bridge_config_load(const char *file)
{
	char error[CONFIG_ERROR_MAX];

	if (!bridge_config_read(file, &bridge, error, sizeof(error)))
		die("%s", error);
	/* Leak checkers cannot follow jq's stack. */
	atexit(release_at_exit);
}
