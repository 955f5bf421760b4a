/* mix.h - what a generated chain is made of: when coins are spent, of what kinds they are, and the
 * shapes of transactions. Integers only, so that every machine draws the same. */
#ifndef CHAINGEN_MIX_H
#define CHAINGEN_MIX_H
#include "base/random.h"
#include "chaingen/wallet.h"
#include <stdio.h>

#define MIX_NEVER   INT32_MAX
#define MIX_MILLION 1000000

/* How many blocks after its own a coin is spent; 0: in the same block. */
int32_t mix_draw_age(struct prng *prng);
/* How many of a million coins are spent at most age blocks after their own. */
uint32_t mix_spent_within(int32_t age);

enum wallet_kind mix_draw_kind(struct prng *prng);
/* How many of a million coins are of this kind. */
uint32_t mix_kind_share(enum wallet_kind kind);

struct mix_shape {
    uint32_t input_count, output_count;
    uint32_t idle_count; /* outputs besides, before the others, that nobody spends */
};

/* Of a transaction in a block that still has input_count coins to spend and wants output_count new
 * ones: the shape leads there, and may have more inputs than there are coins. */
struct mix_shape mix_draw_shape(struct prng *prng, uint64_t input_count, uint64_t output_count);

/* 0 (all outputs), or now and then another hash type; has_output: the input's own output exists. */
uint8_t mix_draw_hash_type(struct prng *prng, bool has_output);

/* For --help: the tables as text. */
void mix_describe(FILE *out);
#endif
