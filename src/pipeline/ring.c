#include "pipeline/ring.h"

#include "base/arena.h"
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void assert_power_of_two(size_t capacity)
{
    assert(capacity >= 2 && (capacity & (capacity - 1)) == 0);
}

void spsc_init(struct spsc *ring, size_t capacity)
{
    assert_power_of_two(capacity);
    *ring = (struct spsc){.slots = xcalloc(capacity, sizeof(void *)), .mask = capacity - 1};
}

void spsc_clear(struct spsc *ring)
{
    free(ring->slots);
    ring->slots = NULL;
}

bool spsc_push(struct spsc *ring, void *item)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    if (tail - ring->head_seen > ring->mask) {
        /* Pairs with the release of head in spsc_pop: the slot has been read before it is written
         * again. */
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->head_seen > ring->mask)
            return false;
    }
    ring->slots[tail & ring->mask] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void *spsc_pop(struct spsc *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head == ring->tail_seen) {
        /* Pairs with the release of tail in spsc_push: the item is written before it is seen. */
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->tail_seen)
            return NULL;
    }
    void *item = ring->slots[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

void mpmc_init(struct mpmc *ring, size_t capacity)
{
    assert_power_of_two(capacity);
    *ring =
        (struct mpmc){.slots = xcalloc(capacity, sizeof(struct mpmc_slot)), .mask = capacity - 1};
    for (size_t i = 0; i < capacity; i++)
        atomic_store_explicit(&ring->slots[i].turn, i, memory_order_relaxed);
}

void mpmc_clear(struct mpmc *ring)
{
    free(ring->slots);
    ring->slots = NULL;
}

/* A slot whose turn is i takes the push number i; after it the turn is i + 1 and pop number i may
 * take it; after that the turn is i + capacity, for the push one round later. */
bool mpmc_push(struct mpmc *ring, void *item)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    for (;;) {
        struct mpmc_slot *slot = &ring->slots[tail & ring->mask];
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);

        if (turn == tail) {
            if (atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                slot->item = item;
                atomic_store_explicit(&slot->turn, tail + 1, memory_order_release);
                return true;
            }
        } else if ((int64_t)(turn - tail) < 0) {
            return false;
        } else {
            tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        }
    }
}

void *mpmc_pop(struct mpmc *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    for (;;) {
        struct mpmc_slot *slot = &ring->slots[head & ring->mask];
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);

        if (turn == head + 1) {
            if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                void *item = slot->item;
                atomic_store_explicit(&slot->turn, head + ring->mask + 1, memory_order_release);
                return item;
            }
        } else if ((int64_t)(turn - (head + 1)) < 0) {
            return NULL;
        } else {
            head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        }
    }
}

size_t mpmc_count(struct mpmc *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    return tail > head ? (size_t)(tail - head) : 0;
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

uint32_t waiter_prepare(struct waiter *waiter)
{
    uint32_t epoch = atomic_load(&waiter->epoch);

    atomic_fetch_add(&waiter->sleepers, 1);
    return epoch;
}

void waiter_cancel(struct waiter *waiter)
{
    atomic_fetch_sub(&waiter->sleepers, 1);
}

void waiter_wait(struct waiter *waiter, uint32_t prepared, int64_t timeout_us)
{
    struct timespec ts = {timeout_us / 1000000, timeout_us % 1000000 * 1000};

    /* Returns at once when epoch has moved on; spurious returns are fine, callers look at their
     * rings. */
    futex(&waiter->epoch, FUTEX_WAIT, prepared, timeout_us < 0 ? NULL : &ts);
    atomic_fetch_sub(&waiter->sleepers, 1);
}

void waiter_wake(struct waiter *waiter, uint32_t count)
{
    /* A read-modify-write, so that it is ordered after the push before it even where a plain
     * sequentially consistent load could be satisfied early (store buffer); pairs with the add in
     * waiter_prepare. */
    if (atomic_fetch_add(&waiter->sleepers, 0) == 0)
        return;
    atomic_fetch_add(&waiter->epoch, 1);
    futex(&waiter->epoch, FUTEX_WAKE, count > INT_MAX ? INT_MAX : count, NULL);
}
