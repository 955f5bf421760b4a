#include "base/hash.h"
#include "base/random.h"
#include "build_tx.h"
#include "codec/block.h"
#include "vectors.h"

#define ARENA_LIMIT ((size_t)256 << 20)

/* A header of zeros, then tx_count transactions that differ in their lock time; every third has a
 * witness. */
static struct bytes build_block(uint32_t tx_count)
{
    struct build b = {0};
    uint8_t header[HEADER_SIZE] = {0};

    build_raw(&b, header, sizeof header);
    build_count(&b, tx_count);
    for (uint32_t i = 0; i < tx_count; i++) {
        build_u32(&b, 1);
        if (i % 3 == 2)
            build_raw(&b, "\0\1", 2);
        build_count(&b, 1);
        build_input(&b, 9, i % 5);
        build_count(&b, 2);
        build_output(&b, i, 1);
        build_output(&b, 5, 2);
        if (i % 3 == 2)
            build_raw(&b, "\1\0", 2);
        build_u32(&b, i);
    }
    return build_take(&b);
}

static size_t measured(struct bytes data)
{
    struct arena arena;

    arena_init(&arena, ARENA_LIMIT);

    size_t size = block_measure(data, &arena);

    arena_clear(&arena);
    return size;
}

static bool parses(struct bytes data)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, ARENA_LIMIT);

    bool is_ok = block_parse(&block, data, &arena, false);

    arena_clear(&arena);
    return is_ok;
}

START_TEST(header_is_its_80_bytes)
{
    uint8_t wire[81], again[80], hash[32];
    struct header header;
    struct prng prng;

    prng_init(&prng, 1);
    prng_fill(&prng, wire, sizeof wire);
    ck_assert(!header_parse(&header, (struct bytes){wire, 79}));
    ck_assert(!header_parse(&header, (struct bytes){wire, 81}));
    ck_assert(header_parse(&header, (struct bytes){wire, 80}));
    ck_assert_int_eq(header.version, (int32_t)le32_read(wire));
    ck_assert_mem_eq(header.prev_hash.bytes, wire + 4, 32);
    ck_assert_mem_eq(header.merkle_root, wire + 36, 32);
    ck_assert_uint_eq(header.time, le32_read(wire + 68));
    ck_assert_uint_eq(header.bits, le32_read(wire + 72));
    ck_assert_uint_eq(header.nonce, le32_read(wire + 76));
    header_write(again, &header);
    ck_assert_mem_eq(again, wire, 80);
    sha256d_once(hash, wire, 80);
    ck_assert_mem_eq(header_hash(&header).bytes, hash, 32);
}
END_TEST

START_TEST(genesis_header_has_its_hash)
{
    static const char hex[] =
        "01000000000000000000000000000000000000000000000000000000000000000000000"
        "03ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49"
        "ffff001d1dac2b7c";
    struct bytes data = hex_load(hex);
    struct header header;
    char shown[65];

    ck_assert(header_parse(&header, data));
    hash_to_hex(shown, header_hash(&header).bytes);
    ck_assert_str_eq(shown, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    free((void *)data.data);
}
END_TEST

/* The root by the definition: pairs hashed level by level, the last of an odd number with itself.
 */
static void naive_root(uint8_t root[32], const uint8_t *leaves, size_t count)
{
    if (count == 1) {
        memcpy(root, leaves, 32);
        return;
    }

    size_t parent_count = (count + 1) / 2;
    uint8_t *parents = xmalloc(32 * parent_count);

    for (size_t i = 0; i < parent_count; i++) {
        uint8_t pair[64];

        memcpy(pair, leaves + 64 * i, 32);
        memcpy(pair + 32, leaves + 32 * (2 * i + 1 < count ? 2 * i + 1 : 2 * i), 32);
        sha256d_once(parents + 32 * i, pair, 64);
    }
    naive_root(root, parents, parent_count);
    free(parents);
}

START_TEST(merkle_roots_equal_the_naive_ones)
{
    for (uint32_t count = 1; count <= 70; count++) {
        struct bytes data = build_block(count);
        struct arena arena;
        struct block block;
        uint8_t *leaves = xmalloc(32 * count), *scratch = xmalloc(32 * (count + 1));
        uint8_t expected[32], root[32];
        bool is_mutated;

        arena_init(&arena, ARENA_LIMIT);
        ck_assert(block_parse(&block, data, &arena, true));
        ck_assert_uint_eq(block.tx_count, count);
        ck_assert_uint_eq(block.input_count, count);
        ck_assert_uint_eq(block.output_count, 2 * count);
        ck_assert_uint_eq(block.stripped_size, data.size - 4 * (count / 3));
        ck_assert_uint_eq(block_weight(&block), 3 * block.stripped_size + data.size);
        for (uint32_t i = 0; i < count; i++)
            memcpy(leaves + 32 * i, block.txs[i].txid.bytes, 32);
        naive_root(expected, leaves, count);
        block_merkle_root(root, &is_mutated, &block, scratch);
        ck_assert_mem_eq(root, expected, 32);
        ck_assert(!is_mutated);
        for (uint32_t i = 0; i < count; i++)
            memcpy(leaves + 32 * i, block.txs[i].wtxid.bytes, 32);
        memset(leaves, 0, 32);
        naive_root(expected, leaves, count);
        block_witness_merkle_root(root, &block, scratch);
        ck_assert_mem_eq(root, expected, 32);
        free(leaves);
        free(scratch);
        arena_clear(&arena);
        free((void *)data.data);
    }
}
END_TEST

/* The root and mutation of a block of the transactions whose numbers are given. */
static bool root_of(uint8_t root[32], const struct block *from, const uint32_t *numbers,
                    uint32_t count)
{
    struct tx txs[16];
    struct block block = {.tx_count = count, .txs = txs};
    uint8_t scratch[32 * 17];
    bool is_mutated;

    for (uint32_t i = 0; i < count; i++)
        txs[i] = from->txs[numbers[i]];
    block_merkle_root(root, &is_mutated, &block, scratch);
    return is_mutated;
}

START_TEST(doubled_subtrees_have_the_same_root_and_are_seen)
{
    struct bytes data = build_block(8);
    struct arena arena;
    struct block block;
    uint8_t a[32], b[32];

    arena_init(&arena, ARENA_LIMIT);
    ck_assert(block_parse(&block, data, &arena, true));
    ck_assert(!root_of(a, &block, (const uint32_t[]){0, 1, 2}, 3));
    ck_assert(root_of(b, &block, (const uint32_t[]){0, 1, 2, 2}, 4));
    ck_assert_mem_eq(a, b, 32);
    ck_assert(!root_of(a, &block, (const uint32_t[]){0, 1, 2, 3, 4, 5}, 6));
    ck_assert(root_of(b, &block, (const uint32_t[]){0, 1, 2, 3, 4, 5, 4, 5}, 8));
    ck_assert_mem_eq(a, b, 32);
    /* Equal neighbours that are no pair change the root and are not this. */
    ck_assert(!root_of(b, &block, (const uint32_t[]){0, 1, 1, 2}, 4));
    /* A pair at the front is a mutation too. */
    ck_assert(root_of(b, &block, (const uint32_t[]){0, 0, 1}, 3));
    arena_clear(&arena);
    free((void *)data.data);
}
END_TEST

START_TEST(hashes_that_differ_in_one_byte_are_no_equal_pair)
{
    uint8_t hashes[3 * 32], first[32];

    memset(first, 0x5a, sizeof first);
    for (size_t at = 0; at <= 32; at++) { /* at the end none differs */
        memcpy(hashes, first, 32);
        memcpy(hashes + 32, first, 32);
        if (at < 32)
            hashes[32 + at] ^= 1;
        ck_assert_int_eq(merkle_fold(hashes, 2), at == 32);
    }
}
END_TEST

START_TEST(a_block_without_transactions_parses_and_has_a_zero_root)
{
    struct bytes data = build_block(0);
    struct arena arena;
    struct block block;
    uint8_t root[32], scratch[32], zero[32] = {0};
    bool is_mutated;

    arena_init(&arena, ARENA_LIMIT);
    ck_assert(block_parse(&block, data, &arena, true));
    block_merkle_root(root, &is_mutated, &block, scratch);
    ck_assert(!is_mutated);
    ck_assert_mem_eq(root, zero, 32);
    arena_clear(&arena);
    free((void *)data.data);
}
END_TEST

START_TEST(every_truncation_and_a_byte_more_are_refused)
{
    struct bytes whole = build_block(7);
    uint8_t *longer = xcalloc(whole.size + 1, 1);

    memcpy(longer, whole.data, whole.size);
    ck_assert(!parses((struct bytes){longer, whole.size + 1}));
    ck_assert_uint_eq(measured((struct bytes){longer, whole.size + 1}), whole.size);
    free(longer);
    for (size_t size = 0; size <= whole.size; size++) {
        uint8_t *copy = xmalloc(size);

        memcpy(copy, whole.data, size);
        ck_assert_int_eq(parses((struct bytes){copy, size}), size == whole.size);
        ck_assert_uint_eq(measured((struct bytes){copy, size}), size == whole.size ? size : 0);
        free(copy);
    }
    free((void *)whole.data);
}
END_TEST

START_TEST(transaction_counts_allocate_only_what_the_bytes_can_hold)
{
    static const uint64_t counts[] = {2, 0xffffffff, 1ULL << 32, UINT64_MAX};

    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        struct build b = {0};
        uint8_t header[HEADER_SIZE] = {0};
        struct arena arena;
        struct block block;

        build_raw(&b, header, sizeof header);
        build_count(&b, counts[i]);
        build_raw(&b, header, 19); /* a byte short of two transactions */

        struct bytes data = build_take(&b);

        arena_init(&arena, SIZE_MAX);
        ck_assert(!block_parse(&block, data, &arena, true));
        ck_assert_uint_eq(arena.held, 0);
        free((void *)data.data);
        arena_clear(&arena);
    }
}
END_TEST

START_TEST(smallest_transactions_fill_the_block)
{
    static const uint8_t smallest[10] = {0};
    struct build b = {0};
    uint8_t header[HEADER_SIZE] = {0};

    build_raw(&b, header, sizeof header);
    build_count(&b, 100);
    for (int i = 0; i < 100; i++)
        build_raw(&b, smallest, sizeof smallest);

    struct bytes data = build_take(&b);

    ck_assert(parses(data));
    free((void *)data.data);
}
END_TEST

static void check_pow(const struct block *block)
{
    uint32_t size = block->header.bits >> 24;
    uint32_t mantissa = block->header.bits & 0x7fffff;
    uint8_t target[40] = {0};

    /* hash <= target, both little-endian numbers of 32 bytes. */
    ck_assert(size >= 3 && size <= 32 && mantissa != 0);
    le32_write(target + size - 3, mantissa);
    for (int i = 31; i >= 0; i--) {
        if (block->hash.bytes[i] != target[i]) {
            ck_assert_uint_lt(block->hash.bytes[i], target[i]);
            return;
        }
    }
}

/* BIP141: the last output of the coinbase that starts so commits to the witness root and the
 * reserved value. */
static bool check_witness_commitment(const struct block *block, uint8_t *scratch)
{
    static const uint8_t start[] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    const struct tx *coinbase = &block->txs[0];
    uint8_t message[64], hash[32];

    if (!coinbase->has_witness)
        return false;
    for (uint32_t i = coinbase->output_count; i-- > 0;) {
        struct bytes script = coinbase->outputs[i].script_pubkey;

        if (script.size < 38 || memcmp(script.data, start, sizeof start) != 0)
            continue;
        block_witness_merkle_root(message, block, scratch);
        memcpy(message + 32, coinbase->inputs[0].witness.data + 1, 32);
        sha256d_once(hash, message, 64);
        ck_assert_mem_eq(hash, script.data + 6, 32);
        return true;
    }
    return false;
}

static void check_stripped_forms(const struct block *block)
{
    uint8_t *stripped = xmalloc(block->stripped_size);
    uint8_t hash[32];

    for (uint32_t i = 0; i < block->tx_count; i++) {
        const struct tx *tx = &block->txs[i];

        tx_write_stripped(stripped, tx);
        sha256d_once(hash, stripped, tx->stripped_size);
        ck_assert_mem_eq(hash, tx->txid.bytes, 32);
        sha256d_once(hash, tx->raw.data, tx->raw.size);
        ck_assert_mem_eq(hash, tx->wtxid.bytes, 32);
        for (uint32_t k = 0; k < tx->output_count; k++)
            ck_assert(le64_read(block->raw.data + tx->outputs[k].offset) ==
                      (uint64_t)tx->outputs[k].amount_sat);
    }
    free(stripped);
}

/* Checks all that a real block commits to; adds to the counters. Gives its hash. */
static struct block_hash check_real_block(struct bytes data, size_t *tx_count,
                                          size_t *commitment_count)
{
    struct arena arena;
    struct block block;
    uint8_t root[32];
    bool is_mutated;

    arena_init(&arena, ARENA_LIMIT);
    ck_assert(block_parse(&block, data, &arena, true));

    uint8_t *scratch = xmalloc(32 * (block.tx_count + (size_t)1));

    check_pow(&block);
    block_merkle_root(root, &is_mutated, &block, scratch);
    ck_assert_mem_eq(root, block.header.merkle_root, 32);
    ck_assert(!is_mutated);
    ck_assert(block.tx_count > 0 && tx_is_coinbase(&block.txs[0]));
    *commitment_count += check_witness_commitment(&block, scratch);
    check_stripped_forms(&block);
    *tx_count += block.tx_count;
    free(scratch);
    arena_clear(&arena);
    return block.hash;
}

/* Cuts and changes of a real block must not do harm; changed ones may parse. */
static void abuse(struct bytes data, struct prng *prng)
{
    size_t rounds = 40000000 / (data.size + 100000);
    uint8_t *copy = xmalloc(data.size);

    for (size_t i = 0; i < rounds; i++) {
        size_t size = prng_below(prng, data.size);

        ck_assert(!parses((struct bytes){data.data, size}));
        memcpy(copy, data.data, data.size);
        for (uint64_t k = prng_below(prng, 8) + 1; k > 0; k--)
            copy[prng_below(prng, data.size)] = (uint8_t)prng_next(prng);
        (void)parses((struct bytes){copy, data.size});
    }
    free(copy);
}

START_TEST(real_blocks)
{
    const char *folder = shared_folder("real blocks");

    if (folder == NULL)
        return;

    glob_t found = shared_glob(folder, "data/blocks/*.blk");
    size_t tx_count = 0, commitment_count = 0;
    struct prng prng;

    prng_init(&prng, 2);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct bytes data = file_load(found.gl_pathv[i]);

        check_real_block(data, &tx_count, &commitment_count);
        abuse(data, &prng);
        free((void *)data.data);
    }
    printf("real blocks: %zu, %zu transactions, %zu witness commitments\n", found.gl_pathc,
           tx_count, commitment_count);
    ck_assert_uint_gt(commitment_count, 0);
    globfree(&found);
}
END_TEST

START_TEST(real_chains)
{
    const char *folder = shared_folder("real chains");

    if (folder == NULL)
        return;

    glob_t found = shared_glob(folder, "data/chains/*.dat");
    size_t block_count = 0, tx_count = 0, commitment_count = 0;

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct bytes file = file_load(found.gl_pathv[i]);
        struct cursor c = cursor_of(file);

        while (cursor_left(&c) > 0) {
            cursor_le32(&c); /* magic */

            struct bytes data = cursor_take(&c, cursor_le32(&c));

            ck_assert_msg(cursor_ok(&c), "%s", found.gl_pathv[i]);
            check_real_block(data, &tx_count, &commitment_count);
            block_count++;
        }
        free((void *)file.data);
    }
    printf("real chains: %zu, %zu blocks, %zu transactions, %zu witness commitments\n",
           found.gl_pathc, block_count, tx_count, commitment_count);
    globfree(&found);
}
END_TEST

int main(void)
{
    return SUITE_RUN("block", header_is_its_80_bytes, genesis_header_has_its_hash,
                     merkle_roots_equal_the_naive_ones,
                     doubled_subtrees_have_the_same_root_and_are_seen,
                     hashes_that_differ_in_one_byte_are_no_equal_pair,
                     a_block_without_transactions_parses_and_has_a_zero_root,
                     every_truncation_and_a_byte_more_are_refused,
                     transaction_counts_allocate_only_what_the_bytes_can_hold,
                     smallest_transactions_fill_the_block, real_blocks, real_chains);
}
