/* build_tx.h - writes transactions and blocks by hand, byte after byte, for tests of the parsers.
 */
#ifndef TESTS_BUILD_TX_H
#define TESTS_BUILD_TX_H
#include "base/arena.h"
#include "codec/compact.h"
#include <stdlib.h>

struct build {
    uint8_t *data;
    size_t size, capacity;
};

static inline void build_raw(struct build *b, const void *data, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = 2 * (b->size + size);
        b->data = xrealloc(b->data, b->capacity);
    }
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void build_byte(struct build *b, uint8_t v)
{
    build_raw(b, &v, 1);
}

static inline void build_u32(struct build *b, uint32_t v)
{
    build_raw(b, &v, 4);
}

static inline void build_u64(struct build *b, uint64_t v)
{
    build_raw(b, &v, 8);
}

static inline void build_count(struct build *b, uint64_t v)
{
    uint8_t out[COMPACT_SIZE_MAX];

    build_raw(b, out, compact_write(out, v));
}

/* Bytes with their size in front, all of them fill. */
static inline void build_sized(struct build *b, uint8_t fill, size_t size)
{
    build_count(b, size);
    for (size_t i = 0; i < size; i++)
        build_byte(b, fill);
}

static inline void build_input(struct build *b, uint8_t txid_fill, size_t script_size)
{
    uint8_t txid[32];

    memset(txid, txid_fill, sizeof txid);
    build_raw(b, txid, sizeof txid);
    build_u32(b, txid_fill);
    build_sized(b, 0x51, script_size);
    build_u32(b, 0xfffffffe);
}

static inline void build_output(struct build *b, int64_t amount_sat, size_t script_size)
{
    build_u64(b, (uint64_t)amount_sat);
    build_sized(b, 0x6a, script_size);
}

/* The bytes in a buffer of just that size; the builder is emptied. */
static inline struct bytes build_take(struct build *b)
{
    struct bytes taken = {xrealloc(b->data, b->size), b->size};

    *b = (struct build){0};
    return taken;
}
#endif
