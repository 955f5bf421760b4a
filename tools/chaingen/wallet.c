#include "chaingen/wallet.h"
#include "base/arena.h"
#include "base/hash.h"
#include "chaingen/build.h"
#include "codec/opcode.h"
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#include <stdlib.h>

#define SCRIPT_MAX     67               /* P2PK with an uncompressed key */
#define MULTISIG_SIZE  (1 + 3 * 34 + 2) /* 2 of 3 */
#define LEAF_SIZE      34               /* <key> OP_CHECKSIG */
#define CONTROL_SIZE   65               /* version and parity, internal key, the other leaf */
#define SIGNATURE_MAX  73               /* DER and hash type */
#define TAPSCRIPT_LEAF 0xc0

struct key {
    uint8_t secret[32];
    uint8_t pubkey[33], pubkey_full[65];
    uint8_t x[32];
    secp256k1_keypair plain, tweaked; /* for the script path, the key path */
    uint8_t control[CONTROL_SIZE];
    uint8_t leaf_hash[32];
    struct {
        uint8_t data[SCRIPT_MAX];
        uint8_t size;
    } scripts[WALLET_KIND_COUNT];
};

struct wallet {
    secp256k1_context *context;
    struct key *keys;
    uint32_t key_count;
    uint32_t *slots; /* by hash of the script: 1 + key * WALLET_KIND_COUNT + kind, 0: free */
    uint32_t slot_mask;
};

const char *const wallet_kind_names[WALLET_KIND_COUNT] = {
#define X(constant, name, weight, sigops) name,
    WALLET_KIND_LIST(X)
#undef X
};
const uint32_t wallet_spend_weight[WALLET_KIND_COUNT] = {
#define X(constant, name, weight, sigops) weight,
    WALLET_KIND_LIST(X)
#undef X
};
const uint32_t wallet_spend_sigops[WALLET_KIND_COUNT] = {
#define X(constant, name, weight, sigops) sigops,
    WALLET_KIND_LIST(X)
#undef X
};

/* libsecp256k1 fails only where a hash is no valid scalar: once in 2^128. */
static void must(int ok)
{
    assert(ok == 1);
}

static const struct key *key_after(const struct wallet *wallet, uint32_t key, uint32_t distance)
{
    return &wallet->keys[(key + distance) % wallet->key_count];
}

static void make_key(const struct wallet *wallet, struct key *key, struct bytes seed,
                     uint32_t index)
{
    struct sha256 ctx;
    secp256k1_pubkey pubkey;
    secp256k1_xonly_pubkey xonly;
    size_t size = sizeof key->pubkey, full_size = sizeof key->pubkey_full;

    sha256_init_tagged(&ctx, "chaingen/key");
    sha256_update(&ctx, &index, sizeof index);
    sha256_update(&ctx, seed.data, seed.size);
    sha256_final(&ctx, key->secret);
    must(secp256k1_keypair_create(wallet->context, &key->plain, key->secret));
    must(secp256k1_keypair_pub(wallet->context, &pubkey, &key->plain));
    must(secp256k1_ec_pubkey_serialize(wallet->context, key->pubkey, &size, &pubkey,
                                       SECP256K1_EC_COMPRESSED));
    must(secp256k1_ec_pubkey_serialize(wallet->context, key->pubkey_full, &full_size, &pubkey,
                                       SECP256K1_EC_UNCOMPRESSED));
    must(secp256k1_keypair_xonly_pub(wallet->context, &xonly, NULL, &key->plain));
    must(secp256k1_xonly_pubkey_serialize(wallet->context, key->x, &xonly));
}

static void make_leaf(uint8_t out[LEAF_SIZE], const struct key *key)
{
    out[0] = 32;
    memcpy(out + 1, key->x, 32);
    out[33] = OP_CHECKSIG;
}

static void make_multisig(const struct wallet *wallet, uint8_t out[MULTISIG_SIZE], uint32_t key)
{
    out[0] = OP_2;
    for (uint32_t i = 0; i < 3; i++) {
        out[1 + 34 * i] = 33;
        memcpy(out + 2 + 34 * i, key_after(wallet, key, i)->pubkey, 33);
    }
    out[MULTISIG_SIZE - 2] = OP_3;
    out[MULTISIG_SIZE - 1] = OP_CHECKMULTISIG;
}

static void set_script(struct key *key, enum wallet_kind kind, const struct buffer *script)
{
    assert(script->size <= SCRIPT_MAX);
    memcpy(key->scripts[kind].data, script->data, script->size);
    key->scripts[kind].size = (uint8_t)script->size;
}

static void set_p2sh(struct key *key, enum wallet_kind kind, const void *redeem, size_t size,
                     struct buffer *b)
{
    uint8_t hash[20];

    hash160_once(hash, redeem, size);
    buffer_clear(b);
    buffer_u8(b, OP_HASH160);
    buffer_push(b, (struct bytes){hash, sizeof hash});
    buffer_u8(b, OP_EQUAL);
    set_script(key, kind, b);
}

static void set_program(struct key *key, enum wallet_kind kind, uint8_t version,
                        const void *program, size_t size, struct buffer *b)
{
    buffer_clear(b);
    buffer_u8(b, version);
    buffer_push(b, (struct bytes){program, size});
    set_script(key, kind, b);
}

static void make_v0_and_older(const struct wallet *wallet, struct key *key, uint32_t index)
{
    struct buffer b = {0};
    uint8_t hash[20], multisig[MULTISIG_SIZE], multisig_hash[32];
    struct bytes pubkey = index % 2 ? (struct bytes){key->pubkey_full, sizeof key->pubkey_full}
                                    : (struct bytes){key->pubkey, sizeof key->pubkey};

    buffer_push(&b, pubkey);
    buffer_u8(&b, OP_CHECKSIG);
    set_script(key, WALLET_P2PK, &b);

    hash160_once(hash, key->pubkey, sizeof key->pubkey);
    buffer_clear(&b);
    buffer_put(&b, (uint8_t[]){OP_DUP, OP_HASH160}, 2);
    buffer_push(&b, (struct bytes){hash, sizeof hash});
    buffer_put(&b, (uint8_t[]){OP_EQUALVERIFY, OP_CHECKSIG}, 2);
    set_script(key, WALLET_P2PKH, &b);

    set_program(key, WALLET_P2WPKH, OP_0, hash, sizeof hash, &b);
    set_p2sh(key, WALLET_P2SH_P2WPKH, b.data, b.size, &b);

    make_multisig(wallet, multisig, index);
    set_p2sh(key, WALLET_P2SH_MULTISIG, multisig, sizeof multisig, &b);
    sha256_once(multisig_hash, multisig, sizeof multisig);
    set_program(key, WALLET_P2WSH_MULTISIG, OP_0, multisig_hash, sizeof multisig_hash, &b);
    buffer_free(&b);
}

static void leaf_hash(uint8_t out[32], const struct key *key)
{
    uint8_t leaf[2 + LEAF_SIZE] = {TAPSCRIPT_LEAF, LEAF_SIZE};
    struct sha256 ctx;

    make_leaf(leaf + 2, key);
    sha256_init_tagged(&ctx, "TapLeaf");
    sha256_update(&ctx, leaf, sizeof leaf);
    sha256_final(&ctx, out);
}

static void tweak_hash(uint8_t out[32], const uint8_t internal[32], struct bytes root)
{
    struct sha256 ctx;

    sha256_init_tagged(&ctx, "TapTweak");
    sha256_update(&ctx, internal, 32);
    sha256_update(&ctx, root.data, root.size);
    sha256_final(&ctx, out);
}

/* The key path commits to no script (BIP86). The script path has two leaves, its own and that of
 * the next key, under the internal key two on. */
static void make_taproot(const struct wallet *wallet, struct key *key, uint32_t index)
{
    struct buffer b = {0};
    secp256k1_xonly_pubkey xonly;
    secp256k1_pubkey output;
    uint8_t tweak[32], program[32], other[32], root[32];
    const struct key *internal = key_after(wallet, index, 2);
    struct sha256 ctx;
    int parity;

    tweak_hash(tweak, key->x, (struct bytes){NULL, 0});
    key->tweaked = key->plain;
    must(secp256k1_keypair_xonly_tweak_add(wallet->context, &key->tweaked, tweak));
    must(secp256k1_keypair_xonly_pub(wallet->context, &xonly, NULL, &key->tweaked));
    must(secp256k1_xonly_pubkey_serialize(wallet->context, program, &xonly));
    set_program(key, WALLET_P2TR_KEY, OP_1, program, sizeof program, &b);

    leaf_hash(key->leaf_hash, key);
    leaf_hash(other, key_after(wallet, index, 1));
    bool is_first = memcmp(key->leaf_hash, other, 32) < 0;
    sha256_init_tagged(&ctx, "TapBranch");
    sha256_update(&ctx, is_first ? key->leaf_hash : other, 32);
    sha256_update(&ctx, is_first ? other : key->leaf_hash, 32);
    sha256_final(&ctx, root);
    tweak_hash(tweak, internal->x, (struct bytes){root, sizeof root});
    must(secp256k1_xonly_pubkey_parse(wallet->context, &xonly, internal->x));
    must(secp256k1_xonly_pubkey_tweak_add(wallet->context, &output, &xonly, tweak));
    must(secp256k1_xonly_pubkey_from_pubkey(wallet->context, &xonly, &parity, &output));
    must(secp256k1_xonly_pubkey_serialize(wallet->context, program, &xonly));
    set_program(key, WALLET_P2TR_SCRIPT, OP_1, program, sizeof program, &b);
    key->control[0] = (uint8_t)(TAPSCRIPT_LEAF | parity);
    memcpy(key->control + 1, internal->x, 32);
    memcpy(key->control + 33, other, 32);
    buffer_free(&b);
}

/* The slot of script, or the free one where it would stand. */
static uint32_t *slot_of(const struct wallet *wallet, struct bytes script)
{
    uint64_t at = siphash24((struct siphash_key){1, 2}, script.data, script.size);

    for (;; at++) {
        uint32_t *slot = &wallet->slots[at & wallet->slot_mask];

        if (*slot == 0 || bytes_equal(script, wallet_script(wallet, (*slot - 1) % WALLET_KIND_COUNT,
                                                            (*slot - 1) / WALLET_KIND_COUNT)))
            return slot;
    }
}

struct wallet *wallet_new(struct bytes seed, uint32_t key_count)
{
    struct wallet *wallet = xcalloc(1, sizeof *wallet);

    assert(key_count >= 3 && key_count <= 65536);
    wallet->context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    wallet->key_count = key_count;
    wallet->keys = xcalloc(key_count, sizeof *wallet->keys);
    for (uint32_t i = 0; i < key_count; i++)
        make_key(wallet, &wallet->keys[i], seed, i);
    for (uint32_t i = 0; i < key_count; i++) {
        make_v0_and_older(wallet, &wallet->keys[i], i);
        make_taproot(wallet, &wallet->keys[i], i);
    }

    uint32_t slot_count = 32;

    while (slot_count < key_count * WALLET_KIND_COUNT * 2)
        slot_count *= 2;
    wallet->slot_mask = slot_count - 1;
    wallet->slots = xcalloc(slot_count, sizeof *wallet->slots);
    for (uint32_t i = 0; i < key_count * WALLET_KIND_COUNT; i++)
        *slot_of(wallet, wallet_script(wallet, i % WALLET_KIND_COUNT, i / WALLET_KIND_COUNT)) =
            i + 1;
    return wallet;
}

void wallet_free(struct wallet *wallet)
{
    if (wallet == NULL)
        return;
    secp256k1_context_destroy(wallet->context);
    free(wallet->keys);
    free(wallet->slots);
    free(wallet);
}

uint32_t wallet_key_count(const struct wallet *wallet)
{
    return wallet->key_count;
}

struct bytes wallet_script(const struct wallet *wallet, enum wallet_kind kind, uint32_t key)
{
    const struct key *k = &wallet->keys[key];

    return (struct bytes){k->scripts[kind].data, k->scripts[kind].size};
}

bool wallet_find(const struct wallet *wallet, struct bytes script, enum wallet_kind *kind,
                 uint32_t *key)
{
    uint32_t found = *slot_of(wallet, script);

    if (found == 0)
        return false;
    *kind = (found - 1) % WALLET_KIND_COUNT;
    *key = (found - 1) / WALLET_KIND_COUNT;
    return true;
}

static bool has_witness(enum wallet_kind kind)
{
    return kind >= WALLET_P2WSH_MULTISIG;
}

/* What the signing of one transaction needs. */
struct job {
    const struct wallet *wallet;
    const struct tx *tx; /* parsed */
    const struct tx_output *prevouts;
    struct sighash_parts parts;
    struct buffer script_sig, witness; /* of the input at hand */
    uint32_t witness_count;
};

/* DER with the hash type behind; gives its size. */
static size_t sign_ecdsa(const struct wallet *wallet, uint8_t out[SIGNATURE_MAX],
                         const struct key *key, const uint8_t hash[32], uint8_t hash_type)
{
    secp256k1_ecdsa_signature signature;
    size_t size = SIGNATURE_MAX - 1;

    must(secp256k1_ecdsa_sign(wallet->context, &signature, hash, key->secret, NULL, NULL));
    must(secp256k1_ecdsa_signature_serialize_der(wallet->context, out, &size, &signature));
    out[size] = hash_type;
    return size + 1;
}

static void put_item(struct job *job, const void *data, size_t size)
{
    buffer_sized(&job->witness, (struct bytes){data, size});
    job->witness_count++;
}

/* Two of the three keys after each other, so that the checks of all orders happen. */
static void sign_multisig(struct job *job, uint32_t input, const struct wallet_spend *spend,
                          uint8_t hash_type)
{
    bool is_witness = spend->kind == WALLET_P2WSH_MULTISIG;
    uint8_t redeem[MULTISIG_SIZE], hash[32], signature[SIGNATURE_MAX];
    struct bytes script = {redeem, sizeof redeem};
    uint32_t left_out = (spend->key + input) % 3;

    make_multisig(job->wallet, redeem, spend->key);
    if (is_witness) {
        sighash_v0(hash, job->tx, input, script, job->prevouts[input].amount_sat, hash_type,
                   &job->parts);
        put_item(job, NULL, 0);
    } else {
        sighash_legacy(hash, job->tx, input, script, hash_type, NULL);
        buffer_u8(&job->script_sig, OP_0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (i == left_out)
            continue;

        const struct key *key = key_after(job->wallet, spend->key, i);
        size_t size = sign_ecdsa(job->wallet, signature, key, hash, hash_type);

        if (is_witness)
            put_item(job, signature, size);
        else
            buffer_push(&job->script_sig, (struct bytes){signature, size});
    }
    if (is_witness)
        put_item(job, redeem, sizeof redeem);
    else
        buffer_push(&job->script_sig, script);
}

static void sign_legacy(struct job *job, uint32_t input, const struct wallet_spend *spend,
                        uint8_t hash_type)
{
    const struct key *key = &job->wallet->keys[spend->key];
    uint8_t hash[32], signature[SIGNATURE_MAX];

    sighash_legacy(hash, job->tx, input, job->prevouts[input].script_pubkey, hash_type, NULL);

    size_t size = sign_ecdsa(job->wallet, signature, key, hash, hash_type);

    buffer_push(&job->script_sig, (struct bytes){signature, size});
    if (spend->kind == WALLET_P2PKH)
        buffer_push(&job->script_sig, (struct bytes){key->pubkey, sizeof key->pubkey});
}

static void sign_p2wpkh(struct job *job, uint32_t input, const struct wallet_spend *spend,
                        uint8_t hash_type)
{
    const struct key *key = &job->wallet->keys[spend->key];
    uint8_t hash[32], signature[SIGNATURE_MAX];

    sighash_v0(hash, job->tx, input, wallet_script(job->wallet, WALLET_P2PKH, spend->key),
               job->prevouts[input].amount_sat, hash_type, &job->parts);
    put_item(job, signature, sign_ecdsa(job->wallet, signature, key, hash, hash_type));
    put_item(job, key->pubkey, sizeof key->pubkey);
    if (spend->kind == WALLET_P2SH_P2WPKH)
        buffer_push(&job->script_sig, wallet_script(job->wallet, WALLET_P2WPKH, spend->key));
}

static void sign_taproot(struct job *job, uint32_t input, const struct wallet_spend *spend)
{
    const struct key *key = &job->wallet->keys[spend->key];
    bool is_key_path = spend->kind == WALLET_P2TR_KEY;
    struct sighash_taproot what = {.leaf_hash = is_key_path ? NULL : key->leaf_hash,
                                   .code_separator_position = UINT32_MAX};
    uint8_t hash[32], signature[65], leaf[LEAF_SIZE];

    must(
        sighash_taproot(hash, job->tx, input, job->prevouts, spend->hash_type, &job->parts, &what));
    must(secp256k1_schnorrsig_sign32(job->wallet->context, signature, hash,
                                     is_key_path ? &key->tweaked : &key->plain, NULL));
    signature[64] = spend->hash_type;
    put_item(job, signature, spend->hash_type == SIGHASH_DEFAULT ? 64 : 65);
    if (is_key_path)
        return;
    make_leaf(leaf, key);
    put_item(job, leaf, sizeof leaf);
    put_item(job, key->control, sizeof key->control);
}

static void sign_input(struct job *job, uint32_t input, const struct wallet_spend *spend)
{
    uint8_t hash_type = spend->hash_type == 0 ? SIGHASH_ALL : spend->hash_type;

    switch (spend->kind) {
    case WALLET_P2PK:
    case WALLET_P2PKH:
        sign_legacy(job, input, spend, hash_type);
        break;
    case WALLET_P2SH_MULTISIG:
    case WALLET_P2WSH_MULTISIG:
        sign_multisig(job, input, spend, hash_type);
        break;
    case WALLET_P2SH_P2WPKH:
    case WALLET_P2WPKH:
        sign_p2wpkh(job, input, spend, hash_type);
        break;
    case WALLET_P2TR_KEY:
    case WALLET_P2TR_SCRIPT:
        sign_taproot(job, input, spend);
        break;
    case WALLET_KIND_COUNT:
        assert(false);
    }
}

static struct bytes keep(const struct buffer *b, struct arena *arena)
{
    uint8_t *copy = arena_alloc(arena, b->size);

    assert(copy != NULL);
    memcpy(copy, b->data ? b->data : copy, b->size);
    return (struct bytes){copy, b->size};
}

/* The sighash functions want a parsed transaction whose witness inputs have a witness: an empty
 * item stands in for it. unsigned_tx holds the bytes. */
static void parse_unsigned(struct tx *parsed, struct buffer *unsigned_tx, const struct tx *tx,
                           const struct wallet_spend *spends, struct arena *arena)
{
    static const uint8_t empty_item[1] = {0};
    struct tx draft = *tx;
    struct tx_input *inputs = arena_array(arena, tx->input_count, sizeof *inputs);

    assert(inputs != NULL);
    draft.has_witness = false;
    draft.inputs = inputs;
    for (uint32_t i = 0; i < tx->input_count; i++) {
        bool is_witness = has_witness(spends[i].kind);

        inputs[i] = (struct tx_input){.prevout = tx->inputs[i].prevout,
                                      .sequence = tx->inputs[i].sequence,
                                      .witness = {empty_item, is_witness},
                                      .witness_count = is_witness};
        draft.has_witness |= is_witness;
    }
    build_tx(unsigned_tx, &draft);

    bool is_tx = tx_parse(parsed, buffer_bytes(unsigned_tx), arena);

    assert(is_tx);
}

void wallet_sign(const struct wallet *wallet, struct buffer *out, const struct tx *tx,
                 const struct tx_output *prevouts, const struct wallet_spend *spends,
                 struct arena *arena)
{
    struct tx parsed;
    struct buffer unsigned_tx = {0};
    struct job job = {.wallet = wallet, .tx = &parsed, .prevouts = prevouts};

    parse_unsigned(&parsed, &unsigned_tx, tx, spends, arena);
    sighash_parts_init(&job.parts, &parsed, prevouts);
    for (uint32_t i = 0; i < parsed.input_count; i++) {
        buffer_clear(&job.script_sig);
        buffer_clear(&job.witness);
        job.witness_count = 0;
        sign_input(&job, i, &spends[i]);
        parsed.inputs[i].script_sig = keep(&job.script_sig, arena);
        parsed.inputs[i].witness = keep(&job.witness, arena);
        parsed.inputs[i].witness_count = job.witness_count;
    }
    build_tx(out, &parsed);
    buffer_free(&job.script_sig);
    buffer_free(&job.witness);
    buffer_free(&unsigned_tx);
}
