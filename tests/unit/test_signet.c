#include "../../src/chain/signet.c"
#include "base/hex.h"
#include "make_block.h"
#include "shared_files.h"
#include <secp256k1.h>

#define HEIGHT 100000

static const uint8_t mark_push[] = {0xec, 0xc7, 0xda, 0xa2};

/* A signet whose blocks are quickly mined. */
static struct params signet(struct bytes challenge)
{
    struct params params;

    params_init(&params, NETWORK_SIGNET);
    params_set_signet_challenge(&params, challenge);
    bool ok = u256_from_hex(&params.pow_limit,
                            "7fffff0000000000000000000000000000000000000000000000000000000000");
    ck_assert(ok);
    return params;
}

/* The block with a solution pushed behind its witness commitment; it lives in script. */
static void solve(struct made *made, uint8_t script[256], const void *solution, size_t size)
{
    uint8_t *at = put(script, made->commitment, 38);

    if (4 + size >= OP_PUSHDATA1)
        *at++ = OP_PUSHDATA1;
    *at++ = (uint8_t)(4 + size);
    at = put(at, mark_push, 4);
    at = put(at, solution, size);
    made->outputs[0][1].script_pubkey = (struct bytes){script, (size_t)(at - script)};
}

START_TEST(trivial_challenge_needs_a_commitment_but_no_solution)
{
    struct params params = signet((struct bytes){(const uint8_t *)"\x51", 1});
    uint8_t script[256];
    struct made made;

    made_init(&made, HEIGHT, 3);
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    made_init(&made, HEIGHT, 3);
    made_commit(&made);
    ck_assert_int_eq(judge_made(&made, &params), VALID);
    solve(&made, script, "\0\0", 2);
    ck_assert_int_eq(judge_made(&made, &params), VALID);
    solve(&made, script, "\0", 1); /* no witness count */
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    solve(&made, script, "\0\0\0", 3); /* something behind */
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    solve(&made, script, "\0\xfd\0\0", 4); /* a count longer than needed */
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    solve(&made, script, "\2\x51", 2); /* a short script */
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    solve(&made, script, "\0\1\3\1\1", 5); /* a short item */
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    solve(&made, script, "", 0); /* the mark alone is no solution */
    ck_assert_int_eq(judge_made(&made, &params), VALID);
}
END_TEST

START_TEST(genesis_needs_no_solution)
{
    struct params params = signet((struct bytes){(const uint8_t *)"\x6a", 1});
    struct block_facts facts;
    uint8_t script[256];

    struct bytes genesis = {params.genesis_block, params.genesis_size};
    ck_assert_int_eq(judge(&params, genesis, &facts), VALID);
    struct made made;
    made_init(&made, HEIGHT, 3);
    made_commit(&made);
    solve(&made, script, "\0\0", 2);
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
}
END_TEST

START_TEST(challenge_may_be_a_witness_program)
{
    uint8_t program[34] = {OP_0, 32}, script[256];
    struct made made;

    sha256_once(program + 2, "\x51", 1);
    struct params params = signet((struct bytes){program, sizeof program});
    made_init(&made, HEIGHT, 3);
    made_commit(&made);
    solve(&made, script, "\0\1\1\x51", 4);
    ck_assert_int_eq(judge_made(&made, &params), VALID);
    solve(&made, script, "\0\1\1\x52", 4);
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    solve(&made, script, "\0\0", 2);
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
}
END_TEST

/* BIP325's message of a block, built here once more in the plainest way: the spending transaction
 * with the challenge in place of its script, and SIGHASH_ALL. */
static void signed_hash(uint8_t out[32], struct made *made, struct bytes challenge,
                        struct bytes commitment_left)
{
    static const uint8_t no_txid[32];
    uint8_t hashes[MADE_TXS + 1][32] = {{0}}, spent[32];
    struct bytes kept = made->outputs[0][1].script_pubkey;
    struct build b = {0};

    made->outputs[0][1].script_pubkey = commitment_left;
    for (uint32_t i = 0; i < made->tx_count; i++)
        made_hash(hashes[i], &made->txs[i], false);
    made->outputs[0][1].script_pubkey = kept;
    merkle_fold(hashes[0], made->tx_count);

    build_u32(&b, 0);
    build_byte(&b, 1);
    build_raw(&b, no_txid, 32);
    build_u32(&b, UINT32_MAX);
    build_count(&b, 74);
    build_raw(&b, "\0\x48", 2);
    build_u32(&b, (uint32_t)made->header.version);
    build_raw(&b, made->header.prev_hash.bytes, 32);
    build_raw(&b, hashes[0], 32);
    build_u32(&b, made->header.time);
    build_u32(&b, 0);
    build_count(&b, 1);
    build_u64(&b, 0);
    build_count(&b, challenge.size);
    build_raw(&b, challenge.data, challenge.size);
    build_u32(&b, 0);
    sha256d_once(spent, b.data, b.size);

    b.size = 0;
    build_u32(&b, 0);
    build_count(&b, 1);
    build_raw(&b, spent, 32);
    build_u32(&b, 0);
    build_count(&b, challenge.size);
    build_raw(&b, challenge.data, challenge.size);
    build_u32(&b, 0);
    build_count(&b, 1);
    build_u64(&b, 0);
    build_raw(&b, "\1\x6a", 2);
    build_u32(&b, 0);
    build_u32(&b, 1); /* SIGHASH_ALL */
    sha256d_once(out, b.data, b.size);
    free(b.data);
}

/* A script_sig with a signature of the hash, with its own size, and an empty witness. */
static size_t sign(uint8_t solution[80], const uint8_t hash[32], const uint8_t key[32])
{
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
    secp256k1_ecdsa_signature signature;
    size_t size = 72;

    ck_assert_int_eq(secp256k1_ecdsa_sign(ctx, &signature, hash, key, NULL, NULL), 1);
    ck_assert_int_eq(secp256k1_ecdsa_signature_serialize_der(ctx, solution + 2, &size, &signature),
                     1);
    secp256k1_context_destroy(ctx);
    solution[0] = (uint8_t)(size + 2);
    solution[1] = (uint8_t)(size + 1);
    solution[2 + size] = 1;
    solution[3 + size] = 0;
    return size + 4;
}

START_TEST(signature_covers_the_block_but_not_its_nonce)
{
    static const uint8_t key[32] = {[31] = 7};
    uint8_t challenge[35] = {33}, script[256], left[64], solution[80], hash[32];
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
    secp256k1_pubkey pubkey;
    size_t key_size = 33;
    struct made made;

    ck_assert_int_eq(secp256k1_ec_pubkey_create(ctx, &pubkey, key), 1);
    secp256k1_ec_pubkey_serialize(ctx, challenge + 1, &key_size, &pubkey, SECP256K1_EC_COMPRESSED);
    secp256k1_context_destroy(ctx);
    challenge[34] = OP_CHECKSIG;
    struct params params = signet((struct bytes){challenge, sizeof challenge});

    made_init(&made, HEIGHT, 3);
    made_commit(&made);
    uint8_t *at = put(left, made.commitment, 38);
    *at++ = 4;
    at = put(at, mark_push, 4);
    signed_hash(hash, &made, params.signet_challenge, (struct bytes){left, 43});
    solve(&made, script, solution, sign(solution, hash, key));
    ck_assert_int_eq(judge_made(&made, &params), VALID);

    made.header.bits--; /* bits and nonce are the miner's */
    ck_assert_int_eq(judge_made(&made, &params), VALID);
    made.header.time++;
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    made.header.time--;
    made.header.version++;
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    made.header.version--;
    made.header.prev_hash.bytes[3]++;
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    made.header.prev_hash.bytes[3]--;
    made.outputs[2][0].amount_sat++;
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    made.outputs[2][0].amount_sat--;
    made.outputs[0][0].amount_sat++;
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
    made.outputs[0][0].amount_sat--;
    script[38 + 2 + 4 + 10] ^= 1; /* in the signature */
    ck_assert_int_eq(judge_made(&made, &params), BAD_SIGNET_BLKSIG);
}
END_TEST

/* What take_solution leaves of a script, and takes out of it, as hex. */
static void expect_taken(const char *script_hex, const char *left_hex, const char *solution_hex)
{
    uint8_t script[400], out[400];
    char text[801];
    size_t size = strlen(script_hex) / 2;
    struct bytes rest;

    ck_assert(hex_decode(script, script_hex, 2 * size));
    struct bytes solution = take_solution((struct bytes){script, size}, out, &rest);
    hex_encode(text, rest.data, rest.size);
    ck_assert_str_eq(text, left_hex);
    hex_encode(text, solution.data, solution.size);
    ck_assert_str_eq(text, solution_hex);
}

START_TEST(solution_is_cut_out_as_the_reference_does_it)
{
    expect_taken("6a07ecc7daa2010203", "6a04ecc7daa2", "010203");
    expect_taken("6a4c07ecc7daa2010203", "6a04ecc7daa2", "010203"); /* pushes become short ones */
    expect_taken("6a4d0700ecc7daa2010203", "6a04ecc7daa2", "010203");
    expect_taken("6a4e07000000ecc7daa2010203", "6a04ecc7daa2", "010203");
    expect_taken("6a4c02aabb05ecc7daa20151", "6a02aabb04ecc7daa251", "01");
    expect_taken("6a4c0005ecc7daa2014d0000", "6a4c04ecc7daa24d",
                 "01"); /* empty ones their opcode */
    expect_taken("6a05ecc7daa20105ecc7daa202", "6a04ecc7daa205ecc7daa202", "01"); /* the first */
    expect_taken("6a04ecc7daa205ecc7daa202", "6a04ecc7daa204ecc7daa2", "02");     /* with data */
    expect_taken("6a05ecc7daa20105aabb", "6a04ecc7daa2", "01"); /* a broken push ends the script */
    expect_taken("6a4c02aabb4c00", "6a4c02aabb4c00", "");       /* nothing found: as it is */
    expect_taken("6a4c04ecc7daa2", "6a4c04ecc7daa2", "");
    expect_taken("", "", "");
}
END_TEST

START_TEST(long_solutions_are_cut_out_too)
{
    static uint8_t script[70000], out[70000];
    static const size_t sizes[] = {75, 76, 255, 256, 65535, 65536};

    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint8_t *at = put(script, "\x6a\x4e", 2);
        struct bytes rest;

        le32_write(at, (uint32_t)sizes[i]);
        at = put(at + 4, mark_push, 4);
        memset(at, 1, sizes[i]);
        *(at + sizes[i] - 4) = 2; /* a push of one byte that ends the script */
        at += sizes[i] - 4;
        at = put(at, "\x4e\1\0\0\0\5", 6);
        struct bytes solution =
            take_solution((struct bytes){script, (size_t)(at - script)}, out, &rest);
        ck_assert_uint_eq(solution.size, sizes[i] - 4);
        ck_assert_uint_eq(rest.size, 8);
        ck_assert_mem_eq(rest.data, "\x6a\4\xec\xc7\xda\xa2\1\5", 8);

        script[6] = 0; /* no mark: the push stays, in its shortest form if the script is rebuilt */
        at = put(at, "\5\xec\xc7\xda\xa2\7", 6);
        solution = take_solution((struct bytes){script, (size_t)(at - script)}, out, &rest);
        ck_assert_uint_eq(solution.size, 1);
        size_t head = sizes[i] < 76 ? 1 : sizes[i] < 256 ? 2 : sizes[i] < 65536 ? 3 : 5;
        ck_assert_uint_eq(rest.size, 1 + head + sizes[i] + 2 + 5);
    }
}
END_TEST

int main(void)
{
    return SUITE_RUN("signet", trivial_challenge_needs_a_commitment_but_no_solution,
                     genesis_needs_no_solution, challenge_may_be_a_witness_program,
                     signature_covers_the_block_but_not_its_nonce,
                     solution_is_cut_out_as_the_reference_does_it, long_solutions_are_cut_out_too);
}
