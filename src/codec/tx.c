#include "codec/tx.h"
#include "base/hash.h"
#include "codec/compact.h"

/* The least an element of each kind takes on the wire. A count is compared with what is left of the
 * buffer before anything is allocated by it. */
#define INPUT_SIZE_MIN  (36 + 1 + 4)
#define OUTPUT_SIZE_MIN (8 + 1)
#define HASHED_AT_ONCE  64 /* transactions */

/* Reads a count and allocates as many elements; NULL (and a failed cursor) if they cannot all be
 * there. */
static void *read_count(uint32_t *count, struct cursor *c, size_t wire_size_min, size_t size,
                        struct arena *arena)
{
    uint64_t n = compact_read(c);
    void *array = NULL;

    if (n <= cursor_left(c) / wire_size_min && n <= UINT32_MAX)
        array = arena_array(arena, n, size);
    if (array == NULL)
        cursor_fail(c);
    *count = array == NULL ? 0 : (uint32_t)n;
    return array;
}

static void read_inputs(struct tx *tx, struct cursor *c, struct arena *arena)
{
    tx->inputs = read_count(&tx->input_count, c, INPUT_SIZE_MIN, sizeof *tx->inputs, arena);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct tx_input *input = &tx->inputs[i];
        struct bytes prevout = cursor_take(c, sizeof input->prevout);

        if (prevout.size == 0)
            return;
        memcpy(&input->prevout, prevout.data, sizeof input->prevout);
        input->script_sig = cursor_take(c, compact_read(c));
        input->sequence = cursor_le32(c);
        input->witness = (struct bytes){NULL, 0};
        input->witness_count = 0;
    }
}

static void read_outputs(struct tx *tx, struct cursor *c, const uint8_t *base, struct arena *arena)
{
    tx->outputs = read_count(&tx->output_count, c, OUTPUT_SIZE_MIN, sizeof *tx->outputs, arena);
    for (uint32_t i = 0; i < tx->output_count && cursor_ok(c); i++) {
        struct tx_output *output = &tx->outputs[i];

        output->offset = (uint32_t)(c->at - base);
        output->amount_sat = (int64_t)cursor_le64(c);
        output->script_pubkey = cursor_take(c, compact_read(c));
    }
}

/* Fails the cursor also when all witnesses are empty: such a transaction has a shorter form. */
static void read_witnesses(struct tx *tx, struct cursor *c)
{
    bool is_superfluous = true;

    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct tx_input *input = &tx->inputs[i];
        uint64_t count = compact_read(c);
        const uint8_t *first = c->at;

        if (count > cursor_left(c)) {
            cursor_fail(c);
            return;
        }
        for (uint64_t k = 0; k < count; k++)
            cursor_take(c, compact_read(c));
        if (!cursor_ok(c))
            return;
        input->witness = (struct bytes){first, (size_t)(c->at - first)};
        input->witness_count = (uint32_t)count;
        if (count > 0)
            is_superfluous = false;
    }
    if (is_superfluous)
        cursor_fail(c);
}

bool tx_read(struct tx *tx, struct cursor *c, const uint8_t *base, struct arena *arena)
{
    const uint8_t *start = c->at;

    tx->version = cursor_le32(c);
    /* A zero where the input count stands is BIP144's marker if a flag other than zero follows. */
    tx->has_witness = cursor_left(c) >= 2 && c->at[0] == 0 && c->at[1] != 0;
    if (tx->has_witness) {
        cursor_u8(c);
        if (cursor_u8(c) != 1)
            return false;
    }

    const uint8_t *body = c->at;

    read_inputs(tx, c, arena);
    if (cursor_ok(c))
        read_outputs(tx, c, base, arena);
    tx->body = (struct bytes){body, (size_t)(c->at - body)};
    if (tx->has_witness && cursor_ok(c))
        read_witnesses(tx, c);
    tx->lock_time = cursor_le32(c);
    tx->raw = (struct bytes){start, (size_t)(c->at - start)};
    tx->stripped_size = (uint32_t)(4 + tx->body.size + 4);
    return cursor_ok(c);
}

bool tx_parse(struct tx *tx, struct bytes data, struct arena *arena)
{
    struct cursor c = cursor_of(data);

    if (data.size > UINT32_MAX || !tx_read(tx, &c, data.data, arena) || cursor_left(&c) != 0)
        return false;
    tx_hash(tx);
    return true;
}

/* At least one. */
static void hash_some(struct tx *txs, size_t count)
{
    struct sha256_message messages[2 * HASHED_AT_ONCE], *end = messages;
    struct tx *tx = txs;

    do {
        if (tx->has_witness)
            *end++ = (struct sha256_message){.first = tx->raw.data,
                                             .middle = tx->body,
                                             .last = tx->raw.data + tx->raw.size - 4,
                                             .out = tx->txid.bytes};
        *end++ = (struct sha256_message){.middle = tx->raw, .out = tx->wtxid.bytes};
    } while (++tx < txs + count);
    sha256d_many(messages, (size_t)(end - messages));
    for (tx = txs; tx < txs + count; tx++)
        if (!tx->has_witness)
            memcpy(&tx->txid, &tx->wtxid, sizeof tx->txid);
}

void txs_hash(struct tx *txs, size_t count)
{
    for (size_t some; count > 0; txs += some, count -= some) {
        some = count < HASHED_AT_ONCE ? count : HASHED_AT_ONCE;
        hash_some(txs, some);
    }
}

void tx_hash(struct tx *tx)
{
    hash_some(tx, 1);
}

void tx_write_stripped(uint8_t *out, const struct tx *tx)
{
    le32_write(out, tx->version);
    memcpy(out + 4, tx->body.data, tx->body.size);
    le32_write(out + 4 + tx->body.size, tx->lock_time);
}

struct bytes witness_next(struct cursor *cursor)
{
    return cursor_take(cursor, compact_read(cursor));
}
