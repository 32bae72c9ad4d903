/* tests/unit/unit.h -- cmocka beside our own fail(); include it before any header of common/. */
#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#undef fail       /* cmocka's macro; ours unwinds a request */
#undef fail_msg
#define unit_fail(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))

#endif
