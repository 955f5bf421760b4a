#include "base/random.h"
#include "shared_files.h"
#include "store/block_table.h"
#include "store/tail.h"
#include <pthread.h>
#include <stdatomic.h>

static void free_block(void *context, void *owner)
{
    size_t *count = context;

    (*count)++;
    free(owner);
}

/* A block whose bytes tell its position: byte i is the low byte of (pos + i) * 31. */
static uint8_t *block_at(uint64_t pos, size_t size)
{
    uint8_t *block = xmalloc(size);

    for (size_t i = 0; i < size; i++)
        block[i] = (uint8_t)((pos + i) * 31);
    return block;
}

START_TEST(the_table_knows_whose_each_byte_is)
{
    struct block_table *table = block_table_new(1000);
    struct header_node *node = (struct header_node *)table; /* never looked into */
    struct prng prng;
    uint64_t pos = 8;

    prng_init(&prng, 1);
    ck_assert_ptr_null(block_table_find(table, 0));
    for (size_t i = 0; i < 1000; i++) {
        uint32_t size = (uint32_t)(81 + prng_below(&prng, 100));

        ck_assert(block_table_append(table, pos, size, node));
        pos += size + 8 + (i % 10 == 0 ? 500 : 0); /* holes are allowed */
    }
    ck_assert(!block_table_append(table, pos, 81, node));
    ck_assert_uint_eq(block_table_count(table), 1000);

    const struct block_entry *entry = block_table_at(table, 0);

    for (uint64_t at = 0; at < pos + 100; at++) { /* beside a plain walk */
        const struct block_entry *found = block_table_find(table, at);

        while (entry < block_table_at(table, 999) && at >= entry[1].pos)
            entry++;
        if (at >= entry->pos && at < entry->pos + entry->size)
            ck_assert_ptr_eq(found, entry);
        else
            ck_assert_ptr_null(found);
    }
    block_table_free(table);
}
END_TEST

START_TEST(the_tail_gives_the_rest_of_the_block)
{
    struct tail *tail = tail_new(8);
    size_t freed = 0;

    ck_assert_uint_eq(tail_first_pos(tail), UINT64_MAX);
    ck_assert_ptr_null(tail_find(tail, 8).data);
    for (uint64_t i = 0; i < 8; i++)
        tail_push(tail, 8 + i * 108, (struct bytes){block_at(8 + i * 108, 100), 100}, NULL);
    ck_assert(tail_count(tail) == 8 && tail_size(tail) == 800);
    ck_assert_uint_eq(tail_first_pos(tail), 8);
    for (uint64_t pos = 0; pos < 900; pos++) {
        struct bytes found = tail_find(tail, pos);
        uint64_t offset = (pos + 100) % 108; /* in its record, the framing behind the block */

        if (pos < 8 || pos >= 8 + 7 * 108 + 100 || offset >= 100) {
            ck_assert(found.data == NULL && found.size == 0);
        } else {
            ck_assert_uint_eq(found.size, 100 - offset);
            ck_assert_uint_eq(found.data[0], (uint8_t)(pos * 31));
        }
    }
    for (uint64_t i = 0; i < 8; i++)
        free((void *)tail_find(tail, 8 + i * 108).data);
    tail_evict(tail, 500, 8, 8, free_block, &freed); /* all pinned */
    ck_assert_uint_eq(freed, 0);
    tail_evict(tail, 500, 8, 8 + 108, free_block, &freed); /* one is not */
    ck_assert_uint_eq(freed, 1);
    tail_evict(tail, 500, 8, UINT64_MAX, free_block, &freed);
    ck_assert(freed == 3 && tail_size(tail) == 500);
    tail_evict(tail, 500, 2, UINT64_MAX, free_block, &freed);
    ck_assert(freed == 6 && tail_count(tail) == 2);
    ck_assert_uint_eq(tail_first_pos(tail), 8 + 6 * 108);
    ck_assert_ptr_null(tail_find(tail, 8).data);
    tail_evict(tail, 0, 0, UINT64_MAX, free_block, &freed);
    ck_assert_uint_eq(freed, 8);
    tail_free(tail);
}
END_TEST

/* One thread appends and evicts, as the ledger thread does; workers look up what they have pinned.
 */
enum { WORKERS = 3, BLOCKS = 4000, KEPT = 20 };

struct shared {
    struct tail *tail;
    struct block_table *table;
    /* What each worker's job pins: the tail's first and the last position at its connect. 0: no
     * job. */
    _Atomic uint64_t pin[WORKERS], last[WORKERS];
    _Atomic bool is_over;
    _Atomic uint64_t found;
};

struct worker {
    struct shared *shared;
    size_t index;
};

static void look_up(struct shared *shared, uint64_t pos)
{
    struct bytes bytes = tail_find(shared->tail, pos);
    const struct block_entry *entry = block_table_find(shared->table, pos);

    if (entry == NULL)
        return; /* framing */
    ck_assert_ptr_nonnull(bytes.data);
    ck_assert_uint_eq(bytes.size, entry->pos + entry->size - pos);
    ck_assert_uint_eq(bytes.data[0], (uint8_t)(pos * 31));
    ck_assert_uint_eq(bytes.data[bytes.size - 1], (uint8_t)((pos + bytes.size - 1) * 31));
    atomic_fetch_add_explicit(&shared->found, 1, memory_order_relaxed);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct shared *shared = worker->shared;
    struct prng prng;

    prng_init(&prng, worker->index);
    while (!atomic_load(&shared->is_over)) {
        uint64_t pin = atomic_load(&shared->pin[worker->index]);
        uint64_t last = atomic_load(&shared->last[worker->index]);

        if (pin == 0) {
            sched_yield();
            continue;
        }
        for (int i = 0; i < 50; i++)
            look_up(shared, pin + prng_below(&prng, last - pin + 1));
        atomic_store(&shared->pin[worker->index], 0); /* the job is done */
    }
    return NULL;
}

START_TEST(workers_find_what_they_pinned_while_the_tail_moves)
{
    struct shared shared = {.tail = tail_new(64), .table = block_table_new(BLOCKS)};
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    struct prng prng;
    size_t freed = 0;
    uint64_t pos = 8;

    prng_init(&prng, 99);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){&shared, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 81 + prng_below(&prng, 200);
        uint8_t *block = block_at(pos, size);
        uint64_t least = UINT64_MAX;

        for (;;) { /* a pin that lags holds the tail up, as the world slots do in the node */
            least = UINT64_MAX;
            for (size_t k = 0; k < WORKERS; k++) {
                uint64_t pin = atomic_load(&shared.pin[k]);

                least = pin != 0 && pin < least ? pin : least;
            }
            tail_evict(shared.tail, SIZE_MAX, KEPT, least, free_block, &freed);
            if (tail_count(shared.tail) < 60)
                break;
            sched_yield();
        }
        ck_assert(block_table_append(shared.table, pos, (uint32_t)size, NULL));
        tail_push(shared.tail, pos, (struct bytes){block, size}, block);
        for (size_t k = 0; k < WORKERS; k++)
            if (atomic_load(&shared.pin[k]) == 0) {
                atomic_store(&shared.last[k], pos + size - 1);
                atomic_store(&shared.pin[k], tail_first_pos(shared.tail));
            }
        pos += size + 8;
    }
    atomic_store(&shared.is_over, true);
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    tail_evict(shared.tail, 0, 0, UINT64_MAX, free_block, &freed);
    ck_assert_uint_eq(freed, BLOCKS);
    ck_assert_uint_gt(atomic_load(&shared.found), 1000);
    tail_free(shared.tail);
    block_table_free(shared.table);
}
END_TEST

int main(void)
{
    return SUITE_RUN("tail", the_table_knows_whose_each_byte_is,
                     the_tail_gives_the_rest_of_the_block,
                     workers_find_what_they_pinned_while_the_tail_moves);
}
