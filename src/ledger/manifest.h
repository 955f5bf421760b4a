/* manifest.h - says what a checkpoint file holds. Pure; any thread.
 *
 *   magic "CAESLED2" · network le32 · shard_count le32 · sequence le64 · tag_mask le64 · key_hash
 * 32 for each shard: height le32 · block hash 32 · offset le64 · entry_count le64 · sum le64 ·
 *                   side_count le32 · crc32c of the image le32
 *   crc32c of all before le32
 *
 * An image is a shard's index entries (tag le64, word le64) in rising order of tags, then its coins
 * aside (outpoint 36, shard le32, tag le64, word le64): the coins after the block (height, hash).
 * Shards may be of different blocks of one chain. */
#ifndef LEDGER_MANIFEST_H
#define LEDGER_MANIFEST_H
#include "codec/hash256.h"
#include "ledger/index.h"
#include "ledger/root.h"

#define MANIFEST_SHARDS_MAX 65536

struct manifest_shard {
    int32_t height;
    struct block_hash hash;
    uint64_t offset; /* of the image in the checkpoint file */
    uint64_t entry_count;
    uint64_t sum;
    uint32_t side_count;
    uint32_t crc;
};

struct manifest {
    uint32_t network; /* its message magic */
    uint32_t shard_count;
    uint64_t sequence;
    uint64_t tag_mask;
    uint8_t key_hash[32];
    struct manifest_shard *shards;
};

size_t manifest_size(uint32_t shard_count);
void manifest_write(uint8_t *out, const struct manifest *manifest);
/* False unless it is whole. Allocates shards. */
MUST_CHECK bool manifest_parse(struct manifest *manifest, struct bytes data);
void manifest_clear(struct manifest *manifest);

static inline uint64_t manifest_image_size(const struct manifest_shard *shard)
{
    return shard->entry_count * sizeof(struct index_entry) +
           shard->side_count * sizeof(struct side_coin);
}
#endif
