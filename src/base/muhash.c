#include "base/muhash.h"
#include "base/hash.h"

#define LIMBS MUHASH_LIMBS
#define GAP   1103717 /* the modulus is 2^3072 less this, so 2^3072 counts as this */

typedef unsigned __int128 wide;

/* Adds a small number; returns what is carried out of the top. */
static uint64_t add_small(uint64_t a[LIMBS], uint64_t small)
{
    for (int i = 0; small != 0 && i < LIMBS; i++) {
        wide sum = (wide)a[i] + small;

        a[i] = (uint64_t)sum;
        small = (uint64_t)(sum >> 64);
    }
    return small;
}

/* a = a × b modulo the prime, below 2^3072 but not always below the prime. */
static void multiply(uint64_t a[LIMBS], const uint64_t b[LIMBS])
{
    uint64_t product[2 * LIMBS] = {0};

    for (int i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;

        for (int k = 0; k < LIMBS; k++) {
            wide sum = (wide)a[i] * b[k] + product[i + k] + carry;

            product[i + k] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        product[i + LIMBS] = carry;
    }

    uint64_t carry = 0;

    for (int i = 0; i < LIMBS; i++) {
        wide sum = (wide)product[i + LIMBS] * GAP + product[i] + carry;

        a[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    while (carry != 0)
        carry = add_small(a, carry * GAP); /* carry is below 2^21 at first, then 0 or 1 */
}

/* a to the power of the prime less 2, which is its inverse. That exponent is 1 in every bit but for
 * the lowest word, 2^64 - 1103719. */
static void invert(uint64_t a[LIMBS])
{
    uint64_t base[LIMBS];

    memcpy(base, a, sizeof base);
    for (int bit = 64 * LIMBS - 2; bit >= 0; bit--) {
        multiply(a, a);
        if (bit >= 64 || (-(uint64_t)(GAP + 2) >> bit & 1) != 0)
            multiply(a, base);
    }
}

/* Brings a number below 2^3072 below the prime. */
static void reduce(uint64_t a[LIMBS])
{
    uint64_t plus_gap[LIMBS];

    memcpy(plus_gap, a, sizeof plus_gap);
    if (add_small(plus_gap, GAP) != 0)
        memcpy(a, plus_gap, sizeof plus_gap);
}

static inline uint32_t rotate(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static inline void quarter_round(uint32_t x[16], int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

/* The 64-byte block number counter of ChaCha20's keystream (RFC 8439) with a zero nonce. */
static void keystream_block(uint32_t out[16], const uint8_t key[32], uint32_t counter)
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

    memcpy(start + 4, key, 32);
    start[12] = counter;
    memcpy(out, start, sizeof start);
    for (int i = 0; i < 10; i++) {
        quarter_round(out, 0, 4, 8, 12);
        quarter_round(out, 1, 5, 9, 13);
        quarter_round(out, 2, 6, 10, 14);
        quarter_round(out, 3, 7, 11, 15);
        quarter_round(out, 0, 5, 10, 15);
        quarter_round(out, 1, 6, 11, 12);
        quarter_round(out, 2, 7, 8, 13);
        quarter_round(out, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++)
        out[i] += start[i];
}

static void multiply_element(uint64_t product[LIMBS], const void *data, size_t size)
{
    uint8_t key[32];
    uint64_t element[LIMBS];

    sha256_once(key, data, size);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t block[16];

        keystream_block(block, key, i);
        memcpy(element + 8 * i, block, sizeof block);
    }
    multiply(product, element);
}

void muhash_init(struct muhash *muhash)
{
    *muhash = (struct muhash){.numerator = {1}, .denominator = {1}};
}

void muhash_insert(struct muhash *muhash, const void *data, size_t size)
{
    multiply_element(muhash->numerator, data, size);
}

void muhash_remove(struct muhash *muhash, const void *data, size_t size)
{
    multiply_element(muhash->denominator, data, size);
}

void muhash_multiply(struct muhash *muhash, const struct muhash *other)
{
    multiply(muhash->numerator, other->numerator);
    multiply(muhash->denominator, other->denominator);
}

static bool is_one(const uint64_t a[LIMBS])
{
    static const uint64_t one[LIMBS] = {1};

    return memcmp(a, one, sizeof one) == 0;
}

void muhash_final(const struct muhash *muhash, uint8_t out[32])
{
    struct muhash quotient = *muhash;

    /* An audit removes nothing, and an inversion takes 6,000 products. */
    if (!is_one(quotient.denominator)) {
        invert(quotient.denominator);
        multiply(quotient.numerator, quotient.denominator);
    }
    reduce(quotient.numerator);
    sha256_once(out, quotient.numerator, sizeof quotient.numerator);
}
