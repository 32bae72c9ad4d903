/* common/app/users.h -- users and their API tokens as entities of every daemon. */
#ifndef APP_USERS_H
#define APP_USERS_H

#include "entity/entity.h"

extern struct entity user_entity;
extern struct entity token_entity;

/* Raises ERR_VALIDATION when the password is no good one. */
void user_check_password(struct request *rq, const char *password);

/* Stores the hash and ends the user's sessions, in the open transaction. Yields. */
void user_set_password(struct request *rq, int64_t user_id, const char *hash);

#endif
