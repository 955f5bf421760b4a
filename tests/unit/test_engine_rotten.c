/* test_engine_rotten.c - blocks that rot in blocks.bin while others still need them: they are said
 * to be damaged, what needed them waits, and with them given again all is as it was. */
#include "block_maker.h"
#include "shared_files.h"

#define MATURE  101
#define OUTPUTS 12000 /* with 12-bit tags two blocks of so many share some 69 of them */

static struct draft draft;

struct rot_rig {
    struct rig rig;
    struct simdisk *sim;
    char log[65536]; /* what the engine said since the last start */
    struct made_block genesis, chain[400];
    size_t count;
    struct txid wide;   /* the transaction of the last wide one */
    struct bytes whole; /* blocks.bin before anything rotted */
};

static void keep_log(void *context, enum engine_log_level level, const char *line)
{
    struct rot_rig *rot = CONTAINER_OF((struct rig *)context, struct rot_rig, rig);
    size_t size = strlen(rot->log);

    rig_log(context, level, line);
    snprintf(rot->log + size, sizeof rot->log - size, "%s\n", line);
}

static void open_rig(struct rot_rig *rot)
{
    rot->log[0] = 0;
    ck_assert_msg(rig_open(&rot->rig) == ENGINE_OK, "%s", rot->rig.error);
    feed_idle(&rot->rig);
}

static void close_rig(struct rot_rig *rot)
{
    ck_assert_msg(rig_close(&rot->rig) == ENGINE_OK, "%s", rot->rig.error);
}

static struct rot_rig *rot_new(unsigned tag_bits)
{
    struct rot_rig *rot = xcalloc(1, sizeof *rot);

    rig_init(&rot->rig, NETWORK_REGTEST);
    rot->rig.config.events.log = keep_log;
    rot->rig.config.tag_bits = tag_bits;
    rot->rig.config.resident_limit = 1;
    rot->sim = rig_on_sim(&rot->rig, 1);
    rot->genesis = genesis_made(&rot->rig.params);
    return rot;
}

static void rot_free(struct rot_rig *rot)
{
    close_rig(rot);
    simdisk_free(rot->sim);
    rig_clear(&rot->rig);
    free_row(rot->chain, rot->count);
    free((void *)rot->whole.data);
    free(rot);
}

/* The next block, of the draft; not fed yet. */
static const struct made_block *next(struct rot_rig *rot)
{
    struct made_block *block = &rot->chain[rot->count];

    *block = make(&rot->rig.params, rot->count ? block - 1 : &rot->genesis, &draft);
    rot->count++;
    return block;
}

/* One that spends the coinbase of height to very many outputs. */
static const struct made_block *next_wide(struct rot_rig *rot, int32_t height)
{
    draft_add(&draft, &(struct simple_tx){.inputs = {{rot->chain[height - 1].coinbase, 0}},
                                          .input_count = 1,
                                          .amount_sat = 1000,
                                          .output_count = OUTPUTS});
    rot->wide = txid_of(draft.txs[0]);
    return next(rot);
}

static void next_empty(struct rot_rig *rot, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)next(rot);
}

/* One bit, in its last output: between a stop and a start, so that nothing has it in memory. */
static void rot_block(struct rot_rig *rot, const struct made_block *block)
{
    const uint8_t *at = memmem(rot->whole.data, rot->whole.size, block->raw.data, block->raw.size);

    ck_assert_ptr_nonnull(at);
    ck_assert(simdisk_flip(rot->sim, "blocks.bin",
                           (uint64_t)(at - rot->whole.data) + block->raw.size - 10, 4));
}

static void expect_whole(struct rot_rig *rot, const char *where)
{
    struct bytes now = simdisk_get(rot->sim, "blocks.bin");

    ck_assert_msg(now.size >= rot->whole.size &&
                      memcmp(now.data, rot->whole.data, rot->whole.size) == 0,
                  "%s: blocks.bin is not as it was", where);
    free((void *)now.data);
}

/* A chain whose block MATURE + 1 is wide and far below the root, stopped. */
static const struct made_block *prepare(struct rot_rig *rot)
{
    open_rig(rot);
    next_empty(rot, MATURE - rot->count);
    const struct made_block *wide = next_wide(rot, 1);
    next_empty(rot, 60);
    feed_row(&rot->rig, rot->chain, rot->count);
    close_rig(rot);
    rot->whole = simdisk_get(rot->sim, "blocks.bin");
    return wide;
}

static void expect_said(const struct rot_rig *rot, const struct made_block *block)
{
    char wanted[80];

    snprintf(wanted, sizeof wanted, "(height %d) is damaged at byte", block->height);
    ck_assert_msg(strstr(rot->log, wanted), "not told of height %d:\n%s", block->height, rot->log);
}

/* Whether a new block's outputs are coins already can only be told with the rotten one. */
START_TEST(equal_tags_over_a_rotten_block_wait_for_it)
{
    struct rot_rig *rot = rot_new(12);
    const struct made_block *wide = prepare(rot);

    rot_block(rot, wide);
    open_rig(rot);
    struct block_hash tip = tip_hash(&rot->rig);
    const struct made_block *late = next_wide(rot, 2);
    const struct made_block *last = next(rot);
    struct fed fed = feed(&rot->rig, late->raw);
    ck_assert_msg(fed.verdict == VALID && fed.is_unjudged, "%s", fed.reason);
    feed_idle(&rot->rig);
    expect_said(rot, wide);
    expect_tip(&rot->rig, &tip, "it waits");

    /* The same after a restart; and what comes behind it waits too. */
    close_rig(rot);
    open_rig(rot);
    expect_said(rot, wide);
    expect_tip(&rot->rig, &tip, "it waits after a restart");
    struct fed behind;
    feed_begin(&rot->rig, last->raw, true, NULL, &behind);

    fed = feed(&rot->rig, wide->raw);
    ck_assert_msg(fed.verdict == VALID, "%s", fed.reason);
    feed_wait(&behind);
    ck_assert_msg(behind.verdict == VALID, "%s", behind.reason);
    feed_idle(&rot->rig);
    expect_tip(&rot->rig, &last->hash, "the rotten one is there again");
    expect_coins_of(&rot->rig, rot->chain, rot->count, "the rotten one is there again");
    expect_whole(rot, "at the end");
    rot_free(rot);
}
END_TEST

static void feed_awaited(struct rot_rig *rot, const struct made_block *block, struct fed *fed)
{
    struct block_job *job = feed_reserve(&rot->rig, block->raw, fed);

    job->is_requested = job->is_awaited = true;
    pipeline_submit(job);
}

/* Connected at once with one that needs a rotten block are two that are invalid: whichever comes
 * first, the judgement on them is not what is said of it. */
START_TEST(invalid_blocks_beside_one_that_waits_for_a_rotten_one)
{
    struct rot_rig *rot = rot_new(12);
    const struct made_block *wide = prepare(rot);
    struct made_block bad[2];
    struct fed fed[2], waiting;

    rot_block(rot, wide);
    open_rig(rot);
    const struct made_block *parent = next(rot);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        (void)draft_spend(&draft, (struct outpoint){{{(uint8_t)(i + 1)}}, 0}, 1000);
        bad[i] = make(&rot->rig.params, parent, &draft);
    }
    const struct made_block *late = next_wide(rot, 2);
    (void)feed_header(&rot->rig, parent->raw);
    (void)feed_header(&rot->rig, bad[0].raw);
    (void)feed_header(&rot->rig, late->raw);
    feed_awaited(rot, &bad[0], &fed[0]);
    feed_awaited(rot, late, &waiting);
    feed_awaited(rot, &bad[1], &fed[1]);
    while (atomic_load(&engine_pipeline(rot->rig.engine)->stats.parse.jobs) < 3)
        usleep(1000);
    ck_assert_int_eq(feed(&rot->rig, parent->raw).verdict, VALID);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        feed_wait(&fed[i]); /* where their parent was not settled yet, they are judged at the end */
        ck_assert_msg(fed[i].is_unjudged ||
                          strcmp(fed[i].reason, "bad-txns-inputs-missingorspent") == 0,
                      "%s", fed[i].reason);
    }
    feed_wait(&waiting);
    ck_assert_msg(waiting.verdict == VALID && waiting.is_unjudged, "%s", waiting.reason);
    expect_said(rot, wide);

    ck_assert_int_eq(feed(&rot->rig, wide->raw).verdict, VALID);
    feed_idle(&rot->rig);
    expect_tip(&rot->rig, &late->hash, "the rotten one is there again");
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char hex[65], status[80];

        hash_to_hex(hex, bad[i].hash.bytes);
        char *answer = rig_ask(&rot->rig, "header", hex);
        ck_assert(rig_value(answer, "status", status, sizeof status));
        ck_assert_str_eq(status, "invalid bad-txns-inputs-missingorspent");
        free(answer);
        free((void *)bad[i].raw.data);
    }
    rot_free(rot);
}
END_TEST

/* The newest checkpoint counts no more. */
static void lose_checkpoint(struct rot_rig *rot)
{
    char name[32];
    int number = 99;

    do
        snprintf(name, sizeof name, "ledger/manifest.%d", number);
    while (!simdisk_flip(rot->sim, name, 20, 1) && number-- > 0);
    ck_assert_int_gt(number, 0);
}

/* A fold, a step back and a replay know their coins for coins, and read none. */
START_TEST(the_root_moves_over_equal_tags_without_the_rotten_block)
{
    struct rot_rig *rot = rot_new(12);
    struct params *params = &rot->rig.params;

    next_empty(rot, 1); /* BIP34 from here on: BIP30 is not checked, which would read the block */
    params->bip34_height = 1;
    params->bip34_hash = rot->chain[0].hash;
    params->has_bip34_hash = true;
    const struct made_block *wide = prepare(rot);
    rot_block(rot, wide);
    open_rig(rot);
    size_t before = rot->count;
    const struct made_block *late = next_wide(rot, 2);
    next_empty(rot, 60);
    feed_row(&rot->rig, rot->chain + before, rot->count - before);
    expect_tip(&rot->rig, &rot->chain[rot->count - 1].hash, "folded");

    ask_hash(&rot->rig, "invalidate", &late->hash, "ok");
    feed_idle(&rot->rig);
    expect_tip(&rot->rig, &late[-1].hash, "stepped back");
    ask_hash(&rot->rig, "reconsider", &late->hash, "ok");
    feed_idle(&rot->rig);
    expect_tip(&rot->rig, &rot->chain[rot->count - 1].hash, "and forward");
    close_rig(rot);
    lose_checkpoint(rot);
    open_rig(rot);
    ck_assert_msg(strstr(rot->log, "replayed 61 blocks"), "%s", rot->log);
    ck_assert_msg(!strstr(rot->log, "is damaged at byte"), "%s", rot->log);
    expect_tip(&rot->rig, &rot->chain[rot->count - 1].hash, "replayed");

    rot_block(rot, wide); /* whole again */
    expect_coins_of(&rot->rig, rot->chain, rot->count, "all the same");
    rot_free(rot);
}
END_TEST

/* Above the root its world stays, and nothing of what comes behind it is spoilt. */
START_TEST(a_rotten_block_above_the_root_is_put_back)
{
    struct rot_rig *rot = rot_new(64);
    char hex[65], value[80];

    (void)prepare(rot);
    open_rig(rot);
    const struct made_block *funding = next_wide(rot, 3), *tip = next(rot);
    feed_row(&rot->rig, funding, 2);
    feed_idle(&rot->rig);
    free((void *)rot->whole.data);
    rot->whole = simdisk_get(rot->sim, "blocks.bin");
    rot_block(rot, funding); /* its last output has more than 1,000 satoshi now */

    struct outpoint last = {rot->wide, OUTPUTS - 1};
    (void)draft_spend(&draft, last, 1001);
    struct made_block greedy = make(&rot->rig.params, tip, &draft);
    struct fed fed = feed(&rot->rig, greedy.raw);
    ck_assert_msg(fed.verdict == VALID && fed.is_unjudged, "%s", fed.reason);
    feed_idle(&rot->rig);
    expect_said(rot, funding);
    expect_tip(&rot->rig, &tip->hash, "without the rotten one");

    fed = feed(&rot->rig, funding->raw);
    ck_assert_msg(fed.verdict == VALID && !fed.is_unjudged, "%s", fed.reason);
    feed_idle(&rot->rig);
    hash_to_hex(hex, greedy.hash.bytes);
    char *answer = rig_ask(&rot->rig, "header", hex);
    ck_assert(rig_value(answer, "status", value, sizeof value));
    ck_assert_str_eq(value, "invalid bad-txns-in-belowout");
    free(answer);
    (void)draft_spend(&draft, last, 1000);
    expect_feed(&rot->rig, next(rot), NULL);
    next_empty(rot, 30);
    feed_row(&rot->rig, rot->chain + rot->count - 30, 30);
    expect_coins_of(&rot->rig, rot->chain, rot->count, "at the end");
    expect_whole(rot, "at the end");
    free((void *)greedy.raw.data);
    rot_free(rot);
}
END_TEST

/* All there are in one go; with small parts a block may be met in two of them. */
START_TEST(an_audit_has_what_is_rotten_fetched_again)
{
    struct rot_rig *rot = rot_new(64);
    const struct made_block *wide = prepare(rot), *low = &rot->chain[49];
    uint32_t parts[] = {0, 5000};

    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        rot->rig.config.audit_part = parts[i];
        rot_block(rot, wide);
        rot_block(rot, low);
        open_rig(rot);
        ck_assert_msg(!strstr(rot->log, "is damaged"), "%s", rot->log);
        char *answer = rig_coins(&rot->rig);
        ck_assert_msg(strstr(answer, "is damaged, at byte") &&
                          strstr(answer, "and so are others") && strstr(answer, "asked for again"),
                      "%s", answer);
        free(answer);
        feed_idle(&rot->rig);
        expect_said(rot, wide);
        expect_said(rot, low);
        expect_tip(&rot->rig, &rot->chain[rot->count - 1].hash, "it goes on");

        (void)next(rot);
        struct fed waiting;
        feed_begin(&rot->rig, rot->chain[rot->count - 1].raw, true, NULL, &waiting);
        ck_assert_int_eq(feed(&rot->rig, wide->raw).verdict, VALID);
        ck_assert_int_eq(feed(&rot->rig, low->raw).verdict, VALID);
        feed_wait(&waiting);
        ck_assert_int_eq(waiting.verdict, VALID);
        feed_idle(&rot->rig); /* written back */
        expect_whole(rot, "given again");
        if (parts[i] == 0)
            expect_coins_of(&rot->rig, rot->chain, rot->count, "given again");
        else
            expect_answer(&rot->rig, "audit", NULL, "height ");
        close_rig(rot);
    }
    open_rig(rot);
    rot_free(rot);
}
END_TEST

int main(void)
{
    return SUITE_RUN("engine_rotten", equal_tags_over_a_rotten_block_wait_for_it,
                     invalid_blocks_beside_one_that_waits_for_a_rotten_one,
                     the_root_moves_over_equal_tags_without_the_rotten_block,
                     a_rotten_block_above_the_root_is_put_back,
                     an_audit_has_what_is_rotten_fetched_again);
}
