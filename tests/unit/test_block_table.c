#include "base/random.h"
#include "chain/header_tree.h"
#include "shared_files.h"
#include "store/block_table.h"

START_TEST(the_table_knows_whose_each_byte_is)
{
    struct block_table *table = block_table_new(1000);
    struct header_node nodes[2] = {{.index = 5}, {.index = 6}};
    struct prng prng;
    uint64_t pos = 8;

    prng_init(&prng, 1);
    ck_assert_ptr_null(block_table_find(table, 0));
    for (size_t i = 0; i < 1000; i++) {
        uint32_t size = (uint32_t)(81 + prng_below(&prng, i % 50 == 0 ? 3000000 : 100));

        ck_assert(block_table_append(table, pos, size, &nodes[i % 2]));
        ck_assert_uint_eq(block_table_at(table, i)->node_index, nodes[i % 2].index);
        pos += size + 8 + (i % 10 == 0 ? 500 : 0); /* holes are allowed */
    }
    ck_assert(!block_table_append(table, pos, 81, &nodes[0]));
    ck_assert_uint_eq(block_table_count(table), 1000);

    const struct block_entry *entry = block_table_at(table, 0);

    for (uint64_t at = 0; at < pos + 3000000; at += 1 + at % 7) { /* beside a plain walk */
        const struct block_entry *found = block_table_find(table, at);

        while (entry < block_table_at(table, 999) && at >= entry[1].pos)
            entry++;
        const struct block_entry *wanted =
            at >= entry->pos && at < entry->pos + entry->size ? entry : NULL;
        if (found != wanted) /* an assertion that holds costs a write, too */
            ck_abort_msg("byte %llu: another block's", (unsigned long long)at);
    }
    block_table_free(table);
}
END_TEST

START_TEST(positions_beyond_what_a_coin_can_hold_are_refused)
{
    struct block_table *table = block_table_new(10);
    struct header_node node = {.index = 0};

    ck_assert(block_table_append(table, ((uint64_t)1 << 42) - 100, 81, &node));
    ck_assert(!block_table_append(table, (uint64_t)1 << 42, 81, &node));
    ck_assert_ptr_nonnull(block_table_find(table, ((uint64_t)1 << 42) - 20));
    ck_assert_ptr_null(block_table_find(table, UINT64_MAX));
    ck_assert_ptr_null(block_table_find(table, 5));
    block_table_free(table);
}
END_TEST

int main(void)
{
    return SUITE_RUN("block_table", the_table_knows_whose_each_byte_is,
                     positions_beyond_what_a_coin_can_hold_are_refused);
}
