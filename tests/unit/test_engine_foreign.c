/* test_engine_foreign.c - a ledger/ of a node whose blocks.bin has its blocks in another order:
 * where it says that a coin is, there is another one. */
#include "block_maker.h"
#include "shared_files.h"

#define LENGTH 150 /* with a horizon of 20 the root is at 130 */

static struct draft draft;

struct two {
    struct rig one, other;
    struct made_block genesis, row[LENGTH], next;
    char log[65536]; /* what the other said */
};

static void keep_log(void *context, enum engine_log_level level, const char *line)
{
    struct two *two = CONTAINER_OF((struct rig *)context, struct two, other);
    size_t size = strlen(two->log);

    rig_log(context, level, line);
    snprintf(two->log + size, sizeof two->log - size, "%s\n", line);
}

static void open_one(struct rig *rig)
{
    ck_assert_msg(rig_open(rig) == ENGINE_OK, "%s", rig->error);
    feed_idle(rig);
}

/* The row in its order, but the block of height before the one below it; both have one size. One
 * worker stores blocks as they come. */
static void fill(struct rig *rig, const struct made_block *row, int32_t height)
{
    struct fed early;

    rig->config.worker_count = 1;
    open_one(rig);
    for (size_t i = 0; i < LENGTH; i++)
        ck_assert_int_eq(feed_header(rig, row[i].raw).verdict, VALID);
    for (int32_t h = 1; h <= LENGTH; h++) {
        if (h == height - 1)
            feed_begin(rig, row[h].raw, true, NULL, &early);
        if (h == height)
            feed_wait(&early);
        else
            ck_assert_int_eq(feed(rig, row[h - 1].raw).verdict, VALID);
    }
    ck_assert_msg(rig_close(rig) == ENGINE_OK, "%s", rig->error);
}

/* Their coins differ: each has another number for a script. */
static void make_numbered(struct two *two)
{
    static const uint8_t numbers[] = {0x51, 0x52, 0x53};
    const struct made_block *prev = &two->genesis;

    for (size_t i = 0; i < LENGTH; i++) {
        draft.coinbase_script = (struct bytes){&numbers[i % 3], 1};
        two->row[i] = make(&two->one.params, prev, &draft);
        prev = &two->row[i];
    }
}

/* The other has the ledger of one. The next block spends the coinbase of the block below height, or
 * where that is too young, of block 1. */
static struct two *two_new(int32_t height)
{
    struct two *two = xcalloc(1, sizeof *two);
    char command[256];

    rig_init(&two->one, NETWORK_REGTEST);
    rig_init(&two->other, NETWORK_REGTEST);
    two->other.config.events.log = keep_log;
    two->genesis = genesis_made(&two->one.params);
    make_numbered(two);
    ck_assert_uint_eq(two->row[height - 1].raw.size, two->row[height - 2].raw.size);
    (void)draft_spend(&draft,
                      (struct outpoint){two->row[height <= 50 ? height - 2 : 0].coinbase, 0}, 1000);
    two->next = make(&two->one.params, &two->row[LENGTH - 1], &draft);
    fill(&two->one, two->row, 0);
    fill(&two->other, two->row, height);
    snprintf(command, sizeof command, "rm -r %s/ledger && cp -r %s/ledger %s/ledger",
             two->other.directory, two->one.directory, two->other.directory);
    ck_assert_int_eq(system(command), 0);
    two->log[0] = 0;
    open_one(&two->other);
    return two;
}

static void two_free(struct two *two)
{
    rig_clear(&two->one);
    rig_clear(&two->other);
    free_row(two->row, LENGTH);
    free((void *)two->next.raw.data);
    free(two);
}

/* A start compares what blocks at each eighth of the height made. */
START_TEST(a_start_sees_it_and_rebuilds)
{
    static const int32_t heights[] = {130, 131, 65, 66};

    for (size_t i = 0; i < ARRAY_COUNT(heights); i++) {
        struct two *two = two_new(heights[i]);

        ck_assert_msg(strstr(two->log, "ledger/ is of another blocks.bin"), "%d: %s", heights[i],
                      two->log);
        expect_feed(&two->other, &two->next, NULL);
        expect_tip(&two->other, &two->next.hash, "with the next block");
        ck_assert_msg(rig_close(&two->other) == ENGINE_OK, "%s", two->other.error);
        two->log[0] = 0;
        open_one(&two->other); /* it is its own now */
        ck_assert_msg(!strstr(two->log, "another"), "%s", two->log);
        ck_assert_msg(!strstr(two->log, "rebuilt"), "%s", two->log);
        ck_assert_msg(rig_close(&two->other) == ENGINE_OK, "%s", two->other.error);
        two_free(two);
    }
}
END_TEST

/* A coin that no start compared: the node stops, and no block is called invalid for it. */
START_TEST(a_spend_stops_the_node_and_condemns_no_block)
{
    struct two *two = two_new(40);
    struct fed fed = feed(&two->other, two->next.raw);

    ck_assert_msg(fed.is_unjudged, "%s", fed.reason);
    ck_assert_int_eq(rig_close(&two->other), ENGINE_CORRUPT);
    ck_assert_msg(strstr(two->other.error, "Move ledger/ away"), "%s", two->other.error);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s/ledger", two->other.directory);
    ck_assert_int_eq(system(command), 0);
    open_one(&two->other);
    expect_tip(&two->other, &two->next.hash, "rebuilt");
    ck_assert_msg(rig_close(&two->other) == ENGINE_OK, "%s", two->other.error);
    two_free(two);
}
END_TEST

int main(void)
{
    return SUITE_RUN("engine_foreign", a_start_sees_it_and_rebuilds,
                     a_spend_stops_the_node_and_condemns_no_block);
}
