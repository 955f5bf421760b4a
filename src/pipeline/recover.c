/* recover.c - the coin set from disk: the newest checkpoint that counts and fits its blocks, else
 * the one before, else an empty one, from which blocks.bin is judged anew. Blocks that are known to
 * be valid are replayed by plain reads, some at once; their undo words are made again on the way.
 */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include <stdlib.h>

#define PROGRESS_US    5000000
#define BATCH_MAX      64
#define COMPARED       8  /* blocks whose coins show whose ledger it is */
#define BYTES_AN_EVENT 50 /* of a block: for how many threads reading it is work */

/* A block between the disk and the root. */
struct replayed {
    struct header_node *node;
    struct arena arena;
    struct block block;
    struct block_events events;
    struct ledger_block lb;
    int error; /* of reading it */
};

struct replay {
    struct engine *engine;
    struct replayed blocks[BATCH_MAX];
    uint32_t count;
    size_t size; /* of their bytes */
};

bool keep_on(struct engine *engine, const char *what, int32_t height, int32_t goal)
{
    uint64_t now_us = clock_monotonic_us(), shown_us = atomic_load(&engine->progress_us);

    atomic_fetch_add_explicit(&engine->turns, 1, memory_order_relaxed);
    if ((shown_us == 0 || now_us - shown_us >= PROGRESS_US) && /* 0: it has only begun */
        atomic_compare_exchange_strong(&engine->progress_us, &shown_us, now_us) && shown_us != 0)
        engine_log(engine, ENGINE_LOG_INFO, "%s %d of %d", what, height, goal);
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

static void read_replayed(void *context, uint32_t i)
{
    struct replay *replay = context;
    struct replayed *r = &replay->blocks[i];

    r->error = -ECANCELED;
    if (!is_given_up(replay->engine))
        r->error =
            read_ledger_block(replay->engine, r->node, &r->arena, &r->block, &r->events, &r->lb);
}

/* The blocks from height on, towards goal: with all that is made of them they have half of what
 * blocks in flight may have. */
static void read_batch(struct replay *replay, const struct header_node *goal, int32_t height)
{
    struct engine *engine = replay->engine;
    size_t limit = engine->config.in_flight_limit / 2, used = 0;

    replay->count = 0;
    replay->size = 0;
    for (; replay->count < BATCH_MAX && height <= goal->height; height++) {
        struct header_node *node = header_ancestor(goal, height);

        used += pipeline_credit_of(node->size);
        if (replay->count > 0 && used > limit)
            break;
        struct replayed *r = &replay->blocks[replay->count++];
        *r = (struct replayed){.node = node};
        arena_init(&r->arena, SIZE_MAX);
        replay->size += node->size;
    }
    run_parts(engine, read_replayed, replay, replay->count, replay->size / BYTES_AN_EVENT);
}

static void clear_batch(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->count; i++) {
        block_events_clear(&replay->blocks[i].events);
        arena_clear(&replay->blocks[i].arena);
    }
}

static int replay_block(struct engine *engine, const struct replayed *r)
{
    if (r->error < 0)
        return r->error;

    uint32_t count = r->block.input_count - r->block.txs[0].input_count;
    uint64_t *words = xmalloc((count + 1) * sizeof *words);
    int error = ledger_replay(engine->ledger, &r->lb, r->node, words);

    if (error == 0)
        keep_words(engine, r->node, words, count);
    else
        free(words);
    return error == -EBADMSG ? -EILSEQ : error; /* the root is half done */
}

static int replay_batch(struct replay *replay, int32_t goal)
{
    int error = 0;

    for (uint32_t i = 0; error == 0 && i < replay->count; i++)
        error = keep_on(replay->engine, "replaying blocks: height", replay->blocks[i].node->height,
                        goal)
                    ? replay_block(replay->engine, &replay->blocks[i])
                    : -ECANCELED;
    return error;
}

/* From the root to goal. A damaged block behind all images is left to the pipeline: 0. */
static int replay_to(struct engine *engine, struct header_node *goal)
{
    struct header_node *top = ledger_top(engine->ledger);
    struct header_node *root = world_node(ledger_root(engine->ledger));
    struct replay *replay = xcalloc(1, sizeof *replay);
    uint64_t begun_us = clock_monotonic_us();
    int error = 0;

    replay->engine = engine;
    if (!header_is_ancestor(top, goal))
        goal = top;
    while (error == 0 && root->height < goal->height) {
        read_batch(replay, goal, root->height + 1);
        error = replay_batch(replay, goal->height);
        clear_batch(replay);
        root = world_node(ledger_root(engine->ledger));
    }
    free(replay);
    engine->saving.replay_us = clock_monotonic_us() - begun_us;
    if (error == -EBADMSG && root->height >= top->height)
        error = 0;
    if (error == 0 && root != engine->saving.saved)
        engine_log(engine, ENGINE_LOG_INFO, "replayed %d blocks in %llu ms",
                   root->height - engine->saving.saved->height,
                   (unsigned long long)engine->saving.replay_us / 1000);
    return error;
}

struct on_chain {
    struct engine *engine;
    const struct header_node *limit; /* NULL: any chain */
    _Atomic int32_t shards;          /* asked for so far */
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
    const struct checkpoint_choice choice = {.network = engine->magic,
                                             .below = below,
                                             .node_of = node_of,
                                             .goes_on = goes_on,
                                             .ctx = &chain};

    if (engine->ledger)
        ledger_free(engine->ledger);
    engine->ledger = new_ledger(engine, header_tree_at(engine->tree, 0));
    int error = checkpoint_load(engine->sync_disk, engine->ledger, &choice, loaded);
    if (loaded->refused_count)
        engine_log(engine, ENGINE_LOG_WARNING, "%u checkpoint%s refused: %s", loaded->refused_count,
                   loaded->refused_count > 1 ? "s" : "", loaded->refused);
    engine->saving.saved = world_node(ledger_root(engine->ledger));
    checkpointer_set_whole(engine->saving.checkpointer, loaded->sequence);
    return error;
}

/* Blocks at equal distances, the root's the last. -ESTALE: coins they made are elsewhere, so the
 * images are of another blocks.bin. A block that cannot be read says nothing. */
static int compare_coins(struct engine *engine)
{
    struct header_node *root = world_node(ledger_root(engine->ledger));
    int error = 0;

    for (int64_t i = 1; error == 0 && i <= COMPARED; i++) {
        struct replayed r = {.node = header_ancestor(root, (int32_t)(root->height * i / COMPARED))};

        arena_init(&r.arena, SIZE_MAX);
        if (read_ledger_block(engine, r.node, &r.arena, &r.block, &r.events, &r.lb) == 0) {
            engine->rotten = NULL;
            error = ledger_compare(engine->ledger, &r.lb);
        }
        if (error == -EBADMSG)
            error = engine->rotten ? 0 : -ESTALE;
        block_events_clear(&r.events);
        arena_clear(&r.arena);
    }
    return error;
}

int recover_ledger(struct engine *engine, struct header_node *goal, const struct header_node *limit)
{
    struct checkpoint_loaded loaded;
    uint64_t below = UINT64_MAX;

    atomic_store(&engine->progress_us, 0);
    for (;;) {
        int error = load(engine, limit, below, &loaded);
        if (error == -ENOENT)
            break;
        if (error == 0)
            error = compare_coins(engine);
        if (error == 0)
            error = replay_to(engine, goal);
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
