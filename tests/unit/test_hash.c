/* Sees has_sha, to take the way of processors without the SHA extensions too. */
#include "../../src/base/sha256_ni.c"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/random.h"
#include "vectors.h"
#include <openssl/evp.h>

static void expect(const uint8_t *digest, const char *hex)
{
    char text[129];

    hex_encode(text, digest, strlen(hex) / 2);
    ck_assert_str_eq(text, hex);
}

/* The digest by OpenSSL's EVP functions, which the code under test does not use. */
static void evp(const char *name, uint8_t *out, const void *data, size_t size)
{
    unsigned out_size;

    ck_assert_int_eq(EVP_Digest(data, size, out, &out_size, EVP_get_digestbyname(name), NULL), 1);
}

static void evp_sha256d(uint8_t out[32], const void *data, size_t size)
{
    evp("SHA256", out, data, size);
    evp("SHA256", out, out, 32);
}

START_TEST(published_digests)
{
    uint8_t out[32];

    sha256_once(out, "abc", 3);
    expect(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_once(out, "", 0);
    expect(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256d_once(out, "hello", 5);
    expect(out, "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
    ripemd160_once(out, "abc", 3);
    expect(out, "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    sha1_once(out, "abc", 3);
    expect(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hash160_once(out, "", 0);
    expect(out, "b472a266d0bd89c13706a4132ccfb16f7c3b9fcb");
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
}
END_TEST

START_TEST(all_lengths_equal_evp)
{
    struct prng prng;
    uint8_t data[300], a[32], b[32];

    prng_init(&prng, 2);
    for (size_t size = 0; size <= sizeof data; size++) {
        prng_fill(&prng, data, size);
        sha256_once(a, data, size);
        evp("SHA256", b, data, size);
        ck_assert_mem_eq(a, b, 32);
        sha256d_once(a, data, size);
        evp("SHA256", b, b, 32);
        ck_assert_mem_eq(a, b, 32);
        sha1_once(a, data, size);
        evp("SHA1", b, data, size);
        ck_assert_mem_eq(a, b, 20);
    }
}
END_TEST

enum { BATCH = 75, BATCH_BYTES = 20000 }; /* more than are prepared at once */

static void check_messages(const struct sha256_message *messages, size_t count)
{
    for (const struct sha256_message *m = messages; m < messages + count; m++) {
        static uint8_t whole[4 + BATCH_BYTES + 4];
        size_t size = 0;
        uint8_t expected[32];

        if (m->first)
            memcpy(whole, m->first, size = 4);
        memcpy(whole + size, m->middle.data, m->middle.size);
        size += m->middle.size;
        if (m->first)
            memcpy(whole + size, m->last, 4);
        evp_sha256d(expected, whole, m->first ? size + 4 : size);
        ck_assert_mem_eq(m->out, expected, 32);
    }
}

/* A view of random bytes, which ends where the memory ends: ASan sees what is read behind it. */
static struct sha256_message message_of(struct prng *prng, size_t size, bool is_framed,
                                        uint8_t *out)
{
    uint8_t *data = xmalloc(size + 8);

    prng_fill(prng, data, size + 8);
    return (struct sha256_message){.first = is_framed ? data : NULL,
                                   .last = is_framed ? data + 4 : NULL,
                                   .middle = {data + 8, size},
                                   .out = out};
}

static void check_batch(struct prng *prng, const size_t *sizes, const bool *framed, size_t count)
{
    static uint8_t out[BATCH][32];
    struct sha256_message messages[BATCH] = {{0}};

    for (size_t i = 0; i < count; i++)
        messages[i] = message_of(prng, sizes[i], framed[i], out[i]);
    memset(out, 0, sizeof out);
    sha256d_many(messages, count);
    check_messages(messages, count);
    for (size_t i = 0; i < count; i++)
        free((void *)(messages[i].middle.data - 8));
}

/* Every place at which the middle may begin to be whole blocks and the end to need another one,
 * against shorter and longer companions. */
static void check_all_twos(void)
{
    struct prng prng;

    prng_init(&prng, 5);
    for (size_t size = 0; size <= 260; size++)
        for (size_t other = size % 7; other <= 330; other += 13)
            for (int framed = 0; framed < 4; framed++)
                check_batch(&prng, (size_t[]){size, other}, (bool[]){framed & 1, framed & 2}, 2);
}

/* Any number of messages, most short, some alone in their lane for long. */
static void check_mixtures(void)
{
    struct prng prng;

    prng_init(&prng, 6);
    for (int round = 0; round < 300; round++) {
        size_t sizes[BATCH], count = round < 3 ? (size_t)round : prng_below(&prng, BATCH + 1);
        bool framed[BATCH];

        for (size_t i = 0; i < count; i++) {
            sizes[i] = prng_below(&prng, prng_below(&prng, 10) == 0 ? BATCH_BYTES : 600);
            framed[i] = prng_below(&prng, 2);
        }
        check_batch(&prng, sizes, framed, count);
    }
}

START_TEST(many_at_once_equal_evp)
{
    check_all_twos();
    check_mixtures();
}
END_TEST

START_TEST(many_at_once_equal_evp_without_the_extensions)
{
#ifdef __x86_64__
    bool had_sha = has_sha;

    has_sha = false;
    check_all_twos();
    check_mixtures();
    has_sha = had_sha;
#endif
}
END_TEST

START_TEST(a_long_message_equals_evp)
{
    enum { SIZE = 1000003 };
    uint8_t *data = xmalloc(SIZE), got[32], expected[32];
    struct prng prng;

    prng_init(&prng, 6);
    prng_fill(&prng, data, SIZE);
    sha256d_once(got, data, SIZE);
    evp_sha256d(expected, data, SIZE);
    ck_assert_mem_eq(got, expected, 32);
    free(data);
}
END_TEST

START_TEST(pieces_hash_as_the_whole_and_contexts_copy)
{
    struct prng prng;
    uint8_t data[1000], a[32], b[32];

    prng_init(&prng, 3);
    prng_fill(&prng, data, sizeof data);
    for (int round = 0; round < 200; round++) {
        struct sha256 ctx, copy;
        size_t cut = prng_below(&prng, sizeof data + 1);

        sha256_init(&ctx);
        sha256_update(&ctx, data, cut);
        copy = ctx;
        sha256_update(&ctx, "other", 5);
        sha256_update(&copy, data + cut, sizeof data - cut);
        sha256d_final(&copy, a);
        evp_sha256d(b, data, sizeof data);
        ck_assert_mem_eq(a, b, 32);
    }
}
END_TEST

static void check_fixed_sizes(void)
{
    enum { MESSAGES = 20000 };
    struct prng prng;
    uint8_t *data = xmalloc(80 * MESSAGES);
    uint8_t *digests = xmalloc(32 * MESSAGES);
    uint8_t expected[32], got[32];

    printf("SHA extensions: %s\n", sha256_ni_available() ? "yes" : "no");
    prng_init(&prng, 4);
    prng_fill(&prng, data, 80 * MESSAGES);
    /* Extremes that a carry or sign mistake would show. */
    memset(data, 0, 160);
    memset(data + 160, 0xff, 160);
    sha256d_64_many(digests, data, MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        evp_sha256d(expected, data + 64 * i, 64);
        ck_assert_mem_eq(digests + 32 * i, expected, 32);
        sha256d_80(got, data + 80 * i);
        evp_sha256d(expected, data + 80 * i, 80);
        ck_assert_mem_eq(got, expected, 32);
        sha256d_once(got, data + 32 * i, 32);
        evp_sha256d(expected, data + 32 * i, 32);
        ck_assert_mem_eq(got, expected, 32);
    }
    free(data);
    free(digests);
}

/* Counts around the number of lanes, and digests over their own messages. */
static void check_in_place(void)
{
    struct prng prng;
    uint8_t data[64 * 33], in_place[64 * 33], apart[32 * 33];

    prng_init(&prng, 5);
    prng_fill(&prng, data, sizeof data);
    for (size_t count = 0; count <= 33; count++) {
        memcpy(in_place, data, sizeof data);
        sha256d_64_many(apart, data, count);
        sha256d_64_many(in_place, in_place, count);
        ck_assert_mem_eq(in_place, apart, 32 * count);
        ck_assert_mem_eq(in_place + 32 * count, data + 32 * count, sizeof data - 32 * count);
    }
}

START_TEST(fixed_sizes_equal_evp_over_many_random_messages)
{
    check_fixed_sizes();
    check_in_place();
}
END_TEST

START_TEST(fixed_sizes_equal_evp_without_the_extensions)
{
#ifdef __x86_64__
    bool kept = has_sha;

    has_sha = false;
    check_fixed_sizes();
    check_in_place();
    has_sha = kept;
#endif
}
END_TEST

START_TEST(tagged_hash_starts_with_the_tag_twice)
{
    struct sha256 ctx;
    uint8_t message[32 + 32 + 3], a[32], b[32];

    evp("SHA256", message, "BIP0340/challenge", 17);
    memcpy(message + 32, message, 32);
    memcpy(message + 64, "xyz", 3);
    evp("SHA256", b, message, sizeof message);
    sha256_init_tagged(&ctx, "BIP0340/challenge");
    sha256_update(&ctx, "xyz", 3);
    sha256_final(&ctx, a);
    ck_assert_mem_eq(a, b, 32);
}
END_TEST

/* SipHash by OpenSSL, of 8 or 16 bytes; rounds a word and at the end. */
static void evp_siphash(struct siphash_key key, unsigned rounds, unsigned last_rounds,
                        const void *data, size_t size, uint64_t *out, size_t out_size)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("size", &out_size),
                           OSSL_PARAM_construct_uint("c-rounds", &rounds),
                           OSSL_PARAM_construct_uint("d-rounds", &last_rounds), OSSL_PARAM_END};
    size_t got;

    ck_assert_int_eq(EVP_MAC_init(ctx, (const uint8_t *)&key, sizeof key, params), 1);
    ck_assert_int_eq(EVP_MAC_update(ctx, data, size), 1);
    ck_assert_int_eq(EVP_MAC_final(ctx, (uint8_t *)out, &got, out_size), 1);
    ck_assert_uint_eq(got, out_size);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

START_TEST(siphash_equals_openssl)
{
    struct prng prng;
    uint8_t data[80];

    prng_init(&prng, 6);
    for (int round = 0; round < 2000; round++) {
        struct siphash_key key = {prng_next(&prng), prng_next(&prng)};
        size_t size = prng_below(&prng, sizeof data + 1);
        uint64_t expected[2], got[2];

        prng_fill(&prng, data, sizeof data);
        evp_siphash(key, 2, 4, data, size, expected, 8);
        ck_assert_uint_eq(siphash24(key, data, size), expected[0]);
        evp_siphash(key, 1, 3, data, 36, expected, 16);
        siphash13_vout(siphash13_txid(key, data), le32_read(data + 32), got);
        ck_assert_uint_eq(got[0], expected[0]);
        ck_assert_uint_eq(got[1], expected[1]);
    }
}
END_TEST

/* The published vectors give the message as pieces. */
static void run_siphash_file(const json_t *root, size_t *count)
{
    size_t i, k;
    const json_t *test, *piece;

    json_array_foreach(root, i, test)
    {
        const json_t *key = json_object_get(test, "key");
        struct siphash_key k01 = {strtoull(vector_string(json_array_get(key, 0)), NULL, 16),
                                  strtoull(vector_string(json_array_get(key, 1)), NULL, 16)};
        uint8_t message[4096];
        size_t size = 0;

        json_array_foreach(json_object_get(test, "input"), k, piece)
        {
            struct bytes part = vector_hex(piece);

            ck_assert_uint_le(size + part.size, sizeof message);
            memcpy(message + size, part.data, part.size);
            size += part.size;
            free((void *)part.data);
        }

        const json_t *expected = json_object_get(json_object_get(test, "expected"), "siphash24");

        ck_assert_uint_eq(siphash24(k01, message, size),
                          strtoull(vector_string(expected), NULL, 16));
        ++*count;
    }
}

START_TEST(siphash_vectors)
{
    vectors_run("vectors/core/siphash*.json", run_siphash_file);
}
END_TEST

START_TEST(crc_of_pieces_is_that_of_the_whole)
{
    struct prng prng;
    uint8_t data[200];

    prng_init(&prng, 7);
    prng_fill(&prng, data, sizeof data);
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        uint32_t crc = crc32c(crc32c(0, data, cut), data + cut, sizeof data - cut);

        ck_assert_uint_eq(crc, crc32c(0, data, sizeof data));
        ck_assert_uint_eq(crc32c_by_table(0, data, cut), crc32c(0, data, cut));
    }
}
END_TEST

START_TEST(prng_is_the_published_one_and_even)
{
    /* xoshiro256** from the state 1, 2, 3, 4 (the authors' test values). */
    struct prng prng = {{1, 2, 3, 4}};
    unsigned seen[7] = {0};

    ck_assert_uint_eq(prng_next(&prng), 11520);
    ck_assert_uint_eq(prng_next(&prng), 0);
    ck_assert_uint_eq(prng_next(&prng), 1509978240);
    ck_assert_uint_eq(prng_next(&prng), 1215971899390074240);
    for (int i = 0; i < 70000; i++)
        seen[prng_below(&prng, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert(seen[i] > 9500 && seen[i] < 10500);
}
END_TEST

START_TEST(random_bytes_fill_all_of_the_buffer)
{
    uint8_t seen[300] = {0};

    /* A byte that is still zero after 8 rounds is one that was not written (or one chance in 2^56).
     */
    for (int round = 0; round < 8; round++) {
        uint8_t data[300];

        random_bytes(data, sizeof data);
        for (size_t i = 0; i < sizeof data; i++)
            seen[i] |= data[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        ck_assert_uint_ne(seen[i], 0);
}
END_TEST

int main(void)
{
    return SUITE_RUN("hash", published_digests, all_lengths_equal_evp,
                     pieces_hash_as_the_whole_and_contexts_copy, many_at_once_equal_evp,
                     many_at_once_equal_evp_without_the_extensions, a_long_message_equals_evp,
                     fixed_sizes_equal_evp_over_many_random_messages,
                     fixed_sizes_equal_evp_without_the_extensions,
                     tagged_hash_starts_with_the_tag_twice, siphash_equals_openssl, siphash_vectors,
                     crc_of_pieces_is_that_of_the_whole, prng_is_the_published_one_and_even,
                     random_bytes_fill_all_of_the_buffer);
}
