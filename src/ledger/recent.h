/* recent.h - what worlds create and spend in one part, found by outpoint.
 *
 * A world's events are an array of its own. The table holds 8 bytes for each coin that a world
 * makes, and for each that it takes out of the root: bits of the outpoint's keyed hash, and which
 * event of which world. Who spends a coin that a world made hangs on that coin's event instead, one
 * for each fork that spends it. What a world sees of an outpoint is the last of those events in the
 * table that are its ancestors', unless one of its ancestors hangs on it; so a lookup costs the
 * same at any depth, and forks cost only those who spend the same coins. Thread: the ledger's, or
 * whoever has the part. */
#ifndef LEDGER_RECENT_H
#define LEDGER_RECENT_H
#include "ledger/ledger.h"

#define WORLD_SLOTS_MAX   1024
#define RECENT_INDEX_BITS 22 /* of an event in its world: a block has at most 4,000,000 bytes */

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
    uint32_t ref; /* world << RECENT_INDEX_BITS | event, or EVENT_NONE: free */
};

struct recent {
    struct recent_slot *slots;
    unsigned shift;             /* home = hash >> shift */
    uint32_t count;             /* in the table */
    uint32_t linked_count;      /* hanging on one */
    const struct world *worlds; /* by slot */
};

void recent_init(struct recent *recent, const struct world *worlds);
void recent_clear(struct recent *recent);

/* Makes room, so that more adds need none. */
void recent_reserve(struct recent *recent, uint32_t more);

static inline struct event *recent_event(const struct recent *recent, uint32_t ref)
{
    return &recent->worlds[ref >> RECENT_INDEX_BITS].events[ref & ((1u << RECENT_INDEX_BITS) - 1)];
}

static inline void recent_prefetch(const struct recent *recent, uint32_t hash)
{
    __builtin_prefetch(recent->slots + (hash >> recent->shift));
}

/* The events with these bits: a second wave, once the slots are near. */
void recent_prefetch_events(const struct recent *recent, uint32_t hash);

/* Of the table the last event of outpoint that world sees, or EVENT_NONE. */
uint32_t recent_find(const struct recent *recent, const struct world *world,
                     const struct outpoint *outpoint, uint32_t hash);
/* That event is a spend, or world sees a spend that hangs on it. */
bool recent_is_spent(const struct recent *recent, const struct world *world,
                     const struct event *event);

/* Event number index of world, which is in place, comes into the table. */
void recent_add(struct recent *recent, const struct world *world, uint32_t index);
/* It is there. */
void recent_remove(struct recent *recent, const struct world *world, uint32_t index);
/* Hangs that event, a spend, on the event at maker, which recent_find found. */
void recent_link(struct recent *recent, uint32_t maker, const struct world *world, uint32_t index);
/* Before maker leaves the table: those that hang on it come into the table themselves. */
void recent_unlink_spenders(struct recent *recent, struct event *maker);
/* Takes away all events of world in this part; nothing hangs on them. */
void recent_sweep(struct recent *recent, const struct world *world, uint32_t part);

size_t recent_memory(const struct recent *recent);

static inline bool world_sees(const struct world *world, uint32_t slot)
{
    return world->ancestors[slot / 64] >> (slot % 64) & 1;
}
#endif
