/* test_engine_cases.c - recorded verdicts of the reference node (recorded-block-cases.bin) through
 * the engine: the same tip after each step and the same reason for each refused block. */
#include "base/cursor.h"
#include "engine_feed.h"
#include "shared_files.h"

#define CLOCK       "1795340220"
#define CLOCK_LATER "1795347420" /* of step 83 */
#define LATE_BLOCK  "27d54d2cabbed4b34d562b438ec4820d607119d68ebf060346bf16543d6aecb8"

struct step {
    bool is_accepted, is_forced;
    char reason[128];
    struct block_hash tip;
    uint32_t block_count;
    struct bytes blocks[128];
};

/* The reference judges a fork only when it has more work than the tip; we do at once. So the block
 * of one step is refused for its own fault, and that of the next for its parent's. */
static const struct {
    uint32_t step;
    const char *reason;
} judged_at_once[] = {{37, "bad-txns-inputs-missingorspent"},       {38, "bad-prevblk"},
                      {46, "bad-txns-inputs-missingorspent"},       {47, "bad-prevblk"},
                      {49, "bad-txns-premature-spend-of-coinbase"}, {50, "bad-prevblk"}};

static const char *reason_of(uint32_t index, struct step *step)
{
    for (size_t i = 0; i < ARRAY_COUNT(judged_at_once); i++)
        if (judged_at_once[i].step == index)
            return judged_at_once[i].reason;
    if (index == 16) /* the reference's text goes on with a detail */
        step->reason[strcspn(step->reason, ",")] = 0;
    if (index == 95)
        return "block-decode-failed"; /* the reference's parser says what it stumbled over */
    return step->reason;
}

static bool next_step(struct cursor *file, struct step *step)
{
    if (cursor_left(file) == 0)
        return false;
    step->is_accepted = cursor_u8(file);
    step->is_forced = cursor_u8(file);
    (void)cursor_le16(file);
    struct bytes reason = cursor_take(file, cursor_le16(file));
    ck_assert(cursor_ok(file) && reason.size < sizeof step->reason);
    snprintf(step->reason, sizeof step->reason, "%.*s", (int)reason.size,
             (const char *)reason.data);
    struct bytes tip = cursor_take(file, sizeof step->tip);
    ck_assert(cursor_ok(file));
    memcpy(&step->tip, tip.data, sizeof step->tip);
    step->block_count = cursor_le32(file);
    ck_assert(step->block_count <= ARRAY_COUNT(step->blocks));
    for (uint32_t i = 0; i < step->block_count; i++)
        step->blocks[i] = cursor_take(file, cursor_le32(file));
    ck_assert(cursor_ok(file));
    return true;
}

static void run_step(struct rig *rig, uint32_t index, struct step *step, bool all_requested)
{
    struct fed fed[ARRAY_COUNT(step->blocks)];
    struct header_node *nodes[ARRAY_COUNT(step->blocks)] = {NULL};
    const char *reason = reason_of(index, step);
    char where[32];

    snprintf(where, sizeof where, "step %u", index);
    for (uint32_t i = 0; i < step->block_count && !step->is_forced; i++)
        nodes[i] = feed_header(rig, step->blocks[i]).node;
    for (uint32_t i = 0; i < step->block_count; i++)
        feed_begin(rig, step->blocks[i], all_requested || !step->is_forced, nodes[i], &fed[i]);
    for (uint32_t i = 0; i < step->block_count; i++)
        feed_wait(&fed[i]);
    feed_idle(rig);
    const struct fed *last = &fed[step->block_count - 1];
    for (uint32_t i = 0; i + 1 < step->block_count; i++)
        ck_assert_msg(fed[i].verdict == VALID, "%s, block %u: %s", where, i, fed[i].reason);
    if (reason[0])
        ck_assert_msg(last->verdict != VALID && strstr(last->reason, reason), "%s: %s, not %s",
                      where, last->reason, reason);
    else
        ck_assert_msg(last->verdict == VALID, "%s: %s", where, last->reason);
    expect_tip(rig, &step->tip, where);
}

/* As a peer would send them (the block of step 112 comes again at 114), or every block as if it
 * were asked for. */
static void run_cases(uint32_t worker_count, unsigned tag_bits, bool all_requested)
{
    const char *folder = shared_folder("recorded block cases");
    static struct step step;
    struct bytes passed_over = {NULL, 0};
    struct rig rig;
    char path[512];
    uint32_t index = 0;

    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/data/recorded-block-cases.bin", folder);
    struct bytes data = file_load(path);
    struct cursor file = cursor_of(data);
    ck_assert(memcmp(cursor_take(&file, 8).data, "CBLKCASE", 8) == 0);
    rig_init(&rig, NETWORK_REGTEST);
    ck_assert(params_set_activation(&rig.params, "bip34@2"));
    rig.config.worker_count = worker_count;
    rig.config.tag_bits = tag_bits;
    ck_assert_msg(rig_open(&rig) == ENGINE_OK, "%s", rig.error);
    expect_answer(&rig, "mocktime", CLOCK, "ok");
    for (; next_step(&file, &step); index++) {
        if (index == 83)
            expect_answer(&rig, "mocktime", CLOCK_LATER, "ok");
        if (index == 112)
            passed_over = step.blocks[0];
        if (index == 114 && !all_requested)
            ck_assert_int_eq(feed(&rig, passed_over).verdict, VALID);
        run_step(&rig, index, &step, all_requested);
        if (index == 83) {
            expect_answer(&rig, "invalidate", LATE_BLOCK, "ok");
            expect_answer(&rig, "mocktime", CLOCK, "ok");
        }
    }
    ck_assert_uint_eq(index, 124);
    printf("%u recorded steps, %u workers, %u tag bits\n", index, worker_count, tag_bits);
    ck_assert_msg(rig_close(&rig) == ENGINE_OK, "%s", rig.error);
    rig_clear(&rig);
    free((void *)data.data);
}

START_TEST(recorded_verdicts_with_one_worker)
{
    run_cases(1, 64, true);
}
END_TEST

START_TEST(recorded_verdicts_with_two_workers)
{
    run_cases(2, 64, false);
}
END_TEST

START_TEST(recorded_verdicts_with_colliding_tags)
{
    run_cases(2, 12, true);
}
END_TEST

int main(void)
{
    if (!shared_folder("recorded block cases"))
        return 77;
    return SUITE_RUN("engine_cases", recorded_verdicts_with_one_worker,
                     recorded_verdicts_with_two_workers, recorded_verdicts_with_colliding_tags);
}
