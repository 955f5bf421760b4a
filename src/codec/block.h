/* block.h - a block as views into its bytes. Pure; any thread. */
#ifndef CODEC_BLOCK_H
#define CODEC_BLOCK_H
#include "codec/header.h"
#include "codec/tx.h"

#define BLOCK_SIZE_MAX 4000000 /* serialized; also the largest P2P message */

struct block {
    struct bytes raw;
    struct header header;
    struct block_hash hash;
    uint32_t tx_count;
    struct tx *txs;
    uint32_t input_count;  /* of all transactions, the coinbase's included */
    uint32_t output_count; /* of all transactions */
    uint32_t stripped_size;
};

/* False on a short, overlong or malformed block, or a full arena. Output offsets count from
 * data.data. With hashes, txids and wtxids are computed too, if all parses. A block with no
 * transactions parses (the rules refuse it). */
MUST_CHECK bool block_parse(struct block *block, struct bytes data, struct arena *arena,
                            bool with_hashes);

/* How many bytes the block has that data begins with; 0 if there is none, or the arena is full. */
size_t block_measure(struct bytes data, struct arena *arena);

static inline uint32_t block_weight(const struct block *block)
{
    return block->stripped_size * 3 + (uint32_t)block->raw.size;
}

/* The TxOut of one of its outputs, as serialized. */
static inline struct bytes block_txout(const struct block *block, const struct tx_output *output)
{
    const uint8_t *txout = block->raw.data + output->offset;
    const uint8_t *end = output->script_pubkey.data + output->script_pubkey.size;

    return (struct bytes){txout, (size_t)(end - txout)};
}

/* Folds count hashes in place to their merkle root at the front; there is room for one hash more.
 * True if two of a pair were equal on any level. */
bool merkle_fold(uint8_t *hashes, size_t count);
/* The merkle root of txids, and whether some two adjacent hashes of a level were equal, so that a
 * block with a doubled subtree has the same root (CVE-2012-2459). scratch has room for 32 ×
 * (tx_count + 1) bytes. */
void block_merkle_root(uint8_t root[32], bool *is_mutated, const struct block *block,
                       uint8_t *scratch);
/* Of wtxids with the coinbase's taken as zero (BIP141). */
void block_witness_merkle_root(uint8_t root[32], const struct block *block, uint8_t *scratch);
#endif
