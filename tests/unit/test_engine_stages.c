/* test_engine_stages.c - what the stages hand on: the checksum that a message had, and prevouts
 * found many inputs ahead, in this block and in others, in memory and read back. */
#include "block_maker.h"
#include "shared_files.h"

#define MATURE 102 /* the first block that can spend */
#define SPREAD 60  /* more outputs than inputs are looked ahead */

static struct draft draft;

/* Every other block came with one: the number of the block stands for it. */
static void expect_checksums(struct rig *rig, const struct made_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct header_node *node =
            header_tree_find(engine_lock_tree(rig->engine), &blocks[i].hash);
        engine_unlock_tree(rig->engine);
        ck_assert_ptr_nonnull(node);
        ck_assert_uint_eq(node->checksum, i % 2 ? i : 0);
    }
}

/* An engine, and a row of empty blocks for it. */
static void begin(struct rig *rig, struct made_block *row, size_t count)
{
    rig_init(rig, NETWORK_REGTEST);
    struct made_block genesis = genesis_made(&rig->params);
    make_row(&rig->params, &genesis, 1, row, count);
    ck_assert_int_eq(rig_open(rig), ENGINE_OK);
}

/* The reference node ignores what follows a block in its message; it is not stored. */
START_TEST(bytes_behind_a_block_are_ignored)
{
    struct made_block row[3];
    struct rig rig;

    begin(&rig, row, ARRAY_COUNT(row));
    for (size_t i = 0; i < ARRAY_COUNT(row); i++) {
        struct buffer raw = {0};
        struct fed fed;

        buffer_put(&raw, row[i].raw.data, row[i].raw.size);
        buffer_put(&raw, "and more", i * 4);
        struct block_job *job = feed_reserve(&rig, buffer_bytes(&raw), &fed);
        job->is_requested = true;
        job->checksum = 77;
        pipeline_submit(job);
        feed_wait(&fed);
        ck_assert_msg(fed.verdict == VALID && !fed.is_unjudged, "%zu: %s", i, fed.reason);
        const struct header_node *node =
            header_tree_find(engine_lock_tree(rig.engine), &row[i].hash);
        engine_unlock_tree(rig.engine);
        ck_assert_uint_eq(node->size, row[i].raw.size);
        ck_assert_uint_eq(node->checksum, i ? 0 : 77); /* of what is not there any more */
        buffer_free(&raw);
    }
    struct fed cut = feed(&rig, (struct bytes){row[2].raw.data, row[2].raw.size - 1});
    ck_assert_str_eq(cut.reason, "block-decode-failed");
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    ck_assert_int_eq(rig_open(&rig), ENGINE_OK);
    feed_idle(&rig);
    expect_tip(&rig, &row[2].hash, "again");
    expect_coins_of(&rig, row, ARRAY_COUNT(row), "again");
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
}
END_TEST

START_TEST(checksums_are_kept_over_a_restart)
{
    struct made_block row[10];
    struct rig rig;

    begin(&rig, row, ARRAY_COUNT(row));
    for (uint32_t i = 0; i < ARRAY_COUNT(row); i++) {
        struct fed fed;
        struct block_job *job = feed_reserve(&rig, row[i].raw, &fed);

        job->is_requested = true;
        job->checksum = i % 2 ? i : 0;
        pipeline_submit(job);
        feed_wait(&fed);
        ck_assert_int_eq(fed.verdict, VALID);
    }
    expect_checksums(&rig, row, ARRAY_COUNT(row));
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    ck_assert_int_eq(rig_open(&rig), ENGINE_OK);
    expect_checksums(&rig, row, ARRAY_COUNT(row));
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
}
END_TEST

/* A block makes SPREAD coins of different sizes; the next spends them in another order, one by one
 * with a coin of its own in between now and then. A coin taken for another one would not match its
 * check, and the engine would call itself corrupt. */
static void spend_all_over(size_t resident_limit)
{
    struct made_block genesis, row[MATURE + 1];
    struct rig rig;
    struct txid wide[SPREAD / 4];
    int64_t amount_sat = 900000000;

    rig_init(&rig, NETWORK_REGTEST);
    rig.config.resident_limit = resident_limit;
    genesis = genesis_made(&rig.params);
    make_row(&rig.params, &genesis, 1, row, MATURE - 1);
    struct outpoint from = {row[0].coinbase, 0};
    for (uint32_t i = 0; i < ARRAY_COUNT(wide); i++) {
        uint8_t script[40] = {[39] = 0x51};
        struct simple_tx tx = {.inputs = {from},
                               .input_count = 1,
                               .amount_sat = amount_sat,
                               .output_count = 5,
                               .script = {script + 39 - i, i + 1}};

        memset(script, 0x61, 39); /* OP_NOP */
        amount_sat /= 6;          /* the fifth output feeds the next transaction */
        draft_add(&draft, &tx);
        wide[i] = txid_of(draft.txs[draft.tx_count - 1]);
        from = (struct outpoint){wide[i], 4};
    }
    row[MATURE - 1] = make(&rig.params, &row[MATURE - 2], &draft);
    for (uint32_t i = 0; i < SPREAD; i += 3) {
        struct simple_tx tx = {.input_count = 3};

        for (uint32_t k = 0; k < 3; k++) {
            uint32_t coin = (i + k) * 7 % SPREAD;

            tx.inputs[k] = (struct outpoint){wide[coin / 4], coin % 4};
        }
        if (i > 0)
            tx.inputs[tx.input_count++] =
                (struct outpoint){txid_of(draft.txs[draft.tx_count - 1]), 0};
        draft_add(&draft, &tx);
    }
    row[MATURE] = make(&rig.params, &row[MATURE - 1], &draft);

    ck_assert_int_eq(rig_open(&rig), ENGINE_OK);
    feed_row(&rig, row, MATURE);
    uint64_t read_before = atomic_load(&engine_pipeline(rig.engine)->stats.cold_prevouts);
    feed_row(&rig, &row[MATURE], 1);
    expect_tip(&rig, &row[MATURE].hash, "all spent");
    uint64_t read_count =
        atomic_load(&engine_pipeline(rig.engine)->stats.cold_prevouts) - read_before;
    ck_assert_uint_eq(read_count, resident_limit ? 0 : SPREAD);
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
}

START_TEST(prevouts_from_anywhere_in_memory)
{
    spend_all_over((size_t)16 << 20);
}
END_TEST

START_TEST(prevouts_from_anywhere_read_back)
{
    spend_all_over(0);
}
END_TEST

#define POSTED 600 /* more than the ledger thread takes between two looks at whether it stops */

struct posted {
    struct command command;
    struct posted_all *all;
    bool is_run, is_done;
};

struct posted_all {
    struct posted items[POSTED];
    pthread_mutex_t gate;
};

static void posted_run(struct engine *engine, struct command *command)
{
    struct posted *posted = command->context;

    (void)engine;
    pthread_mutex_lock(&posted->all->gate);
    pthread_mutex_unlock(&posted->all->gate);
    posted->is_run = true;
}

static void posted_done(struct command *command)
{
    struct posted *posted = command->context;

    posted->is_done = true;
}

static void *stop_engine(void *engine)
{
    engine_stop(engine);
    return NULL;
}

START_TEST(what_is_not_run_is_refused)
{
    struct posted_all *all = xcalloc(1, sizeof *all);
    struct rig rig;
    pthread_t thread;
    size_t refused = 0;

    rig_init(&rig, NETWORK_REGTEST);
    ck_assert_int_eq(rig_open(&rig), ENGINE_OK);
    pthread_mutex_init(&all->gate, NULL);
    pthread_mutex_lock(&all->gate);
    for (size_t i = 0; i < POSTED; i++) {
        struct posted *posted = &all->items[i];

        posted->all = all;
        posted->command =
            (struct command){.run = posted_run, .done = posted_done, .context = posted};
        ck_assert(engine_post(rig.engine, &posted->command));
    }
    pthread_create(&thread, NULL, stop_engine, rig.engine);
    while (!atomic_load(&engine_pipeline(rig.engine)->is_stopping))
        usleep(1000);
    pthread_mutex_unlock(&all->gate);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < POSTED; i++) {
        ck_assert(all->items[i].is_done);
        ck_assert(all->items[i].is_run != all->items[i].command.is_refused);
        refused += all->items[i].command.is_refused;
        text_clear(&all->items[i].command.text);
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    pthread_mutex_destroy(&all->gate);
    free(all);
}
END_TEST

int main(void)
{
    return SUITE_RUN("engine_stages", bytes_behind_a_block_are_ignored,
                     checksums_are_kept_over_a_restart, prevouts_from_anywhere_in_memory,
                     prevouts_from_anywhere_read_back, what_is_not_run_is_refused);
}
