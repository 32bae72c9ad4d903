/* sync-bridge/page.h -- one page of a system's list, cut into records without reading it as a tree.
 *
 * A page of 200 records with their lines is far more than json_parse takes at once; cut into
 * records, each is parsed by itself, when it is its turn.
 */
#ifndef BRIDGE_PAGE_H
#define BRIDGE_PAGE_H

#include <stdbool.h>

#include "system.h"

#define PAGE_MAX 200
#define CURSOR_MAX 1000

struct page {
	const char *records[PAGE_MAX];  /* JSON texts */
	int count;
	char next[CURSOR_MAX];          /* "" on the last page */
};

/* GET of path, which has a query; goes on behind cursor ("" for the first page), named as the
 * parameter is ("cursor", of /events "after"). False with *error when it cannot be had: texts and
 * records live in the request's arena. Yields. Never fails by unwinding. */
bool page_read(struct request *rq, struct bridge_system *system, const char *path,
	       const char *parameter, const char *cursor, struct page *page, const char **error);

#endif
