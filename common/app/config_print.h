/* common/app/config_print.h -- the options table for people: --help, docs/CONFIG.md, values. */
#ifndef APP_CONFIG_PRINT_H
#define APP_CONFIG_PRINT_H

#include "app/config.h"

/* tables: the common rows and the daemon's own, each ended by a NULL name, either may be NULL. */
void config_print_help(const struct option *const *tables, const char *prefix, const char *usage);
void config_print_doc(const struct option *const *tables, const char *prefix, const char *usage);
/* "name = value" lines as an INI file would have them; secrets are masked. */
void config_print_values(const struct option *const *tables);

/* "CRM_LOG_LEVEL" into name. */
void config_variable(const char *prefix, const char *option, char *name, size_t size);

/* A number as a user would write it ("25s"), valid until 4 further calls. */
const char *config_number_text(const struct option *option, long number);

#endif
