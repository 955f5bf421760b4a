/* test_engine_forks.c - many chains at once: switches, deep reorgs, marks by hand, ties, restarts,
 * and what a failing block takes with it. Coins are compared with those of an engine that has only
 * seen the winning chain. */
#include "block_maker.h"
#include "shared_files.h"

#define REWARD   (50LL * 100000000)
#define UNDO_MAX 2016 /* blocks whose words are kept at least */
#define SHARDS   512

static struct draft draft;

struct fork_rig {
    struct rig rig;
    struct simdisk *sim;
    struct made_block genesis;
};

static void rig_start(struct fork_rig *f)
{
    rig_init(&f->rig, NETWORK_REGTEST);
    f->sim = rig_on_sim(&f->rig, 1);
    f->genesis = genesis_made(&f->rig.params);
    ck_assert_msg(rig_open(&f->rig) == ENGINE_OK, "%s", f->rig.error);
}

static void rig_again(struct fork_rig *f)
{
    ck_assert_msg(rig_close(&f->rig) == ENGINE_OK, "%s", f->rig.error);
    ck_assert_msg(rig_open(&f->rig) == ENGINE_OK, "%s", f->rig.error);
    feed_idle(&f->rig);
}

static void rig_end(struct fork_rig *f)
{
    ck_assert_msg(rig_close(&f->rig) == ENGINE_OK, "%s", f->rig.error);
    simdisk_free(f->sim);
    rig_clear(&f->rig);
}

/* As make_row, but from height 102 on each block spends the coinbase 101 blocks before it, and
 * splits it. chain holds the blocks from height 1 on, of which those below first are there. */
static void make_spending(const struct params *params, const struct made_block *genesis,
                          struct made_block *chain, int32_t first, int32_t last, uint32_t tag)
{
    for (int32_t height = first; height <= last; height++) {
        draft.tag = tag;
        if (height > 101)
            draft.txs[draft.tx_count++] =
                make_tx(&(struct simple_tx){.inputs = {{chain[height - 102].coinbase, 0}},
                                            .input_count = 1,
                                            .amount_sat = 1000 + tag,
                                            .output_count = 3});
        chain[height - 1] = make(params, height > 1 ? &chain[height - 2] : genesis, &draft);
    }
}

/* A chain of length that shares its first blocks with another, which keeps them. */
static struct made_block *branch(const struct params *params, const struct made_block *genesis,
                                 const struct made_block *from, int32_t shared, int32_t length,
                                 uint32_t tag)
{
    struct made_block *chain = xcalloc((size_t)length, sizeof *chain);

    if (shared)
        memcpy(chain, from, (size_t)shared * sizeof *chain);
    make_spending(params, genesis, chain, shared + 1, length, tag);
    return chain;
}

static void free_branch(struct made_block *chain, int32_t shared, int32_t length)
{
    free_row(chain + shared, (size_t)(length - shared));
    free(chain);
}

START_TEST(tips_switch_within_the_horizon)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 130, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 112, 131, 2);
    int32_t ends[] = {115, 117, 119, 121, 123, 130};

    feed_row(&f.rig, a, 113);
    int32_t done_a = 113, done_b = 112;
    /* In turn each gets ahead of the other. */
    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
        feed_row(&f.rig, b + done_b, (size_t)(ends[i] - done_b));
        done_b = ends[i];
        expect_tip(&f.rig, &b[done_b - 1].hash, "b ahead");
        expect_coins_of(&f.rig, b, (size_t)done_b, "b");
        int32_t end_a = ends[i] + 1 < 130 ? ends[i] + 1 : 130;
        feed_row(&f.rig, a + done_a, (size_t)(end_a - done_a));
        done_a = end_a;
        expect_tip(&f.rig, done_a > done_b ? &a[done_a - 1].hash : &b[done_b - 1].hash,
                   "a ahead, or equal");
    }
    expect_tip(&f.rig, &b[129].hash, "equal: the first stays");
    rig_again(&f);
    expect_tip(&f.rig, &b[129].hash, "equal after a restart");
    expect_coins_of(&f.rig, b, 130, "b at the end");
    rig_end(&f);
    free_branch(b, 112, 131);
    free_branch(a, 0, 130);
}
END_TEST

START_TEST(a_reorganisation_deeper_than_the_horizon)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 260, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 110, 261, 2);
    struct made_block *c = branch(&f.rig.params, &f.genesis, a, 230, 263, 3);

    feed_row(&f.rig, a, 260);
    expect_tip(&f.rig, &a[259].hash, "a");
    feed_row(&f.rig, b + 110, 150);
    expect_tip(&f.rig, &a[259].hash, "as much work is not enough");
    expect_coins_of(&f.rig, a, 260, "a");
    feed_row(&f.rig, b + 260, 1);
    expect_tip(&f.rig, &b[260].hash, "b");
    expect_coins_of(&f.rig, b, 261, "b");
    /* Back, by a branch off the first one. */
    feed_row(&f.rig, c + 230, 33);
    expect_tip(&f.rig, &c[262].hash, "c");
    expect_coins_of(&f.rig, c, 263, "c");
    /* After a restart the words for stepping back are gone: the coins are made again from the file.
     */
    rig_again(&f);
    struct made_block *d = branch(&f.rig.params, &f.genesis, b, 200, 264, 4);
    feed_row(&f.rig, d + 200, 64);
    expect_tip(&f.rig, &d[263].hash, "d");
    expect_coins_of(&f.rig, d, 264, "d");
    rig_again(&f);
    expect_coins_of(&f.rig, d, 264, "d after a restart");
    rig_end(&f);
    free_branch(d, 200, 264);
    free_branch(c, 230, 263);
    free_branch(b, 110, 261);
    free_branch(a, 0, 260);
}
END_TEST

START_TEST(a_reorganisation_deeper_than_the_undo_promised)
{
    enum { LENGTH = UNDO_MAX + 130 };
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, LENGTH, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 20, LENGTH + 1, 2);

    feed_row(&f.rig, a, LENGTH);
    feed_row(&f.rig, b + 20, LENGTH - 19);
    expect_tip(&f.rig, &b[LENGTH].hash, "b");
    expect_coins_of(&f.rig, b, LENGTH + 1, "b");
    rig_end(&f);
    free_branch(b, 20, LENGTH + 1);
    free_branch(a, 0, LENGTH);
}
END_TEST

struct broken_rig {
    struct fork_rig f;
    const char *at;         /* the log line after which the stop comes */
    _Atomic uint32_t steps; /* and so many more */
    _Atomic bool is_seen, is_looked_at, is_broken_off;
};

static void wait_until(const _Atomic bool *is_so)
{
    while (!atomic_load(is_so))
        usleep(1000);
}

static void watch_lines(void *context, enum engine_log_level level, const char *line)
{
    struct broken_rig *b = CONTAINER_OF((struct rig *)context, struct broken_rig, f.rig);

    rig_log(context, level, line);
    if (b->at && strncmp(line, b->at, strlen(b->at)) == 0) {
        atomic_store(&b->is_seen, true);
        wait_until(&b->is_looked_at);
    }
    if (strncmp(line, "the step back is broken off", 27) == 0)
        atomic_store(&b->is_broken_off, true);
}

static bool is_time_to_stop(void *context)
{
    struct broken_rig *b = context;

    return atomic_load(&b->is_seen) && atomic_fetch_sub(&b->steps, 1) == 0;
}

/* Stops an engine that steps back by itself. */
static void break_off(struct broken_rig *b)
{
    struct rig *rig = &b->f.rig;

    wait_until(&b->is_seen);
    /* What needs the coins is not to be asked now; but of a short step back nobody is told. */
    ck_assert(engine_is_stepping_back(rig->engine) == (b->at[0] == 'n'));
    atomic_store(&b->is_looked_at, true);
    wait_until(&b->is_broken_off);
    ck_assert_msg(rig_close(rig) == ENGINE_OK, "%s", rig->error);
    atomic_store(&b->is_seen, false);
    atomic_store(&b->is_looked_at, false);
    atomic_store(&b->is_broken_off, false);
}

/* The last record in the oldest file of undo words that has any. */
static void damage_words(struct simdisk *sim)
{
    struct bytes now = {0};
    char name[32];

    for (int number = 0; now.size == 0; number++) {
        free((void *)now.data);
        snprintf(name, sizeof name, "ledger/undo.%d", number);
        now = simdisk_get(sim, name);
    }
    ck_assert(simdisk_flip(sim, name, now.size - 1, 1));
    free((void *)now.data);
}

/* Past damaged undo words, by the older checkpoint: stopped before and among them, before that is
 * loaded, and while it is loaded and replayed. */
START_TEST(a_step_back_is_broken_off_by_a_stop)
{
    enum { OLD = 60, FORK = 90, LENGTH = 400 };
    static const struct {
        const char *line;
        uint32_t steps;
    } stops[] = {{"stepping the coin set back", 0},
                 {"stepping the coin set back", 30},
                 {"no way back", 0},
                 {"no way back", 100},
                 {"no way back", SHARDS},
                 {"no way back", SHARDS + 20}};
    static struct broken_rig b;
    struct fed fed;
    struct rig *rig = &b.f.rig;

    rig_start(&b.f);
    ck_assert(rig_close(rig) == ENGINE_OK);
    rig->config.events.log = watch_lines;
    rig->config.is_cancelled = is_time_to_stop;
    rig->config.is_cancelled_context = &b;
    ck_assert(rig_open(rig) == ENGINE_OK);
    struct made_block *a = branch(&rig->params, &b.f.genesis, NULL, 0, LENGTH, 1);
    struct made_block *other = branch(&rig->params, &b.f.genesis, a, FORK, LENGTH + 1, 2);

    feed_row(rig, a, OLD); /* the older checkpoint is of its root */
    rig_again(&b.f);
    feed_row(rig, a + OLD, LENGTH - OLD);
    rig_again(&b.f);
    feed_row(rig, other + FORK, LENGTH - FORK);
    damage_words(b.f.sim);
    for (size_t i = 0; i < ARRAY_COUNT(stops); i++) {
        b.at = stops[i].line;
        b.steps = stops[i].steps;
        if (i == 0)
            feed_begin(rig, other[LENGTH].raw, true, NULL, &fed);
        else
            ck_assert_msg(rig_open(rig) == ENGINE_OK, "%s", rig->error);
        break_off(&b);
    }
    b.at = NULL;
    ck_assert_msg(rig_open(rig) == ENGINE_OK, "%s", rig->error);
    feed_idle(rig);
    expect_tip(rig, &other[LENGTH].hash, "stepped back at last");
    expect_coins_of(rig, other, LENGTH + 1, "stepped back at last");
    rig_end(&b.f);
    free_branch(other, FORK, LENGTH + 1);
    free_branch(a, 0, LENGTH);
}
END_TEST

static void expect_status(struct rig *rig, const struct made_block *block, const char *status)
{
    char hex[65], value[80];

    hash_to_hex(hex, block->hash.bytes);
    char *answer = rig_ask(rig, "header", hex);
    ck_assert_msg(rig_value(answer, "status", value, sizeof value) && strcmp(value, status) == 0,
                  "height %d: %s, not %s", block->height, value, status);
    free(answer);
}

START_TEST(a_failing_block_takes_only_its_own)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 110, 1);
    struct made_block *good = branch(&f.rig.params, &f.genesis, a, 108, 113, 2);
    struct made_block bad, after[6], sideways[4];
    struct fed fed[16];
    struct header_node *nodes[16];
    size_t count = 0;

    feed_row(&f.rig, a, 110);
    /* The bad one fails late, in a script: its children are connected by then. */
    draft.txs[draft.tx_count++] =
        make_tx(&(struct simple_tx){.inputs = {{a[10].coinbase, 0}},
                                    .input_count = 1,
                                    .amount_sat = REWARD,
                                    .script = {(const uint8_t *)"\x00", 1}});
    struct outpoint falsity = {txid_of(draft.txs[0]), 0};
    (void)draft_spend(&draft, falsity, 1000);
    bad = make(&f.rig.params, &a[109], &draft);
    make_row(&f.rig.params, &bad, 5, after, 6);
    make_row(&f.rig.params, &after[1], 6, sideways, 4);
    const struct made_block *all[16] = {&bad,       &after[0],  &after[1],    &sideways[0],
                                        &good[108], &after[2],  &good[109],   &sideways[1],
                                        &after[3],  &good[110], &after[4],    &sideways[2],
                                        &good[111], &after[5],  &sideways[3], &good[112]};
    for (; count < 16; count++)
        nodes[count] = feed_header(&f.rig, all[count]->raw).node;
    for (size_t i = 0; i < count; i++)
        feed_begin(&f.rig, all[i]->raw, true, nodes[i], &fed[i]);
    for (size_t i = 0; i < count; i++)
        feed_wait(&fed[i]);
    for (size_t i = 0; i < count; i++) {
        bool is_good = all[i] >= good && all[i] < good + 113;

        if (is_good)
            ck_assert_msg(fed[i].verdict == VALID && !fed[i].is_unjudged, "good %d: %s",
                          all[i]->height, fed[i].reason);
        else if (all[i] == &bad)
            ck_assert_str_eq(fed[i].reason,
                             "block-script-verify-flag-failed (Script evaluated without error but "
                             "finished with a false/empty top stack element)");
        else
            ck_assert_msg(fed[i].verdict == BAD_PREVBLK || fed[i].verdict == DUPLICATE_INVALID,
                          "after %d: %s", all[i]->height, fed[i].reason);
    }
    feed_idle(&f.rig);
    expect_tip(&f.rig, &good[112].hash, "the sibling");
    expect_coins_of(&f.rig, good, 113, "the sibling");
    for (int restart = 0; restart < 2; restart++) {
        expect_status(&f.rig, &bad, "invalid block-script-verify-flag-failed");
        for (int i = 0; i < 6 && !restart; i++) /* those that came late are not stored */
            expect_status(&f.rig, &after[i], "invalid bad-prevblk");
        for (int i = 0; i < 4 && !restart; i++)
            expect_status(&f.rig, &sideways[i], "invalid bad-prevblk");
        expect_status(&f.rig, &a[109], "valid");
        rig_again(&f);
    }
    struct fed again = feed(&f.rig, bad.raw);
    ck_assert_str_eq(again.reason, "duplicate-invalid");
    struct made_block late = make_empty(&f.rig.params, &bad, 9);
    again = feed(&f.rig, late.raw);
    ck_assert_str_eq(again.reason, "bad-prevblk");
    rig_end(&f);
    free((void *)late.raw.data);
    free((void *)bad.raw.data);
    free_row(after, 6);
    free_row(sideways, 4);
    free_branch(good, 108, 113);
    free_branch(a, 0, 110);
}
END_TEST

/* A parent that never came: its children are kept by position, nothing waits for it, and all is
 * judged once it is there. */
START_TEST(blocks_without_their_parents_wait_on_disk)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 200, 1);
    struct fed fed[199];

    for (int32_t i = 0; i < 200; i++)
        (void)feed_header(&f.rig, a[i].raw);
    for (int32_t i = 1; i < 200; i++)
        feed_begin(&f.rig, a[i].raw, true, NULL, &fed[i - 1]);
    for (int32_t i = 1; i < 200; i++) {
        feed_wait(&fed[i - 1]);
        ck_assert(fed[i - 1].verdict == VALID && fed[i - 1].is_unjudged);
    }
    feed_idle(&f.rig);
    ck_assert_int_eq(tip_height(&f.rig), 0);
    expect_feed(&f.rig, &a[0], NULL);
    feed_idle(&f.rig);
    expect_tip(&f.rig, &a[199].hash, "all judged");
    expect_coins_of(&f.rig, a, 200, "all judged");
    rig_end(&f);
    free_branch(a, 0, 200);
}
END_TEST

START_TEST(marks_by_hand)
{
    static const int32_t heights[] = {260, 259, 241, 240, 239, 200, 1};
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 260, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 230, 255, 2);

    feed_row(&f.rig, a, 260);
    feed_row(&f.rig, b + 230, 25);
    ask_hash(&f.rig, "invalidate", &f.genesis.hash, "error");
    ask_hash(&f.rig, "invalidate", &(struct block_hash){{1}}, "error");
    for (size_t i = 0; i < ARRAY_COUNT(heights); i++) {
        int32_t height = heights[i];
        bool is_b = height > 230 && height <= 255;
        const struct made_block *chain = is_b ? b : a;
        int32_t length = is_b ? 255 : height - 1;

        ask_hash(&f.rig, "invalidate", &a[height - 1].hash, "ok");
        feed_idle(&f.rig);
        expect_tip(&f.rig, length ? &chain[length - 1].hash : &f.genesis.hash, "after invalidate");
        expect_status(&f.rig, &a[height - 1], "invalid invalidated-by-hand");
        expect_coins_of(&f.rig, chain, (size_t)length, "after invalidate");
        if (i % 2 == 0)
            rig_again(&f);
        expect_tip(&f.rig, length ? &chain[length - 1].hash : &f.genesis.hash, "after a restart");
        expect_status(&f.rig, &a[height - 1], "invalid invalidated-by-hand");
        ask_hash(&f.rig, "reconsider", &a[i % 3 ? height - 1 : 259].hash, "ok");
        feed_idle(&f.rig);
        expect_tip(&f.rig, &a[259].hash, "after reconsider");
        expect_status(&f.rig, &a[259], "valid");
        expect_coins_of(&f.rig, a, 260, "after reconsider");
    }
    rig_end(&f);
    free_branch(b, 230, 255);
    free_branch(a, 0, 260);
}
END_TEST

/* By hand, at blocks that are at all stages of their way. */
START_TEST(marks_while_blocks_are_on_their_way)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 160, 1);
    struct fed fed[160];

    simdisk_set_delays(f.sim, true); /* appends take a while */
    for (int32_t i = 0; i < 160; i++)
        (void)feed_header(&f.rig, a[i].raw);
    for (int32_t from = 0; from < 160; from += 8) {
        for (int32_t i = from; i < from + 8; i++)
            feed_begin(&f.rig, a[i].raw, true, NULL, &fed[i]);
        for (int32_t i = from; i < from + 8; i += 3) {
            ask_hash(&f.rig, "invalidate", &a[i].hash, "ok");
            ask_hash(&f.rig, "reconsider", &a[i].hash, "ok");
        }
        ask_hash(&f.rig, "invalidate", &a[from + 5].hash, "ok");
        for (int32_t i = from; i < from + 8; i++)
            feed_wait(&fed[i]);
        ask_hash(&f.rig, "reconsider", &a[from + 5].hash, "ok");
        feed_idle(&f.rig);
        for (int32_t i = from; i < from + 8; i++) /* what came while its chain was marked */
            if (fed[i].verdict != VALID) {
                struct fed again = feed(&f.rig, a[i].raw);
                ck_assert_msg(again.verdict == VALID || again.verdict == DUPLICATE, "%s",
                              again.reason);
            }
        feed_idle(&f.rig);
        expect_tip(&f.rig, &a[from + 7].hash, "after marks");
    }
    expect_coins_of(&f.rig, a, 160, "after marks");
    rig_end(&f);
    free_branch(a, 0, 160);
}
END_TEST

START_TEST(of_equals_the_first_stored_wins)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 6, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 4, 6, 2);
    struct made_block *c = branch(&f.rig.params, &f.genesis, a, 4, 7, 3);

    feed_row(&f.rig, a, 6);
    feed_row(&f.rig, b + 4, 2);
    expect_tip(&f.rig, &a[5].hash, "the first");
    feed_row(&f.rig, c + 4, 2);
    expect_tip(&f.rig, &a[5].hash, "the first of three");
    /* Mark the first: the second is next. A restart; the old tip wins though the first comes first
     * in the file. */
    ask_hash(&f.rig, "invalidate", &a[5].hash, "ok");
    feed_idle(&f.rig);
    expect_tip(&f.rig, &b[5].hash, "the second");
    rig_again(&f);
    expect_tip(&f.rig, &b[5].hash, "the second, after a restart");
    ask_hash(&f.rig, "reconsider", &a[5].hash, "ok");
    feed_idle(&f.rig);
    expect_tip(&f.rig, &b[5].hash, "the old tip");
    feed_row(&f.rig, c + 6, 1);
    expect_tip(&f.rig, &c[6].hash, "more work");
    rig_again(&f);
    expect_tip(&f.rig, &c[6].hash, "more work");
    rig_end(&f);
    free_branch(c, 4, 7);
    free_branch(b, 4, 6);
    free_branch(a, 0, 6);
}
END_TEST

/* A crash leaves no word of the tip: then what was stored first wins, as before it. Of the third
 * branch the last block is stored first. */
START_TEST(of_equals_the_first_stored_wins_after_a_crash)
{
    static const char *const lost[] = {"tip", "metadata.bin", "ledger/key"};
    struct fork_rig f;

    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 6, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 4, 6, 2);
    struct made_block *c = branch(&f.rig.params, &f.genesis, a, 4, 6, 3);
    feed_row(&f.rig, b, 4);
    for (int i = 4; i < 6; i++)
        ck_assert_int_eq(feed_header(&f.rig, c[i].raw).verdict, VALID);
    ck_assert(feed(&f.rig, c[5].raw).is_unjudged);
    feed_row(&f.rig, b + 4, 2);
    feed_row(&f.rig, a + 4, 2);
    feed_row(&f.rig, c + 4, 1);
    expect_tip(&f.rig, &b[5].hash, "the first whole one");
    for (size_t i = 0; i < ARRAY_COUNT(lost); i++) {
        ck_assert_msg(rig_close(&f.rig) == ENGINE_OK, "%s", f.rig.error);
        for (size_t k = 0; k <= i; k++)
            simdisk_put(f.sim, lost[k], (struct bytes){NULL, 0});
        ck_assert_msg(rig_open(&f.rig) == ENGINE_OK, "%s", f.rig.error);
        feed_idle(&f.rig);
        expect_tip(&f.rig, &b[5].hash, lost[i]);
    }
    rig_end(&f);
    free_branch(c, 4, 6);
    free_branch(b, 4, 6);
    free_branch(a, 0, 6);
}
END_TEST

static void expect_sendblock(struct rig *rig, struct bytes block, const char *wanted)
{
    char *hex = xmalloc(block.size * 2 + 1);

    for (size_t i = 0; i < block.size; i++)
        snprintf(hex + 2 * i, 3, "%02x", block.data[i]);
    char *answer = rig_ask(rig, "sendblock", hex);
    ck_assert_msg(strcmp(answer, wanted) == 0, "%s, not %s", answer, wanted);
    free(answer);
    free(hex);
}

START_TEST(sendblock_says_what_became_of_a_block)
{
    struct fork_rig f;
    rig_start(&f);
    struct made_block *a = branch(&f.rig.params, &f.genesis, NULL, 0, 150, 1);
    struct made_block *b = branch(&f.rig.params, &f.genesis, a, 146, 149, 2);
    struct made_block *deep = branch(&f.rig.params, &f.genesis, a, 2, 4, 3);

    expect_sendblock(&f.rig, a[0].raw, "accepted\n");
    expect_sendblock(&f.rig, a[0].raw, "rejected duplicate\n");
    expect_sendblock(&f.rig, a[2].raw, "rejected prev-blk-not-found\n");
    expect_sendblock(&f.rig, (struct bytes){a[1].raw.data, a[1].raw.size - 1},
                     "rejected block-decode-failed\n");
    expect_answer(&f.rig, "sendblock", "", "rejected block-decode-failed");
    expect_answer(&f.rig, "sendblock", "0", "rejected block-decode-failed");
    expect_answer(&f.rig, "sendblock", "zz", "rejected block-decode-failed");
    expect_answer(&f.rig, "sendblock", "00", "rejected block-decode-failed");
    expect_answer(&f.rig, "sendblock", NULL, "rejected block-decode-failed");
    feed_row(&f.rig, a + 1, 149);
    for (int i = 146; i < 149; i++)
        expect_sendblock(&f.rig, b[i].raw, "accepted\n"); /* a valid fork */
    expect_sendblock(&f.rig, deep[2].raw,
                     "rejected inconclusive\n"); /* branches off below the root */
    expect_sendblock(&f.rig, deep[2].raw, "rejected duplicate\n");
    draft.extra_sat = 1;
    struct made_block greedy = make(&f.rig.params, &a[149], &draft);
    expect_sendblock(&f.rig, greedy.raw, "rejected bad-cb-amount\n");
    expect_sendblock(&f.rig, greedy.raw, "rejected duplicate-invalid\n");
    struct made_block child = make_empty(&f.rig.params, &greedy, 1);
    expect_sendblock(&f.rig, child.raw, "rejected bad-prevblk\n");
    expect_tip(&f.rig, &a[149].hash, "in the end");
    rig_end(&f);
    free((void *)greedy.raw.data);
    free((void *)child.raw.data);
    free_branch(deep, 2, 4);
    free_branch(b, 146, 149);
    free_branch(a, 0, 150);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "engine_forks", tips_switch_within_the_horizon, a_reorganisation_deeper_than_the_horizon,
        a_reorganisation_deeper_than_the_undo_promised, a_step_back_is_broken_off_by_a_stop,
        a_failing_block_takes_only_its_own, blocks_without_their_parents_wait_on_disk,
        marks_by_hand, marks_while_blocks_are_on_their_way, of_equals_the_first_stored_wins,
        of_equals_the_first_stored_wins_after_a_crash, sendblock_says_what_became_of_a_block);
}
