/* block_table.h - which block holds a position of blocks.bin. Coins know only the position of their
 * TxOut; the height comes from here.
 * Thread: the ledger thread appends; any thread finds, without locks. Entries never move or change.
 */
#ifndef STORE_BLOCK_TABLE_H
#define STORE_BLOCK_TABLE_H
#include "base/bytes.h"

struct header_node;

struct block_entry {
    uint64_t pos; /* of the block's first byte */
    struct header_node *node;
    uint32_t size;
    uint32_t node_index; /* node->index, for those who need no more of it */
};

struct block_table;

/* Room for count_max entries (24 bytes each) is address space only until it is used. */
struct block_table *block_table_new(size_t count_max);
void block_table_free(struct block_table *table);

/* pos is behind the last entry's block. False when the table is full, or pos too far behind. */
MUST_CHECK bool block_table_append(struct block_table *table, uint64_t pos, uint32_t size,
                                   struct header_node *node);
/* The block that contains the byte at pos, or NULL: framing, or nothing is known there. */
const struct block_entry *block_table_find(const struct block_table *table, uint64_t pos);

size_t block_table_count(const struct block_table *table);
const struct block_entry *block_table_at(const struct block_table *table, size_t index);
#endif
