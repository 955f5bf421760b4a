/* state.h - the ledger's inside, for its own files only. */
#ifndef LEDGER_STATE_H
#define LEDGER_STATE_H
#include "ledger/ledger.h"
#include "ledger/recent.h"
#include "ledger/root.h"

struct ledger {
    struct ledger_config config;
    struct root root;
    struct recent recents[LEDGER_PARTS];
    struct world *worlds; /* by slot */
    struct world *root_world;
    uint32_t world_count; /* the root included */
};

/* False: no world that world sees did anything to this outpoint. Else *word is its coin's, or 0. */
bool find_recent(const struct ledger *ledger, const struct world *world,
                 const struct outpoint *outpoint, const struct coin_hash *hash, uint64_t *word);

/* Does run for each part, on several threads where there is enough to do. */
void ledger_run_parts(struct ledger *ledger, void (*run)(void *arg, uint32_t part), void *arg,
                      uint64_t event_count);
/* Makes the slots of worlds free for others; their events are in no table any more. */
void worlds_release(struct ledger *ledger, struct world *const *worlds, size_t count);
/* All worlds that neither descend from world nor it from them. */
void ledger_drop_beside(struct ledger *ledger, const struct world *world);
#endif
