/* recent.h - what worlds create and spend in one part, found by outpoint.
 *
 * A world's events are an array of its own; the table holds 8 bytes an event: bits of the
 * outpoint's keyed hash, and which event of which world. What a world sees of an outpoint is the
 * last event of those of its ancestors, so a lookup costs the same at any depth and with any number
 * of forks. Thread: the ledger's, or whoever has the part. */
#ifndef LEDGER_RECENT_H
#define LEDGER_RECENT_H
#include "ledger/ledger.h"

#define WORLD_SLOTS_MAX   1024
#define RECENT_INDEX_BITS 22 /* of an event in its world: a block has at most 4,000,000 bytes */
#define RECENT_FREE       UINT32_MAX

/* Free while node is NULL. */
struct world {
    uint64_t ancestors[WORLD_SLOTS_MAX / 64]; /* by slot, itself included */
    struct event *events;                     /* all in the tables once it was connected */
    int32_t height;
    bool is_connected;
    struct world *parent;
    struct header_node *node;
    void *user;
    uint32_t created_count, spent_count;
    uint32_t undo_count; /* inputs but the coinbase's */
    uint32_t ends[LEDGER_PARTS];
};

struct recent_slot {
    uint32_t hash;
    uint32_t ref; /* world << RECENT_INDEX_BITS | event, or RECENT_FREE */
};

struct recent {
    struct recent_slot *slots;
    unsigned shift; /* home = hash >> shift */
    uint32_t count;
    const struct world *worlds; /* by slot */
};

void recent_init(struct recent *recent, const struct world *worlds);
void recent_clear(struct recent *recent);

/* Makes room, so that more adds need none. */
void recent_reserve(struct recent *recent, uint32_t more);

static inline void recent_prefetch(const struct recent *recent, uint32_t hash)
{
    __builtin_prefetch(recent->slots + (hash >> recent->shift));
}

/* The events with these bits: a second wave, once the slots are near. */
void recent_prefetch_events(const struct recent *recent, uint32_t hash);

/* The last event of outpoint that world sees, or NULL. */
struct event *recent_find(const struct recent *recent, const struct world *world,
                          const struct outpoint *outpoint, uint32_t hash);

/* Event number index of world, which is in place. */
void recent_add(struct recent *recent, const struct world *world, uint32_t index);
/* It is there. */
void recent_remove(struct recent *recent, const struct world *world, uint32_t index);
/* All events of world in this part. */
void recent_sweep(struct recent *recent, const struct world *world, uint32_t part);

size_t recent_memory(const struct recent *recent);

static inline bool world_sees(const struct world *world, uint32_t slot)
{
    return world->ancestors[slot / 64] >> (slot % 64) & 1;
}
#endif
