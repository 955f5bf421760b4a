/* undo.h - what each of the last folded blocks took out of the root, so that the root can step
 * back.
 *
 * Files undo.N in the ledger's directory, records one after the other:
 *   magic "UNDO" · height le32 · block hash 32 · count le32 · crc32c of the words le32 · crc32c of
 * the 40 bytes from height to count and of the words' crc le32 · count words le64, as ledger_fold
 * gives them
 *
 * Rules:
 * 1. Records are found by block hash; for the order of blocks there is the header tree.
 * 2. undo_sync comes before a checkpoint_commit with an image of that block or a later one. So a
 * block that will not be replayed after a crash has its record.
 * 3. A file is synced before the next is begun: only the newest can have a torn end, which is cut
 * at open.
 * 4. The oldest file goes when the others hold enough blocks, after a sync.
 * Thread: one, whichever owns the disk. */
#ifndef LEDGER_UNDO_H
#define LEDGER_UNDO_H
#include "codec/hash256.h"
#include "io/disk.h"

#define UNDO_RING_BLOCKS 2016 /* kept at least */

struct undo_ring;

/* Removes all files, durably: before the key changes, whose checks are in the words. 0 or -errno.
 */
MUST_CHECK int undo_forget(struct disk *disk);

/* file_blocks: records a file. The directory is there (checkpoint_key_save). 0 or -errno. */
MUST_CHECK int undo_open(struct disk *disk, uint32_t blocks, uint32_t file_blocks,
                         struct undo_ring **ring);
/* What was not synced may be lost. */
void undo_close(struct undo_ring *ring);

bool undo_has(const struct undo_ring *ring, const struct block_hash *hash);

/* A block that has no record yet. Written in pieces of about a MB. 0 or -errno; after an error the
 * ring is only good for undo_close. */
MUST_CHECK int undo_append(struct undo_ring *ring, int32_t height, const struct block_hash *hash,
                           const uint64_t *words, uint32_t count);
MUST_CHECK int undo_sync(struct undo_ring *ring);

/* *words is the caller's to free. 0; -ENOENT; -EILSEQ: damaged; or -errno. */
MUST_CHECK int undo_read(struct undo_ring *ring, const struct block_hash *hash, uint64_t **words,
                         uint32_t *count);
#endif
