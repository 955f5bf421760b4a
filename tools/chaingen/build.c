#include "chaingen/build.h"
#include "base/hash.h"
#include "chain/block_rules.h"
#include "codec/opcode.h"
#include <stdlib.h>

#define COMMITMENT_SIZE 38
static const uint8_t commitment_head[6] = {OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed};

void build_tx(struct buffer *out, const struct tx *tx)
{
    buffer_le32(out, tx->version);
    if (tx->has_witness)
        buffer_put(out, "\0\1", 2); /* marker and flag */
    buffer_compact(out, tx->input_count);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        const struct tx_input *input = &tx->inputs[i];

        buffer_put(out, &input->prevout, sizeof input->prevout);
        buffer_sized(out, input->script_sig);
        buffer_le32(out, input->sequence);
    }
    buffer_compact(out, tx->output_count);
    for (uint32_t i = 0; i < tx->output_count; i++) {
        buffer_le64(out, (uint64_t)tx->outputs[i].amount_sat);
        buffer_sized(out, tx->outputs[i].script_pubkey);
    }
    for (uint32_t i = 0; i < tx->input_count && tx->has_witness; i++) {
        buffer_compact(out, tx->inputs[i].witness_count);
        buffer_put(out, tx->inputs[i].witness.data, tx->inputs[i].witness.size);
    }
    buffer_le32(out, tx->lock_time);
}

void build_coinbase(struct buffer *out, const struct build_coinbase *coinbase)
{
    static const uint8_t witness[33] = {32}; /* one item: the reserved value of BIP141, zero */
    uint8_t commitment[COMMITMENT_SIZE] = {0};
    struct buffer script_sig = {0};
    struct tx_input input = {.prevout.vout = UINT32_MAX, .sequence = SEQUENCE_FINAL};
    struct tx_output outputs[2] = {
        {.amount_sat = coinbase->amount_sat, .script_pubkey = coinbase->script_pubkey},
        {.amount_sat = 0, .script_pubkey = {commitment, sizeof commitment}},
    };
    struct tx tx = {.version = 2,
                    .inputs = &input,
                    .input_count = 1,
                    .outputs = outputs,
                    .output_count = coinbase->has_commitment ? 2 : 1,
                    .has_witness = coinbase->has_commitment};

    memcpy(commitment, commitment_head, sizeof commitment_head);
    buffer_push_number(&script_sig, coinbase->height);
    buffer_push(&script_sig, coinbase->extra);
    input.script_sig = buffer_bytes(&script_sig);
    if (tx.has_witness) {
        input.witness = (struct bytes){witness, sizeof witness};
        input.witness_count = 1;
    }
    build_tx(out, &tx);
    buffer_free(&script_sig);
}

static void write_commitment(uint8_t *raw, struct block *block, uint8_t *scratch)
{
    int32_t output = block_find_commitment(block);
    uint8_t root_and_reserved[64] = {0};
    struct cursor witness = cursor_of(block->txs[0].inputs[0].witness);

    if (output < 0)
        return;
    block_witness_merkle_root(root_and_reserved, block, scratch);
    if (block->txs[0].inputs[0].witness_count > 0) {
        struct bytes reserved = witness_next(&witness);

        memcpy(root_and_reserved + 32, reserved.data, reserved.size < 32 ? reserved.size : 32);
    }

    const uint8_t *script = block->txs[0].outputs[output].script_pubkey.data;

    sha256d_once(raw + (script - raw) + sizeof commitment_head, root_and_reserved,
                 sizeof root_and_reserved);
    tx_hash(&block->txs[0]);
}

static void find_nonce(struct block_hash *hash, uint8_t *raw)
{
    bool is_negative, is_overflow;
    struct u256 target = u256_from_compact(le32_read(raw + 72), &is_negative, &is_overflow);

    for (uint32_t nonce = 0;; nonce++) {
        struct u256 value;

        le32_write(raw + 76, nonce);
        sha256d_80(hash->bytes, raw);
        value = u256_from_le(hash->bytes);
        if (u256_compare(&value, &target) <= 0)
            return;
        assert(nonce != UINT32_MAX);
    }
}

bool build_seal(struct block_hash *hash, uint8_t *raw, size_t size, unsigned what)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, SIZE_MAX);
    if (!block_parse(&block, (struct bytes){raw, size}, &arena, true)) {
        arena_clear(&arena);
        return false;
    }

    uint8_t *scratch = xmalloc(32 * ((size_t)block.tx_count + 1));
    bool is_mutated;

    if (what & BUILD_COMMITMENT && block.tx_count > 0 && block.txs[0].input_count > 0)
        write_commitment(raw, &block, scratch);
    if (what & BUILD_MERKLE)
        block_merkle_root(raw + 36, &is_mutated, &block, scratch);
    if (what & BUILD_NONCE)
        find_nonce(hash, raw);
    else
        sha256d_80(hash->bytes, raw);
    free(scratch);
    arena_clear(&arena);
    return true;
}

struct block_hash build_block(struct buffer *out, const struct header *header,
                              const struct bytes *txs, size_t count)
{
    struct block_hash hash;

    buffer_clear(out);
    buffer_put(out, header, HEADER_SIZE);
    buffer_compact(out, count);
    for (size_t i = 0; i < count; i++)
        buffer_put(out, txs[i].data, txs[i].size);

    bool is_block = build_seal(&hash, out->data, out->size, BUILD_ALL);

    assert(is_block);
    return hash;
}
