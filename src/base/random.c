#include "base/random.h"
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
    uint8_t *p = out;

    while (size > 0) {
        ssize_t got = getrandom(p, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        p += got;
        size -= (size_t)got;
    }
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* The four words come from splitmix64, as the authors of xoshiro advise. */
void prng_init(struct prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15;

        uint64_t z = seed;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        prng->s[i] = z ^ z >> 31;
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t limit)
{
    /* Below 2^64 mod limit the low values would come once too often. */
    uint64_t uneven = -limit % limit;
    uint64_t x;

    do {
        x = prng_next(prng);
    } while (x < uneven);
    return x % limit;
}

void prng_fill(struct prng *prng, void *out, size_t size)
{
    uint8_t *p = out;

    while (size > 0) {
        uint64_t x = prng_next(prng);
        size_t part = size < sizeof x ? size : sizeof x;

        memcpy(p, &x, part);
        p += part;
        size -= part;
    }
}
