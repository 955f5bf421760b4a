#include "chaingen/generate.h"
#include "chain/block_rules.h"
#include "chaingen/build.h"
#include "chaingen/mix.h"
#include "codec/compact.h"
#include "codec/opcode.h"
#include <stdlib.h>

/* Room in a block for what is not a planned transaction. */
#define COINBASE_WEIGHT  4000
#define COINBASE_SIGOPS  80
#define TX_WEIGHT_MAX    290000 /* of the largest shape: 200 inputs, or 3 and 100 outputs */
#define TX_SIGOPS_MAX    2900
#define TX_WEIGHT        64 /* of a transaction without inputs and outputs, and then some */
#define DEPTH_MAX        8  /* of chains of transactions within a block */
#define OUTPUT_SAT_LEAST 1000
#define NULL_DATA_MAX    80

struct generator {
    struct generate_options options;
    struct chain_point point;
    struct prng prng;
    struct schedule schedule;
    struct plan plan;
    uint64_t spent_count, scheduled_count; /* since the start; scheduled up to last_height */
    uint64_t idle_left;                    /* coins still to be made that nobody spends */
    uint64_t *reach; /* of a million: how many inputs come of making one output in each of the last
                        n + 1 blocks */
    uint32_t branch; /* 0: the main chain; tells coinbases apart */
};

/* How many coins of a million made at height will be spent by the end. */
static uint64_t reach_at(const struct generator *g, int32_t height)
{
    return g->reach[g->options.last_height - height];
}

static void init_reach(struct generator *g, int32_t first)
{
    int32_t count = g->options.last_height - first + 1;
    uint64_t sum = 0;

    g->reach = xcalloc((size_t)count + 1, sizeof *g->reach);
    for (int32_t age = 0; age < count; age++)
        g->reach[age] = sum += mix_spent_within(age);
}

/* The height at which to spend a coin, age blocks after first: never if that is after the end or
 * the wanted number of inputs is reached without it. Counts it. */
static int32_t plan_spend(struct generator *g, int32_t first, int32_t age)
{
    if (first > g->options.last_height || age > g->options.last_height - first ||
        g->spent_count + g->scheduled_count >= g->options.input_count)
        return MIX_NEVER;
    g->scheduled_count++;
    return first + age;
}

static void spend_coin(struct generator *g, struct plan_tx *t, uint32_t index,
                       const struct coin *coin, int32_t height)
{
    struct tx_input *input = &t->tx.inputs[index];
    int32_t age = height - coin->height;
    uint64_t draw = prng_below(&g->prng, 100);

    input->prevout = coin->outpoint;
    input->sequence = draw < 60   ? SEQUENCE_FINAL - 2
                      : draw < 70 ? SEQUENCE_FINAL - 1
                                  : SEQUENCE_FINAL;
    if (draw >= 98 && age <= UINT16_MAX)
        input->sequence = (uint32_t)age; /* BIP68: just old enough */
    t->parents[index] = coin->parent;
    t->spends[index] = (struct wallet_spend){
        coin->kind, coin->key, mix_draw_hash_type(&g->prng, index < t->tx.output_count)};
    t->prevouts[index] = (struct tx_output){
        .amount_sat = coin->amount_sat,
        .script_pubkey = wallet_script(g->options.wallet, coin->kind, coin->key)};
}

/* Data that means nothing, behind OP_RETURN. */
static struct bytes draw_null_data(struct generator *g)
{
    struct buffer script = {0};
    uint8_t data[NULL_DATA_MAX];
    size_t size = 2 + prng_below(&g->prng, NULL_DATA_MAX - 1);
    uint8_t *copy;

    prng_fill(&g->prng, data, size);
    buffer_u8(&script, OP_RETURN);
    buffer_push(&script, (struct bytes){data, size});
    copy = arena_alloc(&g->plan.arena, script.size);
    assert(copy != NULL);
    memcpy(copy, script.data, script.size);

    struct bytes kept = {copy, script.size};

    buffer_free(&script);
    return kept;
}

static void draw_outputs(struct generator *g, struct plan_tx *t, int32_t height,
                         uint32_t idle_count, bool has_null_data, bool may_be_spent_here)
{
    for (uint32_t i = 0; i < t->tx.output_count; i++) {
        struct plan_output *made = &t->made[i];

        if (has_null_data && i + 1 == t->tx.output_count) {
            t->tx.outputs[i].script_pubkey = draw_null_data(g);
            made->spend_height = MIX_NEVER;
            return;
        }
        made->kind = mix_draw_kind(&g->prng);
        made->key = (uint32_t)prng_below(&g->prng, wallet_key_count(g->options.wallet));
        t->tx.outputs[i].script_pubkey = wallet_script(g->options.wallet, made->kind, made->key);
        made->spend_height = MIX_NEVER;
        if (i < idle_count)
            continue;

        int32_t age = mix_draw_age(&g->prng);

        made->spend_height = plan_spend(g, height, age == 0 && !may_be_spent_here ? 1 : age);
    }
}

/* Parts left_sat among count outputs, between half and three halves of an even share each. */
static void draw_amounts(struct generator *g, struct tx_output *outputs, uint32_t count,
                         int64_t left_sat)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t even_sat = left_sat / (count - i);

        outputs[i].amount_sat =
            i + 1 == count ? left_sat
                           : even_sat / 2 + (int64_t)prng_below(&g->prng, (uint64_t)even_sat + 1);
        left_sat -= outputs[i].amount_sat;
    }
}

struct cost {
    uint64_t weight, sigops;
};

static void add_cost(struct cost *total, struct cost cost)
{
    total->weight += cost.weight;
    total->sigops += cost.sigops;
}

static struct cost tx_cost(const struct plan_tx *t)
{
    struct cost cost = {TX_WEIGHT, 0};

    for (uint32_t i = 0; i < t->tx.input_count; i++) {
        cost.weight += wallet_spend_weight[t->spends[i].kind];
        cost.sigops += wallet_spend_sigops[t->spends[i].kind];
    }
    for (uint32_t i = 0; i < t->tx.output_count; i++) {
        struct bytes script = t->tx.outputs[i].script_pubkey;
        uint8_t last = script.data[script.size - 1];

        cost.weight += WITNESS_SCALE * (8 + 1 + script.size);
        if (script.data[0] != OP_RETURN && last == OP_CHECKSIG)
            cost.sigops += WITNESS_SCALE;
    }
    return cost;
}

/* The coins that a planned transaction makes and its own block spends; the txid comes when it is
 * signed. */
static void add_pending(struct coin_list *pending, const struct plan *plan, uint32_t tx_index,
                        uint8_t depth, int32_t height)
{
    const struct plan_tx *t = &plan->txs[tx_index];

    for (uint32_t i = 0; i < t->tx.output_count; i++)
        if (t->made[i].spend_height == height)
            coin_list_push(pending, &(struct coin){.outpoint.vout = i,
                                                   .amount_sat = t->tx.outputs[i].amount_sat,
                                                   .height = height,
                                                   .parent = tx_index,
                                                   .key = (uint16_t)t->made[i].key,
                                                   .kind = (uint8_t)t->made[i].kind,
                                                   .depth = depth});
}

static size_t find_richest(const struct coin_list *list)
{
    size_t best = 0;

    for (size_t i = 1; i < list->count; i++)
        if (list->coins[i].amount_sat > list->coins[best].amount_sat)
            best = i;
    return best;
}

/* As many outputs as shape has, or as sum_sat is enough for, behind the idle ones. */
static uint32_t count_outputs(struct mix_shape shape, int64_t sum_sat)
{
    uint32_t affordable = 1;

    if (sum_sat / (2 * OUTPUT_SAT_LEAST) >= shape.output_count)
        affordable = shape.output_count;
    else if (sum_sat / (2 * OUTPUT_SAT_LEAST) > 1)
        affordable = (uint32_t)(sum_sat / (2 * OUTPUT_SAT_LEAST));
    return shape.idle_count + affordable;
}

/* Idle outputs have little, the others part what the fee leaves; gives the fee. */
static int64_t draw_money(struct generator *g, struct plan_tx *t, uint32_t idle_count,
                          uint32_t output_count, int64_t sum_sat, uint64_t weight)
{
    int64_t fee_sat = (int64_t)((1 + prng_below(&g->prng, 20)) * weight / WITNESS_SCALE);
    int64_t idle_sat = OUTPUT_SAT_LEAST;

    if (fee_sat > sum_sat / 10)
        fee_sat = sum_sat / 10;
    if (idle_count > 0 && idle_sat > sum_sat / 2 / idle_count)
        idle_sat = sum_sat / 2 / idle_count;
    for (uint32_t i = 0; i < idle_count; i++)
        t->tx.outputs[i].amount_sat = idle_sat;
    draw_amounts(g, t->tx.outputs + idle_count, output_count - idle_count,
                 sum_sat - fee_sat - idle_sat * idle_count);
    return fee_sat;
}

/* Plans one transaction that spends some of the pending coins. */
static struct cost plan_tx(struct generator *g, int32_t height, struct coin_list *pending,
                           struct mix_shape shape)
{
    uint32_t input_count =
        shape.input_count < pending->count ? shape.input_count : (uint32_t)pending->count;
    bool has_null_data = prng_below(&g->prng, 100) < 4;
    uint32_t tx_index = g->plan.count;
    struct coin *coins = arena_array(&g->plan.arena, input_count, sizeof *coins);
    int64_t sum_sat = 0;
    uint8_t depth = 0;

    assert(coins != NULL);
    for (uint32_t i = 0; i < input_count; i++) {
        size_t at = shape.idle_count ? find_richest(pending) : prng_below(&g->prng, pending->count);

        coins[i] = coin_list_take(pending, at);
        sum_sat += coins[i].amount_sat;
        depth = coins[i].depth > depth ? coins[i].depth : depth;
    }

    uint32_t output_count = count_outputs(shape, sum_sat);
    struct plan_tx *t = plan_add(&g->plan, input_count, output_count + has_null_data);

    t->tx.version = prng_below(&g->prng, 5) == 0 ? 1 : 2;
    t->tx.lock_time = prng_below(&g->prng, 10) < 3 ? (uint32_t)height - 1 : 0;
    for (uint32_t i = 0; i < input_count; i++)
        spend_coin(g, t, i, &coins[i], height);
    draw_outputs(g, t, height, shape.idle_count, has_null_data, depth < DEPTH_MAX);

    struct cost cost = tx_cost(t);

    g->plan.fees_sat += draw_money(g, t, shape.idle_count, output_count, sum_sat, cost.weight);
    g->plan.input_count += input_count;
    g->spent_count += input_count;
    g->scheduled_count -= input_count;
    add_pending(pending, &g->plan, tx_index, depth + 1, height);
    return cost;
}
/* This block's part of the idle coins, in one transaction that keeps the change. */
static struct cost plan_idle_coins(struct generator *g, int32_t height, struct coin_list *pending)
{
    uint64_t block_count = (uint64_t)(g->options.last_height - height) + 1;
    uint64_t share = (g->idle_left + block_count - 1) / block_count;
    uint32_t count = share < GENERATE_IDLE_MAX ? (uint32_t)share : GENERATE_IDLE_MAX;

    g->idle_left -= count;
    return plan_tx(g, height, pending, (struct mix_shape){1, 1, count});
}

/* Spends what is to be spent at height; pending keeps what did not fit. */
static void plan_block(struct generator *g, int32_t height, struct coin_list *pending)
{
    uint64_t used = g->spent_count + g->scheduled_count;
    uint64_t missing = g->options.input_count > used ? g->options.input_count - used : 0;
    uint64_t wanted =
        missing * MIX_MILLION / reach_at(g, height); /* new coins, to get there evenly */
    uint64_t made = 0;
    struct cost total = {COINBASE_WEIGHT, COINBASE_SIGOPS};

    plan_reset(&g->plan);
    if (pending->count > 0 && g->idle_left > 0)
        add_cost(&total, plan_idle_coins(g, height, pending));
    while (pending->count > 0 && total.weight + TX_WEIGHT_MAX <= BLOCK_WEIGHT_MAX &&
           total.sigops + TX_SIGOPS_MAX <= BLOCK_SIGOP_COST_MAX) {
        struct mix_shape shape =
            mix_draw_shape(&g->prng, pending->count, wanted > made ? wanted - made : 0);
        struct cost cost = plan_tx(g, height, pending, shape);

        made += g->plan.txs[g->plan.count - 1].tx.output_count;
        add_cost(&total, cost);
    }
}

/* The coins of the signed block that later blocks spend, and those that did not fit. */
static void schedule_coins(struct generator *g, int32_t height, struct coin_list *pending)
{
    for (uint32_t k = 0; k < g->plan.count; k++) {
        const struct plan_tx *t = &g->plan.txs[k];

        for (uint32_t i = 0; i < t->tx.output_count; i++)
            if (t->made[i].spend_height != height && t->made[i].spend_height != MIX_NEVER)
                schedule_push(&g->schedule, t->made[i].spend_height,
                              &(struct coin){.outpoint = {t->txid, i},
                                             .amount_sat = t->tx.outputs[i].amount_sat,
                                             .height = height,
                                             .parent = COIN_NO_PARENT,
                                             .key = (uint16_t)t->made[i].key,
                                             .kind = (uint8_t)t->made[i].kind});
    }
    for (size_t i = 0; i < pending->count; i++) {
        struct coin coin = pending->coins[i];

        if (coin.parent != COIN_NO_PARENT)
            coin.outpoint.txid = g->plan.txs[coin.parent].txid;
        coin.parent = COIN_NO_PARENT;
        coin.depth = 0;
        schedule_push(&g->schedule, height + 1, &coin);
    }
}

/* Draws the coinbase's coin, whose txid comes with the block, and writes the coinbase over raw. */
static struct coin make_coinbase(struct generator *g, int32_t height, struct buffer *raw)
{
    struct coin coin = {.amount_sat = block_subsidy(g->options.params, height) + g->plan.fees_sat,
                        .height = height,
                        .parent = COIN_NO_PARENT,
                        .kind = (uint8_t)mix_draw_kind(&g->prng),
                        .is_coinbase = true};
    struct buffer extra = {0};

    coin.key = (uint16_t)prng_below(&g->prng, wallet_key_count(g->options.wallet));
    buffer_put(&extra, "/chaingen/", 10);
    buffer_le64(&extra, g->options.seed);
    buffer_le32(&extra, g->branch);
    buffer_clear(raw);
    build_coinbase(raw, &(struct build_coinbase){
                            .height = height,
                            .extra = buffer_bytes(&extra),
                            .amount_sat = coin.amount_sat,
                            .script_pubkey = wallet_script(g->options.wallet, coin.kind, coin.key),
                            .has_commitment = true});
    buffer_free(&extra);
    return coin;
}

/* Puts the signed transactions behind the coinbase. Gives the coinbase's txid. */
static struct txid finish_block(struct generator *g, int32_t height, struct bytes coinbase,
                                struct buffer *out)
{
    const struct generate_options *options = &g->options;
    struct header header = {.version = 0x20000000,
                            .prev_hash = g->point.hash,
                            .time = options->last_time -
                                    (uint32_t)(options->last_height - height) * options->spacing_s,
                            .bits = BUILD_REGTEST_BITS};
    struct bytes *txs = arena_array(&g->plan.arena, g->plan.count + 1, sizeof *txs);
    struct tx tx;

    assert(txs != NULL);
    txs[0] = coinbase;
    for (uint32_t i = 0; i < g->plan.count; i++)
        txs[i + 1] = buffer_bytes(&g->plan.txs[i].raw);
    g->point.hash = build_block(out, &header, txs, g->plan.count + 1);
    g->point.height = height;
    assert(out->size <= BLOCK_SIZE_MAX);

    size_t first_pos = HEADER_SIZE + compact_size(g->plan.count + 1);
    bool is_tx =
        tx_parse(&tx, (struct bytes){out->data + first_pos, coinbase.size}, &g->plan.arena);

    assert(is_tx);
    return tx.txid;
}

static void count_block(struct totals *totals, const struct plan *plan, int64_t subsidy_sat)
{
    totals->tx_count += 1 + plan->count;
    totals->input_count += plan->input_count;
    totals->output_count += 2; /* reward and commitment */
    totals->coin_count += 1;
    totals->amount_sat += subsidy_sat; /* the fees were coins and become a coin */
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct tx *tx = &plan->txs[k].tx;

        totals->output_count += tx->output_count;
        for (uint32_t i = 0; i < tx->output_count; i++)
            totals->coin_count += tx->outputs[i].script_pubkey.data[0] != OP_RETURN;
    }
    totals->coin_count -= plan->input_count;
}

void generator_next(struct generator *g, struct buffer *out)
{
    int32_t height = g->point.height + 1;
    struct coin_list pending = schedule_take(&g->schedule, height);
    struct buffer coinbase_raw = {0};

    plan_block(g, height, &pending);
    sign_pool_run(g->options.pool, &g->plan);
    schedule_coins(g, height, &pending);
    coin_list_free(&pending);

    struct coin coinbase = make_coinbase(g, height, &coinbase_raw);
    int32_t age = height <= 20 ? 0 : mix_draw_age(&g->prng); /* the first ones are needed at once */
    int32_t spend_height = plan_spend(g, height + COINBASE_MATURITY, age);

    coinbase.outpoint.txid = finish_block(g, height, buffer_bytes(&coinbase_raw), out);
    schedule_push(&g->schedule, spend_height, &coinbase);
    count_block(&g->point.totals, &g->plan, block_subsidy(g->options.params, height));
    buffer_free(&coinbase_raw);
}

struct generator *generator_new(const struct generate_options *options,
                                const struct chain_point *point, const struct coin_list *coins)
{
    struct generator *g = xcalloc(1, sizeof *g);
    int32_t first = point->height + 1;

    g->options = *options;
    g->point = *point;
    g->idle_left = options->idle_count;
    prng_init(&g->prng, options->seed ^ le64_read(point->hash.bytes));
    schedule_init(&g->schedule, first, options->last_height);
    plan_init(&g->plan);
    init_reach(g, first);
    for (size_t i = 0; coins && i < coins->count; i++) {
        const struct coin *coin = &coins->coins[i];
        int32_t mature = coin->is_coinbase ? coin->height + COINBASE_MATURITY : first;
        int32_t age = mix_draw_age(&g->prng);

        schedule_push(&g->schedule, plan_spend(g, mature > first ? mature : first, age), coin);
    }
    return g;
}

struct generator *generator_branch(const struct generator *from, uint32_t number, int32_t length,
                                   bool shares_txs)
{
    struct generator *g = xcalloc(1, sizeof *g);
    int32_t first = from->point.height + 1;

    *g = *from;
    g->branch = number;
    plan_init(&g->plan);
    schedule_copy(&g->schedule, &from->schedule, first, from->point.height + length);
    if (!shares_txs)
        prng_init(&g->prng, from->options.seed + number);
    return g;
}

void generator_free(struct generator *g)
{
    if (g == NULL)
        return;
    schedule_free(&g->schedule);
    plan_free(&g->plan);
    if (g->branch == 0) /* a branch has that of its origin */
        free(g->reach);
    free(g);
}

const struct chain_point *generator_point(const struct generator *g)
{
    return &g->point;
}
