/* common/entity/params.c -- a verb's parameters, judged by the same rules as columns. */
#include "entity/params.h"

#include <string.h>

#include "db/db.h"
#include "entity/value.h"

#define PRECISION 18
#define SCALE_DEFAULT 4

struct column
param_column(const struct param_spec *spec)
{
	return (struct column){
		.name = spec->name,
		.type = spec->type,
		.bytes = 8,
		.precision = PRECISION,
		.scale = spec->scale ? spec->scale : SCALE_DEFAULT,
		.references = spec->references,
	};
}

const struct param_spec *
param_named(const struct param_spec *specs, const char *name)
{
	for (; specs && specs->name; specs++)
		if (strcmp(specs->name, name) == 0)
			return specs;
	return NULL;
}

static void
check_reference(struct request *rq, const struct param_spec *spec, const char *field,
		const cJSON *value, struct problems *problems)
{
	const char *sql = arena_printf(&rq->arena, "SELECT 1 FROM \"%s\" WHERE \"id\" = $1::bigint",
				       spec->references);
	int64_t id = 0;

	json_node_integer(value, &id);
	if (!rows_any(db_all_once(rq, sql, P_ID(id))))
		problems_add(problems, field, "unknown_reference",
			     "refers to %lld, which does not exist", (long long)id);
}

static void check_object(struct request *rq, const struct param_spec *specs, const cJSON *object,
			 const char *path, struct problems *problems);

static void
check_items(struct request *rq, const struct param_spec *spec, const char *field,
	    const cJSON *array, struct problems *problems)
{
	const cJSON *item;
	int i = 0;

	if (!cJSON_IsArray(array)) {
		problems_add(problems, field, "wrong_type", "must be an array of objects");
		return;
	}
	cJSON_ArrayForEach(item, array)
	{
		const char *path = arena_printf(&rq->arena, "%s[%d]", field, i++);

		if (cJSON_IsObject(item))
			check_object(rq, spec->items, item, arena_printf(&rq->arena, "%s.", path),
				     problems);
		else
			problems_add(problems, path, "wrong_type", "must be an object");
	}
}

static void
check_param(struct request *rq, const struct param_spec *spec, const char *field,
	    const cJSON *value, struct problems *problems)
{
	struct column column = param_column(spec);
	struct misfit misfit;

	if (cJSON_IsNull(value)) {
		if (spec->required)
			problems_add(problems, field, "required", "must not be null");
		return;
	}
	if (spec->items) {
		check_items(rq, spec, field, value, problems);
		return;
	}
	misfit = value_fits(&rq->arena, &column, value);
	if (misfit.code)
		problems_add(problems, field, misfit.code, "%s", misfit.message);
	else if (spec->required && cJSON_IsString(value) && value->valuestring[0] == '\0')
		problems_add(problems, field, "required", "must not be empty");
	else if (spec->references && spec->type == COLUMN_INTEGER)
		check_reference(rq, spec, field, value, problems);
}

static void
check_object(struct request *rq, const struct param_spec *specs, const cJSON *object,
	     const char *path, struct problems *problems)
{
	const cJSON *value;

	cJSON_ArrayForEach(value, object)
	{
		const struct param_spec *spec = param_named(specs, value->string);
		const char *field = arena_printf(&rq->arena, "%s%s", path, value->string);

		if (spec)
			check_param(rq, spec, field, value, problems);
		else
			problems_add(problems, field, "unknown_field", "is not known here");
	}
	for (const struct param_spec *spec = specs; spec && spec->name; spec++)
		if (spec->required && !json_get(object, spec->name))
			problems_add(problems, arena_printf(&rq->arena, "%s%s", path, spec->name),
				     "required", "must be given");
}

void
params_check(struct request *rq, const struct param_spec *specs, const cJSON *body,
	     struct problems *problems)
{
	check_object(rq, specs, body, "", problems);
}

void
params_check_one(struct request *rq, const struct param_spec *spec, const cJSON *value,
		 struct problems *problems)
{
	check_param(rq, spec, spec->name, value, problems);
}
