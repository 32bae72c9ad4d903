/* common/entity/problems.c -- collects bad fields and raises them together. */
#include "entity/problems.h"

#include <stdarg.h>

#define PROBLEMS_MAX 100

static void
problems_put(struct problems *problems, const char *field, const char *code, const char *message)
{
	struct arena *arena = &problems->rq->arena;

	if (problems->count == PROBLEMS_MAX)
		return;
	if (!problems->fields)
		problems->fields = arena_array(arena, struct field_fault, PROBLEMS_MAX);
	problems->fields[problems->count++] = (struct field_fault){
		.field = arena_printf(arena, "%s%s", problems->prefix ? problems->prefix : "",
				      field),
		.code = code,
		.message = message,
	};
}

void
problems_add(struct problems *problems, const char *field, const char *code, const char *format,
	     ...)
{
	va_list args;

	va_start(args, format);
	problems_put(problems, field, code, arena_vprintf(&problems->rq->arena, format, args));
	va_end(args);
}

void
problems_take(struct problems *problems, const struct fault *fault)
{
	for (int i = 0; i < fault->field_count; i++)
		problems_put(problems, fault->fields[i].field, fault->fields[i].code,
			     fault->fields[i].message);
	if (!fault->field_count && fault->field)
		problems_put(problems, fault->field, fault_name(fault->code),
			     fault->detail ? fault->detail : fault_title(fault->code));
}

void
problems_raise(struct problems *problems, enum fault_code code)
{
	struct request *rq = problems->rq;
	const char *what = code == ERR_VALIDATION ? "field" : "parameter";

	if (problems->count == 0)
		return;
	fail(rq, code, .fields = problems->fields, .field_count = problems->count,
	     .detail = problems->count == 1
			       ? arena_printf(&rq->arena, "%s %s.", problems->fields[0].field,
					      problems->fields[0].message)
			       : arena_printf(&rq->arena, "%d %ss are not acceptable.",
					      problems->count, what));
}
