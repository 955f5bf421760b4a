#include "net/presync.h"
#include "base/arena.h"
#include "chain/header_rules.h"

#include <stdlib.h>

#define HEADERS_A_SECOND_MAX 6 /* the fastest that median time past lets a chain grow for long */

/* A header in the buffer: its parent's hash is that of the one before it. */
struct held {
    int32_t version;
    uint8_t merkle_root[32];
    uint32_t time, bits, nonce;
};
_Static_assert(sizeof(struct held) == 48, "a held header has no parent hash");

struct presync {
    const struct params *params;
    const struct header_node *start;
    struct u256 minimum_work;
    struct siphash_key key;
    uint32_t offset; /* heights of commitments, modulo the period */
    bool is_second;

    /* of this pass */
    struct u256 work;
    int32_t height;
    uint32_t bits; /* of the last header */
    struct block_hash last_hash;

    /* commitments: a bit each, written in the first pass and read in the second */
    uint8_t *commitments;
    uint64_t committed, committed_max, checked;

    /* the second pass: a ring of headers held back */
    struct held *ring;
    uint32_t ring_size, ring_first, ring_count;
    struct block_hash first_prev_hash; /* of the oldest in the ring */
    bool releases_all;                 /* the work has been seen twice */
};

static void pass_begin(struct presync *p)
{
    p->work = p->start->chainwork;
    p->height = p->start->height;
    p->bits = p->start->bits;
    p->last_hash = p->start->hash;
}

struct presync *presync_new(const struct params *params, const struct header_node *start,
                            const struct u256 *minimum_work, int64_t now_s,
                            const uint8_t entropy[24])
{
    struct presync *p = xcalloc(1, sizeof *p);
    int64_t seconds = now_s - start->median_time_past + FUTURE_BLOCK_TIME_S;

    p->params = params;
    p->start = start;
    p->minimum_work = *minimum_work;
    p->key = (struct siphash_key){le64_read(entropy), le64_read(entropy + 8)};
    p->offset = (uint32_t)(le64_read(entropy + 16) % params->presync_period);
    p->committed_max =
        seconds > 0 ? HEADERS_A_SECOND_MAX * (uint64_t)seconds / params->presync_period : 0;
    pass_begin(p);
    return p;
}

void presync_free(struct presync *p)
{
    if (!p)
        return;
    free(p->commitments);
    free(p->ring);
    free(p);
}

static bool has_commitment(const struct presync *p, int32_t height)
{
    return (uint32_t)height % p->params->presync_period == p->offset;
}

static bool commitment_of(const struct presync *p, const struct block_hash *hash)
{
    return siphash24(p->key, hash->bytes, sizeof hash->bytes) & 1;
}

/* False when the chain is longer than one can be. */
static bool commit(struct presync *p, bool bit)
{
    uint64_t at = p->committed;

    if (at == p->committed_max)
        return false;
    if (at % 32768 == 0) /* 4 KiB more; a mainnet chain takes some 180 bytes */
        p->commitments = xrealloc(p->commitments, at / 8 + 4096);
    if (at % 8 == 0)
        p->commitments[at / 8] = 0;
    p->commitments[at / 8] |= (uint8_t)(bit << at % 8);
    p->committed++;
    return true;
}

static bool commitment_agrees(struct presync *p, bool bit)
{
    uint64_t at = p->checked;

    if (at == p->committed)
        return false; /* another, longer chain */
    p->checked++;
    return (p->commitments[at / 8] >> at % 8 & 1) == bit;
}

/* What both passes ask of a header; takes it into work, height and hash. */
static bool advance(struct presync *p, const struct header *header)
{
    struct u256 work = work_of_bits(header->bits);

    if (memcmp(&header->prev_hash, &p->last_hash, sizeof p->last_hash) != 0 ||
        p->height == INT32_MAX ||
        !header_permits_transition(p->params, p->height + 1, p->bits, header->bits))
        return false;
    p->work = u256_add(&p->work, &work);
    p->height++;
    p->bits = header->bits;
    p->last_hash = header_hash(header);
    return true;
}

static enum presync_result first_pass(struct presync *p, const struct header *headers,
                                      uint32_t count, bool is_full)
{
    for (uint32_t i = 0; i < count; i++)
        if (!advance(p, &headers[i]) ||
            (has_commitment(p, p->height) && !commit(p, commitment_of(p, &p->last_hash))))
            return PRESYNC_FAILED;
    if (u256_compare(&p->work, &p->minimum_work) < 0)
        return is_full ? PRESYNC_MORE : PRESYNC_FAILED;
    pass_begin(p);
    p->is_second = true;
    p->first_prev_hash = p->start->hash;
    return PRESYNC_MORE;
}

static void hold(struct presync *p, const struct header *header)
{
    struct held *held = &p->ring[(p->ring_first + p->ring_count++) % p->ring_size];

    *held = (struct held){.version = header->version,
                          .time = header->time,
                          .bits = header->bits,
                          .nonce = header->nonce};
    memcpy(held->merkle_root, header->merkle_root, sizeof held->merkle_root);
}

/* Room for count more; the ring grows to the buffer's size and a message. */
static void ring_reserve(struct presync *p, uint32_t count)
{
    uint32_t size = p->ring_count + count;

    if (size <= p->ring_size)
        return;
    size = size < 2 * p->ring_size ? 2 * p->ring_size : size;
    struct held *ring = xmalloc(size * sizeof *ring);
    for (uint32_t i = 0; i < p->ring_count; i++)
        ring[i] = p->ring[(p->ring_first + i) % p->ring_size];
    free(p->ring);
    p->ring = ring;
    p->ring_size = size;
    p->ring_first = 0;
}

static enum presync_result second_pass(struct presync *p, const struct header *headers,
                                       uint32_t count, bool is_full)
{
    ring_reserve(p, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!advance(p, &headers[i]))
            return PRESYNC_FAILED;
        /* The chain may have grown since the first pass, so at the end there may be no commitments.
         */
        p->releases_all |= u256_compare(&p->work, &p->minimum_work) >= 0;
        if (!p->releases_all && has_commitment(p, p->height) &&
            !commitment_agrees(p, commitment_of(p, &p->last_hash)))
            return PRESYNC_FAILED;
        hold(p, &headers[i]);
    }
    if (p->releases_all)
        return PRESYNC_DONE;
    return is_full ? PRESYNC_MORE : PRESYNC_FAILED;
}

enum presync_result presync_add(struct presync *p, const struct header *headers, uint32_t count,
                                bool is_full)
{
    enum presync_result result = p->is_second ? second_pass(p, headers, count, is_full)
                                              : first_pass(p, headers, count, is_full);

    if (result == PRESYNC_FAILED) /* what is held back has not been vouched for */
        p->ring_count = 0;
    return result;
}

bool presync_pop(struct presync *p, struct header *header)
{
    if (p->ring_count == 0 || (!p->releases_all && p->ring_count <= p->params->presync_buffer))
        return false;

    const struct held *held = &p->ring[p->ring_first];

    *header = (struct header){.version = held->version,
                              .prev_hash = p->first_prev_hash,
                              .time = held->time,
                              .bits = held->bits,
                              .nonce = held->nonce};
    memcpy(header->merkle_root, held->merkle_root, sizeof header->merkle_root);
    p->first_prev_hash = header_hash(header);
    p->ring_first = (p->ring_first + 1) % p->ring_size;
    p->ring_count--;
    return true;
}

struct block_hash presync_last_hash(const struct presync *p)
{
    return p->last_hash;
}

const struct header_node *presync_start(const struct presync *p)
{
    return p->start;
}

bool presync_is_second(const struct presync *p)
{
    return p->is_second;
}

int32_t presync_height(const struct presync *p)
{
    return p->height;
}
