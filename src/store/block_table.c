#include "store/block_table.h"
#include "base/arena.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

struct block_table {
    struct block_entry *entries; /* by position */
    size_t count_max;
    _Atomic size_t count; /* the ledger thread writes, all read */
};

struct block_table *block_table_new(size_t count_max)
{
    struct block_table *table = xmalloc(sizeof *table);
    size_t size = count_max * sizeof *table->entries;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    table->entries = memory;
    table->count_max = count_max;
    atomic_init(&table->count, 0);
    return table;
}

void block_table_free(struct block_table *table)
{
    if (table == NULL)
        return;
    munmap(table->entries, table->count_max * sizeof *table->entries);
    free(table);
}

bool block_table_append(struct block_table *table, uint64_t pos, uint32_t size,
                        struct header_node *node)
{
    size_t count = atomic_load_explicit(&table->count, memory_order_relaxed);

    if (count == table->count_max)
        return false;
    assert(count == 0 || pos >= table->entries[count - 1].pos + table->entries[count - 1].size);
    table->entries[count] = (struct block_entry){pos, node, size};
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

const struct block_entry *block_table_find(const struct block_table *table, uint64_t pos)
{
    size_t low = 0;
    size_t high = block_table_count(table);

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
