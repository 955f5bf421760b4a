/* message_chain.h - inv, getdata, notfound, getheaders, getblocks, headers. Pure; views point into
 * the payload. As in the reference node, bytes after a message are not minded. */
#ifndef CODEC_MESSAGE_CHAIN_H
#define CODEC_MESSAGE_CHAIN_H
#include "codec/header.h"
#include "codec/parse_result.h"

#define INV_COUNT_MAX     50000
#define LOCATOR_COUNT_MAX 101
#define HEADERS_COUNT_MAX 2000

#define INV_WITNESS_FLAG (1u << 30)
#define INV_TX           1u
#define INV_BLOCK        2u
#define INV_MERKLE_BLOCK 3u
#define INV_CMPCT_BLOCK  4u
#define INV_WTX          5u

/* Its memory is its wire form. */
struct inv {
    uint32_t type;
    uint8_t hash[32];
};
_Static_assert(sizeof(struct inv) == 36, "an inventory entry is its 36 wire bytes");

struct inv_list {
    const uint8_t *items;
    uint32_t count;
};

MUST_CHECK enum parse_result inv_list_parse(struct inv_list *list, struct bytes payload);

static inline struct inv inv_at(const struct inv_list *list, uint32_t i)
{
    struct inv inv;

    memcpy(&inv, list->items + (size_t)i * sizeof inv, sizeof inv);
    return inv;
}

/* Room: COMPACT_SIZE_MAX + 36 × count. Returns the size. */
size_t inv_list_write(uint8_t *out, const struct inv *items, uint32_t count);

/* getheaders and getblocks */
#define LOCATOR_SIZE_MAX (4 + 1 + 32 * LOCATOR_COUNT_MAX + 32)

struct locator_message {
    uint32_t version;
    uint32_t count;
    const struct block_hash *hashes; /* newest first */
    struct block_hash stop;          /* zero: as many as are allowed */
};

MUST_CHECK enum parse_result locator_parse(struct locator_message *message, struct bytes payload);
/* count <= LOCATOR_COUNT_MAX. Returns the size. */
size_t locator_write(uint8_t out[LOCATOR_SIZE_MAX], const struct locator_message *message);

#define HEADERS_SIZE_MAX (3 + HEADERS_COUNT_MAX * (HEADER_SIZE + 1))

MUST_CHECK enum parse_result headers_parse(struct header headers[HEADERS_COUNT_MAX],
                                           uint32_t *count, struct bytes payload);
size_t headers_write(uint8_t *out, const struct header *headers, uint32_t count);
#endif
