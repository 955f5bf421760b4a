#include "base/random.h"
#include "chain/u256.h"
#include "shared_files.h"

static struct u256 from_hex(const char *hex)
{
    struct u256 a;

    ck_assert_msg(u256_from_hex(&a, hex), "%s", hex);
    return a;
}

static void expect(const struct u256 *a, const char *hex)
{
    struct u256 b = from_hex(hex);
    char text[U256_HEX_SIZE];

    u256_to_hex(text, a);
    ck_assert_msg(u256_compare(a, &b) == 0, "%s is not %s", text, hex);
}

/* A number with as many low bits as wanted, so that small and large ones both come. */
static struct u256 random_number(struct prng *prng)
{
    struct u256 a;

    prng_fill(prng, &a, sizeof a);
    return u256_shift_right(&a, (unsigned)prng_below(prng, 256));
}

/* The same operations digit by digit (bytes), the slow way of the schoolbook. */
static struct u256 naive_mul(const struct u256 *a, const struct u256 *b)
{
    uint8_t x[32], y[32], product[32] = {0};

    u256_to_le(x, a);
    u256_to_le(y, b);
    for (int i = 0; i < 32; i++) {
        unsigned carry = 0;

        for (int j = 0; i + j < 32; j++) {
            carry += product[i + j] + (unsigned)x[i] * y[j];
            product[i + j] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    return u256_from_le(product);
}

START_TEST(sums_and_differences_wrap_at_2_to_the_256)
{
    struct u256 max = from_hex("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    struct u256 one = u256_of(1), zero = u256_of(0);
    struct u256 low = from_hex("ffffffffffffffffffffffffffffffffffffffffffffffff");

    struct u256 r = u256_add(&max, &one);
    expect(&r, "0");
    r = u256_sub(&zero, &one);
    expect(&r, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    r = u256_add(&low, &one);
    expect(&r, "1000000000000000000000000000000000000000000000000");
    r = u256_sub(&r, &one);
    expect(&r, "ffffffffffffffffffffffffffffffffffffffffffffffff");
    ck_assert_int_gt(u256_compare(&max, &low), 0);
    ck_assert_int_lt(u256_compare(&zero, &low), 0);
    ck_assert_int_eq(u256_compare(&low, &low), 0);
}
END_TEST

START_TEST(shifts_are_multiplications_by_powers_of_two)
{
    struct prng prng;

    prng_init(&prng, 1);
    for (unsigned bits = 0; bits < 256; bits++) {
        struct u256 a = random_number(&prng), one = u256_of(1);
        struct u256 power = u256_shift_left(&one, bits);
        struct u256 left = u256_shift_left(&a, bits), product = naive_mul(&a, &power);
        struct u256 right = u256_shift_right(&a, bits), quotient = u256_div(&a, &power);

        ck_assert_int_eq(u256_compare(&left, &product), 0);
        ck_assert_int_eq(u256_compare(&right, &quotient), 0);
        ck_assert_uint_eq(u256_bits(&power), bits + 1);
    }
    struct u256 a = u256_of(1);
    a = u256_shift_left(&a, 256);
    ck_assert(u256_is_zero(&a));
}
END_TEST

START_TEST(quotient_and_rest_give_the_number_back)
{
    struct prng prng;

    prng_init(&prng, 2);
    for (int i = 0; i < 5000; i++) {
        struct u256 a = random_number(&prng), b = random_number(&prng);
        uint32_t small = (uint32_t)prng_next(&prng);
        struct u256 wide = u256_of(small);
        struct u256 by_small = u256_mul_u32(&a, small), by_wide = naive_mul(&a, &wide);

        ck_assert_int_eq(u256_compare(&by_small, &by_wide), 0);
        if (u256_is_zero(&b))
            continue;
        struct u256 quotient = u256_div(&a, &b), back = naive_mul(&quotient, &b);
        ck_assert_int_le(u256_compare(&back, &a), 0);
        struct u256 rest = u256_sub(&a, &back);
        ck_assert_int_lt(u256_compare(&rest, &b), 0);
    }
}
END_TEST

/* Compact forms whose value does not depend on the sign, and what they become when written again.
 */
START_TEST(compact_forms_have_the_values_of_the_reference)
{
    static const struct {
        uint32_t bits;
        const char *value;
        bool is_negative, is_overflow;
        uint32_t again;
    } cases[] = {
        {0, "0", false, false, 0},
        {0x00123456, "0", false, false, 0},
        {0x01003456, "0", false, false, 0},
        {0x02000056, "0", false, false, 0},
        {0x03000000, "0", false, false, 0},
        {0x04000000, "0", false, false, 0},
        {0x00923456, "0", false, false, 0},
        {0x01803456, "0", false, false, 0},
        {0x02800056, "0", false, false, 0},
        {0x03800000, "0", false, false, 0},
        {0x04800000, "0", false, false, 0},
        {0x01123456, "12", false, false, 0x01120000},
        {0x01fedcba, "7e", true, false, 0x017e0000},
        {0x02123456, "1234", false, false, 0x02123400},
        {0x03123456, "123456", false, false, 0x03123456},
        {0x04123456, "12345600", false, false, 0x04123456},
        {0x04923456, "12345600", true, false, 0x04123456},
        {0x05009234, "92340000", false, false, 0x05009234},
        {0x20123456, "1234560000000000000000000000000000000000000000000000000000000000", false,
         false, 0x20123456},
        {0x1d00ffff, "00000000ffff0000000000000000000000000000000000000000000000000000", false,
         false, 0x1d00ffff},
        {0x207fffff, "7fffff0000000000000000000000000000000000000000000000000000000000", false,
         false, 0x207fffff},
        /* one byte beyond, with and without a digit that falls off */
        {0x21007fff, "7fff000000000000000000000000000000000000000000000000000000000000", false,
         false, 0x207fff00},
        {0x2100ffff, "ffff000000000000000000000000000000000000000000000000000000000000", false,
         false, 0x2100ffff},
        {0x21010000, "0", false, true, 0},
        {0x220000ff, "ff00000000000000000000000000000000000000000000000000000000000000", false,
         false, 0x2100ff00},
        {0x22000100, "0", false, true, 0},
        {0x23000001, "0", false, true, 0},
        {0xff123456, "0", false, true, 0},
        {0xff000000, "0", false, false, 0},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool is_negative, is_overflow;
        struct u256 value = u256_from_compact(cases[i].bits, &is_negative, &is_overflow);

        expect(&value, cases[i].value);
        ck_assert_msg(is_negative == cases[i].is_negative, "%08x", cases[i].bits);
        ck_assert_msg(is_overflow == cases[i].is_overflow, "%08x", cases[i].bits);
        ck_assert_msg(u256_to_compact(&value) == cases[i].again, "%08x: %08x", cases[i].bits,
                      u256_to_compact(&value));
    }
    struct u256 sign = u256_of(0x80); /* the mantissa's top bit is the sign's */
    ck_assert_uint_eq(u256_to_compact(&sign), 0x02008000);
}
END_TEST

START_TEST(hex_and_wire_order_round_trip)
{
    struct prng prng;
    struct u256 a;

    prng_init(&prng, 3);
    for (int i = 0; i < 100; i++) {
        struct u256 b = random_number(&prng);
        char hex[U256_HEX_SIZE];
        uint8_t le[32];

        u256_to_hex(hex, &b);
        a = from_hex(hex);
        ck_assert_int_eq(u256_compare(&a, &b), 0);
        u256_to_le(le, &b);
        a = u256_from_le(le);
        ck_assert_int_eq(u256_compare(&a, &b), 0);
    }
    ck_assert(u256_from_hex(&a, "Ff"));
    ck_assert_uint_eq(a.limbs[0], 255);
    ck_assert(!u256_from_hex(&a, ""));
    ck_assert(!u256_from_hex(&a, "0x1"));
    ck_assert(!u256_from_hex(&a, "fg"));
    ck_assert(
        !u256_from_hex(&a, "10000000000000000000000000000000000000000000000000000000000000000"));
}
END_TEST

START_TEST(work_of_known_bits)
{
    struct u256 work = work_of_bits(0x1d00ffff);

    expect(&work, "100010001");
    work = work_of_bits(0x207fffff);
    expect(&work, "2");
    work = work_of_bits(0x01010000); /* the hardest target: 1 */
    expect(&work, "8000000000000000000000000000000000000000000000000000000000000000");
    work = work_of_bits(0);
    expect(&work, "0");
    work = work_of_bits(0x1d80ffff);
    expect(&work, "0");
    work = work_of_bits(0x22000100);
    expect(&work, "0");
}
END_TEST

int main(void)
{
    return SUITE_RUN("u256", sums_and_differences_wrap_at_2_to_the_256,
                     shifts_are_multiplications_by_powers_of_two,
                     quotient_and_rest_give_the_number_back,
                     compact_forms_have_the_values_of_the_reference, hex_and_wire_order_round_trip,
                     work_of_known_bits);
}
