/* What signatures sign: script code, separators, deleted signatures, multisigs. */
#include "shared_files.h"
#include "spend.h"
#include <secp256k1_schnorrsig.h>

#define CONSENSUS SCRIPT_VERIFY_CONSENSUS

/* What a private key of the test signs. */
struct signer {
    secp256k1_context *ctx;
    uint8_t secret[32], pubkey[33];
};

static struct signer signer_new(uint8_t number)
{
    struct signer signer = {secp256k1_context_create(SECP256K1_CONTEXT_NONE), {[31] = number}, {0}};
    secp256k1_pubkey key;
    size_t size = sizeof signer.pubkey;

    ck_assert(secp256k1_ec_pubkey_create(signer.ctx, &key, signer.secret));
    secp256k1_ec_pubkey_serialize(signer.ctx, signer.pubkey, &size, &key, SECP256K1_EC_COMPRESSED);
    return signer;
}

/* DER with the hash type behind. */
static size_t sign(const struct signer *signer, uint8_t out[73], const uint8_t hash[32],
                   uint8_t hash_type)
{
    secp256k1_ecdsa_signature signature;
    size_t size = 72;

    ck_assert(secp256k1_ecdsa_sign(signer->ctx, &signature, hash, signer->secret, NULL, NULL));
    ck_assert(secp256k1_ecdsa_signature_serialize_der(signer->ctx, out, &size, &signature));
    ck_assert(size >= 8 && size <= 72);
    out[size] = hash_type;
    return size + 1;
}

/* The legacy signature of spend's input over the script that code words are. */
static size_t sign_legacy(const struct signer *signer, uint8_t out[73], const struct spend *spend,
                          struct bytes code, uint8_t hash_type)
{
    struct arena arena;
    uint8_t hash[32];
    struct tx tx;

    arena_init(&arena, 1 << 20);
    spend_tx(spend, &tx, &arena);
    sighash_legacy(hash, &tx, 0, code, hash_type, NULL);
    free((void *)tx.raw.data);
    arena_clear(&arena);
    return sign(signer, out, hash, hash_type);
}

START_TEST(signatures_of_what_follows_the_separator)
{
    struct signer signer = signer_new(3);
    struct spend spend = spend_new();
    struct build code = {0};
    uint8_t signature[73];

    /* script_pubkey: NOP CODESEPARATOR key CHECKSIG; signed is: key CHECKSIG */
    asm_push(&code, signer.pubkey, 33);
    asm_script(&code, "CHECKSIG");
    asm_script(&spend.script_pubkey, "NOP CODESEPARATOR");
    build_raw(&spend.script_pubkey, code.data, code.size);
    asm_push(&spend.script_sig, signature,
             sign_legacy(&signer, signature, &spend, build_view(&code), SIGHASH_ALL));
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend.script_pubkey.data[0] = OP_NOP1; /* not signed */
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend.script_pubkey.data[1] = OP_NOP;
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    spend_clear(&spend);
    free(code.data);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

START_TEST(a_signature_in_the_script_is_deleted_before_it_is_checked)
{
    struct signer signer = signer_new(3);
    struct spend spend = spend_new();
    struct build code = {0};
    uint8_t signature[73];

    /* script_pubkey: signature signature 2DROP key CHECKSIG; signed is: 2DROP key CHECKSIG */
    asm_script(&code, "2DROP");
    asm_push(&code, signer.pubkey, 33);
    asm_script(&code, "CHECKSIG");

    size_t size = sign_legacy(&signer, signature, &spend, build_view(&code), SIGHASH_ALL);

    asm_push(&spend.script_sig, signature, size);
    for (int i = 0; i < 2; i++)
        asm_push(&spend.script_pubkey, signature, size);
    build_raw(&spend.script_pubkey, code.data, code.size);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS | SCRIPT_VERIFY_CONST_SCRIPTCODE),
                     SCRIPT_ERR_SIG_FINDANDDELETE);
    /* In another encoding of the push it is not found. */
    spend_clear(&spend);
    asm_push(&spend.script_sig, signature, size);
    build_byte(&spend.script_pubkey, OP_PUSHDATA1);
    for (int i = 0; i < 2; i++)
        asm_push(&spend.script_pubkey, signature, size);
    build_raw(&spend.script_pubkey, code.data, code.size);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    spend_clear(&spend);
    free(code.data);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

START_TEST(each_check_hashes_its_own_script_code)
{
    struct signer signer = signer_new(3);
    struct spend spend = spend_new();
    uint8_t first[73], second[73];
    struct build after = {0};

    /* key CHECKSIGVERIFY CODESEPARATOR key CHECKSIG: the whole, and what follows the separator. */
    asm_push(&after, signer.pubkey, 33);
    asm_script(&after, "CHECKSIG");
    asm_push(&spend.script_pubkey, signer.pubkey, 33);
    asm_script(&spend.script_pubkey, "CHECKSIGVERIFY CODESEPARATOR");
    build_raw(&spend.script_pubkey, after.data, after.size);
    asm_push(&spend.script_sig, second,
             sign_legacy(&signer, second, &spend, build_view(&after), SIGHASH_ALL));
    asm_push(&spend.script_sig, first,
             sign_legacy(&signer, first, &spend, build_view(&spend.script_pubkey), SIGHASH_ALL));
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    free(after.data);
    spend_clear(&spend);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

/* other DROP signature DROP key CHECKSIG NOT VERIFY key CHECKSIG, less the pushes that are NULL. */
static void build_two_checks(struct build *b, const struct signer *signer, const uint8_t *other,
                             const uint8_t *signature, size_t size)
{
    if (other)
        asm_push(b, other, size);
    asm_script(b, "DROP");
    if (signature)
        asm_push(b, signature, size);
    asm_script(b, "DROP");
    asm_push(b, signer->pubkey, 33);
    asm_script(b, "CHECKSIG NOT VERIFY");
    asm_push(b, signer->pubkey, 33);
    asm_script(b, "CHECKSIG");
}

/* Two signatures of one size, of which the other one is deleted for the first check and the valid
 * one for the second: the two script codes are of one size as well. */
START_TEST(each_check_deletes_its_own_signature)
{
    static const uint8_t something[32] = {1};
    struct signer signer = signer_new(3);
    struct spend spend = spend_new();
    uint8_t other[73], signature[73];
    size_t other_size = sign(&signer, other, something, SIGHASH_ALL);
    size_t size = 0;

    while (size != other_size) {
        struct build code = {0};

        spend.lock_time++; /* until they are of one size */
        build_two_checks(&code, &signer, other, NULL, other_size);
        size = sign_legacy(&signer, signature, &spend, build_view(&code), SIGHASH_ALL);
        free(code.data);
    }
    asm_push(&spend.script_sig, signature, size);
    asm_push(&spend.script_sig, other, size);
    build_two_checks(&spend.script_pubkey, &signer, other, signature, size);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend_clear(&spend);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

/* A leaf of NOP 'x' DROP CODESEPARATOR key CHECKSIG, signed as if the separator stood at position.
 */
static enum script_error verify_separator_at(const struct signer *signer, uint32_t position)
{
    struct spend spend = spend_new(), witness = spend_new();
    struct sighash_taproot signed_spend = {.code_separator_position = position};
    struct sighash_parts parts;
    struct build script = {0};
    struct arena arena;
    secp256k1_keypair pair;
    struct sha256 leaf;
    uint8_t leaf_hash[32], hash[32], signature[64], head[2] = {0xc0};
    struct tx tx;

    asm_script(&script, "NOP 'x' DROP CODESEPARATOR");
    asm_push(&script, signer->pubkey + 1, 32);
    asm_script(&script, "CHECKSIG");
    head[1] = (uint8_t)script.size;
    sha256_init_tagged(&leaf, "TapLeaf");
    sha256_update(&leaf, head, 2);
    sha256_update(&leaf, script.data, script.size);
    sha256_final(&leaf, leaf_hash);
    signed_spend.leaf_hash = leaf_hash;
    spend_pay_taproot(&spend, build_view(&script), 0xc0, 0);
    arena_init(&arena, 1 << 20);

    struct tx_output prevout = spend_tx(&spend, &tx, &arena);

    sighash_parts_init(&parts, &tx, &prevout);
    ck_assert(sighash_taproot(hash, &tx, 0, &prevout, SIGHASH_DEFAULT, &parts, &signed_spend));
    ck_assert(secp256k1_keypair_create(signer->ctx, &pair, signer->secret));
    ck_assert(secp256k1_schnorrsig_sign32(signer->ctx, signature, hash, &pair, NULL));
    spend_add_witness(&witness, signature, sizeof signature);
    spend_pay_taproot(&witness, build_view(&script), 0xc0, 0);

    enum script_error error = spend_verify(&witness, CONSENSUS);

    free((void *)tx.raw.data);
    free(script.data);
    arena_clear(&arena);
    spend_clear(&spend);
    spend_clear(&witness);
    return error;
}

START_TEST(tapscript_signs_where_the_separator_stands)
{
    struct signer signer = signer_new(3);

    ck_assert_int_eq(verify_separator_at(&signer, 3), SCRIPT_OK); /* operations are counted */
    ck_assert_int_eq(verify_separator_at(&signer, 2), SCRIPT_ERR_SCHNORR_SIG);
    ck_assert_int_eq(verify_separator_at(&signer, 4), SCRIPT_ERR_SCHNORR_SIG);
    ck_assert_int_eq(verify_separator_at(&signer, UINT32_MAX), SCRIPT_ERR_SCHNORR_SIG);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

START_TEST(multisig_takes_keys_and_signatures_in_order)
{
    struct signer signers[3] = {signer_new(3), signer_new(4), signer_new(5)};
    struct spend spend = spend_new();
    uint8_t signatures[3][73];
    size_t sizes[3];
    static const struct {
        int first, second;
        enum script_error expected;
    } orders[] = {{0, 1, SCRIPT_OK},
                  {0, 2, SCRIPT_OK},
                  {1, 2, SCRIPT_OK},
                  {1, 0, SCRIPT_ERR_EVAL_FALSE},
                  {2, 1, SCRIPT_ERR_EVAL_FALSE},
                  {1, 1, SCRIPT_ERR_EVAL_FALSE}};

    asm_script(&spend.script_pubkey, "2");
    for (int i = 0; i < 3; i++)
        asm_push(&spend.script_pubkey, signers[i].pubkey, 33);
    asm_script(&spend.script_pubkey, "3 CHECKMULTISIG");
    for (int i = 0; i < 3; i++) /* of different hash types */
        sizes[i] = sign_legacy(&signers[i], signatures[i], &spend, build_view(&spend.script_pubkey),
                               (uint8_t)(SIGHASH_ALL + i));
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++) {
        build_byte(&spend.script_sig, OP_0);
        asm_push(&spend.script_sig, signatures[orders[i].first], sizes[orders[i].first]);
        asm_push(&spend.script_sig, signatures[orders[i].second], sizes[orders[i].second]);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), orders[i].expected);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS | SCRIPT_VERIFY_NULLFAIL),
                         orders[i].expected ? SCRIPT_ERR_NULLFAIL : SCRIPT_OK);
        free(spend.script_sig.data);
        spend.script_sig = (struct build){0};
    }
    spend_clear(&spend);
    for (int i = 0; i < 3; i++)
        secp256k1_context_destroy(signers[i].ctx);
}
END_TEST

/* Verifies the inputs of a transaction of two that spend the same script_pubkey, a key's, with the
 * same signature (of hash; NULL: of what the first input's signature signs); it has one output. */
static void verify_two(enum script_error errors[2], const uint8_t *hash, uint8_t hash_type)
{
    struct signer signer = signer_new(3);
    struct script_machine *machine = script_machine_new();
    struct tx_input inputs[2] = {{.sequence = 1}, {.sequence = 2}};
    struct tx_output output = {.amount_sat = 5}, prevouts[2] = {{.amount_sat = 1}};
    struct tx draft = {.inputs = inputs, .input_count = 2, .outputs = &output, .output_count = 1};
    struct build script_pubkey = {0}, script_sig = {0};
    struct sighash_parts parts;
    struct arena arena;
    uint8_t signature[73], first_hash[32];
    struct tx tx;

    asm_push(&script_pubkey, signer.pubkey, 33);
    asm_script(&script_pubkey, "CHECKSIG");
    prevouts[0].script_pubkey = prevouts[1].script_pubkey = build_view(&script_pubkey);
    arena_init(&arena, 1 << 20);
    draft_parse(&tx, &draft, &arena);
    sighash_legacy(first_hash, &tx, 0, prevouts[0].script_pubkey, hash_type, NULL);
    free((void *)tx.raw.data);
    asm_push(&script_sig, signature, sign(&signer, signature, hash ? hash : first_hash, hash_type));
    inputs[0].script_sig = inputs[1].script_sig = build_view(&script_sig);
    draft_parse(&tx, &draft, &arena);
    sighash_parts_init(&parts, &tx, prevouts);
    for (uint32_t i = 0; i < 2; i++)
        errors[i] = script_verify(machine, &tx, i, prevouts, &parts, CONSENSUS);
    free((void *)tx.raw.data);
    free(script_pubkey.data);
    free(script_sig.data);
    arena_clear(&arena);
    script_machine_free(machine);
    secp256k1_context_destroy(signer.ctx);
}

START_TEST(single_without_its_output_signs_the_number_one)
{
    static const uint8_t one[32] = {1};
    enum script_error errors[2];

    verify_two(errors, one, SIGHASH_SINGLE);
    ck_assert_int_eq(errors[0], SCRIPT_ERR_EVAL_FALSE);
    ck_assert_int_eq(errors[1], SCRIPT_OK);
}
END_TEST

START_TEST(a_machine_forgets_the_input_before)
{
    enum script_error errors[2];

    verify_two(errors, NULL, SIGHASH_ALL);
    ck_assert_int_eq(errors[0], SCRIPT_OK);
    ck_assert_int_eq(errors[1], SCRIPT_ERR_EVAL_FALSE);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "script_signing", signatures_of_what_follows_the_separator,
        a_signature_in_the_script_is_deleted_before_it_is_checked,
        each_check_hashes_its_own_script_code, each_check_deletes_its_own_signature,
        tapscript_signs_where_the_separator_stands, multisig_takes_keys_and_signatures_in_order,
        single_without_its_output_signs_the_number_one, a_machine_forgets_the_input_before);
}
