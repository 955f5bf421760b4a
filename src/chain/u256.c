#include "chain/u256.h"

struct u256 u256_add(const struct u256 *a, const struct u256 *b)
{
    struct u256 sum;
    unsigned __int128 carry = 0;

    for (int i = 0; i < 4; i++) {
        carry += (unsigned __int128)a->limbs[i] + b->limbs[i];
        sum.limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return sum;
}

struct u256 u256_sub(const struct u256 *a, const struct u256 *b)
{
    struct u256 difference;
    uint64_t borrow = 0;

    for (int i = 0; i < 4; i++) {
        unsigned __int128 d = (unsigned __int128)a->limbs[i] - b->limbs[i] - borrow;
        difference.limbs[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return difference;
}

struct u256 u256_mul_u32(const struct u256 *a, uint32_t b)
{
    struct u256 product;
    unsigned __int128 carry = 0;

    for (int i = 0; i < 4; i++) {
        carry += (unsigned __int128)a->limbs[i] * b;
        product.limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return product;
}

struct u256 u256_shift_left(const struct u256 *a, unsigned bits)
{
    struct u256 r = {0};
    unsigned limbs = bits / 64, rest = bits % 64;

    for (unsigned i = limbs; i < 4; i++) {
        r.limbs[i] = a->limbs[i - limbs] << rest;
        if (rest != 0 && i > limbs)
            r.limbs[i] |= a->limbs[i - limbs - 1] >> (64 - rest);
    }
    return r;
}

struct u256 u256_shift_right(const struct u256 *a, unsigned bits)
{
    struct u256 r = {0};
    unsigned limbs = bits / 64, rest = bits % 64;

    for (unsigned i = 0; i + limbs < 4; i++) {
        r.limbs[i] = a->limbs[i + limbs] >> rest;
        if (rest != 0 && i + limbs + 1 < 4)
            r.limbs[i] |= a->limbs[i + limbs + 1] << (64 - rest);
    }
    return r;
}

unsigned u256_bits(const struct u256 *a)
{
    for (unsigned i = 4; i-- > 0;)
        if (a->limbs[i] != 0)
            return 64 * i + 64 - (unsigned)__builtin_clzll(a->limbs[i]);
    return 0;
}

/* One bit of the quotient at a time: it is short wherever it matters, targets being large. */
struct u256 u256_div(const struct u256 *a, const struct u256 *b)
{
    struct u256 quotient = {0}, rest = *a;
    int shift = (int)u256_bits(a) - (int)u256_bits(b);

    assert(!u256_is_zero(b));
    if (shift < 0)
        return quotient;
    struct u256 divisor = u256_shift_left(b, (unsigned)shift);
    for (; shift >= 0; shift--) {
        if (u256_compare(&rest, &divisor) >= 0) {
            rest = u256_sub(&rest, &divisor);
            quotient.limbs[shift / 64] |= 1ULL << (shift % 64);
        }
        divisor = u256_shift_right(&divisor, 1);
    }
    return quotient;
}

struct u256 u256_from_compact(uint32_t bits, bool *is_negative, bool *is_overflow)
{
    unsigned size = bits >> 24;
    uint32_t mantissa = bits & 0x7fffff;
    struct u256 a;

    if (size <= 3) {
        mantissa >>= 8 * (3 - size);
        a = u256_of(mantissa);
    } else {
        a = u256_of(mantissa);
        a = u256_shift_left(&a, 8 * (size - 3));
    }
    *is_negative = mantissa != 0 && (bits & 0x800000) != 0;
    *is_overflow = mantissa != 0 && (size > 34 || (size > 33 && mantissa > 0xff) ||
                                     (size > 32 && mantissa > 0xffff));
    return a;
}

uint32_t u256_to_compact(const struct u256 *a)
{
    unsigned size = (u256_bits(a) + 7) / 8;
    uint32_t mantissa;

    if (size <= 3) {
        mantissa = (uint32_t)(a->limbs[0] << 8 * (3 - size));
    } else {
        struct u256 top = u256_shift_right(a, 8 * (size - 3));
        mantissa = (uint32_t)top.limbs[0];
    }
    if (mantissa & 0x800000) { /* that bit is the sign */
        mantissa >>= 8;
        size++;
    }
    return mantissa | size << 24;
}

struct u256 u256_from_le(const uint8_t bytes[32])
{
    struct u256 a;

    for (int i = 0; i < 4; i++)
        a.limbs[i] = le64_read(bytes + 8 * i);
    return a;
}

void u256_to_le(uint8_t out[32], const struct u256 *a)
{
    for (int i = 0; i < 4; i++)
        le64_write(out + 8 * i, a->limbs[i]);
}

bool u256_from_hex(struct u256 *a, const char *hex)
{
    size_t size = strlen(hex);

    *a = u256_of(0);
    if (size == 0 || size > 64)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = hex[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        *a = u256_shift_left(a, 4);
        a->limbs[0] |= digit;
    }
    return true;
}

void u256_to_hex(char out[U256_HEX_SIZE], const struct u256 *a)
{
    for (int i = 0; i < 64; i++)
        out[i] = "0123456789abcdef"[a->limbs[(63 - i) / 16] >> ((63 - i) % 16 * 4) & 15];
    out[64] = 0;
}

struct u256 work_of_bits(uint32_t bits)
{
    bool is_negative, is_overflow;
    struct u256 target = u256_from_compact(bits, &is_negative, &is_overflow);
    struct u256 one = u256_of(1);

    if (is_negative || is_overflow || u256_is_zero(&target))
        return u256_of(0);
    /* 2^256 does not fit, so: 2^256 / (t + 1) = (2^256 - 1 - t) / (t + 1) + 1. */
    struct u256 complement = {
        {~target.limbs[0], ~target.limbs[1], ~target.limbs[2], ~target.limbs[3]}};
    struct u256 divisor = u256_add(&target, &one);
    struct u256 quotient = u256_div(&complement, &divisor);
    return u256_add(&quotient, &one);
}
