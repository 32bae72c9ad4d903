/* common/app/settings.h -- the options every daemon has, as values. */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include <stdbool.h>

#include "app/app.h"

struct settings {
	const char *config, *database, *listen, *log_level, *log_format;
	const char *create_token, *create_user, *role;
	long port, workers;
	long database_shared, database_leased, database_wait, statement_timeout, lock_timeout;
	long drain, connections, connections_per_address;
	long header_timeout, body_timeout, idle_timeout;
	long rate_token, rate_token_burst, rate_anonymous, rate_anonymous_burst;
	long login_per_account, login_per_address, session_lifetime;
	bool migrate, auto_migrate, allow_plain_http;
	int socket; /* given by whoever started us; 0: none */
};

/* Filled by settings_load, then constant. */
extern struct settings settings;

/* Loads common and own options; see config_load for what it answers and how it ends. */
int settings_load(const struct daemon *daemon, int argc, char **argv);

#endif
