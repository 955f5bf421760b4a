/* ledger.h - the many-worlds ledger: which coins exist after each recent block of each fork.
 *
 * The root is the coin set after the last folded block: an index of 16 bytes a coin into
 * blocks.bin. Above it each block is a world: its parent's coins, less what it spends, plus what it
 * creates. Worlds are made ahead of verification and dropped when their block fails, so there is
 * nothing to undo.
 *
 * Thread: the ledger thread makes every call. A struct world belongs to the ledger; it is gone
 * after world_drop, or when a fold passes it by, and the dropped callback tells for each. */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H
#include "chain/header_tree.h"
#include "ledger/events.h"

struct ledger;
struct world;

struct ledger_config {
    struct ledger_key key;
    uint32_t world_slots; /* 2 to 1,024, the root included */
    int32_t horizon;      /* blocks that stay above the root, see ledger_to_fold */
    uint64_t coins_hint;  /* sizes the first shards; they grow by themselves */

    /* The outpoint whose TxOut begins at pos, and what coin_check_of gives for the two, by a plain
     * read of the block there: 0 or -errno. Called where an outpoint that may be no coin has a
     * coin's tag, which chance makes a few times in the life of a 64-bit ledger. */
    int (*outpoint_at)(void *ctx, uint64_t pos, struct outpoint *outpoint, uint32_t *check);
    /* Calls run for parts 0 to count - 1 on any threads, and returns when all are done; there are
     * so many events in them together. NULL: one after the other. outpoint_at is then called on
     * those threads, one at a time. */
    void (*run_parts)(void *ctx, void (*run)(void *arg, uint32_t part), void *arg, uint32_t count,
                      uint64_t event_count);
    /* A world goes, children before parents; user is what world_set_user set. May be NULL. */
    void (*dropped)(void *ctx, struct world *world, void *user);
    void *ctx;
};

/* Empty, with its root at the genesis block, whose coinbase is no coin. */
struct ledger *ledger_new(const struct ledger_config *config, struct header_node *genesis);
void ledger_free(struct ledger *ledger);

/* The config as given: its key hashes for the ledger. */
const struct ledger_config *ledger_config(const struct ledger *ledger);

struct world *ledger_root(struct ledger *ledger);

struct header_node *world_node(const struct world *world);
struct world *world_parent(const struct world *world); /* NULL for the root */
void *world_user(const struct world *world);
void world_set_user(struct world *world, void *user);

/* A new, empty child of parent for node's block (node->prev is parent's), to be filled by one
 * world_connect. NULL: no slot is free. */
MUST_CHECK struct world *world_extend(struct ledger *ledger, struct world *parent,
                                      struct header_node *node);
uint32_t ledger_free_slots(const struct ledger *ledger);

/* Takes the world and its descendants away. Not for the root. */
void world_drop(struct ledger *ledger, struct world *world);

enum bip30 {
    BIP30_UNCHECKED, /* BIP34 makes a second coin with the same outpoint impossible */
    BIP30_ENFORCED,  /* no output may exist in the parent's world, before any spend of this block */
    BIP30_OVERWRITE, /* the two excepted blocks: what exists is replaced */
};

/* A block as the ledger takes it; everything is borrowed for the call. */
struct ledger_block {
    const struct block *block;
    uint64_t pos; /* of the block's first byte in blocks.bin */
    const struct block_events *events;
    enum bip30 bip30;
};

enum connect_verdict {
    CONNECT_OK,
    CONNECT_MISSING, /* bad-txns-inputs-missingorspent: tx_index, input_index */
    CONNECT_BIP30,   /* bad-txns-BIP30: tx_index */
};

struct connect_result {
    enum connect_verdict verdict;
    uint32_t tx_index;
    uint32_t input_index; /* within the transaction */
};

/* A world that was just extended, and the block to fill it with. The world takes lb.events->events.
 */
struct connecting {
    struct world *world;
    struct ledger_block lb;
    struct coin_ref *refs;        /* out: room for every input but the coinbase's, in block order */
    int error;                    /* out */
    struct connect_result result; /* out */
};

/* For each, parents before children: BIP30 against the parent's world, then transaction by
 * transaction every input must exist unspent (in the parent's world or from an earlier transaction
 * of this block); it is spent, and the outputs are added. error 0 with a verdict; if it is not
 * CONNECT_OK the world and its descendants are only good for world_drop. Or -errno of outpoint_at,
 * or -EFBIG when the block lies beyond what a position can hold; the same goes then. A block with
 * BIP30_OVERWRITE comes first. */
void worlds_connect(struct ledger *ledger, struct connecting *connecting, size_t count);
/* The same for one. */
MUST_CHECK int world_connect(struct ledger *ledger, struct world *world,
                             const struct ledger_block *lb, struct coin_ref *refs,
                             struct connect_result *result);

/* The coin in that world. A ref that is not exact says only that a coin with an equal tag is there:
 * read the TxOut and compare coin_check_of. */
bool world_find(const struct ledger *ledger, const struct world *world,
                const struct outpoint *outpoint, struct coin_ref *ref);
/* The same by the outpoint itself: 1 found, 0 not there, -errno of outpoint_at, or -EBADMSG: where
 * the root has the coin is one with another check, so it is damaged or of another blocks.bin. */
MUST_CHECK int world_find_exact(struct ledger *ledger, const struct world *world,
                                const struct outpoint *outpoint, struct coin_ref *ref);

/* The child of the root on the way to tip, once tip is more than the horizon above the root; else
 * NULL. */
struct world *ledger_to_fold(const struct ledger *ledger, const struct world *tip);

/* How many words ledger_fold writes: an input each, the coinbase's left out. */
uint32_t world_undo_count(const struct world *world);

/* Makes world, connected and verified, the new root, and with it the worlds between (what one of
 * them creates and another spends never comes into the index); all that does not descend from it is
 * dropped. undo (or NULL): for each of them, the lowest first, where to put its world_undo_count
 * words: the coin each input took out of its parent's world, 0 for one that was created in the
 * block itself. */
void ledger_fold(struct ledger *ledger, struct world *world, uint64_t *const *undo);

#define ABSORB_MAX 64

/* A block that is known to be valid. */
struct known_block {
    struct ledger_block lb; /* its events are written to; one with BIP30_OVERWRITE comes alone */
    struct header_node *node;
    uint64_t *undo; /* as in ledger_fold; or NULL */
};

/* Far below the tip no worlds are needed: up to ABSORB_MAX blocks, each the next one's parent, the
 * first a child of the root's, go into the root at once. There must be no world but the root. 0; or
 * -ENOENT (a coin is missing), -EFBIG (a block lies beyond what a position can hold) or -errno of
 * outpoint_at: the ledger is as before, and the events are only good for block_events_clear; or
 * -EILSEQ: a coin is there already, so the root is damaged or the blocks are not valid; the ledger
 * is only good for ledger_free then. */
MUST_CHECK int ledger_absorb(struct ledger *ledger, const struct known_block *blocks, size_t count);

/* Steps the root back over its own block, lb, with the words of its fold. There must be no world
 * but the root. A coin that lb replaced (BIP30_OVERWRITE) does not come back: so does the reference
 * node. 0, or -EILSEQ when block and words do not fit the root; then the ledger is only good for
 * ledger_free. */
MUST_CHECK int ledger_unfold(struct ledger *ledger, const struct ledger_block *lb,
                             const uint64_t *undo, uint32_t undo_count);

/* Recovery: applies lb, the block of node, next after the root's and known to be valid, to the root
 * itself; shards whose image was of this height or above are left alone. There must be no world but
 * the root. undo as in ledger_fold, UINT64_MAX for an input whose shard was left alone. 0; -EILSEQ:
 * a coin is missing, or its TxOut is one already, so the image is damaged; or -errno of outpoint_at
 * (only with BIP30_OVERWRITE). After an error the ledger is only good for ledger_free. */
MUST_CHECK int ledger_replay(struct ledger *ledger, const struct ledger_block *lb,
                             struct header_node *node, uint64_t *undo);
/* Whether those of lb's coins that the root has are where lb has them; the block is the root's or
 * below it: 0, -EBADMSG, or -errno of outpoint_at. */
MUST_CHECK int ledger_compare(struct ledger *ledger, const struct ledger_block *lb);
/* The block of the newest shard image. Worlds may be made once the root is there. */
struct header_node *ledger_top(const struct ledger *ledger);

/* Every coin of world (the root's by shard, then those above it), for audits. refs are exact. */
void world_visit_coins(const struct ledger *ledger, const struct world *world,
                       void (*visit)(void *ctx, const struct coin_ref *ref), void *ctx);

struct world_info {
    struct header_node *node;
    struct header_node *parent_node;     /* NULL for the root */
    uint32_t created_count, spent_count; /* coins; of the root: 0 */
    bool is_connected;
    void *user;
};

/* The worlds, lowest first; returns how many there are, of which at most max are written. */
size_t ledger_worlds(const struct ledger *ledger, struct world_info *infos, size_t max);

struct ledger_stats {
    uint64_t root_coins;
    uint64_t side_coins;    /* of them, those with an equal tag in the index */
    uint64_t index_bytes;   /* memory of the root index */
    uint64_t recent_events; /* coins created and spent above the root */
    uint64_t recent_bytes;  /* their memory, and that of the worlds */
    uint64_t growths;       /* of shards, since start */
    uint64_t tag_reads;     /* calls of outpoint_at */
    uint32_t worlds, world_slots;
};

struct ledger_stats ledger_stats(const struct ledger *ledger);
#endif
