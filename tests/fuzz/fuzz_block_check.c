/* The first byte chooses regtest or a signet with a trivial challenge; the rest is a block, which
 * is given a fitting merkle root and proof of work, so that the rules behind them are reached. With
 * CAESURE_KERNEL the verdict of regtest is the reference node's, too (kernel.h). */
#include "chain/block_rules.h"
#include "chain/header_rules.h"
#include "kernel.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fit_header(uint8_t *raw, const struct block *block, const struct params *params)
{
    uint8_t *scratch = xmalloc(32 * (block->tx_count + (size_t)1));
    struct block_hash hash;
    bool is_mutated;

    block_merkle_root(raw + 36, &is_mutated, block, scratch);
    free(scratch);
    le32_write(raw + 72, params->pow_limit_bits);
    for (uint32_t nonce = 0;; nonce++) {
        le32_write(raw + 76, nonce);
        sha256d_80(hash.bytes, raw);
        if (header_check_pow(params, &hash, params->pow_limit_bits))
            return;
    }
}

static bool all_are_final(const struct block *block, int32_t height, int64_t time)
{
    for (uint32_t i = 0; i < block->tx_count; i++)
        if (!tx_is_final(&block->txs[i], height, time))
            return false;
    return true;
}

/* The facts are enough to tell what a look at every transaction tells. */
static void check_context(const struct params *params, const struct block *block,
                          const struct block_facts *facts)
{
    struct header_node prev = {.median_time_past = block->header.nonce};

    for (prev.height = 0; prev.height < 600000000; prev.height = prev.height * 3 + 1) {
        enum verdict verdict = block_check_context(params, facts, &prev);

        assert((verdict == BAD_TXNS_NONFINAL) ==
               !all_are_final(block, prev.height + 1, prev.median_time_past));
        assert(verdict != VALID || facts->weight <= BLOCK_WEIGHT_MAX);
    }
    assert(facts->weight == block_weight(block));
    assert(money_in_range(facts->coinbase_sat));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct params params;
    struct arena arena;
    struct block block;
    struct block_facts facts;

    if (size < 1 + HEADER_SIZE)
        return 0;
    params_init(&params, data[0] & 1 ? NETWORK_SIGNET : NETWORK_REGTEST);
    if (params.is_signet)
        params_set_signet_challenge(&params, (struct bytes){(const uint8_t *)"\x51", 1});
    if (!u256_from_hex(&params.pow_limit, "7fffff00000000000000000000000000"
                                          "00000000000000000000000000000000"))
        abort();
    params.pow_limit_bits = u256_to_compact(&params.pow_limit);

    size--;
    uint8_t *raw = xmalloc(size);
    memcpy(raw, data + 1, size);
    arena_init(&arena, 1 << 27);
    if (block_parse(&block, (struct bytes){raw, size}, &arena, true)) {
        fit_header(raw, &block, &params);
        bool parses = block_parse(&block, (struct bytes){raw, size}, &arena, true);
        assert(parses);
        enum verdict verdict = block_check(&params, &block, &arena, &facts);

        assert(verdict != HIGH_HASH && verdict != BAD_TXNMRKLROOT);
        assert(!verdict_marks(verdict));
        if (kernel_is_there() && !params.is_signet)
            assert(kernel_block_passes((struct bytes){raw, size}) == (verdict == VALID));
        if (verdict == VALID)
            check_context(&params, &block, &facts);
    }
    arena_clear(&arena);
    free(raw);
    return 0;
}
