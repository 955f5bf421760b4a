/* checkpointer.h - the checkpoint thread: writes undo words and images of shards to the ledger's
 * directory while the node runs.
 *
 * 1. What is given is worked off in order: words given before an image are durable before a
 * checkpoint with that image counts (undo.h rule 2).
 * 2. Blocks and metadata up to an image's block are durable before it comes here: the root folds
 * synced blocks only (checkpoint.h rule 1).
 * 3. The first failure ends it: what is given later is thrown away, and the node stops.
 * Thread: the ledger thread makes every call, or who stands in for it before it starts and after it
 * has ended. */
#ifndef PIPELINE_CHECKPOINTER_H
#define PIPELINE_CHECKPOINTER_H
#include "ledger/checkpoint.h"
#include "pipeline/ring.h"

struct checkpointer;

/* Opens the undo ring; the ledger's directory is there. disk is this thread's from now on. waiter
 * is woken after each piece of work. 0 or -errno. */
MUST_CHECK int checkpointer_start(struct checkpointer **checkpointer, struct disk *disk,
                                  const struct ledger_key *key, uint32_t network,
                                  struct waiter *waiter);
/* Works off what was given, ends and joins the thread; a checkpoint that lacks shards is abandoned.
 * 0 or the first -errno. The disk is again the caller's. */
int checkpointer_stop(struct checkpointer *checkpointer);

/* The words of a folded block; takes them. Waits while too much is queued: ask first where waiting
 * is wrong. */
void checkpointer_undo(struct checkpointer *checkpointer, int32_t height,
                       const struct block_hash *hash, uint64_t *words, uint32_t count);
bool checkpointer_has_room(struct checkpointer *checkpointer);
/* Waits. undo_read's results. */
MUST_CHECK int checkpointer_read_undo(struct checkpointer *checkpointer,
                                      const struct block_hash *hash, uint64_t **words,
                                      uint32_t *count);

/* The number of the checkpoint to keep besides the next. */
void checkpointer_set_whole(struct checkpointer *checkpointer, uint64_t sequence);
/* A staging buffer to copy a shard into, or NULL: all are being written, or with may_wait:
 * something has failed. */
struct shard_image *checkpointer_image(struct checkpointer *checkpointer, bool may_wait);
/* Takes the filled buffer. The first begins a checkpoint, that of the last shard completes it. */
void checkpointer_add(struct checkpointer *checkpointer, struct shard_image *image);
/* Gives up the one that was begun, if it is not complete by now. Waits. */
void checkpointer_abandon(struct checkpointer *checkpointer);

struct checkpointer_status {
    int error;                      /* the first */
    uint64_t sequence;              /* of the last whole checkpoint, 0: none */
    uint64_t written_count;         /* completed since start */
    uint64_t size;                  /* of the last completed */
    uint64_t image_size, undo_size; /* written since start */
};
struct checkpointer_status checkpointer_status(struct checkpointer *checkpointer);
#endif
