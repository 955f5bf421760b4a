#include "store/block_table.h"
#include "base/arena.h"
#include "chain/header_tree.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define GRANULE_BITS  20
#define GRANULE_COUNT ((size_t)1 << (42 - GRANULE_BITS)) /* as far as a coin's position goes */

struct block_table {
    struct block_entry *entries; /* by position */
    size_t count_max;
    _Atomic size_t count; /* the ledger thread writes, all read */
    /* By MiB of the file: one more than the index of the first entry that begins there or behind,
     * 0 while there is none. A search begins there: it would wait for memory at each step of a
     * million blocks. Written once each, before count. */
    _Atomic uint32_t *firsts;
    size_t granule; /* the first without */
};

static void *address_space(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

struct block_table *block_table_new(size_t count_max)
{
    struct block_table *table = xmalloc(sizeof *table);

    assert(count_max < UINT32_MAX);
    table->entries = address_space(count_max * sizeof *table->entries);
    table->firsts = address_space(GRANULE_COUNT * sizeof *table->firsts);
    table->granule = 0;
    table->count_max = count_max;
    atomic_init(&table->count, 0);
    return table;
}

void block_table_free(struct block_table *table)
{
    if (table == NULL)
        return;
    munmap(table->entries, table->count_max * sizeof *table->entries);
    munmap(table->firsts, GRANULE_COUNT * sizeof *table->firsts);
    free(table);
}

bool block_table_append(struct block_table *table, uint64_t pos, uint32_t size,
                        struct header_node *node)
{
    size_t count = atomic_load_explicit(&table->count, memory_order_relaxed);

    if (count == table->count_max || pos >> GRANULE_BITS >= GRANULE_COUNT)
        return false;
    assert(count == 0 || pos >= table->entries[count - 1].pos + table->entries[count - 1].size);
    table->entries[count] = (struct block_entry){pos, node, size, node->index};
    for (; table->granule <= pos >> GRANULE_BITS; table->granule++)
        atomic_store_explicit(&table->firsts[table->granule], (uint32_t)count + 1,
                              memory_order_relaxed);
    /* Pairs with block_table_count: who sees the count sees the entries. */
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    return true;
}

size_t block_table_count(const struct block_table *table)
{
    /* Pairs with the append's release: without it an entry could be read before it is written. */
    return atomic_load_explicit(&table->count, memory_order_acquire);
}

const struct block_entry *block_table_at(const struct block_table *table, size_t index)
{
    assert(index < block_table_count(table));
    return &table->entries[index];
}

/* The first entry that begins in this granule or behind, as far as is known: else limit. */
static size_t first_from(const struct block_table *table, uint64_t granule, size_t limit)
{
    uint32_t first = granule < GRANULE_COUNT
                         ? atomic_load_explicit(&table->firsts[granule], memory_order_relaxed)
                         : 0;

    return first > 0 && first - 1 < limit ? first - 1 : limit;
}

const struct block_entry *block_table_find(const struct block_table *table, uint64_t pos)
{
    size_t count = block_table_count(table);
    size_t low = first_from(table, pos >> GRANULE_BITS, count);
    size_t high = first_from(table, (pos >> GRANULE_BITS) + 1, count);

    while (low < high) { /* the first entry behind pos */
        size_t middle = low + (high - low) / 2;

        if (table->entries[middle].pos > pos)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return NULL;

    const struct block_entry *entry = &table->entries[low - 1];

    return pos - entry->pos < entry->size ? entry : NULL;
}
