#include "base/sha256_ni.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define NI       __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline
#define NI_ENTRY __attribute__((target("sha,sse4.1,ssse3")))

/* FIPS 180-4: the first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The processor wants the state as two vectors, from the high word down: A B E F and C D G H. */
struct state {
    __m128i abef, cdgh;
};

/* Set once before main, then only read: cpuid is slow, in a virtual machine very slow. */
static bool has_sha;

__attribute__((constructor)) static void detect(void)
{
    unsigned a, b, c, d;
    bool has_sse = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);

    has_sha = has_sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

bool sha256_ni_available(void)
{
    return has_sha;
}

NI struct state start(void)
{
    return (struct state){
        _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c),
        _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19),
    };
}

/* Four rounds with the message words w. */
NI void four_rounds(struct state *s, __m128i w, int first)
{
    __m128i k = _mm_loadu_si128((const __m128i *)(round_constants + first));
    __m128i wk = _mm_add_epi32(w, k);

    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* The next four words of the schedule from the last sixteen, oldest first. */
NI __m128i schedule(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));

    return _mm_sha256msg2_epu32(sum, w3);
}

NI struct state compress(struct state s, __m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    struct state before = s;

    four_rounds(&s, w0, 0);
    four_rounds(&s, w1, 4);
    four_rounds(&s, w2, 8);
    four_rounds(&s, w3, 12);
#pragma GCC unroll 3
    for (int first = 16; first < 64; first += 16) {
        w0 = schedule(w0, w1, w2, w3);
        four_rounds(&s, w0, first);
        w1 = schedule(w1, w2, w3, w0);
        four_rounds(&s, w1, first + 4);
        w2 = schedule(w2, w3, w0, w1);
        four_rounds(&s, w2, first + 8);
        w3 = schedule(w3, w0, w1, w2);
        four_rounds(&s, w3, first + 12);
    }
    s.abef = _mm_add_epi32(s.abef, before.abef);
    s.cdgh = _mm_add_epi32(s.cdgh, before.cdgh);
    return s;
}

/* Sixteen message bytes as four words, the first in the lowest lane. */
NI __m128i load(const uint8_t *p)
{
    __m128i order = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);

    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), order);
}

NI __m128i words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return _mm_set_epi32((int)d, (int)c, (int)b, (int)a);
}

/* The state as message words A B C D and E F G H. */
NI __m128i state_low(struct state s)
{
    return _mm_shuffle_epi32(_mm_unpackhi_epi64(s.cdgh, s.abef), 0x1b);
}

NI __m128i state_high(struct state s)
{
    return _mm_shuffle_epi32(_mm_unpacklo_epi64(s.cdgh, s.abef), 0x1b);
}

/* SHA256 of the 32 bytes that are a digest already in words. */
NI struct state hash_digest(struct state digest)
{
    return compress(start(), state_low(digest), state_high(digest), words(0x80000000, 0, 0, 0),
                    words(0, 0, 0, 32 * 8));
}

NI void store(uint8_t out[32], struct state s)
{
    __m128i order = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);

    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(state_low(s), order));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_shuffle_epi8(state_high(s), order));
}

NI struct state compress_bytes(struct state s, const uint8_t p[64])
{
    return compress(s, load(p), load(p + 16), load(p + 32), load(p + 48));
}

NI_ENTRY void sha256_ni_32(uint8_t out[32], const uint8_t data[32])
{
    store(out, compress(start(), load(data), load(data + 16), words(0x80000000, 0, 0, 0),
                        words(0, 0, 0, 32 * 8)));
}

NI_ENTRY void sha256d_ni_64_many(uint8_t *out, const uint8_t *data, size_t count)
{
    for (; count > 0; count--, out += 32, data += 64) {
        struct state s = compress_bytes(start(), data);
        __m128i zero = _mm_setzero_si128();

        s = compress(s, words(0x80000000, 0, 0, 0), zero, zero, words(0, 0, 0, 64 * 8));
        store(out, hash_digest(s));
    }
}

NI_ENTRY void sha256d_ni_80(uint8_t out[32], const uint8_t data[80])
{
    struct state s = compress_bytes(start(), data);

    s = compress(s, load(data + 64), words(0x80000000, 0, 0, 0), _mm_setzero_si128(),
                 words(0, 0, 0, 80 * 8));
    store(out, hash_digest(s));
}

#else

bool sha256_ni_available(void)
{
    return false;
}

void sha256_ni_32(uint8_t out[32], const uint8_t data[32])
{
    (void)out, (void)data;
    assert(false);
}

void sha256d_ni_64_many(uint8_t *out, const uint8_t *data, size_t count)
{
    (void)out, (void)data, (void)count;
    assert(false);
}

void sha256d_ni_80(uint8_t out[32], const uint8_t data[80])
{
    (void)out, (void)data;
    assert(false);
}
#endif
