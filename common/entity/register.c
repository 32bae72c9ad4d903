/* common/entity/register.c -- gives each entity its plan and its routes. */
#include <string.h>

#include "base/log.h"
#include "entity/handlers.h"
#include "entity/plan.h"
#include "http/http.h"

static const char *
pattern(const struct entity *entity, const char *rest)
{
	return arena_printf(plan_arena(), "/api/v1/%s%s", entity->path, rest);
}

static void
add(struct router *router, const struct entity *entity, struct route route, const char *rest)
{
	struct route *kept = arena_new(plan_arena(), struct route);

	*kept = route;
	kept->pattern = pattern(entity, rest);
	if (!kept->arg)
		kept->arg = entity;
	router_add(router, kept);
}

static const char *
say(const char *format, const struct entity *entity)
{
	struct text out = text_in(plan_arena());

	for (; *format; format++) {
		if (*format != '@')
			text_add_char(&out, *format);
		else
			for (const char *name = entity->name; *name; name++)
				text_add_char(&out, *name == '_' ? ' ' : *name);
	}
	return text_str(&out);
}

static void
add_reading(struct router *router, const struct entity *entity)
{
	add(router, entity,
	    (struct route){ .method = "GET",
			    .handle = entity_list,
			    .allow = entity->read,
			    .summary = say("Lists records of type @.", entity) },
	    "");
	add(router, entity,
	    (struct route){ .method = "GET",
			    .handle = entity_get,
			    .allow = entity->read,
			    .summary = say("Reads one @.", entity) },
	    "/{id}");
	add(router, entity,
	    (struct route){ .method = "GET",
			    .handle = entity_timeline,
			    .allow = entity->read,
			    .summary = say("What happened to one @, newest first.", entity) },
	    "/{id}/timeline");
}

static void
add_writing(struct router *router, const struct entity *entity)
{
	if (entity->write) {
		add(router, entity,
		    (struct route){ .method = "POST",
				    .handle = entity_post,
				    .allow = entity->write,
				    .summary = say("Creates one @.", entity) },
		    "");
		add(router, entity,
		    (struct route){ .method = "PATCH",
				    .handle = entity_patch,
				    .allow = entity->write,
				    .summary = say("Changes one @ (JSON Merge Patch).", entity) },
		    "/{id}");
		add(router, entity,
		    (struct route){
			    .method = "POST",
			    .handle = entity_batch,
			    .allow = entity->write,
			    .flags = ROUTE_LARGE,
			    .summary = say("Writes up to 1000 of type @, all or none.", entity) },
		    "/batch");
	}
	if (entity->write && entity->plan->by_ref)
		add(router, entity,
		    (struct route){ .method = "PUT",
				    .handle = entity_upsert,
				    .allow = entity->write,
				    .summary =
					    say("Creates or updates one @ by external reference.",
						entity) },
		    "/by-ref/{external_ref}");
	if (entity->remove)
		add(router, entity,
		    (struct route){ .method = "DELETE",
				    .handle = entity_delete,
				    .allow = entity->remove,
				    .summary = say("Deletes one @.", entity) },
		    "/{id}");
}

static bool
is_choice(const struct column *column, const char *text, size_t length)
{
	for (int i = 0; column->choices[i]; i++)
		if (strlen(column->choices[i]) == length &&
		    memcmp(column->choices[i], text, length) == 0)
			return true;
	return false;
}

static void
check_statuses(const struct entity *entity, const struct verb *verb, const char *words)
{
	const struct member *status = entity->plan->status;

	if (!words)
		return;
	if (!status)
		die("entity %s: verb %s needs a column status", entity->name, verb->name);
	if (!status->column->choices)
		return;
	for (const char *at = words + strspn(words, " "); *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		if (!is_choice(status->column, at, length))
			die("entity %s: verb %s names the status \"%.*s\", which is no choice",
			    entity->name, verb->name, (int)length, at);
		at += length;
	}
}

static struct action *
action_new(struct entity *entity, const struct verb *verb, const struct view *view)
{
	struct action *action = arena_new(plan_arena(), struct action);

	*action = (struct action){ .entity = entity, .verb = verb, .view = view };
	return action;
}

static void
add_actions(struct router *router, struct entity *entity)
{
	for (const struct verb *verb = entity->verbs; verb && verb->name; verb++) {
		if (!verb->allow || !*verb->allow)
			die("entity %s: nobody is allowed the verb %s", entity->name, verb->name);
		check_statuses(entity, verb, verb->from);
		check_statuses(entity, verb, verb->to);
		add(router, entity,
		    (struct route){ .method = "POST",
				    .handle = entity_verb,
				    .allow = verb->allow,
				    .arg = action_new(entity, verb, NULL),
				    .summary = verb->text },
		    arena_printf(plan_arena(), "/{id}/%s", verb->name));
	}
	for (const struct view *view = entity->views; view && view->name; view++) {
		if (!view->allow || !*view->allow)
			die("entity %s: nobody is allowed the view %s", entity->name, view->name);
		add(router, entity,
		    (struct route){ .method = "GET",
				    .handle = entity_view,
				    .allow = view->allow,
				    .arg = action_new(entity, NULL, view),
				    .summary = view->text },
		    arena_printf(plan_arena(), "/{id}/%s", view->name));
	}
}

void
entity_register(struct router *router, const struct catalogue *catalogue,
		struct entity *const *entities)
{
	for (int i = 0; entities && entities[i]; i++) {
		struct entity *entity = entities[i];

		if (!entity->name || !entity->path)
			die("an entity has no name or path");
		if (!entity->read || !*entity->read)
			die("entity %s: nobody is allowed to read it", entity->name);
		plan_make(catalogue, entity);
		add_reading(router, entity);
		add_writing(router, entity);
		add_actions(router, entity);
	}
}
