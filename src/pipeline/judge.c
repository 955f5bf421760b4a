/* judge.c - the plain path: one block, one thread, no caches and no tags. Every outpoint is
 * compared with the block that funds it. It gives the verdict that counts before a block is marked,
 * and the reference node's exact reason: context rules, BIP30, then transaction by transaction, the
 * coinbase's amount, and scripts last. */
#include "pipeline/engine_private.h"

#include "base/random.h"

/* Coins that the block itself made so far. */
struct own_coin {
    struct outpoint outpoint;
    const struct tx_output *output; /* NULL: free place */
    bool is_spent;
};

struct judge {
    struct engine *engine;
    const struct header_node *node;
    struct world *parent;
    struct arena arena;
    struct block block;
    struct block_facts facts;
    struct bytes raw;
    uint32_t flags;

    struct siphash_key key;
    struct own_coin *own;
    size_t own_mask;
    struct own_coin *spent; /* coins of the parent's world, by outpoint */

    struct tx_output *prevouts; /* all inputs in block order, but the coinbase's */
    struct coin_origin *origins;
};

/* On the ledger thread, or one that does a part for it. */
static int read_bytes(struct engine *engine, uint64_t pos, void *out, size_t size)
{
    const struct block_entry *entry = block_table_find(engine->table, pos);
    const uint8_t *resident = entry ? atomic_load(&node_work(engine, entry->node)->resident) : NULL;

    if (!entry || size > entry->pos + entry->size - pos)
        return -EBADMSG;
    if (resident) {
        memcpy(out, resident + (pos - entry->pos), size);
        return 0;
    }
    pthread_mutex_lock(&engine->sync_mutex);
    int error = disk_read_sync(engine->sync_disk, engine->sync_blocks, out, size, pos);
    pthread_mutex_unlock(&engine->sync_mutex);
    return error;
}

static const struct tx_output *find_output(const struct block *block, uint64_t offset,
                                           struct outpoint *outpoint)
{
    for (uint32_t t = 0; t < block->tx_count; t++)
        for (uint32_t o = 0; o < block->txs[t].output_count; o++)
            if (block->txs[t].outputs[o].offset == offset) {
                *outpoint = (struct outpoint){block->txs[t].txid, o};
                return &block->txs[t].outputs[o];
            }
    return NULL;
}

/* The header's hash does not cover the transactions: the merkle root does. */
int read_whole(struct engine *engine, const struct block_entry *entry, struct arena *arena,
               struct block *block)
{
    struct block_facts facts;
    uint8_t *raw = arena_alloc(arena, entry->size);
    int error = read_bytes(engine, entry->pos, raw, entry->size);

    if (error < 0 && error != -ENODATA)
        return error;
    if (error == 0 && block_parse(block, (struct bytes){raw, entry->size}, arena, true) &&
        block_hash_equal(&block->hash, &entry->node->hash) &&
        block_check(engine->params, block, arena, &facts) == VALID)
        return 0;
    engine->rotten = entry->node;
    return -EBADMSG;
}

int outpoint_at(void *context, uint64_t pos, struct outpoint *outpoint, uint32_t *check)
{
    struct engine *engine = context;
    const struct block_entry *entry = block_table_find(engine->table, pos);
    const struct tx_output *output = NULL;
    struct arena arena;
    struct block block;

    if (!entry)
        return -EBADMSG;
    arena_init(&arena, SIZE_MAX);
    int error = read_whole(engine, entry, &arena, &block);
    if (error == 0) {
        output = find_output(&block, pos - entry->pos, outpoint);
        error = output ? 0 : -EBADMSG;
    }
    if (output)
        *check = coin_check_of(&engine->key, outpoint, block_txout(&block, output));
    arena_clear(&arena);
    return error;
}

static struct own_coin *place_of(struct judge *judge, struct own_coin *table,
                                 const struct outpoint *outpoint)
{
    size_t i = siphash24(judge->key, outpoint, sizeof *outpoint) & judge->own_mask;

    while (table[i].output && !outpoint_equal(&table[i].outpoint, outpoint))
        i = (i + 1) & judge->own_mask;
    return &table[i];
}

static void add_outputs(struct judge *judge, const struct tx *tx)
{
    for (uint32_t o = 0; o < tx->output_count; o++) {
        struct outpoint outpoint = {tx->txid, o};

        if (coin_is_possible(tx->outputs[o].script_pubkey))
            *place_of(judge, judge->own, &outpoint) =
                (struct own_coin){outpoint, &tx->outputs[o], false};
    }
}

/* Reads the TxOut that ref points to, in the block of entry. */
static int read_txout(struct judge *judge, const struct coin_ref *ref,
                      const struct block_entry *entry, struct txout *txout)
{
    uint64_t left = entry->pos + entry->size - ref->pos;
    size_t size = left < TXOUT_SCRIPT_MAX + 16 ? (size_t)left : TXOUT_SCRIPT_MAX + 16;
    uint8_t *raw = arena_alloc(&judge->arena, size);
    int error = read_bytes(judge->engine, ref->pos, raw, size);

    if (error < 0)
        return error;
    return txout_parse(txout, (struct bytes){raw, size}) == TXOUT_OK ? 0 : -EBADMSG;
}

/* 1: found and spent now, 0: missing or spent, or an error. */
static int spend(struct judge *judge, const struct tx *tx, const struct tx_input *input, uint32_t i)
{
    struct own_coin *own = place_of(judge, judge->own, &input->prevout);
    struct own_coin *spent = place_of(judge, judge->spent, &input->prevout);
    struct coin_origin *origin = &judge->origins[i];
    struct coin_ref ref;
    struct txout txout;

    if (own->output) {
        if (own->is_spent)
            return 0;
        own->is_spent = true;
        judge->prevouts[i] = *own->output;
        *origin = (struct coin_origin){
            .height = judge->node->height,
            .is_coinbase = txid_equal(&input->prevout.txid, &judge->block.txs[0].txid),
            .time = judge->node->prev->median_time_past};
        return 1;
    }
    if (spent->output)
        return 0;
    int error = world_find_exact(judge->engine->ledger, judge->parent, &input->prevout, &ref);
    if (error <= 0)
        return error;
    const struct block_entry *entry = block_table_find(judge->engine->table, ref.pos);
    if (!entry || !entry->node->prev)
        return -EBADMSG;
    error = read_txout(judge, &ref, entry, &txout);
    /* The check tells whether the bytes still are what they were when the coin was made. */
    if (error == 0 && coin_check_of(&judge->engine->key, &input->prevout, txout.raw) != ref.check)
        error = -EBADMSG;
    if (error == -EBADMSG)
        judge->engine->rotten = entry->node;
    if (error < 0)
        return error;
    judge->prevouts[i] =
        (struct tx_output){.amount_sat = txout.amount_sat, .script_pubkey = txout.script_pubkey};
    *origin = (struct coin_origin){
        .height = entry->node->height,
        .is_coinbase = ref.is_coinbase,
        .time = tx_input_needs_coin_time(tx, input) ? entry->node->prev->median_time_past : 0};
    *spent = (struct own_coin){input->prevout, &judge->prevouts[i], true};
    return 1;
}

static int check_bip30(struct judge *judge, enum verdict *verdict)
{
    const struct params *params = judge->engine->params;

    if (block_is_bip30_repeat(params, judge->node) || !block_enforces_bip30(params, judge->node))
        return 0;
    for (uint32_t t = 0; t < judge->block.tx_count; t++)
        for (uint32_t o = 0; o < judge->block.txs[t].output_count; o++) {
            struct outpoint outpoint = {judge->block.txs[t].txid, o};
            struct coin_ref ref;
            int found = world_find_exact(judge->engine->ledger, judge->parent, &outpoint, &ref);

            if (found < 0)
                return found;
            if (found) {
                *verdict = BAD_TXNS_BIP30;
                return 0;
            }
        }
    return 0;
}

static int check_txs(struct judge *judge, enum verdict *verdict)
{
    const struct params *params = judge->engine->params;
    const struct block *block = &judge->block;
    int32_t height = judge->node->height;
    uint64_t sigop_cost = tx_sigop_cost(&block->txs[0], NULL, judge->flags);
    int64_t fees_sat = 0, fee_sat;
    uint32_t first = 0;

    *verdict = sigop_cost > BLOCK_SIGOP_COST_MAX ? BAD_BLK_SIGOPS_COST : VALID;
    add_outputs(judge, &block->txs[0]);
    for (uint32_t t = 1; t < block->tx_count && *verdict == VALID;
         first += block->txs[t].input_count, t++) {
        const struct tx *tx = &block->txs[t];

        for (uint32_t k = 0; k < tx->input_count; k++) {
            int found = spend(judge, tx, &tx->inputs[k], first + k);
            if (found <= 0) {
                *verdict = BAD_TXNS_INPUTS_MISSINGORSPENT;
                return found;
            }
        }
        *verdict =
            tx_check_inputs(tx, judge->prevouts + first, judge->origins + first, height, &fee_sat);
        if (*verdict != VALID)
            break;
        fees_sat += fee_sat;
        sigop_cost += tx_sigop_cost(tx, judge->prevouts + first, judge->flags);
        if (!money_in_range(fees_sat))
            *verdict = BAD_TXNS_ACCUMULATED_FEE_OUTOFRANGE;
        else if (block_has_csv(params, height) &&
                 !tx_sequence_locks_pass(tx, judge->origins + first, height,
                                         judge->node->prev->median_time_past))
            *verdict = BAD_TXNS_NONFINAL;
        else if (sigop_cost > BLOCK_SIGOP_COST_MAX)
            *verdict = BAD_BLK_SIGOPS_COST;
        add_outputs(judge, tx);
    }
    if (*verdict == VALID)
        *verdict = block_check_reward(params, &judge->facts, height, fees_sat);
    return 0;
}

static enum script_error check_scripts(struct judge *judge)
{
    struct script_machine *machine = script_machine_new();
    enum script_error error = SCRIPT_OK;
    uint32_t first = 0;

    for (uint32_t t = 1; t < judge->block.tx_count && error == SCRIPT_OK; t++) {
        const struct tx *tx = &judge->block.txs[t];
        struct sighash_parts parts;

        sighash_parts_init(&parts, tx, judge->prevouts + first);
        for (uint32_t k = 0; k < tx->input_count && error == SCRIPT_OK; k++)
            error = script_verify(machine, tx, k, judge->prevouts + first, &parts, judge->flags);
        first += tx->input_count;
    }
    script_machine_free(machine);
    return error;
}

static void prepare(struct judge *judge)
{
    size_t capacity = 16;

    while (capacity < 2 * ((size_t)judge->block.output_count + judge->block.input_count))
        capacity *= 2;
    judge->own_mask = capacity - 1;
    random_bytes(&judge->key, sizeof judge->key);
    judge->own = arena_array(&judge->arena, capacity, sizeof *judge->own);
    judge->spent = arena_array(&judge->arena, capacity, sizeof *judge->spent);
    memset(judge->own, 0, capacity * sizeof *judge->own);
    memset(judge->spent, 0, capacity * sizeof *judge->spent);
    judge->prevouts = arena_array(&judge->arena, judge->block.input_count, sizeof *judge->prevouts);
    judge->origins = arena_array(&judge->arena, judge->block.input_count, sizeof *judge->origins);
    memset(judge->origins, 0, judge->block.input_count * sizeof *judge->origins);
    judge->flags =
        block_script_flags(judge->engine->params, &judge->node->hash, judge->node->height);
}

static int judge_coins(struct judge *judge, enum verdict *verdict, enum script_error *script_error)
{
    prepare(judge);
    int error = check_bip30(judge, verdict);
    if (error == 0 && *verdict == VALID)
        error = check_txs(judge, verdict);
    if (error < 0 || *verdict != VALID)
        return error;
    *script_error = check_scripts(judge);
    if (*script_error != SCRIPT_OK)
        *verdict = BLOCK_SCRIPT_VERIFY_FLAG_FAILED;
    return 0;
}

/* What the block and the headers before it say, from its bytes anew. */
static enum verdict judge_context(struct judge *judge)
{
    enum verdict verdict;

    if (!block_parse(&judge->block, judge->raw, &judge->arena, true))
        return BLOCK_DECODE_FAILED;
    verdict = block_check(judge->engine->params, &judge->block, &judge->arena, &judge->facts);
    if (verdict != VALID)
        return verdict;
    return block_check_context(judge->engine->params, &judge->facts, judge->node->prev);
}

enum verdict judge_without_coins(struct engine *engine, const struct header_node *node,
                                 struct bytes raw)
{
    struct judge judge = {.engine = engine, .node = node, .raw = raw};

    arena_init(&judge.arena, SIZE_MAX);
    enum verdict verdict = judge_context(&judge);
    arena_clear(&judge.arena);
    return verdict;
}

int judge_block(struct engine *engine, const struct header_node *node, struct bytes raw,
                enum verdict *verdict, enum script_error *script_error)
{
    struct judge judge = {
        .engine = engine, .node = node, .parent = node_work(engine, node->prev)->world, .raw = raw};
    int error = 0;

    assert(judge.parent);
    arena_init(&judge.arena, SIZE_MAX);
    *script_error = SCRIPT_OK;
    *verdict = judge_context(&judge);
    if (*verdict == VALID)
        error = judge_coins(&judge, verdict, script_error);
    arena_clear(&judge.arena);
    return error;
}
