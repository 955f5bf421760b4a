/* hash256.h - the three kinds of 32-byte hashes, which must not be mixed up. Wire order throughout:
 * only code that prints or reads hex turns them round. */
#ifndef CODEC_HASH256_H
#define CODEC_HASH256_H
#include "base/bytes.h"

struct txid {
    uint8_t bytes[32];
};

struct wtxid {
    uint8_t bytes[32];
};

struct block_hash {
    uint8_t bytes[32];
};

/* A transaction output's name. Its memory is its wire form: txid, vout le32. */
struct outpoint {
    struct txid txid;
    uint32_t vout;
};
_Static_assert(sizeof(struct outpoint) == 36, "an outpoint is its 36 wire bytes");

static inline bool block_hash_equal(const struct block_hash *a, const struct block_hash *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool txid_equal(const struct txid *a, const struct txid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Two that differ nearly always do in the first word or in vout, which spares the call. */
static inline bool outpoint_equal(const struct outpoint *a, const struct outpoint *b)
{
    uint64_t difference = le64_read(a->txid.bytes) ^ le64_read(b->txid.bytes);

    return (difference | (a->vout ^ b->vout)) == 0 && memcmp(a, b, sizeof *a) == 0;
}

/* The prevout of a coinbase: zero txid, vout 0xffffffff. */
static inline bool outpoint_is_null(const struct outpoint *o)
{
    static const struct txid zero;
    return o->vout == UINT32_MAX && txid_equal(&o->txid, &zero);
}
#endif
