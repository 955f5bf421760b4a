/* Signature checks: the published vectors (BIP340, Wycheproof), and our own signatures in every
 * encoding that is or is not accepted. */
#include "base/hash.h"
#include "base/random.h"
#include "script/signature.h"
#include "vectors.h"
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

/* All checks of this file are made without a cache, with one that all share, and once more: what
 * was in it, or is since, makes no difference. */
static struct key_cache *keys;

static bool check_ecdsa(struct bytes der, struct bytes pubkey, const uint8_t hash[32])
{
    bool is_good = signature_check_ecdsa(NULL, der, pubkey, hash);

    for (int i = 0; i < 2; i++)
        ck_assert(signature_check_ecdsa(keys, der, pubkey, hash) == is_good);
    return is_good;
}

static bool check_schnorr(const uint8_t signature[64], const uint8_t pubkey[32],
                          struct bytes message)
{
    bool is_good = signature_check_schnorr(NULL, signature, pubkey, message);

    for (int i = 0; i < 2; i++)
        ck_assert(signature_check_schnorr(keys, signature, pubkey, message) == is_good);
    return is_good;
}

static bool check_tweak(const uint8_t output_key[32], int parity, const uint8_t internal_key[32],
                        const uint8_t tweak[32])
{
    bool is_good = signature_check_tweak(NULL, output_key, parity, internal_key, tweak);

    for (int i = 0; i < 2; i++)
        ck_assert(signature_check_tweak(keys, output_key, parity, internal_key, tweak) == is_good);
    return is_good;
}

/* One line of the csv: index, secret key, public key, randomness, message, signature, result,
 * comment. */
static bool run_bip340_line(char *line)
{
    char *fields[7];
    char *rest = line;

    for (size_t i = 0; i < ARRAY_COUNT(fields); i++)
        fields[i] = strsep(&rest, ",");
    if (fields[6] == NULL || strcmp(fields[0], "index") == 0)
        return false;

    struct bytes pubkey = hex_load(fields[2]);
    struct bytes message = hex_load(fields[4]);
    struct bytes signature = hex_load(fields[5]);
    bool expected = strcmp(fields[6], "TRUE") == 0;

    ck_assert(expected || strcmp(fields[6], "FALSE") == 0);
    ck_assert(pubkey.size == 32 && signature.size == 64);
    ck_assert_int_eq(check_schnorr(signature.data, pubkey.data, message), expected);
    free((void *)pubkey.data);
    free((void *)message.data);
    free((void *)signature.data);
    return true;
}

START_TEST(bip340_vectors)
{
    const char *folder = shared_folder("bip-0340 vectors");

    if (folder == NULL)
        return;

    glob_t found = shared_glob(folder, "vectors/bips/bip-0340-test-vectors*.csv");
    size_t count = 0;

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct bytes file = file_load(found.gl_pathv[i]);
        char *text = strndup((const char *)file.data, file.size);
        char *rest = text;
        char *line;

        while ((line = strsep(&rest, "\n")) != NULL)
            count += run_bip340_line(line);
        free(text);
        free((void *)file.data);
    }
    globfree(&found);
    printf("bip-0340 vectors: %zu cases\n", count);
    ck_assert_uint_gt(count, 0);
}
END_TEST

/* Wycheproof's rule for Bitcoin: strict DER, and S in its lower half or the signature is refused.
 */
static bool is_wycheproof_valid(struct bytes der, struct bytes pubkey, const uint8_t hash[32])
{
    uint8_t *with_type = xmalloc(der.size + 1);

    memcpy(with_type, der.data, der.size);
    with_type[der.size] = 1;

    bool is_strict = signature_is_strict_der((struct bytes){with_type, der.size + 1});

    free(with_type);
    return is_strict && signature_has_low_s(der) && check_ecdsa(der, pubkey, hash);
}

static void run_wycheproof_group(const json_t *group, size_t *count)
{
    const json_t *tests = json_object_get(group, "tests");
    struct bytes pubkey =
        vector_hex(json_object_get(json_object_get(group, "publicKey"), "uncompressed"));
    size_t index;
    const json_t *test;

    json_array_foreach(tests, index, test)
    {
        struct bytes message = vector_hex(json_object_get(test, "msg"));
        struct bytes der = vector_hex(json_object_get(test, "sig"));
        bool expected = strcmp(vector_string(json_object_get(test, "result")), "valid") == 0;
        uint8_t hash[32];

        sha256_once(hash, message.data, message.size);
        ck_assert_msg(is_wycheproof_valid(der, pubkey, hash) == expected, "case %d: %s",
                      (int)json_integer_value(json_object_get(test, "tcId")),
                      vector_string(json_object_get(test, "comment")));
        free((void *)message.data);
        free((void *)der.data);
        ++*count;
    }
    free((void *)pubkey.data);
}

START_TEST(wycheproof_vectors)
{
    const char *folder = shared_folder("wycheproof vectors");

    if (folder == NULL)
        return;

    glob_t found = shared_glob(folder, "vectors/core/wycheproof_ecdsa_secp256k1*.json");
    size_t count = 0;

    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *root = json_load_file(found.gl_pathv[i], 0, NULL);
        size_t before = count;
        size_t index;
        const json_t *group;

        ck_assert_msg(root != NULL, "%s", found.gl_pathv[i]);
        json_array_foreach(json_object_get(root, "testGroups"), index, group)
            run_wycheproof_group(group, &count);
        ck_assert_int_eq((int)(count - before),
                         json_integer_value(json_object_get(root, "numberOfTests")));
        json_decref(root);
    }
    globfree(&found);
    printf("wycheproof vectors: %zu cases\n", count);
}
END_TEST

/* A key and an ECDSA signature (low S) of one hash. */
struct signed_hash {
    uint8_t hash[32], r[32], s[32];
    uint8_t compressed[33], uncompressed[65];
};

static struct signed_hash sign_something(void)
{
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    secp256k1_ecdsa_signature signature;
    secp256k1_pubkey key;
    struct signed_hash signed_hash;
    uint8_t secret[32], compact[64];
    size_t size = 33;

    memset(secret, 0x2a, sizeof secret);
    memset(signed_hash.hash, 0x5c, 32);
    ck_assert(secp256k1_ecdsa_sign(ctx, &signature, signed_hash.hash, secret, NULL, NULL));
    secp256k1_ecdsa_signature_serialize_compact(ctx, compact, &signature);
    memcpy(signed_hash.r, compact, 32);
    memcpy(signed_hash.s, compact + 32, 32);
    ck_assert(secp256k1_ec_pubkey_create(ctx, &key, secret));
    secp256k1_ec_pubkey_serialize(ctx, signed_hash.compressed, &size, &key,
                                  SECP256K1_EC_COMPRESSED);
    size = 65;
    secp256k1_ec_pubkey_serialize(ctx, signed_hash.uncompressed, &size, &key,
                                  SECP256K1_EC_UNCOMPRESSED);
    secp256k1_context_destroy(ctx);
    return signed_hash;
}

/* How a signature is written out. */
struct encoding {
    size_t r_zeros, s_zeros; /* put before the numbers */
    uint8_t sequence_extra, r_extra,
        s_extra; /* bytes of length beyond the short form; 0x80 is the most */
    size_t trailing;
};

static size_t write_length(uint8_t *out, size_t length, uint8_t extra)
{
    size_t size = 0;

    if (extra == 0) {
        out[size++] = (uint8_t)length;
        return size;
    }
    out[size++] = 0x80 | extra;
    for (uint8_t i = 1; i < extra; i++)
        out[size++] = 0;
    out[size++] = (uint8_t)length;
    return size;
}

static size_t write_integer(uint8_t *out, const uint8_t number[32], size_t zeros, uint8_t extra)
{
    size_t size = 0;

    out[size++] = 0x02;
    size += write_length(out + size, zeros + 32, extra);
    memset(out + size, 0, zeros);
    memcpy(out + size + zeros, number, 32);
    return size + zeros + 32;
}

static struct bytes encode(uint8_t *out, const uint8_t r[32], const uint8_t s[32],
                           struct encoding e)
{
    uint8_t body[600];
    size_t size = write_integer(body, r, e.r_zeros, e.r_extra);

    size += write_integer(body + size, s, e.s_zeros, e.s_extra);
    memset(body + size, 0xee, e.trailing);
    out[0] = 0x30;

    size_t head = 1 + write_length(out + 1, size, e.sequence_extra);

    memcpy(out + head, body, size + e.trailing);
    return (struct bytes){out, head + size + e.trailing};
}

/* The order less s. */
static void negate(uint8_t s[32])
{
    ck_assert(secp256k1_ec_seckey_negate(secp256k1_context_static, s));
}

/* Strictness with a hash type byte behind. */
static bool is_strict(struct bytes der)
{
    uint8_t with_type[700];

    memcpy(with_type, der.data, der.size);
    with_type[der.size] = 1;
    return signature_is_strict_der((struct bytes){with_type, der.size + 1});
}

/* What each number needs in front to be strict. */
static struct encoding strict_encoding(const struct signed_hash *h)
{
    ck_assert(h->r[0] != 0 && h->s[0] != 0);
    return (struct encoding){.r_zeros = h->r[0] >> 7, .s_zeros = h->s[0] >> 7};
}

START_TEST(loosely_encoded_signatures_verify_and_are_not_strict)
{
    struct signed_hash h = sign_something();
    struct bytes key = {h.compressed, 33};
    struct encoding strict = strict_encoding(&h);
    uint8_t out[700];
    struct bytes der = encode(out, h.r, h.s, strict);

    ck_assert(is_strict(der) && signature_has_low_s(der));
    ck_assert(check_ecdsa(der, key, h.hash));
    for (int kind = 0; kind < 6; kind++) {
        struct encoding e = strict;

        *(kind == 0 ? &e.r_zeros : kind == 1 ? &e.s_zeros : &e.trailing) += kind < 3;
        *(kind == 3 ? &e.sequence_extra : kind == 4 ? &e.r_extra : &e.s_extra) += kind >= 3;
        der = encode(out, h.r, h.s, e);
        ck_assert_msg(!is_strict(der), "kind %d", kind);
        ck_assert_msg(check_ecdsa(der, key, h.hash), "kind %d", kind);
    }
    /* All at once; 100 zeros, 100 bytes of length. */
    der = encode(out, h.r, h.s,
                 (struct encoding){.r_zeros = 90,
                                   .s_zeros = 7,
                                   .r_extra = 100,
                                   .sequence_extra = 126,
                                   .s_extra = 3,
                                   .trailing = 9});
    ck_assert(!is_strict(der) && check_ecdsa(der, key, h.hash));
}
END_TEST

START_TEST(negative_numbers_are_read_as_positive_ones)
{
    struct signed_hash h = sign_something();
    struct encoding e = strict_encoding(&h);
    uint8_t out[700];

    /* A high S without the zero in front has its sign bit set. */
    negate(h.s);
    ck_assert(h.s[0] & 0x80);
    e.s_zeros = 0;

    struct bytes der = encode(out, h.r, h.s, e);

    ck_assert(!is_strict(der));
    ck_assert(check_ecdsa(der, (struct bytes){h.compressed, 33}, h.hash));
}
END_TEST

START_TEST(high_s_verifies_and_is_not_low)
{
    struct signed_hash h = sign_something();
    uint8_t out[700];

    negate(h.s);

    struct bytes der = encode(out, h.r, h.s, strict_encoding(&h));

    ck_assert(is_strict(der) && !signature_has_low_s(der));
    ck_assert(check_ecdsa(der, (struct bytes){h.compressed, 33}, h.hash));
}
END_TEST

START_TEST(half_the_order_is_the_last_low_s)
{
    /* (order - 1) / 2, and one more: exactly the other's negative */
    uint8_t half[32], r[32] = {[31] = 1}, out[700];

    ck_assert(
        hex_decode(half, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", 64));

    struct bytes der = encode(out, r, half, (struct encoding){0});

    ck_assert(signature_has_low_s(der));
    negate(half);
    ck_assert_int_eq(half[31], 0xa1);
    der = encode(out, r, half, (struct encoding){0});
    ck_assert(!signature_has_low_s(der));
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
    struct signed_hash h = sign_something();
    struct bytes key = {h.compressed, 33};
    struct encoding e = strict_encoding(&h);
    uint8_t out[700];
    struct bytes der = encode(out, h.r, h.s, e);

    for (size_t size = 0; size < der.size; size++) {
        uint8_t *cut = xmalloc(size ? size : 1); /* so that a sanitizer sees a byte too many */

        memcpy(cut, der.data, size);
        ck_assert(!check_ecdsa((struct bytes){cut, size}, key, h.hash));
        ck_assert(!signature_has_low_s((struct bytes){cut, size}));
        free(cut);
    }
    size_t s_tag = 4 + out[3];
    const size_t tags[] = {0, 2, s_tag};

    for (size_t i = 0; i < ARRAY_COUNT(tags); i++) {
        out[tags[i]] ^= 1;
        ck_assert(!check_ecdsa(der, key, h.hash));
        out[tags[i]] ^= 1;
    }
    ck_assert(check_ecdsa(der, key, h.hash));
    /* The size that stands for the whole does not matter; a length of 4 digits does. */
    out[1] = 0x7f;
    ck_assert(check_ecdsa(der, key, h.hash) && !is_strict(der));
    uint8_t long_length[80] = {0x30, 0x7f, 0x02, 0x84, 1, 0, 0, 0};

    ck_assert(!check_ecdsa((struct bytes){long_length, 80}, key, h.hash));
}
END_TEST

START_TEST(numbers_beyond_the_order_are_readable_and_never_valid)
{
    struct signed_hash h = sign_something();
    struct bytes key = {h.compressed, 33};
    uint8_t ones[32], out[700];

    memset(ones, 0xff, sizeof ones);

    struct bytes der = encode(out, ones, h.s, (struct encoding){.r_zeros = 1, .s_zeros = 0});

    ck_assert(!check_ecdsa(der, key, h.hash));
    ck_assert(signature_has_low_s(der)); /* it counts as zero */
    der = encode(out, h.r, ones, (struct encoding){.s_zeros = 1});
    ck_assert(!check_ecdsa(der, key, h.hash) && signature_has_low_s(der));
    uint8_t wide[40] = {0x30, 38, 0x02, 33, 1, [37] = 0x02, 1, 1}; /* R has 33 digits */

    ck_assert(!check_ecdsa((struct bytes){wide, 40}, key, h.hash));
    ck_assert(signature_has_low_s((struct bytes){wide, 40}));
}
END_TEST

START_TEST(public_keys_of_all_three_kinds)
{
    struct signed_hash h = sign_something();
    uint8_t out[700], key[66];
    struct bytes der = encode(out, h.r, h.s, strict_encoding(&h));

    ck_assert(check_ecdsa(der, (struct bytes){h.compressed, 33}, h.hash));
    ck_assert(check_ecdsa(der, (struct bytes){h.uncompressed, 65}, h.hash));
    memcpy(key, h.uncompressed, 65);
    key[0] = 6 + (h.uncompressed[64] & 1); /* hybrid: the parity is said as well */
    ck_assert(check_ecdsa(der, (struct bytes){key, 65}, h.hash));
    key[0] ^= 1;
    ck_assert(!check_ecdsa(der, (struct bytes){key, 65}, h.hash));
    memcpy(key, h.compressed, 33);
    key[0] ^= 1;
    ck_assert(!check_ecdsa(der, (struct bytes){key, 33}, h.hash));
    key[0] = 5;
    ck_assert(!check_ecdsa(der, (struct bytes){key, 33}, h.hash));
    memcpy(key, h.uncompressed, 65);
    ck_assert(!check_ecdsa(der, (struct bytes){key, 66}, h.hash));
    ck_assert(!check_ecdsa(der, (struct bytes){key, 64}, h.hash));
    ck_assert(!check_ecdsa(der, (struct bytes){key, 0}, h.hash));
}
END_TEST

START_TEST(strict_der_has_one_form)
{
    struct signed_hash h = sign_something();
    uint8_t shortest[] = {0x30, 6, 2, 1, 0, 2, 1, 0, 1};
    uint8_t out[700];
    struct bytes der = encode(out, h.r, h.s, strict_encoding(&h));
    size_t r_size = out[3];
    /* 30, size, 02, size of R, 02 of S, size of S: every other value is wrong */
    const size_t fixed[] = {0, 1, 2, 3, 4 + r_size, 5 + r_size};

    ck_assert(signature_is_strict_der((struct bytes){shortest, 9}));
    ck_assert(!signature_is_strict_der((struct bytes){shortest, 8}));
    for (size_t i = 0; i < ARRAY_COUNT(fixed); i++) {
        uint8_t good = out[fixed[i]];

        for (int v = 0; v < 256; v++) {
            out[fixed[i]] = (uint8_t)v;
            ck_assert_int_eq(is_strict(der), v == good);
        }
        out[fixed[i]] = good;
    }
    shortest[4] = 0x80;
    ck_assert(!signature_is_strict_der((struct bytes){shortest, 9}));
    shortest[4] = 0x7f;
    ck_assert(signature_is_strict_der((struct bytes){shortest, 9}));
    uint8_t empty_r[] = {0x30, 6, 2, 0, 2, 2, 1, 1, 1};

    ck_assert(!signature_is_strict_der((struct bytes){empty_r, 9}));
    uint8_t empty_s[] = {0x30, 6, 2, 2, 1, 1, 2, 0, 1};

    ck_assert(!signature_is_strict_der((struct bytes){empty_s, 9}));
    /* 73 bytes are the most: 33 for each number and a hash type. */
    uint8_t longest[74] = {0x30, 70, 2, 33, 0, 0x80, [37] = 2, 33, 0, 0x80};

    ck_assert(signature_is_strict_der((struct bytes){longest, 73}));
    longest[1] = 71;
    longest[38] = 34;
    longest[39] = 1;
    ck_assert(!signature_is_strict_der((struct bytes){longest, 74}));
}
END_TEST

START_TEST(schnorr_signatures_and_tweaks)
{
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    uint8_t secret[32] = {[31] = 9}, tweak[32] = {[31] = 5}, hash[32] = {3};
    uint8_t internal_key[32], output_key[32], signature[64];
    secp256k1_xonly_pubkey internal, output;
    secp256k1_pubkey tweaked;
    secp256k1_keypair pair;
    struct bytes message = {hash, 32};
    int parity;

    ck_assert(secp256k1_keypair_create(ctx, &pair, secret));
    ck_assert(secp256k1_keypair_xonly_pub(ctx, &internal, NULL, &pair));
    secp256k1_xonly_pubkey_serialize(ctx, internal_key, &internal);
    ck_assert(secp256k1_schnorrsig_sign32(ctx, signature, hash, &pair, NULL));
    ck_assert(check_schnorr(signature, internal_key, message));
    for (int i = 0; i < 64; i++) {
        signature[i] ^= 1;
        ck_assert(!check_schnorr(signature, internal_key, message));
        signature[i] ^= 1;
    }
    ck_assert(secp256k1_xonly_pubkey_tweak_add(ctx, &tweaked, &internal, tweak));
    ck_assert(secp256k1_xonly_pubkey_from_pubkey(ctx, &output, &parity, &tweaked));
    secp256k1_xonly_pubkey_serialize(ctx, output_key, &output);
    ck_assert(check_tweak(output_key, parity, internal_key, tweak));
    ck_assert(!check_tweak(output_key, !parity, internal_key, tweak));
    tweak[0] ^= 1;
    ck_assert(!check_tweak(output_key, parity, internal_key, tweak));
    memset(internal_key, 0xff, 32); /* no X of a point */
    ck_assert(!check_tweak(output_key, parity, internal_key, tweak));
    ck_assert(!check_schnorr(signature, internal_key, message));
    secp256k1_context_destroy(ctx);
}
END_TEST

/* One X as a public key of BIP340, and in front of it each byte there is: 2 or 3 makes a key for
 * ECDSA of it, nothing else does, whatever is in the cache; nor do zeros make one. */
START_TEST(keys_of_one_x_are_told_apart)
{
    struct signed_hash h = sign_something();
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
    uint8_t secret[32] = {7}, hash[32] = {1}, signature[64], junk[64] = {9};
    uint8_t out[700], key[33], zeros[33] = {0};
    secp256k1_keypair pair;
    secp256k1_xonly_pubkey xonly;
    struct bytes der = encode(out, h.r, h.s, strict_encoding(&h));
    int good = 0;

    for (int round = 0; round < 2; round++) {
        memcpy(key, h.compressed, 33);
        ck_assert(!check_schnorr(junk, key + 1, (struct bytes){h.hash, 32})); /* known by now */
        for (int first = 255; first >= 0; first--) {
            key[0] = (uint8_t)first;
            good += check_ecdsa(der, (struct bytes){key, 33}, h.hash);
            ck_assert(!check_schnorr(junk, key + 1, (struct bytes){h.hash, 32}));
        }
        ck_assert(!check_ecdsa(der, (struct bytes){zeros, 33}, h.hash));
        ck_assert(!check_schnorr(junk, zeros, (struct bytes){h.hash, 32}));
    }
    ck_assert_int_eq(good, 2);

    /* And the other way round: the key of a good BIP340 signature was one for ECDSA before. */
    ck_assert(secp256k1_keypair_create(ctx, &pair, secret));
    ck_assert(secp256k1_keypair_xonly_pub(ctx, &xonly, NULL, &pair));
    secp256k1_xonly_pubkey_serialize(ctx, key + 1, &xonly);
    ck_assert(secp256k1_schnorrsig_sign32(ctx, signature, hash, &pair, NULL));
    for (int first = 2; first <= 3; first++) {
        key[0] = (uint8_t)first;
        ck_assert(!check_ecdsa(der, (struct bytes){key, 33}, h.hash));
        ck_assert(check_schnorr(signature, key + 1, (struct bytes){hash, 32}));
    }
    secp256k1_context_destroy(ctx);
}
END_TEST

/* Keys that share a place in the cache, by turns. */
START_TEST(keys_of_one_place_are_told_apart)
{
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
    static uint8_t keys_by_place[65536][33], secrets[65536][32];
    static bool is_taken[65536];
    const uint8_t hash[32] = {5};
    int pairs = 0;

    for (int i = 1; i < 2000; i++) {
        uint8_t secret[32] = {[30] = (uint8_t)(i >> 8), [31] = (uint8_t)i}, key[33];
        secp256k1_pubkey pubkey;
        size_t size = sizeof key;

        ck_assert(secp256k1_ec_pubkey_create(ctx, &pubkey, secret));
        secp256k1_ec_pubkey_serialize(ctx, key, &size, &pubkey, SECP256K1_EC_COMPRESSED);
        int place = key[31] | key[32] << 8;
        if (is_taken[place]) {
            for (int turn = 0; turn < 4; turn++) {
                const uint8_t *one = turn % 2 ? key : keys_by_place[place];
                const uint8_t *other = turn % 2 ? keys_by_place[place] : key;
                secp256k1_ecdsa_signature signature;
                uint8_t der[80];

                size = sizeof der;
                ck_assert(secp256k1_ecdsa_sign(ctx, &signature, hash,
                                               turn % 2 ? secret : secrets[place], NULL, NULL));
                secp256k1_ecdsa_signature_serialize_der(ctx, der, &size, &signature);
                ck_assert(check_ecdsa((struct bytes){der, size}, (struct bytes){one, 33}, hash));
                ck_assert(!check_ecdsa((struct bytes){der, size}, (struct bytes){other, 33}, hash));
            }
            pairs++;
        }
        is_taken[place] = true;
        memcpy(keys_by_place[place], key, sizeof key);
        memcpy(secrets[place], secret, sizeof secret);
    }
    ck_assert_int_gt(pairs, 5);
    secp256k1_context_destroy(ctx);
}
END_TEST

int main(void)
{
    keys = key_cache_new();
    int result = SUITE_RUN(
        "signature", bip340_vectors, wycheproof_vectors,
        loosely_encoded_signatures_verify_and_are_not_strict,
        negative_numbers_are_read_as_positive_ones, high_s_verifies_and_is_not_low,
        half_the_order_is_the_last_low_s, what_cannot_be_read_is_refused,
        numbers_beyond_the_order_are_readable_and_never_valid, public_keys_of_all_three_kinds,
        strict_der_has_one_form, schnorr_signatures_and_tweaks, keys_of_one_x_are_told_apart,
        keys_of_one_place_are_told_apart);

    key_cache_free(keys);
    return result;
}
