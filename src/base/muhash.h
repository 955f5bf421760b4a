/* muhash.h - MuHash3072: a hash of a set, to which elements are added and from which they are
 * removed in any order. The set is a product modulo the prime 2^3072 - 1103717; an element is 384
 * bytes of ChaCha20 keystream keyed with the SHA256 of its bytes. One thread a struct; parts made
 * by several are multiplied together. */
#ifndef BASE_MUHASH_H
#define BASE_MUHASH_H
#include "base/bytes.h"

#define MUHASH_LIMBS 48

/* Two numbers, lowest limb first: what was added and what was removed. */
struct muhash {
    uint64_t numerator[MUHASH_LIMBS];
    uint64_t denominator[MUHASH_LIMBS];
};

/* The empty set. */
void muhash_init(struct muhash *muhash);
void muhash_insert(struct muhash *muhash, const void *data, size_t size);
void muhash_remove(struct muhash *muhash, const void *data, size_t size);
/* Adds all of other's set. */
void muhash_multiply(struct muhash *muhash, const struct muhash *other);
/* The SHA256 of the product's 384 bytes. Costs some milliseconds (an inversion). */
void muhash_final(const struct muhash *muhash, uint8_t out[32]);
#endif
