/* Sees the statics: the arithmetic is compared with OpenSSL's big numbers. */
#include "../../src/base/muhash.c"
#include "base/random.h"
#include "vectors.h"
#include <openssl/bn.h>

static BIGNUM *big(const uint64_t a[LIMBS])
{
    return BN_lebin2bn((const uint8_t *)a, 8 * LIMBS, NULL);
}

static BIGNUM *prime(void)
{
    BIGNUM *p = BN_new();

    BN_set_bit(p, 3072);
    BN_sub_word(p, GAP);
    return p;
}

/* a, which may not be reduced, stands for the number expected modulo the prime. */
static void expect_residue(const uint64_t a[LIMBS], const BIGNUM *expected)
{
    uint64_t reduced[LIMBS];
    BIGNUM *got, *p = prime();

    memcpy(reduced, a, sizeof reduced);
    reduce(reduced);
    got = big(reduced);
    ck_assert_int_lt(BN_cmp(got, p), 0);
    ck_assert_int_eq(BN_cmp(got, expected), 0);
    BN_free(got);
    BN_free(p);
}

static void check_product(const uint64_t a[LIMBS], const uint64_t b[LIMBS])
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *x = big(a), *y = big(b), *p = prime(), *expected = BN_new();
    uint64_t product[LIMBS];

    BN_mod_mul(expected, x, y, p, ctx);
    memcpy(product, a, sizeof product);
    multiply(product, b);
    expect_residue(product, expected);
    BN_free(x);
    BN_free(y);
    BN_free(p);
    BN_free(expected);
    BN_CTX_free(ctx);
}

START_TEST(products_equal_those_of_big_numbers)
{
    struct prng prng;
    uint64_t a[LIMBS], b[LIMBS];

    prng_init(&prng, 1);
    for (int round = 0; round < 500; round++) {
        prng_fill(&prng, a, sizeof a);
        prng_fill(&prng, b, sizeof b);
        check_product(a, b);
        /* Limbs of all ones and zeros make the long carries. */
        for (int i = 0; i < LIMBS; i++) {
            a[i] = prng_below(&prng, 8) ? UINT64_MAX : 0;
            b[i] = prng_below(&prng, 8) ? UINT64_MAX : prng_next(&prng);
        }
        check_product(a, b);
    }
    memset(a, 0xff, sizeof a);
    check_product(a, a);
}
END_TEST

START_TEST(reduction_turns_at_the_prime)
{
    uint64_t a[LIMBS];

    memset(a, 0xff, sizeof a);
    a[0] = -(uint64_t)GAP; /* the prime itself */
    reduce(a);
    for (int i = 0; i < LIMBS; i++)
        ck_assert_uint_eq(a[i], 0);
    memset(a, 0xff, sizeof a);
    a[0] = -(uint64_t)GAP - 1;
    reduce(a);
    ck_assert_uint_eq(a[0], -(uint64_t)GAP - 1);
    ck_assert_uint_eq(a[LIMBS - 1], UINT64_MAX);
}
END_TEST

START_TEST(a_number_times_its_inverse_is_one)
{
    struct prng prng;
    uint64_t a[LIMBS], inverse[LIMBS];

    prng_init(&prng, 2);
    for (int round = 0; round < 5; round++) {
        prng_fill(&prng, a, sizeof a);
        memcpy(inverse, a, sizeof a);
        invert(inverse);
        multiply(a, inverse);
        reduce(a);
        ck_assert_uint_eq(a[0], 1);
        for (int i = 1; i < LIMBS; i++)
            ck_assert_uint_eq(a[i], 0);
    }
}
END_TEST

static void expect_final(const struct muhash *muhash, const char *shown)
{
    uint8_t out[32];
    char hex[65];

    muhash_final(muhash, out);
    hash_to_hex(hex, out);
    ck_assert_str_eq(hex, shown);
}

START_TEST(elements_of_the_reference_give_its_hash)
{
    static const char shown[] = "10d312b100cbd32ada024a6646e40d3482fcff103668d2625f10002a607d5863";
    struct muhash muhash, part;
    uint8_t element[3][32] = {{0}, {1}, {2}};

    muhash_init(&muhash);
    muhash_insert(&muhash, element[0], 32);
    muhash_insert(&muhash, element[1], 32);
    muhash_remove(&muhash, element[2], 32);
    expect_final(&muhash, shown);
    /* The same in another order, from two parts. */
    muhash_init(&muhash);
    muhash_init(&part);
    muhash_remove(&part, element[2], 32);
    muhash_insert(&part, element[1], 32);
    muhash_insert(&muhash, element[0], 32);
    muhash_multiply(&muhash, &part);
    expect_final(&muhash, shown);
}
END_TEST

START_TEST(what_was_added_and_removed_leaves_the_empty_set)
{
    struct prng prng;
    struct muhash muhash, empty;
    uint8_t data[20][100], a[32], b[32];

    prng_init(&prng, 3);
    prng_fill(&prng, data, sizeof data);
    muhash_init(&muhash);
    muhash_init(&empty);
    for (int i = 0; i < 20; i++)
        muhash_insert(&muhash, data[i], 5 * (size_t)i);
    for (int i = 19; i >= 0; i--) {
        muhash_final(&muhash, a);
        muhash_final(&empty, b);
        ck_assert_mem_ne(a, b, 32);
        muhash_remove(&muhash, data[i], 5 * (size_t)i);
    }
    muhash_final(&muhash, a);
    ck_assert_mem_eq(a, b, 32);
}
END_TEST

int main(void)
{
    return SUITE_RUN("muhash", products_equal_those_of_big_numbers, reduction_turns_at_the_prime,
                     a_number_times_its_inverse_is_one, elements_of_the_reference_give_its_hash,
                     what_was_added_and_removed_leaves_the_empty_set);
}
