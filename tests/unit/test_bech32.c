#include "base/random.h"
#include "codec/bech32.h"
#include "shared_files.h"

static bool decodes(struct bech32 *b, const char *text)
{
    return bech32_decode(b, text, strlen(text));
}

START_TEST(strings_of_the_proposals_are_valid)
{
    static const struct {
        const char *text;
        enum bech32_form form;
    } cases[] = {
        {"a12uel5l", BECH32},
        {"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tg"
         "s",
         BECH32},
        {"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", BECH32},
        {"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", BECH32},
        {"?1ezyfcl", BECH32},
        {"a1lqfn3a", BECH32M},
        {"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", BECH32M},
        {"split1checkupstagehandshakeupstreamerranterredcaperredlc445v", BECH32M},
        {"?1v759aa", BECH32M},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct bech32 b;
        char text[BECH32_TEXT_SIZE_MAX + 1];

        ck_assert_msg(decodes(&b, cases[i].text), "%s", cases[i].text);
        ck_assert_int_eq(b.form, cases[i].form);
        ck_assert(bech32_encode(text, &b));
        ck_assert_str_eq(text, cases[i].text);
        /* The same in upper case, and not with one letter of the other case. */
        for (char *p = text; *p != '\0'; p++)
            *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        ck_assert(decodes(&b, text));
        for (char *p = text; *p != '\0'; p++) {
            if (*p >= 'A' && *p <= 'Z') {
                *p = (char)(*p - 'A' + 'a');
                break;
            }
        }
        if (strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL)
            ck_assert(!decodes(&b, text));
    }
}
END_TEST

START_TEST(strings_of_the_proposals_are_invalid)
{
    static const char *const cases[] = {
        "",
        "1",
        "pzry9x0s0muk",  /* no separator */
        "1pzry9x0s0muk", /* nothing before it */
        "10a06t8",
        "1qzzfhee",
        "x1b4n0q5v", /* b is no digit */
        "li1dgmt3",  /* too short for a checksum */
        "A1G7SGD8",  /* checksum made of the upper case form */
        " 1nwldj5",
        "\x7f"
        "1axkwrx",
        "\x80"
        "1eym55h",
        "an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pv"
        "x",
        "y1b0jsk6g",
        "lt1igcx5c0",
        "in1muywd",
        "mm1crxm3i",
        "au1s5cgom",
        "M1VUXWEZ",
        "16plkw9",
        "1p2gdwpf",
    };
    struct bech32 b;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        ck_assert_msg(!decodes(&b, cases[i]), "%s", cases[i]);
}
END_TEST

START_TEST(values_round_trip_and_any_change_is_seen)
{
    struct prng prng;

    prng_init(&prng, 1);
    for (int round = 0; round < 2000; round++) {
        struct bech32 b = {.form = round % 2 ? BECH32 : BECH32M}, again;
        char text[BECH32_TEXT_SIZE_MAX + 1];
        size_t hrp_size = 1 + prng_below(&prng, 10);

        for (size_t i = 0; i < hrp_size; i++)
            b.hrp[i] = (char)('a' + prng_below(&prng, 26));
        b.value_count = prng_below(&prng, BECH32_TEXT_SIZE_MAX - 7 - hrp_size + 1);
        for (size_t i = 0; i < b.value_count; i++)
            b.values[i] = (uint8_t)prng_below(&prng, 32);
        ck_assert(bech32_encode(text, &b));
        ck_assert(decodes(&again, text));
        ck_assert_str_eq(again.hrp, b.hrp);
        ck_assert_int_eq(again.form, b.form);
        ck_assert_uint_eq(again.value_count, b.value_count);
        ck_assert_mem_eq(again.values, b.values, b.value_count);

        size_t at = hrp_size + 1 + prng_below(&prng, b.value_count + 6);

        text[at] = text[at] == 'q' ? 'p' : 'q';
        ck_assert(!decodes(&again, text));
    }
}
END_TEST

START_TEST(ninety_characters_and_no_more)
{
    struct bech32 b = {.form = BECH32, .hrp = "bc", .value_count = 90 - 2 - 1 - 6};
    char text[BECH32_TEXT_SIZE_MAX + 1];

    ck_assert(bech32_encode(text, &b));
    ck_assert_uint_eq(strlen(text), 90);
    b.value_count++;
    ck_assert(!bech32_encode(text, &b));
    b.hrp[0] = '\0';
    b.value_count = 1;
    ck_assert(!bech32_encode(text, &b));
}
END_TEST

int main(void)
{
    return SUITE_RUN("bech32", strings_of_the_proposals_are_valid,
                     strings_of_the_proposals_are_invalid, values_round_trip_and_any_change_is_seen,
                     ninety_characters_and_no_more);
}
