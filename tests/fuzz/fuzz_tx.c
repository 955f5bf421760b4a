/* With CAESURE_KERNEL the same bytes are transactions for the reference node, with the same txids,
 * and pass its context-free rules (kernel.h). */
#include "base/hash.h"
#include "chain/tx_rules.h"
#include "codec/compact.h"
#include "kernel.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_witnesses(const struct tx *tx)
{
    size_t count = 0;

    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct cursor c = cursor_of(tx->inputs[i].witness);

        for (uint32_t k = 0; k < tx->inputs[i].witness_count; k++)
            witness_next(&c);
        assert(cursor_ok(&c) && cursor_left(&c) == 0);
        count += tx->inputs[i].witness_count;
    }
    assert((count > 0) == tx->has_witness);
}

static uint8_t *put(uint8_t *at, struct bytes b)
{
    memcpy(at, b.data, b.size);
    return at + b.size;
}

static uint8_t *put_sized(uint8_t *at, struct bytes b)
{
    return put(at + compact_write(at, b.size), b);
}

static uint8_t *put_inputs(uint8_t *at, const struct tx *tx)
{
    at += compact_write(at, tx->input_count);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        const struct tx_input *input = &tx->inputs[i];

        at = put(at, (struct bytes){(const uint8_t *)&input->prevout, sizeof input->prevout});
        at = put_sized(at, input->script_sig);
        le32_write(at, input->sequence);
        at += 4;
    }
    return at;
}

static uint8_t *put_outputs(uint8_t *at, const struct tx *tx)
{
    at += compact_write(at, tx->output_count);
    for (uint32_t i = 0; i < tx->output_count; i++) {
        const struct tx_output *output = &tx->outputs[i];

        assert(le64_read(tx->raw.data + output->offset) == (uint64_t)output->amount_sat);
        le64_write(at, (uint64_t)output->amount_sat);
        at = put_sized(at + 8, output->script_pubkey);
    }
    return at;
}

/* Writes tx anew from the parsed fields. */
static size_t write_whole(uint8_t *out, const struct tx *tx)
{
    static const uint8_t marker_and_flag[] = {0, 1};
    uint8_t *at = out + 4;

    le32_write(out, tx->version);
    if (tx->has_witness)
        at = put(at, (struct bytes){marker_and_flag, 2});
    at = put_inputs(at, tx);
    at = put_outputs(at, tx);
    for (uint32_t i = 0; tx->has_witness && i < tx->input_count; i++) {
        at += compact_write(at, tx->inputs[i].witness_count);
        at = put(at, tx->inputs[i].witness);
    }
    le32_write(at, tx->lock_time);
    return (size_t)(at + 4 - out);
}

/* There is one encoding per transaction, and the stripped one hashes to the txid. */
static void check_round_trip(const struct tx *tx, struct bytes data)
{
    uint8_t *again = xmalloc(data.size);
    uint8_t hash[32];

    assert(write_whole(again, tx) == data.size && memcmp(again, data.data, data.size) == 0);
    assert(tx->stripped_size <= data.size && (tx->stripped_size < data.size) == tx->has_witness);
    tx_write_stripped(again, tx);
    sha256d_once(hash, again, tx->stripped_size);
    assert(memcmp(hash, tx->txid.bytes, 32) == 0);
    free(again);
}

/* tx: NULL if these bytes are none. */
static void compare(const struct tx *tx, struct bytes data)
{
    if (!kernel_is_there())
        return;
    struct kernel_tx *theirs = kernel_tx_new(data, NULL, 0);

    assert((theirs != NULL) == (tx != NULL));
    if (tx) {
        const struct outpoint **scratch = xmalloc((tx->input_count + 1) * sizeof *scratch);
        uint8_t txid[32];

        kernel_tx_id(theirs, txid);
        assert(memcmp(txid, tx->txid.bytes, 32) == 0);
        assert(kernel_tx_passes(theirs) == (tx_check(tx, scratch) == VALID));
        free(scratch);
    }
    kernel_tx_free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 26);
    bool is_tx = tx_parse(&tx, bytes, &arena);
    if (is_tx) {
        check_witnesses(&tx);
        check_round_trip(&tx, bytes);
    }
    compare(is_tx ? &tx : NULL, bytes);
    arena_clear(&arena);
    return 0;
}
