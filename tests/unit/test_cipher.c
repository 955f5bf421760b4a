#include "base/cipher.h"
#include "base/hex.h"

#include <check.h>
#include <stdlib.h>

/* RFC 8439, section 2.8.2 */
static const char SUNSCREEN[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip "
    "for the future, sunscreen would be it.";

static struct aead_key rfc_key(void)
{
    struct aead_key key = {.nonce = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47}};

    for (size_t i = 0; i < 32; i++)
        key.key[i] = (uint8_t)(0x80 + i);
    return key;
}

static struct bytes rfc_aad(void)
{
    static const uint8_t aad[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1,
                                  0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};

    return (struct bytes){aad, sizeof aad};
}

static void rfc_seal(struct aead *aead, size_t head_size, uint8_t *out)
{
    struct bytes text = {(const uint8_t *)SUNSCREEN, sizeof SUNSCREEN - 1};
    struct aead_key key = rfc_key();

    aead_seal(aead, &key, rfc_aad(), bytes_sub(text, 0, head_size),
              bytes_sub(text, head_size, text.size), out);
}

START_TEST(sealing_gives_the_rfc_ciphertext_however_it_is_cut)
{
    struct aead *aead = aead_new();
    size_t size = sizeof SUNSCREEN - 1;
    uint8_t out[sizeof SUNSCREEN + 15], start[8], tag[16];

    ck_assert(hex_decode(start, "d31a8d34648e60db", 16));
    ck_assert(hex_decode(tag, "1ae10b594f09e26a7e902ecbd0600691", 32));
    for (size_t head = 0; head <= size; head++) {
        memset(out, 0, sizeof out);
        rfc_seal(aead, head, out);
        ck_assert_mem_eq(out, start, 8);
        ck_assert_mem_eq(out + size, tag, 16);
    }
    aead_free(aead);
}
END_TEST

START_TEST(opening_gives_the_text_back_and_refuses_any_changed_bit)
{
    struct aead *aead = aead_new();
    struct aead_key key = rfc_key();
    size_t size = sizeof SUNSCREEN - 1;
    uint8_t sealed[sizeof SUNSCREEN + 15], work[sizeof SUNSCREEN + 15];

    rfc_seal(aead, 0, sealed);
    memcpy(work, sealed, sizeof work);
    ck_assert(aead_open(aead, &key, rfc_aad(), work, 2, work + 2, size - 2, work + size));
    ck_assert_mem_eq(work, SUNSCREEN, size);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit += 5) {
        memcpy(work, sealed, sizeof work);
        work[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(!aead_open(aead, &key, rfc_aad(), work, 14, work + 14, size - 14, work + size));
    }
    memcpy(work, sealed, sizeof work);
    ck_assert(
        !aead_open(aead, &key, bytes_sub(rfc_aad(), 1, 99), work, 0, work, size, work + size));
    aead_free(aead);
}
END_TEST

START_TEST(peeking_shows_the_first_bytes)
{
    struct aead *aead = aead_new();
    struct aead_key key = rfc_key();
    uint8_t sealed[sizeof SUNSCREEN + 15], out[64];

    rfc_seal(aead, 0, sealed);
    aead_peek(aead, &key, sealed, 64, out);
    ck_assert_mem_eq(out, SUNSCREEN, 64);
    aead_free(aead);
}
END_TEST

/* BIP324's words: the first 32 bytes of 32 zeros sealed under the nonce (0xffffffff, rekeys). */
START_TEST(the_224th_message_is_the_last_of_a_key)
{
    struct aead *aead = aead_new();
    struct fs_aead fs;
    struct aead_key next, rekey = {.nonce = {0xff, 0xff, 0xff, 0xff}};
    uint8_t key[32] = {1, 2, 3}, zero[32] = {0}, sealed[48];

    fs_aead_init(&fs, key);
    for (uint32_t i = 0; i < 224; i++) {
        fs_aead_next(&fs, aead, &next);
        ck_assert_mem_eq(next.key, key, 32);
        ck_assert_uint_eq(le32_read(next.nonce), i);
        ck_assert_uint_eq(le64_read(next.nonce + 4), 0);
    }
    memcpy(rekey.key, key, 32);
    aead_seal(aead, &rekey, (struct bytes){0}, (struct bytes){0}, (struct bytes){zero, 32}, sealed);
    fs_aead_next(&fs, aead, &next);
    ck_assert_mem_eq(next.key, sealed, 32);
    ck_assert_uint_eq(le32_read(next.nonce), 0);
    ck_assert_uint_eq(le64_read(next.nonce + 4), 1);
    aead_free(aead);
}
END_TEST

START_TEST(lengths_round_trip_over_several_keys)
{
    struct aead *aead = aead_new();
    struct fs_length sender, receiver;
    uint8_t key[32] = {9}, masked[3], last[3] = {0};

    fs_length_init(&sender, aead, key);
    fs_length_init(&receiver, aead, key);
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t plain[3] = {(uint8_t)i, (uint8_t)(i >> 8), 0};

        fs_length_crypt(&sender, aead, plain, masked);
        ck_assert_mem_ne(masked, last, 3);
        memcpy(last, masked, 3);
        fs_length_crypt(&receiver, aead, masked, masked);
        ck_assert_mem_eq(masked, plain, 3);
    }
    ck_assert_uint_eq(sender.rekeys, 4);
    aead_free(aead);
}
END_TEST

/* RFC 5869, case 1 */
START_TEST(hkdf_gives_the_rfc_key)
{
    uint8_t material[22], salt[13], prk[32], out[32], expected[32];
    const char info[] = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9";

    memset(material, 0x0b, sizeof material);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    hkdf_extract(prk, (struct bytes){salt, sizeof salt}, (struct bytes){material, sizeof material});
    ck_assert(hex_decode(expected,
                         "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", 64));
    ck_assert_mem_eq(prk, expected, 32);
    hkdf_expand(out, prk, info);
    ck_assert(hex_decode(expected,
                         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf", 64));
    ck_assert_mem_eq(out, expected, 32);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cipher");
    TCase *tcase = tcase_create("cipher");

    tcase_add_test(tcase, sealing_gives_the_rfc_ciphertext_however_it_is_cut);
    tcase_add_test(tcase, opening_gives_the_text_back_and_refuses_any_changed_bit);
    tcase_add_test(tcase, peeking_shows_the_first_bytes);
    tcase_add_test(tcase, the_224th_message_is_the_last_of_a_key);
    tcase_add_test(tcase, lengths_round_trip_over_several_keys);
    tcase_add_test(tcase, hkdf_gives_the_rfc_key);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
