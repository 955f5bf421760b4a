#include "base/sha256_ni.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define NI        __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline
#define LANES_MAX 2
#define NI_ENTRY  __attribute__((target("sha,sse4.1,ssse3")))

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

/* Compresses one block into each of one or two states. The rounds of one state wait for each other;
 * those of two fill each other's gaps: 89 ns instead of 111 for a sha256d of 64 bytes (Sapphire
 * Rapids). */
NI void compress(struct state *s, __m128i w[][4], int lanes)
{
    struct state before[LANES_MAX];

#define EACH_LANE _Pragma("GCC unroll 2") for (int l = 0; l < lanes; l++)
    EACH_LANE before[l] = s[l];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        EACH_LANE four_rounds(&s[l], w[l][i], 4 * i);
#pragma GCC unroll 12
    for (int i = 4; i < 16; i++) {
        EACH_LANE
        {
            __m128i *oldest = &w[l][i % 4];

            *oldest = schedule(*oldest, w[l][(i + 1) % 4], w[l][(i + 2) % 4], w[l][(i + 3) % 4]);
            four_rounds(&s[l], *oldest, 4 * i);
        }
    }
    EACH_LANE
    {
        s[l].abef = _mm_add_epi32(s[l].abef, before[l].abef);
        s[l].cdgh = _mm_add_epi32(s[l].cdgh, before[l].cdgh);
    }
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

NI void store(uint8_t out[32], struct state s)
{
    __m128i order = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);

    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(state_low(s), order));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_shuffle_epi8(state_high(s), order));
}

NI void load_block(__m128i w[4], const uint8_t p[64])
{
    for (int i = 0; i < 4; i++)
        w[i] = load(p + 16 * i);
}

/* What follows the last whole words of a message of size bytes in its last block: from word first
 * on. */
NI void pad(__m128i w[4], int first, int size)
{
    for (int i = first; i < 4; i++)
        w[i] = _mm_setzero_si128();
    w[first] = words(0x80000000, 0, 0, 0);
    w[3] = _mm_or_si128(w[3], words(0, 0, 0, 8 * (uint32_t)size));
}

/* Replaces each state by the state of its digest's SHA256. */
NI void hash_digests(struct state *s, int lanes)
{
    __m128i w[LANES_MAX][4];

    EACH_LANE
    {
        w[l][0] = state_low(s[l]);
        w[l][1] = state_high(s[l]);
        pad(w[l], 2, 32);
        s[l] = start();
    }
    compress(s, w, lanes);
}

NI_ENTRY void sha256_ni_32(uint8_t out[32], const uint8_t data[32])
{
    struct state s = start();
    __m128i w[1][4] = {{load(data), load(data + 16)}};

    pad(w[0], 2, 32);
    compress(&s, w, 1);
    store(out, s);
}

NI void sha256d_64(uint8_t *out, const uint8_t *data, int lanes)
{
    struct state s[LANES_MAX];
    __m128i w[LANES_MAX][4];

    EACH_LANE
    {
        s[l] = start();
        load_block(w[l], data + 64 * l);
    }
    compress(s, w, lanes);
    EACH_LANE pad(w[l], 0, 64);
    compress(s, w, lanes);
    hash_digests(s, lanes);
    EACH_LANE store(out + 32 * l, s[l]);
}

NI_ENTRY void sha256d_ni_64_many(uint8_t *out, const uint8_t *data, size_t count)
{
    for (; count >= 2; count -= 2, out += 64, data += 128)
        sha256d_64(out, data, 2);
    if (count > 0)
        sha256d_64(out, data, 1);
}

NI_ENTRY void sha256d_ni_80(uint8_t out[32], const uint8_t data[80])
{
    struct state s = start();
    __m128i w[1][4];

    load_block(w[0], data);
    compress(&s, w, 1);
    w[0][0] = load(data + 64);
    pad(w[0], 1, 80);
    compress(&s, w, 1);
    hash_digests(&s, 1);
    store(out, s);
}

/* A message cut into whole blocks. Where it begins and ends they are made up in buffers; what lies
 * between is hashed where it is. */
struct feed {
    struct {
        const uint8_t *data;
        size_t count;
    } runs[3];
    unsigned run;
    uint8_t head[64], tail[128];
};

/* first ‖ middle ‖ last: the outer ones have 4 bytes, or are NULL both. */
static void feed_init(struct feed *feed, const uint8_t *first, struct bytes middle,
                      const uint8_t *last)
{
    size_t frame = first ? 4 : 0;
    bool has_head = frame && middle.size >= 64 - frame;
    size_t taken = has_head ? 64 - frame : 0;
    size_t count = frame && !has_head ? 0 : (middle.size - taken) / 64;
    size_t rest = middle.size - taken - 64 * count;
    size_t used = 0;

    memset(feed->tail, 0, sizeof feed->tail);
    if (has_head) {
        memcpy(feed->head, first, frame);
        memcpy(feed->head + frame, middle.data, taken);
    } else if (frame) {
        memcpy(feed->tail, first, frame);
        used = frame;
    }
    if (rest > 0)
        memcpy(feed->tail + used, middle.data + taken + 64 * count, rest);
    used += rest;
    if (frame)
        memcpy(feed->tail + used, last, frame);
    used += frame;
    feed->tail[used] = 0x80;

    size_t tail_count = used + 1 + 8 <= 64 ? 1 : 2;
    uint64_t bits = __builtin_bswap64(8 * (uint64_t)(middle.size + 2 * frame));
    memcpy(feed->tail + 64 * tail_count - 8, &bits, sizeof bits);
    feed->runs[0].data = feed->head;
    feed->runs[0].count = has_head;
    feed->runs[1].data = count > 0 ? middle.data + taken : NULL;
    feed->runs[1].count = count;
    feed->runs[2].data = feed->tail;
    feed->runs[2].count = tail_count;
    feed->run = 0;
}

/* Blocks that follow each other, or 0 at the end. */
static size_t feed_left(struct feed *feed)
{
    while (feed->run < 3 && feed->runs[feed->run].count == 0)
        feed->run++;
    return feed->run < 3 ? feed->runs[feed->run].count : 0;
}

/* Takes count blocks, no more than feed_left. */
static const uint8_t *feed_take(struct feed *feed, size_t count)
{
    const uint8_t *data = feed->runs[feed->run].data;

    feed->runs[feed->run].data += 64 * count;
    feed->runs[feed->run].count -= count;
    return data;
}

NI void absorb(struct state *s, struct feed *feed)
{
    for (size_t count; (count = feed_left(feed)) > 0;) {
        const uint8_t *data = feed_take(feed, count);

        for (; count > 0; count--, data += 64) {
            __m128i w[1][4];

            load_block(w[0], data);
            compress(s, w, 1);
        }
    }
}

NI_ENTRY void sha256_ni(uint8_t out[32], struct bytes data, bool is_double)
{
    struct state s = start();
    struct feed feed;

    feed_init(&feed, NULL, data, NULL);
    absorb(&s, &feed);
    if (is_double)
        hash_digests(&s, 1);
    store(out, s);
}

NI_ENTRY void sha256d_ni_two(uint8_t framed_out[32], const uint8_t first[4], struct bytes middle,
                             const uint8_t last[4], uint8_t plain_out[32], struct bytes plain)
{
    struct state s[LANES_MAX] = {start(), start()};
    struct feed feeds[LANES_MAX];
    size_t a, b;

    feed_init(&feeds[0], first, middle, last);
    feed_init(&feeds[1], NULL, plain, NULL);
    while ((a = feed_left(&feeds[0])) > 0 && (b = feed_left(&feeds[1])) > 0) {
        size_t count = a < b ? a : b;
        const uint8_t *data[LANES_MAX] = {feed_take(&feeds[0], count), feed_take(&feeds[1], count)};

        for (size_t i = 0; i < count; i++) {
            __m128i w[LANES_MAX][4];

            load_block(w[0], data[0] + 64 * i);
            load_block(w[1], data[1] + 64 * i);
            compress(s, w, LANES_MAX);
        }
    }
    absorb(&s[0], &feeds[0]);
    absorb(&s[1], &feeds[1]);
    hash_digests(s, LANES_MAX);
    store(framed_out, s[0]);
    store(plain_out, s[1]);
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

void sha256_ni(uint8_t out[32], struct bytes data, bool is_double)
{
    (void)out, (void)data, (void)is_double;
    assert(false);
}

void sha256d_ni_two(uint8_t framed_out[32], const uint8_t first[4], struct bytes middle,
                    const uint8_t last[4], uint8_t plain_out[32], struct bytes plain)
{
    (void)framed_out, (void)first, (void)middle, (void)last, (void)plain_out, (void)plain;
    assert(false);
}
#endif
