#include "base/ellswift.h"
#include "base/random.h"
#include "csv_file.h"

/* x of the generator: a point everybody knows. */
static const char G_X[] = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

START_TEST(encodings_decode_to_their_point)
{
    struct prng prng;
    uint8_t x[32], again[32], entropy[32], encoding[64], first[64] = {0};

    csv_hex32(x, G_X);
    prng_init(&prng, 324);
    for (int i = 0; i < 24; i++) {
        prng_fill(&prng, entropy, sizeof entropy);
        ellswift_encode(encoding, x, entropy);
        ck_assert_mem_ne(encoding, first, 64);
        memcpy(first, encoding, 64);
        ellswift_decode(again, encoding);
        ck_assert_mem_eq(again, x, 32);
        memcpy(x, again, 32);
    }
}
END_TEST

START_TEST(random_bytes_decode_and_each_branch_of_the_inverse_leads_back)
{
    struct prng prng;
    uint8_t encoding[64], x[32], again[32], t[32];
    unsigned found[8] = {0};

    prng_init(&prng, 8);
    for (int i = 0; i < 24; i++) {
        bool has_first_t = false;

        prng_fill(&prng, encoding, sizeof encoding);
        ellswift_decode(x, encoding);
        memcpy(t, encoding + 32, 32);
        for (unsigned branch = 0; branch < 8; branch++) {
            if (!ellswift_inverse(encoding + 32, x, encoding, branch))
                continue;
            found[branch]++;
            has_first_t |= memcmp(encoding + 32, t, 32) == 0;
            ellswift_decode(again, encoding);
            ck_assert_mem_eq(again, x, 32);
        }
        ck_assert(has_first_t);
    }
    for (unsigned branch = 0; branch < 8; branch++)
        ck_assert_uint_gt(found[branch], 0);
}
END_TEST

START_TEST(zero_and_numbers_beyond_the_field_decode)
{
    uint8_t encoding[64] = {0}, x[32], y[32];

    ellswift_decode(x, encoding);
    csv_hex32(y, "edd1fd3e327ce90cc7a3542614289aee9682003e9cf7dcc9cf2ca9743be5aa0c");
    ck_assert_mem_eq(x, y, 32);
    csv_hex32(encoding, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    ellswift_decode(x, encoding);
    ck_assert_mem_eq(x, y, 32);
}
END_TEST

START_TEST(published_decodings)
{
    const char *folder = shared_folder("BIP324 decoding vectors");
    char *row[3];
    uint8_t x[32], expected[32];
    int rows = 0;

    if (!folder)
        return;
    struct csv_file csv =
        csv_open(folder, "vectors/bips/bip-0324-ellswift_decode_test_vectors.csv");
    for (; csv_next(&csv, row, 3); rows++) {
        struct bytes encoding = csv_hex(row[0]);

        ck_assert_uint_eq(encoding.size, 64);
        ellswift_decode(x, encoding.data);
        csv_hex32(expected, row[1]);
        ck_assert_msg(memcmp(x, expected, 32) == 0, "row %d: %s", rows + 1, row[2]);
        free((void *)encoding.data);
    }
    ck_assert_int_eq(rows, 76);
}
END_TEST

START_TEST(published_inverses)
{
    const char *folder = shared_folder("BIP324 inverse vectors");
    char *row[11];
    uint8_t u[32], x[32], t[32], expected[32];
    int rows = 0;

    if (!folder)
        return;
    struct csv_file csv = csv_open(folder, "vectors/bips/bip-0324-xswiftec_inv_test_vectors.csv");
    for (; csv_next(&csv, row, 11); rows++) {
        csv_hex32(u, row[0]);
        csv_hex32(x, row[1]);
        for (unsigned branch = 0; branch < 8; branch++) {
            bool has_t = ellswift_inverse(t, x, u, branch);

            ck_assert_msg(has_t == (row[2 + branch][0] != 0), "row %d branch %u", rows + 1, branch);
            if (!has_t)
                continue;
            csv_hex32(expected, row[2 + branch]);
            ck_assert_msg(memcmp(t, expected, 32) == 0, "row %d branch %u", rows + 1, branch);
        }
    }
    ck_assert_int_eq(rows, 32);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ellswift");
    TCase *tcase = tcase_create("ellswift");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, encodings_decode_to_their_point);
    tcase_add_test(tcase, random_bytes_decode_and_each_branch_of_the_inverse_leads_back);
    tcase_add_test(tcase, zero_and_numbers_beyond_the_field_decode);
    tcase_add_test(tcase, published_decodings);
    tcase_add_test(tcase, published_inverses);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
