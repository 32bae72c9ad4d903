/* common/event/webhook.h -- what happens to a webhook's own row from inside event/. */
#ifndef EVENT_WEBHOOK_H
#define EVENT_WEBHOOK_H

#include <stdint.h>

/* Its target said 410 Gone: disables it in a coroutine of its own, with its event. */
void webhook_disable(int64_t id);

#endif
