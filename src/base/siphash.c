/* SipHash (Aumasson and Bernstein): 2-4 has two rounds a word and four at the end, 1-3 has one and
 * three. */
#include "base/hash.h"

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void rounds(struct siphash_state *s, int count)
{
    for (int i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline struct siphash_state start(struct siphash_key key)
{
    return (struct siphash_state){key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
                                  key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
}

static inline void absorb(struct siphash_state *s, uint64_t word, int count)
{
    s->v3 ^= word;
    rounds(s, count);
    s->v0 ^= word;
}

static inline uint64_t fold(const struct siphash_state *s)
{
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t siphash24(struct siphash_key key, const void *data, size_t size)
{
    struct siphash_state s = start(key);
    const uint8_t *p = data;
    size_t tail_size = size % 8;
    uint8_t last[8] = {0};

    for (const uint8_t *end = p + (size - tail_size); p < end; p += 8)
        absorb(&s, le64_read(p), 2);
    if (tail_size != 0)
        memcpy(last, p, tail_size);
    last[7] = (uint8_t)size;
    absorb(&s, le64_read(last), 2);
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return fold(&s);
}

struct siphash_state siphash13_txid(struct siphash_key key, const uint8_t txid[32])
{
    struct siphash_state s = start(key);

    s.v1 ^= 0xee;
    for (int i = 0; i < 4; i++)
        absorb(&s, le64_read(txid + 8 * i), 1);
    return s;
}

void siphash13_vout(struct siphash_state s, uint32_t vout, uint64_t out[2])
{
    absorb(&s, (uint64_t)36 << 56 | vout, 1);
    s.v2 ^= 0xee;
    rounds(&s, 3);
    out[0] = fold(&s);
    s.v1 ^= 0xdd;
    rounds(&s, 3);
    out[1] = fold(&s);
}
