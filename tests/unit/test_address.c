#include "base/random.h"
#include "codec/address.h"
#include "codec/bech32.h"
#include "vectors.h"
#include <ctype.h>

static const struct address_format mainnet = {0, 5, 128, "bc"};
static const struct address_format testnet = {111, 196, 239, "tb"};
static const struct address_format regtest = {111, 196, 239, "bcrt"};

static void check_pair(const char *address, const char *script_hex,
                       const struct address_format *format)
{
    struct bytes script = hex_load(script_hex);
    uint8_t got[ADDRESS_SCRIPT_SIZE];
    size_t size;
    char text[ADDRESS_TEXT_SIZE];

    ck_assert_msg(address_to_script(got, &size, address, format), "%s", address);
    ck_assert_uint_eq(size, script.size);
    ck_assert_mem_eq(got, script.data, size);
    ck_assert(address_from_script(text, script, format));
    ck_assert_str_eq(text, address);
    free((void *)script.data);
}

START_TEST(each_kind_of_address)
{
    check_pair("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
               "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac", &mainnet);
    check_pair("3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
               "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87", &mainnet);
    check_pair("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
               "0014751e76e8199196d454941c45d1b3a323f1433bd6", &mainnet);
    check_pair("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
               "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", &mainnet);
    check_pair("bc1pfeessrawgf", "51024e73", &mainnet); /* pay to anchor */
}
END_TEST

START_TEST(other_networks_are_refused)
{
    static const char *const addresses[] = {
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    };
    uint8_t script[ADDRESS_SCRIPT_SIZE];
    size_t size;

    for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
        ck_assert(address_to_script(script, &size, addresses[i], &mainnet));
        ck_assert(!address_to_script(script, &size, addresses[i], &testnet));
        ck_assert(!address_to_script(script, &size, addresses[i], &regtest));
    }
}
END_TEST

/* A script of an opcode and a push of size bytes. */
static bool has_address(uint8_t opcode, size_t size)
{
    uint8_t script[80] = {opcode, (uint8_t)size};
    char text[ADDRESS_TEXT_SIZE];
    uint8_t again[ADDRESS_SCRIPT_SIZE];
    size_t again_size;

    if (!address_from_script(text, (struct bytes){script, size + 2}, &regtest))
        return false;
    ck_assert(address_to_script(again, &again_size, text, &regtest));
    ck_assert_uint_eq(again_size, size + 2);
    ck_assert_mem_eq(again, script, again_size);
    return true;
}

START_TEST(witness_programs_of_all_versions_and_sizes)
{
    for (int opcode = 0; opcode < 256; opcode++) {
        bool is_version_0 = opcode == 0, is_later = opcode >= 0x51 && opcode <= 0x60;

        for (size_t size = 0; size <= 60; size++) {
            bool expected =
                is_version_0 ? size == 20 || size == 32 : is_later && size >= 2 && size <= 40;

            ck_assert_int_eq(has_address((uint8_t)opcode, size), expected);
        }
    }
}
END_TEST

START_TEST(scripts_a_byte_off_have_no_address)
{
    struct bytes p2pkh = hex_load("76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac00");
    struct bytes p2sh = hex_load("a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a8700");
    char text[ADDRESS_TEXT_SIZE];

    for (size_t size = 0; size <= p2pkh.size; size++)
        ck_assert_int_eq(address_from_script(text, (struct bytes){p2pkh.data, size}, &mainnet),
                         size == 25);
    for (size_t size = 0; size <= p2sh.size; size++)
        ck_assert_int_eq(address_from_script(text, (struct bytes){p2sh.data, size}, &mainnet),
                         size == 23);
    for (size_t i = 0; i < 25; i++) {
        if (i >= 3 && i < 23)
            continue;
        ((uint8_t *)p2pkh.data)[i] ^= 1;
        ck_assert(!address_from_script(text, (struct bytes){p2pkh.data, 25}, &mainnet));
        ((uint8_t *)p2pkh.data)[i] ^= 1;
    }
    free((void *)p2pkh.data);
    free((void *)p2sh.data);
}
END_TEST

START_TEST(texts_against_the_rules_of_bip350_are_refused)
{
    static const char *const texts[] = {
        "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty", /* another readable part */
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", /* checksum */
        "BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2", /* version 17 */
        "bc1rw5uspcuh",                               /* program too short */
        "bc10w508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kw5rljs90",
        "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",  /* 16 bytes in version 0 */
        "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du", /* five bits left over */
        "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", /* o is no digit */
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", /* bech32 for version 1 */
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KEMEAWH", /* bech32m for version 0 */
        "bc1gmk9yu",                                  /* no data */
        "",
    };
    uint8_t script[ADDRESS_SCRIPT_SIZE];
    size_t size;

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        ck_assert_msg(!address_to_script(script, &size, texts[i], &mainnet), "%s", texts[i]);
}
END_TEST

/* Whether version 1 with count values, the last of them last, is an address. */
static bool takes_values(size_t count, uint8_t last)
{
    struct bech32 b = {.form = BECH32M, .hrp = "bc", .values = {1}, .value_count = 1 + count};
    char text[BECH32_TEXT_SIZE_MAX + 1];
    uint8_t script[ADDRESS_SCRIPT_SIZE];
    size_t size;

    b.values[count] = last;
    ck_assert(bech32_encode(text, &b));
    return address_to_script(script, &size, text, &mainnet);
}

START_TEST(what_is_left_over_of_five_bits_is_short_and_zero)
{
    ck_assert(takes_values(52, 0));  /* 32 bytes and 4 bits */
    ck_assert(!takes_values(52, 1)); /* the lowest of them set */
    ck_assert(!takes_values(52, 8)); /* the highest */
    ck_assert(takes_values(52, 16)); /* a bit of the program */
    ck_assert(takes_values(53, 0));  /* 33 bytes and 1 bit */
    ck_assert(!takes_values(54, 0)); /* 33 bytes and 6 bits */
    ck_assert(takes_values(4, 0));   /* 2 bytes and 4 bits */
    ck_assert(!takes_values(3, 0));  /* 1 byte and 7 bits */
    ck_assert(!takes_values(6, 0));  /* 3 bytes and 6 bits */
}
END_TEST

START_TEST(random_changes_of_an_address_are_refused)
{
    static const char *const addresses[] = {
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    };
    struct prng prng;

    prng_init(&prng, 1);
    for (int round = 0; round < 20000; round++) {
        char text[64];
        uint8_t script[ADDRESS_SCRIPT_SIZE];
        size_t size;

        strcpy(text, addresses[round % 2]);
        for (uint64_t i = 1 + prng_below(&prng, 3); i > 0; i--)
            text[prng_below(&prng, strlen(text))] = (char)(33 + prng_below(&prng, 94));
        if (strcmp(text, addresses[round % 2]) != 0)
            ck_assert(!address_to_script(script, &size, text, &mainnet));
    }
}
END_TEST

START_TEST(private_keys_are_those_of_the_curve)
{
    uint8_t key[32];
    bool is_compressed;

    /* The key 1 in both forms. */
    ck_assert(wif_decode(key, &is_compressed, "5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAnchuDf",
                         &mainnet));
    ck_assert(!is_compressed);
    ck_assert_uint_eq(key[31], 1);
    ck_assert(wif_decode(key, &is_compressed,
                         "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn", &mainnet));
    ck_assert(is_compressed);
    ck_assert_uint_eq(key[31], 1);
    ck_assert(!wif_decode(key, &is_compressed,
                          "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn", &testnet));
    /* 0, and the order less 1 and the order. */
    ck_assert(!wif_decode(key, &is_compressed,
                          "5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAbuatmU", &mainnet));
    ck_assert(wif_decode(key, &is_compressed, "5Km2kuu7vtFDPpxywn4u3NLpbr5jKpTB3jsuDU2KYEqetqj84qw",
                         &mainnet));
    ck_assert(!wif_decode(key, &is_compressed,
                          "5Km2kuu7vtFDPpxywn4u3NLpbr5jKpTB3jsuDU2KYEqetwr388P", &mainnet));
}
END_TEST

static const struct address_format *format_of(const char *chain)
{
    if (strcmp(chain, "main") == 0)
        return &mainnet;
    return strcmp(chain, "regtest") == 0 ? &regtest : &testnet;
}

/* The same script from the address with all letters in the other case, where the file says so. */
static void check_case_flip(const char *address, struct bytes script,
                            const struct address_format *format)
{
    char flipped[128];
    uint8_t got[ADDRESS_SCRIPT_SIZE];
    size_t size;

    snprintf(flipped, sizeof flipped, "%s", address);
    for (char *p = flipped; *p != '\0'; p++)
        *p = (char)(islower((unsigned char)*p) ? toupper((unsigned char)*p)
                                               : tolower((unsigned char)*p));
    ck_assert(address_to_script(got, &size, flipped, format));
    ck_assert_uint_eq(size, script.size);
    ck_assert_mem_eq(got, script.data, size);
}

static void run_valid_file(const json_t *root, size_t *count)
{
    size_t i;
    const json_t *test;

    json_array_foreach(root, i, test)
    {
        const char *text = vector_string(json_array_get(test, 0));
        const char *hex = vector_string(json_array_get(test, 1));
        const json_t *facts = json_array_get(test, 2);
        const struct address_format *format =
            format_of(vector_string(json_object_get(facts, "chain")));
        struct bytes payload = hex_load(hex);
        uint8_t out[ADDRESS_SCRIPT_SIZE];
        size_t size;
        bool is_compressed;

        if (json_is_true(json_object_get(facts, "isPrivkey"))) {
            ck_assert(wif_decode(out, &is_compressed, text, format));
            ck_assert_mem_eq(out, payload.data, 32);
            ck_assert_int_eq(is_compressed, json_is_true(json_object_get(facts, "isCompressed")));
            ck_assert(!address_to_script(out, &size, text, format));
        } else {
            check_pair(text, hex, format);
            ck_assert(!wif_decode(out, &is_compressed, text, format));
            if (json_is_true(json_object_get(facts, "tryCaseFlip")))
                check_case_flip(text, payload, format);
        }
        free((void *)payload.data);
        ++*count;
    }
}

static void run_invalid_file(const json_t *root, size_t *count)
{
    static const struct address_format *const formats[] = {&mainnet, &testnet, &regtest};
    size_t i;
    const json_t *test;

    json_array_foreach(root, i, test)
    {
        const char *text = vector_string(json_array_get(test, 0));

        for (size_t k = 0; k < ARRAY_COUNT(formats); k++) {
            uint8_t out[ADDRESS_SCRIPT_SIZE];
            size_t size;
            bool is_compressed;

            ck_assert_msg(!address_to_script(out, &size, text, formats[k]), "%s", text);
            ck_assert_msg(!wif_decode(out, &is_compressed, text, formats[k]), "%s", text);
        }
        ++*count;
    }
}

START_TEST(published_vectors)
{
    vectors_run("vectors/core/key_io_valid*.json", run_valid_file);
    vectors_run("vectors/core/key_io_invalid*.json", run_invalid_file);
}
END_TEST

int main(void)
{
    return SUITE_RUN("address", each_kind_of_address, other_networks_are_refused,
                     witness_programs_of_all_versions_and_sizes, scripts_a_byte_off_have_no_address,
                     texts_against_the_rules_of_bip350_are_refused,
                     what_is_left_over_of_five_bits_is_short_and_zero,
                     random_changes_of_an_address_are_refused, private_keys_are_those_of_the_curve,
                     published_vectors);
}
