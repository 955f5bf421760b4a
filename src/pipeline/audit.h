/* audit.h - the coin set in figures that other nodes have too: count, amount, hash_serialized_3 and
 * MuHash.
 *
 * 1. Small sets are listed at the tip, on the ledger thread in one go. Of larger ones the root's
 * shards are copied one by one between blocks, while the root stays where it is.
 * 2. The list is cut into parts by position. Threads take a part each: they read its blocks in
 * order, add the coins to a MuHash, and sort them into parts by txid.
 * 3. Those parts, sorted one after the other, give hash_serialized_3. What does not fit memory is
 * in files in audit/, for which there must be room beforehand.
 * 4. What has rotted is found on the way, all of it in one go: the ledger thread has it fetched
 * again, and the audit ends without figures. */
#ifndef PIPELINE_AUDIT_H
#define PIPELINE_AUDIT_H
#include "ledger/checkpoint.h"
#include "pipeline/engine.h"

/* The root's shards on their way from the ledger thread to the jobs thread. */
struct audit_feed {
    bool is_pinned;        /* ledger thread only: the root must not move */
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    struct shard_image image;
    uint32_t shard; /* next to copy */
    bool is_full;   /* image waits for the jobs thread */
    bool is_over;   /* the jobs thread wants no more */
    bool is_broken; /* the root had to move */
};

/* The run of the audit command; "cancel" ends the one at work. */
void run_audit(struct engine *engine, struct command *command);
/* The root is now node's: where its coin set is known, an audit compares it as a job. */
void audit_folded(struct engine *engine, const struct header_node *node);
/* Ledger thread, between blocks. */
void audit_step(struct engine *engine);
/* The jobs thread has taken a shard, or wants no more. */
bool audit_has_work(struct engine *engine);
/* The root has stepped back. */
void audit_break(struct engine *engine);
#endif
