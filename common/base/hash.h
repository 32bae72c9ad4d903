/* common/base/hash.h -- uthash; a table that finds no memory ends the process with a message. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/log.h"

#define uthash_fatal(message) die("out of memory")
#include <uthash.h>

#endif
