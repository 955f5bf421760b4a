/* header_rules.h - the rules of block headers. Pure; now_s is the caller's clock (or mocktime). */
#ifndef CHAIN_HEADER_RULES_H
#define CHAIN_HEADER_RULES_H
#include "chain/header_tree.h"

/* The hash meets the target that bits name, and that is a possible target of this network. */
bool header_check_pow(const struct params *params, const struct block_hash *hash, uint32_t bits);

/* The bits that a block with this time must have after prev. */
uint32_t header_required_bits(const struct params *params, const struct header_node *prev,
                              uint32_t time);

/* In the reference's order: proof of work, parent (NULL: prev-blk-not-found; marked: bad-prevblk),
 * bits, median time past, BIP94 timewarp, two hours, version. */
enum verdict header_check(const struct params *params, const struct header_node *prev,
                          const struct header *header, const struct block_hash *hash,
                          int64_t now_s);

/* Finds or checks and inserts a header: VALID (node is set; *is_new says which), DUPLICATE_INVALID
 * (node is set) or the failure (node is NULL). Whether the chain has enough work is asked before,
 * by the caller. */
enum verdict header_accept(struct header_tree *tree, const struct params *params,
                           const struct header *header, int64_t now_s, struct header_node **node,
                           bool *is_new);

/* Whether the bits of the block at height could follow old_bits at all: for headers whose chain is
 * not kept yet (presync). */
bool header_permits_transition(const struct params *params, int32_t height, uint32_t old_bits,
                               uint32_t new_bits);
#endif
