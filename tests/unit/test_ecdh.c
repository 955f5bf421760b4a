#include "base/hex.h"
#include "base/random.h"
#include "script/ecdh.h"

#include <check.h>
#include <stdlib.h>

START_TEST(two_sides_come_to_one_secret)
{
    struct prng prng;
    uint8_t seed[32], a[32], b[32], entropy[32], a_key[64], b_key[64], a_shared[32], b_shared[32];

    prng_init(&prng, 1);
    prng_fill(&prng, seed, sizeof seed);
    struct ecdh *ecdh = ecdh_new(seed);
    for (int i = 0; i < 5; i++) {
        prng_fill(&prng, a, 32);
        prng_fill(&prng, b, 32);
        prng_fill(&prng, entropy, 32);
        ck_assert(ecdh_public(ecdh, a_key, a, entropy));
        ck_assert(ecdh_public(ecdh, b_key, b, entropy));
        ck_assert(ecdh_shared_secret(ecdh, a_shared, a_key, b_key, a, true));
        ck_assert(ecdh_shared_secret(ecdh, b_shared, b_key, a_key, b, false));
        ck_assert_mem_eq(a_shared, b_shared, 32);
        ck_assert(ecdh_shared_secret(ecdh, b_shared, b_key, a_key, b, true));
        ck_assert_mem_ne(a_shared, b_shared, 32);
    }
    ecdh_free(ecdh);
}
END_TEST

START_TEST(only_secrets_from_1_to_the_order_less_1_are_taken)
{
    uint8_t secret[32] = {0}, entropy[32] = {0}, key[64], x[32], g_x[32];
    struct ecdh *ecdh = ecdh_new(entropy);

    ck_assert(!ecdh_public(ecdh, key, secret, entropy));
    secret[31] = 1;
    ck_assert(ecdh_public(ecdh, key, secret, entropy));
    ck_assert(
        hex_decode(g_x, "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", 64));
    ck_assert(ecdh_shared_x(ecdh, x, key, secret)); /* 1 times the point */
    ck_assert_mem_eq(x, g_x, 32);
    ck_assert(
        hex_decode(secret, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 64));
    ck_assert(!ecdh_public(ecdh, key, secret, entropy));
    ck_assert(!ecdh_shared_x(ecdh, x, key, secret));
    secret[31]--;
    ck_assert(ecdh_public(ecdh, key, secret, entropy));
    ecdh_free(ecdh);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecdh");
    TCase *tcase = tcase_create("ecdh");

    tcase_add_test(tcase, two_sides_come_to_one_secret);
    tcase_add_test(tcase, only_secrets_from_1_to_the_order_less_1_are_taken);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
