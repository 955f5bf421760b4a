/* make_block.h - blocks for tests, written from structs as the parser would make them. */
#ifndef TESTS_MAKE_BLOCK_H
#define TESTS_MAKE_BLOCK_H
#include "base/hash.h"
#include "build_tx.h"
#include "chain/block_rules.h"
#include "chain/header_rules.h"

#define MADE_TXS 16

/* txs[0] is a good coinbase, the others spend something; all may be changed before made_write. */
struct made {
    struct header header;
    struct tx txs[MADE_TXS];
    uint32_t tx_count;
    struct tx_input inputs[MADE_TXS];
    struct tx_output outputs[MADE_TXS][2];
    uint8_t coinbase_script[8];
    uint8_t commitment[64];
};

static const uint8_t made_nonce[33] = {32}; /* the coinbase's witness: one item of zeros */

static inline void write_tx(struct build *b, const struct tx *tx, bool with_witness)
{
    build_u32(b, tx->version);
    if (with_witness && tx->has_witness)
        build_raw(b, "\0\1", 2);
    build_count(b, tx->input_count);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        build_raw(b, &tx->inputs[i].prevout, 36);
        build_count(b, tx->inputs[i].script_sig.size);
        build_raw(b, tx->inputs[i].script_sig.data, tx->inputs[i].script_sig.size);
        build_u32(b, tx->inputs[i].sequence);
    }
    build_count(b, tx->output_count);
    for (uint32_t i = 0; i < tx->output_count; i++) {
        build_u64(b, (uint64_t)tx->outputs[i].amount_sat);
        build_count(b, tx->outputs[i].script_pubkey.size);
        build_raw(b, tx->outputs[i].script_pubkey.data, tx->outputs[i].script_pubkey.size);
    }
    for (uint32_t i = 0; with_witness && tx->has_witness && i < tx->input_count; i++) {
        build_count(b, tx->inputs[i].witness_count);
        build_raw(b, tx->inputs[i].witness.data, tx->inputs[i].witness.size);
    }
    build_u32(b, tx->lock_time);
}

/* Of a regtest block at height with tx_count transactions. */
static inline void made_init(struct made *made, int32_t height, uint32_t tx_count)
{
    memset(made, 0, sizeof *made);
    made->header = (struct header){.version = 4, .time = 1600000000, .bits = 0x207fffff};
    made->tx_count = tx_count;
    for (uint32_t i = 0; i < tx_count; i++) {
        made->txs[i] = (struct tx){.version = 2,
                                   .input_count = 1,
                                   .output_count = 1,
                                   .inputs = &made->inputs[i],
                                   .outputs = made->outputs[i]};
        memset(&made->inputs[i].prevout, (int)i, 36);
        made->inputs[i].sequence = SEQUENCE_FINAL;
        made->outputs[i][0].amount_sat = 1000;
        made->outputs[i][0].script_pubkey = (struct bytes){(const uint8_t *)"\x51", 1};
    }
    made->inputs[0].prevout.vout = UINT32_MAX;
    made->coinbase_script[0] = 3; /* good for heights from 0x8000 to 0x7fffff, and below BIP34's */
    memcpy(made->coinbase_script + 1, &height, 3);
    made->inputs[0].script_sig = (struct bytes){made->coinbase_script, 8};
}

/* The hash of the made transaction, stripped or whole. */
static inline void made_hash(uint8_t out[32], const struct tx *tx, bool with_witness)
{
    struct build b = {0};

    write_tx(&b, tx, with_witness);
    sha256d_once(out, b.data, b.size);
    free(b.data);
}

/* Gives the coinbase a second output with the witness commitment, and its witness. */
static inline void made_commit(struct made *made)
{
    uint8_t hashes[MADE_TXS + 1][32] = {{0}};
    uint8_t both[64] = {0};

    for (uint32_t i = 1; i < made->tx_count; i++)
        made_hash(hashes[i], &made->txs[i], true);
    merkle_fold(hashes[0], made->tx_count);
    memcpy(both, hashes[0], 32);
    memcpy(made->commitment, "\x6a\x24\xaa\x21\xa9\xed", 6);
    sha256d_once(made->commitment + 6, both, 64);
    made->txs[0].output_count = 2;
    made->outputs[0][1].script_pubkey = (struct bytes){made->commitment, 38};
    made->txs[0].has_witness = true;
    made->inputs[0].witness_count = 1;
    made->inputs[0].witness = (struct bytes){made_nonce, 33};
}

/* Counts the nonce up until the hash meets the bits. */
static inline void mine(uint8_t *header, const struct params *params)
{
    struct block_hash hash;

    for (uint32_t nonce = 0;; nonce++) {
        le32_write(header + 76, nonce);
        sha256d_80(hash.bytes, header);
        if (header_check_pow(params, &hash, le32_read(header + 72)))
            return;
    }
}

/* The block's bytes with merkle root and proof of work; end with free((void *)b.data). */
static inline struct bytes made_write(struct made *made, const struct params *params)
{
    uint8_t hashes[MADE_TXS + 1][32] = {{0}};
    struct build b = {0};

    for (uint32_t i = 0; i < made->tx_count; i++)
        made_hash(hashes[i], &made->txs[i], false);
    merkle_fold(hashes[0], made->tx_count);
    memcpy(made->header.merkle_root, hashes[0], 32);
    build_raw(&b, &made->header, HEADER_SIZE);
    mine(b.data, params);
    build_count(&b, made->tx_count);
    for (uint32_t i = 0; i < made->tx_count; i++)
        write_tx(&b, &made->txs[i], true);
    return build_take(&b);
}

/* Parse and block_check of some bytes. */
static inline enum verdict judge(const struct params *params, struct bytes raw,
                                 struct block_facts *facts)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, 1 << 28);
    enum verdict verdict = block_parse(&block, raw, &arena, true)
                               ? block_check(params, &block, &arena, facts)
                               : BLOCK_DECODE_FAILED;
    arena_clear(&arena);
    return verdict;
}

static inline enum verdict judge_made(struct made *made, const struct params *params)
{
    struct bytes raw = made_write(made, params);
    struct block_facts facts;
    enum verdict verdict = judge(params, raw, &facts);

    free((void *)raw.data);
    return verdict;
}

/* block_check, then block_check_context after a block of this height and median time. */
static inline enum verdict judge_after(struct made *made, const struct params *params,
                                       int32_t prev_height, uint32_t prev_median)
{
    struct header_node prev = {.height = prev_height, .median_time_past = prev_median};
    struct bytes raw = made_write(made, params);
    struct block_facts facts;
    enum verdict verdict = judge(params, raw, &facts);

    if (verdict == VALID)
        verdict = block_check_context(params, &facts, &prev);
    free((void *)raw.data);
    return verdict;
}
#endif
