/* common/app/docs.h -- the API's description, for programs and for people. */
#ifndef APP_DOCS_H
#define APP_DOCS_H

#include "http/http.h"

/* /, /docs, /openapi.json; ended by a NULL method. */
extern struct route docs_routes[];

#endif
