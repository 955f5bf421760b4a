/* header.h - the 80-byte block header. Pure; any thread. */
#ifndef CODEC_HEADER_H
#define CODEC_HEADER_H
#include "codec/hash256.h"

#define HEADER_SIZE 80

struct header {
    int32_t version;
    struct block_hash prev_hash;
    uint8_t merkle_root[32];
    uint32_t time; /* seconds since 1970 */
    uint32_t bits;
    uint32_t nonce;
};
_Static_assert(sizeof(struct header) == HEADER_SIZE, "a header is its wire bytes");

/* False unless size is exactly HEADER_SIZE. */
MUST_CHECK bool header_parse(struct header *header, struct bytes data);
void header_write(uint8_t out[HEADER_SIZE], const struct header *header);
struct block_hash header_hash(const struct header *header);
#endif
