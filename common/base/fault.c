/* common/base/fault.c -- raises faults to the request's root and writes their problem documents. */
#include "base/fault.h"

#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/request.h"
#include "base/text.h"

static const struct {
	int status;
	const char *name;
	const char *title;
} faults[] = {
	[ERR_NONE] = { 200, "none", "No fault" },
#define X(name_, status_, code_, title_) [ERR_##name_] = { status_, code_, title_ },
	FAULTS(X)
#undef X
};

/* Bad fields beyond this are of no more help to anyone. */
#define FIELDS_MAX 100

_Noreturn void
fault_raise(struct request *rq, const struct fault *fault)
{
	struct field_fault *fields = rq->fault.fields;
	int field_count = rq->fault.field_count;

	if (!rq->root)
		die("fault outside a request: %s: %s", fault_name(fault->code),
		    fault->detail ? fault->detail : "");
	rq->fault = *fault;
	if (!fault->fields) {
		rq->fault.fields = fields;
		rq->fault.field_count = field_count;
	}
	longjmp(*rq->root, 1);
}

void
fault_field(struct request *rq, const char *field, const char *code, const char *format, ...)
{
	struct fault *fault = &rq->fault;
	va_list args;

	if (fault->field_count >= FIELDS_MAX)
		return;
	if (!fault->fields)
		fault->fields = arena_array(&rq->arena, struct field_fault, FIELDS_MAX);
	va_start(args, format);
	fault->fields[fault->field_count++] = (struct field_fault){
		.field = arena_strdup(&rq->arena, field),
		.code = code,
		.message = arena_vprintf(&rq->arena, format, args),
	};
	va_end(args);
}

void
fault_raise_collected(struct request *rq)
{
	int count = rq->fault.field_count;

	if (count == 0)
		return;
	fail(rq, ERR_VALIDATION,
	     .detail = arena_printf(&rq->arena, "%d field%s not acceptable.", count,
				    count == 1 ? " is" : "s are"));
}

static void
add_member(struct text *out, const char *name, const char *value)
{
	if (!value)
		return;
	text_add(out, ",");
	text_add_json(out, name);
	text_add(out, ":");
	text_add_json(out, value);
}

static void
add_field(struct text *out, const char *separator, const struct field_fault *field)
{
	text_add(out, separator);
	text_add(out, "{\"field\":");
	text_add_json(out, field->field);
	add_member(out, "code", field->code);
	add_member(out, "message", field->message);
	text_add(out, "}");
}

static void
add_fields(struct text *out, const struct fault *fault)
{
	struct field_fault only = {
		.field = fault->field,
		.code = fault_name(fault->code),
		.message = fault->detail,
	};

	if (!fault->field_count && !fault->field)
		return;
	text_add(out, ",\"errors\":[");
	if (!fault->field_count)
		add_field(out, "", &only);
	for (int i = 0; i < fault->field_count; i++)
		add_field(out, i ? "," : "", &fault->fields[i]);
	text_add(out, "]");
}

const char *
fault_document(struct request *rq, const struct fault *fault)
{
	struct text out = text_in(&rq->arena);
	const cJSON *member;

	text_addf(&out, "{\"type\":\"urn:dovetail:problem:%s\"", fault_name(fault->code));
	add_member(&out, "title", fault_title(fault->code));
	text_addf(&out, ",\"status\":%d", fault_status(fault->code));
	add_member(&out, "code", fault_name(fault->code));
	add_member(&out, "detail", fault->detail);
	add_member(&out, "hint", fault->hint);
	add_member(&out, "trace_id", rq->trace_id);
	add_fields(&out, fault);
	cJSON_ArrayForEach(member, fault->members)
	{
		text_add(&out, ",");
		text_add_json(&out, member->string);
		text_add(&out, ":");
		text_add(&out, json_text(rq, member));
	}
	text_add(&out, "}");
	return text_str(&out);
}

int
fault_status(enum fault_code code)
{
	return faults[code].status;
}

const char *
fault_name(enum fault_code code)
{
	return faults[code].name;
}

const char *
fault_title(enum fault_code code)
{
	return faults[code].title;
}

enum fault_code
fault_named(const char *name)
{
	for (size_t i = 1; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (strcmp(faults[i].name, name) == 0)
			return (enum fault_code)i;
	return ERR_NONE;
}
