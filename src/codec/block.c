#include "codec/block.h"
#include "base/hash.h"
#include "codec/compact.h"

#define TX_SIZE_MIN (4 + 1 + 1 + 4)

/* All but raw and hash; the cursor is at data's begin. */
static bool read_block(struct block *block, struct cursor *c, struct bytes data,
                       struct arena *arena)
{
    if (data.size > UINT32_MAX || !header_parse(&block->header, cursor_take(c, HEADER_SIZE)))
        return false;

    uint64_t tx_count = compact_read(c);

    if (tx_count > cursor_left(c) / TX_SIZE_MIN)
        return false;
    block->txs = arena_array(arena, tx_count, sizeof *block->txs);
    if (block->txs == NULL)
        return false;
    block->tx_count = (uint32_t)tx_count;
    block->input_count = 0;
    block->output_count = 0;
    block->stripped_size = (uint32_t)(HEADER_SIZE + compact_size(tx_count));
    for (uint32_t i = 0; i < block->tx_count; i++) {
        struct tx *tx = &block->txs[i];

        if (!tx_read(tx, c, data.data, arena))
            return false;
        block->input_count += tx->input_count;
        block->output_count += tx->output_count;
        block->stripped_size += tx->stripped_size;
    }
    return cursor_ok(c);
}

bool block_parse(struct block *block, struct bytes data, struct arena *arena, bool with_hashes)
{
    struct cursor c = cursor_of(data);

    if (!read_block(block, &c, data, arena) || cursor_left(&c) != 0)
        return false;
    block->raw = data;
    if (with_hashes) {
        txs_hash(block->txs, block->tx_count);
        block->hash = header_hash(&block->header);
    }
    return true;
}

size_t block_measure(struct bytes data, struct arena *arena)
{
    struct cursor c = cursor_of(data);
    struct block block;

    return read_block(&block, &c, data, arena) ? data.size - cursor_left(&c) : 0;
}

static bool is_equal_pair(const uint8_t hashes[64])
{
    return le64_read(hashes) == le64_read(hashes + 32) && memcmp(hashes, hashes + 32, 32) == 0;
}

bool merkle_fold(uint8_t *hashes, size_t count)
{
    bool has_equal_pair = false;

    while (count > 1) {
        for (size_t i = 0; i + 1 < count; i += 2)
            has_equal_pair |= is_equal_pair(hashes + 32 * i);
        if (count % 2 != 0) {
            memcpy(hashes + 32 * count, hashes + 32 * (count - 1), 32);
            count++;
        }
        count /= 2;
        sha256d_64_many(hashes, hashes, count);
    }
    return has_equal_pair;
}

void block_merkle_root(uint8_t root[32], bool *is_mutated, const struct block *block,
                       uint8_t *scratch)
{
    memset(scratch, 0, 32);
    for (size_t i = 0; i < block->tx_count; i++)
        memcpy(scratch + 32 * i, block->txs[i].txid.bytes, 32);
    *is_mutated = merkle_fold(scratch, block->tx_count);
    memcpy(root, scratch, 32);
}

void block_witness_merkle_root(uint8_t root[32], const struct block *block, uint8_t *scratch)
{
    memset(scratch, 0, 32);
    for (size_t i = 1; i < block->tx_count; i++)
        memcpy(scratch + 32 * i, block->txs[i].wtxid.bytes, 32);
    merkle_fold(scratch, block->tx_count);
    memcpy(root, scratch, 32);
}
