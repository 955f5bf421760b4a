/* generate.h - makes block after block of a chain whose coins belong to one wallet. What is drawn
 * comes from the seed alone. A branch is a copy of the generator that goes its own way from the
 * same block. */
#ifndef CHAINGEN_GENERATE_H
#define CHAINGEN_GENERATE_H
#include "chain/params.h"
#include "chaingen/plan.h"

/* Of all blocks so far, the genesis included. */
struct totals {
    uint64_t tx_count, input_count, output_count; /* inputs without those of coinbases */
    uint64_t coin_count; /* unspent, without the genesis coinbase and OP_RETURN */
    int64_t amount_sat;  /* of these */
};

#define GENERATE_IDLE_MAX 15000

struct generate_options {
    const struct params *params;
    const struct wallet *wallet;
    struct sign_pool *pool;
    uint64_t seed;
    int32_t last_height;
    uint64_t input_count; /* wanted from first to last_height; no more than these will be there */
    uint64_t idle_count;  /* coins besides, that nobody spends; at most GENERATE_IDLE_MAX a block */
    uint32_t last_time,
        spacing_s; /* the block at height h: last_time - (last_height - h) * spacing_s */
};

/* Where generation starts: behind the genesis block, or the block of a given file. */
struct chain_point {
    struct block_hash hash;
    int32_t height;
    struct totals totals;
};

struct generator;

/* coins: what of the chain up to point belongs to the wallet; none is needed. options' pointers
 * live longer. */
struct generator *generator_new(const struct generate_options *options,
                                const struct chain_point *point, const struct coin_list *coins);

/* A branch of length blocks from the block that from has made last. It spends coins that from will
 * spend, too: in the same transactions, with coinbases of its own (shares_txs), or in its own ones.
 * number > 0 tells branches apart. from outlives it. */
struct generator *generator_branch(const struct generator *from, uint32_t number, int32_t length,
                                   bool shares_txs);
void generator_free(struct generator *generator);

/* Writes the next block over out. Not past last_height, nor past a branch's length. */
void generator_next(struct generator *generator, struct buffer *out);

const struct chain_point *generator_point(const struct generator *generator);
#endif
