#include "script/sighash.h"
#include "codec/compact.h"
#include "codec/opcode.h"

/* Collects small fields, so that the hash function is called a few times and not for each of them.
 */
struct sink {
    struct sha256 ctx;
    size_t used;
    uint8_t buffer[512];
};

static void flush(struct sink *s)
{
    sha256_update(&s->ctx, s->buffer, s->used);
    s->used = 0;
}

static inline void put(struct sink *s, const void *data, size_t size)
{
    if (size > sizeof s->buffer - s->used)
        flush(s);
    if (size > sizeof s->buffer) {
        sha256_update(&s->ctx, data, size);
    } else if (size > 0) {
        memcpy(s->buffer + s->used, data, size);
        s->used += size;
    }
}

static inline void put_u8(struct sink *s, uint8_t v)
{
    put(s, &v, 1);
}

static inline void put_le32(struct sink *s, uint32_t v)
{
    put(s, &v, 4);
}

static inline void put_le64(struct sink *s, uint64_t v)
{
    put(s, &v, 8);
}

static void put_compact(struct sink *s, uint64_t v)
{
    uint8_t encoded[COMPACT_SIZE_MAX];

    put(s, encoded, compact_write(encoded, v));
}

static void put_script(struct sink *s, struct bytes script)
{
    put_compact(s, script.size);
    put(s, script.data, script.size);
}

static void sink_init(struct sink *s)
{
    sha256_init(&s->ctx);
    s->used = 0;
}

static void sink_final(struct sink *s, uint8_t out[32])
{
    flush(s);
    sha256_final(&s->ctx, out);
}

/* An output of a parsed transaction as it stands in its bytes. */
static struct bytes output_raw(const struct tx_output *output)
{
    size_t before = 8 + compact_size(output->script_pubkey.size);

    return (struct bytes){output->script_pubkey.data - before, before + output->script_pubkey.size};
}

static struct bytes outputs_raw(const struct tx *tx)
{
    if (tx->output_count == 0)
        return (struct bytes){NULL, 0};

    const uint8_t *first = output_raw(&tx->outputs[0]).data;

    return (struct bytes){first, (size_t)(tx->body.data + tx->body.size - first)};
}

static void hash_inputs(struct sighash_parts *parts, const struct tx *tx)
{
    struct sink s;

    sink_init(&s);
    for (uint32_t i = 0; i < tx->input_count; i++)
        put(&s, &tx->inputs[i].prevout, sizeof tx->inputs[i].prevout);
    sink_final(&s, parts->prevouts);

    sink_init(&s);
    for (uint32_t i = 0; i < tx->input_count; i++)
        put_le32(&s, tx->inputs[i].sequence);
    sink_final(&s, parts->sequences);
}

static void hash_prevouts(struct sighash_parts *parts, const struct tx_output *prevouts,
                          uint32_t count)
{
    struct sink s;

    sink_init(&s);
    for (uint32_t i = 0; i < count; i++)
        put_le64(&s, (uint64_t)prevouts[i].amount_sat);
    sink_final(&s, parts->amounts);

    sink_init(&s);
    for (uint32_t i = 0; i < count; i++)
        put_script(&s, prevouts[i].script_pubkey);
    sink_final(&s, parts->scripts);
}

void sighash_parts_init(struct sighash_parts *parts, const struct tx *tx,
                        const struct tx_output *prevouts)
{
    parts->has_v0 = parts->has_taproot = false;
    if (!tx->has_witness)
        return;
    /* A bare version 1 program of 32 bytes is taproot; any other witness may turn out version 0. */
    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct bytes script = prevouts[i].script_pubkey;

        if (tx->inputs[i].witness_count == 0)
            continue;
        if (script.size == 34 && script.data[0] == OP_1 && script.data[1] == 32)
            parts->has_taproot = true;
        else
            parts->has_v0 = true;
    }

    struct bytes outputs = outputs_raw(tx);

    hash_inputs(parts, tx);
    sha256_once(parts->outputs, outputs.data, outputs.size);
    if (parts->has_v0) {
        sha256_once(parts->prevouts_v0, parts->prevouts, 32);
        sha256_once(parts->sequences_v0, parts->sequences, 32);
        sha256_once(parts->outputs_v0, parts->outputs, 32);
    }
    if (parts->has_taproot)
        hash_prevouts(parts, prevouts, tx->input_count);
}

/* Reads on to behind the next OP_CODESEPARATOR; false at the end. *stop is where reading stopped:
 * of a push that is cut short, behind opcode and size, as the reference node's reader does. */
static bool find_separator(struct cursor *c, const uint8_t **stop)
{
    struct script_op op;

    while (cursor_left(c) > 0) {
        size_t left = cursor_left(c);
        const uint8_t *start = c->at;

        if (!script_op_read(&op, c)) {
            size_t head = op.opcode < OP_PUSHDATA1 ? 1 : 1 + (1u << (op.opcode - OP_PUSHDATA1));

            *stop = start + (head <= left ? head : 1);
            return false;
        }
        *stop = c->at;
        if (op.opcode == OP_CODESEPARATOR)
            return true;
    }
    return false;
}

/* The script code less its OP_CODESEPARATORs. A script with a push that is cut short never
 * succeeds, but which error it ends with depends on the hash, so it too is written as the reference
 * node does. */
static void put_script_code(struct sink *s, struct bytes code)
{
    struct cursor c = cursor_of(code);
    const uint8_t *stop = code.data;
    const uint8_t *start = code.data;
    size_t separator_count = 0;

    while (find_separator(&c, &stop))
        separator_count++;
    put_compact(s, code.size - separator_count);
    if (separator_count > 0) {
        c = cursor_of(code);
        while (find_separator(&c, &stop)) {
            put(s, start, (size_t)(stop - 1 - start));
            start = stop;
        }
    }
    put(s, start, (size_t)(stop - start));
}

static void put_legacy_inputs(struct sink *s, const struct tx *tx, uint32_t input_index,
                              struct bytes script_code, uint32_t hash_type)
{
    bool is_all = (hash_type & 0x1f) != SIGHASH_NONE && (hash_type & 0x1f) != SIGHASH_SINGLE;
    uint32_t first = hash_type & SIGHASH_ANYONECANPAY ? input_index : 0;
    uint32_t end = hash_type & SIGHASH_ANYONECANPAY ? input_index + 1 : tx->input_count;

    put_compact(s, end - first);
    for (uint32_t i = first; i < end; i++) {
        const struct tx_input *input = &tx->inputs[i];

        put(s, &input->prevout, sizeof input->prevout);
        if (i == input_index)
            put_script_code(s, script_code);
        else
            put_u8(s, 0);
        put_le32(s, i == input_index || is_all ? input->sequence : 0);
    }
}

static void put_legacy_outputs(struct sink *s, const struct tx *tx, uint32_t input_index,
                               uint32_t hash_type)
{
    if ((hash_type & 0x1f) == SIGHASH_NONE) {
        put_u8(s, 0);
        return;
    }

    struct bytes outputs = outputs_raw(tx);
    uint32_t count = tx->output_count;

    if ((hash_type & 0x1f) == SIGHASH_SINGLE) {
        count = input_index + 1;
        outputs = output_raw(&tx->outputs[input_index]);
    }
    put_compact(s, count);
    for (uint32_t i = 1; i < count && (hash_type & 0x1f) == SIGHASH_SINGLE; i++) {
        put_le64(s, UINT64_MAX); /* an output without meaning: amount -1, no script */
        put_u8(s, 0);
    }
    put(s, outputs.data, outputs.size);
}

void sighash_legacy(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                    struct bytes script_code, uint32_t hash_type, struct sighash_cache *cache)
{
    uint32_t base_type = hash_type & 0x1f;
    uint32_t class = (base_type == SIGHASH_SINGLE ? 2
                      : base_type == SIGHASH_NONE ? 1
                                                  : 0) +
                     (hash_type & SIGHASH_ANYONECANPAY ? 3 : 0);
    struct sink s;

    /* The oldest of bugs: such a signature signs the number 1. */
    if (base_type == SIGHASH_SINGLE && input_index >= tx->output_count) {
        memset(out, 0, 32);
        out[0] = 1;
        return;
    }
    if (cache && cache->ready & 1u << class) {
        s.ctx = cache->states[class];
        s.used = 0;
    } else {
        sink_init(&s);
        put_le32(&s, tx->version);
        put_legacy_inputs(&s, tx, input_index, script_code, hash_type);
        put_legacy_outputs(&s, tx, input_index, hash_type);
        put_le32(&s, tx->lock_time);
        flush(&s);
        if (cache) {
            cache->states[class] = s.ctx;
            cache->ready |= 1u << class;
        }
    }
    put_le32(&s, hash_type);
    flush(&s);
    sha256d_final(&s.ctx, out);
}

void sighash_v0(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                struct bytes script_code, int64_t amount_sat, uint32_t hash_type,
                const struct sighash_parts *parts)
{
    static const uint8_t zero[32];
    const struct tx_input *input = &tx->inputs[input_index];
    uint32_t base_type = hash_type & 0x1f;
    bool is_all = base_type != SIGHASH_SINGLE && base_type != SIGHASH_NONE;
    bool is_alone = hash_type & SIGHASH_ANYONECANPAY;
    uint8_t single[32];
    const uint8_t *outputs = is_all ? parts->outputs_v0 : zero;
    struct sink s;

    assert(parts->has_v0);
    if (base_type == SIGHASH_SINGLE && input_index < tx->output_count) {
        struct bytes output = output_raw(&tx->outputs[input_index]);

        sha256d_once(single, output.data, output.size);
        outputs = single;
    }
    sink_init(&s);
    put_le32(&s, tx->version);
    put(&s, is_alone ? zero : parts->prevouts_v0, 32);
    put(&s, is_alone || !is_all ? zero : parts->sequences_v0, 32);
    put(&s, &input->prevout, sizeof input->prevout);
    put_script(&s, script_code);
    put_le64(&s, (uint64_t)amount_sat);
    put_le32(&s, input->sequence);
    put(&s, outputs, 32);
    put_le32(&s, tx->lock_time);
    put_le32(&s, hash_type);
    flush(&s);
    sha256d_final(&s.ctx, out);
}

static void put_taproot_input(struct sink *s, const struct tx *tx, uint32_t input_index,
                              const struct tx_output *prevouts, bool is_alone)
{
    const struct tx_input *input = &tx->inputs[input_index];

    if (!is_alone) {
        put_le32(s, input_index);
        return;
    }
    put(s, &input->prevout, sizeof input->prevout);
    put_le64(s, (uint64_t)prevouts[input_index].amount_sat);
    put_script(s, prevouts[input_index].script_pubkey);
    put_le32(s, input->sequence);
}

bool sighash_taproot(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                     const struct tx_output *prevouts, uint8_t hash_type,
                     const struct sighash_parts *parts, struct sighash_taproot *spend)
{
    bool is_alone = hash_type & SIGHASH_ANYONECANPAY;
    uint8_t base_type = hash_type & ~SIGHASH_ANYONECANPAY;
    struct sink s;

    assert(parts->has_taproot);
    if (base_type > SIGHASH_SINGLE || hash_type == SIGHASH_ANYONECANPAY)
        return false;
    if (base_type == SIGHASH_SINGLE && input_index >= tx->output_count)
        return false;
    sha256_init_tagged(&s.ctx, "TapSighash");
    s.used = 0;
    put_u8(&s, 0); /* epoch */
    put_u8(&s, hash_type);
    put_le32(&s, tx->version);
    put_le32(&s, tx->lock_time);
    if (!is_alone) {
        put(&s, parts->prevouts, 32);
        put(&s, parts->amounts, 32);
        put(&s, parts->scripts, 32);
        put(&s, parts->sequences, 32);
    }
    if (base_type == SIGHASH_ALL || base_type == SIGHASH_DEFAULT)
        put(&s, parts->outputs, 32);
    put_u8(&s, (spend->leaf_hash ? 2 : 0) + (spend->annex_hash ? 1 : 0));
    put_taproot_input(&s, tx, input_index, prevouts, is_alone);
    if (spend->annex_hash)
        put(&s, spend->annex_hash, 32);
    if (base_type == SIGHASH_SINGLE) {
        if (!spend->has_output_hash) {
            struct bytes output = output_raw(&tx->outputs[input_index]);

            sha256_once(spend->output_hash, output.data, output.size);
            spend->has_output_hash = true;
        }
        put(&s, spend->output_hash, 32);
    }
    if (spend->leaf_hash) {
        put(&s, spend->leaf_hash, 32);
        put_u8(&s, 0); /* key version */
        put_le32(&s, spend->code_separator_position);
    }
    sink_final(&s, out);
    return true;
}
