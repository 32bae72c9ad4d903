/* common/entity/openapi.h -- parts of the OpenAPI document: a JSON writer, schemas, operations. */
#ifndef ENTITY_OPENAPI_H
#define ENTITY_OPENAPI_H

#include "entity/plan.h"
#include "http/http.h"

/* Writes JSON front to back; commas come by themselves. In an array the key is NULL. */
struct writer {
	struct text text;
	bool comma;
};

void w_open(struct writer *w, const char *key, char bracket); /* '{' or '[' */
void w_close(struct writer *w, char bracket);                 /* '}' or ']' */
void w_text(struct writer *w, const char *key, const char *value);
void w_raw(struct writer *w, const char *key, const char *json);
void w_number(struct writer *w, const char *key, long value);
/* {"$ref":"#/components/<kind>/<name>"} */
void w_ref(struct writer *w, const char *key, const char *kind, const char *name);

/* openapi_schema.c: components' schemas <name>, <name>_create, <name>_patch and those of the lines.
 */
void openapi_schemas(struct writer *w, const struct entity *entity);
/* The type of one member or parameter. nullable: null is a value, too. reading: as it is answered.
 */
void openapi_type(struct writer *w, const struct column *column, bool nullable, bool reading);
void openapi_params(struct writer *w, const char *key, const struct param_spec *specs);

/* openapi_operation.c */
void openapi_operation(struct writer *w, const struct route *route);

#endif
