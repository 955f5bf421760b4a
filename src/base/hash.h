/* hash.h - the hash functions of Bitcoin. Any thread; nothing is allocated. Digests are in wire
 * order. SHA256 of what comes in pieces runs on OpenSSL's Init/Update/Final; of whole messages on
 * our own SHA-NI code where the processor has it. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include "base/bytes.h"

struct sha256 {
    _Alignas(8) uint8_t opaque[112]; /* OpenSSL's SHA256_CTX: copyable, holds no pointer */
};

void sha256_init(struct sha256 *ctx);
void sha256_update(struct sha256 *ctx, const void *data, size_t size);
void sha256_final(struct sha256 *ctx, uint8_t out[32]);

void sha256_once(uint8_t out[32], const void *data, size_t size);
void sha256d_once(uint8_t out[32], const void *data, size_t size);
/* sha256_final, and the SHA256 of that digest. */
void sha256d_final(struct sha256 *ctx, uint8_t out[32]);
/* A message is first ‖ middle ‖ last; first and last have 4 bytes each, or are NULL both. */
struct sha256_message {
    const uint8_t *first, *last;
    struct bytes middle;
    uint8_t *out; /* its sha256d: 32 bytes, part of no message */
};

/* Two at a time, so that many cost less than one by one (a block's txids and wtxids). */
void sha256d_many(const struct sha256_message *messages, size_t count);
/* sha256d of count messages of 64 bytes each that follow each other (pairs of a merkle tree).
 * out may be data: digest i goes over bytes that have been read by then. */
void sha256d_64_many(uint8_t *out, const uint8_t *data, size_t count);
/* sha256d of a block header. */
void sha256d_80(uint8_t out[32], const uint8_t data[80]);

/* BIP340 tagged hash: a context that has absorbed SHA256(tag) twice. */
void sha256_init_tagged(struct sha256 *ctx, const char *tag);

void ripemd160_once(uint8_t out[20], const void *data, size_t size);
void sha1_once(uint8_t out[20], const void *data, size_t size);
void sha3_256_once(uint8_t out[32], const void *data, size_t size); /* slow: for onion names */
void hash160_once(uint8_t out[20], const void *data, size_t size);  /* RIPEMD160(SHA256(data)) */

struct siphash_key {
    uint64_t k0, k1;
};

/* SipHash-2-4 with 64 bits. */
uint64_t siphash24(struct siphash_key key, const void *data, size_t size);

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

/* SipHash-1-3 with 128 bits of output, of the 36 wire bytes of an outpoint (txid, vout le32), in
 * two steps: outputs of one transaction have the first in common. */
struct siphash_state siphash13_txid(struct siphash_key key, const uint8_t txid[32]);
void siphash13_vout(struct siphash_state state, uint32_t vout, uint64_t out[2]);
#endif
