/* With CAESURE_KERNEL what is a block for us is one for the reference node (kernel.h). */
#include "codec/block.h"
#include "codec/compact.h"
#include "kernel.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The transactions and what stands before them fill the block without a gap. */
static void check_layout(const struct block *block)
{
    const uint8_t *at = block->raw.data + HEADER_SIZE + compact_size(block->tx_count);
    size_t stripped_size = (size_t)(at - block->raw.data);

    for (uint32_t i = 0; i < block->tx_count; i++) {
        const struct tx *tx = &block->txs[i];

        assert(tx->raw.data == at);
        at += tx->raw.size;
        stripped_size += tx->stripped_size;
        for (uint32_t k = 0; k < tx->output_count; k++)
            assert(le64_read(block->raw.data + tx->outputs[k].offset) ==
                   (uint64_t)tx->outputs[k].amount_sat);
    }
    assert(at == block->raw.data + block->raw.size);
    assert(stripped_size == block->stripped_size);
    assert(block_weight(block) <= 4 * block->raw.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, 1 << 26);
    size_t measured = block_measure((struct bytes){data, size}, &arena);
    arena_reset(&arena, 0);
    bool is_block = block_parse(&block, (struct bytes){data, measured}, &arena, false);
    assert(measured <= size && is_block == (measured > 0));
    assert(!kernel_is_there() || kernel_block_size((struct bytes){data, size}) == measured);
    arena_reset(&arena, 0);
    if (block_parse(&block, (struct bytes){data, size}, &arena, true)) {
        uint8_t *scratch = xmalloc(32 * (block.tx_count + (size_t)1));
        uint8_t root[32];
        bool is_mutated;

        assert(measured == size);
        check_layout(&block);
        block_merkle_root(root, &is_mutated, &block, scratch);
        block_witness_merkle_root(root, &block, scratch);
        free(scratch);
    }
    arena_clear(&arena);
    return 0;
}
