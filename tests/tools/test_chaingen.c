/* What chaingen makes, checked block by block: all rules, all scripts with policy flags, the mix.
 */
#include "chain/block_rules.h"
#include "chain/header_rules.h"
#include "chaingen/build.h"
#include "chaingen/chain_file.h"
#include "chaingen/coin_set.h"
#include "chaingen/mix.h"
#include "chaingen/writer.h"
#include "script/classify.h"
#include "script/verify.h"
#include "shared_files.h"
#include <unistd.h>

#define AGE_MAX 200

/* A plain node: one chain, one set of coins. */
struct checker {
    struct params params;
    struct header_tree *tree;
    const struct wallet *wallet;
    struct script_machine *machine;
    struct coin_set coins;
    struct totals totals;
    struct block_hash tip;
    uint32_t script_flags; /* 0: scripts are not run */
    /* of the coins made from count_first to count_last, coinbases aside */
    int32_t count_first, count_last;
    uint64_t made_count, kind_counts[WALLET_KIND_COUNT], age_counts[AGE_MAX + 1];
    uint64_t shape_1_to_2, shape_200_inputs, shape_100_outputs, null_data_count;
};

static struct wallet *wallet_of(const char *seed)
{
    return wallet_new((struct bytes){(const uint8_t *)seed, strlen(seed)}, 64);
}

static void checker_init(struct checker *c, const struct wallet *wallet)
{
    *c = (struct checker){.wallet = wallet, .script_flags = SCRIPT_VERIFY_ALL};
    params_init(&c->params, NETWORK_REGTEST);
    c->tree = header_tree_new(&c->params, (struct siphash_key){3, 4});
    c->machine = script_machine_new();
    c->tip = c->params.genesis_hash;
    c->totals = (struct totals){.tx_count = 1, .output_count = 1};
}

static void checker_clear(struct checker *c)
{
    header_tree_free(c->tree);
    script_machine_free(c->machine);
    coin_set_free(&c->coins);
}

static bool is_counted(const struct checker *c, int32_t height)
{
    return height >= c->count_first && height <= c->count_last;
}

static void add_outputs(struct checker *c, const struct tx *tx, int32_t height)
{
    bool is_coinbase = tx_is_coinbase(tx);

    c->totals.output_count += tx->output_count;
    for (uint32_t i = 0; i < tx->output_count; i++) {
        struct coin coin = {.outpoint = {tx->txid, i},
                            .amount_sat = tx->outputs[i].amount_sat,
                            .height = height,
                            .is_coinbase = is_coinbase};
        enum wallet_kind kind;
        uint32_t key;

        if (script_is_unspendable(tx->outputs[i].script_pubkey)) {
            c->null_data_count += !is_coinbase;
            ck_assert_int_eq(tx->outputs[i].amount_sat, 0);
            continue;
        }
        ck_assert(wallet_find(c->wallet, tx->outputs[i].script_pubkey, &kind, &key));
        ck_assert(bytes_equal(wallet_script(c->wallet, kind, key), tx->outputs[i].script_pubkey));
        coin.kind = (uint8_t)kind;
        coin.key = (uint16_t)key;
        coin_set_add(&c->coins, &coin);
        c->totals.amount_sat += coin.amount_sat;
        if (!is_coinbase && is_counted(c, height)) {
            c->made_count++;
            c->kind_counts[kind]++;
        }
    }
    c->totals.coin_count = c->coins.count;
}

static void take_inputs(struct checker *c, const struct tx *tx, int32_t height,
                        struct tx_output *prevouts, struct coin_origin *origins)
{
    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct coin coin;

        ck_assert(coin_set_take(&c->coins, &tx->inputs[i].prevout, &coin));
        prevouts[i] =
            (struct tx_output){.amount_sat = coin.amount_sat,
                               .script_pubkey = wallet_script(c->wallet, coin.kind, coin.key)};
        origins[i] = (struct coin_origin){coin.height, coin.is_coinbase, 0};
        ck_assert(!tx_input_needs_coin_time(tx, &tx->inputs[i]));
        c->totals.amount_sat -= coin.amount_sat;
        if (!coin.is_coinbase && is_counted(c, coin.height) && height - coin.height <= AGE_MAX)
            c->age_counts[height - coin.height]++;
    }
    c->totals.input_count += tx->input_count;
    c->shape_1_to_2 += tx->input_count == 1 && tx->output_count == 2;
    c->shape_200_inputs += tx->input_count == 200;
    c->shape_100_outputs += tx->output_count >= 100;
}

static int64_t check_tx(struct checker *c, const struct tx *tx, const struct header_node *node,
                        struct arena *arena, uint64_t *sigop_cost)
{
    struct tx_output *prevouts = arena_array(arena, tx->input_count, sizeof *prevouts);
    struct coin_origin *origins = arena_array(arena, tx->input_count, sizeof *origins);
    uint32_t flags = block_script_flags(&c->params, &node->hash, node->height);
    struct sighash_parts parts;
    int64_t fee_sat;

    take_inputs(c, tx, node->height, prevouts, origins);
    ck_assert_int_eq(tx_check_inputs(tx, prevouts, origins, node->height, &fee_sat), VALID);
    ck_assert(tx_sequence_locks_pass(tx, origins, node->height, node->prev->median_time_past));
    *sigop_cost += tx_sigop_cost(tx, prevouts, flags);
    sighash_parts_init(&parts, tx, prevouts);
    for (uint32_t i = 0; i < tx->input_count && c->script_flags; i++)
        ck_assert_int_eq(
            script_verify(c->machine, tx, i, prevouts, &parts, flags | c->script_flags), SCRIPT_OK);
    add_outputs(c, tx, node->height);
    return fee_sat;
}

/* Fails the test unless the block is valid behind c's tip and takes exactly subsidy and fees. */
static void check_block(struct checker *c, struct bytes raw)
{
    struct arena arena;
    struct block block;
    struct block_facts facts;
    struct header_node *node;
    bool is_new;
    int64_t fees_sat = 0;
    uint64_t sigop_cost;

    arena_init(&arena, SIZE_MAX);
    ck_assert(block_parse(&block, raw, &arena, true));
    ck_assert(block_hash_equal(&block.header.prev_hash, &c->tip));
    ck_assert_int_eq(header_accept(c->tree, &c->params, &block.header, UINT32_MAX, &node, &is_new),
                     VALID);
    ck_assert(is_new);
    ck_assert_int_eq(block_check(&c->params, &block, &arena, &facts), VALID);
    ck_assert_int_eq(block_check_context(&c->params, &facts, node->prev), VALID);
    ck_assert_int_eq(facts.commitment, COMMITMENT_MATCHES);
    sigop_cost = tx_sigop_cost(&block.txs[0], NULL, 0);
    for (uint32_t i = 1; i < block.tx_count; i++)
        fees_sat += check_tx(c, &block.txs[i], node, &arena, &sigop_cost);
    ck_assert_uint_le(sigop_cost, BLOCK_SIGOP_COST_MAX);
    add_outputs(c, &block.txs[0], node->height);
    ck_assert_int_eq(block_check_reward(&c->params, &facts, node->height, fees_sat), VALID);
    ck_assert_int_eq(facts.coinbase_sat, block_subsidy(&c->params, node->height) + fees_sat);
    c->totals.tx_count += block.tx_count;
    c->tip = block.hash;
    arena_clear(&arena);
}

static void check_totals(const struct checker *c, const struct chain_point *point)
{
    ck_assert(block_hash_equal(&c->tip, &point->hash));
    ck_assert_uint_eq(c->totals.tx_count, point->totals.tx_count);
    ck_assert_uint_eq(c->totals.input_count, point->totals.input_count);
    ck_assert_uint_eq(c->totals.output_count, point->totals.output_count);
    ck_assert_uint_eq(c->totals.coin_count, point->totals.coin_count);
    ck_assert_int_eq(c->totals.amount_sat, point->totals.amount_sat);
}

/* A generator of the chain of a seed from the genesis block on. */
struct source {
    struct params params;
    struct wallet *wallet;
    struct sign_pool *pool;
    struct generator *generator;
};

static void source_init(struct source *s, const char *seed, int32_t last_height,
                        uint64_t input_count, uint32_t thread_count)
{
    params_init(&s->params, NETWORK_REGTEST);
    s->wallet = wallet_of(seed);
    s->pool = sign_pool_new(s->wallet, thread_count);

    struct generate_options options = {.params = &s->params,
                                       .wallet = s->wallet,
                                       .pool = s->pool,
                                       .seed = (uint64_t)seed[0],
                                       .last_height = last_height,
                                       .input_count = input_count,
                                       .last_time = 1700000000,
                                       .spacing_s = 1}; /* the least there can be */
    struct chain_point genesis = {s->params.genesis_hash, 0, {.tx_count = 1, .output_count = 1}};

    s->generator = generator_new(&options, &genesis, NULL);
}

static void source_clear(struct source *s)
{
    generator_free(s->generator);
    sign_pool_free(s->pool);
    wallet_free(s->wallet);
}

/* The next count blocks, one after the other. */
static struct buffer next_blocks(struct generator *generator, int32_t count)
{
    struct buffer all = {0};
    struct buffer block = {0};

    for (int32_t i = 0; i < count; i++) {
        generator_next(generator, &block);
        buffer_le32(&all, (uint32_t)block.size);
        buffer_put(&all, block.data, block.size);
    }
    buffer_free(&block);
    return all;
}

static void check_blocks(struct checker *c, const struct buffer *all)
{
    struct cursor cursor = cursor_of(buffer_bytes(all));

    while (cursor_left(&cursor) > 0)
        check_block(c, cursor_take(&cursor, cursor_le32(&cursor)));
}

START_TEST(every_block_is_valid_and_counted)
{
    struct source source;
    struct checker checker;

    source_init(&source, "valid", 230, 5000, 2);
    checker_init(&checker, source.wallet);

    struct buffer all = next_blocks(source.generator, 230);

    check_blocks(&checker, &all);
    check_totals(&checker, generator_point(source.generator));
    ck_assert_uint_le(checker.totals.input_count, 5000);
    ck_assert_uint_ge(checker.totals.input_count, 4950);
    buffer_free(&all);
    checker_clear(&checker);
    source_clear(&source);
}
END_TEST

static void check_share(uint64_t part, uint64_t whole, uint32_t wanted_in_million)
{
    double share = (double)part / (double)whole * MIX_MILLION;

    ck_assert_msg(share > wanted_in_million - 20000. && share < wanted_in_million + 20000.,
                  "%.0f instead of %u in a million", share, wanted_in_million);
}

START_TEST(the_mix_is_as_documented)
{
    struct source source;
    struct checker checker;
    struct buffer block = {0};
    uint64_t spent_count = 0;

    source_init(&source, "mix", 320, 70000, 2);
    checker_init(&checker, source.wallet);
    checker.script_flags = 0;
    checker.count_first = 110; /* behind the first blocks, which make many coins of few */
    checker.count_last = 320 - 144;
    for (int32_t i = 0; i < 320; i++) {
        generator_next(source.generator, &block);
        check_block(&checker, buffer_bytes(&block));
    }
    ck_assert_uint_ge(checker.made_count, 10000);
    for (int32_t age = 0; age <= 144; age++) {
        spent_count += checker.age_counts[age];
        if (age == 0 || age == 10 || age == 100 || age == 144)
            check_share(spent_count, checker.made_count, mix_spent_within(age));
    }
    ck_assert_uint_eq(mix_spent_within(10), 410000); /* what PERFORMANCE.md gives for mainnet */
    ck_assert_uint_gt(mix_spent_within(100), 500000);
    ck_assert_uint_eq(mix_spent_within(144), 800000);
    for (enum wallet_kind kind = 0; kind < WALLET_KIND_COUNT; kind++) {
        ck_assert_uint_gt(checker.kind_counts[kind], 0);
        check_share(checker.kind_counts[kind], checker.made_count, mix_kind_share(kind));
    }
    ck_assert_uint_gt(checker.shape_1_to_2 * 5, checker.totals.tx_count);
    ck_assert_uint_gt(checker.shape_200_inputs, 0);
    ck_assert_uint_gt(checker.shape_100_outputs, 0);
    check_share(checker.null_data_count, checker.totals.tx_count, 40000);
    buffer_free(&block);
    checker_clear(&checker);
    source_clear(&source);
}
END_TEST

START_TEST(same_seed_same_bytes_with_any_threads)
{
    static const struct {
        const char *seed;
        uint32_t thread_count;
    } runs[] = {{"one", 1}, {"one", 1}, {"one", 2}, {"one", 5}, {"two", 1}};
    struct buffer all[ARRAY_COUNT(runs)];

    for (size_t i = 0; i < ARRAY_COUNT(runs); i++) {
        struct source source;

        source_init(&source, runs[i].seed, 140, 800, runs[i].thread_count);
        all[i] = next_blocks(source.generator, 140);
        source_clear(&source);
    }
    for (size_t i = 1; i < ARRAY_COUNT(runs); i++)
        ck_assert_int_eq(bytes_equal(buffer_bytes(&all[0]), buffer_bytes(&all[i])),
                         strcmp(runs[i].seed, "one") == 0);
    for (size_t i = 0; i < ARRAY_COUNT(runs); i++)
        buffer_free(&all[i]);
}
END_TEST

/* The txids of all transactions but coinbases, in order. */
static struct buffer txids_of(const struct buffer *blocks)
{
    struct cursor cursor = cursor_of(buffer_bytes(blocks));
    struct buffer txids = {0};
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    while (cursor_left(&cursor) > 0) {
        struct block block;

        ck_assert(block_parse(&block, cursor_take(&cursor, cursor_le32(&cursor)), &arena, true));
        for (uint32_t i = 1; i < block.tx_count; i++)
            buffer_put(&txids, &block.txs[i].txid, sizeof block.txs[i].txid);
    }
    arena_clear(&arena);
    return txids;
}

static void check_branch(struct checker *main_chain, struct source *source, uint32_t number,
                         bool shares_txs, const struct buffer *rival)
{
    struct checker checker = *main_chain;
    struct generator *branch = generator_branch(source->generator, number, 8, shares_txs);
    struct buffer blocks = next_blocks(branch, 8);
    struct buffer txids = txids_of(&blocks), rival_txids = txids_of(rival);
    size_t slots_size = checker.coins.slot_count * sizeof *checker.coins.slots;

    checker.coins.slots = xmalloc(slots_size);
    memcpy(checker.coins.slots, main_chain->coins.slots, slots_size);
    check_blocks(&checker, &blocks);
    check_totals(&checker, generator_point(branch));
    ck_assert(!bytes_equal(buffer_bytes(&blocks), buffer_bytes(rival)));
    ck_assert_uint_gt(txids.size, 0);
    ck_assert_int_eq(bytes_equal(buffer_bytes(&txids), buffer_bytes(&rival_txids)), shares_txs);
    coin_set_free(&checker.coins);
    buffer_free(&blocks);
    buffer_free(&txids);
    buffer_free(&rival_txids);
    generator_free(branch);
}

START_TEST(branches_are_valid_with_the_same_or_other_transactions)
{
    struct source source, twin;
    struct checker checker;

    source_init(&source, "branch", 160, 2000, 2);
    source_init(&twin, "branch", 160, 2000, 1);
    checker_init(&checker, source.wallet);

    struct buffer trunk = next_blocks(source.generator, 140);
    struct buffer twin_trunk = next_blocks(twin.generator, 140);
    struct buffer rival = next_blocks(twin.generator, 8); /* what the main chain goes on with */

    check_blocks(&checker, &trunk);
    check_branch(&checker, &source, 1, true, &rival);
    check_branch(&checker, &source, 2, false, &rival);

    struct buffer rest = next_blocks(source.generator, 8); /* the branches changed nothing of it */

    ck_assert(bytes_equal(buffer_bytes(&rest), buffer_bytes(&rival)));
    check_blocks(&checker, &rest);
    check_totals(&checker, generator_point(source.generator));
    buffer_free(&trunk);
    buffer_free(&twin_trunk);
    buffer_free(&rival);
    buffer_free(&rest);
    checker_clear(&checker);
    source_clear(&source);
    source_clear(&twin);
}
END_TEST

START_TEST(idle_coins_are_made_and_stay)
{
    static const uint64_t idle_counts[] = {0, 100000};
    uint64_t coin_counts[2];
    struct source source;
    struct checker checker;
    struct buffer block = {0};

    for (size_t k = 0; k < 2; k++) {
        source_init(&source, "idle", 110, 300, 2);

        struct generate_options options = {.params = &source.params,
                                           .wallet = source.wallet,
                                           .pool = source.pool,
                                           .last_height = 110,
                                           .input_count = 300,
                                           .idle_count = idle_counts[k],
                                           .last_time = 1700000000,
                                           .spacing_s = 1};

        struct generator *generator =
            generator_new(&options, generator_point(source.generator), NULL);

        checker_init(&checker, source.wallet);
        for (int32_t i = 0; i < 110; i++) {
            generator_next(generator, &block);
            check_block(&checker, buffer_bytes(&block));
        }
        check_totals(&checker, generator_point(generator));
        coin_counts[k] = checker.totals.coin_count;
        generator_free(generator);
        checker_clear(&checker);
        source_clear(&source);
    }
    /* What is drawn besides differs a little. */
    ck_assert_uint_gt(coin_counts[1] + 1000, coin_counts[0] + idle_counts[1]);
    buffer_free(&block);
}
END_TEST

START_TEST(a_full_block_stays_within_its_limits)
{
    struct source source;
    struct checker checker;
    struct buffer block = {0};
    size_t largest = 0;

    source_init(&source, "full", 112, 60000, 2); /* far more than fits */
    checker_init(&checker, source.wallet);
    checker.script_flags = 0;
    for (int32_t i = 0; i < 112; i++) {
        generator_next(source.generator, &block);
        check_block(&checker, buffer_bytes(&block));
        largest = block.size > largest ? block.size : largest;
    }
    ck_assert_uint_gt(largest, 1000000);
    check_totals(&checker, generator_point(source.generator));
    buffer_free(&block);
    checker_clear(&checker);
    source_clear(&source);
}
END_TEST

static void write_chain(const char *path, bool is_shuffled, struct source *source, int32_t count)
{
    struct writer writer;
    struct buffer block = {0};

    ck_assert_int_eq(writer_open(&writer, path, source->params.magic, is_shuffled, 1), 0);
    writer_put_first(&writer,
                     (struct bytes){source->params.genesis_block, source->params.genesis_size});

    struct generator *branch = generator_branch(source->generator, 1, 3, true);

    for (int i = 0; i < 3; i++) {
        generator_next(branch, &block);
        writer_put_late(&writer, buffer_bytes(&block));
    }
    generator_free(branch);
    for (int32_t i = 0; i < count; i++) {
        generator_next(source->generator, &block);
        writer_put(&writer, buffer_bytes(&block));
    }
    ck_assert_int_eq(writer_close(&writer), 0);
    buffer_free(&block);
}

/* Goes on from the file's chain at height, spending what belongs to the wallet. */
static void check_extension(const struct chain_file *file, const struct source *source,
                            int32_t height, uint64_t input_count)
{
    struct chain_point point;
    struct coin_list coins = {0};
    struct checker checker;
    char error[300];

    ck_assert(chain_file_coins(file, height, source->wallet, &point, &coins, error, sizeof error));

    struct generate_options options = {.params = &source->params,
                                       .wallet = source->wallet,
                                       .pool = source->pool,
                                       .seed = 9,
                                       .last_height = height + 20,
                                       .input_count = input_count,
                                       .last_time = 1700001000,
                                       .spacing_s = 1};
    struct generator *generator = generator_new(&options, &point, &coins);
    struct buffer more = next_blocks(generator, 20);

    checker_init(&checker, source->wallet);
    for (int32_t h = 1; h <= height; h++)
        check_block(&checker, chain_file_block(file, h));
    check_totals(&checker, &point);
    check_blocks(&checker, &more);
    check_totals(&checker, generator_point(generator));
    ck_assert_uint_le(checker.totals.input_count - point.totals.input_count, input_count);
    ck_assert(input_count == 0 || checker.totals.input_count > point.totals.input_count);
    buffer_free(&more);
    coin_list_free(&coins);
    generator_free(generator);
    checker_clear(&checker);
}

START_TEST(a_file_is_read_and_gone_on_from)
{
    char path[] = "/tmp/test_chaingen-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    for (int is_shuffled = 0; is_shuffled <= 1; is_shuffled++) {
        struct source source;
        struct chain_file file;
        char error[300];

        source_init(&source, "file", 130, 500, 1);
        write_chain(path, is_shuffled, &source, 130);
        ck_assert(chain_file_open(&file, path, &source.params, error, sizeof error));
        ck_assert_int_eq(file.tip_height, 130);
        ck_assert_uint_eq(file.block_count, 1 + 130 + 3);
        ck_assert(block_hash_equal(&file.blocks[file.chain[130]].hash,
                                   &generator_point(source.generator)->hash));
        ck_assert_uint_eq(chain_file_median_time(&file, 130), 1700000000 - 5);
        ck_assert_uint_eq(chain_file_median_time(&file, 0), source.params.genesis_header.time);
        check_extension(&file, &source, 130, 300);
        check_extension(&file, &source, 120, 0);
        chain_file_close(&file);
        source_clear(&source);
    }
    unlink(path);
}
END_TEST

START_TEST(a_bad_file_is_refused_with_its_position)
{
    char path[] = "/tmp/test_chaingen-XXXXXX";
    int fd = mkstemp(path);
    struct chain_file file;
    struct params params;
    char error[300];

    ck_assert_int_ge(fd, 0);
    params_init(&params, NETWORK_REGTEST);
    ck_assert(!chain_file_open(&file, path, &params, error, sizeof error)); /* empty */
    ck_assert_int_eq(write(fd, params.magic, 4), 4);
    ck_assert(!chain_file_open(&file, path, &params, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "byte 0"));
    close(fd);
    unlink(path);
    ck_assert(!chain_file_open(&file, path, &params, error, sizeof error));
}
END_TEST

START_TEST(the_genesis_block_is_built_from_its_fields)
{
    struct params params;
    struct arena arena;
    struct block block;
    struct buffer tx = {0}, again = {0};
    struct block_hash hash;

    params_init(&params, NETWORK_REGTEST);
    arena_init(&arena, SIZE_MAX);
    ck_assert(block_parse(&block, (struct bytes){params.genesis_block, params.genesis_size}, &arena,
                          true));
    build_tx(&tx, &block.txs[0]);

    struct bytes txs[] = {buffer_bytes(&tx)};

    hash = build_block(&again, &block.header, txs, 1);
    /* The search begins at 0 and finds another nonce than 2; but for that it is the same block. */
    le32_write(again.data + 76, block.header.nonce);
    ck_assert(bytes_equal(buffer_bytes(&again), block.raw));
    ck_assert(header_check_pow(&params, &hash, block.header.bits));
    buffer_free(&tx);
    buffer_free(&again);
    arena_clear(&arena);
}
END_TEST

/* A block behind c's tip of the coinbase and these transactions. */
static struct buffer craft(const struct checker *c, int32_t height, int64_t amount_sat,
                           const struct buffer *txs, size_t count)
{
    struct buffer coinbase = {0}, block = {0};
    struct header header = {.version = 4,
                            .prev_hash = c->tip,
                            .time = 1500000000 + (uint32_t)height,
                            .bits = BUILD_REGTEST_BITS};
    struct bytes all[3];

    build_coinbase(&coinbase, &(struct build_coinbase){.height = height,
                                                       .extra = {(const uint8_t *)"hand", 4},
                                                       .amount_sat = amount_sat,
                                                       .script_pubkey =
                                                           wallet_script(c->wallet, WALLET_P2PK, 1),
                                                       .has_commitment = true});
    all[0] = buffer_bytes(&coinbase);
    for (size_t i = 0; i < count; i++)
        all[i + 1] = buffer_bytes(&txs[i]);
    build_block(&block, &header, all, count + 1);
    buffer_free(&coinbase);
    return block;
}

static struct txid txid_at(const struct buffer *block, uint32_t index)
{
    struct arena arena;
    struct block parsed;

    arena_init(&arena, SIZE_MAX);
    ck_assert(block_parse(&parsed, buffer_bytes(block), &arena, true));

    struct txid txid = parsed.txs[index].txid;

    arena_clear(&arena);
    return txid;
}

/* Spends one output of the wallet's to another. */
static struct buffer craft_spend(const struct wallet *wallet, struct outpoint prevout,
                                 int64_t amount_sat, enum wallet_kind from, enum wallet_kind to)
{
    struct tx_input input = {.prevout = prevout, .sequence = SEQUENCE_FINAL};
    struct tx_output output = {.amount_sat = amount_sat,
                               .script_pubkey = wallet_script(wallet, to, 1)};
    struct tx_output spent = {.amount_sat = amount_sat,
                              .script_pubkey = wallet_script(wallet, from, 1)};
    struct wallet_spend spend = {from, 1, 0};
    struct tx tx = {
        .version = 2, .inputs = &input, .input_count = 1, .outputs = &output, .output_count = 1};
    struct buffer raw = {0};
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    wallet_sign(wallet, &raw, &tx, &spent, &spend, &arena);
    arena_clear(&arena);
    return raw;
}

START_TEST(blocks_are_crafted_and_changed_by_hand)
{
    struct wallet *wallet = wallet_of("hand");
    struct checker checker;
    struct txid first;
    struct buffer txs[2], block;
    struct block_hash hash;
    struct arena arena;

    checker_init(&checker, wallet);
    for (int32_t height = 1; height <= 100; height++) {
        block = craft(&checker, height, 50 * SAT_PER_BTC, NULL, 0);
        check_block(&checker, buffer_bytes(&block));
        if (height == 1)
            first = txid_at(&block, 0);
        buffer_free(&block);
    }
    txs[0] = craft_spend(wallet, (struct outpoint){first, 0}, 50 * SAT_PER_BTC, WALLET_P2PK,
                         WALLET_P2TR_SCRIPT);
    block = craft(&checker, 101, 50 * SAT_PER_BTC, txs, 1);
    txs[1] = craft_spend(wallet, (struct outpoint){txid_at(&block, 1), 0}, 50 * SAT_PER_BTC,
                         WALLET_P2TR_SCRIPT, WALLET_P2WPKH);
    buffer_free(&block);
    block = craft(&checker, 101, 50 * SAT_PER_BTC, txs, 2);
    check_block(&checker, buffer_bytes(&block));

    /* Changed, then sealed in part: each part is what it says. */
    struct block parsed;
    struct block_facts facts;
    static const struct {
        unsigned what;
        enum verdict verdict;
    } seals[] = {{BUILD_NONCE, BAD_TXNMRKLROOT},
                 {BUILD_MERKLE | BUILD_NONCE, BAD_WITNESS_MERKLE_MATCH},
                 {BUILD_ALL, VALID}};

    block.data[block.size - 5 - 70] ^= 1; /* in the last transaction's signature */
    arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_COUNT(seals); i++) {
        block.data[HEADER_SIZE + 1 + 4 + 2 + 1 + 36 + 1 + 3] ^= 1; /* "hand" of the coinbase */
        ck_assert(build_seal(&hash, block.data, block.size, seals[i].what));
        ck_assert(block_parse(&parsed, buffer_bytes(&block), &arena, true));
        ck_assert(block_hash_equal(&parsed.hash, &hash));
        ck_assert(header_check_pow(&checker.params, &hash, BUILD_REGTEST_BITS));

        enum verdict verdict = block_check(&checker.params, &parsed, &arena, &facts);

        if (verdict == VALID && facts.commitment == COMMITMENT_MISMATCH)
            verdict = BAD_WITNESS_MERKLE_MATCH;
        ck_assert_int_eq(verdict, seals[i].verdict);
    }
    ck_assert(!build_seal(&hash, block.data, block.size - 1, BUILD_ALL));
    arena_clear(&arena);
    buffer_free(&block);
    buffer_free(&txs[0]);
    buffer_free(&txs[1]);
    checker_clear(&checker);
    wallet_free(wallet);
}
END_TEST

START_TEST(heights_are_pushed_as_bip34_wants)
{
    static const struct {
        int64_t v;
        uint8_t size, bytes[6];
    } cases[] = {{0, 1, {0}},
                 {1, 1, {0x51}},
                 {16, 1, {0x60}},
                 {17, 2, {1, 17}},
                 {127, 2, {1, 127}},
                 {128, 3, {2, 128, 0}},
                 {255, 3, {2, 255, 0}},
                 {256, 3, {2, 0, 1}},
                 {32767, 3, {2, 255, 127}},
                 {32768, 4, {3, 0, 128, 0}},
                 {8388608, 5, {4, 0, 0, 128, 0}}};

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buffer b = {0};

        buffer_push_number(&b, cases[i].v);
        ck_assert(bytes_equal(buffer_bytes(&b), (struct bytes){cases[i].bytes, cases[i].size}));
        buffer_free(&b);
    }
}
END_TEST

START_TEST(the_coin_set_equals_a_plain_list)
{
    struct coin_set set = {NULL, 0, 0};
    struct coin_list list = {0};
    struct prng prng;

    prng_init(&prng, 5);
    for (int step = 0; step < 20000; step++) {
        struct coin coin = {.amount_sat = step}, found;

        if (list.count == 0 || prng_below(&prng, 100) < 52) {
            /* few different homes, so that runs are long and wrap around */
            le64_write(coin.outpoint.txid.bytes, prng_below(&prng, 40) * 0xffffffff);
            le32_write(coin.outpoint.txid.bytes + 8, (uint32_t)step);
            coin_set_add(&set, &coin);
            coin_list_push(&list, &coin);
        } else {
            coin = coin_list_take(&list, prng_below(&prng, list.count));
            ck_assert(coin_set_take(&set, &coin.outpoint, &found));
            ck_assert_int_eq(found.amount_sat, coin.amount_sat);
            ck_assert(!coin_set_take(&set, &coin.outpoint, &found));
        }
        ck_assert_uint_eq(set.count, list.count);
    }
    coin_set_free(&set);
    coin_list_free(&list);
}
END_TEST

int main(void)
{
    return SUITE_RUN("chaingen", every_block_is_valid_and_counted, the_mix_is_as_documented,
                     same_seed_same_bytes_with_any_threads,
                     branches_are_valid_with_the_same_or_other_transactions,
                     a_full_block_stays_within_its_limits, idle_coins_are_made_and_stay,
                     a_file_is_read_and_gone_on_from, a_bad_file_is_refused_with_its_position,
                     the_genesis_block_is_built_from_its_fields,
                     blocks_are_crafted_and_changed_by_hand, heights_are_pushed_as_bip34_wants,
                     the_coin_set_equals_a_plain_list);
}
