/* parts.h - a job of the ledger thread cut into parts that workers take too. The ledger thread
 * takes parts like the others and waits for those that are under way when none is left, so nothing
 * waits for a worker that is busy. */
#ifndef PIPELINE_PARTS_H
#define PIPELINE_PARTS_H
#include "pipeline/ring.h"

struct parts {
    /* In the low half the parts that nobody has taken yet, in the high half which job they are of:
     * a part is taken by an exchange of both, so a late worker takes none of another job. */
    _Alignas(CACHE_LINE) _Atomic uint64_t open;
    /* Written by the ledger thread before open, which releases them; read by who took a part, while
     * the job cannot end. */
    void (*run)(void *arg, uint32_t part);
    void *arg;
    _Alignas(CACHE_LINE) _Atomic uint32_t unfinished;
    struct waiter waiter; /* of the ledger thread, for the last part */
};

static inline bool parts_are_open(struct parts *parts)
{
    return (uint32_t)atomic_load_explicit(&parts->open, memory_order_relaxed) > 0;
}

/* Takes a part and does it. False: there is none. */
bool parts_do_one(struct parts *parts);

/* One thread at a time: calls run for 0 to count - 1, with the help of up to helper_count threads
 * that sleep on helpers, or come by. */
void parts_do_all(struct parts *parts, void (*run)(void *arg, uint32_t part), void *arg,
                  uint32_t count, struct waiter *helpers, uint32_t helper_count);
#endif
