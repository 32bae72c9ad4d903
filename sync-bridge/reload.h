/* sync-bridge/reload.h -- another configuration in place of the one that runs, without a restart.
 *
 * SIGHUP and POST /config/reload read bridge.json, secrets and mappings again. One that is wrong is
 * refused whole. A good one takes the old one's place between two turns of the loop; what is under
 * way ends with the old one, which is freed after that. What lanes hold is dropped and comes back
 * by the sweep; systems keep their breakers. The other processes of the database are told by a row
 * (config_state) and a NOTIFY, and read their own files.
 */
#ifndef BRIDGE_RELOAD_H
#define BRIDGE_RELOAD_H

#include "app/app.h"
#include "base/json.h"

/* After bridge_config_load: tells the others what this process runs, and listens to them. */
void reload_start(void);
void reload_stop(void);

/* On SIGHUP. */
void reload_signal(struct app *app);

/* POST /api/v1/config/reload: 422 with file, place and reason when it is refused. */
void reload_post(struct request *rq);

/* Member "configuration" of the status: digest, read_at, generation, and whether this process runs
 * what was last published. Yields; may fail. */
cJSON *reload_state(struct request *rq);

#endif
