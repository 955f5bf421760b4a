/* bench_script.c - what verifying an input costs beyond its signatures. The first table is of
 * signatures alone, the second of whole inputs by kind (each in a transaction of one input and two
 * outputs, the sighash parts computed anew each time), with a bare signature check of libsecp256k1
 * as the first way: the ratio less the number of signatures is the interpreter, the hashes and the
 * encodings. */
#include "codec/compact.h"
#include "codec/opcode.h"
#include "script/signature.h"
#include "script/verify.h"
#include "slices.h"
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#include <stdlib.h>

#define SLICES 30
#define REPEAT 40

/* One input that spends one output. */
struct spend {
    uint8_t script_pubkey[40], script_sig[400], witness[400], code[200], raw[1200];
    size_t script_pubkey_size, script_sig_size, witness_size, code_size;
    uint8_t witness_count;
    struct arena arena;
    struct tx tx;
    struct tx_output prevout;
    struct script_machine *machine;
};

/* Keys 1 to 3, and a signature of key 1 alone. */
struct signer {
    secp256k1_context *ctx;
    secp256k1_keypair pairs[3];
    uint8_t secrets[3][32], pubkeys[3][33];
    uint8_t hash[32], compact[64], schnorr[64], der[72];
    size_t der_size;
};

static void signer_init(struct signer *s)
{
    secp256k1_ecdsa_signature signature;

    s->ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    for (int i = 0; i < 3; i++) {
        secp256k1_pubkey key;
        size_t size = 33;
        int ok;

        memset(s->secrets[i], 0, 32);
        s->secrets[i][31] = (uint8_t)(i + 77);
        ok = secp256k1_keypair_create(s->ctx, &s->pairs[i], s->secrets[i]);
        assert(ok);
        ok = secp256k1_keypair_pub(s->ctx, &key, &s->pairs[i]);
        assert(ok);
        secp256k1_ec_pubkey_serialize(s->ctx, s->pubkeys[i], &size, &key, SECP256K1_EC_COMPRESSED);
    }
    memset(s->hash, 0x33, sizeof s->hash);
    secp256k1_ecdsa_sign(s->ctx, &signature, s->hash, s->secrets[0], NULL, NULL);
    secp256k1_ecdsa_signature_serialize_compact(s->ctx, s->compact, &signature);
    s->der_size = sizeof s->der;
    secp256k1_ecdsa_signature_serialize_der(s->ctx, s->der, &s->der_size, &signature);
    secp256k1_schnorrsig_sign32(s->ctx, s->schnorr, s->hash, &s->pairs[0], NULL);
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

static uint8_t *put_push(uint8_t *at, const void *data, size_t size)
{
    *at++ = (uint8_t)size;
    return put(at, data, size);
}

/* Writes the transaction with what script_sig and witness are by now, and reads it. */
static void finish(struct spend *s)
{
    uint8_t *at = s->raw;

    at = put(at, "\2\0\0\0", 4);
    if (s->witness_count > 0)
        at = put(at, "\0\1", 2);
    *at++ = 1;
    memset(at, 5, 36);
    at += 36;
    at += compact_write(at, s->script_sig_size);
    at = put(at, s->script_sig, s->script_sig_size);
    at = put(at, "\xfe\xff\xff\xff\2", 5);
    for (int i = 0; i < 2; i++) {
        memset(at, 0, 8 + 1 + 22);
        at[8] = 22;
        at += 8 + 1 + 22;
    }
    if (s->witness_count > 0) {
        *at++ = s->witness_count;
        at = put(at, s->witness, s->witness_size);
    }
    at = put(at, "\0\0\0\0", 4);
    arena_reset(&s->arena, SIZE_MAX);

    bool is_read = tx_parse(&s->tx, (struct bytes){s->raw, (size_t)(at - s->raw)}, &s->arena);

    assert(is_read);
    s->prevout = (struct tx_output){.amount_sat = 1000,
                                    .script_pubkey = {s->script_pubkey, s->script_pubkey_size}};
}

/* DER and hash type of key's signature over s->code. */
static size_t sign(const struct signer *signer, int key, struct spend *s, bool is_v0,
                   uint8_t out[73])
{
    struct bytes code = {s->code, s->code_size};
    secp256k1_ecdsa_signature signature;
    struct sighash_parts parts;
    uint8_t hash[32];
    size_t size = 72;

    if (is_v0) {
        s->witness[0] = 0; /* any witness, so that there are parts */
        s->witness_size = 1;
        s->witness_count = 1;
    }
    finish(s);
    sighash_parts_init(&parts, &s->tx, &s->prevout);
    if (is_v0)
        sighash_v0(hash, &s->tx, 0, code, s->prevout.amount_sat, SIGHASH_ALL, &parts);
    else
        sighash_legacy(hash, &s->tx, 0, code, SIGHASH_ALL, NULL);
    secp256k1_ecdsa_sign(signer->ctx, &signature, hash, signer->secrets[key], NULL, NULL);
    secp256k1_ecdsa_signature_serialize_der(signer->ctx, out, &size, &signature);
    out[size] = SIGHASH_ALL;
    return size + 1;
}

static struct spend *spend_new(void)
{
    struct spend *s = xcalloc(1, sizeof *s);

    arena_init(&s->arena, 1 << 20);
    s->machine = script_machine_new();
    return s;
}

static void spend_free(struct spend *s)
{
    arena_clear(&s->arena);
    script_machine_free(s->machine);
    free(s);
}

/* The script that pays to the hash of key 1. */
static void set_key_hash_code(struct spend *s, const struct signer *signer)
{
    uint8_t *at = put(s->code, "\x76\xa9\x14", 3);

    hash160_once(at, signer->pubkeys[0], 33);
    at = put(at + 20, "\x88\xac", 2);
    s->code_size = (size_t)(at - s->code);
}

static struct spend *make_p2pkh(const struct signer *signer)
{
    struct spend *s = spend_new();
    uint8_t signature[73];

    set_key_hash_code(s, signer);
    memcpy(s->script_pubkey, s->code, s->code_size);
    s->script_pubkey_size = s->code_size;

    size_t size = sign(signer, 0, s, false, signature);
    uint8_t *at = put_push(s->script_sig, signature, size);

    at = put_push(at, signer->pubkeys[0], 33);
    s->script_sig_size = (size_t)(at - s->script_sig);
    finish(s);
    return s;
}

static struct spend *make_p2wpkh(const struct signer *signer)
{
    struct spend *s = spend_new();
    uint8_t signature[73];

    set_key_hash_code(s, signer);
    s->script_pubkey[0] = OP_0;
    put_push(s->script_pubkey + 1, s->code + 3, 20);
    s->script_pubkey_size = 22;

    size_t size = sign(signer, 0, s, true, signature);
    uint8_t *at = put_push(s->witness, signature, size);

    at = put_push(at, signer->pubkeys[0], 33);
    s->witness_size = (size_t)(at - s->witness);
    s->witness_count = 2;
    finish(s);
    return s;
}

/* 2 of 3, signed by the last two keys: these are tried first, so each signature is checked once. */
static void set_multisig_code(struct spend *s, const struct signer *signer)
{
    uint8_t *at = s->code;

    *at++ = OP_2;
    for (int i = 0; i < 3; i++)
        at = put_push(at, signer->pubkeys[i], 33);
    at = put(at, "\x53\xae", 2);
    s->code_size = (size_t)(at - s->code);
}

static struct spend *make_p2sh_multisig(const struct signer *signer)
{
    struct spend *s = spend_new();
    uint8_t signatures[2][73];
    size_t sizes[2];

    set_multisig_code(s, signer);
    put(s->script_pubkey, "\xa9\x14", 2);
    hash160_once(s->script_pubkey + 2, s->code, s->code_size);
    s->script_pubkey[22] = OP_EQUAL;
    s->script_pubkey_size = 23;
    for (int i = 0; i < 2; i++)
        sizes[i] = sign(signer, i + 1, s, false, signatures[i]);

    uint8_t *at = s->script_sig;

    *at++ = OP_0;
    for (int i = 0; i < 2; i++)
        at = put_push(at, signatures[i], sizes[i]);
    *at++ = OP_PUSHDATA1;
    at = put_push(at, s->code, s->code_size);
    s->script_sig_size = (size_t)(at - s->script_sig);
    finish(s);
    return s;
}

static struct spend *make_p2wsh_multisig(const struct signer *signer)
{
    struct spend *s = spend_new();
    uint8_t signatures[2][73];
    size_t sizes[2];

    set_multisig_code(s, signer);
    put(s->script_pubkey, "\0\x20", 2);
    sha256_once(s->script_pubkey + 2, s->code, s->code_size);
    s->script_pubkey_size = 34;
    for (int i = 0; i < 2; i++)
        sizes[i] = sign(signer, i + 1, s, true, signatures[i]);

    uint8_t *at = s->witness;

    *at++ = 0;
    for (int i = 0; i < 2; i++)
        at = put_push(at, signatures[i], sizes[i]);
    at = put_push(at, s->code, s->code_size);
    s->witness_size = (size_t)(at - s->witness);
    s->witness_count = 4;
    finish(s);
    return s;
}

/* The key path, with key 1 as the output key. */
static struct spend *make_p2tr(const struct signer *signer)
{
    struct spend *s = spend_new();
    struct sighash_taproot spend = {0};
    struct sighash_parts parts;
    uint8_t hash[32], signature[64];

    put(s->script_pubkey, "\x51\x20", 2);
    put(s->script_pubkey + 2, signer->pubkeys[0] + 1, 32);
    s->script_pubkey_size = 34;
    s->witness[0] = 64;
    s->witness_size = 65;
    s->witness_count = 1;
    finish(s);
    sighash_parts_init(&parts, &s->tx, &s->prevout);

    bool is_defined =
        sighash_taproot(hash, &s->tx, 0, &s->prevout, SIGHASH_DEFAULT, &parts, &spend);

    assert(is_defined);
    secp256k1_schnorrsig_sign32(signer->ctx, signature, hash, &signer->pairs[0], NULL);
    put(s->witness + 1, signature, 64);
    finish(s);
    return s;
}

static void run_spend(void *context)
{
    struct spend *s = context;

    for (int i = 0; i < REPEAT; i++) {
        struct sighash_parts parts;

        sighash_parts_init(&parts, &s->tx, &s->prevout);

        enum script_error error =
            script_verify(s->machine, &s->tx, 0, &s->prevout, &parts, SCRIPT_VERIFY_CONSENSUS);

        assert(error == SCRIPT_OK);
    }
}

/* What an ECDSA check must at least do: the key's point, and the equation. */
static void run_bare(void *context)
{
    const struct signer *s = context;

    for (int i = 0; i < REPEAT; i++) {
        secp256k1_ecdsa_signature signature;
        secp256k1_pubkey key;
        int ok = secp256k1_ec_pubkey_parse(s->ctx, &key, s->pubkeys[0], 33) &&
                 secp256k1_ecdsa_signature_parse_compact(s->ctx, &signature, s->compact) &&
                 secp256k1_ecdsa_verify(s->ctx, &signature, s->hash, &key);

        assert(ok);
    }
}

static void run_ecdsa(void *context)
{
    const struct signer *s = context;

    for (int i = 0; i < REPEAT; i++) {
        bool ok = signature_check_ecdsa(NULL, (struct bytes){s->der, s->der_size},
                                        (struct bytes){s->pubkeys[0], 33}, s->hash);
        assert(ok);
    }
}

static void run_schnorr(void *context)
{
    const struct signer *s = context;

    for (int i = 0; i < REPEAT; i++) {
        bool ok = signature_check_schnorr(NULL, s->schnorr, s->pubkeys[0] + 1,
                                          (struct bytes){s->hash, 32});
        assert(ok);
    }
}

int main(void)
{
    static struct signer signer;

    signer_init(&signer);

    struct spend *spends[] = {make_p2pkh(&signer), make_p2wpkh(&signer),
                              make_p2sh_multisig(&signer), make_p2wsh_multisig(&signer),
                              make_p2tr(&signer)};
    const struct slice_way signatures[] = {
        {"libsecp256k1 alone (ECDSA)", run_bare, &signer, REPEAT},
        {"signature_check_ecdsa", run_ecdsa, &signer, REPEAT},
        {"signature_check_schnorr", run_schnorr, &signer, REPEAT},
    };
    const struct slice_way inputs[] = {
        {"one signature alone", run_bare, &signer, REPEAT},
        {"P2PKH", run_spend, spends[0], REPEAT},
        {"P2WPKH", run_spend, spends[1], REPEAT},
        {"P2SH multisig, 2 signatures", run_spend, spends[2], REPEAT},
        {"P2WSH multisig, 2 signatures", run_spend, spends[3], REPEAT},
        {"P2TR key path", run_spend, spends[4], REPEAT},
    };

    slices_run("signatures", "signature", signatures, ARRAY_COUNT(signatures), SLICES);
    slices_run("inputs", "input", inputs, ARRAY_COUNT(inputs), SLICES);
    for (size_t i = 0; i < ARRAY_COUNT(spends); i++)
        spend_free(spends[i]);
    secp256k1_context_destroy(signer.ctx);
    return 0;
}
