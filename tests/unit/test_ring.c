/* test_ring.c - the rings and how threads sleep on them: order, bounds, and every item once under
 * many threads (run it under TSan too). */
#include "pipeline/ring.h"
#include "shared_files.h"
#include <pthread.h>

#define ITEMS   100000
#define THREADS 4

static void *item_of(uintptr_t number)
{
    return (void *)number; /* never followed */
}

START_TEST(spsc_keeps_order_and_bounds)
{
    struct spsc ring;

    spsc_init(&ring, 4);
    ck_assert_ptr_null(spsc_pop(&ring));
    for (uintptr_t round = 0; round < 20; round++) {
        for (uintptr_t i = 1; i <= 4; i++)
            ck_assert(spsc_push(&ring, item_of(round * 10 + i)));
        ck_assert(!spsc_push(&ring, item_of(99)));
        for (uintptr_t i = 1; i <= 4; i++)
            ck_assert_ptr_eq(spsc_pop(&ring), item_of(round * 10 + i));
        ck_assert_ptr_null(spsc_pop(&ring));
        ck_assert(spsc_push(&ring, item_of(7))); /* another place in the ring each round */
        ck_assert_ptr_eq(spsc_pop(&ring), item_of(7));
    }
    spsc_clear(&ring);
}
END_TEST

START_TEST(mpmc_keeps_order_and_bounds)
{
    struct mpmc ring;

    mpmc_init(&ring, 4);
    ck_assert_ptr_null(mpmc_pop(&ring));
    for (uintptr_t round = 0; round < 20; round++) {
        for (uintptr_t i = 1; i <= 4; i++)
            ck_assert(mpmc_push(&ring, item_of(round * 10 + i)));
        ck_assert(!mpmc_push(&ring, item_of(99)));
        ck_assert_uint_eq(mpmc_count(&ring), 4);
        for (uintptr_t i = 1; i <= 4; i++)
            ck_assert_ptr_eq(mpmc_pop(&ring), item_of(round * 10 + i));
        ck_assert_ptr_null(mpmc_pop(&ring));
        ck_assert_uint_eq(mpmc_count(&ring), 0);
        ck_assert(mpmc_push(&ring, item_of(7)));
        ck_assert_ptr_eq(mpmc_pop(&ring), item_of(7));
    }
    mpmc_clear(&ring);
}
END_TEST

struct load {
    struct spsc spsc;
    struct mpmc mpmc;
    struct waiter items, room; /* consumers sleep on items, producers on room */
    uint32_t *cells;           /* written before the push, read after the pop: what TSan watches */
    _Atomic uint32_t next;     /* the next item to make */
    _Atomic uint32_t taken;
    _Atomic uint64_t sum;
};

static void wait_for(struct waiter *waiter, bool (*try)(struct load *, uintptr_t *),
                     struct load *load, uintptr_t *item)
{
    while (!try(load, item)) {
        uint32_t prepared = waiter_prepare(waiter);

        if (try(load, item)) {
            waiter_cancel(waiter);
            return;
        }
        waiter_wait(waiter, prepared, -1); /* a lost wake-up would hang here */
    }
}

static bool push_spsc(struct load *load, uintptr_t *item)
{
    return spsc_push(&load->spsc, item_of(*item));
}

static bool pop_spsc(struct load *load, uintptr_t *item)
{
    return (*item = (uintptr_t)spsc_pop(&load->spsc)) != 0;
}

static bool push_mpmc(struct load *load, uintptr_t *item)
{
    return mpmc_push(&load->mpmc, item_of(*item));
}

/* Or all are taken. */
static bool pop_mpmc(struct load *load, uintptr_t *item)
{
    *item = (uintptr_t)mpmc_pop(&load->mpmc);
    return *item != 0 || atomic_load(&load->taken) == ITEMS;
}

static void *make_spsc(void *argument)
{
    struct load *load = argument;

    for (uintptr_t item = 1; item <= ITEMS; item++) {
        load->cells[item] = (uint32_t)item * 3;
        wait_for(&load->room, push_spsc, load, &item);
        waiter_wake(&load->items, 1);
    }
    return NULL;
}

START_TEST(spsc_between_two_threads)
{
    struct load load = {.cells = xcalloc(ITEMS + 1, sizeof(uint32_t))};
    pthread_t thread;

    spsc_init(&load.spsc, 64);
    ck_assert_int_eq(pthread_create(&thread, NULL, make_spsc, &load), 0);
    for (uintptr_t wanted = 1; wanted <= ITEMS; wanted++) {
        uintptr_t item;
        wait_for(&load.items, pop_spsc, &load, &item);
        waiter_wake(&load.room, 1);
        ck_assert_uint_eq(item, wanted);
        ck_assert_uint_eq(load.cells[item], (uint32_t)item * 3);
    }
    pthread_join(thread, NULL);
    spsc_clear(&load.spsc);
    free(load.cells);
}
END_TEST

static void *make_mpmc(void *argument)
{
    struct load *load = argument;
    uintptr_t item;

    while ((item = atomic_fetch_add(&load->next, 1) + 1) <= ITEMS) {
        load->cells[item] = (uint32_t)item * 3;
        wait_for(&load->room, push_mpmc, load, &item);
        waiter_wake(&load->items, 1);
    }
    return NULL;
}

static void *take_mpmc(void *argument)
{
    struct load *load = argument;
    uintptr_t item;

    for (;;) {
        wait_for(&load->items, pop_mpmc, load, &item);
        if (item == 0)
            return NULL;
        waiter_wake(&load->room, 1);
        assert(load->cells[item] == (uint32_t)item * 3); /* 0 if somebody had it before */
        load->cells[item] = 0;
        atomic_fetch_add(&load->sum, item);
        if (atomic_fetch_add(&load->taken, 1) + 1 == ITEMS)
            waiter_wake(&load->items, THREADS);
    }
}

START_TEST(mpmc_between_many_threads)
{
    struct load load = {.cells = xcalloc(ITEMS + 1, sizeof(uint32_t))};
    pthread_t makers[THREADS], takers[THREADS];

    mpmc_init(&load.mpmc, 16);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&makers[i], NULL, make_mpmc, &load), 0);
        ck_assert_int_eq(pthread_create(&takers[i], NULL, take_mpmc, &load), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(makers[i], NULL);
        pthread_join(takers[i], NULL);
    }
    ck_assert_uint_eq(atomic_load(&load.taken), ITEMS);
    ck_assert_uint_eq(atomic_load(&load.sum), (uint64_t)ITEMS * (ITEMS + 1) / 2);
    mpmc_clear(&load.mpmc);
    free(load.cells);
}
END_TEST

START_TEST(a_wait_ends_by_time_or_by_a_wake_before_it)
{
    struct waiter waiter = {0};
    uint32_t prepared = waiter_prepare(&waiter);

    waiter_wait(&waiter, prepared, 1000);
    prepared = waiter_prepare(&waiter);
    waiter_wake(&waiter, 1);
    waiter_wait(&waiter, prepared, -1);
    ck_assert_uint_eq(atomic_load(&waiter.sleepers), 0);
}
END_TEST

int main(void)
{
    return SUITE_RUN("ring", spsc_keeps_order_and_bounds, mpmc_keeps_order_and_bounds,
                     spsc_between_two_threads, mpmc_between_many_threads,
                     a_wait_ends_by_time_or_by_a_wake_before_it);
}
