/* common/app/config.h -- one table of options: flags over environment over INI file over default.
 *
 * --help, docs/CONFIG.md (--config-doc), parsing and validation come from the rows. A value that
 * does not fit stops the start naming the file and line (or the flag, or the variable), the
 * option and the reason. The INI file has "name = value" lines, # comments and no sections; an
 * unknown name in it is refused. A value "@/path" of a secret option is read from that file,
 * "@name" from the folder of the unit's credentials when systemd gave one.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

enum option_type {
	OPTION_TEXT,
	OPTION_COUNT,    /* integer between min and max */
	OPTION_DURATION, /* "250ms" "30s" "5min" "1h"; kept in milliseconds */
	OPTION_BOOL,
	OPTION_CHOICE,
	OPTION_FILE, /* path that must be readable when set */
};

struct option {
	const char *name; /* "log-level": flag --log-level, variable CRM_LOG_LEVEL, INI log-level */
	enum option_type type;
	const char *initial; /* as a user would write it; NULL: not set */
	long min, max;
	const char *choices; /* space separated */
	bool secret;         /* masked in --show-config and logs */
	const char *text;
	const char **value_text; /* where it goes, by type: one of these three; NULL at first */
	long *value_number;
	bool *value_bool;
};

/* Common rows plus the daemon's own. Unknown flags and bad values: message on standard error and
 * exit status 2. --help and --config-doc print and exit. Answers the index of the first argument
 * that is no flag. */
int config_load(const struct option *common, const struct option *own, const char *env_prefix,
		const char *usage, int argc, char **argv);

/* Where "@name" is read from: name in $CREDENTIALS_DIRECTORY, if that is set and name has no
 * slash; otherwise NULL. Valid until the next call. */
const char *config_credential(const char *name);

#endif
