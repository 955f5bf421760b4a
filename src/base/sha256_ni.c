#include "base/sha256_ni.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define NI       __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline
#define NI_ENTRY __attribute__((target("sha,sse4.1,ssse3")))

#define LANES_MAX    2
#define MESSAGES_MAX 32 /* prepared at once: 12 KB */
#define TAIL         64 /* bytes before a message's tail that copy_rest spoils */

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
    const uint32_t *constants = round_constants;

    /* Hides what they are, or the compiler copies them all to its stack before a loop. */
    __asm__("" : "+r"(constants));

    __m128i k = _mm_loadu_si128((const __m128i *)(constants + first));
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

/* A message cut into whole blocks, and the state after those that have been taken. Where it begins
 * and ends they are made up in buffers; what lies between is hashed where it is. */
struct run {
    const uint8_t *data;
    size_t count;
};

struct feed {
    struct state state;
    struct run runs[4], *run; /* the current one; one without blocks is the end */
    uint8_t head[64];
    uint8_t spoilt_and_tail[TAIL + 128];
};

static uint8_t *feed_tail(struct feed *feed)
{
    return feed->spoilt_and_tail + TAIL;
}

static size_t feed_left(const struct feed *feed)
{
    return feed->run->count;
}

/* Takes count blocks that follow each other, no more than feed_left. */
static const uint8_t *feed_take(struct feed *feed, size_t count)
{
    const uint8_t *data = feed->run->data;

    feed->run->data += 64 * count;
    feed->run->count -= count;
    if (feed->run->count == 0)
        feed->run++;
    return data;
}

static void feed_add(struct feed *feed, const uint8_t *data, size_t count)
{
    *feed->run = (struct run){data, count};
    feed->run += count > 0;
}

/* Copies the last size bytes of from, fewer than 64, to the tail: as a rule by one move of fixed
 * size, which spoils what is before the tail. */
static void copy_rest(struct feed *feed, size_t at, struct bytes from, size_t size)
{
    uint8_t *to = feed_tail(feed) + at;

    if (from.size >= 64)
        memcpy(to + size - 64, from.data + from.size - 64, 64);
    else if (size > 0)
        memcpy(to, from.data + from.size - size, size);
}

NI_ENTRY static void feed_init(struct feed *feed, const struct sha256_message *message)
{
    struct bytes middle = message->middle;
    size_t frame = message->first ? 4 : 0;
    size_t size = middle.size + 2 * frame;
    bool has_head = frame && middle.size >= 64 - frame;
    size_t taken = has_head ? 64 - frame : 0;
    size_t count = (middle.size - taken) / 64;
    size_t rest = middle.size - taken - 64 * count;
    uint8_t *tail = feed_tail(feed);
    size_t at = has_head ? 0 : frame, tail_count = at + rest + frame + 1 + 8 <= 64 ? 1 : 2;

    feed->state = start();
    feed->run = feed->runs;
    memset(tail, 0, 128);
    copy_rest(feed, at, middle, rest);
    if (has_head) {
        memcpy(feed->head, message->first, 4);
        memcpy(feed->head + 4, middle.data, 60);
    } else if (frame) {
        memcpy(tail, message->first, 4);
    }
    if (frame)
        memcpy(tail + at + rest, message->last, 4);
    tail[at + rest + frame] = 0x80;
    be64_write(tail + 64 * tail_count - 8, 8 * (uint64_t)size);
    feed_add(feed, feed->head, has_head);
    feed_add(feed, count > 0 ? middle.data + taken : NULL, count);
    feed_add(feed, tail, tail_count);
    feed_add(feed, NULL, 0);
    feed->run = feed->runs;
}

/* Takes the next count blocks of each lane's feed. */
NI void absorb(struct feed *const feeds[], size_t count, int lanes)
{
    struct state s[LANES_MAX];
    const uint8_t *data[LANES_MAX];

    EACH_LANE
    {
        s[l] = feeds[l]->state;
        data[l] = feed_take(feeds[l], count);
    }
    for (; count > 0; count--) {
        __m128i w[LANES_MAX][4];

        EACH_LANE
        {
            load_block(w[l], data[l]);
            data[l] += 64;
        }
        compress(s, w, lanes);
    }
    EACH_LANE feeds[l]->state = s[l];
}

NI void absorb_rest(struct feed *feed)
{
    for (size_t count; (count = feed_left(feed)) > 0;)
        absorb(&feed, count, 1);
}

NI_ENTRY void sha256_ni(uint8_t out[32], struct bytes data, bool is_double)
{
    struct feed feed;

    feed_init(&feed, &(struct sha256_message){.middle = data});
    absorb_rest(&feed);
    if (is_double)
        hash_digests(&feed.state, 1);
    store(out, feed.state);
}

/* Each lane has a message, and takes the next one where that ends. */
NI void absorb_all(struct feed *feeds, size_t count)
{
    struct feed *next = feeds + LANES_MAX, *end = feeds + count;
    struct feed *lanes[LANES_MAX] = {feeds, feeds + 1};

    for (;;) {
        size_t left[LANES_MAX];

        for (int l = 0; l < LANES_MAX; l++) {
            while ((left[l] = feed_left(lanes[l])) == 0 && next < end)
                lanes[l] = next++;
            if (left[l] == 0) {
                absorb_rest(lanes[1 - l]);
                return;
            }
        }
        absorb(lanes, left[0] < left[1] ? left[0] : left[1], LANES_MAX);
    }
}

/* All that the lanes load was written long before: of bytes that have just been written in pieces a
 * load would wait until all before it is done. */
NI_ENTRY static void sha256d_some(const struct sha256_message *messages, size_t count)
{
    struct feed feeds[MESSAGES_MAX];
    size_t i;

    for (i = 0; i < count; i++)
        feed_init(&feeds[i], &messages[i]);
    if (count == 1)
        absorb_rest(feeds);
    else
        absorb_all(feeds, count);
    for (i = 0; i < count; i += LANES_MAX) {
        struct state s[LANES_MAX] = {feeds[i].state, feeds[i + 1 < count ? i + 1 : i].state};

        hash_digests(s, LANES_MAX);
        for (size_t l = 0; l < LANES_MAX && i + l < count; l++)
            store(messages[i + l].out, s[l]);
    }
}

void sha256d_ni_many(const struct sha256_message *messages, size_t count)
{
    for (size_t some; count > 0; messages += some, count -= some) {
        some = count < MESSAGES_MAX ? count : MESSAGES_MAX;
        sha256d_some(messages, some);
    }
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

void sha256d_ni_many(const struct sha256_message *messages, size_t count)
{
    (void)messages, (void)count;
    assert(false);
}
#endif
