#include "base/hex.h"
#include "chain/header_rules.h"
#include "chain_files.h"

#define NOW        1795340220 /* 2026-11-22 */
#define MAIN_LIMIT 0x1d00ffff

/* Any proof of work: the rules take the hash from their caller. */
static const struct block_hash no_hash;

struct chain {
    struct params params;
    struct header_tree *tree;
    struct header_node *tip;
};

static struct chain chain_new(enum network network)
{
    struct chain chain;

    params_init(&chain.params, network);
    chain.tree = header_tree_new(&chain.params, (struct siphash_key){1, 2});
    chain.tip = header_tree_at(chain.tree, 0);
    return chain;
}

/* Unchecked: what stands before the header under test. */
static void extend(struct chain *chain, uint32_t time, uint32_t bits)
{
    struct header header = {
        .version = 4, .prev_hash = chain->tip->hash, .time = time, .bits = bits};
    struct block_hash hash = header_hash(&header);

    chain->tip = header_tree_insert(chain->tree, &chain->params, chain->tip, &header, &hash);
}

static void extend_to(struct chain *chain, int32_t height, uint32_t bits)
{
    while (chain->tip->height < height)
        extend(chain, chain->tip->time + 600, bits);
}

/* The verdict on a header after the tip. */
static enum verdict check(const struct chain *chain, int32_t version, uint32_t time, uint32_t bits)
{
    struct header header = {
        .version = version, .prev_hash = chain->tip->hash, .time = time, .bits = bits};

    return header_check(&chain->params, chain->tip, &header, &no_hash, NOW);
}

static struct block_hash hash_of_number(const struct u256 *number)
{
    struct block_hash hash;

    u256_to_le(hash.bytes, number);
    return hash;
}

START_TEST(hash_may_equal_its_target_and_target_the_limit)
{
    struct params params;
    bool negative, overflow;
    struct u256 one = u256_of(1);

    for (int i = 0; i < NETWORK_COUNT; i++) {
        params_init(&params, (enum network)i);
        struct u256 target = u256_from_compact(params.pow_limit_bits, &negative, &overflow);
        struct block_hash hash = hash_of_number(&target);
        ck_assert(header_check_pow(&params, &hash, params.pow_limit_bits));
        target = u256_add(&target, &one);
        hash = hash_of_number(&target);
        ck_assert(!header_check_pow(&params, &hash, params.pow_limit_bits));
        ck_assert(!header_check_pow(&params, &no_hash, params.pow_limit_bits + 1));
        ck_assert(header_check_pow(&params, &no_hash, params.pow_limit_bits - 1));
    }
    params_init(&params, NETWORK_MAIN);
    ck_assert(header_check_pow(&params, &no_hash, 0x01010000));
    ck_assert(!header_check_pow(&params, &no_hash, 0x01000000)); /* 0 */
    ck_assert(!header_check_pow(&params, &no_hash, 0));
    ck_assert(!header_check_pow(&params, &no_hash, 0x01810000)); /* negative */
    ck_assert(!header_check_pow(&params, &no_hash, 0x23000001)); /* overflow */
    ck_assert(!header_check_pow(&params, &no_hash, 0xff00ffff));
}
END_TEST

START_TEST(errors_come_in_the_order_of_the_reference)
{
    struct chain chain = chain_new(NETWORK_REGTEST);
    struct block_hash bad_hash;
    struct header header = {.version = 1, .time = 0, .bits = 0x1d00ffff};

    chain.params.is_bip94 = true;
    extend_to(&chain, 143, chain.params.pow_limit_bits);
    chain.tip->status = HEADER_INVALID;
    memset(&bad_hash, 0xff, sizeof bad_hash);
    ck_assert_int_eq(header_check(&chain.params, NULL, &header, &bad_hash, 0), HIGH_HASH);
    ck_assert_int_eq(header_check(&chain.params, NULL, &header, &no_hash, 0), PREV_BLK_NOT_FOUND);
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, 0), BAD_PREVBLK);
    chain.tip->status = HEADER_INVALID_ANCESTOR;
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, 0), BAD_PREVBLK);
    chain.tip->status = 0;
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, 0), BAD_DIFFBITS);
    header.bits = chain.params.pow_limit_bits;
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, 0), TIME_TOO_OLD);
    header.time = chain.tip->median_time_past + 1;
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, 0),
                     TIME_TIMEWARP_ATTACK);
    header.time = chain.tip->time;
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, 0), TIME_TOO_NEW);
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, NOW), BAD_VERSION);
    header.version = 4;
    ck_assert_int_eq(header_check(&chain.params, chain.tip, &header, &no_hash, NOW), VALID);
    header_tree_free(chain.tree);
}
END_TEST

START_TEST(time_is_above_the_median_and_at_most_two_hours_ahead)
{
    struct chain chain = chain_new(NETWORK_MAIN);

    extend_to(&chain, 100, MAIN_LIMIT);
    uint32_t median = chain.tip->median_time_past;
    ck_assert_uint_eq(median, chain.tip->time - 5 * 600);
    ck_assert_int_eq(check(&chain, 4, median, MAIN_LIMIT), TIME_TOO_OLD);
    ck_assert_int_eq(check(&chain, 4, median + 1, MAIN_LIMIT), VALID);
    ck_assert_int_eq(check(&chain, 4, NOW + 7200, MAIN_LIMIT), VALID);
    ck_assert_int_eq(check(&chain, 4, NOW + 7201, MAIN_LIMIT), TIME_TOO_NEW);
    header_tree_free(chain.tree);
}
END_TEST

START_TEST(versions_rise_with_height)
{
    static const struct {
        int32_t height, version;
        enum verdict verdict;
    } cases[] = {
        {9, 1, VALID},           {9, 0, VALID},         {9, -1, VALID},
        {10, 1, BAD_VERSION},    {10, -5, BAD_VERSION}, {10, 2, VALID},
        {19, 2, VALID},          {20, 2, BAD_VERSION},  {20, 3, VALID},
        {29, 3, VALID},          {30, 3, BAD_VERSION},  {30, 4, VALID},
        {30, 0x20000000, VALID}, {30, 1, BAD_VERSION},  {30, INT32_MIN, BAD_VERSION},
    };
    struct chain chain = chain_new(NETWORK_REGTEST);

    ck_assert(params_set_activation(&chain.params, "bip34@10"));
    ck_assert(params_set_activation(&chain.params, "dersig@20"));
    ck_assert(params_set_activation(&chain.params, "cltv@30"));
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        extend_to(&chain, cases[i].height - 1, chain.params.pow_limit_bits);
        ck_assert_msg(check(&chain, cases[i].version, chain.tip->time + 1,
                            chain.params.pow_limit_bits) == cases[i].verdict,
                      "version %d at %d", cases[i].version, cases[i].height);
    }
    header_tree_free(chain.tree);
}
END_TEST

/* A period of mainnet: the first block and the last have these times; bits for the next. */
static uint32_t bits_after_period(struct params *params, uint32_t first_time, uint32_t last_time,
                                  uint32_t first_bits, uint32_t last_bits)
{
    struct chain chain = {*params, header_tree_new(params, (struct siphash_key){3, 4}), NULL};

    chain.tip = header_tree_at(chain.tree, 0);
    extend_to(&chain, params->retarget_interval - 1, first_bits);
    extend(&chain, first_time, first_bits);
    for (int32_t i = 1; i < params->retarget_interval - 1; i++)
        extend(&chain, first_time + (uint32_t)i, first_bits);
    extend(&chain, last_time, last_bits);
    ck_assert_int_eq((chain.tip->height + 1) % params->retarget_interval, 0);
    uint32_t bits = header_required_bits(params, chain.tip, last_time + 100000);
    header_tree_free(chain.tree);
    return bits;
}

START_TEST(retargets_of_mainnet_and_their_limits)
{
    static const struct {
        uint32_t first_time, last_time, bits, next;
    } cases[] = {
        /* mainnet's periods that end at 32255, 2015, 68543; and one stretched too long */
        {1261130161, 1262152739, 0x1d00ffff, 0x1d00d86a},
        {1231006505, 1233061996, 0x1d00ffff, 0x1d00ffff},
        {1279008237, 1279297671, 0x1c05a3f4, 0x1c0168fd},
        {1263163443, 1269211443, 0x1c387f6f, 0x1d00e1fd},
        /* exactly two weeks change nothing, a second less does */
        {1300000000, 1301209600, 0x1b00ffff, 0x1b00ffff},
        {1300000000, 1301209599, 0x1b00ffff, 0x1b00fffe},
        /* both clamps: at them, and beyond */
        {1300000000, 1300302400, 0x1b010000, 0x1a400000},
        {1300000000, 1300302399, 0x1b010000, 0x1a400000},
        {1300000000, 1300302500, 0x1b010000, 0x1a40056b},
        {1300000000, 1304838400, 0x1b010000, 0x1b040000},
        {1300000000, 1304838401, 0x1b010000, 0x1b040000},
        {1300000000, 1304838300, 0x1b010000, 0x1b03fffa},
        {1300000000, 1290000000, 0x1b010000, 0x1a400000}, /* time went back */
    };
    struct params params;

    params_init(&params, NETWORK_MAIN);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint32_t bits = bits_after_period(&params, cases[i].first_time, cases[i].last_time,
                                          cases[i].bits, cases[i].bits);
        ck_assert_msg(bits == cases[i].next, "case %zu: %08x", i, bits);
        ck_assert(header_permits_transition(&params, 4032, cases[i].bits, bits));
    }
    params_init(&params, NETWORK_REGTEST);
    ck_assert_uint_eq(bits_after_period(&params, 1300000000, 1300000200, 0x207fffff, 0x207fffff),
                      0x207fffff);
}
END_TEST

START_TEST(between_retargets_bits_stay)
{
    struct chain chain = chain_new(NETWORK_MAIN);

    extend_to(&chain, 2014, MAIN_LIMIT);
    ck_assert_int_eq(check(&chain, 4, chain.tip->time + 86400, MAIN_LIMIT), VALID);
    ck_assert_int_eq(check(&chain, 4, chain.tip->time + 86400, MAIN_LIMIT - 1), BAD_DIFFBITS);
    extend(&chain, chain.tip->time + 600, MAIN_LIMIT);
    chain.tip = header_tree_best(chain.tree);
    uint32_t next = header_required_bits(&chain.params, chain.tip, chain.tip->time + 600);
    ck_assert_uint_ne(next, MAIN_LIMIT); /* 2015 intervals in place of 2016 */
    ck_assert_int_eq(check(&chain, 4, chain.tip->time + 600, next), VALID);
    ck_assert_int_eq(check(&chain, 4, chain.tip->time + 600, MAIN_LIMIT), BAD_DIFFBITS);
    header_tree_free(chain.tree);
}
END_TEST

START_TEST(after_twenty_minutes_testnets_take_minimum_difficulty)
{
    const uint32_t hard = 0x1c0ffff0;
    struct chain chain = chain_new(NETWORK_TEST);

    extend_to(&chain, 2016 + 9, hard);
    uint32_t time = chain.tip->time;
    ck_assert_int_eq(check(&chain, 4, time + 1200, hard), VALID);
    ck_assert_int_eq(check(&chain, 4, time + 1200, MAIN_LIMIT), BAD_DIFFBITS);
    ck_assert_int_eq(check(&chain, 4, time + 1201, MAIN_LIMIT), VALID);
    ck_assert_int_eq(check(&chain, 4, time + 1201, hard), BAD_DIFFBITS);
    /* After it, the last bits that were not the minimum. */
    extend(&chain, time + 1201, MAIN_LIMIT);
    extend(&chain, time + 2500, MAIN_LIMIT);
    ck_assert_int_eq(check(&chain, 4, time + 2501, hard), VALID);
    ck_assert_int_eq(check(&chain, 4, time + 2501, MAIN_LIMIT), BAD_DIFFBITS);
    /* The search ends at the first block of a period, be it of minimum difficulty. */
    while (chain.tip->height < 4031)
        extend(&chain, chain.tip->time + 600, hard);
    extend(&chain, chain.tip->time + 600, MAIN_LIMIT);
    extend(&chain, chain.tip->time + 2000, MAIN_LIMIT);
    ck_assert_int_eq(check(&chain, 4, chain.tip->time + 600, MAIN_LIMIT), VALID);
    ck_assert_int_eq(check(&chain, 4, chain.tip->time + 600, hard), BAD_DIFFBITS);
    header_tree_free(chain.tree);
}
END_TEST

START_TEST(bip94_retargets_from_the_first_block_of_the_period)
{
    struct params testnet3, testnet4;

    params_init(&testnet3, NETWORK_TEST);
    params_init(&testnet4, NETWORK_TESTNET4);
    /* The last block of the period has minimum difficulty; the period took its two weeks. */
    ck_assert_uint_eq(bits_after_period(&testnet3, 1700000000, 1701209600, 0x1b00ffff, MAIN_LIMIT),
                      MAIN_LIMIT);
    ck_assert_uint_eq(bits_after_period(&testnet4, 1700000000, 1701209600, 0x1b00ffff, MAIN_LIMIT),
                      0x1b00ffff);
}
END_TEST

START_TEST(bip94_first_block_is_at_most_ten_minutes_early)
{
    struct chain chain = chain_new(NETWORK_TESTNET4);

    extend_to(&chain, 2014, MAIN_LIMIT);
    extend(&chain, chain.tip->time + 3000, MAIN_LIMIT);
    uint32_t time = chain.tip->time;
    uint32_t bits = header_required_bits(&chain.params, chain.tip, time);
    ck_assert_int_eq(check(&chain, 4, time - 600, bits), VALID);
    ck_assert_int_eq(check(&chain, 4, time - 601, bits), TIME_TIMEWARP_ATTACK);
    chain.params.is_bip94 = false;
    bits = header_required_bits(&chain.params, chain.tip, time);
    ck_assert_int_eq(check(&chain, 4, time - 601, bits), VALID);
    chain.params.is_bip94 = true;
    extend(&chain, time, bits); /* the rule is of that one block only */
    ck_assert_int_eq(check(&chain, 4, time - 2000, bits), VALID);
    header_tree_free(chain.tree);
}
END_TEST

START_TEST(presync_permits_a_factor_of_four_at_retargets_only)
{
    struct params params;

    params_init(&params, NETWORK_MAIN);
    ck_assert(header_permits_transition(&params, 2016, 0x1b010000, 0x1b040000));
    ck_assert(!header_permits_transition(&params, 2016, 0x1b010000, 0x1b040001));
    ck_assert(header_permits_transition(&params, 2016, 0x1b010000, 0x1a400000));
    ck_assert(!header_permits_transition(&params, 2016, 0x1b010000, 0x1a3fffff));
    ck_assert(header_permits_transition(&params, 2016, 0x1d00ffff, 0x1d00ffff)); /* the limit */
    ck_assert(!header_permits_transition(&params, 2016, 0x1d00ffff, 0x1d010000));
    ck_assert(header_permits_transition(&params, 2017, 0x1b010000, 0x1b010000));
    ck_assert(!header_permits_transition(&params, 2017, 0x1b010000, 0x1b010001));
    params_init(&params, NETWORK_TEST);
    ck_assert(header_permits_transition(&params, 2017, 0x1b010000, 0x1d00ffff));
}
END_TEST

START_TEST(accept_inserts_once_and_knows_the_marked)
{
    struct chain chain = chain_new(NETWORK_REGTEST);
    struct header_node *node, *first;
    bool is_new;
    struct header header = {.version = 4,
                            .prev_hash = chain.tip->hash,
                            .time = chain.tip->time + 600,
                            .bits = chain.params.pow_limit_bits};
    struct block_hash hash = header_hash(&header);

    for (; !header_check_pow(&chain.params, &hash, header.bits); hash = header_hash(&header))
        header.nonce++;
    ck_assert_int_eq(header_accept(chain.tree, &chain.params, &header, NOW, &first, &is_new),
                     VALID);
    ck_assert(is_new && first->height == 1);
    ck_assert_int_eq(header_accept(chain.tree, &chain.params, &header, 0, &node, &is_new), VALID);
    ck_assert(!is_new && node == first);
    header_tree_mark_invalid(chain.tree, first, BAD_CB_HEIGHT);
    ck_assert_int_eq(header_accept(chain.tree, &chain.params, &header, NOW, &node, &is_new),
                     DUPLICATE_INVALID);
    ck_assert_ptr_eq(node, first);
    header.prev_hash.bytes[0] ^= 1;
    for (hash = header_hash(&header); !header_check_pow(&chain.params, &hash, header.bits);
         hash = header_hash(&header))
        header.nonce++;
    ck_assert_int_eq(header_accept(chain.tree, &chain.params, &header, NOW, &node, &is_new),
                     PREV_BLK_NOT_FOUND);
    ck_assert(node == NULL && !is_new);
    ck_assert_uint_eq(header_tree_count(chain.tree), 2);
    header = chain.params.genesis_header;
    ck_assert_int_eq(header_accept(chain.tree, &chain.params, &header, 0, &node, &is_new), VALID);
    ck_assert_int_eq(node->height, 0);
    header_tree_free(chain.tree);
}
END_TEST

/* The last bits above the minimum, by a walk. */
static uint32_t naive_period_bits(const struct params *params, const struct header_node *node)
{
    while (node->prev != NULL && node->height % params->retarget_interval != 0 &&
           node->bits == params->pow_limit_bits)
        node = node->prev;
    return node->bits;
}

/* A true header is good; with other bits or a time not above the median it is not. */
static void accept_true(struct chain *chain, struct bytes raw)
{
    struct header header, changed;
    struct header_node *node;
    bool is_new;

    ck_assert(header_parse(&header, raw));
    enum verdict verdict = header_accept(chain->tree, &chain->params, &header, NOW, &node, &is_new);
    ck_assert_msg(verdict == VALID, "height %d: %s", chain->tip->height + 1, verdict_text(verdict));
    if (!is_new) {
        ck_assert_int_eq(node->height, 0);
        return;
    }
    ck_assert_ptr_eq(node->prev, chain->tip);
    ck_assert_uint_eq(node->period_bits, naive_period_bits(&chain->params, node));
    changed = header;
    changed.bits--;
    ck_assert_int_eq(header_check(&chain->params, node->prev, &changed, &no_hash, NOW),
                     BAD_DIFFBITS);
    changed = header;
    changed.time = node->prev->median_time_past;
    if (header_required_bits(&chain->params, node->prev, changed.time) == header.bits)
        ck_assert_int_eq(header_check(&chain->params, node->prev, &changed, &no_hash, NOW),
                         TIME_TOO_OLD);
    changed = header;
    changed.nonce ^= 0x100;
    struct block_hash hash = header_hash(&changed);
    if (chain->params.network != NETWORK_REGTEST)
        ck_assert_int_eq(header_check(&chain->params, node->prev, &changed, &hash, NOW), HIGH_HASH);
    chain->tip = node;
}

/* The tree has the recorded chain work; returns at how many heights. */
static uint32_t compare_work(const struct chain *chain, struct bytes checkpoints)
{
    struct cursor c = cursor_of(checkpoints);
    uint32_t count = 0;

    for (; cursor_left(&c) > 0; count++) {
        int32_t height = (int32_t)cursor_le32(&c);
        struct u256 work = u256_from_le(cursor_take(&c, 32).data);

        cursor_take(&c, HEADER_SIZE);
        if (height > chain->tip->height)
            break;
        ck_assert(u256_compare(&header_ancestor(chain->tip, height)->chainwork, &work) == 0);
    }
    return count;
}

START_TEST(true_headers_pass)
{
    static const struct {
        const char *name;
        enum network network;
        int32_t height;
        const char *checkpoints;
        uint32_t checkpoint_count;
    } files[] = {{"data/headers/mainnet-headers-0-10236.bin", NETWORK_MAIN, 10236,
                  "data/headers/mainnet-checkpoints.bin", 5},
                 {"data/headers/signet-headers-0-2015.bin", NETWORK_SIGNET, 2015,
                  "data/headers/signet-checkpoints.bin", 0}};
    const char *folder = shared_folder("headers");

    for (size_t i = 0; folder != NULL && i < ARRAY_COUNT(files); i++) {
        struct chain chain = chain_new(files[i].network);
        struct bytes file = shared_load(folder, files[i].name);
        struct cursor c = cursor_of(file);

        while (cursor_left(&c) > 0)
            accept_true(&chain, cursor_take(&c, HEADER_SIZE));
        ck_assert_int_eq(chain.tip->height, files[i].height);
        ck_assert_ptr_eq(header_tree_best(chain.tree), chain.tip);
        struct bytes checkpoints = shared_load(folder, files[i].checkpoints);
        ck_assert_uint_eq(compare_work(&chain, checkpoints), files[i].checkpoint_count);
        header_tree_free(chain.tree);
        free((void *)checkpoints.data);
        free((void *)file.data);
    }
    for (size_t i = 0; folder != NULL && i < ARRAY_COUNT(chain_files); i++) {
        struct chain chain = chain_new(chain_files[i].network);
        struct bytes file = shared_load(folder, chain_files[i].name), block;
        struct cursor c = cursor_of(file);

        while (bootstrap_next(&c, &chain.params, &block))
            accept_true(&chain, bytes_sub(block, 0, HEADER_SIZE));
        ck_assert_int_eq(chain.tip->height, chain_files[i].tip_height);
        header_tree_free(chain.tree);
        free((void *)file.data);
    }
}
END_TEST

/* Records of height, chain work and header, one at the start of each period. Between two of them
 * bits do not change where there is no minimum difficulty, so the work of the way is known. */
static void check_checkpoints(const char *folder, const char *name, enum network network)
{
    struct bytes file = shared_load(folder, name);
    struct cursor c = cursor_of(file);
    struct params params;
    struct u256 last_work = {{0}};
    uint32_t last_bits = 0, count = 0;

    params_init(&params, network);
    for (; cursor_left(&c) > 0; count++) {
        uint32_t height = cursor_le32(&c);
        struct u256 work = u256_from_le(cursor_take(&c, 32).data);
        struct header header;

        ck_assert(header_parse(&header, cursor_take(&c, HEADER_SIZE)));
        struct block_hash hash = header_hash(&header);
        ck_assert(header_check_pow(&params, &hash, header.bits));
        ck_assert_int_eq((int32_t)height % params.retarget_interval, 0);
        struct u256 own = work_of_bits(header.bits), before = work_of_bits(last_bits);
        before = u256_mul_u32(&before, (uint32_t)params.retarget_interval - 1);
        struct u256 expected = u256_add(&last_work, &before);
        expected = u256_add(&expected, &own);
        if (count > 0 && network != NETWORK_TEST) {
            ck_assert_msg(u256_compare(&expected, &work) == 0, "%s: height %u", name, height);
            ck_assert(header_permits_transition(&params, (int32_t)height, last_bits, header.bits));
        }
        last_work = work;
        last_bits = header.bits;
    }
    ck_assert(cursor_ok(&c));
    printf("%s: %u\n", name, count);
    free((void *)file.data);
}

START_TEST(chain_work_of_checkpoints_adds_up)
{
    const char *folder = shared_folder("checkpoints");

    if (folder == NULL)
        return;
    check_checkpoints(folder, "data/headers/mainnet-checkpoints.bin", NETWORK_MAIN);
    check_checkpoints(folder, "data/headers/signet-checkpoints.bin", NETWORK_SIGNET);
    check_checkpoints(folder, "data/headers/testnet3-checkpoints.bin", NETWORK_TEST);
}
END_TEST

int main(void)
{
    return SUITE_RUN("header_rules", hash_may_equal_its_target_and_target_the_limit,
                     errors_come_in_the_order_of_the_reference,
                     time_is_above_the_median_and_at_most_two_hours_ahead,
                     versions_rise_with_height, retargets_of_mainnet_and_their_limits,
                     between_retargets_bits_stay,
                     after_twenty_minutes_testnets_take_minimum_difficulty,
                     bip94_retargets_from_the_first_block_of_the_period,
                     bip94_first_block_is_at_most_ten_minutes_early,
                     presync_permits_a_factor_of_four_at_retargets_only,
                     accept_inserts_once_and_knows_the_marked, true_headers_pass,
                     chain_work_of_checkpoints_adds_up);
}
