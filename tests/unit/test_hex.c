#include "base/hex.h"
#include "base/random.h"
#include "base/text.h"
#include "vectors.h"

START_TEST(bytes_go_to_hex_and_back)
{
    struct prng prng;
    uint8_t bytes[100], again[100];
    char hex[201];

    prng_init(&prng, 1);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        prng_fill(&prng, bytes, size);
        hex_encode(hex, bytes, size);
        ck_assert_uint_eq(strlen(hex), 2 * size);
        ck_assert(hex_decode(again, hex, 2 * size));
        ck_assert_mem_eq(again, bytes, size);
    }
}
END_TEST

START_TEST(both_cases_are_read_and_lower_case_written)
{
    uint8_t bytes[8];
    char hex[17];

    ck_assert(hex_decode(bytes, "0123456789abcDEF", 16));
    hex_encode(hex, bytes, 8);
    ck_assert_str_eq(hex, "0123456789abcdef");
}
END_TEST

START_TEST(every_other_character_is_refused)
{
    uint8_t out[2];
    char text[3] = "00";

    for (int c = 0; c < 256; c++) {
        bool is_digit = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;

        for (int at = 0; at < 2; at++) {
            memcpy(text, "00", 3);
            text[at] = (char)c;
            ck_assert_int_eq(hex_decode(out, text, 2), is_digit);
        }
    }
    ck_assert(!hex_decode(out, "000", 3));
    ck_assert(!hex_decode(out, "0", 1));
    ck_assert(hex_decode(out, "", 0));
}
END_TEST

START_TEST(hashes_are_shown_reversed)
{
    static const char shown[] = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
    uint8_t hash[32];
    char hex[65];

    ck_assert(hash_from_hex(hash, shown));
    ck_assert_uint_eq(hash[0], 0x6f);
    ck_assert_uint_eq(hash[31], 0);
    hash_to_hex(hex, hash);
    ck_assert_str_eq(hex, shown);
    ck_assert(!hash_from_hex(hash, shown + 1));
    ck_assert(!hash_from_hex(hash, shown + 2));
    ck_assert(
        !hash_from_hex(hash, "0000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"));
    ck_assert(
        !hash_from_hex(hash, "g00000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"));
}
END_TEST

START_TEST(text_grows_to_its_limit_and_not_beyond)
{
    struct text text;

    text_init(&text, 10);
    ck_assert_str_eq(text_cstr(&text), "");
    text_printf(&text, "%d-", 12345);
    text_hex(&text, "\x0a\xbc", 2);
    ck_assert_str_eq(text_cstr(&text), "12345-0abc");
    ck_assert(!text.is_cut_off);
    text_append(&text, "", 0);
    ck_assert(!text.is_cut_off);
    text_append(&text, "x", 1);
    ck_assert(text.is_cut_off);
    ck_assert_str_eq(text_cstr(&text), "12345-0abc");
    text_clear(&text);
    text_printf(&text, "%s", "12345678901");
    ck_assert(text.is_cut_off);
    ck_assert_uint_eq(text.size, 0);
    text_clear(&text);
    ck_assert(!text.is_cut_off);
    text_hash(&text, (const uint8_t[32]){1});
    ck_assert(text.is_cut_off); /* 64 digits */
    text_clear(&text);
}
END_TEST

START_TEST(text_of_many_pieces_is_whole)
{
    struct text text;

    text_init(&text, 1 << 20);
    for (int i = 0; i < 1000; i++)
        text_printf(&text, "%03d", i);
    ck_assert_uint_eq(text.size, 3000);
    ck_assert_uint_eq(strlen(text_cstr(&text)), 3000);
    ck_assert_mem_eq(text_cstr(&text) + 3 * 789, "789", 3);
    text_clear(&text);
}
END_TEST

int main(void)
{
    return SUITE_RUN("hex", bytes_go_to_hex_and_back, both_cases_are_read_and_lower_case_written,
                     every_other_character_is_refused, hashes_are_shown_reversed,
                     text_grows_to_its_limit_and_not_beyond, text_of_many_pieces_is_whole);
}
