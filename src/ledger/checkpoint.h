/* checkpoint.h - the root on disk: images of its shards, and how they come back.
 *
 * In directory `ledger` of the base directory:
 *   key            magic "CAESKEY1", 32 secret bytes, crc32c le32; mode 0600
 *   checkpoint.N   images of all shards
 *   manifest.N     what checkpoint.N holds (manifest.h)
 *
 * Rules:
 * 1. The caller has synced blocks.bin, then the metadata, up to the newest block of any image.
 * 2. Then checkpoint.N is written and synced, then the directory; then manifest.new is written,
 * synced and renamed to manifest.N, then the directory is synced. Numbers are never used again, so
 * a crash anywhere leaves the checkpoints before as they were.
 * 3. Kept are the new one and the one before that is known to be whole; the rest is removed after
 * rule 2.
 * 4. A checkpoint counts only if all of it is right: sizes, checksums, the order of tags, the keyed
 * sum of each shard, the hash of the key, and blocks that the header tree knows on one chain. Else
 * the older one counts, else the coin set is made again from blocks.bin.
 *
 * Shards may be copied at different heights: recovery replays with ledger_replay from the lowest
 * on. Thread: checkpoint_copy_shard and loading are the ledger's; writing is for any one thread. */
#ifndef LEDGER_CHECKPOINT_H
#define LEDGER_CHECKPOINT_H
#include "io/disk.h"
#include "ledger/ledger.h"

#define CHECKPOINT_DIR "ledger"

/* 0 with the bytes; -ENOENT; -EILSEQ: damaged; or -errno. */
MUST_CHECK int checkpoint_key_load(struct disk *disk, uint8_t key[LEDGER_KEY_SIZE]);
/* Makes the directory too. What checkpoints of another key there are will not load. 0 or -errno. */
MUST_CHECK int checkpoint_key_save(struct disk *disk, const uint8_t key[LEDGER_KEY_SIZE]);

/* A copy of one shard, in buffers that grow and are used again. Zeroes are a fresh one. */
struct shard_image {
    uint32_t shard;
    const struct header_node *stamp;
    uint64_t sum;
    uint8_t *data;
    size_t size, capacity;
    uint64_t entry_count;
    uint32_t side_count;
};

/* Between folds. */
void checkpoint_copy_shard(const struct ledger *ledger, uint32_t shard, struct shard_image *image);
void shard_image_clear(struct shard_image *image);

struct checkpoint_writer;

/* whole: the number of the checkpoint to keep besides the new one, 0 for none. 0 or -errno. */
MUST_CHECK int checkpoint_begin(struct disk *disk, const struct ledger_key *key, uint32_t network,
                                uint64_t whole, struct checkpoint_writer **writer);
/* Each shard once, in any order. 0 or -errno; then abandon it. */
MUST_CHECK int checkpoint_add(struct checkpoint_writer *writer, const struct shard_image *image);
/* Rules 2 and 3; frees the writer in any case. 0 and the new number, or -errno. */
MUST_CHECK int checkpoint_commit(struct checkpoint_writer *writer, uint64_t *sequence);
void checkpoint_abandon(struct checkpoint_writer *writer);

/* All shards as they are now: at shutdown. 0 or -errno; *sequence is the number to keep, then the
 * new one. */
MUST_CHECK int checkpoint_save(struct disk *disk, const struct ledger *ledger, uint32_t network,
                               uint64_t *sequence);

/* How many coins the newest checkpoint says it holds, 0 without any: for planning, before one is
 * loaded. */
uint64_t checkpoint_coin_count(struct disk *disk);

struct checkpoint_loaded {
    uint64_t sequence;      /* 0: none was good */
    uint32_t refused_count; /* newer ones that were not */
    char refused[96];       /* why, the newest */
};

/* Fills a ledger that was just made from the newest checkpoint that counts, of those numbered below
 * `below`. node_of gives the node of a block that is known, stored and verified, or NULL; goes_on
 * (or NULL) is asked before each shard. Then ledger_root's node is the lowest block of any shard,
 * and from there to ledger_top the caller replays. 0; the ledger is as it was after -ENOENT: there
 * is none, -ECANCELED: goes_on said no, or another -errno: the directory cannot be read. */
MUST_CHECK int checkpoint_load(struct disk *disk, struct ledger *ledger, uint32_t network,
                               struct header_node *(*node_of)(void *ctx, int32_t height,
                                                              const struct block_hash *hash),
                               bool (*goes_on)(void *ctx), void *ctx, uint64_t below,
                               struct checkpoint_loaded *loaded);
#endif
