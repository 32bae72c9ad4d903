/* common/app/background.c -- work of the daemon itself, each piece in a coroutine of its own. */
#include <stdlib.h>

#include "app/app.h"
#include "app/process.h"
#include "base/coro.h"
#include "base/log.h"

struct background {
	const char *name;
	void (*work)(struct request *rq, void *arg);
	void *arg;
};

static int count;

static void
run(void *arg)
{
	struct background *background = arg;
	struct request rq;

	request_init(&rq, app_current()->db);
	if (!request_run(&rq, background->work, background->arg))
		log_fault(&rq, background->name);
	request_release(&rq);
	free(background);
	count--;
}

void
app_background(const char *name, void (*work)(struct request *rq, void *arg), void *arg)
{
	struct background *background = malloc(sizeof(*background));

	if (!background)
		die("out of memory");
	*background = (struct background){ .name = name, .work = work, .arg = arg };
	count++;
	coro_start(run, background);
}

int
background_count(void)
{
	return count;
}
