#include "base/random.h"
#include "codec/base58.h"
#include "vectors.h"

/* Whether data and text are each other's form. */
static void check_pair(struct bytes data, const char *text)
{
    char encoded[1024];
    uint8_t decoded[1024];
    size_t size = sizeof decoded;

    ck_assert(base58_encode(encoded, sizeof encoded, data));
    ck_assert_str_eq(encoded, text);
    ck_assert(base58_decode(decoded, &size, text, strlen(text)));
    ck_assert_uint_eq(size, data.size);
    ck_assert_mem_eq(decoded, data.data, size);
}

START_TEST(leading_zero_bytes_are_leading_ones)
{
    check_pair((struct bytes){(const uint8_t *)"", 0}, "");
    check_pair((struct bytes){(const uint8_t *)"\0", 1}, "1");
    check_pair((struct bytes){(const uint8_t *)"\0\0\0\1", 4}, "1112");
    check_pair((struct bytes){(const uint8_t *)"\x39", 1}, "z");
    check_pair((struct bytes){(const uint8_t *)"\x3a", 1}, "21");
    check_pair((struct bytes){(const uint8_t *)"Hello World!", 12}, "2NEpo7TZRRrLZSi2U");
}
END_TEST

START_TEST(random_bytes_round_trip)
{
    struct prng prng;
    uint8_t data[120], again[120];
    char text[200];

    prng_init(&prng, 1);
    for (int round = 0; round < 3000; round++) {
        size_t size = prng_below(&prng, sizeof data + 1);
        size_t zeros = prng_below(&prng, size + 1);
        size_t got = size;

        prng_fill(&prng, data, size);
        if (prng_below(&prng, 2))
            memset(data, 0, zeros);
        ck_assert(base58_encode(text, sizeof text, (struct bytes){data, size}));
        ck_assert(base58_decode(again, &got, text, strlen(text)));
        ck_assert_uint_eq(got, size);
        ck_assert_mem_eq(again, data, size);
        /* Just enough room, and one too little. */
        ck_assert(base58_encode(text, strlen(text) + 1, (struct bytes){data, size}));
        ck_assert(!base58_encode(text, strlen(text), (struct bytes){data, size}));
    }
}
END_TEST

START_TEST(decoding_stops_at_the_capacity)
{
    uint8_t out[4];
    size_t size = 4;

    ck_assert(base58_decode(out, &size, "7YXq9G", 6)); /* 2^32 - 1 */
    ck_assert_uint_eq(size, 4);
    ck_assert_mem_eq(out, "\xff\xff\xff\xff", 4);
    size = 4;
    ck_assert(!base58_decode(out, &size, "7YXq9H", 6));
    size = 4;
    ck_assert(base58_decode(out, &size, "1111", 4));
    size = 4;
    ck_assert(!base58_decode(out, &size, "11111", 5));
    size = 0;
    ck_assert(base58_decode(out, &size, "", 0));
    ck_assert(!base58_decode(out, &size, "1", 1));
}
END_TEST

START_TEST(every_other_character_is_refused)
{
    static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint8_t out[8];

    for (int c = 0; c < 256; c++) {
        char text[3] = {'2', (char)c, '2'};
        size_t size = sizeof out;

        ck_assert_int_eq(base58_decode(out, &size, text, 3), c != 0 && strchr(digits, c) != NULL);
    }
}
END_TEST

START_TEST(checksum_sees_every_changed_character)
{
    static const uint8_t payload[21] = {0, 1, 2, 3};
    char text[64];
    uint8_t again[21];
    size_t size = sizeof again;

    ck_assert(base58check_encode(text, sizeof text, (struct bytes){payload, sizeof payload}));
    ck_assert(base58check_decode(again, &size, text, strlen(text)));
    ck_assert_uint_eq(size, sizeof payload);
    ck_assert_mem_eq(again, payload, size);
    for (size_t i = 0; i < strlen(text); i++) {
        char kept = text[i];

        text[i] = kept == 'z' ? 'y' : 'z';
        size = sizeof again;
        ck_assert(!base58check_decode(again, &size, text, strlen(text)));
        text[i] = kept;
    }
    size = sizeof again - 1;
    ck_assert(!base58check_decode(again, &size, text, strlen(text)));
    size = sizeof again;
    ck_assert(!base58check_decode(again, &size, "111", 3));   /* no room for a checksum */
    ck_assert(base58check_decode(again, &size, "3QJmnh", 6)); /* of nothing */
    ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(payloads_are_bounded)
{
    uint8_t payload[BASE58CHECK_SIZE_MAX + 1] = {0};
    char text[400];
    uint8_t again[BASE58CHECK_SIZE_MAX + 1];
    size_t size = sizeof again;

    ck_assert(!base58check_encode(text, sizeof text, (struct bytes){payload, sizeof payload}));
    ck_assert(base58check_encode(text, sizeof text, (struct bytes){payload, sizeof payload - 1}));
    ck_assert(base58check_decode(again, &size, text, strlen(text)));
    ck_assert_uint_eq(size, BASE58CHECK_SIZE_MAX);
    memmove(text + 1, text, strlen(text) + 1);
    size = sizeof again;
    ck_assert(!base58check_decode(again, &size, text, strlen(text)));
}
END_TEST

static void run_file(const json_t *root, size_t *count)
{
    size_t i;
    const json_t *test;

    json_array_foreach(root, i, test)
    {
        struct bytes data = vector_hex(json_array_get(test, 0));

        check_pair(data, vector_string(json_array_get(test, 1)));
        free((void *)data.data);
        ++*count;
    }
}

START_TEST(published_pairs)
{
    vectors_run("vectors/core/base58*.json", run_file);
}
END_TEST

int main(void)
{
    return SUITE_RUN("base58", leading_zero_bytes_are_leading_ones, random_bytes_round_trip,
                     decoding_stops_at_the_capacity, every_other_character_is_refused,
                     checksum_sees_every_changed_character, payloads_are_bounded, published_pairs);
}
