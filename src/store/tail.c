#include "store/tail.h"
#include "base/arena.h"
#include <stdatomic.h>
#include <stdlib.h>

struct entry {
    uint64_t pos;
    struct bytes block;
    void *owner;
};

struct tail {
    struct entry *entries; /* a circle: index modulo count_max */
    size_t count_max;
    size_t size;
    /* The ledger thread writes, workers read. Indexes only grow. */
    _Atomic size_t first, end;
};

struct tail *tail_new(size_t count_max)
{
    struct tail *tail = xcalloc(1, sizeof *tail);

    assert(count_max > 0 && (count_max & (count_max - 1)) == 0);
    tail->entries = xcalloc(count_max, sizeof *tail->entries);
    tail->count_max = count_max;
    return tail;
}

void tail_free(struct tail *tail)
{
    if (tail == NULL)
        return;
    assert(tail_count(tail) == 0);
    free(tail->entries);
    free(tail);
}

static struct entry *entry_at(const struct tail *tail, size_t index)
{
    return &tail->entries[index & (tail->count_max - 1)];
}

static size_t first_of(const struct tail *tail)
{
    return atomic_load_explicit(&tail->first, memory_order_acquire);
}

/* Pairs with tail_push's release: without it an entry could be read before it is written. */
static size_t end_of(const struct tail *tail)
{
    return atomic_load_explicit(&tail->end, memory_order_acquire);
}

size_t tail_count(const struct tail *tail)
{
    return end_of(tail) - first_of(tail);
}

size_t tail_size(const struct tail *tail)
{
    return tail->size;
}

void tail_push(struct tail *tail, uint64_t pos, struct bytes block, void *owner)
{
    size_t end = end_of(tail);
    const struct entry *last = entry_at(tail, end - 1);

    assert(tail_count(tail) < tail->count_max);
    assert(tail_count(tail) == 0 || pos >= last->pos + last->block.size);
    *entry_at(tail, end) = (struct entry){pos, block, owner};
    tail->size += block.size;
    atomic_store_explicit(&tail->end, end + 1, memory_order_release);
}

/* A worker's job pins the entries from `first` as it was at the job's connect, and first moves up
 * to the least pin only: so what lies between first and end here is not overwritten while it looks.
 */
struct bytes tail_find(const struct tail *tail, uint64_t pos)
{
    size_t low = first_of(tail);
    size_t high = end_of(tail);
    size_t first = low;

    while (low < high) { /* the first entry behind pos */
        size_t middle = low + (high - low) / 2;

        if (entry_at(tail, middle)->pos > pos)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == first)
        return (struct bytes){NULL, 0};

    const struct entry *entry = entry_at(tail, low - 1);
    uint64_t offset = pos - entry->pos;

    if (offset >= entry->block.size)
        return (struct bytes){NULL, 0};
    return (struct bytes){entry->block.data + offset, entry->block.size - (size_t)offset};
}

uint64_t tail_first_pos(const struct tail *tail)
{
    return tail_count(tail) == 0 ? UINT64_MAX : entry_at(tail, first_of(tail))->pos;
}

void tail_evict(struct tail *tail, size_t keep_size, size_t keep_count, uint64_t pinned_first_pos,
                void (*free_owner)(void *context, void *owner), void *context)
{
    while (tail_count(tail) > 0 && (tail->size > keep_size || tail_count(tail) > keep_count)) {
        size_t first = first_of(tail);
        struct entry entry = *entry_at(tail, first);

        if (entry.pos + entry.block.size > pinned_first_pos)
            return;
        tail->size -= entry.block.size;
        atomic_store_explicit(&tail->first, first + 1, memory_order_release);
        *entry_at(tail, first) = (struct entry){.owner = NULL};
        free_owner(context, entry.owner);
    }
}
