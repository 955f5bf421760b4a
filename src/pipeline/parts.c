#include "pipeline/parts.h"

bool parts_do_one(struct parts *parts)
{
    /* Pairs with the release in parts_do_all: run and arg are those of the part. */
    uint64_t open = atomic_load_explicit(&parts->open, memory_order_acquire);

    do {
        if ((uint32_t)open == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&parts->open, &open, open - 1,
                                                    memory_order_acquire, memory_order_acquire));
    parts->run(parts->arg, (uint32_t)open - 1);
    /* Releases what the part wrote; the ledger thread acquires it where it reads 0. */
    if (atomic_fetch_sub(&parts->unfinished, 1) == 1)
        waiter_wake(&parts->waiter, 1);
    return true;
}

void parts_do_all(struct parts *parts, void (*run)(void *arg, uint32_t part), void *arg,
                  uint32_t count, struct waiter *helpers, uint32_t helper_count)
{
    uint64_t job = atomic_load_explicit(&parts->open, memory_order_relaxed) >> 32;

    parts->run = run;
    parts->arg = arg;
    atomic_store_explicit(&parts->unfinished, count, memory_order_relaxed);
    atomic_store_explicit(&parts->open, (job + 1) << 32 | count, memory_order_release);
    waiter_wake(helpers, helper_count);
    while (parts_do_one(parts))
        ;
    while (atomic_load_explicit(&parts->unfinished, memory_order_acquire) > 0) {
        uint32_t prepared = waiter_prepare(&parts->waiter);

        if (atomic_load(&parts->unfinished) == 0)
            waiter_cancel(&parts->waiter);
        else
            waiter_wait(&parts->waiter, prepared, -1);
    }
}
