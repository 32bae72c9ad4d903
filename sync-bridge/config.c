/* sync-bridge/config.c -- reads and checks bridge.json, its secrets and its mappings. */
#include "config.h"

#include <ctype.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "base/coro.h"
#include "base/json.h"
#include "base/log.h"
#include "base/request.h"
#include "bridge.h"
#include "event/signature.h"
#include "mapping.h"

#define FILE_MAX (256 * 1024)

struct bridge bridge;
struct bridge_options bridge_options;

/* The configuration's memory is this request's arena; it is never released. */
static struct request config_request;
static const char *config_file;
static const char *config_folder;
static const char *mappings_folder;

static const char *const bridge_keys[] = { "name",    "public_url", "mappings",
					   "systems", "routes",     NULL };
static const char *const system_keys[] = { "url", "token", "secret", "skip_origin", NULL };
static const char *const route_keys[] = { "name", "from", "entity", "source_path", "events", "when",
	"skip_reason", "to", "target", "path", "map", "answer", "mirror", NULL };

_Noreturn static void refuse(const char *place, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
refuse(const char *place, const char *format, ...)
{
	char reason[600];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	die("%s: %s%s%s", config_file, place, *place ? ": " : "", reason);
}

/* The whole file; NULL when it cannot be read. */
static char *
file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t length;

	if (!file)
		return NULL;
	text = arena_alloc(&config_request.arena, FILE_MAX + 1);
	length = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) || length > FILE_MAX) {
		fclose(file);
		return NULL;
	}
	fclose(file);
	text[length] = '\0';
	return text;
}

static char *
beside(const char *folder, const char *name)
{
	if (*name == '/')
		return arena_strdup(&config_request.arena, name);
	return arena_printf(&config_request.arena, "%s/%s", folder, name);
}

static void
only_keys(const char *place, const cJSON *object, const char *const *known)
{
	const cJSON *member;

	if (!cJSON_IsObject(object))
		refuse(place, "must be an object");
	cJSON_ArrayForEach(member, object) {
		int i = 0;

		while (known[i] && strcmp(known[i], member->string) != 0)
			i++;
		if (!known[i])
			refuse(place, "unknown key \"%s\"", member->string);
	}
}

static const char *
optional(const char *place, const cJSON *object, const char *key)
{
	const cJSON *member = json_get(object, key);

	if (!member)
		return NULL;
	if (!cJSON_IsString(member) || !*member->valuestring)
		refuse(place, "\"%s\" must be a text that is not empty", key);
	return member->valuestring;
}

static const char *
required(const char *place, const cJSON *object, const char *key)
{
	if (!json_get(object, key))
		refuse(place, "\"%s\" is missing", key);
	return optional(place, object, key);
}

/* Names end up in references, paths and SQL parameters. */
static const char *
required_name(const char *place, const cJSON *object, const char *key)
{
	const char *name = required(place, object, key);

	if (strlen(name) > 60 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name))
		refuse(place, "\"%s\" must be lower-case letters, digits, _ and - (60 at most)",
		       key);
	return name;
}

/* A secret as it is, or "@file" that holds it. */
static const char *
required_secret(const char *place, const cJSON *object, const char *key)
{
	const char *value = required(place, object, key);
	const char *path;
	char *text;
	size_t length;

	if (*value != '@')
		return value;
	path = config_credential(value + 1);
	if (!path)
		path = beside(config_folder, value + 1);
	text = file_read(path);
	if (!text)
		refuse(place, "\"%s\": cannot read %s", key, path);
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	if (!length)
		refuse(place, "\"%s\": %s is empty", key, path);
	return text;
}

static const char *
required_url(const char *place, const cJSON *object, const char *key)
{
	char *url = arena_strdup(&config_request.arena, required(place, object, key));
	size_t length = strlen(url);

	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		refuse(place, "\"%s\" must begin with http:// or https://", key);
	while (url[length - 1] == '/')
		url[--length] = '\0';
	return url;
}

struct bridge_system *
bridge_system(const char *name)
{
	for (int i = 0; i < bridge.system_count; i++)
		if (strcmp(bridge.systems[i].name, name) == 0)
			return &bridge.systems[i];
	return NULL;
}

struct bridge_route *
bridge_route(const char *name)
{
	for (int i = 0; i < bridge.route_count; i++)
		if (strcmp(bridge.routes[i].name, name) == 0)
			return &bridge.routes[i];
	return NULL;
}

static void
read_system(const cJSON *node, struct bridge_system *system)
{
	const char *place = arena_printf(&config_request.arena, "systems.%s", node->string);
	const char *const probe = "probe";

	if (strlen(node->string) > 40 ||
	    strspn(node->string, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(node->string))
		refuse(place,
		       "a system's name is lower-case letters, digits, _ and - (40 at most)");
	only_keys(place, node, system_keys);
	system->name = node->string;
	system->url = required_url(place, node, "url");
	system->token = required_secret(place, node, "token");
	if (strpbrk(system->token, "\r\n"))
		refuse(place, "\"token\" must be one line");
	system->secret = required_secret(place, node, "secret");
	if (!signature_make(&config_request.arena, system->secret, probe, "0", "", 0))
		refuse(place, "\"secret\" must be \"whsec_\" and base64 of 24 to 64 bytes");
	system->skip_origin = optional(place, node, "skip_origin");
}

static void
read_systems(const cJSON *node)
{
	const cJSON *member;

	if (!cJSON_IsObject(node) || !node->child)
		refuse("systems", "must be an object with at least one system");
	bridge.systems = arena_array(&config_request.arena, struct bridge_system,
				     (size_t)cJSON_GetArraySize(node));
	cJSON_ArrayForEach(member, node)
		read_system(member, &bridge.systems[bridge.system_count++]);
}

static struct bridge_system *
required_system(const char *place, const cJSON *object, const char *key)
{
	const char *name = required(place, object, key);
	struct bridge_system *system = bridge_system(name);

	if (!system)
		refuse(place, "\"%s\": there is no system \"%s\"", key, name);
	return system;
}

static const char **
read_events(const char *place, const cJSON *node)
{
	const char **events;
	const cJSON *member;
	int count = 0;

	if (!cJSON_IsArray(node) || !node->child)
		refuse(place, "\"events\" must be a list of event types, as in [\"account.*\"]");
	events = arena_array(&config_request.arena, const char *,
			     (size_t)cJSON_GetArraySize(node) + 1);
	cJSON_ArrayForEach(member, node) {
		if (!cJSON_IsString(member) || !strchr(member->valuestring, '.') ||
		    strspn(member->valuestring, "abcdefghijklmnopqrstuvwxyz0123456789_.*") !=
		    strlen(member->valuestring))
			refuse(place,
			       "\"events\"[%d] must be like \"account.updated\" or \"account.*\"",
			       count);
		events[count++] = member->valuestring;
	}
	return events;
}

static void
read_mapping(const char *place, const cJSON *node, struct bridge_route *route)
{
	const char *when = optional(place, node, "when");
	const char *path;
	const char *program;

	route->when_text = when;
	if (when)
		route->when = mapping_add(arena_printf(&config_request.arena, "%s: %s: \"when\"",
						       config_file, place), when);
	route->skip_reason = optional(place, node, "skip_reason");
	if (!route->skip_reason && when)
		route->skip_reason = arena_printf(&config_request.arena, "not so: %.300s", when);
	route->map_file = required(place, node, "map");
	path = beside(mappings_folder, route->map_file);
	program = file_read(path);
	if (!program)
		refuse(place, "\"map\": cannot read %s", path);
	route->map = mapping_add(path, program);
}

static void
read_route(const cJSON *node, int index, struct bridge_route *route)
{
	const char *place = arena_printf(&config_request.arena, "routes[%d]", index);
	const cJSON *mirror;

	only_keys(place, node, route_keys);
	route->name = required_name(place, node, "name");
	place = arena_printf(&config_request.arena, "routes[%d] (%s)", index, route->name);
	if (bridge_route(route->name))
		refuse(place, "there is another route of this name");
	route->from = required_system(place, node, "from");
	route->entity = required_name(place, node, "entity");
	route->source_path = required_name(place, node, "source_path");
	route->events = read_events(place, json_get(node, "events"));
	route->to = required_system(place, node, "to");
	if (route->to == route->from)
		refuse(place, "\"from\" and \"to\" are the same system");
	route->target = required_name(place, node, "target");
	route->path = required_name(place, node, "path");
	route->answer = json_get(node, "answer") ? required_name(place, node, "answer") : NULL;
	mirror = json_get(node, "mirror");
	if (mirror && !cJSON_IsBool(mirror))
		refuse(place, "\"mirror\" must be true or false");
	route->mirror = cJSON_IsTrue(mirror);
	read_mapping(place, node, route);
}

static void
read_routes(const cJSON *node)
{
	const cJSON *member;
	int index = 0;

	if (!cJSON_IsArray(node) || !node->child)
		refuse("routes", "must be a list with at least one route");
	bridge.routes = arena_array(&config_request.arena, struct bridge_route,
				    (size_t)cJSON_GetArraySize(node));
	cJSON_ArrayForEach(member, node) {
		struct bridge_route route = { 0 };

		read_route(member, index++, &route);
		bridge.routes[bridge.route_count++] = route;
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
	struct json_error error;
	const char *text = file_read(config_file);
	const char *mappings;
	char *error_text;
	cJSON *root;

	if (!text)
		die("%s: cannot be read as the bridge's configuration", config_file);
	root = json_parse(rq, text, strlen(text), &error);
	if (!root)
		die("%s: line %d: %s", config_file, line_of(text, error.offset), error.reason);
	only_keys("", root, bridge_keys);
	bridge.name = json_get(root, "name") ? required_name("", root, "name") : "sync-bridge";
	bridge.public_url = required_url("", root, "public_url");
	mappings = optional("", root, "mappings");
	mappings_folder = beside(config_folder, mappings ? mappings : "mappings");
	read_systems(json_get(root, "systems"));
	read_routes(json_get(root, "routes"));
	if (!mapping_compile(&error_text))
		die("%s", error_text);
}

void
bridge_config_load(const char *file)
{
	request_init(&config_request, NULL);
	config_file = file;
	config_folder = dirname(arena_strdup(&config_request.arena, file));
	if (!request_run(&config_request, read_all, NULL))
		die("%s: cannot be read", file);
	/* It lives on, but is not what the process works for from here on. */
	coro_set_local(config_request.outer);
}
