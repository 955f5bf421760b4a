#include "ledger/state.h"

#define AHEAD 8

static int apply(struct root *root, const struct world *world, uint64_t *undo)
{
    for (uint32_t e = 0; e < world->event_count; e++) {
        const struct event *event = &world->events[e];
        struct coin_hash hash = event_hash(event);
        bool is_own = event->flags & EVENT_OWN;
        int rc = 0;

        if (e + AHEAD < world->event_count) {
            struct coin_hash later = event_hash(&world->events[e + AHEAD]);
            root_prefetch(root, &later);
        }
        if (undo && (event->flags & (EVENT_SPEND | EVENT_REPLACED)) == EVENT_SPEND)
            *undo++ = is_own ? 0 : event->word;
        if (is_own)
            continue;
        if (event->flags & EVENT_SPEND) {
            uint64_t gone = root_delete(root, &event->outpoint, &hash, event->word);
            assert(gone == event->word); /* else this world was never verified */
        } else {
            rc = root_insert(root, &event->outpoint, &hash, event->word, true);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

int ledger_fold(struct ledger *ledger, struct world *world, uint64_t *undo)
{
    struct world *old = ledger->root_world;

    assert(world->parent == old && world->is_connected);
    ledger_drop_all_but(ledger, world);
    int rc = apply(&ledger->root, world, undo);
    if (rc != 0)
        return rc;
    world_sweep(ledger, world);
    world->parent = NULL;
    ledger->root_world = world;
    world_release(ledger, old);
    root_stamp(&ledger->root, world->node);
    index_grow_step(&ledger->root.index);
    return 0;
}

/* The inputs and outputs of a block in the order in which they act. */
struct walk {
    const struct ledger_block *lb;
    struct root *root;
    uint32_t input, output;
};

static const struct coin_hash *next_input(struct walk *w)
{
    const struct coin_hash *hash = &w->lb->inputs[w->input++];

    if (w->input + AHEAD < w->lb->block->input_count - w->lb->block->txs[0].input_count)
        root_prefetch(w->root, hash + AHEAD);
    return hash;
}

/* *word: 0 if the output is never a coin. */
static const struct coin_hash *next_output(struct walk *w, const struct tx *tx, uint32_t vout,
                                           uint64_t *word)
{
    const struct coin_hash *hash = &w->lb->outputs[w->output];
    uint32_t check = w->lb->checks[w->output++];

    if (w->output + AHEAD < w->lb->block->output_count)
        root_prefetch(w->root, hash + AHEAD);
    *word = check == COIN_NEVER
                ? 0
                : coin_word(w->lb->pos + tx->outputs[vout].offset, tx == w->lb->block->txs, check);
    return hash;
}

struct absent {
    uint32_t outputs;          /* that were not there */
    uint32_t coinbase_outputs; /* of them */
};

static struct absent take_outputs_out(struct root *root, const struct ledger_block *lb)
{
    struct walk walk = {.lb = lb, .root = root};
    struct absent absent = {0};

    for (uint32_t t = 0; t < lb->block->tx_count; t++) {
        const struct tx *tx = &lb->block->txs[t];
        struct outpoint outpoint = {.txid = tx->txid};

        for (; outpoint.vout < tx->output_count; outpoint.vout++) {
            uint64_t word;
            const struct coin_hash *hash = next_output(&walk, tx, outpoint.vout, &word);
            if (word != 0 && root_delete(root, &outpoint, hash, word) == 0) {
                absent.outputs++;
                absent.coinbase_outputs += t == 0;
            }
        }
    }
    return absent;
}

/* *own_count: words that say the coin was of this block itself. */
static int put_inputs_back(struct root *root, const struct ledger_block *lb, const uint64_t *undo,
                           uint32_t *own_count)
{
    struct walk walk = {.lb = lb, .root = root};

    *own_count = 0;
    for (uint32_t t = 1; t < lb->block->tx_count; t++) {
        const struct tx *tx = &lb->block->txs[t];

        for (uint32_t i = 0; i < tx->input_count; i++) {
            const struct coin_hash *hash = next_input(&walk);
            uint64_t word = *undo++;
            if (word == 0) {
                ++*own_count;
                continue;
            }
            if (coin_word_pos(word) == 0)
                return -EILSEQ;
            int rc = root_insert(root, &tx->inputs[i].prevout, hash, word, false);
            if (rc != 0)
                return rc == -EEXIST ? -EILSEQ : rc;
        }
    }
    return 0;
}

int ledger_unfold(struct ledger *ledger, const struct ledger_block *lb, const uint64_t *undo,
                  uint32_t undo_count)
{
    struct root *root = &ledger->root;
    struct world *world = ledger->root_world;
    const struct block *block = lb->block;
    uint32_t own_count;

    assert(ledger->world_count == 1 && ledger_top(ledger) == world->node && world->node->prev);
    if (!block_hash_equal(&block->hash, &world->node->hash) || block->tx_count == 0 ||
        undo_count != block->input_count - block->txs[0].input_count)
        return -EILSEQ;

    struct absent absent = take_outputs_out(root, lb);
    int rc = put_inputs_back(root, lb, undo, &own_count);
    if (rc != 0)
        return rc;
    /* What the block itself spent was not there, nor a coinbase that a later block replaced. */
    if (own_count > absent.outputs || absent.outputs - own_count > absent.coinbase_outputs)
        return -EILSEQ;
    world->node = world->node->prev;
    root_stamp(root, world->node);
    index_grow_step(&root->index);
    return 0;
}

static bool is_behind(const struct root *root, uint32_t shard, const struct header_node *node)
{
    return root->stamps[shard]->height < node->height;
}

static int replay_inputs(struct walk *walk, const struct tx *tx, const struct header_node *node,
                         uint64_t *undo)
{
    for (uint32_t i = 0; i < tx->input_count; i++) {
        const struct coin_hash *hash = next_input(walk);
        uint64_t word = UINT64_MAX;

        if (is_behind(walk->root, hash->shard, node)) {
            word = root_delete(walk->root, &tx->inputs[i].prevout, hash, 0);
            if (word == 0)
                return -EILSEQ;
            if (coin_word_pos(word) >= walk->lb->pos &&
                coin_word_pos(word) - walk->lb->pos < walk->lb->block->raw.size)
                word = 0;
        }
        if (undo)
            undo[i] = word;
    }
    return 0;
}

static int replay_outputs(struct walk *walk, const struct tx *tx, const struct header_node *node)
{
    struct outpoint outpoint = {.txid = tx->txid};

    for (; outpoint.vout < tx->output_count; outpoint.vout++) {
        uint64_t word;
        const struct coin_hash *hash = next_output(walk, tx, outpoint.vout, &word);

        if (word == 0 || !is_behind(walk->root, hash->shard, node))
            continue;
        int rc = root_insert(walk->root, &outpoint, hash, word, walk->lb->bip30 == BIP30_OVERWRITE);
        if (rc != 0)
            return rc == -EEXIST ? -EILSEQ : rc;
    }
    return 0;
}

int ledger_replay(struct ledger *ledger, const struct ledger_block *lb, struct header_node *node,
                  uint64_t *undo)
{
    struct root *root = &ledger->root;
    struct walk walk = {.lb = lb, .root = root};

    assert(ledger->world_count == 1 && node->prev == ledger->root_world->node);
    if (!block_hash_equal(&lb->block->hash, &node->hash) ||
        lb->pos > COIN_POS_MAX - lb->block->raw.size)
        return -EILSEQ;
    for (uint32_t t = 0; t < lb->block->tx_count; t++) {
        const struct tx *tx = &lb->block->txs[t];
        int rc = t > 0 ? replay_inputs(&walk, tx, node, undo ? undo + walk.input : NULL) : 0;

        if (rc == 0)
            rc = replay_outputs(&walk, tx, node);
        if (rc != 0)
            return rc;
    }
    for (uint32_t s = 0; s < root->index.shard_count; s++)
        if (is_behind(root, s, node))
            root->stamps[s] = node;
    ledger->root_world->node = node;
    index_grow_step(&root->index);
    return 0;
}
