/* common/app/login.h -- people sign in and out with e-mail and password. */
#ifndef APP_LOGIN_H
#define APP_LOGIN_H

#include "http/http.h"

/* /api/v1/login, /logout, /me; ended by a NULL method. */
extern struct route login_routes[];

#endif
