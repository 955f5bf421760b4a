/* spend_signer.c - finds out what each signature of a spend has to sign: the scripts are run, and
 * their checks caught. So it is our own idea of it, which the reference node then judges. */
#include "script/signature.h"
#include "script/verify.h"
#include "spend_maker.h"
#include <secp256k1_schnorrsig.h>

/* While a spend is signed, its checks end here (the linker's --wrap) and all pass. */
static struct {
    struct spend *spend; /* NULL: checks are what they are */
    struct spend_signature next[SPEND_SIGNATURES_MAX];
    const secp256k1_context *ctx;
} signer;

bool __real_signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                                  const uint8_t hash[32]);
bool __real_signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                    const uint8_t pubkey[32], struct bytes message);
bool __wrap_signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                                  const uint8_t hash[32]);
bool __wrap_signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                    const uint8_t pubkey[32], struct bytes message);

/* The place of a signature that has these bytes, besides its hash type, in the table that is being
 * made; NULL: it is none of ours. */
static struct spend_signature *find_next(struct bytes bytes)
{
    for (uint32_t i = 0; i < signer.spend->signature_count; i++) {
        const struct spend_signature *signature = &signer.spend->signatures[i];

        if (signature->size >= bytes.size &&
            memcmp(signature->bytes, bytes.data, bytes.size) == 0) {
            signer.next[i] = *signature;
            return &signer.next[i];
        }
    }
    return NULL;
}

/* As valid in blocks as the other one. */
static void make_high_s(secp256k1_ecdsa_signature *signature)
{
    uint8_t r_and_s[64];
    int ok = secp256k1_ecdsa_signature_serialize_compact(signer.ctx, r_and_s, signature);

    ok &= secp256k1_ec_seckey_negate(signer.ctx, r_and_s + 32);
    ok &= secp256k1_ecdsa_signature_parse_compact(signer.ctx, signature, r_and_s);
    assert(ok);
}

bool __wrap_signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                                  const uint8_t hash[32])
{
    secp256k1_ecdsa_signature signature;
    secp256k1_keypair pair;
    uint8_t secret[32];

    if (!signer.spend)
        return __real_signature_check_ecdsa(cache, der, pubkey, hash);
    struct spend_signature *next = find_next(der);
    if (!next || !spend_find_key(signer.spend, signer.ctx, pubkey, &pair))
        return false;
    uint8_t hash_type = next->bytes[next->size - 1];
    int ok = secp256k1_keypair_sec(signer.ctx, secret, &pair);
    ok &= secp256k1_ecdsa_sign(signer.ctx, &signature, hash, secret, NULL, NULL);
    if (hash_type & 0x40)
        make_high_s(&signature);
    next->size = sizeof next->bytes;
    ok &= secp256k1_ecdsa_signature_serialize_der(signer.ctx, next->bytes, &next->size, &signature);
    assert(ok);
    next->bytes[next->size++] = hash_type;
    return true;
}

bool __wrap_signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                    const uint8_t pubkey[32], struct bytes message)
{
    secp256k1_keypair pair;

    if (!signer.spend)
        return __real_signature_check_schnorr(cache, signature, pubkey, message);
    struct spend_signature *next = find_next((struct bytes){signature, 64});
    if (!next || !spend_find_key(signer.spend, signer.ctx, (struct bytes){pubkey, 32}, &pair))
        return false;
    int ok = secp256k1_schnorrsig_sign32(signer.ctx, next->bytes, message.data, &pair, NULL);
    assert(ok);
    return true;
}

/* Runs every input, so that its checks come to the signer. */
static void run_all(struct spend *spend)
{
    struct script_machine *machine = script_machine_new();
    struct sighash_parts parts;
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 20);
    if (tx_parse(&tx, (struct bytes){spend->tx.data, spend->tx.size}, &arena)) {
        sighash_parts_init(&parts, &tx, spend->prevouts);
        for (uint32_t i = 0; i < tx.input_count; i++)
            (void)script_verify(machine, &tx, i, spend->prevouts, &parts, SCRIPT_VERIFY_CONSENSUS);
    }
    arena_clear(&arena);
    script_machine_free(machine);
}

/* Signatures change scripts that have them in them, and those what others sign: three rounds. */
void spend_make_signed(struct spend *spend, const struct spend_plan *plan,
                       const secp256k1_context *ctx)
{
    for (int round = 0; round < 3; round++) {
        spend_make(spend, plan, ctx);
        memcpy(signer.next, spend->signatures, sizeof signer.next);
        signer.spend = spend;
        signer.ctx = ctx;
        run_all(spend);
        signer.spend = NULL;
        if (memcmp(signer.next, spend->signatures, sizeof signer.next) == 0)
            return;
        memcpy(spend->signatures, signer.next, sizeof signer.next);
    }
    spend_make(spend, plan, ctx);
}
