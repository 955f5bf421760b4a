#include "script/signature.h"
#include "base/arena.h"
#include "base/cursor.h"
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#include <stdlib.h>

#define CACHED_KEYS 16384 /* 1.6 MB */
#define KIND_XONLY  1     /* compressed keys are of kind 2 and 3, as they begin; 0: a free place */

struct key_cache {
    struct cached_key {
        uint8_t kind;
        uint8_t x[32];
        union {
            secp256k1_pubkey full;
            secp256k1_xonly_pubkey xonly;
        } key;
    } keys[CACHED_KEYS];
};

void signature_selftest(void)
{
    secp256k1_selftest();
}

/* Whether the size bytes at p are the shortest encoding of a number that is not negative. */
static bool is_strict_integer(const uint8_t *p, size_t size)
{
    if (size == 0 || p[0] & 0x80)
        return false;
    return size == 1 || p[0] != 0 || p[1] & 0x80;
}

bool signature_is_strict_der(struct bytes s)
{
    /* 30 size 02 r_size R 02 s_size S hash_type, all sizes in one byte */
    if (s.size < 9 || s.size > 73 || s.data[0] != 0x30 || s.data[1] != s.size - 3)
        return false;

    size_t r_size = s.data[3];

    if (5 + r_size >= s.size)
        return false;

    size_t s_size = s.data[5 + r_size];

    return r_size + s_size + 7 == s.size && s.data[2] == 0x02 && s.data[4 + r_size] == 0x02 &&
           is_strict_integer(s.data + 4, r_size) && is_strict_integer(s.data + 6 + r_size, s_size);
}

/* Reads a number into 32 bytes, big endian, the sign bit taken as a digit; one that is too large
 * sets *overflow. False if it cannot be read at all. */
static bool read_lax_integer(uint8_t out[32], struct cursor *c, bool *overflow)
{
    if (cursor_u8(c) != 0x02)
        return false;

    size_t size = cursor_u8(c);

    if (size & 0x80) {
        struct bytes length = cursor_take(c, size - 0x80);

        while (length.size > 0 && length.data[0] == 0)
            length = bytes_sub(length, 1, SIZE_MAX);
        if (length.size >= 4)
            return false;
        size = 0;
        for (size_t i = 0; i < length.size; i++)
            size = size << 8 | length.data[i];
    }

    struct bytes number = cursor_take(c, size);

    while (number.size > 0 && number.data[0] == 0)
        number = bytes_sub(number, 1, SIZE_MAX);
    if (number.size > 32)
        *overflow = true;
    else if (number.size > 0)
        memcpy(out + 32 - number.size, number.data, number.size);
    return cursor_ok(c);
}

/* The rules of old OpenSSL, as libsecp256k1's lax parser has them. A number of the order or more
 * makes the zero signature, which is readable and never valid. */
static bool parse_lax(secp256k1_ecdsa_signature *signature, struct bytes der)
{
    struct cursor c = cursor_of(der);
    uint8_t compact[64] = {0};
    bool overflow = false;

    if (cursor_u8(&c) != 0x30)
        return false;

    uint8_t size = cursor_u8(&c); /* what it says does not matter, only how long it is */

    if (size & 0x80)
        cursor_take(&c, size - 0x80u);
    if (!read_lax_integer(compact, &c, &overflow) || !read_lax_integer(compact + 32, &c, &overflow))
        return false;
    if (overflow ||
        !secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, signature, compact)) {
        memset(compact, 0, sizeof compact);
        int ok =
            secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, signature, compact);
        assert(ok);
    }
    return true;
}

bool signature_has_low_s(struct bytes der)
{
    secp256k1_ecdsa_signature signature;

    return parse_lax(&signature, der) &&
           !secp256k1_ecdsa_signature_normalize(secp256k1_context_static, NULL, &signature);
}

struct key_cache *key_cache_new(void)
{
    return xcalloc(1, sizeof(struct key_cache));
}

void key_cache_free(struct key_cache *cache)
{
    free(cache);
}

/* The place of that key: filled with it, or with another one, or free. */
static struct cached_key *place_of(struct key_cache *cache, const uint8_t x[32])
{
    return &cache->keys[(x[30] | (size_t)x[31] << 8) % CACHED_KEYS];
}

/* kind: as in a compressed key, or KIND_XONLY. */
static bool is_cached(const struct cached_key *cached, uint8_t kind, const uint8_t x[32])
{
    return cached->kind == kind && memcmp(cached->x, x, sizeof cached->x) == 0;
}

static bool parse_key(struct key_cache *cache, secp256k1_pubkey *key, struct bytes pubkey)
{
    const secp256k1_context *ctx = secp256k1_context_static;

    if (!cache || pubkey.size != 33 || (pubkey.data[0] != 2 && pubkey.data[0] != 3))
        return secp256k1_ec_pubkey_parse(ctx, key, pubkey.data, pubkey.size);
    struct cached_key *cached = place_of(cache, pubkey.data + 1);
    if (is_cached(cached, pubkey.data[0], pubkey.data + 1)) {
        *key = cached->key.full;
        return true;
    }
    if (!secp256k1_ec_pubkey_parse(ctx, key, pubkey.data, pubkey.size))
        return false;
    cached->kind = pubkey.data[0];
    memcpy(cached->x, pubkey.data + 1, sizeof cached->x);
    cached->key.full = *key;
    return true;
}

static bool parse_xonly(struct key_cache *cache, secp256k1_xonly_pubkey *key, const uint8_t x[32])
{
    const secp256k1_context *ctx = secp256k1_context_static;
    struct cached_key *cached = cache ? place_of(cache, x) : NULL;

    if (cached && is_cached(cached, KIND_XONLY, x)) {
        *key = cached->key.xonly;
        return true;
    }
    if (!secp256k1_xonly_pubkey_parse(ctx, key, x))
        return false;
    if (cached) {
        cached->kind = KIND_XONLY;
        memcpy(cached->x, x, sizeof cached->x);
        cached->key.xonly = *key;
    }
    return true;
}

bool signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                           const uint8_t hash[32])
{
    const secp256k1_context *ctx = secp256k1_context_static;
    secp256k1_pubkey key;
    secp256k1_ecdsa_signature signature;

    if (!parse_key(cache, &key, pubkey) || !parse_lax(&signature, der))
        return false;
    secp256k1_ecdsa_signature_normalize(ctx, &signature, &signature);
    return secp256k1_ecdsa_verify(ctx, &signature, hash, &key);
}

bool signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                             const uint8_t pubkey[32], struct bytes message)
{
    secp256k1_xonly_pubkey key;

    return parse_xonly(cache, &key, pubkey) &&
           secp256k1_schnorrsig_verify(secp256k1_context_static, signature, message.data,
                                       message.size, &key);
}

bool signature_check_tweak(struct key_cache *cache, const uint8_t output_key[32], int parity,
                           const uint8_t internal_key[32], const uint8_t tweak[32])
{
    secp256k1_xonly_pubkey key;

    return parse_xonly(cache, &key, internal_key) &&
           secp256k1_xonly_pubkey_tweak_add_check(secp256k1_context_static, output_key, parity,
                                                  &key, tweak);
}
