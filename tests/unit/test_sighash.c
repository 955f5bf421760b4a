/* Sighashes against the published vectors, and on random transactions against plain ones that write
 * out what is hashed. */
#include "base/random.h"
#include "codec/opcode.h"
#include "script/sighash.h"
#include "tx_draft.h"
#include "vectors.h"

static void run_legacy_file(const json_t *root, size_t *count)
{
    size_t index;
    const json_t *test;

    json_array_foreach(root, index, test)
    {
        uint8_t expected[32], hash[32];
        struct arena arena;
        struct tx tx;

        if (json_array_size(test) != 5)
            continue; /* a comment */
        arena_init(&arena, 1 << 24);

        struct bytes raw = vector_hex(json_array_get(test, 0));
        struct bytes script = vector_hex(json_array_get(test, 1));
        uint32_t input_index = (uint32_t)json_integer_value(json_array_get(test, 2));
        uint32_t hash_type = (uint32_t)json_integer_value(json_array_get(test, 3));
        struct sighash_cache cache = {0};

        ck_assert(tx_parse(&tx, raw, &arena));
        ck_assert(hash_from_hex(expected, vector_string(json_array_get(test, 4))));
        for (int i = 0; i < 2; i++) { /* the second time from the cache */
            sighash_legacy(hash, &tx, input_index, script, hash_type, &cache);
            ck_assert_mem_eq(hash, expected, 32);
        }
        free((void *)raw.data);
        free((void *)script.data);
        arena_clear(&arena);
        ++*count;
    }
}

START_TEST(legacy_hashes_are_the_published_ones)
{
    vectors_run("vectors/core/sighash*.json", run_legacy_file);
}
END_TEST

static struct bytes some_bytes(struct prng *prng, struct arena *arena, size_t size_max)
{
    size_t size = prng_below(prng, size_max + 1);
    uint8_t *data = arena_alloc(arena, size);

    prng_fill(prng, data, size);
    return (struct bytes){data, size};
}

/* Operations of one byte, OP_CODESEPARATOR often, and at times a push that is cut short. */
static struct bytes some_code(struct prng *prng, struct arena *arena)
{
    static const uint8_t ops[] = {OP_CODESEPARATOR, OP_1, OP_DUP, OP_CHECKSIG, OP_CODESEPARATOR};
    size_t size = prng_below(prng, 40);
    uint8_t *data = arena_alloc(arena, size);

    for (size_t i = 0; i < size; i++)
        data[i] = ops[prng_below(prng, sizeof ops)];
    if (size > 1 && prng_below(prng, 4) == 0)
        data[prng_below(prng, size)] = (uint8_t)prng_below(prng, OP_PUSHDATA4 + 1);
    return (struct bytes){data, size};
}

static void some_tx(struct tx *tx, struct prng *prng, struct arena *arena)
{
    struct tx draft = {.version = (uint32_t)prng_next(prng),
                       .lock_time = (uint32_t)prng_next(prng)};

    draft.input_count = 1 + (uint32_t)prng_below(prng, 6);
    draft.output_count = (uint32_t)prng_below(prng, 6);
    draft.inputs = arena_array(arena, draft.input_count, sizeof *draft.inputs);
    draft.outputs = arena_array(arena, draft.output_count, sizeof *draft.outputs);
    for (uint32_t i = 0; i < draft.input_count; i++) {
        struct tx_input *input = &draft.inputs[i];

        prng_fill(prng, &input->prevout, sizeof input->prevout);
        input->sequence = (uint32_t)prng_next(prng);
        input->script_sig = some_bytes(prng, arena, 100);
        input->witness = (struct bytes){(const uint8_t *)"\1", 2};
        input->witness_count = 1;
    }
    for (uint32_t i = 0; i < draft.output_count; i++)
        draft.outputs[i] = (struct tx_output){.amount_sat = (int64_t)prng_next(prng),
                                              .script_pubkey = some_bytes(prng, arena, 700)};
    draft_parse(tx, &draft, arena);
}

/* Code less its OP_CODESEPARATORs, one byte after the other, or an empty view if a push is cut
 * short. */
static struct bytes plain_code(struct bytes code, struct arena *arena)
{
    uint8_t *out = arena_alloc(arena, code.size);
    struct cursor c = cursor_of(code);
    struct script_op op;
    size_t size = 0;

    while (cursor_left(&c) > 0) {
        const uint8_t *start = c.at;

        if (!script_op_read(&op, &c))
            return (struct bytes){NULL, 0};
        for (; start < c.at && op.opcode != OP_CODESEPARATOR; start++)
            out[size++] = *start;
    }
    return (struct bytes){out, size};
}

/* What a legacy signature signs, said as changes to the transaction. */
static void plain_legacy(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                         struct bytes code, uint32_t hash_type, struct arena *arena)
{
    uint32_t type = hash_type & 0x1f;
    struct tx changed = *tx;

    if (type == SIGHASH_SINGLE && input_index >= tx->output_count) {
        memset(out, 0, 32);
        out[0] = 1;
        return;
    }
    changed.inputs = arena_array(arena, tx->input_count, sizeof *tx->inputs);
    changed.outputs = arena_array(arena, tx->output_count, sizeof *tx->outputs);
    memcpy(changed.inputs, tx->inputs, tx->input_count * sizeof *tx->inputs);
    memcpy(changed.outputs, tx->outputs, tx->output_count * sizeof *tx->outputs);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        changed.inputs[i].witness_count = 0;
        changed.inputs[i].script_sig = (struct bytes){NULL, 0};
        if (i != input_index && (type == SIGHASH_NONE || type == SIGHASH_SINGLE))
            changed.inputs[i].sequence = 0;
    }
    changed.inputs[input_index].script_sig = code;
    if (hash_type & SIGHASH_ANYONECANPAY) {
        changed.inputs += input_index;
        changed.input_count = 1;
    }
    if (type == SIGHASH_NONE)
        changed.output_count = 0;
    if (type == SIGHASH_SINGLE)
        changed.output_count = input_index + 1;
    for (uint32_t i = 0; type == SIGHASH_SINGLE && i < input_index; i++)
        changed.outputs[i] = (struct tx_output){.amount_sat = -1};

    struct bytes raw = draft_write(&changed);
    struct build b = {0};

    build_raw(&b, raw.data, raw.size);
    build_u32(&b, hash_type);
    sha256d_once(out, b.data, b.size);
    free(b.data);
    free((void *)raw.data);
}

static uint32_t some_hash_type(struct prng *prng)
{
    static const uint8_t types[] = {0, 1, 2, 3, 0x81, 0x82, 0x83, 0x80, 4, 0x23, 0xff};

    return types[prng_below(prng, sizeof types)];
}

START_TEST(legacy_hash_is_of_the_changed_transaction)
{
    struct prng prng;
    size_t compared = 0;

    prng_init(&prng, 20261122);
    for (int round = 0; round < 3000; round++) {
        struct sighash_cache cache = {0};
        struct arena arena;
        struct tx tx;

        arena_init(&arena, 1 << 24);
        some_tx(&tx, &prng, &arena);

        uint32_t input_index = (uint32_t)prng_below(&prng, tx.input_count);
        struct bytes code = some_code(&prng, &arena);
        struct bytes plain = plain_code(code, &arena);

        for (int i = 0; i < 6; i++) {
            uint32_t hash_type = some_hash_type(&prng);
            uint8_t hash[32], again[32], expected[32];

            sighash_legacy(hash, &tx, input_index, code, hash_type, NULL);
            sighash_legacy(again, &tx, input_index, code, hash_type, &cache);
            ck_assert_mem_eq(hash, again, 32);
            if (code.size > 0 && plain.data == NULL)
                continue;
            plain_legacy(expected, &tx, input_index, plain, hash_type, &arena);
            ck_assert_mem_eq(hash, expected, 32);
            compared++;
        }
        free((void *)tx.raw.data);
        arena_clear(&arena);
    }
    ck_assert_uint_gt(compared, 10000);
}
END_TEST

static void put_prevouts(struct build *b, const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->input_count; i++)
        build_raw(b, &tx->inputs[i].prevout, 36);
}

static void put_sequences(struct build *b, const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->input_count; i++)
        build_u32(b, tx->inputs[i].sequence);
}

static void put_output(struct build *b, const struct tx_output *output)
{
    build_u64(b, (uint64_t)output->amount_sat);
    build_count(b, output->script_pubkey.size);
    build_raw(b, output->script_pubkey.data, output->script_pubkey.size);
}

static void put_outputs(struct build *b, const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->output_count; i++)
        put_output(b, &tx->outputs[i]);
}

/* Puts the hash of what b holds into out, and empties b. */
static void hash_and_clear(struct build *b, uint8_t out[32], int times)
{
    if (b->data == NULL)
        b->data = xmalloc(1);
    sha256_once(out, b->data, b->size);
    if (times == 2)
        sha256_once(out, out, 32);
    free(b->data);
    *b = (struct build){0};
}

/* BIP143, field after field. */
static void plain_v0(uint8_t out[32], const struct tx *tx, uint32_t input_index, struct bytes code,
                     int64_t amount_sat, uint32_t hash_type)
{
    uint8_t prevouts[32] = {0}, sequences[32] = {0}, outputs[32] = {0};
    bool is_all = (hash_type & 0x1f) != SIGHASH_NONE && (hash_type & 0x1f) != SIGHASH_SINGLE;
    struct build b = {0};

    if (!(hash_type & SIGHASH_ANYONECANPAY)) {
        put_prevouts(&b, tx);
        hash_and_clear(&b, prevouts, 2);
        if (is_all) {
            put_sequences(&b, tx);
            hash_and_clear(&b, sequences, 2);
        }
    }
    if (is_all) {
        put_outputs(&b, tx);
        hash_and_clear(&b, outputs, 2);
    } else if ((hash_type & 0x1f) == SIGHASH_SINGLE && input_index < tx->output_count) {
        put_output(&b, &tx->outputs[input_index]);
        hash_and_clear(&b, outputs, 2);
    }
    build_u32(&b, tx->version);
    build_raw(&b, prevouts, 32);
    build_raw(&b, sequences, 32);
    build_raw(&b, &tx->inputs[input_index].prevout, 36);
    build_count(&b, code.size);
    build_raw(&b, code.data, code.size);
    build_u64(&b, (uint64_t)amount_sat);
    build_u32(&b, tx->inputs[input_index].sequence);
    build_raw(&b, outputs, 32);
    build_u32(&b, tx->lock_time);
    build_u32(&b, hash_type);
    hash_and_clear(&b, out, 2);
}

static struct tx_output *some_prevouts(struct prng *prng, const struct tx *tx, struct arena *arena)
{
    struct tx_output *prevouts = arena_array(arena, tx->input_count, sizeof *prevouts);

    for (uint32_t i = 0; i < tx->input_count; i++)
        prevouts[i] = (struct tx_output){.amount_sat = (int64_t)prng_next(prng),
                                         .script_pubkey = some_bytes(prng, arena, 60)};
    return prevouts;
}

START_TEST(v0_hash_is_of_its_fields)
{
    struct prng prng;

    prng_init(&prng, 143);
    for (int round = 0; round < 5000; round++) {
        struct sighash_parts parts;
        struct arena arena;
        uint8_t hash[32], expected[32];
        struct tx tx;

        arena_init(&arena, 1 << 24);
        some_tx(&tx, &prng, &arena);

        struct tx_output *prevouts = some_prevouts(&prng, &tx, &arena);
        uint32_t input_index = (uint32_t)prng_below(&prng, tx.input_count);
        struct bytes code = some_code(&prng, &arena);
        uint32_t hash_type = some_hash_type(&prng);
        int64_t amount_sat = prevouts[input_index].amount_sat;

        sighash_parts_init(&parts, &tx, prevouts);
        ck_assert(parts.has_v0);
        sighash_v0(hash, &tx, input_index, code, amount_sat, hash_type, &parts);
        plain_v0(expected, &tx, input_index, code, amount_sat, hash_type);
        ck_assert_mem_eq(hash, expected, 32);
        free((void *)tx.raw.data);
        arena_clear(&arena);
    }
}
END_TEST

static void put_common(struct build *message, const struct tx *tx, const struct tx_output *prevouts)
{
    uint8_t hash[32];
    struct build b = {0};

    put_prevouts(&b, tx);
    hash_and_clear(&b, hash, 1);
    build_raw(message, hash, 32);
    for (uint32_t i = 0; i < tx->input_count; i++)
        build_u64(&b, (uint64_t)prevouts[i].amount_sat);
    hash_and_clear(&b, hash, 1);
    build_raw(message, hash, 32);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        build_count(&b, prevouts[i].script_pubkey.size);
        build_raw(&b, prevouts[i].script_pubkey.data, prevouts[i].script_pubkey.size);
    }
    hash_and_clear(&b, hash, 1);
    build_raw(message, hash, 32);
    put_sequences(&b, tx);
    hash_and_clear(&b, hash, 1);
    build_raw(message, hash, 32);
}

/* BIP341 and BIP342, field after field. */
static bool plain_taproot(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                          const struct tx_output *prevouts, uint8_t hash_type,
                          const struct sighash_taproot *spend)
{
    static const uint8_t defined[] = {0, 1, 2, 3, 0x81, 0x82, 0x83};
    struct build message = {0}, b = {0};
    uint8_t hash[32];

    if (memchr(defined, hash_type, sizeof defined) == NULL ||
        ((hash_type & 3) == SIGHASH_SINGLE && input_index >= tx->output_count))
        return false;
    sha256_once(hash, "TapSighash", 10);
    build_raw(&message, hash, 32);
    build_raw(&message, hash, 32);
    build_byte(&message, 0);
    build_byte(&message, hash_type);
    build_u32(&message, tx->version);
    build_u32(&message, tx->lock_time);
    if (!(hash_type & SIGHASH_ANYONECANPAY))
        put_common(&message, tx, prevouts);
    if ((hash_type & 3) < SIGHASH_NONE) {
        put_outputs(&b, tx);
        hash_and_clear(&b, hash, 1);
        build_raw(&message, hash, 32);
    }
    build_byte(&message, (uint8_t)((spend->leaf_hash != NULL) * 2 + (spend->annex_hash != NULL)));
    if (hash_type & SIGHASH_ANYONECANPAY) {
        build_raw(&message, &tx->inputs[input_index].prevout, 36);
        put_output(&message, &prevouts[input_index]);
        build_u32(&message, tx->inputs[input_index].sequence);
    } else {
        build_u32(&message, input_index);
    }
    if (spend->annex_hash)
        build_raw(&message, spend->annex_hash, 32);
    if ((hash_type & 3) == SIGHASH_SINGLE) {
        put_output(&b, &tx->outputs[input_index]);
        hash_and_clear(&b, hash, 1);
        build_raw(&message, hash, 32);
    }
    if (spend->leaf_hash) {
        build_raw(&message, spend->leaf_hash, 32);
        build_byte(&message, 0);
        build_u32(&message, spend->code_separator_position);
    }
    hash_and_clear(&message, out, 1);
    return true;
}

START_TEST(taproot_hash_is_of_its_fields)
{
    static const uint8_t leaf[32] = {7}, annex[32] = {9};
    struct prng prng;

    prng_init(&prng, 341);
    for (int round = 0; round < 5000; round++) {
        struct sighash_parts parts;
        struct arena arena;
        uint8_t hash[32], expected[32];
        struct tx tx;

        arena_init(&arena, 1 << 24);
        some_tx(&tx, &prng, &arena);

        struct tx_output *prevouts = some_prevouts(&prng, &tx, &arena);
        uint32_t input_index = (uint32_t)prng_below(&prng, tx.input_count);
        uint8_t program[34] = {OP_1, 32};
        struct sighash_taproot spend = {
            .annex_hash = prng_below(&prng, 2) ? annex : NULL,
            .leaf_hash = prng_below(&prng, 2) ? leaf : NULL,
            .code_separator_position = (uint32_t)prng_next(&prng),
        };

        prevouts[input_index].script_pubkey = (struct bytes){program, sizeof program};
        sighash_parts_init(&parts, &tx, prevouts);
        ck_assert(parts.has_taproot);
        for (int i = 0; i < 3; i++) { /* a kept output hash serves the later ones */
            uint8_t hash_type = (uint8_t)some_hash_type(&prng);
            bool is_defined =
                sighash_taproot(hash, &tx, input_index, prevouts, hash_type, &parts, &spend);

            ck_assert_int_eq(
                is_defined, plain_taproot(expected, &tx, input_index, prevouts, hash_type, &spend));
            if (is_defined)
                ck_assert_mem_eq(hash, expected, 32);
        }
        free((void *)tx.raw.data);
        arena_clear(&arena);
    }
}
END_TEST

START_TEST(parts_are_computed_for_the_inputs_that_need_them)
{
    uint8_t taproot[34] = {OP_1, 32}, v1_longer[34] = {OP_1, 31};
    struct tx_input inputs[2] = {{.witness = {(const uint8_t *)"\0", 1}, .witness_count = 1}};
    struct tx_output prevouts[2] = {{.script_pubkey = {taproot, 34}},
                                    {.script_pubkey = {taproot, 34}}};
    struct tx draft = {.input_count = 2, .inputs = inputs};
    struct sighash_parts parts;
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 20);
    draft_parse(&tx, &draft, &arena);
    sighash_parts_init(&parts, &tx, prevouts);
    ck_assert(parts.has_taproot && !parts.has_v0);
    prevouts[0].script_pubkey.data = v1_longer;
    sighash_parts_init(&parts, &tx, prevouts);
    ck_assert(!parts.has_taproot && parts.has_v0);
    free((void *)tx.raw.data);
    inputs[0].witness_count = 0;
    draft_parse(&tx, &draft, &arena);
    sighash_parts_init(&parts, &tx, prevouts);
    ck_assert(!parts.has_taproot && !parts.has_v0);
    free((void *)tx.raw.data);
    arena_clear(&arena);
}
END_TEST

int main(void)
{
    return SUITE_RUN("sighash", legacy_hashes_are_the_published_ones,
                     legacy_hash_is_of_the_changed_transaction, v0_hash_is_of_its_fields,
                     taproot_hash_is_of_its_fields,
                     parts_are_computed_for_the_inputs_that_need_them);
}
