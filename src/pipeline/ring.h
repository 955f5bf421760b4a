/* ring.h - bounded lock-free queues of pointers and small words, and how a thread sleeps on them.
 * spsc: one thread pushes, one pops. mpmc: any threads. Capacities are powers of two, chosen so
 * that all admitted work fits: a push that fails is our own mistake at the callers that say so.
 * Memory order stands on the operations (no bare fences), so that TSan follows it. */
#ifndef PIPELINE_RING_H
#define PIPELINE_RING_H
#include "base/bytes.h"
#include <stdatomic.h>

#define CACHE_LINE 64

struct spsc {
    _Alignas(CACHE_LINE) _Atomic uint64_t tail; /* producer writes */
    uint64_t head_seen;                         /* producer's copy of head */
    _Alignas(CACHE_LINE) _Atomic uint64_t head; /* consumer writes */
    uint64_t tail_seen;                         /* consumer's copy of tail */
    _Alignas(CACHE_LINE) void **slots;
    uint64_t mask;
};

void spsc_init(struct spsc *ring, size_t capacity); /* a power of two */
void spsc_clear(struct spsc *ring);
MUST_CHECK bool spsc_push(struct spsc *ring, void *item); /* false when full */
MUST_CHECK void *spsc_pop(struct spsc *ring);             /* NULL when empty */

struct mpmc_slot {
    /* Pairs: the pusher's release store with the popper's acquire load and back; without them a
     * popper could read an item before it is written, or a pusher overwrite one that is being read.
     */
    _Atomic uint64_t turn;
    void *item;
};

struct mpmc {
    _Alignas(CACHE_LINE) _Atomic uint64_t tail;
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
    _Alignas(CACHE_LINE) struct mpmc_slot *slots;
    uint64_t mask;
};

void mpmc_init(struct mpmc *ring, size_t capacity);
void mpmc_clear(struct mpmc *ring);
MUST_CHECK bool mpmc_push(struct mpmc *ring, void *item);
MUST_CHECK void *mpmc_pop(struct mpmc *ring);
/* About how many items are in it; exact when nobody else is at work. */
size_t mpmc_count(struct mpmc *ring);

/* Where threads sleep until there may be work. A consumer that found its rings empty calls
 * waiter_prepare, looks at the rings once more, and then waits or cancels; a producer pushes and
 * then calls waiter_wake. Either the producer sees the sleeper or the consumer sees the item: both
 * sides are sequentially consistent. */
struct waiter {
    _Alignas(CACHE_LINE) _Atomic uint32_t epoch; /* futex word */
    _Atomic uint32_t sleepers;
};

uint32_t waiter_prepare(struct waiter *waiter);
void waiter_cancel(struct waiter *waiter);
/* Sleeps unless a wake came after prepare, at most timeout_us (negative: no limit). Ends the
 * preparation. */
void waiter_wait(struct waiter *waiter, uint32_t prepared, int64_t timeout_us);
/* Wakes up to count sleepers; costs one load when there are none. */
void waiter_wake(struct waiter *waiter, uint32_t count);
#endif
