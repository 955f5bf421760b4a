/* test_engine_rules.c - the rules as the engine applies them: each with its last good and its first
 * bad value. With CAESURE_COLD no block stays in memory, so that all coins are read back. */
#include "block_maker.h"
#include "chaingen/wallet.h"
#include "shared_files.h"

#define BASE   110 /* empty blocks before a test begins: the first coinbases are mature */
#define REWARD (50LL * 100000000)

#define MISSING "bad-txns-inputs-missingorspent"

struct scene {
    struct rig rig;
    struct made_block genesis, base[BASE];
    const struct made_block *tip;
    struct made_block more[400];
    size_t more_count;
};

static void scene_init(struct scene *scene, const char *activation, uint32_t worker_count)
{
    memset(scene, 0, sizeof *scene);
    rig_init(&scene->rig, NETWORK_REGTEST);
    if (activation)
        ck_assert(params_set_activation(&scene->rig.params, activation));
    scene->rig.config.worker_count = worker_count;
    if (getenv("CAESURE_COLD"))
        scene->rig.config.resident_limit = 0;
    scene->genesis = genesis_made(&scene->rig.params);
    make_row(&scene->rig.params, &scene->genesis, 1, scene->base, BASE);
    ck_assert_msg(rig_open(&scene->rig) == ENGINE_OK, "%s", scene->rig.error);
    feed_row(&scene->rig, scene->base, BASE);
    scene->tip = &scene->base[BASE - 1];
}

static void scene_clear(struct scene *scene)
{
    ck_assert_msg(rig_close(&scene->rig) == ENGINE_OK, "%s", scene->rig.error);
    rig_clear(&scene->rig);
    free_row(scene->base, BASE);
    free_row(scene->more, scene->more_count);
}

/* The coinbase of the base block at height; all are mature for spends at BASE + 1 that are at most
 * 11 high. */
static struct outpoint coin_of(const struct scene *scene, int32_t height)
{
    return (struct outpoint){scene->base[height - 1].coinbase, 0};
}

/* Feeds the draft as the next block: refused with the reason, and then the tip is the old one; or
 * NULL. */
static const struct made_block *next(struct scene *scene, struct draft *draft, const char *reason)
{
    struct made_block *block = &scene->more[scene->more_count++];

    ck_assert_uint_lt(scene->more_count, ARRAY_COUNT(scene->more));
    *block = make(&scene->rig.params, scene->tip, draft);
    expect_feed(&scene->rig, block, reason);
    if (!reason)
        scene->tip = block;
    feed_idle(&scene->rig);
    expect_tip(&scene->rig, &scene->tip->hash, reason ? reason : "accepted");
    return block;
}

/* OP_0 <sha256 of script>: spent by a witness of the script alone. */
static struct bytes witness_program(uint8_t out[34], struct bytes script)
{
    out[0] = 0x00;
    out[1] = 0x20;
    sha256_once(out + 2, script.data, script.size);
    return (struct bytes){out, 34};
}

static struct scene scene;
static struct draft draft;

static void refuse_copy(struct bytes copy, const char *reason)
{
    struct fed fed = feed(&scene.rig, copy);

    ck_assert_msg(fed.verdict != VALID && strcmp(fed.reason, reason) == 0, "%s, not %s", fed.reason,
                  reason);
}

static struct made_block make_witness_block(void)
{
    uint8_t program[34];
    struct bytes script = witness_program(program, true_script);

    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 1)},
                                          .input_count = 1,
                                          .amount_sat = REWARD,
                                          .script = script});
    struct outpoint from = {txid_of(draft.txs[0]), 0};
    draft_add(&draft, &(struct simple_tx){.inputs = {from},
                                          .input_count = 1,
                                          .amount_sat = REWARD,
                                          .witness = true_script});
    draft.has_commitment = true;
    return make(&scene.rig.params, scene.tip, &draft);
}

START_TEST(malleated_copies_do_no_harm)
{
    scene_init(&scene, NULL, 2);
    struct made_block good = make_witness_block();
    uint8_t *copy = xmalloc(good.raw.size + 300);

    memcpy(copy, good.raw.data, good.raw.size);
    copy[good.raw.size - 5] ^= 1; /* the last byte of the last witness */
    refuse_copy((struct bytes){copy, good.raw.size}, "bad-witness-merkle-match");
    copy[good.raw.size - 5] ^= 1;
    refuse_copy((struct bytes){copy, good.raw.size - 1}, "block-decode-failed");
    copy[good.raw.size - 2] ^= 1; /* lock time of the last transaction */
    copy[good.raw.size] = 0;      /* what follows does not count */
    refuse_copy((struct bytes){copy, good.raw.size + 1}, "bad-txnmrklroot");
    refuse_copy((struct bytes){copy, good.raw.size}, "bad-txnmrklroot");

    /* Three transactions: the last one twice has the same merkle root (CVE-2012-2459). */
    struct arena arena;
    struct block block;
    arena_init(&arena, SIZE_MAX);
    ck_assert(block_parse(&block, good.raw, &arena, true));
    memcpy(copy, good.raw.data, good.raw.size);
    copy[80] = 4;
    memcpy(copy + good.raw.size, block.txs[2].raw.data, block.txs[2].raw.size);
    refuse_copy((struct bytes){copy, good.raw.size + block.txs[2].raw.size}, "bad-txns-duplicate");
    arena_clear(&arena);

    /* A bad copy and the good block in flight together, twice over. */
    struct fed fed[4];
    memcpy(copy, good.raw.data, good.raw.size);
    copy[good.raw.size - 5] ^= 1;
    for (int i = 0; i < 4; i++)
        feed_begin(&scene.rig, i == 1 ? good.raw : (struct bytes){copy, good.raw.size}, true, NULL,
                   &fed[i]);
    for (int i = 0; i < 4; i++)
        feed_wait(&fed[i]);
    ck_assert_msg(fed[1].verdict == VALID, "%s", fed[1].reason);
    expect_tip(&scene.rig, &good.hash, "the good one");
    refuse_copy(good.raw, "duplicate");
    free(copy);
    free((void *)good.raw.data);
    scene_clear(&scene);
}
END_TEST

START_TEST(outputs_are_spent_after_they_are_made)
{
    scene_init(&scene, NULL, 2);
    struct txid made = draft_spend(&draft, coin_of(&scene, 1), REWARD);
    (void)draft_spend(&draft, (struct outpoint){made, 0}, REWARD);
    struct bytes swap = draft.txs[0];
    draft.txs[0] = draft.txs[1];
    draft.txs[1] = swap;
    next(&scene, &draft, MISSING);
    made = draft_spend(&draft, coin_of(&scene, 1), REWARD);
    (void)draft_spend(&draft, (struct outpoint){made, 0}, REWARD);
    next(&scene, &draft, NULL);
    (void)draft_spend(&draft, (struct outpoint){made, 1}, 1);
    next(&scene, &draft, MISSING); /* no such output */
    scene_clear(&scene);
}
END_TEST

START_TEST(an_outpoint_is_spent_once)
{
    scene_init(&scene, NULL, 2);
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 1), coin_of(&scene, 1)},
                                          .input_count = 2,
                                          .amount_sat = REWARD});
    next(&scene, &draft, "bad-txns-inputs-duplicate");
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD);
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD - 1);
    next(&scene, &draft, MISSING);
    struct txid made = draft_spend(&draft, coin_of(&scene, 1), REWARD);
    (void)draft_spend(&draft, (struct outpoint){made, 0}, REWARD);
    (void)draft_spend(&draft, (struct outpoint){made, 0}, REWARD - 1);
    next(&scene, &draft, MISSING); /* of one that the block itself made */
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD);
    const struct made_block *spending = next(&scene, &draft, NULL);
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD - 1);
    next(&scene, &draft, MISSING);

    /* On another branch it is still there. */
    const struct made_block *tip = scene.tip;
    scene.tip = &scene.base[BASE - 1];
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD - 2);
    struct made_block other = make(&scene.rig.params, scene.tip, &draft);
    expect_feed(&scene.rig, &other, NULL);
    expect_tip(&scene.rig, &spending->hash, "the first one stays");
    scene.tip = tip;
    for (int i = 0; i < 25; i++) /* from below the root too */
        next(&scene, &draft, NULL);
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD - 1);
    next(&scene, &draft, MISSING);
    free((void *)other.raw.data);
    scene_clear(&scene);
}
END_TEST

/* A coinbase of two outputs that says nothing of its height: the same transaction any number of
 * times. */
static struct bytes old_coinbase(uint32_t tag)
{
    static uint8_t script[6];
    struct tx_input input = {.prevout.vout = UINT32_MAX, .sequence = SEQUENCE_FINAL};
    struct tx_output outputs[2] = {{.amount_sat = 1000, .script_pubkey = true_script},
                                   {.amount_sat = 2000, .script_pubkey = true_script}};
    struct buffer out = {0};

    script[0] = 4;
    memcpy(script + 1, &tag, 4);
    input.script_sig = (struct bytes){script, 5};
    build_tx(&out, &(struct tx){.version = 1,
                                .inputs = &input,
                                .input_count = 1,
                                .outputs = outputs,
                                .output_count = 2});
    return buffer_give(&out);
}

static void next_old(uint32_t tag, const char *reason)
{
    draft.coinbase = old_coinbase(tag);
    void *raw = (void *)draft.coinbase.data;
    next(&scene, &draft, reason);
    free(raw);
}

static struct outpoint old_coin(uint32_t tag, uint32_t vout)
{
    struct bytes raw = old_coinbase(tag);
    struct outpoint outpoint = {txid_of(raw), vout};

    free((void *)raw.data);
    return outpoint;
}

START_TEST(no_coin_is_made_twice)
{
    scene_init(&scene, "bip34@10000", 2);
    next_old(7, NULL);
    next_old(7, "bad-txns-BIP30"); /* all of it is unspent */
    for (int i = 0; i < 100; i++)
        next(&scene, &draft, NULL);
    next_old(7, "bad-txns-BIP30"); /* from below the root */
    (void)draft_spend(&draft, old_coin(7, 0), 1000);
    next(&scene, &draft, NULL);
    next_old(7, "bad-txns-BIP30"); /* one of two is spent */
    (void)draft_spend(&draft, old_coin(7, 1), 2000);
    next_old(7,
             "bad-txns-BIP30"); /* the other is spent in the same block: the parent's coins count */
    (void)draft_spend(&draft, old_coin(7, 1), 2000);
    next(&scene, &draft, NULL);
    next_old(7, NULL); /* all spent */
    next_old(7, "bad-txns-BIP30");
    next_old(8, NULL);
    /* What came again is young again. */
    (void)draft_spend(&draft, old_coin(7, 0), 900);
    next(&scene, &draft, "bad-txns-premature-spend-of-coinbase");
    scene_clear(&scene);
}
END_TEST

static void expect_old_coin(uint32_t tag, const char *answer)
{
    struct outpoint coin = old_coin(tag, 0);
    char argument[65 + 3];

    hash_to_hex(argument, coin.txid.bytes);
    strcat(argument, " 0");
    expect_answer(&scene.rig, "utxo", argument, answer);
}

static void expect_coin_count(int count)
{
    char *audit = rig_coins(&scene.rig);
    char value[24];

    ck_assert(rig_value(audit, "coins", value, sizeof value));
    ck_assert_int_eq(atoi(value), count);
    free(audit);
}

/* The next block repeats the coinbase of tag, as two blocks of mainnet do, and is allowed to. */
static void next_repeat(uint32_t tag)
{
    struct params *params = &scene.rig.params;
    struct made_block *block = &scene.more[scene.more_count++];

    draft.coinbase = old_coinbase(tag);
    void *raw = (void *)draft.coinbase.data;
    *block = make(params, scene.tip, &draft);
    free(raw);
    params->bip30_repeats[params->bip30_repeat_count++] =
        (struct bip30_repeat){block->height, block->hash};
    expect_feed(&scene.rig, block, NULL);
    feed_idle(&scene.rig);
    scene.tip = block;
}

START_TEST(a_repeated_coinbase_replaces_its_coins)
{
    char old[32], young[32];

    scene_init(&scene, "bip34@10000", 2);
    next_old(7, NULL);
    snprintf(old, sizeof old, "amount 1000\nheight %d\n", scene.tip->height);
    for (int i = 0; i < 30; i++) /* below the root */
        next(&scene, &draft, NULL);
    next_old(8, NULL); /* in a world */
    expect_coin_count(BASE + 30 + 2 + 2);
    expect_old_coin(7, old);

    next_repeat(7);
    const struct made_block *first = scene.tip;
    snprintf(young, sizeof young, "amount 1000\nheight %d\n", first->height);
    expect_coin_count(BASE + 30 + 2 + 2);
    expect_old_coin(7, young);
    next_repeat(8);
    expect_coin_count(BASE + 30 + 2 + 2);
    next_old(7, "bad-txns-BIP30");

    while (scene.tip->height < first->height + 98)
        next(&scene, &draft, NULL);
    expect_old_coin(7, young); /* folded */
    (void)draft_spend(&draft, old_coin(7, 0), 1000);
    next(&scene, &draft, "bad-txns-premature-spend-of-coinbase");

    char *before = rig_coins(&scene.rig); /* the same from the checkpoint, and from the blocks */
    for (int i = 0; i < 2; i++) {
        char command[128];

        ck_assert_msg(rig_close(&scene.rig) == ENGINE_OK, "%s", scene.rig.error);
        snprintf(command, sizeof command, "rm -rf %s/ledger", scene.rig.directory);
        ck_assert(i == 0 || system(command) == 0);
        ck_assert_msg(rig_open(&scene.rig) == ENGINE_OK, "%s", scene.rig.error);
        char *after = rig_coins(&scene.rig);
        ck_assert_str_eq(before, after);
        free(after);
    }
    free(before);
    next(&scene, &draft, NULL);
    (void)draft_spend(&draft, old_coin(7, 0), 1000);
    next(&scene, &draft, NULL);
    scene_clear(&scene);
}
END_TEST

START_TEST(coinbases_ripen_for_100_blocks)
{
    scene_init(&scene, NULL, 2);
    /* The next block has height BASE + 1. */
    (void)draft_spend(&draft, coin_of(&scene, BASE + 1 - 99), REWARD);
    next(&scene, &draft, "bad-txns-premature-spend-of-coinbase");
    (void)draft_spend(&draft, coin_of(&scene, BASE + 1 - 100), REWARD);
    next(&scene, &draft, NULL);
    scene_clear(&scene);
}
END_TEST

START_TEST(a_coinbase_takes_subsidy_and_fees)
{
    scene_init(&scene, NULL, 2);
    draft.extra_sat = 1;
    next(&scene, &draft, "bad-cb-amount");
    next(&scene, &draft, NULL);
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD - 5000);
    draft.extra_sat = 5001;
    next(&scene, &draft, "bad-cb-amount");
    (void)draft_spend(&draft, coin_of(&scene, 1), REWARD - 5000);
    draft.extra_sat = 5000;
    next(&scene, &draft, NULL);
    draft.extra_sat = -REWARD + 1;
    next(&scene, &draft, NULL);
    (void)draft_spend(&draft, coin_of(&scene, 2), REWARD + 1);
    next(&scene, &draft, "bad-txns-in-belowout");
    while (scene.tip->height < 149)
        next(&scene, &draft, NULL);
    draft.extra_sat = REWARD - REWARD / 2; /* the first block after the halving */
    next(&scene, &draft, "bad-cb-amount");
    next(&scene, &draft, NULL);
    scene_clear(&scene);
}
END_TEST

/* A block with legacy sigops in an output, and witness sigops in what it spends. */
static void next_sigops(struct outpoint from, struct bytes witness_script, uint32_t legacy,
                        const char *reason)
{
    uint8_t *script = xmalloc(legacy);

    memset(script, 0xac, legacy); /* OP_CHECKSIG */
    draft_add(&draft, &(struct simple_tx){.inputs = {from},
                                          .input_count = 1,
                                          .amount_sat = 1000,
                                          .script = {script, legacy},
                                          .witness = witness_script});
    draft.has_commitment = true;
    next(&scene, &draft, reason);
    free(script);
}

START_TEST(sigops_cost_80000_at_most)
{
    /* OP_0 OP_IF 8 × OP_CHECKSIG OP_ENDIF OP_1: 8 sigops that cost 1 each, none run. */
    static const uint8_t eight[12] = {0x00, 0x63, 0xac, 0xac, 0xac, 0xac,
                                      0xac, 0xac, 0xac, 0xac, 0x68, 0x51};
    static const uint8_t nine[13] = {0x00, 0x63, 0xac, 0xac, 0xac, 0xac, 0xac,
                                     0xac, 0xac, 0xac, 0xac, 0x68, 0x51};
    uint8_t programs[2][34];

    scene_init(&scene, NULL, 2);
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 1)},
                                          .input_count = 1,
                                          .amount_sat = REWARD,
                                          .script = witness_program(
                                              programs[0], (struct bytes){eight, sizeof eight})});
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 2)},
                                          .input_count = 1,
                                          .amount_sat = REWARD,
                                          .script = witness_program(
                                              programs[1], (struct bytes){nine, sizeof nine})});
    struct outpoint from8 = {txid_of(draft.txs[0]), 0}, from9 = {txid_of(draft.txs[1]), 0};
    next(&scene, &draft, NULL);
    next_sigops(from8, (struct bytes){eight, sizeof eight}, 20001, "bad-blk-sigops");
    next_sigops(from9, (struct bytes){nine, sizeof nine}, 19998,
                "bad-blk-sigops");                                        /* 79,992 and 9 */
    next_sigops(from8, (struct bytes){eight, sizeof eight}, 19998, NULL); /* 79,992 and 8 */
    scene_clear(&scene);
}
END_TEST

START_TEST(blocks_weigh_4000000_at_most)
{
    static uint8_t program[34] = {0x52, 0x20,
                                  1}; /* a version that anybody may spend, with any witness */
    uint8_t *padding = xcalloc(1, 4000000);

    scene_init(&scene, NULL, 2);
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 1)},
                                          .input_count = 1,
                                          .amount_sat = REWARD,
                                          .script = {program, sizeof program}});
    struct simple_tx heavy = {
        .inputs = {{txid_of(draft.txs[0]), 0}}, .input_count = 1, .amount_sat = REWARD};
    next(&scene, &draft, NULL);

    heavy.witness = (struct bytes){padding, 3900000};
    draft_add(&draft, &heavy);
    draft.has_commitment = true;
    struct made_block trial = make(&scene.rig.params, scene.tip, &draft);
    struct arena arena;
    struct block block;
    arena_init(&arena, SIZE_MAX);
    ck_assert(block_parse(&block, trial.raw, &arena, true));
    size_t weight = 4 * (HEADER_SIZE + 1);
    for (uint32_t t = 0; t < block.tx_count; t++)
        weight += tx_weight(&block.txs[t]);
    arena_clear(&arena);
    free((void *)trial.raw.data);

    heavy.witness.size += 4000001 - weight;
    draft_add(&draft, &heavy);
    draft.has_commitment = true;
    next(&scene, &draft, "bad-blk-weight");
    heavy.witness.size--;
    draft_add(&draft, &heavy);
    draft.has_commitment = true;
    const struct made_block *full = next(&scene, &draft, NULL);
    ck_assert_uint_gt(full->raw.size, 3990000);
    free(padding);
    scene_clear(&scene);
}
END_TEST

static void next_relative(struct outpoint from, uint32_t sequence, const char *reason)
{
    draft_add(&draft,
              &(struct simple_tx){
                  .inputs = {from}, .input_count = 1, .sequence = sequence, .amount_sat = 1000});
    next(&scene, &draft, reason);
}

START_TEST(relative_locks_hold)
{
    scene_init(&scene, NULL, 2);
    struct outpoint coins[3];
    for (int i = 0; i < 3; i++)
        coins[i] = (struct outpoint){draft_spend(&draft, coin_of(&scene, i + 1), REWARD), 0};
    const struct made_block *made = next(&scene, &draft, NULL);
    /* Ten blocks. */
    while (scene.tip->height + 1 < made->height + 9)
        next(&scene, &draft, NULL);
    next_relative(coins[0], 10, "bad-txns-nonfinal");
    next(&scene, &draft, NULL);
    next_relative(coins[0], 10, NULL);
    /* 512 seconds × 14 = 7168: between 11 and 12 blocks of 600, median time to median time. */
    ck_assert_int_eq(scene.tip->height, made->height + 10);
    next_relative(coins[1], 1 << 22 | 14, "bad-txns-nonfinal");
    next(&scene, &draft, NULL);
    next_relative(coins[1], 1 << 22 | 14, NULL);
    /* Not looked at: the disable flag. */
    next_relative(coins[2], 1u << 31 | 5000, NULL);
    /* In one block: a coin of the same block is of this height. */
    struct txid txid = draft_spend(&draft, coin_of(&scene, 4), REWARD);
    next_relative((struct outpoint){txid, 0}, 1, "bad-txns-nonfinal");
    txid = draft_spend(&draft, coin_of(&scene, 4), REWARD);
    draft.txs[draft.tx_count++] = make_tx(&(struct simple_tx){.inputs = {{txid, 0}},
                                                              .input_count = 1,
                                                              .sequence = 1 << 22,
                                                              .amount_sat = 1000}); /* 0 × 512 s */
    next(&scene, &draft, NULL);
    scene_clear(&scene);
}
END_TEST

START_TEST(relative_locks_need_csv)
{
    scene_init(&scene, "csv@113", 2);
    struct txid txid = draft_spend(&draft, coin_of(&scene, 1), REWARD);
    next(&scene, &draft, NULL);
    next_relative((struct outpoint){txid, 0}, 100, NULL); /* height 112 */
    ck_assert_int_eq(scene.tip->height, 112);
    next_relative(coin_of(&scene, 2), 112, "bad-txns-nonfinal");
    next_relative(coin_of(&scene, 2), 111, NULL);
    scene_clear(&scene);
}
END_TEST

static void next_locked(struct outpoint from, uint32_t lock_time, uint32_t sequence,
                        const char *reason)
{
    draft_add(&draft, &(struct simple_tx){.inputs = {from},
                                          .input_count = 1,
                                          .lock_time = lock_time,
                                          .sequence = sequence,
                                          .amount_sat = 1000});
    next(&scene, &draft, reason);
}

START_TEST(lock_times_hold)
{
    scene_init(&scene, NULL, 2);
    uint32_t height = (uint32_t)scene.tip->height + 1;
    next_locked(coin_of(&scene, 1), height, SEQUENCE_FINAL - 1, "bad-txns-nonfinal");
    next_locked(coin_of(&scene, 1), height - 1, SEQUENCE_FINAL - 1, NULL);
    next_locked(coin_of(&scene, 2), height + 1000, SEQUENCE_FINAL, NULL);
    /* The median of the last 11 is five before the tip. */
    uint32_t median = scene.tip->time - 5 * SPACING_S;
    next_locked(coin_of(&scene, 3), median, SEQUENCE_FINAL - 1, "bad-txns-nonfinal");
    next_locked(coin_of(&scene, 3), median - 1, SEQUENCE_FINAL - 1, NULL);
    scene_clear(&scene);
}
END_TEST

START_TEST(unspendable_outputs_are_no_coins)
{
    uint8_t *script = xmalloc(10001);

    memset(script, 0x61, 10001); /* OP_NOP */
    scene_init(&scene, NULL, 2);
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 1)},
                                          .input_count = 1,
                                          .amount_sat = 1,
                                          .script = {script, 10000}});
    struct outpoint longest = {txid_of(draft.txs[0]), 0};
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 2)},
                                          .input_count = 1,
                                          .amount_sat = 1,
                                          .script = {script, 10001}});
    struct outpoint too_long = {txid_of(draft.txs[1]), 0};
    draft_add(&draft, &(struct simple_tx){.inputs = {coin_of(&scene, 3)},
                                          .input_count = 1,
                                          .amount_sat = 1,
                                          .script = {(const uint8_t *)"\x6a", 1}});
    struct outpoint returned = {txid_of(draft.txs[2]), 0};
    next(&scene, &draft, NULL);
    (void)draft_spend(&draft, longest, 1);
    next(&scene, &draft, "block-script-verify-flag-failed (Operation limit exceeded)");
    (void)draft_spend(&draft, too_long, 1);
    next(&scene, &draft, MISSING);
    (void)draft_spend(&draft, returned, 1);
    next(&scene, &draft, MISSING);
    free(script);
    scene_clear(&scene);
}
END_TEST

#define BIG_TXS 400

/* Signed one-in-one-out transactions of all kinds from the outputs of txid. tx number bad[i] signs
 * another amount. */
static void draft_signed(const struct wallet *wallet, const struct txid *txid, uint32_t bad,
                         uint32_t also_bad)
{
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; i < BIG_TXS; i++) {
        enum wallet_kind kind = i == also_bad ? WALLET_P2PKH : WALLET_P2WPKH;
        struct tx_input input = {.prevout = {*txid, i}, .sequence = SEQUENCE_FINAL};
        struct tx_output output = {.amount_sat = 1000, .script_pubkey = true_script};
        struct tx_output prevout = {.amount_sat = i == bad ? 2001 : 2000,
                                    .script_pubkey = wallet_script(wallet, WALLET_P2WPKH, i % 8)};
        struct wallet_spend spend = {.kind = WALLET_P2WPKH, .key = i % 8};
        struct tx tx = {.version = 2,
                        .inputs = &input,
                        .input_count = 1,
                        .outputs = &output,
                        .output_count = 1};
        struct buffer raw = {0};

        if (kind == WALLET_P2PKH) { /* spends a witness output with a script_sig */
            input.script_sig = true_script;
            build_tx(&raw, &tx);
        } else {
            wallet_sign(wallet, &raw, &tx, &prevout, &spend, &arena);
        }
        draft.txs[draft.tx_count++] = buffer_give(&raw);
        arena_reset(&arena, SIZE_MAX);
    }
    arena_clear(&arena);
    draft.has_commitment = true;
}

START_TEST(one_bad_signature_among_many)
{
    struct wallet *wallet = wallet_new((struct bytes){(const uint8_t *)"rules", 5}, 8);
    struct tx_output outputs[BIG_TXS];
    struct buffer raw = {0};

    scene_init(&scene, NULL, 4);
    struct tx_input input = {.prevout = coin_of(&scene, 1), .sequence = SEQUENCE_FINAL};
    for (uint32_t i = 0; i < BIG_TXS; i++)
        outputs[i] = (struct tx_output){
            .amount_sat = 2000, .script_pubkey = wallet_script(wallet, WALLET_P2WPKH, i % 8)};
    build_tx(&raw, &(struct tx){.version = 2,
                                .inputs = &input,
                                .input_count = 1,
                                .outputs = outputs,
                                .output_count = BIG_TXS});
    struct txid txid = txid_of(buffer_bytes(&raw));
    draft.txs[draft.tx_count++] = buffer_give(&raw);
    next(&scene, &draft, NULL);

    static const char falsified[] = "block-script-verify-flag-failed (Script evaluated without "
                                    "error but finished with a false/empty top stack "
                                    "element)";
    static const char malleated[] =
        "block-script-verify-flag-failed (Witness requires empty scriptSig)";
    draft_signed(wallet, &txid, 237, BIG_TXS);
    next(&scene, &draft, falsified);
    draft_signed(wallet, &txid, BIG_TXS - 1, BIG_TXS);
    next(&scene, &draft, falsified);
    draft_signed(wallet, &txid, 0, BIG_TXS);
    next(&scene, &draft, falsified);
    /* Of two faults the first counts, whichever worker is faster. */
    for (int i = 0; i < 3; i++) {
        draft.tag = (uint32_t)i;
        draft_signed(wallet, &txid, 50, 350);
        next(&scene, &draft, falsified);
        draft.tag = (uint32_t)i;
        draft_signed(wallet, &txid, 350, 50);
        next(&scene, &draft, malleated);
    }
    draft_signed(wallet, &txid, BIG_TXS, BIG_TXS);
    next(&scene, &draft, NULL);
    wallet_free(wallet);
    scene_clear(&scene);
}
END_TEST

int main(void)
{
    return SUITE_RUN("engine_rules", malleated_copies_do_no_harm,
                     outputs_are_spent_after_they_are_made, an_outpoint_is_spent_once,
                     no_coin_is_made_twice, a_repeated_coinbase_replaces_its_coins,
                     coinbases_ripen_for_100_blocks, a_coinbase_takes_subsidy_and_fees,
                     sigops_cost_80000_at_most, blocks_weigh_4000000_at_most, relative_locks_hold,
                     relative_locks_need_csv, lock_times_hold, unspendable_outputs_are_no_coins,
                     one_bad_signature_among_many);
}
