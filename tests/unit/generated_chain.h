/* generated_chain.h - a chain with signed transactions of all kinds, and a branch, in memory: from
 * chaingen's generator. */
#ifndef TESTS_GENERATED_CHAIN_H
#define TESTS_GENERATED_CHAIN_H
#include "chaingen/generate.h"
#include "engine_feed.h"

#define GENERATED_MAX 1024

/* Blocks in the order in which they are to be fed: the branch comes before what beats it. */
struct generated {
    struct bytes blocks[GENERATED_MAX];
    size_t count;
    struct block_hash tip; /* of the longest chain */
    int32_t height;
};

static inline void generated_next(struct generated *g, struct generator *generator)
{
    struct buffer out = {0};

    ck_assert_uint_lt(g->count, GENERATED_MAX);
    generator_next(generator, &out);
    g->blocks[g->count++] = buffer_bytes(&out);
}

/* A chain of height, with input_count inputs; from fork_height on a branch of fork_length blocks is
 * fed first. */
static inline void generated_init(struct generated *g, const struct params *params, uint64_t seed,
                                  int32_t height, uint64_t input_count, int32_t fork_height,
                                  int32_t fork_length)
{
    struct wallet *wallet = wallet_new((struct bytes){(const uint8_t *)&seed, sizeof seed}, 16);
    struct generate_options options = {.params = params,
                                       .wallet = wallet,
                                       .pool = sign_pool_new(wallet, 2),
                                       .seed = seed,
                                       .last_height = height,
                                       .input_count = input_count,
                                       .last_time = 1700000000,
                                       .spacing_s = 600};
    struct chain_point start = {.hash = params->genesis_hash,
                                .totals = {.tx_count = 1, .output_count = 1}};
    struct generator *generator = generator_new(&options, &start, NULL);
    struct generator *branch = NULL;

    *g = (struct generated){.height = height};
    while (generator_point(generator)->height < fork_height)
        generated_next(g, generator);
    if (fork_length)
        branch = generator_branch(generator, 1, fork_length, false);
    for (int32_t i = 0; i < fork_length; i++)
        generated_next(g, branch);
    while (generator_point(generator)->height < height)
        generated_next(g, generator);
    g->tip = generator_point(generator)->hash;
    generator_free(branch);
    generator_free(generator);
    sign_pool_free(options.pool);
    wallet_free(wallet);
}

static inline void generated_free(struct generated *g)
{
    for (size_t i = 0; i < g->count; i++)
        free((void *)g->blocks[i].data);
}
#endif
