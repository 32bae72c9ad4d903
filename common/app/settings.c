/* common/app/settings.c -- the table of options that every daemon has. */
#include "app/settings.h"

#include <limits.h>
#include <stdio.h>

struct settings settings;

static char default_port[8];

static const struct option common_options[] = {
	{ .name = "config", .type = OPTION_FILE, .value_text = &settings.config,
	  .text = "INI file with further options." },
	{ .name = "database", .type = OPTION_TEXT, .secret = true, .value_text = &settings.database,
	  .text = "libpq URL or conninfo of the database; several hosts are allowed." },
	{ .name = "listen", .type = OPTION_TEXT, .initial = "127.0.0.1", .value_text = &settings.listen,
	  .text = "Address to listen on." },
	{ .name = "port", .type = OPTION_COUNT, .initial = default_port, .min = 0, .max = 65535,
	  .value_number = &settings.port, .text = "Port to listen on; 0 takes a free one and logs it." },
	{ .name = "workers", .type = OPTION_COUNT, .initial = "1", .min = 1, .max = 64,
	  .value_number = &settings.workers, .text = "Processes that share the port." },
	{ .name = "log-level", .type = OPTION_CHOICE, .initial = "info",
	  .choices = "debug info warn error", .value_text = &settings.log_level,
	  .text = "Least level that is logged; debug has one line per request." },
	{ .name = "log-format", .type = OPTION_CHOICE, .initial = "auto", .choices = "auto json text",
	  .value_text = &settings.log_format, .text = "auto is text on a terminal, otherwise JSON." },

	{ .name = "migrate", .type = OPTION_BOOL, .initial = "off", .value_bool = &settings.migrate,
	  .text = "Bring the schema to this version and exit." },
	{ .name = "auto-migrate", .type = OPTION_BOOL, .initial = "off",
	  .value_bool = &settings.auto_migrate,
	  .text = "Bring the schema to this version at start; otherwise an older one stops the start." },
	{ .name = "create-token", .type = OPTION_TEXT, .value_text = &settings.create_token,
	  .text = "Make an API token for the user of this name or e-mail (made if missing), "
		  "print it and exit." },
	{ .name = "create-user", .type = OPTION_TEXT, .value_text = &settings.create_user,
	  .text = "Make a user with this e-mail, reading the password from standard input, and exit." },
	{ .name = "role", .type = OPTION_TEXT, .value_text = &settings.role,
	  .text = "Roles for create-token and create-user, separated by commas." },

	{ .name = "database-shared", .type = OPTION_COUNT, .initial = "2", .min = 1, .max = 64,
	  .value_number = &settings.database_shared,
	  .text = "Pipelined connections for single statements, for each process." },
	{ .name = "database-leased", .type = OPTION_COUNT, .initial = "16", .min = 1, .max = 500,
	  .value_number = &settings.database_leased,
	  .text = "Connections for transactions at most, for each process." },
	{ .name = "database-wait", .type = OPTION_DURATION, .initial = "5s", .min = 10, .max = 60000,
	  .value_number = &settings.database_wait,
	  .text = "Wait for a free connection this long before answering 503." },
	{ .name = "statement-timeout", .type = OPTION_DURATION, .initial = "15s", .min = 100,
	  .max = 3600000, .value_number = &settings.statement_timeout,
	  .text = "A statement that runs longer is cancelled." },
	{ .name = "lock-timeout", .type = OPTION_DURATION, .initial = "2s", .min = 10, .max = 600000,
	  .value_number = &settings.lock_timeout,
	  .text = "A statement that waits longer for a lock is refused with 409." },

	{ .name = "drain", .type = OPTION_DURATION, .initial = "25s", .min = 0, .max = 600000,
	  .value_number = &settings.drain, .text = "After SIGTERM, time for what is in flight to finish." },
	{ .name = "connections", .type = OPTION_COUNT, .initial = "1000", .min = 1, .max = 100000,
	  .value_number = &settings.connections, .text = "HTTP connections at most, for each process." },
	{ .name = "connections-per-address", .type = OPTION_COUNT, .initial = "100", .min = 1,
	  .max = 100000, .value_number = &settings.connections_per_address,
	  .text = "HTTP connections of one address at most; loopback is exempt." },
	{ .name = "header-timeout", .type = OPTION_DURATION, .initial = "10s", .min = 100, .max = 600000,
	  .value_number = &settings.header_timeout, .text = "Time for a request's header to arrive." },
	{ .name = "body-timeout", .type = OPTION_DURATION, .initial = "30s", .min = 100, .max = 600000,
	  .value_number = &settings.body_timeout, .text = "Time for a request's body to arrive." },
	{ .name = "idle-timeout", .type = OPTION_DURATION, .initial = "60s", .min = 100, .max = 3600000,
	  .value_number = &settings.idle_timeout, .text = "An idle connection is closed after this time." },

	{ .name = "rate-token", .type = OPTION_COUNT, .initial = "0", .max = 1000000,
	  .value_number = &settings.rate_token,
	  .text = "Requests per second of one user, for each process; 0 is no limit." },
	{ .name = "rate-token-burst", .type = OPTION_COUNT, .initial = "200", .min = 1, .max = 1000000,
	  .value_number = &settings.rate_token_burst, .text = "Requests of one user at once." },
	{ .name = "rate-anonymous", .type = OPTION_COUNT, .initial = "50", .max = 1000000,
	  .value_number = &settings.rate_anonymous,
	  .text = "Refused tokens and signatures per second of one address; loopback is exempt; "
		  "0 is no limit." },
	{ .name = "rate-anonymous-burst", .type = OPTION_COUNT, .initial = "100", .min = 1,
	  .max = 1000000, .value_number = &settings.rate_anonymous_burst,
	  .text = "Refused tokens and signatures of one address at once." },
	{ .name = "login-per-account", .type = OPTION_COUNT, .initial = "5", .max = 1000,
	  .value_number = &settings.login_per_account,
	  .text = "Failed logins per minute of one account; 0 is no limit." },
	{ .name = "login-per-address", .type = OPTION_COUNT, .initial = "20", .max = 100000,
	  .value_number = &settings.login_per_address,
	  .text = "Failed logins per minute of one address; 0 is no limit." },
	{ .name = "session-lifetime", .type = OPTION_DURATION, .initial = "12h", .min = 60000,
	  .max = 2592000000, .value_number = &settings.session_lifetime,
	  .text = "A login is valid this long." },

	{ .name = "webhook-allow-plain", .type = OPTION_BOOL, .initial = "off",
	  .value_bool = &settings.webhook_allow_plain,
	  .text = "Deliver webhooks over plain http to other machines as well." },
	{ 0 }
};

int
settings_load(const struct daemon *daemon, int argc, char **argv)
{
	static char usage[512];

	snprintf(default_port, sizeof(default_port), "%d", daemon->default_port);
	snprintf(usage, sizeof(usage), "%s: %s", daemon->name, daemon->text);
	return config_load(common_options, daemon->options, daemon->env, usage, argc, argv);
}
