/* test_engine_workers.c - one worker, two or eight, small limits or large, colliding tags or none:
 * the same coins. */
#include "block_maker.h"
#include "generated_chain.h"
#include "shared_files.h"

struct setting {
    uint32_t worker_count;
    unsigned tag_bits;
    size_t in_flight_limit, resident_limit;
};

static const struct setting settings[] = {
    {1, 64, (size_t)64 << 20, (size_t)16 << 20},
    {2, 64, (size_t)64 << 20, (size_t)16 << 20},
    {8, 64, (size_t)64 << 20, (size_t)16 << 20},
    {1, 12, (size_t)1 << 20, 0},
    {2, 12, (size_t)64 << 20, 30000},
    {8, 12, (size_t)1 << 20, (size_t)16 << 20},
    {8, 64, (size_t)300 << 10, 0},
};

static char *coins_with(const struct generated *chain, const struct setting *setting)
{
    struct rig rig;
    struct fed *fed = xcalloc(chain->count, sizeof *fed);

    rig_init(&rig, NETWORK_REGTEST);
    struct simdisk *sim = rig_on_sim(&rig, setting->worker_count);
    rig.config.worker_count = setting->worker_count;
    rig.config.tag_bits = setting->tag_bits;
    rig.config.in_flight_limit = setting->in_flight_limit;
    rig.config.resident_limit = setting->resident_limit;
    ck_assert_msg(rig_open(&rig) == ENGINE_OK, "%s", rig.error);
    for (size_t i = 0; i < chain->count; i++)
        ck_assert_int_eq(feed_header(&rig, chain->blocks[i]).verdict, VALID);
    for (size_t i = 0; i < chain->count; i++)
        feed_begin(&rig, chain->blocks[i], true, NULL, &fed[i]);
    for (size_t i = 0; i < chain->count; i++) {
        feed_wait(&fed[i]);
        ck_assert_msg(fed[i].verdict == VALID, "block %zu: %s", i, fed[i].reason);
    }
    feed_idle(&rig);
    expect_tip(&rig, &chain->tip, "the longest");
    char *coins = rig_coins(&rig);
    ck_assert_msg(rig_close(&rig) == ENGINE_OK, "%s", rig.error);
    simdisk_free(sim);
    rig_clear(&rig);
    free(fed);
    return coins;
}

static void run_settings(uint64_t seed, int32_t fork_length)
{
    static struct generated chain;
    struct params params;
    char *first = NULL;

    params_init(&params, NETWORK_REGTEST);
    generated_init(&chain, &params, seed, 220, 1500, 150, fork_length);
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        char *coins = coins_with(&chain, &settings[i]);

        if (!first)
            first = strdup(coins);
        ck_assert_msg(strcmp(coins, first) == 0, "setting %zu:\n%s, not\n%s", i, coins, first);
        free(coins);
    }
    free(first);
    generated_free(&chain);
}

START_TEST(as_many_workers_as_one_likes)
{
    run_settings(1, 0);
}
END_TEST

START_TEST(with_a_short_fork)
{
    run_settings(2, 12);
}
END_TEST

START_TEST(with_a_fork_longer_than_the_horizon)
{
    run_settings(3, 60);
}
END_TEST

int main(void)
{
    return SUITE_RUN("engine_workers", as_many_workers_as_one_likes, with_a_short_fork,
                     with_a_fork_longer_than_the_horizon);
}
