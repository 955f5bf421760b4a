/* header_tree.h - all known block headers, from the genesis block on.
 * Thread: the ledger thread makes every change, under a mutex of its caller; others read under that
 * mutex. Nodes never move and are never removed; what is written at insertion never changes, so a
 * pointer to a node and those fields may be kept and read without the mutex. Hashes are in wire
 * order. */
#ifndef CHAIN_HEADER_TREE_H
#define CHAIN_HEADER_TREE_H
#include "base/hash.h"
#include "chain/params.h"
#include "chain/verdict.h"

enum header_status {
    HEADER_INVALID = 1,          /* this block itself: failure says why */
    HEADER_INVALID_ANCESTOR = 2, /* some block before it */
    HEADER_HAS_BLOCK = 4,        /* pos and size are set */
    HEADER_VERIFIED = 8, /* this block and all before it are verified or covered by assumevalid */
    HEADER_HAS_CHILD = 16,
    HEADER_ASSUMED = 32, /* with HEADER_VERIFIED: its scripts were assumed, not run */
};

struct header_node {
    /* written once, at insertion */
    struct block_hash hash;
    uint8_t merkle_root[32];
    struct u256 chainwork;    /* this block's included */
    struct header_node *prev; /* NULL for the genesis block only */
    struct header_node *skip; /* an ancestor far back */
    int32_t height;
    int32_t version;
    uint32_t time, bits, nonce;
    uint32_t median_time_past; /* of the 11 blocks that end here */
    uint32_t
        period_bits; /* bits of the last block of this period up to here above minimum difficulty */
    uint32_t index;  /* order of insertion, from 0; a child comes after its parent */

    /* the ledger thread writes, all read under the mutex */
    uint32_t next_at_height; /* the tree's own */
    uint16_t status;         /* enum header_status */
    uint16_t failure;        /* enum verdict, with HEADER_INVALID */
    uint64_t pos;            /* where the block's bytes begin in blocks.bin */
    uint64_t sequence;       /* order in which blocks were stored */
    uint64_t chain_tx_count; /* transactions to here; 0 while unknown */
    uint32_t size;           /* of the block's bytes */
    uint32_t checksum; /* first bytes of the block's sha256d, if it came in a v1 message; or 0 */
    uint32_t tx_count; /* 0 while unknown */
};
_Static_assert(sizeof(struct header_node) <= 192, "a million headers have 200 MB");

struct header_tree;

/* key: random, for the hash table. The genesis block is in from the start. */
struct header_tree *header_tree_new(const struct params *params, struct siphash_key key);
void header_tree_free(struct header_tree *tree);

uint32_t header_tree_count(const struct header_tree *tree);
/* In order of insertion, index < count; 0 is the genesis block. */
struct header_node *header_tree_at(const struct header_tree *tree, uint32_t index);
struct header_node *header_tree_find(const struct header_tree *tree, const struct block_hash *hash);

/* Adds a header that is not there yet and that the rules have passed. prev is header->prev_hash's
 * node. An invalid parent's child is HEADER_INVALID_ANCESTOR. */
struct header_node *header_tree_insert(struct header_tree *tree, const struct params *params,
                                       struct header_node *prev, const struct header *header,
                                       const struct block_hash *hash);

/* Most work among those not invalid; of equals the first inserted. */
struct header_node *header_tree_best(const struct header_tree *tree);

/* Marks node, and all after it by their ancestor. Returns how many were marked newly.
 * verdict_marks(failure). */
uint32_t header_tree_mark_invalid(struct header_tree *tree, struct header_node *node,
                                  enum verdict failure);
/* Takes the marks off node, its ancestors and its descendants, and off whatever was marked by them
 * only. */
void header_tree_reconsider(struct header_tree *tree, struct header_node *node);

/* The descendants of node, height by height: begin with node itself as `after`, end at NULL. */
struct header_node *header_tree_next_descendant(const struct header_tree *tree,
                                                const struct header_node *node,
                                                const struct header_node *after);
/* All at a height: begin with NULL; latest insertion first. */
struct header_node *header_tree_next_at_height(const struct header_tree *tree, int32_t height,
                                               const struct header_node *after);
/* The nodes without children, in no order: index < header_tree_leaf_count. */
uint32_t header_tree_leaf_count(const struct header_tree *tree);
struct header_node *header_tree_leaf(const struct header_tree *tree, uint32_t index);

/* Bytes held, for stats. */
size_t header_tree_memory(const struct header_tree *tree);

static inline bool header_is_invalid(const struct header_node *node)
{
    return (node->status & (HEADER_INVALID | HEADER_INVALID_ANCESTOR)) != 0;
}

struct header header_of_node(const struct header_node *node);
/* The ancestor (or node itself) at height; NULL above node's height or below 0. Logarithmic. */
struct header_node *header_ancestor(const struct header_node *node, int32_t height);
static inline bool header_is_ancestor(const struct header_node *ancestor,
                                      const struct header_node *node)
{
    return header_ancestor(node, ancestor->height) == ancestor;
}
/* The last common ancestor of two nodes of one tree. */
struct header_node *header_fork_point(const struct header_node *a, const struct header_node *b);

#define LOCATOR_MAX 101
/* Hashes from node back, twelve close ones, then with doubling steps, the genesis block last.
 * Returns the count. */
uint32_t header_locator(struct block_hash locator[LOCATOR_MAX], const struct header_node *node);
#endif
