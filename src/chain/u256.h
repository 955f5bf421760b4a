/* u256.h - 256-bit unsigned integers, for targets and chain work. Pure; any thread. */
#ifndef CHAIN_U256_H
#define CHAIN_U256_H
#include "base/bytes.h"

#define U256_HEX_SIZE 65 /* 64 digits and the final 0 */

struct u256 {
    uint64_t limbs[4]; /* least significant first */
};

static inline struct u256 u256_of(uint64_t v)
{
    return (struct u256){{v, 0, 0, 0}};
}

static inline int u256_compare(const struct u256 *a, const struct u256 *b)
{
    for (int i = 3; i >= 0; i--)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

static inline bool u256_is_zero(const struct u256 *a)
{
    return (a->limbs[0] | a->limbs[1] | a->limbs[2] | a->limbs[3]) == 0;
}

/* All arithmetic is modulo 2^256. */
struct u256 u256_add(const struct u256 *a, const struct u256 *b);
struct u256 u256_sub(const struct u256 *a, const struct u256 *b);
struct u256 u256_mul_u32(const struct u256 *a, uint32_t b);
struct u256 u256_div(const struct u256 *a, const struct u256 *b); /* b is not 0 */
struct u256 u256_shift_left(const struct u256 *a, unsigned bits);
struct u256 u256_shift_right(const struct u256 *a, unsigned bits);
unsigned u256_bits(const struct u256 *a); /* position of the highest set bit, from 1; 0 for 0 */

/* The floating-point-like form of a header's bits: one byte of exponent (in bytes), a sign and 23
 * bits. Negative and overflowing forms set the flag and give the reference node's value modulo
 * 2^256. */
struct u256 u256_from_compact(uint32_t bits, bool *is_negative, bool *is_overflow);
uint32_t u256_to_compact(const struct u256 *a);

/* 32 bytes, least significant first: the wire order of hashes. */
struct u256 u256_from_le(const uint8_t bytes[32]);
void u256_to_le(uint8_t out[32], const struct u256 *a);

/* Up to 64 digits, most significant first; false on anything else. */
MUST_CHECK bool u256_from_hex(struct u256 *a, const char *hex);
void u256_to_hex(char out[U256_HEX_SIZE], const struct u256 *a);

/* The expected number of hashes for a block with these bits: 2^256 / (target + 1); 0 for impossible
 * bits. */
struct u256 work_of_bits(uint32_t bits);
#endif
