/* sync-bridge/cli_http.c -- calls the running bridge with the operator's token. */
#include "cli_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/settings.h"
#include "bridge.h"

#define TIMEOUT_MS 30000

struct reply {
	char *text;
	size_t length;
};

static size_t
collect(char *data, size_t size, size_t count, void *arg)
{
	struct reply *reply = arg;
	char *bigger = realloc(reply->text, reply->length + size * count + 1);

	if (!bigger)
		return 0;
	reply->text = bigger;
	memcpy(reply->text + reply->length, data, size * count);
	reply->length += size * count;
	reply->text[reply->length] = '\0';
	return size * count;
}

char *
cli_encode(const char *text)
{
	char *encoded = curl_easy_escape(NULL, text, 0);
	char *copy = encoded ? strdup(encoded) : NULL;

	curl_free(encoded);
	if (!copy)
		abort();
	return copy;
}

static const char *
token(void)
{
	const char *from_environment = getenv("BRIDGE_TOKEN");

	return from_environment && *from_environment ? from_environment
						     : bridge_options.admin_token;
}

/* A bridge that listens everywhere is spoken to on this machine. */
static void
make_url(char *out, size_t size, const char *path)
{
	const char *host = settings.listen;

	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	if (strcmp(host, "::") == 0)
		host = "::1";
	snprintf(out, size, strchr(host, ':') ? "http://[%s]:%ld%s" : "http://%s:%ld%s", host,
		 settings.port, path);
}

static struct curl_slist *
headers(void)
{
	char line[1024];
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");

	snprintf(line, sizeof(line), "Authorization: Bearer %s", token());
	return curl_slist_append(list, line);
}

static const char *
member(jv object, const char *key, const char *otherwise)
{
	static char text[4][1024];
	static int turn;
	jv value = jv_object_get(jv_copy(object), jv_string(key));
	char *out = text[turn++ % 4];

	snprintf(out, sizeof(text[0]), "%s",
		 jv_get_kind(value) == JV_KIND_STRING ? jv_string_value(value) : otherwise);
	jv_free(value);
	return out;
}

/* Each bad field on a line of its own. */
static void
say_fields(jv problem)
{
	jv errors = jv_object_get(jv_copy(problem), jv_string("errors"));

	if (jv_get_kind(errors) == JV_KIND_ARRAY) {
		jv_array_foreach(errors, i, each) {
			if (jv_get_kind(each) == JV_KIND_OBJECT)
				fprintf(stderr, "  %s: %s\n", member(each, "field", ""),
					member(each, "message", ""));
			jv_free(each);
		}
	}
	jv_free(errors);
}

/* The reply as JSON when it is a success; otherwise says what it was. */
static jv
judge(const char *url, long status, const struct reply *reply)
{
	jv json = reply->text ? jv_parse(reply->text) : jv_null();

	if (status >= 200 && status < 300 && jv_is_valid(json))
		return json;
	if (jv_get_kind(json) == JV_KIND_OBJECT) {
		fprintf(stderr, "sync-bridge: %ld %s: %s\n", status,
			member(json, "code", "refused"),
			member(json, "detail", member(json, "title", "no reason given")));
		say_fields(json);
	} else {
		fprintf(stderr, "sync-bridge: %s answered %ld\n", url, status);
	}
	jv_free(json);
	return jv_invalid();
}

jv
cli_call(const char *method, const char *path, const char *body, char **raw)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *list;
	struct reply reply = { 0 };
	char url[2048];
	CURLcode code;
	long status = 0;
	jv json;

	if (!token() || !*token()) {
		fprintf(stderr,
			"sync-bridge: set the option admin-token or the variable BRIDGE_TOKEN\n");
		curl_easy_cleanup(curl);
		return jv_invalid();
	}
	make_url(url, sizeof(url), path);
	list = headers();
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK) {
		fprintf(stderr, "sync-bridge: %s: %s\n", url, curl_easy_strerror(code));
		free(reply.text);
		return jv_invalid();
	}
	json = judge(url, status, &reply);
	if (raw && jv_is_valid(json))
		*raw = reply.text;
	else
		free(reply.text);
	return json;
}
