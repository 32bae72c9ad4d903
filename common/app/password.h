/* common/app/password.h -- argon2id hashes of passwords, and which passwords are good enough. */
#ifndef APP_PASSWORD_H
#define APP_PASSWORD_H

#include <stdbool.h>

#include "base/request.h"

#define PASSWORD_LENGTH_MIN 8
#define PASSWORD_LENGTH_MAX 200

/* NULL when it may be used, otherwise the reason. */
const char *password_problem(const char *password);

/* The hash as it is stored, in the request's arena. Works on a thread; yields. Fails: 503 when
 * too many are waiting. */
const char *password_hash(struct request *rq, const char *password);

/* With a NULL hash the answer is no, after the same time. Yields. */
bool password_verify(struct request *rq, const char *hash, const char *password);

#endif
