/* Blocks of the real networks, and of made chains, through the rules; and spoilt copies of them. */
#include "base/random.h"
#include "chain_files.h"
#include "make_block.h"
#include "script/flags.h"

#define NOW 1795340220 /* 2026-11-22 */

struct loaded {
    struct params params;
    int32_t height;
    struct bytes raw;
    struct arena arena;
    struct block block;
    struct block_facts facts;
};

/* Network and height are in the name: main-277647.blk. */
static void load(struct loaded *l, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    bool is_main = strncmp(name, "main-", 5) == 0;

    ck_assert(is_main || strncmp(name, "test3-", 6) == 0);
    params_init(&l->params, is_main ? NETWORK_MAIN : NETWORK_TEST);
    l->height = atoi(strchr(name, '-') + 1);
    l->raw = file_load(path);
    arena_init(&l->arena, 1 << 28);
    ck_assert(block_parse(&l->block, l->raw, &l->arena, true));
}

static void unload(struct loaded *l)
{
    arena_clear(&l->arena);
    free((void *)l->raw.data);
}

/* The verdict in the block's place. The median time before it is at most a second less than its
 * own. */
static enum verdict judge_in_place(const struct loaded *l, struct bytes raw,
                                   struct block_facts *facts)
{
    struct header_node prev = {.height = l->height - 1,
                               .median_time_past = l->block.header.time - 1};
    enum verdict verdict = judge(&l->params, raw, facts);

    return verdict == VALID ? block_check_context(&l->params, facts, &prev) : verdict;
}

/* What stands beside a block, from the files .prevouts and .prevtimes. */
struct spent {
    struct bytes prevouts_file, times_file;
    struct cursor prevouts, times;
};

static bool spent_open(struct spent *spent, const char *path)
{
    char name[4096];
    struct stat st;

    *spent = (struct spent){0};
    snprintf(name, sizeof name, "%.*s.prevouts", (int)(strlen(path) - 4), path);
    if (stat(name, &st) != 0)
        return false;
    spent->prevouts_file = file_load(name);
    snprintf(name, sizeof name, "%.*s.prevtimes", (int)(strlen(path) - 4), path);
    if (stat(name, &st) == 0)
        spent->times_file = file_load(name);
    spent->prevouts = cursor_of(spent->prevouts_file);
    spent->times = cursor_of(spent->times_file);
    return true;
}

static void spent_read(struct spent *spent, struct tx_output *prevout, struct coin_origin *origin)
{
    struct cursor *c = &spent->prevouts;

    prevout->amount_sat = (int64_t)cursor_le64(c);
    uint32_t height = cursor_le32(c);
    uint8_t coinbase = cursor_u8(c);
    prevout->script_pubkey = cursor_take(c, cursor_le32(c));
    ck_assert(cursor_ok(c));
    origin->height = height == UINT32_MAX ? 0 : (int32_t)height;
    origin->is_coinbase = coinbase == 1;
    origin->time = spent->times_file.size > 0 ? cursor_le32(&spent->times) : 0;
}

/* Amounts, maturity, relative locks, sigop cost and the reward, with the coins that were spent. */
static void check_spends(const struct loaded *l, struct spent *spent)
{
    uint32_t flags = block_script_flags(&l->params, &l->block.hash, l->height);
    uint64_t cost = tx_sigop_cost(&l->block.txs[0], NULL, flags);
    int64_t fees_sat = 0;

    for (uint32_t t = 1; t < l->block.tx_count; t++) {
        const struct tx *tx = &l->block.txs[t];
        struct tx_output *prevouts = xcalloc(tx->input_count, sizeof *prevouts);
        struct coin_origin *origins = xcalloc(tx->input_count, sizeof *origins);
        int64_t fee_sat;

        for (uint32_t i = 0; i < tx->input_count; i++)
            spent_read(spent, &prevouts[i], &origins[i]);
        ck_assert_int_eq(tx_check_inputs(tx, prevouts, origins, l->height, &fee_sat), VALID);
        if (block_has_csv(&l->params, l->height))
            ck_assert(tx_sequence_locks_pass(tx, origins, l->height, l->block.header.time - 1));
        cost += tx_sigop_cost(tx, prevouts, flags);
        fees_sat += fee_sat;
        free(prevouts);
        free(origins);
    }
    ck_assert_uint_eq(cursor_left(&spent->prevouts), 0);
    ck_assert_uint_le(cost, BLOCK_SIGOP_COST_MAX);
    /* All these coinbases take what there is, to the satoshi. */
    ck_assert_int_eq(block_check_reward(&l->params, &l->facts, l->height, fees_sat), VALID);
    ck_assert_int_eq(block_check_reward(&l->params, &l->facts, l->height, fees_sat - 1),
                     BAD_CB_AMOUNT);
}

START_TEST(true_blocks_pass_and_their_spends_add_up)
{
    const char *folder = shared_folder("blocks");
    size_t spends = 0;

    if (folder == NULL)
        return;
    glob_t found = shared_glob(folder, "data/blocks/*.blk");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct loaded l;
        struct spent spent;

        load(&l, found.gl_pathv[i]);
        enum verdict verdict = judge_in_place(&l, l.raw, &l.facts);
        ck_assert_msg(verdict == VALID, "%s: %s", found.gl_pathv[i], verdict_text(verdict));
        ck_assert_uint_eq(l.facts.weight, block_weight(&l.block));
        if (spent_open(&spent, found.gl_pathv[i])) {
            spends++;
            check_spends(&l, &spent);
            free((void *)spent.prevouts_file.data);
            free((void *)spent.times_file.data);
        }
        unload(&l);
    }
    printf("blocks: %zu, with prevouts: %zu\n", found.gl_pathc, spends);
    globfree(&found);
}
END_TEST

/* Transactions repeated where an odd level of the tree doubles them; nothing if no level is odd. */
static bool double_subtree(const struct loaded *l, struct build *b)
{
    const struct block *block = &l->block;
    uint32_t count = block->tx_count & -block->tx_count;
    const uint8_t *from = block->txs[block->tx_count - count].raw.data;
    const uint8_t *txs = block->txs[0].raw.data, *end = block->raw.data + block->raw.size;

    if (count == block->tx_count)
        return false;
    build_raw(b, block->raw.data, HEADER_SIZE);
    build_count(b, block->tx_count + count);
    build_raw(b, txs, (size_t)(end - txs));
    build_raw(b, from, (size_t)(end - from));
    return true;
}

static void strip_witnesses(const struct loaded *l, struct build *b)
{
    build_raw(b, l->block.raw.data, HEADER_SIZE);
    build_count(b, l->block.tx_count);
    for (uint32_t i = 0; i < l->block.tx_count; i++) {
        size_t at = b->size;
        uint32_t size = l->block.txs[i].stripped_size;
        uint8_t *room = xcalloc(size, 1);

        build_raw(b, room, size);
        tx_write_stripped(b->data + at, &l->block.txs[i]);
        free(room);
    }
}

START_TEST(copies_with_the_same_hash_are_mutations_and_mark_nothing)
{
    const char *folder = shared_folder("blocks");
    size_t doubled = 0, stripped = 0;

    if (folder == NULL)
        return;
    glob_t found = shared_glob(folder, "data/blocks/*.blk");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct build b = {0};
        struct loaded l;

        load(&l, found.gl_pathv[i]);
        ck_assert_int_eq(judge_in_place(&l, l.raw, &l.facts), VALID);
        if (double_subtree(&l, &b)) {
            doubled++;
            ck_assert_int_eq(judge_in_place(&l, (struct bytes){b.data, b.size}, &l.facts),
                             BAD_TXNS_DUPLICATE);
        }
        ck_assert_int_eq(judge_in_place(&l, l.raw, &l.facts), VALID);
        b.size = 0;
        strip_witnesses(&l, &b);
        if (l.facts.has_witness) {
            stripped++;
            ck_assert_int_eq(judge_in_place(&l, (struct bytes){b.data, b.size}, &l.facts),
                             BAD_WITNESS_NONCE_SIZE);
        } else {
            ck_assert(bytes_equal(l.raw, (struct bytes){b.data, b.size}));
        }
        free(b.data);
        unload(&l);
    }
    printf("doubled: %zu, stripped: %zu\n", doubled, stripped);
    ck_assert_uint_gt(doubled, 10);
    ck_assert_uint_gt(stripped, 2);
    globfree(&found);
}
END_TEST

START_TEST(no_changed_byte_after_the_header_goes_unseen)
{
    const char *folder = shared_folder("blocks");
    size_t counts[VERDICT_COUNT] = {0};
    struct prng prng;

    if (folder == NULL)
        return;
    prng_init(&prng, 20261122);
    glob_t found = shared_glob(folder, "data/blocks/*.blk");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct block_facts facts;
        struct loaded l;

        load(&l, found.gl_pathv[i]);
        for (int round = 0; round < 60; round++) {
            uint8_t *at =
                (uint8_t *)l.raw.data + HEADER_SIZE + prng_below(&prng, l.raw.size - HEADER_SIZE);
            uint8_t kept = *at;

            *at ^= (uint8_t)(1 + prng_below(&prng, 255));
            enum verdict verdict = judge_in_place(&l, l.raw, &facts);
            *at = kept;
            ck_assert_msg(verdict == BLOCK_DECODE_FAILED ||
                              verdict_class(verdict) == VERDICT_MUTATED,
                          "%s, byte %zu: %s", found.gl_pathv[i], (size_t)(at - l.raw.data),
                          verdict_text(verdict));
            counts[verdict]++;
        }
        unload(&l);
    }
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (counts[v] > 0)
            printf("changed byte: %s %zu\n", verdict_text((enum verdict)v), counts[v]);
    ck_assert_uint_gt(counts[BAD_TXNMRKLROOT], 500);
    ck_assert_uint_gt(counts[BAD_WITNESS_MERKLE_MATCH], 30);
    globfree(&found);
}
END_TEST

START_TEST(chains_pass_header_and_block_rules_in_their_context)
{
    const char *folder = shared_folder("chains");
    size_t blocks = 0;

    for (size_t i = 0; folder != NULL && i < ARRAY_COUNT(chain_files); i++) {
        struct params params;
        struct bytes file = shared_load(folder, chain_files[i].name), raw;
        struct cursor c = cursor_of(file);

        params_init(&params, chain_files[i].network);
        struct header_tree *tree = header_tree_new(&params, (struct siphash_key){5, 6});
        for (; bootstrap_next(&c, &params, &raw); blocks++) {
            struct block_facts facts;
            struct header header;
            struct header_node *node;
            bool is_new;

            ck_assert(header_parse(&header, bytes_sub(raw, 0, HEADER_SIZE)));
            ck_assert_int_eq(header_accept(tree, &params, &header, NOW, &node, &is_new), VALID);
            ck_assert_int_eq(judge(&params, raw, &facts), VALID);
            if (node->prev == NULL)
                continue;
            ck_assert_int_eq(block_check_context(&params, &facts, node->prev), VALID);
            ck_assert_int_eq(block_enforces_bip30(&params, node), true);
        }
        ck_assert_int_eq(header_tree_best(tree)->height, chain_files[i].tip_height);
        header_tree_free(tree);
        free((void *)file.data);
    }
    printf("blocks of chains: %zu\n", blocks);
}
END_TEST

int main(void)
{
    return SUITE_RUN("true_blocks", true_blocks_pass_and_their_spends_add_up,
                     copies_with_the_same_hash_are_mutations_and_mark_nothing,
                     no_changed_byte_after_the_header_goes_unseen,
                     chains_pass_header_and_block_rules_in_their_context);
}
