/* plain_chain.h - the whole of validation in the plainest way, to hold the rules (and anything
 * faster) against: one thread, every coin ever made in one list with who made it and who spent it,
 * no state that depends on a tip. A block sees a coin if an ancestor made it and no ancestor spent
 * it. */
#ifndef TESTS_PLAIN_CHAIN_H
#define TESTS_PLAIN_CHAIN_H
#include "chain/block_rules.h"
#include "chain/header_rules.h"
#include "script/classify.h"
#include "script/verify.h"
#include "shared_files.h"

struct plain_coin {
    struct outpoint outpoint;
    struct tx_output output; /* into the kept bytes of its block */
    const struct header_node *creator;
    bool is_coinbase;
    const struct header_node **spenders;
    size_t spender_count;
    size_t next; /* of the same bucket, + 1 */
};

#define PLAIN_BUCKETS 65536

struct plain_chain {
    struct params params;
    struct header_tree *tree;
    struct plain_coin *coins;
    size_t coin_count;
    size_t buckets[PLAIN_BUCKETS];
    struct bytes *raw; /* of each header's block, by its index; data NULL where there is none */
    size_t raw_count;
    uint64_t stored_count;
    struct header_node *tip;
    struct script_machine *machine;
    enum script_error script_error; /* of the last block that failed by a script */
    int64_t now_s;
};

static inline struct plain_chain *plain_new(const struct params *params, int64_t now_s)
{
    struct plain_chain *plain = xcalloc(1, sizeof *plain);

    plain->params = *params;
    plain->tree = header_tree_new(params, (struct siphash_key){1, 2});
    plain->tip = header_tree_at(plain->tree, 0);
    plain->tip->status |= HEADER_VERIFIED; /* and its coinbase is no coin */
    plain->machine = script_machine_new();
    plain->now_s = now_s;
    return plain;
}

static inline void plain_free(struct plain_chain *plain)
{
    for (size_t i = 0; i < plain->coin_count; i++)
        free(plain->coins[i].spenders);
    for (size_t i = 0; i < plain->raw_count; i++)
        free((void *)plain->raw[i].data);
    free(plain->coins);
    free(plain->raw);
    header_tree_free(plain->tree);
    script_machine_free(plain->machine);
    free(plain);
}

static inline size_t *plain_bucket(struct plain_chain *plain, const struct outpoint *outpoint)
{
    uint64_t hash = siphash24((struct siphash_key){3, 4}, outpoint, sizeof *outpoint);

    return &plain->buckets[hash % PLAIN_BUCKETS];
}

static inline bool plain_is_visible(const struct plain_coin *coin, const struct header_node *node)
{
    if (coin->creator == NULL || !header_is_ancestor(coin->creator, node))
        return false;
    for (size_t i = 0; i < coin->spender_count; i++)
        if (header_is_ancestor(coin->spenders[i], node))
            return false;
    return true;
}

/* The coin as the block sees it, its own earlier transactions done; NULL if it cannot be spent. */
static inline struct plain_coin *plain_find(struct plain_chain *plain,
                                            const struct outpoint *outpoint,
                                            const struct header_node *node)
{
    for (size_t i = *plain_bucket(plain, outpoint); i != 0; i = plain->coins[i - 1].next) {
        struct plain_coin *coin = &plain->coins[i - 1];

        if (outpoint_equal(&coin->outpoint, outpoint) && plain_is_visible(coin, node))
            return coin;
    }
    return NULL;
}

static inline void plain_add(struct plain_chain *plain, const struct tx *tx, uint32_t vout,
                             const struct header_node *node)
{
    struct outpoint outpoint = {tx->txid, vout};
    size_t *bucket = plain_bucket(plain, &outpoint);

    if ((plain->coin_count & (plain->coin_count - 1)) == 0)
        plain->coins = xrealloc(plain->coins, 2 * (plain->coin_count + 1) * sizeof *plain->coins);
    plain->coins[plain->coin_count++] = (struct plain_coin){.outpoint = outpoint,
                                                            .output = tx->outputs[vout],
                                                            .creator = node,
                                                            .is_coinbase = tx_is_coinbase(tx),
                                                            .next = *bucket};
    *bucket = plain->coin_count;
}

static inline void plain_spend(struct plain_coin *coin, const struct header_node *node)
{
    coin->spenders = xrealloc(coin->spenders, (coin->spender_count + 1) * sizeof *coin->spenders);
    coin->spenders[coin->spender_count++] = node;
}

/* As if the block had never been. */
static inline void plain_undo(struct plain_chain *plain, const struct header_node *node)
{
    for (size_t i = 0; i < plain->coin_count; i++) {
        struct plain_coin *coin = &plain->coins[i];

        if (coin->creator == node)
            coin->creator = NULL;
        while (coin->spender_count > 0 && coin->spenders[coin->spender_count - 1] == node)
            coin->spender_count--;
    }
}

static inline void plain_verify(struct plain_chain *plain, const struct tx *tx,
                                const struct tx_output *prevouts, uint32_t flags)
{
    struct sighash_parts parts;

    sighash_parts_init(&parts, tx, prevouts);
    for (uint32_t i = 0; i < tx->input_count && plain->script_error == SCRIPT_OK; i++)
        plain->script_error = script_verify(plain->machine, tx, i, prevouts, &parts, flags);
}

/* One transaction that is no coinbase. */
static inline enum verdict plain_tx(struct plain_chain *plain, const struct tx *tx,
                                    const struct header_node *node, uint32_t flags,
                                    int64_t *fee_sat, uint64_t *sigop_cost, struct arena *arena)
{
    struct tx_output *prevouts = arena_array(arena, tx->input_count, sizeof *prevouts);
    struct coin_origin *origins = arena_array(arena, tx->input_count, sizeof *origins);

    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct plain_coin *coin = plain_find(plain, &tx->inputs[i].prevout, node);

        if (coin == NULL)
            return BAD_TXNS_INPUTS_MISSINGORSPENT;
        const struct header_node *creator = coin->creator;
        const struct header_node *before = creator->prev ? creator->prev : creator;
        prevouts[i] = coin->output;
        origins[i] =
            (struct coin_origin){creator->height, coin->is_coinbase, before->median_time_past};
    }
    enum verdict verdict = tx_check_inputs(tx, prevouts, origins, node->height, fee_sat);
    if (verdict != VALID)
        return verdict;
    if (block_has_csv(&plain->params, node->height) &&
        !tx_sequence_locks_pass(tx, origins, node->height, node->prev->median_time_past))
        return BAD_TXNS_NONFINAL;
    *sigop_cost += tx_sigop_cost(tx, prevouts, flags);
    plain_verify(plain, tx, prevouts, flags);
    for (uint32_t i = 0; i < tx->input_count; i++)
        plain_spend(plain_find(plain, &tx->inputs[i].prevout, node), node);
    return VALID;
}

static inline enum verdict plain_check_bip30(struct plain_chain *plain, const struct block *block,
                                             const struct header_node *node)
{
    if (!block_enforces_bip30(&plain->params, node))
        return VALID;
    for (uint32_t t = 0; t < block->tx_count; t++)
        for (uint32_t i = 0; i < block->txs[t].output_count; i++)
            if (plain_find(plain, &(struct outpoint){block->txs[t].txid, i}, node->prev))
                return BAD_TXNS_BIP30;
    return VALID;
}

/* The rules that need coins; the parent is verified. */
static inline enum verdict plain_connect(struct plain_chain *plain, const struct block *block,
                                         const struct block_facts *facts, struct header_node *node,
                                         struct arena *arena)
{
    uint32_t flags = block_script_flags(&plain->params, &node->hash, node->height);
    uint64_t sigop_cost = tx_sigop_cost(&block->txs[0], NULL, flags);
    enum verdict verdict = plain_check_bip30(plain, block, node);
    int64_t fees_sat = 0;

    plain->script_error = SCRIPT_OK;
    for (uint32_t t = 0; verdict == VALID && t < block->tx_count; t++) {
        const struct tx *tx = &block->txs[t];
        int64_t fee_sat = 0;

        if (t > 0)
            verdict = plain_tx(plain, tx, node, flags, &fee_sat, &sigop_cost, arena);
        fees_sat += fee_sat;
        if (verdict == VALID && !money_in_range(fees_sat))
            verdict = BAD_TXNS_ACCUMULATED_FEE_OUTOFRANGE;
        if (verdict == VALID && sigop_cost > BLOCK_SIGOP_COST_MAX)
            verdict = BAD_BLK_SIGOPS_COST;
        for (uint32_t i = 0; i < tx->output_count; i++)
            if (!script_is_unspendable(tx->outputs[i].script_pubkey))
                plain_add(plain, tx, i, node);
    }
    if (verdict == VALID)
        verdict = block_check_reward(&plain->params, facts, node->height, fees_sat);
    if (verdict == VALID && plain->script_error != SCRIPT_OK)
        verdict = BLOCK_SCRIPT_VERIFY_FLAG_FAILED;
    if (verdict != VALID)
        plain_undo(plain, node);
    return verdict;
}

/* Judges a stored block whose parent is verified. */
static inline enum verdict plain_judge(struct plain_chain *plain, struct header_node *node)
{
    struct arena arena;
    struct block block;
    struct block_facts facts;

    arena_init(&arena, 1 << 28);
    bool ok = block_parse(&block, plain->raw[node->index], &arena, true);
    ck_assert(ok);
    enum verdict verdict = block_check(&plain->params, &block, &arena, &facts);
    ck_assert_int_eq(verdict, VALID);
    verdict = plain_connect(plain, &block, &facts, node, &arena);
    if (verdict != VALID)
        header_tree_mark_invalid(plain->tree, node, verdict);
    else
        node->status |= HEADER_VERIFIED;
    arena_clear(&arena);
    return verdict;
}

/* Most work of the verified; of equals the first stored. */
static inline void plain_choose_tip(struct plain_chain *plain)
{
    struct header_node *tip = header_tree_at(plain->tree, 0);

    for (uint32_t i = 1; i < header_tree_count(plain->tree); i++) {
        struct header_node *node = header_tree_at(plain->tree, i);

        if (header_is_invalid(node) || !(node->status & HEADER_VERIFIED))
            continue;
        int order = u256_compare(&node->chainwork, &tip->chainwork);
        if (order > 0 || (order == 0 && node->sequence < tip->sequence))
            tip = node;
    }
    plain->tip = tip;
}

/* Offers a block; it is kept if the verdict on it alone is VALID or marks it. Blocks that waited
 * for it are judged too. */
static inline enum verdict plain_offer(struct plain_chain *plain, struct bytes raw)
{
    struct arena arena;
    struct block block;
    struct block_facts facts;
    struct header_node *node;
    bool is_new;

    arena_init(&arena, 1 << 28);
    enum verdict verdict = block_parse(&block, raw, &arena, true)
                               ? block_check(&plain->params, &block, &arena, &facts)
                               : BLOCK_DECODE_FAILED;
    if (verdict != BLOCK_DECODE_FAILED) { /* headers go ahead of blocks */
        enum verdict of_header =
            header_accept(plain->tree, &plain->params, &block.header, plain->now_s, &node, &is_new);
        verdict = of_header != VALID ? of_header : verdict;
    }
    if (verdict == VALID && node->prev == NULL)
        verdict = DUPLICATE;
    if (verdict == VALID) {
        verdict = block_check_context(&plain->params, &facts, node->prev);
        if (verdict_marks(verdict))
            header_tree_mark_invalid(plain->tree, node, verdict);
    }
    arena_clear(&arena);
    if (verdict != VALID || node->status & HEADER_HAS_BLOCK)
        return verdict;

    while (plain->raw_count <= node->index) {
        plain->raw = xrealloc(plain->raw, (plain->raw_count + 1) * sizeof *plain->raw);
        plain->raw[plain->raw_count++] = (struct bytes){NULL, 0};
    }
    uint8_t *kept = xmalloc(raw.size);
    memcpy(kept, raw.data, raw.size);
    plain->raw[node->index] = (struct bytes){kept, raw.size};
    node->status |= HEADER_HAS_BLOCK;
    node->sequence = ++plain->stored_count;
    for (uint32_t i = node->index; i < header_tree_count(plain->tree); i++) {
        struct header_node *next = header_tree_at(plain->tree, i);

        if (next->status & HEADER_HAS_BLOCK && !(next->status & HEADER_VERIFIED) &&
            !header_is_invalid(next) && next->prev->status & HEADER_VERIFIED) {
            enum verdict of_next = plain_judge(plain, next);
            verdict = next == node ? of_next : verdict;
        }
    }
    plain_choose_tip(plain);
    return verdict;
}
#endif
