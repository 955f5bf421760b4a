#include "pipeline/order.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/random.h"
#include <stdlib.h>

/* Items in buckets by their parent's hash, each bucket in the order of items. */
struct order {
    struct siphash_key key;
    uint32_t *heads, *nexts; /* index + 1 */
    size_t mask;
};

static size_t bucket_of(const struct order *order, const struct block_hash *hash)
{
    return siphash24(order->key, hash, sizeof *hash) & order->mask;
}

static void fill_buckets(struct order *order, const struct ordered_item *items, size_t count)
{
    size_t size = 16;

    while (size < count * 2)
        size *= 2;
    order->mask = size - 1;
    random_bytes(&order->key, sizeof order->key);
    order->heads = xcalloc(size, sizeof *order->heads);
    order->nexts = xcalloc(count, sizeof *order->nexts);
    for (size_t i = count; i-- > 0;) {
        size_t bucket = bucket_of(order, &items[i].prev_hash);
        order->nexts[i] = order->heads[bucket];
        order->heads[bucket] = (uint32_t)i + 1;
    }
}

size_t order_visit(const struct ordered_item *items, size_t count,
                   bool (*is_known)(void *context, const struct block_hash *hash),
                   bool (*visit)(void *context, size_t index), void *context)
{
    struct order order;
    uint32_t *queue = xcalloc(count, sizeof *queue);
    bool *is_queued = xcalloc(count, sizeof *is_queued);
    size_t head = 0, tail = 0;

    assert(count < UINT32_MAX);
    fill_buckets(&order, items, count);
    for (size_t i = 0; i < count; i++)
        if (is_known(context, &items[i].prev_hash) || is_known(context, &items[i].hash))
            is_queued[queue[tail++] = (uint32_t)i] = true;
    while (head < tail) {
        uint32_t index = queue[head++];

        if (!visit(context, index))
            continue;
        uint32_t child = order.heads[bucket_of(&order, &items[index].hash)];
        for (; child; child = order.nexts[child - 1])
            if (!is_queued[child - 1] &&
                block_hash_equal(&items[child - 1].prev_hash, &items[index].hash)) {
                is_queued[child - 1] = true;
                queue[tail++] = child - 1;
            }
    }
    free(order.heads);
    free(order.nexts);
    free(queue);
    free(is_queued);
    return tail;
}
