/* Whole chains, and the recorded verdicts of the reference node, through the rules and the
 * interpreter on the plain path. */
#include "base/hex.h"
#include "chain_files.h"
#include "plain_chain.h"

#define NOW 1795340220 /* 2026-11-22 09:37:00 UTC: MANIFEST's clock */

static void check_chain(const char *folder, const struct chain_file *chain)
{
    struct bytes file = shared_load(folder, chain->name), raw;
    struct cursor c = cursor_of(file);
    struct params params;
    uint32_t coins = 0;
    int64_t sum_sat = 0;

    params_init(&params, chain->network);
    struct plain_chain *plain = plain_new(&params, NOW);
    while (bootstrap_next(&c, &params, &raw)) {
        enum verdict verdict = plain_offer(plain, raw);
        ck_assert_msg(verdict == VALID || verdict == DUPLICATE, "%s at %d: %s (%s)", chain->name,
                      plain->tip->height + 1, verdict_text(verdict),
                      script_error_text(plain->script_error));
    }
    ck_assert_int_eq(plain->tip->height, chain->tip_height);
    for (size_t i = 0; i < plain->coin_count; i++) {
        if (!plain_is_visible(&plain->coins[i], plain->tip))
            continue;
        coins++;
        sum_sat += plain->coins[i].output.amount_sat;
    }
    ck_assert_uint_eq(coins, chain->coins);
    ck_assert_int_eq(sum_sat, chain->sum_sat);
    plain_free(plain);
    free((void *)file.data);
}

START_TEST(chains_end_in_the_known_coins)
{
    const char *folder = shared_folder("chains");

    for (size_t i = 0; folder != NULL && i < ARRAY_COUNT(chain_files); i++)
        check_chain(folder, &chain_files[i]);
}
END_TEST

struct step {
    bool is_accepted;
    char reason[128];
    struct block_hash tip;
    uint32_t block_count;
};

static struct step read_step(struct cursor *c)
{
    struct step step = {.is_accepted = cursor_u8(c) == 1};

    cursor_take(c, 3);
    struct bytes reason = cursor_take(c, cursor_le16(c));
    ck_assert_uint_lt(reason.size, sizeof step.reason);
    memcpy(step.reason, reason.data, reason.size);
    memcpy(step.tip.bytes, cursor_take(c, 32).data, 32);
    step.block_count = cursor_le32(c);
    ck_assert(cursor_ok(c));
    return step;
}

/* What this chain should say at a step: the recorded reason, but where forks are judged at once
 * (46, 49 and before 38, 47, 50), and where the record has a debug text or a part of one. */
static const char *expected_reason(uint32_t index, const struct step *step)
{
    if (index == 38 || index == 47 || index == 50)
        return "duplicate-invalid or bad-prevblk";
    if (index == 37 || index == 46)
        return "bad-txns-inputs-missingorspent";
    if (index == 49)
        return "bad-txns-premature-spend-of-coinbase";
    if (index == 16)
        return "bad-blk-sigops";
    if (index >= 18 && index <= 32)
        return "block-script-verify-flag-failed (Attempted to use a disabled opcode)";
    if (index == 95)
        return "block-decode-failed";
    return step->reason;
}

static void check_step(struct plain_chain *plain, uint32_t index, const struct step *step,
                       enum verdict verdict, const struct header *last)
{
    const char *expected = expected_reason(index, step);
    char text[VERDICT_FORMAT_SIZE];

    verdict_format(text, verdict, last->version, script_error_text(plain->script_error));
    if (step->is_accepted)
        ck_assert_msg(verdict == VALID, "step %u: %s", index, text);
    else if (expected[0] != 0)
        ck_assert_msg(strstr(expected, text) != NULL, "step %u: %s in place of %s", index, text,
                      expected);
    if (!block_hash_equal(&plain->tip->hash, &step->tip)) {
        char ours[65], theirs[65];

        hash_to_hex(ours, plain->tip->hash.bytes);
        hash_to_hex(theirs, step->tip.bytes);
        ck_abort_msg("step %u (%s): tip %s in place of %s", index, text, ours, theirs);
    }
}

static void invalidate(struct plain_chain *plain, const char *hex)
{
    struct block_hash hash;

    ck_assert(hash_from_hex(hash.bytes, hex));
    struct header_node *node = header_tree_find(plain->tree, &hash);
    ck_assert_ptr_nonnull(node);
    header_tree_mark_invalid(plain->tree, node, INVALIDATED_BY_HAND);
    plain_choose_tip(plain);
}

START_TEST(recorded_verdicts_are_the_same_here)
{
    const char *folder = shared_folder("recorded block cases");
    struct params params;
    uint32_t index = 0, blocks = 0;

    if (folder == NULL)
        return;
    struct bytes file = shared_load(folder, "data/recorded-block-cases.bin");
    struct cursor c = cursor_of(file);
    ck_assert(bytes_equal(cursor_take(&c, 8), (struct bytes){(const uint8_t *)"CBLKCASE", 8}));
    params_init(&params, NETWORK_REGTEST);
    ck_assert(params_set_activation(&params, "bip34@2"));
    struct plain_chain *plain = plain_new(&params, NOW);
    for (; cursor_left(&c) > 0; index++) {
        struct step step = read_step(&c);
        enum verdict verdict = VALID;
        struct header last = {0};

        plain->now_s = index == 83 ? NOW + 7200 : NOW;
        for (uint32_t i = 0; i < step.block_count; i++, blocks++) {
            struct bytes raw = cursor_take(&c, cursor_le32(&c));

            ck_assert(cursor_ok(&c) && header_parse(&last, bytes_sub(raw, 0, HEADER_SIZE)));
            verdict = plain_offer(plain, raw);
        }
        check_step(plain, index, &step, verdict, &last);
        if (index == 83)
            invalidate(plain, "27d54d2cabbed4b34d562b438ec4820d607119d68ebf060346bf16543d6aecb8");
    }
    printf("recorded steps: %u, blocks: %u\n", index, blocks);
    plain_free(plain);
    free((void *)file.data);
}
END_TEST

int main(void)
{
    return SUITE_RUN("plain_chain", chains_end_in_the_known_coins,
                     recorded_verdicts_are_the_same_here);
}
