/* sync-bridge/config_reader.h -- checked values out of bridge.json, for the files that read it.
 *
 * Everything runs in a request of its own whose arena becomes the configuration's. A wrong value
 * unwinds (fail) with "<file>: <place>: <reason>"; nothing here yields.
 */
#ifndef BRIDGE_CONFIG_READER_H
#define BRIDGE_CONFIG_READER_H

#include "base/json.h"
#include "base/request.h"

struct bridge;
struct mappings;

struct config_reader {
	struct request *rq;
	struct bridge *bridge;         /* what is being filled */
	struct mappings *mappings;
	const char *file;
	const char *text;              /* of the file, once it is known to be JSON */
	const char *folder;            /* names of files are relative to it */
	const char *mappings_folder;
	void *digest;                  /* of every byte that was read */
};

/* A place ("systems.crm", "routes[3] (order-status)") with the line on which it begins. */
const char *config_place(struct config_reader *reader, const char *place);

/* Refuses the file; the place may be empty. */
_Noreturn void config_refuse(struct config_reader *reader, const char *place, const char *format,
			     ...) __attribute__((format(printf, 3, 4)));

/* The whole file; NULL when it cannot be read or is larger than 256 KiB. */
char *config_file(struct config_reader *reader, const char *path);
/* A name relative to the folder. */
char *config_beside(struct config_reader *reader, const char *folder, const char *name);

void config_only_keys(struct config_reader *reader, const char *place, const cJSON *object,
		      const char *const *known);
/* A text that is not empty; NULL when the key is not there. */
const char *config_optional(struct config_reader *reader, const char *place, const cJSON *object,
			    const char *key);
const char *config_required(struct config_reader *reader, const char *place, const cJSON *object,
			    const char *key);
/* Lower-case letters, digits, _ and -: names end up in references, paths and SQL parameters. */
const char *config_name(struct config_reader *reader, const char *place, const cJSON *object,
			const char *key);
/* A text as it is, or "@file" that holds it, without the white space at its end. */
const char *config_secret(struct config_reader *reader, const char *place, const cJSON *object,
			  const char *key);
/* The same, and NULL when the key, the file or its content is not there. */
const char *config_optional_secret(struct config_reader *reader, const char *place,
				   const cJSON *object, const char *key);
/* A list of fields' names, ends by NULL; NULL when the key is not there. whose: "the target's". */
const char **config_fields(struct config_reader *reader, const char *place, const cJSON *object,
			   const char *key, const char *whose);
/* Without a slash at its end. */
const char *config_url(struct config_reader *reader, const char *place, const cJSON *object,
		       const char *key);

#endif
