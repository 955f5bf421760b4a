/* advance.c - which stored block is judged next: those whose parent has a world, read back from
 * blocks.bin where they are not in memory; ahead of need along the chain with the most work; after
 * a step back of the root if that branches off below it. */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include "base/hex.h"
#include <stdlib.h>

#define READ_AHEAD 128     /* blocks being read back at once */
#define TOGETHER   16      /* blocks */
#define SHORT_US   1000000 /* a step back that takes no longer is waited for */

void push_ready(struct engine *engine, struct header_node *node)
{
    if (engine->ready_count == engine->ready_capacity) {
        engine->ready_capacity = engine->ready_capacity ? engine->ready_capacity * 2 : 64;
        engine->ready = xrealloc(engine->ready, engine->ready_capacity * sizeof *engine->ready);
    }
    engine->ready[engine->ready_count++] = node;
}

void push_children(struct engine *engine, const struct header_node *node)
{
    struct header_node *child = NULL;

    while ((child = header_tree_next_at_height(engine->tree, node->height + 1, child)))
        if (child->prev == node && node_has(child, HEADER_HAS_BLOCK))
            push_ready(engine, child);
}

/* Starts reading a block back. False: no credit now. */
static bool read_back(struct engine *engine, struct header_node *node)
{
    enum reserve how = engine->read_count == 0 ? RESERVE_URGENT : RESERVE_NEAR;

    if (engine->read_count >= READ_AHEAD)
        return false;
    struct block_job *job = pipeline_reserve(&engine->pipeline, node->size, how);
    if (!job)
        return false;
    job->state = JOB_READING;
    job->node = node;
    job->pos = node->pos;
    job->is_stored = true;
    job->is_known_valid = is_known_valid(engine, node);
    node_work(engine, node)->job = job;
    engine->job_count++;
    engine->read_count++;
    job->read_task = (struct disk_task){.kind = TASK_READ_BLOCK, .job = job};
    pipeline_task(&engine->pipeline, &job->read_task);
    return true;
}

/* True if the node is dealt with, for now or for good; false: try again when something has become
 * free. */
static bool advance_node(struct engine *engine, struct header_node *node)
{
    struct node_work *work = node_work(engine, node);

    if (work->world || header_is_invalid(node) || !node->sequence ||
        !node_work(engine, node->prev)->world)
        return true;
    if (!work->job)
        return read_back(engine, node);
    return work->job->state != JOB_WAITING || connect_job(engine, work->job);
}

/* Blocks that come thick and fast are connected together, so that each part of the ledger is near
 * to the processor once for all of them. Waits for nothing but what is being parsed. */
static bool is_connecting_worthwhile(struct engine *engine)
{
    return engine->waiting_count >= TOGETHER || atomic_load(&engine->pipeline.parsing_count) == 0;
}

/* Oldest first; what cannot go on yet stays, in order. Connecting may add to the end of the list.
 */
static void advance_ready(struct engine *engine)
{
    size_t kept = 0, i = 0;

    do {
        for (; i < engine->ready_count; i++) {
            struct header_node *node = engine->ready[i];
            if (!advance_node(engine, node))
                engine->ready[kept++] = node;
        }
        connect_collected(engine);
    } while (i < engine->ready_count);
    engine->ready_count = kept;
}

/* The last block on the way to the target that has a world. */
static struct header_node *find_frontier(struct engine *engine)
{
    struct header_node *node = engine->frontier;

    if (!node || !node_work(engine, node)->world || !header_is_ancestor(node, engine->target))
        node = world_node(ledger_root(engine->ledger));
    while (node->height < engine->target->height) {
        struct header_node *next = header_ancestor(engine->target, node->height + 1);
        if (!node_work(engine, next)->world)
            break;
        node = next;
    }
    return node;
}

static void read_ahead(struct engine *engine)
{
    struct header_node *node = engine->frontier;

    for (int i = 0; i < READ_AHEAD && node->height < engine->target->height; i++) {
        node = header_ancestor(engine->target, node->height + 1);
        if (!node_work(engine, node)->job && !read_back(engine, node))
            return;
    }
}

/* One step back; 0, or an error: -ENOENT without undo words. */
static int unfold(struct engine *engine, struct header_node *root)
{
    struct arena arena;
    struct block block;
    struct block_events events = {0};
    struct ledger_block lb;
    uint64_t *words;
    uint32_t count;
    int error = checkpointer_read_undo(engine->saving.checkpointer, &root->hash, &words, &count);

    if (error < 0)
        return error;
    arena_init(&arena, SIZE_MAX);
    error = read_ledger_block(engine, root, &arena, &block, &events, &lb);
    if (error == 0)
        error = ledger_unfold(engine->ledger, &lb, words, count);
    block_events_clear(&events);
    arena_clear(&arena);
    free(words);
    return error;
}

static void drop_all_worlds(struct engine *engine)
{
    struct header_node *root = world_node(ledger_root(engine->ledger));
    struct world_info infos[1024];
    size_t count = ledger_worlds(engine->ledger, infos, ARRAY_COUNT(infos));

    for (size_t i = 0; i < count; i++) {
        struct world *world = node_work(engine, infos[i].node)->world;
        if (infos[i].node != root && world && infos[i].parent_node == root)
            world_drop(engine->ledger, world);
    }
}

/* All worlds but the root's are gone: the jobs that no worker has end here; their blocks are read
 * again when it is their turn. */
static void end_orphaned_jobs(struct engine *engine)
{
    for (uint32_t i = 0; i < header_tree_count(engine->tree); i++) {
        struct block_job *job = node_work(engine, header_tree_at(engine->tree, i))->job;
        if (job &&
            (job->state == JOB_WAITING || job->state == JOB_PASSED || job->state == JOB_FAILED))
            finish_stored(engine, job);
    }
}

/* Over its undo words, as far as there are. */
static int unfold_to(struct engine *engine, const struct header_node *to)
{
    uint64_t begun_us = clock_monotonic_us();
    struct header_node *root;
    int error = 0;

    atomic_store(&engine->progress_us, 0);
    while (error == 0 && (root = world_node(ledger_root(engine->ledger))) != to) {
        if (clock_monotonic_us() - begun_us >= SHORT_US)
            atomic_store(&engine->is_stepping_back, true);
        error = keep_on(engine, "stepping back: height", root->height, to->height)
                    ? unfold(engine, root)
                    : -ECANCELED;
    }
    return error;
}

static int step_back(struct engine *engine, struct header_node *to)
{
    int error = unfold_to(engine, to);

    if (error < 0 && error != -ECANCELED) {
        atomic_store(&engine->is_stepping_back, true);
        engine_log(engine, ENGINE_LOG_WARNING,
                   "no way back at height %d (%s): the coin set comes from a checkpoint",
                   world_node(ledger_root(engine->ledger))->height, strerror(-error));
        error = recover_ledger(engine, to, to);
    }
    atomic_store(&engine->is_stepping_back, false);
    return error;
}

void rewind_root(struct engine *engine, struct header_node *to)
{
    struct header_node *root = world_node(ledger_root(engine->ledger));

    engine_log(engine, ENGINE_LOG_INFO, "stepping the coin set back from height %d to %d",
               root->height, to->height);
    drop_all_worlds(engine);
    node_work(engine, root)->world = NULL;
    int error = step_back(engine, to);
    root = world_node(ledger_root(engine->ledger));
    save_abandon(engine);
    audit_break(engine);
    if (error == -ECANCELED) {
        engine_log(engine, ENGINE_LOG_INFO,
                   "the step back is broken off at height %d: the next start makes it",
                   root->height);
        engine->is_failed = engine->is_broken_off = true;
        return;
    }
    if (error == -ESTALE)
        engine_fail(engine, ENGINE_CORRUPT,
                    "ledger/ is of another blocks.bin. Move it away to have it rebuilt.");
    else if (error < 0)
        engine_fail(engine, ENGINE_DISK, "the checkpoint cannot be read: %s", strerror(-error));
    node_work(engine, root)->world = ledger_root(engine->ledger);
    engine->frontier = root;
    end_orphaned_jobs(engine);
    set_tip(engine, root);
    push_children(engine, root);
}

void advance(struct engine *engine)
{
    if (engine->is_failed || !engine->target)
        return;
    if (!header_is_ancestor(world_node(ledger_root(engine->ledger)), engine->target) &&
        is_better(engine->target, engine->tip))
        rewind_root(engine,
                    header_fork_point(world_node(ledger_root(engine->ledger)), engine->target));
    if (engine->is_failed)
        return;
    if (is_connecting_worthwhile(engine) && absorb_known(engine))
        advance_ready(engine);
    if (header_is_ancestor(world_node(ledger_root(engine->ledger)), engine->target)) {
        engine->frontier = find_frontier(engine);
        read_ahead(engine);
    }
    fold_worlds(engine);
    save_step(engine);
    audit_step(engine);
    residents_evict(engine, engine->config.resident_limit);
}

bool is_idle(struct engine *engine)
{
    return engine->is_failed || (atomic_load(&engine->pipeline.submitted_count) == 0 &&
                                 engine->job_count == 0 && engine->ready_count == 0);
}
