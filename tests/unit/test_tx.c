#include "base/hash.h"
#include "base/random.h"
#include "build_tx.h"
#include "codec/tx.h"
#include "vectors.h"

/* Parses data in an arena of its own and forgets the result. */
static bool parses(struct bytes data)
{
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 24);

    bool is_ok = tx_parse(&tx, data, &arena);

    arena_clear(&arena);
    return is_ok;
}

/* Whether what was built parses; the builder is emptied. */
static bool built_parses(struct build *b)
{
    struct bytes data = build_take(b);
    bool is_ok = parses(data);

    free((void *)data.data);
    return is_ok;
}

/* Two inputs, the first with two witness items, and two outputs. */
static void build_segwit(struct build *b)
{
    build_u32(b, 2);
    build_byte(b, 0);
    build_byte(b, 1);
    build_count(b, 2);
    build_input(b, 0xaa, 0);
    build_input(b, 0xbb, 3);
    build_count(b, 2);
    build_output(b, 1, 22);
    build_output(b, -1, 300);
    build_count(b, 2);
    build_sized(b, 0x30, 71);
    build_sized(b, 0x02, 33);
    build_count(b, 0);
    build_u32(b, 500000);
}

START_TEST(compact_sizes_have_one_form)
{
    static const uint64_t values[] = {0,      1,       0xfc,       0xfd,       0xfe,
                                      0xffff, 0x10000, 0xffffffff, 1ULL << 32, UINT64_MAX};
    static const size_t sizes[] = {1, 1, 1, 3, 3, 3, 5, 5, 9, 9};

    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        uint8_t out[COMPACT_SIZE_MAX];
        size_t size = compact_write(out, values[i]);

        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_uint_eq(compact_size(values[i]), size);
        for (size_t cut = 0; cut <= size; cut++) {
            struct cursor c = cursor_of((struct bytes){out, cut});

            ck_assert_uint_eq(compact_read(&c), cut == size ? values[i] : 0);
            ck_assert_int_eq(cursor_ok(&c), cut == size);
        }
    }
}
END_TEST

START_TEST(compact_sizes_longer_than_needed_are_refused)
{
    /* Of each longer form the last value that is too small and the first that is not. */
    static const struct {
        uint8_t wire[9];
        size_t size;
        bool is_ok;
    } cases[] = {
        {{0xfd, 0xfc, 0}, 3, false},
        {{0xfd, 0xfd, 0}, 3, true},
        {{0xfe, 0xff, 0xff, 0, 0}, 5, false},
        {{0xfe, 0, 0, 1, 0}, 5, true},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 9, false},
        {{0xff, 0, 0, 0, 0, 1, 0, 0, 0}, 9, true},
        {{0xfd, 0, 0}, 3, false},
        {{0xff, 0, 0, 0, 0, 0, 0, 0, 0}, 9, false},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct cursor c = cursor_of((struct bytes){cases[i].wire, cases[i].size});

        compact_read(&c);
        ck_assert_int_eq(cursor_ok(&c), cases[i].is_ok);
    }
}
END_TEST

START_TEST(segwit_transaction_in_all_its_parts)
{
    struct build b = {0};
    struct arena arena;
    struct tx tx;

    build_segwit(&b);
    arena_init(&arena, 1 << 20);

    struct bytes data = build_take(&b);

    ck_assert(tx_parse(&tx, data, &arena));
    ck_assert_uint_eq(tx.version, 2);
    ck_assert_uint_eq(tx.lock_time, 500000);
    ck_assert(tx.has_witness);
    ck_assert_uint_eq(tx.input_count, 2);
    ck_assert_uint_eq(tx.inputs[1].prevout.vout, 0xbb);
    ck_assert_uint_eq(tx.inputs[1].prevout.txid.bytes[31], 0xbb);
    ck_assert_uint_eq(tx.inputs[1].sequence, 0xfffffffe);
    ck_assert_uint_eq(tx.inputs[1].script_sig.size, 3);
    ck_assert_uint_eq(tx.inputs[1].witness_count, 0);
    ck_assert_uint_eq(tx.inputs[0].witness_count, 2);

    struct cursor items = cursor_of(tx.inputs[0].witness);

    ck_assert_uint_eq(witness_next(&items).size, 71);
    ck_assert_uint_eq(witness_next(&items).size, 33);
    ck_assert_uint_eq(cursor_left(&items), 0);
    ck_assert_uint_eq(tx.output_count, 2);
    ck_assert_int_eq(tx.outputs[1].amount_sat, -1);
    ck_assert_uint_eq(tx.outputs[1].script_pubkey.size, 300);
    ck_assert_uint_eq(le64_read(data.data + tx.outputs[0].offset), 1);
    ck_assert_uint_eq(tx.outputs[1].offset, tx.outputs[0].offset + 8 + 1 + 22);
    ck_assert_uint_eq(tx.stripped_size, 4 + 1 + 41 + 44 + 1 + 31 + 311 + 4);
    ck_assert_uint_eq(tx.raw.size, tx.stripped_size + 2 + 1 + 72 + 34 + 1);
    ck_assert_uint_eq(tx_weight(&tx), 3 * tx.stripped_size + data.size);
    ck_assert(!tx_is_coinbase(&tx));

    uint8_t *stripped = xmalloc(tx.stripped_size);
    uint8_t hash[32];
    struct tx again;

    tx_write_stripped(stripped, &tx);
    sha256d_once(hash, stripped, tx.stripped_size);
    ck_assert_mem_eq(hash, tx.txid.bytes, 32);
    sha256d_once(hash, data.data, data.size);
    ck_assert_mem_eq(hash, tx.wtxid.bytes, 32);
    ck_assert_mem_ne(tx.txid.bytes, tx.wtxid.bytes, 32);
    ck_assert(tx_parse(&again, (struct bytes){stripped, tx.stripped_size}, &arena));
    ck_assert(!again.has_witness);
    ck_assert(txid_equal(&again.txid, &tx.txid));
    ck_assert_mem_eq(again.wtxid.bytes, tx.txid.bytes, 32);
    free(stripped);
    free((void *)data.data);
    arena_clear(&arena);
}
END_TEST

START_TEST(every_truncation_and_a_byte_more_are_refused)
{
    struct build b = {0};

    build_segwit(&b);
    build_byte(&b, 0);

    struct bytes data = build_take(&b);

    for (size_t size = 0; size <= data.size; size++) {
        uint8_t *copy = xmalloc(size);

        memcpy(copy, data.data, size);
        ck_assert_int_eq(parses((struct bytes){copy, size}), size == data.size - 1);
        free(copy);
    }
    free((void *)data.data);
}
END_TEST

/* A transaction of one input and one output, where the count number which (-1: none) is written in
 * three bytes: counts of inputs, outputs and witness items, sizes of the two scripts and of a
 * witness item. */
static bool parses_with_long_form(int which)
{
    struct build b = {0};
    int number = 0;

#define COUNT(value)                                                                               \
    do {                                                                                           \
        if (number++ == which)                                                                     \
            build_raw(&b, (const uint8_t[]){0xfd, value, 0}, 3);                                   \
        else                                                                                       \
            build_byte(&b, value);                                                                 \
    } while (0)

    build_u32(&b, 2);
    build_raw(&b, "\0\1", 2);
    COUNT(1);
    for (int i = 0; i < 9; i++)
        build_u32(&b, 7);
    COUNT(1);
    build_byte(&b, 0x51);
    build_u32(&b, 0);
    COUNT(1);
    build_u64(&b, 5);
    COUNT(1);
    build_byte(&b, 0x51);
    COUNT(1);
    COUNT(1);
    build_byte(&b, 0x51);
    build_u32(&b, 0);
#undef COUNT
    return built_parses(&b);
}

START_TEST(long_form_is_refused_wherever_a_count_stands)
{
    ck_assert(parses_with_long_form(-1));
    for (int which = 0; which < 6; which++)
        ck_assert_msg(!parses_with_long_form(which), "count %d", which);
    ck_assert(parses_with_long_form(6));
}
END_TEST

/* With flag, and a witness of item_count empty items for the one input if with_witness. */
static bool parses_with_flag(uint8_t flag, bool with_witness, uint64_t item_count)
{
    struct build b = {0};

    build_u32(&b, 2);
    build_byte(&b, 0);
    build_byte(&b, flag);
    build_count(&b, 1);
    build_input(&b, 1, 0);
    build_count(&b, 1);
    build_output(&b, 1, 1);
    if (with_witness) {
        build_count(&b, item_count);
        for (uint64_t i = 0; i < item_count; i++)
            build_byte(&b, 0);
    }
    build_u32(&b, 0);
    return built_parses(&b);
}

START_TEST(only_flag_one_is_known)
{
    for (int flag = 1; flag < 256; flag++) {
        ck_assert_int_eq(parses_with_flag((uint8_t)flag, true, 1), flag == 1);
        ck_assert(!parses_with_flag((uint8_t)flag, false, 0));
    }
}
END_TEST

START_TEST(marker_with_only_empty_witnesses_is_refused)
{
    ck_assert(!parses_with_flag(1, true, 0));
    ck_assert(parses_with_flag(1, true, 1)); /* one item, and that empty, is a witness */
    ck_assert(parses_with_flag(1, true, 253));
}
END_TEST

START_TEST(two_zero_bytes_are_a_transaction_without_inputs_and_outputs)
{
    static const uint8_t wire[] = {1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0};
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 16);
    ck_assert(tx_parse(&tx, (struct bytes){wire, 10}, &arena));
    ck_assert_uint_eq(tx.input_count + tx.output_count, 0);
    ck_assert_uint_eq(tx.lock_time, 9);
    ck_assert(!tx.has_witness);
    ck_assert_uint_eq(tx.stripped_size, 10);
    ck_assert(!tx_is_coinbase(&tx));
    ck_assert(!tx_parse(&tx, (struct bytes){wire, 11}, &arena));
    ck_assert(!tx_parse(&tx, (struct bytes){wire, 9}, &arena));
    /* The marker without inputs has no witness that is not empty. */
    ck_assert(
        !tx_parse(&tx, (struct bytes){(const uint8_t *)"\1\0\0\0\0\1\0\0\0\0\0\0", 12}, &arena));
    arena_clear(&arena);
}
END_TEST

START_TEST(counts_allocate_only_what_the_bytes_can_hold)
{
    static const uint64_t counts[] = {3, 0xffff, 0xffffffff, 1ULL << 32, 1ULL << 60, UINT64_MAX};

    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        for (int part = 0; part < 3; part++) {
            struct build b = {0};
            struct arena arena;
            struct tx tx;

            build_u32(&b, 2);
            build_raw(&b, "\0\1", 2);
            build_count(&b, part == 0 ? counts[i] : 1);
            build_input(&b, 1, 0);
            build_count(&b, part == 1 ? counts[i] : 1);
            build_output(&b, 1, 1);
            build_count(&b, part == 2 ? counts[i] : 1);
            build_byte(&b, 0);

            struct bytes data = build_take(&b);

            arena_init(&arena, SIZE_MAX);
            ck_assert(!tx_parse(&tx, data, &arena));
            ck_assert_uint_le(arena.held, 1 << 16);
            arena_clear(&arena);
            free((void *)data.data);
        }
    }
}
END_TEST

START_TEST(smallest_inputs_and_outputs_fill_the_buffer)
{
    for (uint64_t input_count = 1; input_count <= 30; input_count++) {
        for (uint64_t output_count = 0; output_count <= 30; output_count++) {
            struct build b = {0};

            build_u32(&b, 2);
            build_count(&b, input_count);
            for (uint64_t i = 0; i < input_count; i++)
                build_input(&b, 1, 0);
            build_count(&b, output_count);
            for (uint64_t i = 0; i < output_count; i++)
                build_output(&b, 1, 0);
            build_u32(&b, 0);
            ck_assert(built_parses(&b));
        }
    }
}
END_TEST

START_TEST(a_full_arena_refuses)
{
    struct build b = {0};
    struct arena arena;
    struct tx tx;
    size_t limit = 2 * sizeof(struct tx_input) + 2 * sizeof(struct tx_output);

    build_segwit(&b);

    struct bytes data = build_take(&b);

    arena_init(&arena, limit);
    ck_assert(tx_parse(&tx, data, &arena));
    arena_clear(&arena);
    arena_init(&arena, limit - 16);
    ck_assert(!tx_parse(&tx, data, &arena));
    arena_clear(&arena);
    free((void *)data.data);
}
END_TEST

START_TEST(coinbase_is_one_null_prevout)
{
    for (int which = 0; which < 4; which++) {
        struct build b = {0};
        struct arena arena;
        struct tx tx;
        uint8_t null[36] = {[32] = 0xff, 0xff, 0xff, 0xff};

        if (which == 1)
            null[0] = 1;
        if (which == 2)
            null[32] = 0xfe;
        build_u32(&b, 1);
        build_count(&b, which == 3 ? 2 : 1);
        build_raw(&b, null, sizeof null);
        build_sized(&b, 1, 2);
        build_u32(&b, SEQUENCE_FINAL);
        if (which == 3)
            build_input(&b, 1, 0);
        build_count(&b, 0);
        build_u32(&b, 0);

        struct bytes data = build_take(&b);

        arena_init(&arena, 1 << 16);
        ck_assert(tx_parse(&tx, data, &arena));
        ck_assert_int_eq(tx_is_coinbase(&tx), which == 0);
        ck_assert_int_eq(outpoint_is_null(&tx.inputs[0].prevout), which == 0 || which == 3);
        arena_clear(&arena);
        free((void *)data.data);
    }
}
END_TEST

START_TEST(random_mutations_do_no_harm)
{
    struct prng prng;
    struct build b = {0};
    size_t parsed_count = 0;

    build_segwit(&b);

    struct bytes data = build_take(&b);

    prng_init(&prng, 1);
    for (int round = 0; round < 100000; round++) {
        size_t size = prng_below(&prng, 4) ? data.size : prng_below(&prng, data.size + 1);
        uint8_t *copy = xmalloc(size);

        memcpy(copy, data.data, size);
        for (uint64_t i = prng_below(&prng, 4) + 1; size > 0 && i > 0; i--)
            copy[prng_below(&prng, size)] = (uint8_t)prng_next(&prng);
        parsed_count += parses((struct bytes){copy, size});
        free(copy);
    }
    ck_assert_uint_gt(parsed_count, 1000); /* most bytes are data */
    free((void *)data.data);
}
END_TEST

static void check_vector(const char *hex)
{
    struct bytes data = hex_load(hex);
    struct arena arena;
    struct tx tx;
    uint8_t hash[32];

    arena_init(&arena, 1 << 24);
    ck_assert_msg(tx_parse(&tx, data, &arena), "%s", hex);

    uint8_t *stripped = xmalloc(tx.stripped_size);

    tx_write_stripped(stripped, &tx);
    sha256d_once(hash, stripped, tx.stripped_size);
    ck_assert_mem_eq(hash, tx.txid.bytes, 32);
    free(stripped);
    free((void *)data.data);
    arena_clear(&arena);
}

static void run_tx_file(const json_t *root, size_t *count)
{
    size_t i;
    const json_t *test;

    json_array_foreach(root, i, test)
    {
        if (json_array_size(test) != 3)
            continue; /* a comment */
        check_vector(vector_string(json_array_get(test, 1)));
        ++*count;
    }
}

static void run_sighash_file(const json_t *root, size_t *count)
{
    size_t i;
    const json_t *test;

    json_array_foreach(root, i, test)
    {
        if (json_array_size(test) != 5)
            continue;
        check_vector(vector_string(json_array_get(test, 0)));
        ++*count;
    }
}

START_TEST(published_transactions_parse)
{
    vectors_run("vectors/core/tx_*valid*.json", run_tx_file);
    vectors_run("vectors/core/sighash*.json", run_sighash_file);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "tx", compact_sizes_have_one_form, compact_sizes_longer_than_needed_are_refused,
        segwit_transaction_in_all_its_parts, every_truncation_and_a_byte_more_are_refused,
        long_form_is_refused_wherever_a_count_stands, only_flag_one_is_known,
        marker_with_only_empty_witnesses_is_refused,
        two_zero_bytes_are_a_transaction_without_inputs_and_outputs,
        counts_allocate_only_what_the_bytes_can_hold, smallest_inputs_and_outputs_fill_the_buffer,
        a_full_arena_refuses, coinbase_is_one_null_prevout, random_mutations_do_no_harm,
        published_transactions_parse);
}
