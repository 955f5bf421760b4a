/* random.h - the kernel's randomness, and a seeded generator for tests, simulations and jitter. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H
#include "base/bytes.h"

/* Unpredictable bytes from getrandom; aborts if the kernel has none to give. */
void random_bytes(void *out, size_t size);

/* xoshiro256** (Blackman and Vigna): fast, the same for the same seed, and predictable: never for
 * secrets. */
struct prng {
    uint64_t s[4];
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* Evenly from 0 to limit - 1; limit > 0. */
uint64_t prng_below(struct prng *prng, uint64_t limit);
void prng_fill(struct prng *prng, void *out, size_t size);
#endif
