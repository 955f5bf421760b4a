#include "base/random.h"
#include "shared_files.h"
#include "store/block_table.h"

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

int main(void)
{
    return SUITE_RUN("block_table", the_table_knows_whose_each_byte_is);
}
