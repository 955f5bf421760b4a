/* recover.c - the coin set from disk: the newest checkpoint that counts and fits its blocks, else
 * the one before, else an empty one, from which blocks.bin is judged anew. Blocks that are known to
 * be valid are replayed by plain reads; their undo words are made again on the way. */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include <stdlib.h>

#define PROGRESS_US 5000000

bool keep_on(struct engine *engine, const char *what, int32_t height, int32_t goal)
{
    uint64_t now_us = clock_monotonic_us();

    atomic_fetch_add_explicit(&engine->turns, 1, memory_order_relaxed);
    if (engine->progress_us == 0) /* it has only begun */
        engine->progress_us = now_us;
    if (now_us - engine->progress_us >= PROGRESS_US) {
        engine->progress_us = now_us;
        engine_log(engine, ENGINE_LOG_INFO, "%s %d of %d", what, height, goal);
    }
    return !is_given_up(engine);
}

int read_ledger_block(struct engine *engine, struct header_node *node, struct arena *arena,
                      struct block *block, struct block_events *events, struct ledger_block *lb)
{
    struct block_entry entry = {.pos = node->pos, .node = node, .size = node->size};
    int error = read_whole(engine, &entry, arena, block);

    if (error < 0)
        return error;
    if (!block_events_make(&engine->key, block, arena, events))
        return -ENOMEM;
    *lb = (struct ledger_block){
        .block = block,
        .pos = node->pos,
        .events = events,
        .bip30 = block_is_bip30_repeat(engine->params, node) ? BIP30_OVERWRITE : BIP30_ENFORCED};
    return 0;
}

/* Words that are not all there, because shards were ahead of this block, have been saved before
 * those shards (undo.h rule 2). */
static void keep_words(struct engine *engine, const struct header_node *node, uint64_t *words,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (words[i] == UINT64_MAX) {
            free(words);
            return;
        }
    checkpointer_undo(engine->saving.checkpointer, node->height, &node->hash, words, count);
}

static int replay_block(struct engine *engine, struct header_node *node)
{
    struct arena arena;
    struct block block;
    struct block_events events = {0};
    struct ledger_block lb;

    arena_init(&arena, SIZE_MAX);
    int error = read_ledger_block(engine, node, &arena, &block, &events, &lb);
    if (error == 0) {
        uint32_t count = block.input_count - block.txs[0].input_count;
        uint64_t *words = xmalloc((count + 1) * sizeof *words);

        error = ledger_replay(engine->ledger, &lb, node, words);
        if (error == -EBADMSG) /* half applied, unlike one that is damaged itself */
            error = -EILSEQ;
        if (error == 0)
            keep_words(engine, node, words, count);
        else
            free(words);
    }
    block_events_clear(&events);
    arena_clear(&arena);
    return error;
}

/* From the root to goal. A damaged block behind all images is left to the pipeline: 0. */
static int replay(struct engine *engine, struct header_node *goal)
{
    struct header_node *top = ledger_top(engine->ledger);
    struct header_node *root = world_node(ledger_root(engine->ledger));
    uint64_t begun_us = clock_monotonic_us();
    int error = 0;

    if (!header_is_ancestor(top, goal))
        goal = top;
    for (int32_t height = root->height + 1; error == 0 && height <= goal->height; height++) {
        error = keep_on(engine, "replaying blocks: height", height, goal->height)
                    ? replay_block(engine, header_ancestor(goal, height))
                    : -ECANCELED;
        if (error == -EBADMSG && height > top->height)
            break;
    }
    engine->saving.replay_us = clock_monotonic_us() - begun_us;
    if (error == -EBADMSG && world_node(ledger_root(engine->ledger))->height >= top->height)
        error = 0;
    root = world_node(ledger_root(engine->ledger));
    if (error == 0 && root != engine->saving.saved)
        engine_log(engine, ENGINE_LOG_INFO, "replayed %d blocks in %llu ms",
                   root->height - engine->saving.saved->height,
                   (unsigned long long)engine->saving.replay_us / 1000);
    return error;
}

struct on_chain {
    struct engine *engine;
    const struct header_node *limit; /* NULL: any chain */
    int32_t shards;                  /* asked for so far */
};

static bool goes_on(void *context)
{
    struct on_chain *chain = context;

    return keep_on(chain->engine, "loading the coin set: shard", ++chain->shards, SHARD_COUNT);
}

static struct header_node *node_of(void *context, int32_t height, const struct block_hash *hash)
{
    const struct on_chain *chain = context;
    struct header_node *node = header_tree_find(chain->engine->tree, hash);

    return node && node->height == height && node_has(node, HEADER_HAS_BLOCK) &&
                   !header_is_invalid(node) && node->sequence &&
                   (!chain->limit || header_is_ancestor(node, chain->limit))
               ? node
               : NULL;
}

static int load(struct engine *engine, const struct header_node *limit, uint64_t below,
                struct checkpoint_loaded *loaded)
{
    struct on_chain chain = {.engine = engine, .limit = limit};

    if (engine->ledger)
        ledger_free(engine->ledger);
    engine->ledger = new_ledger(engine, header_tree_at(engine->tree, 0));
    int error = checkpoint_load(engine->sync_disk, engine->ledger, engine->magic, node_of, goes_on,
                                &chain, below, loaded);
    if (loaded->refused_count)
        engine_log(engine, ENGINE_LOG_WARNING, "%u checkpoint%s refused: %s", loaded->refused_count,
                   loaded->refused_count > 1 ? "s" : "", loaded->refused);
    engine->saving.saved = world_node(ledger_root(engine->ledger));
    checkpointer_set_whole(engine->saving.checkpointer, loaded->sequence);
    return error;
}

int recover_ledger(struct engine *engine, struct header_node *goal, const struct header_node *limit)
{
    struct checkpoint_loaded loaded;
    uint64_t below = UINT64_MAX;

    engine->progress_us = 0;
    for (;;) {
        int error = load(engine, limit, below, &loaded);
        if (error == -ENOENT)
            break;
        if (error == 0)
            error = replay(engine, goal);
        if (error != -EILSEQ && error != -EBADMSG)
            return error;
        engine_log(engine, ENGINE_LOG_WARNING, "checkpoint %llu is of no use: %s at height %d",
                   (unsigned long long)loaded.sequence,
                   error == -EBADMSG ? "a block is damaged" : "it does not fit the block",
                   world_node(ledger_root(engine->ledger))->height + 1);
        below = loaded.sequence;
    }
    if (goal->height > 0)
        engine_log(engine, ENGINE_LOG_WARNING,
                   "no checkpoint counts: the coin set is rebuilt from blocks.bin");
    return 0;
}
