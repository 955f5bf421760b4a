/* state.h - the ledger's inside, for its own files only. */
#ifndef LEDGER_STATE_H
#define LEDGER_STATE_H
#include "ledger/ledger.h"
#include "ledger/recent.h"
#include "ledger/root.h"

struct ledger {
    struct ledger_config config;
    struct root root;
    struct recent recent;
    struct world *worlds; /* by slot */
    struct world *root_world;
    uint32_t world_count; /* the root included */
};

static inline struct coin_hash event_hash(const struct event *event)
{
    return (struct coin_hash){.tag = event->tag, .shard = event->shard, .slot = event->slot};
}

/* Takes the events of world out of the table and frees them. */
void world_sweep(struct ledger *ledger, struct world *world);
/* Makes the slot of a swept world free for another. */
void world_release(struct ledger *ledger, struct world *world);
/* All worlds but the root that do not descend from world. */
void ledger_drop_all_but(struct ledger *ledger, const struct world *world);
#endif
