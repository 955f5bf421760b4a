/* block_rules.h - the rules of blocks but for coins and scripts. Pure; any thread, where a
 * header_node is given under the header tree's mutex or by its fields of insertion only. A worker
 * calls block_check once for a block; what the later rules need of the block is then in its facts,
 * so that the ledger thread's block_check_context costs the same for every block. */
#ifndef CHAIN_BLOCK_RULES_H
#define CHAIN_BLOCK_RULES_H
#include "chain/header_tree.h"
#include "chain/tx_rules.h"
#include "codec/block.h"

/* BIP141: of the coinbase's output and the block's witnesses. */
enum commitment {
    COMMITMENT_NONE, /* no output has one */
    COMMITMENT_MATCHES,
    COMMITMENT_BAD_NONCE, /* the coinbase's witness is not one item of 32 bytes */
    COMMITMENT_MISMATCH,
};

/* The coinbase's output that the last witness commitment is in, or -1. */
int32_t block_find_commitment(const struct block *block);

struct block_facts {
    uint64_t weight;
    uint32_t header_time;
    uint32_t legacy_sigops;
    uint32_t max_height_lock; /* largest lock time that counts and is a height; 0: none */
    uint32_t max_time_lock;   /* largest lock time that counts and is a time; 0: none */
    bool has_witness;
    enum commitment commitment;
    struct bytes coinbase_script; /* script_sig, a view into the block */
    int64_t coinbase_sat;         /* sum of the coinbase's outputs */
};

/* The rules for which the block is enough (the reference's CheckBlock, in its order, proof of work
 * and signet solution included). Facts are set only if the verdict is VALID. Scratch memory comes
 * from the arena; a full arena is BLOCK_DECODE_FAILED as when parsing. Hashes of the transactions
 * must be set. */
enum verdict block_check(const struct params *params, const struct block *block,
                         struct arena *arena, struct block_facts *facts);

/* Of these only what tells that the bytes are the ones that the header, its work and the coinbase
 * stand for: of a block that passed the others before. Facts for block_check_context, but without
 * lock times, sigops and the coinbase's sum. */
enum verdict block_check_bytes(const struct params *params, const struct block *block,
                               struct arena *arena, struct block_facts *facts);

/* The rules for which the headers before it are enough (ContextualCheckBlock). */
enum verdict block_check_context(const struct params *params, const struct block_facts *facts,
                                 const struct header_node *prev);

/* The coinbase may take the subsidy and the fees. */
enum verdict block_check_reward(const struct params *params, const struct block_facts *facts,
                                int32_t height, int64_t fees_sat);
int64_t block_subsidy(const struct params *params, int32_t height);

/* Consensus script flags (script/flags.h) of the block. */
uint32_t block_script_flags(const struct params *params, const struct block_hash *hash,
                            int32_t height);
/* BIP68, BIP112 and BIP113 hold for the block at height. */
static inline bool block_has_csv(const struct params *params, int32_t height)
{
    return height >= params->csv_height;
}

/* No output of the block may exist unspent before the block's own spends. */
bool block_enforces_bip30(const struct params *params, const struct header_node *node);
/* One of the two blocks of mainnet whose coinbase replaces an unspent coin. */
bool block_is_bip30_repeat(const struct params *params, const struct header_node *node);

/* NULL if assumevalid spares this block its scripts; else why not. */
const char *block_needs_scripts(const struct params *params, const struct header_tree *tree,
                                const struct header_node *node);

/* The tip has the minimum work and is less than 24 h old. The caller latches. */
bool chain_is_synced(const struct params *params, const struct header_node *tip, int64_t now_s);
#endif
