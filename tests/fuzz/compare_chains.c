/* compare_chains SEED BLOCKS: random blocks of regtest, good and bad, through our engine and
 * through the reference node's library (CAESURE_KERNEL, kernel.h): after each block both have the
 * same tip. Transactions spend coins of every kind with signatures (spend_maker.h), also coins of
 * their own block, with locks near their limits; blocks fork, and are spoiled in one way or
 * another. */
#include "../unit/block_maker.h"
#include "base/random.h"
#include "codec/opcode.h"
#include "kernel.h"
#include "script/verify.h"
#include "spend_maker.h"

#define CHOICES   48
#define COINS_MAX 1500
#define STATES    16
#define TX_TRIES  16
#define SKIP      77  /* for meson */
#define LIFE      400 /* blocks between two starts */

struct coin {
    struct outpoint outpoint;
    int64_t amount_sat;
    int32_t height;
    bool is_coinbase;
    uint8_t choices[CHOICES];
};

/* What stands after a block, if it is valid. */
struct state {
    struct made_block block; /* its raw bytes are not kept */
    uint32_t times[11];      /* of it and those before, the newest first */
    size_t coin_count;
    struct coin coins[COINS_MAX];
};

/* Our engine and theirs. */
struct pair {
    struct prng random;
    const secp256k1_context *ctx;
    struct script_machine *machine;
    struct rig rig;
    struct simdisk *sim;
    struct kernel_chain *theirs;
    char directory[64];
    struct state *states[STATES]; /* the last ones; the tip's is among them */
    size_t next_state;
    struct state *tip;
    uint64_t sigop_cost;  /* of the transactions of the block that is being made */
    uint32_t branch_left; /* blocks to come on the branch of the last one */
    uint64_t tx_count, accepted_count, refused_count, reorg_count;
};

static uint64_t below(struct pair *w, uint64_t limit)
{
    return prng_below(&w->random, limit);
}

static bool one_in(struct pair *w, uint64_t n)
{
    return below(w, n) == 0;
}

static uint32_t median_time(const struct state *state)
{
    uint32_t sorted[11];

    memcpy(sorted, state->times, sizeof sorted);
    for (int i = 1; i < 11; i++)
        for (int k = i; k > 0 && sorted[k] < sorted[k - 1]; k--) {
            uint32_t t = sorted[k];
            sorted[k] = sorted[k - 1];
            sorted[k - 1] = t;
        }
    return sorted[5];
}

/* ---- coins ---- */

static struct choices coin_choices(const struct coin *coin)
{
    return (struct choices){coin->choices, coin->choices + CHOICES};
}

/* Choices, and the script that they stand for; malloc'ed. */
static struct bytes choose_script(struct pair *w, uint8_t choices[CHOICES])
{
    struct spend spend = {0};
    struct spend_plan plan = {.input_count = 1, .has_fixed_scripts = true};

    prng_fill(&w->random, choices, CHOICES);
    plan.inputs[0].choices = (struct choices){choices, choices + CHOICES};
    spend_make(&spend, &plan, w->ctx);
    struct bytes script = {spend.scripts[0].data, spend.scripts[0].size};
    spend.scripts[0].data = NULL;
    spend_clear(&spend);
    return script;
}

/* ---- transactions ---- */

/* Locks at their limits, one in some blocks. */
static uint32_t choose_sequence(struct pair *w, const struct coin *coin, int32_t height)
{
    uint32_t depth = (uint32_t)(height - coin->height);

    if (!one_in(w, 40))
        return one_in(w, 4) ? 0xfffffffe : SEQUENCE_FINAL;
    switch (below(w, 3)) {
    case 0:
        return depth + (uint32_t)below(w, 2);
    case 1:
        return 1u << 22 | (uint32_t)below(w, 4 + depth * 2);
    default:
        return 1u << 31 | (uint32_t)below(w, 100);
    }
}

static uint32_t choose_lock_time(struct pair *w, const struct state *parent)
{
    if (!one_in(w, 20))
        return 0;
    return one_in(w, 2) ? (uint32_t)parent->block.height + (uint32_t)below(w, 2)
                        : median_time(parent) - 1 + (uint32_t)below(w, 2);
}

static bool passes(struct pair *w, const struct spend *spend)
{
    struct sighash_parts parts;
    struct arena arena;
    struct tx tx;
    bool is_valid = true;

    arena_init(&arena, 1 << 20);
    bool is_tx = tx_parse(&tx, (struct bytes){spend->tx.data, spend->tx.size}, &arena);
    assert(is_tx);
    sighash_parts_init(&parts, &tx, spend->prevouts);
    for (uint32_t i = 0; is_valid && i < tx.input_count; i++)
        is_valid = script_verify(w->machine, &tx, i, spend->prevouts, &parts,
                                 SCRIPT_VERIFY_CONSENSUS) == SCRIPT_OK;
    arena_clear(&arena);
    return is_valid;
}

/* By itself, with a lock time of 0. */
static bool is_spendable(struct pair *w, const struct coin *coin)
{
    struct spend spend = {0};
    struct spend_plan plan = {.version = 2, .input_count = 1, .has_fixed_scripts = true};

    plan.inputs[0] = (struct spend_input){.choices = coin_choices(coin),
                                          .outpoint = coin->outpoint,
                                          .amount_sat = coin->amount_sat,
                                          .sequence = SEQUENCE_FINAL};
    spend_make_signed(&spend, &plan, w->ctx);
    bool is_valid = passes(w, &spend);
    spend_clear(&spend);
    return is_valid;
}

/* Those that nobody can spend are of little use. */
static void add_coin(struct pair *w, struct state *state, const struct coin *coin,
                     struct bytes script)
{
    if (state->coin_count < COINS_MAX && coin_is_possible(script) &&
        (is_spendable(w, coin) || one_in(w, 20)))
        state->coins[state->coin_count++] = *coin;
}

/* Inputs from the state's coins, whose numbers come to from. */
static void plan_inputs(struct pair *w, const struct state *state, int32_t height,
                        struct spend_plan *plan, size_t from[SPEND_INPUTS_MAX])
{
    uint32_t wanted = 1 + (uint32_t)below(w, SPEND_INPUTS_MAX);

    for (int tries = 0; tries < 20 && plan->input_count < wanted; tries++) {
        size_t c = one_in(w, 2) ? state->coin_count - 1 -
                                      below(w, state->coin_count < 40 ? state->coin_count : 40)
                                : below(w, state->coin_count);
        const struct coin *coin = &state->coins[c];
        bool is_taken = false;

        for (uint32_t i = 0; i < plan->input_count; i++)
            is_taken |= from[i] == c;
        if ((is_taken && !one_in(w, 200)) ||
            (coin->is_coinbase && height - coin->height < 100 && !one_in(w, 500)))
            continue;
        from[plan->input_count] = c;
        plan->inputs[plan->input_count++] =
            (struct spend_input){.choices = coin_choices(coin),
                                 .outpoint = coin->outpoint,
                                 .amount_sat = coin->amount_sat,
                                 .sequence = choose_sequence(w, coin, height)};
    }
}

/* The coins that it makes, but for their txid. Outputs' scripts are malloc'ed. */
static int64_t plan_outputs(struct pair *w, struct spend_plan *plan, struct coin *made)
{
    int64_t sum = 0;
    uint32_t count = 1 + (uint32_t)below(w, 4);

    for (uint32_t i = 0; i < plan->input_count; i++)
        sum += plan->inputs[i].amount_sat;
    int64_t fee = one_in(w, 300) ? -1 : (int64_t)below(w, (uint64_t)sum / 20 + 1), left = sum - fee;
    for (uint32_t i = 0; i < count; i++) {
        int64_t amount = i + 1 == count ? left : (int64_t)below(w, (uint64_t)left + 1);

        left -= amount;
        plan->outputs[i] = (struct tx_output){.amount_sat = amount,
                                              .script_pubkey = choose_script(w, made[i].choices)};
        made[i].amount_sat = amount;
        made[i].outpoint.vout = i;
    }
    plan->output_count = count;
    return fee;
}

static void take_coins(struct state *state, const struct spend_plan *plan)
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        for (size_t c = 0; c < state->coin_count; c++)
            if (memcmp(&state->coins[c].outpoint, &plan->inputs[i].outpoint,
                       sizeof(struct outpoint)) == 0) {
                state->coins[c] = state->coins[--state->coin_count];
                break;
            }
}

/* One transaction more, if it passes, or now and then if not. */
static void try_tx(struct pair *w, struct state *state, const struct state *parent,
                   struct draft *draft)
{
    static const uint32_t versions[] = {2, 2, 2, 1, 3, 0xffffffff};
    struct coin made[SPEND_OUTPUTS_MAX] = {0};
    struct spend_plan plan = {.version = versions[below(w, ARRAY_COUNT(versions))],
                              .lock_time = choose_lock_time(w, parent),
                              .has_fixed_scripts = true};
    size_t from[SPEND_INPUTS_MAX];
    struct spend spend = {0};

    plan_inputs(w, state, parent->block.height + 1, &plan, from);
    if (plan.input_count == 0)
        return;
    int64_t fee = plan_outputs(w, &plan, made);
    spend_make_signed(&spend, &plan, w->ctx);
    if (passes(w, &spend) || one_in(w, 60)) {
        struct arena arena;
        struct tx tx;

        arena_init(&arena, 1 << 20);
        bool is_tx = tx_parse(&tx, (struct bytes){spend.tx.data, spend.tx.size}, &arena);
        assert(is_tx);
        w->sigop_cost += tx_sigop_cost(&tx, spend.prevouts, SCRIPT_VERIFY_CONSENSUS);
        take_coins(state, &plan);
        for (uint32_t i = 0; i < plan.output_count; i++) {
            made[i].outpoint.txid = tx.txid;
            made[i].height = parent->block.height + 1;
            add_coin(w, state, &made[i], plan.outputs[i].script_pubkey);
        }
        arena_clear(&arena);
        draft->txs[draft->tx_count++] = build_take(&spend.tx);
        draft->has_commitment = true;
        draft->extra_sat += fee;
        w->tx_count++;
    }
    for (uint32_t i = 0; i < plan.output_count; i++)
        free((void *)plan.outputs[i].script_pubkey.data);
    spend_clear(&spend);
}

/* ---- blocks ---- */

static void spoil_draft(struct pair *w, const struct state *parent, struct draft *draft)
{
    size_t count = draft->tx_count, a = count ? below(w, count) : 0,
           b = count ? below(w, count) : 0;
    struct bytes other = draft->txs[a];

    switch (below(w, 8)) {
    case 0:
        draft->extra_sat++;
        return;
    case 1:
        draft->has_commitment = false;
        return;
    case 2: /* twice the same */
        if (count > 0) {
            draft->txs[draft->tx_count] =
                (struct bytes){memcpy(xmalloc(other.size), other.data, other.size), other.size};
            draft->tx_count++;
        }
        return;
    case 3: /* perhaps before its parent */
        draft->txs[a] = draft->txs[b];
        draft->txs[b] = other;
        return;
    case 4:
        draft->time_s = median_time(parent) + (uint32_t)below(w, 2);
        return;
    case 5:
        draft->time_s = (uint32_t)time(NULL) + (one_in(w, 2) ? 7200 - 300 : 7200 + 300);
        return;
    case 6: /* without a transaction that others may need */
        if (count > 1) {
            free((void *)draft->txs[a].data);
            draft->txs[a] = draft->txs[--draft->tx_count];
        }
        return;
    case 7:
        draft->extra_sat -= (int64_t)below(w, 1000);
        return;
    }
}

/* The weight of the block that a draft would become. */
static uint64_t draft_weight(struct pair *w, const struct state *parent, const struct draft *draft)
{
    static struct draft copy;
    struct arena arena;
    struct block block;

    copy = *draft;
    for (size_t i = 0; i < copy.tx_count; i++)
        copy.txs[i].data =
            memcpy(xmalloc(copy.txs[i].size), draft->txs[i].data, draft->txs[i].size);
    struct made_block made = make(&w->rig.params, &parent->block, &copy);
    arena_init(&arena, SIZE_MAX);
    bool is_block = block_parse(&block, made.raw, &arena, false);
    assert(is_block);
    uint64_t weight = block_weight(&block);
    arena_clear(&arena);
    free((void *)made.raw.data);
    return weight;
}

/* A script of the coinbase's output that brings the block to the edge of weight or of sigops;
 * malloc'ed. */
static struct bytes edge_script(struct pair *w, const struct state *parent, struct draft *draft)
{
    bool is_weight = one_in(w, 3);
    size_t size = is_weight ? 980000 : (BLOCK_SIGOP_COST_MAX - w->sigop_cost) / WITNESS_SCALE;
    uint8_t *script = memset(xmalloc(1 << 20), is_weight ? OP_RETURN : OP_CHECKSIG, 1 << 20);

    draft->coinbase_script = (struct bytes){script, size};
    if (is_weight)
        size += (BLOCK_WEIGHT_MAX - draft_weight(w, parent, draft)) / WITNESS_SCALE;
    size += below(w, 3) - 1;
    return (struct bytes){script, size};
}

static void spoil_bytes(struct pair *w, struct made_block *made)
{
    uint8_t *raw = (uint8_t *)made->raw.data;
    size_t at = one_in(w, 3) ? below(w, HEADER_SIZE) : below(w, made->raw.size);
    static const unsigned seals[] = {0, BUILD_NONCE, BUILD_MERKLE | BUILD_NONCE, BUILD_ALL};
    unsigned seal = seals[below(w, ARRAY_COUNT(seals))];

    raw[at] ^= (uint8_t)(1u << below(w, 8));
    if (at / 4 == 18) /* bits: nobody could find a nonce */
        seal = 0;
    if (!build_seal(&made->hash, raw, made->raw.size, seal))
        made->hash = block_hash_of(made->raw); /* it no longer parses */
}

/* A block behind parent, and what stands after it. */
static struct state *make_next(struct pair *w, const struct state *parent)
{
    static struct draft draft;
    struct state *state = xmalloc(sizeof *state);
    struct coin reward = {.height = parent->block.height + 1, .is_coinbase = true};
    struct bytes script = choose_script(w, reward.choices);
    bool has_edge = one_in(w, 60);

    *state = *parent;
    w->sigop_cost = 0;
    draft.tag = (uint32_t)prng_next(&w->random);
    draft.time_s = median_time(parent) + 1 + (uint32_t)below(w, 1200);
    for (uint64_t i = 0, wanted = below(w, TX_TRIES); state->coin_count > 0 && i < wanted; i++)
        try_tx(w, state, parent, &draft);
    if (has_edge) {
        free((void *)script.data);
        script = edge_script(w, parent, &draft);
    } else if (one_in(w, 8)) {
        spoil_draft(w, parent, &draft);
    }
    draft.coinbase_script = script;
    reward.amount_sat = block_subsidy(&w->rig.params, reward.height) + draft.extra_sat;
    state->block = make(&w->rig.params, &parent->block, &draft);
    reward.outpoint.txid = state->block.coinbase;
    if (one_in(w, 15))
        spoil_bytes(w, &state->block);
    if (!has_edge)
        add_coin(w, state, &reward, script);
    memmove(state->times + 1, parent->times, sizeof state->times - sizeof *state->times);
    state->times[0] = state->block.time;
    free((void *)script.data);
    return state;
}

static struct block_hash our_tip(struct pair *w)
{
    char *answer = rig_ask(&w->rig, "tip", NULL), hex[65];
    struct block_hash tip;

    bool is_hash = rig_value(answer, "hash", hex, sizeof hex) && hash_from_hex(tip.bytes, hex);
    assert(is_hash);
    free(answer);
    return tip;
}

/* What stands after the block with that hash. */
static struct state *find_state(struct pair *w, const struct block_hash *hash)
{
    for (size_t i = 0; i < STATES; i++)
        if (w->states[i] && block_hash_equal(&w->states[i]->block.hash, hash))
            return w->states[i];
    return NULL;
}

static void keep_state(struct pair *w, struct state *state)
{
    while (w->states[w->next_state] && w->states[w->next_state] == w->tip)
        w->next_state = (w->next_state + 1) % STATES;
    free(w->states[w->next_state]);
    w->states[w->next_state] = state;
    w->next_state = (w->next_state + 1) % STATES;
}

static void open_ours(struct pair *w)
{
    if (rig_open(&w->rig) != ENGINE_OK) {
        fprintf(stderr, "%s\n", w->rig.error);
        abort();
    }
}

static struct state *back(const struct pair *w, size_t count)
{
    return w->states[(w->next_state + STATES - 1 - count) % STATES];
}

/* The tip; or one of the last blocks, for a branch of some blocks, valid or not. */
static const struct state *choose_parent(struct pair *w)
{
    const struct state *other = NULL;

    if (w->branch_left > 0) {
        w->branch_left--;
        other = back(w, 0);
    } else if (one_in(w, 12)) {
        w->branch_left = (uint32_t)below(w, 6);
        other = back(w, below(w, 5));
    }
    return other ? other : w->tip;
}

static void report(const struct state *state, const struct state *parent, const char *reason)
{
    char hash[65];

    hash_to_hex(hash, state->block.hash.bytes);
    fprintf(stderr, "after block %s, height %d, behind one of height %d, for us: %s\n", hash,
            state->block.height, parent->block.height, reason);
    for (size_t i = 0; i < state->block.raw.size; i++)
        fprintf(stderr, "%02x", state->block.raw.data[i]);
    fprintf(stderr, "\n");
}

/* False: the tips differ. */
static bool step(struct pair *w)
{
    const struct state *parent = choose_parent(w);
    struct state *state = make_next(w, parent);
    struct fed fed = feed(&w->rig, state->block.raw);
    struct block_hash ours = our_tip(w), theirs;

    kernel_chain_feed(w->theirs, state->block.raw);
    kernel_chain_tip(w->theirs, &theirs);
    if (!block_hash_equal(&ours, &theirs)) {
        report(state, parent, fed.reason);
        return false;
    }
    free((void *)state->block.raw.data);
    state->block.raw = (struct bytes){NULL, 0};
    w->accepted_count += fed.verdict == VALID;
    w->refused_count += fed.verdict != VALID;
    w->reorg_count += parent != w->tip && block_hash_equal(&ours, &state->block.hash);
    keep_state(w, state);
    w->tip = find_state(w, &ours);
    assert(w->tip); /* a branch is never as long as states are kept */
    return true;
}

/* Without the key the ledger is made anew from blocks.bin, of blocks known to be valid; without
 * metadata.bin they are judged again. */
static void restart(struct pair *w)
{
    uint64_t lost = below(w, 3);
    char *before = rig_coins(&w->rig);

    ck_assert(rig_close(&w->rig) == ENGINE_OK);
    if (lost > 0)
        simdisk_put(w->sim, "ledger/key", (struct bytes){NULL, 0});
    if (lost > 1)
        simdisk_put(w->sim, "metadata.bin", (struct bytes){NULL, 0});
    open_ours(w);
    char *after = rig_coins(&w->rig);
    ck_assert_msg(strcmp(before, after) == 0, "before:\n%safter:\n%s", before, after);
    free(before);
    free(after);
}

static void begin(struct pair *w, uint64_t seed)
{
    *w = (struct pair){.ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE),
                       .machine = script_machine_new()};
    prng_init(&w->random, seed);
    snprintf(w->directory, sizeof w->directory, "/tmp/compare-chains-XXXXXX");
    char *made = mkdtemp(w->directory);
    assert(made);
    w->theirs = kernel_chain_new(w->directory);
    rig_init(&w->rig, NETWORK_REGTEST);
    w->sim = rig_on_sim(&w->rig, seed);
    w->rig.config.worker_count = 1 + seed % 3;
    w->rig.config.tag_bits = seed % 2 ? 64 : 12; /* 12: many coins' tags are equal */
    if (seed % 5 == 0)
        w->rig.config.resident_limit = 0; /* each coin is read back */
    open_ours(w);
    w->tip = xcalloc(1, sizeof *w->tip);
    w->tip->block = genesis_made(&w->rig.params);
    for (int i = 0; i < 11; i++)
        w->tip->times[i] = w->tip->block.time;
    keep_state(w, w->tip);
}

static void end(struct pair *w)
{
    char command[128];

    enum engine_error error = rig_close(&w->rig);
    assert(error == ENGINE_OK);
    simdisk_free(w->sim);
    rig_clear(&w->rig);
    kernel_chain_free(w->theirs);
    for (size_t i = 0; i < STATES; i++)
        free(w->states[i]);
    script_machine_free(w->machine);
    secp256k1_context_destroy((secp256k1_context *)w->ctx);
    snprintf(command, sizeof command, "rm -rf %s", w->directory);
    int rc = system(command);
    assert(rc == 0);
}

static uint64_t seed = 1, block_count = 1000; /* the arguments */

/* A test of Check, for the helpers of the unit tests want to be in one. */
START_TEST(both_have_the_same_tip)
{
    static struct pair w;

    begin(&w, seed);
    for (uint64_t i = 0; i < block_count; i++) {
        if (i % LIFE == LIFE - 1)
            restart(&w);
        ck_assert_msg(step(&w), "seed %lu, block %lu: not the same tip", seed, i);
    }
    printf("%lu blocks accepted, %lu refused, %lu reorganisations, %lu transactions, height %d\n",
           w.accepted_count, w.refused_count, w.reorg_count, w.tx_count, w.tip->block.height);
    end(&w);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("compare_chains");
    TCase *tcase = tcase_create("compare_chains");

    if (!kernel_is_there()) {
        printf("CAESURE_KERNEL names no library of the reference node\n");
        return SKIP;
    }
    if (argc > 2) {
        seed = strtoull(argv[1], NULL, 10);
        block_count = strtoull(argv[2], NULL, 10);
    }
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, both_have_the_same_tip);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed_count = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed_count != 0;
}
