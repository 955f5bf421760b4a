/* root.h - the coin set after the last folded block, exact although its index knows only tags.
 *
 * 1. The index holds at most one coin of each tag. A coin whose tag is taken when it comes goes
 * aside into a small table that holds outpoints in full, and stays there until it is spent. Nothing
 * is read for that, so nothing can fail: a block is connected before it comes here, and that has
 * told its outputs from all coins that there are (BIP30, BIP34).
 * 2. So a coin is the one aside with its outpoint, or else the one in the index with its tag, or
 * nowhere. For an outpoint that is known to be a coin, that is exact without any read; whether one
 * is a coin only the block of the one with its tag can say. Each shard has a keyed sum over its
 * coins, and the block that it stands at.
 * Thread: the ledger's, or whoever has the part. */
#ifndef LEDGER_ROOT_H
#define LEDGER_ROOT_H
#include "chain/header_tree.h"
#include "ledger/coin.h"
#include "ledger/index.h"
#include <pthread.h>

struct side_coin {
    struct outpoint outpoint;
    uint32_t shard;
    uint64_t tag;
    uint64_t word;
};

struct side_coins {
    struct side_coin *coins; /* in no order */
    uint32_t count, capacity;
};

struct root {
    struct ledger_key key;
    struct index index;
    struct side_coins sides[LEDGER_PARTS];
    uint64_t *sums;              /* by shard */
    struct header_node **stamps; /* by shard: its coins are those after this block */
    pthread_mutex_t reading;     /* one thread at a time in outpoint_at */
    int (*outpoint_at)(void *ctx, uint64_t pos, struct outpoint *outpoint, uint32_t *check);
    void *ctx;
    uint64_t tag_reads; /* under reading */
};

void root_init(struct root *root, const struct ledger_key *key, uint64_t coins_hint,
               struct header_node *stamp);
void root_clear(struct root *root);
/* Empty again, at stamp. */
void root_reset(struct root *root, struct header_node *stamp);

static inline void root_prefetch(const struct root *root, const struct coin_hash *hash)
{
    index_prefetch(&root->index, hash->shard, hash->tag);
}

/* The word of the coin, or of another one with its tag; is_exact tells. 0: it is not there. */
uint64_t root_find(const struct root *root, const struct outpoint *outpoint,
                   const struct coin_hash *hash, bool *is_exact);
/* The same compared in full: 0 with *word (0: not there), -errno of outpoint_at, or -EBADMSG: the
 * word's check is not that of the output at its position, whichever that is. */
MUST_CHECK int root_find_exact(struct root *root, const struct outpoint *outpoint,
                               const struct coin_hash *hash, uint64_t *word);

/* Of an outpoint that is no coin. False: its TxOut is one already, by some fault; nothing is
 * changed. */
MUST_CHECK bool root_insert(struct root *root, const struct outpoint *outpoint,
                            const struct coin_hash *hash, uint64_t word);
/* Loading: a coin that was aside. */
void root_add_side(struct root *root, const struct outpoint *outpoint, const struct coin_hash *hash,
                   uint64_t word);
/* Takes out what root_find finds, if its word is `word`, or whatever it is if that is 0: the word,
 * or 0. */
uint64_t root_delete(struct root *root, const struct outpoint *outpoint,
                     const struct coin_hash *hash, uint64_t word);

/* All shards are now at this block. */
void root_stamp(struct root *root, struct header_node *stamp);

uint64_t root_count(const struct root *root);
uint64_t root_side_count(const struct root *root);
#endif
