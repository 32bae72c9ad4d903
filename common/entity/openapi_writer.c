/* common/entity/openapi_writer.c -- writes JSON without a tree, for text made outside requests. */
#include "entity/openapi.h"

static void
begin(struct writer *w, const char *key)
{
	if (w->comma)
		text_add(&w->text, ",");
	if (key) {
		text_add_json(&w->text, key);
		text_add(&w->text, ":");
	}
	w->comma = true;
}

void
w_open(struct writer *w, const char *key, char bracket)
{
	begin(w, key);
	text_add_char(&w->text, bracket);
	w->comma = false;
}

void
w_close(struct writer *w, char bracket)
{
	text_add_char(&w->text, bracket);
	w->comma = true;
}

void
w_text(struct writer *w, const char *key, const char *value)
{
	begin(w, key);
	text_add_json(&w->text, value);
}

void
w_raw(struct writer *w, const char *key, const char *json)
{
	begin(w, key);
	text_add(&w->text, json);
}

void
w_number(struct writer *w, const char *key, long value)
{
	begin(w, key);
	text_addf(&w->text, "%ld", value);
}

void
w_ref(struct writer *w, const char *key, const char *kind, const char *name)
{
	w_open(w, key, '{');
	begin(w, "$ref");
	text_addf(&w->text, "\"#/components/%s/%s\"", kind, name);
	w_close(w, '}');
}
