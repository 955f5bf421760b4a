/* test_engine_known.c - blocks that an earlier run has checked: a rebuild takes their coins and
 * checks nothing again, but scripts that were only assumed to be valid and are not any more. */
#include "block_maker.h"
#include "shared_files.h"
#include "store/metadata.h"

#define SPENDING 103  /* this block spends what the one before made, by a script of the test */
#define BURYING  2017 /* blocks: over two weeks */
#define LENGTH   (SPENDING + BURYING)

static struct draft draft;
static const uint8_t op_false[1] = {0};

/* Blocks 1 to LENGTH. */
static void make_chain(const struct params *params, struct bytes script,
                       struct made_block row[LENGTH])
{
    struct made_block genesis = genesis_made(params);
    const int64_t amount_sat = 50 * SAT_PER_BTC;

    make_row(params, &genesis, 1, row, SPENDING - 2);
    struct simple_tx tx = {.inputs = {{row[0].coinbase, 0}},
                           .input_count = 1,
                           .amount_sat = amount_sat,
                           .script = script};
    draft_add(&draft, &tx);
    struct txid txid = txid_of(draft.txs[0]);
    row[SPENDING - 2] = make(params, &row[SPENDING - 3], &draft);
    draft_spend(&draft, (struct outpoint){txid, 0}, amount_sat);
    row[SPENDING - 1] = make(params, &row[SPENDING - 2], &draft);
    make_row(params, &row[SPENDING - 1], 1, &row[SPENDING], BURYING);
}

static void open_with(struct rig *rig, const struct block_hash *assumed)
{
    rig->params.has_assumed_valid = assumed != NULL;
    if (assumed)
        rig->params.assumed_valid = *assumed;
    ck_assert_msg(rig_open(rig) == ENGINE_OK, "%s", rig->error);
}

/* A rig that has taken the chain; assumed: whether scripts are, by its last block. */
static void begin(struct rig *rig, struct bytes script, bool assumed, struct made_block row[LENGTH])
{
    rig_init(rig, NETWORK_REGTEST);
    make_chain(&rig->params, script, row);
    open_with(rig, assumed ? &row[LENGTH - 1].hash : NULL);
    feed_row(rig, row, LENGTH);
}

static void end(struct rig *rig, struct made_block row[LENGTH])
{
    ck_assert_int_eq(rig_close(rig), ENGINE_OK);
    rig_clear(rig);
    free_row(row, LENGTH);
}

/* The next start has blocks.bin only, and what metadata.bin says of it. */
static void lose_ledger(struct rig *rig)
{
    char command[128];

    ck_assert_msg(rig_close(rig) == ENGINE_OK, "%s", rig->error);
    snprintf(command, sizeof command, "rm -r %s/ledger", rig->directory);
    ck_assert_int_eq(system(command), 0);
}

static void expect_checks(struct rig *rig, uint64_t blocks, uint64_t inputs, const char *where)
{
    const struct pipeline_stats *stats = &engine_pipeline(rig->engine)->stats;

    feed_idle(rig);
    /* A worker counts a block after it has handed that on. */
    for (int i = 0; i < 10000 && atomic_load(&stats->check.jobs) < blocks; i++)
        usleep(1000);
    ck_assert_msg(atomic_load(&stats->check.jobs) == blocks &&
                      atomic_load(&stats->inputs_verified) == inputs,
                  "%s: %d blocks checked, %d inputs verified", where,
                  (int)atomic_load(&stats->check.jobs), (int)atomic_load(&stats->inputs_verified));
}

START_TEST(what_was_checked_is_not_checked_again)
{
    static struct made_block row[LENGTH];
    struct rig rig;

    begin(&rig, true_script, false, row);
    expect_checks(&rig, LENGTH, 2, "new");
    char *coins = rig_coins(&rig);
    lose_ledger(&rig);

    open_with(&rig, NULL);
    expect_checks(&rig, 0, 0, "rebuilt");
    expect_tip(&rig, &row[LENGTH - 1].hash, "rebuilt");
    char *again = rig_coins(&rig);
    ck_assert_str_eq(coins, again);
    end(&rig, row);
    free(coins);
    free(again);
}
END_TEST

/* Changes the byte of blocks.bin where made's coinbase has its nonce (BIP141). */
static void spoil_nonce(struct rig *rig, const struct made_block *made)
{
    struct arena arena;
    struct block block;
    char path[128];

    arena_init(&arena, SIZE_MAX);
    ck_assert(block_parse(&block, made->raw, &arena, false));
    size_t offset = (size_t)(block.txs[0].inputs[0].witness.data + 1 - made->raw.data);
    snprintf(path, sizeof path, "%s/blocks.bin", rig->directory);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    static uint8_t content[1 << 20];
    size_t size = fread(content, 1, sizeof content, file);
    const uint8_t *at = memmem(content, size, made->raw.data, made->raw.size);
    ck_assert_ptr_nonnull(at);
    fseek(file, (long)(at - content) + (long)offset, SEEK_SET);
    fputc(at[offset] ^ 1, file);
    fclose(file);
    arena_clear(&arena);
}

/* A witness is no part of what coins hang on, but of what the block is. */
START_TEST(a_rotten_witness_of_a_known_block_is_seen)
{
    struct made_block genesis, row[30];
    struct rig rig;

    rig_init(&rig, NETWORK_REGTEST);
    genesis = genesis_made(&rig.params);
    make_row(&rig.params, &genesis, 1, row, 9);
    draft.has_commitment = true;
    row[9] = make(&rig.params, &row[8], &draft);
    make_row(&rig.params, &row[9], 1, &row[10], 20);
    open_with(&rig, NULL);
    feed_row(&rig, row, ARRAY_COUNT(row));
    lose_ledger(&rig);
    spoil_nonce(&rig, &row[9]);
    open_with(&rig, NULL);
    feed_idle(&rig);
    expect_tip(&rig, &row[8].hash, "before it");
    expect_feed(&rig, &row[9], NULL);
    feed_idle(&rig);
    expect_tip(&rig, &row[29].hash, "given again");
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
}
END_TEST

/* What new blocks may spend soon stays in memory, and nothing else. */
START_TEST(only_the_last_blocks_stay_in_memory)
{
    static struct made_block row[LENGTH];
    struct engine_snapshot snapshot;
    struct rig rig;
    size_t size = 0;

    begin(&rig, true_script, false, row);
    lose_ledger(&rig);
    open_with(&rig, NULL);
    feed_idle(&rig);
    engine_snapshot(rig.engine, &snapshot);
    for (size_t i = LENGTH - (size_t)rig.config.horizon - 1; i < LENGTH; i++)
        size += row[i].raw.size;
    ck_assert_uint_eq(snapshot.resident_size, size);
    end(&rig, row);
}
END_TEST

START_TEST(assumed_scripts_are_run_once_when_that_ends)
{
    static struct made_block row[LENGTH];
    struct rig rig;

    begin(&rig, true_script, true, row);
    expect_checks(&rig, LENGTH, 0, "assumed");
    lose_ledger(&rig);
    open_with(&rig, &row[LENGTH - 1].hash);
    expect_checks(&rig, 0, 0, "still assumed");
    lose_ledger(&rig);
    open_with(&rig, NULL);
    expect_checks(&rig, SPENDING, 2, "asked for");
    lose_ledger(&rig);
    open_with(&rig, NULL);
    expect_checks(&rig, 0, 0, "verified");
    expect_tip(&rig, &row[LENGTH - 1].hash, "verified");
    end(&rig, row);
}
END_TEST

START_TEST(an_invalid_script_is_found_when_that_ends)
{
    static struct made_block row[LENGTH];
    struct rig rig;

    begin(&rig, (struct bytes){op_false, 1}, true, row);
    lose_ledger(&rig);
    open_with(&rig, &row[LENGTH - 1].hash);
    feed_idle(&rig);
    expect_tip(&rig, &row[LENGTH - 1].hash, "assumed");
    lose_ledger(&rig);
    open_with(&rig, NULL);
    feed_idle(&rig);
    expect_tip(&rig, &row[SPENDING - 2].hash, "not assumed");
    lose_ledger(&rig);
    open_with(&rig, &row[LENGTH - 1].hash);
    feed_idle(&rig);
    expect_tip(&rig, &row[SPENDING - 2].hash, "known to be invalid");
    end(&rig, row);
}
END_TEST

static bool is_without_way_back;

static void look_for_way_back(void *context, enum engine_log_level level, const char *line)
{
    rig_log(context, level, line);
    if (strstr(line, "no way back"))
        is_without_way_back = true;
}

/* What a rebuild takes without worlds can be stepped back over. */
START_TEST(a_rebuild_leaves_a_way_back)
{
    static struct made_block row[LENGTH];
    const struct made_block *low = &row[LENGTH - 1500];
    struct rig rig;

    begin(&rig, true_script, false, row);
    char *coins = rig_coins(&rig);
    lose_ledger(&rig);
    is_without_way_back = false;
    rig.config.events.log = look_for_way_back;
    open_with(&rig, NULL);
    feed_idle(&rig);
    ask_hash(&rig, "invalidate", &low->hash, "ok");
    feed_idle(&rig);
    expect_tip(&rig, &low[-1].hash, "stepped back");
    expect_coins_of(&rig, row, LENGTH - 1500, "stepped back");
    ask_hash(&rig, "reconsider", &low->hash, "ok");
    feed_idle(&rig);
    expect_tip(&rig, &row[LENGTH - 1].hash, "and forward");
    char *again = rig_coins(&rig);
    ck_assert_str_eq(coins, again);
    ck_assert(!is_without_way_back);
    end(&rig, row);
    free(coins);
    free(again);
}
END_TEST

/* Branches that lost, one of them of blocks that were verified, and one with most blocks that was
 * declared invalid: none of their coins is taken. */
START_TEST(a_rebuild_passes_other_branches)
{
    struct made_block genesis, row[200], early[3], late[120], lost[150];
    struct rig rig;

    rig_init(&rig, NETWORK_REGTEST);
    genesis = genesis_made(&rig.params);
    make_row(&rig.params, &genesis, 1, row, ARRAY_COUNT(row));
    make_row(&rig.params, &row[49], 2, early, ARRAY_COUNT(early));
    make_row(&rig.params, &row[70], 3, late, ARRAY_COUNT(late));
    make_row(&rig.params, &row[99], 4, lost, ARRAY_COUNT(lost));
    open_with(&rig, NULL);
    feed_row(&rig, row, 52);
    feed_row(&rig, early, ARRAY_COUNT(early)); /* for a while the tip */
    expect_tip(&rig, &early[2].hash, "early");
    feed_row(&rig, row + 52, 50);
    feed_row(&rig, late, ARRAY_COUNT(late));
    expect_tip(&rig, &late[119].hash, "late");
    feed_row(&rig, lost, ARRAY_COUNT(lost));
    ask_hash(&rig, "invalidate", &lost[0].hash, "ok");
    feed_row(&rig, row + 102, ARRAY_COUNT(row) - 102);
    expect_tip(&rig, &row[199].hash, "all");
    lose_ledger(&rig);
    open_with(&rig, NULL);
    feed_idle(&rig);
    expect_tip(&rig, &row[199].hash, "rebuilt");
    expect_checks(&rig, 0, 0, "rebuilt");
    expect_coins_of(&rig, row, ARRAY_COUNT(row), "rebuilt");
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
    free_row(early, ARRAY_COUNT(early));
    free_row(late, ARRAY_COUNT(late));
    free_row(lost, ARRAY_COUNT(lost));
}
END_TEST

static struct u256 least_work;
static _Atomic bool has_stepped_down;

static void watch_tip(void *context, struct header_node *tip)
{
    (void)context;
    if (u256_compare(&tip->chainwork, &least_work) < 0)
        atomic_store(&has_stepped_down, true);
    least_work = tip->chainwork;
}

/* The root is where two branches part, the tip on one of them, and the other one, whose blocks are
 * known, comes to have more work: it takes over where it is better, and not before. */
START_TEST(a_better_branch_of_known_blocks_takes_over)
{
    struct made_block genesis, row[60], other[100], beside[20];
    struct rig rig;

    rig_init(&rig, NETWORK_REGTEST);
    ck_assert_int_eq(rig.config.horizon, ARRAY_COUNT(beside));
    rig.config.events.tip = watch_tip;
    genesis = genesis_made(&rig.params);
    make_row(&rig.params, &genesis, 1, row, ARRAY_COUNT(row));
    make_row(&rig.params, &row[59], 2, other, ARRAY_COUNT(other));
    make_row(&rig.params, &row[59], 3, beside, ARRAY_COUNT(beside));
    open_with(&rig, NULL);
    feed_row(&rig, row, ARRAY_COUNT(row));
    feed_row(&rig, other, ARRAY_COUNT(other));
    expect_tip(&rig, &other[99].hash, "other");
    ask_hash(&rig, "invalidate", &other[0].hash, "ok");
    feed_row(&rig, beside, ARRAY_COUNT(beside));
    expect_tip(&rig, &beside[19].hash, "beside");
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    open_with(&rig, NULL); /* its root is at row[59] */
    feed_idle(&rig);
    expect_tip(&rig, &beside[19].hash, "again");
    atomic_store(&has_stepped_down, false);
    ask_hash(&rig, "reconsider", &other[0].hash, "ok");
    feed_idle(&rig);
    expect_tip(&rig, &other[99].hash, "reconsidered");
    ck_assert(!atomic_load(&has_stepped_down));
    ck_assert_int_eq(rig_close(&rig), ENGINE_OK);
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
    free_row(other, ARRAY_COUNT(other));
    free_row(beside, ARRAY_COUNT(beside));
}
END_TEST

/* Metadata comes to say that the block is valid. */
static void call_valid(const struct rig *rig, const struct block_hash *hash)
{
    static uint8_t content[1 << 20];
    struct metadata_record record;
    uint32_t magic = le32_read(rig->params.magic);
    bool is_found = false;
    char path[128];

    snprintf(path, sizeof path, "%s/metadata.bin", rig->directory);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(content, 1, sizeof content, file);
    for (size_t at = 0; at + METADATA_RECORD_SIZE <= size && !is_found; at += METADATA_RECORD_SIZE)
        is_found = metadata_record_parse(&record, content + at, magic) &&
                   block_hash_equal(&record.hash, hash);
    ck_assert(is_found);
    record.mark = MARK_VALID;
    record.reason = 0;
    metadata_record_write(content, &record, magic);
    fseek(file, 0, SEEK_END);
    ck_assert_uint_eq(fwrite(content, 1, METADATA_RECORD_SIZE, file), METADATA_RECORD_SIZE);
    fclose(file);
}

/* The coin is not there, so nothing is taken and all is judged anew. */
START_TEST(a_known_block_without_a_coin_is_judged_anew)
{
    struct made_block genesis, row[60];
    const struct made_block *bad = &row[29];
    struct rig rig;

    rig_init(&rig, NETWORK_REGTEST);
    genesis = genesis_made(&rig.params);
    make_row(&rig.params, &genesis, 1, row, 29);
    (void)draft_spend(&draft, (struct outpoint){{{7}}, 0}, 1000);
    row[29] = make(&rig.params, &row[28], &draft);
    make_row(&rig.params, &row[29], 1, &row[30], 30);
    open_with(&rig, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(row); i++)
        ck_assert_int_eq(feed_header(&rig, row[i].raw).verdict, VALID);
    for (size_t i = 30; i < ARRAY_COUNT(row); i++) /* stored, since it is not known yet */
        ck_assert(feed(&rig, row[i].raw).is_unjudged);
    for (size_t i = 0; i < 29; i++)
        expect_feed(&rig, &row[i], NULL);
    expect_feed(&rig, bad, "bad-txns-inputs-missingorspent");
    lose_ledger(&rig);
    call_valid(&rig, &bad->hash);
    for (int start = 0; start < 2; start++) {
        open_with(&rig, NULL);
        feed_idle(&rig);
        expect_tip(&rig, &row[28].hash, "judged anew");
        expect_coins_of(&rig, row, 29, "judged anew");
        ck_assert_msg(rig_close(&rig) == ENGINE_OK, "%s", rig.error);
    }
    rig_clear(&rig);
    free_row(row, ARRAY_COUNT(row));
}
END_TEST

int main(void)
{
    return SUITE_RUN("engine_known", what_was_checked_is_not_checked_again,
                     a_rotten_witness_of_a_known_block_is_seen, only_the_last_blocks_stay_in_memory,
                     assumed_scripts_are_run_once_when_that_ends,
                     an_invalid_script_is_found_when_that_ends, a_rebuild_leaves_a_way_back,
                     a_rebuild_passes_other_branches, a_better_branch_of_known_blocks_takes_over,
                     a_known_block_without_a_coin_is_judged_anew);
}
