/* events.h - what a block does to coins, outpoint by outpoint: made by a worker, part by part, so
 * that connecting the block only has to follow them. Pure; any thread. */
#ifndef LEDGER_EVENTS_H
#define LEDGER_EVENTS_H
#include "ledger/coin.h"

enum event_flags {
    EVENT_SPEND = 1,    /* else the coin is created */
    EVENT_LINKED = 2,   /* a spend of what a world above the root made: it hangs on that event */
    EVENT_REPLACED = 4, /* a spend without an input: BIP30_OVERWRITE */
    EVENT_SHARED = 8,   /* more than one spend hangs on it, or did */
};

/* Events of worlds point at each other by world slot and number (recent.h). */
#define EVENT_NONE UINT32_MAX

struct event {
    struct outpoint outpoint;
    uint16_t shard;
    uint16_t flags;
    uint32_t slot;
    union {
        uint32_t place;    /* which input of the block (the coinbase's aside), or which output */
        uint32_t spenders; /* of an output of a connected block: the first that hangs on it */
    };
    union {
        uint64_t tag;
        struct { /* if LINKED: the event of its coin, and the next that hangs on that */
            uint32_t maker, next;
        };
    };
    /* Of the coin, for a spend too. Until the block is connected 0 for a spend, and positions count
     * from the block's first byte. */
    uint64_t word;
};
_Static_assert(sizeof(struct event) == 64, "a cache line");

static inline struct coin_hash event_hash(const struct event *event)
{
    return (struct coin_hash){.tag = event->tag, .shard = event->shard, .slot = event->slot};
}

struct block_events {
    struct event *events; /* malloc'ed; by part, within each in the order in which they act */
    uint32_t ends[LEDGER_PARTS]; /* of each part */
    uint32_t input_count, created_count;
};

static inline uint32_t events_begin(const uint32_t ends[LEDGER_PARTS], uint32_t part)
{
    return part ? ends[part - 1] : 0;
}

/* Of a block with a coinbase and txids. False: the arena (for what is needed on the way) is full.
 */
MUST_CHECK bool block_events_make(const struct ledger_key *key, const struct block *block,
                                  struct arena *arena, struct block_events *events);
void block_events_clear(struct block_events *events);
#endif
