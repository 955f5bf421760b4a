/* apply.c - the apply stage: a checked block is verified once all before it are; the tip follows
 * the most work; the root follows the tip, or far below the target takes known blocks by itself. A
 * block that failed is judged again on the plain path before it is marked. */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include "base/hex.h"
#include "ledger/undo.h"
#include <stdlib.h>

#define UNSYNCED_MAX 64 /* blocks that wait above the horizon before a sync is asked for */
#define FOLD_MAX     32 /* blocks folded at once */

void set_tip(struct engine *engine, struct header_node *tip)
{
    if (tip == engine->tip)
        return;
    engine->tip = tip;
    if (!atomic_load(&engine->is_synced) &&
        chain_is_synced(engine->params, tip, engine_now(engine))) {
        atomic_store(&engine->is_synced, true);
        engine_log(engine, ENGINE_LOG_INFO, "synced at height %d", tip->height);
    }
    if (engine->config.events.tip)
        engine->config.events.tip(engine->config.events.context, tip);
}

/* The best settled block that has a world (its job is over): there is always one, the root. */
static struct header_node *best_world(struct engine *engine)
{
    struct world_info infos[1024];
    size_t count = ledger_worlds(engine->ledger, infos, ARRAY_COUNT(infos));
    struct header_node *best = world_node(ledger_root(engine->ledger));

    for (size_t i = 0; i < count; i++)
        if (!infos[i].user && node_has(infos[i].node, HEADER_VERIFIED) &&
            !header_is_invalid(infos[i].node) && is_better(infos[i].node, best))
            best = infos[i].node;
    return best;
}

/* A world and its job part: the job gives up as soon as the workers hand it back. */
void world_dropped(void *context, struct world *world, void *user)
{
    struct engine *engine = context;
    struct block_job *job = user;

    node_work(engine, world_node(world))->world = NULL;
    if (!job)
        return;
    job->world = NULL;
    atomic_store_explicit(&job->is_dropped, 1, memory_order_relaxed);
}

static void give_up(struct engine *engine, struct block_job *job)
{
    if (header_is_invalid(job->node))
        finish_job(engine, job, BAD_PREVBLK, SCRIPT_OK);
    else
        finish_stored(engine, job);
}

/* Ends node's job if no worker has it and it has no world any more. */
static void drop_job(struct engine *engine, struct header_node *node)
{
    struct block_job *job = node_work(engine, node)->job;

    if (job && !job->world &&
        (job->state == JOB_WAITING || job->state == JOB_PASSED || job->state == JOB_FAILED))
        give_up(engine, job);
}

/* Ends the jobs of node's descendants that no worker has: their parent will not get a world. */
void drop_descendants(struct engine *engine, struct header_node *node)
{
    struct header_node *next = node;

    while ((next = header_tree_next_descendant(engine->tree, node, next)))
        drop_job(engine, next);
}

/* Takes away node's world with those above it, and the jobs that hang on them. */
static void drop_world(struct engine *engine, struct header_node *node)
{
    struct world *world = node_work(engine, node)->world;

    if (world && world_parent(world))
        world_drop(engine->ledger, world);
    drop_job(engine, node);
    drop_descendants(engine, node);
}

void mark_invalid(struct engine *engine, struct header_node *node, enum verdict verdict)
{
    struct header_node *best = header_tree_best(engine->tree);
    char hash[65];

    hash_to_hex(hash, node->hash.bytes);
    engine_log(engine, ENGINE_LOG_WARNING, "block %s (height %d) is invalid: %s", hash,
               node->height, verdict_text(verdict));
    if (engine->config.events.invalid)
        engine->config.events.invalid(engine->config.events.context, node, verdict);
    pthread_mutex_lock(&engine->tree_mutex);
    header_tree_mark_invalid(engine->tree, node, verdict);
    pthread_mutex_unlock(&engine->tree_mutex);
    record_block(engine, node);
    if (header_is_ancestor(node, world_node(ledger_root(engine->ledger))))
        rewind_root(engine, node->prev);
    else
        drop_world(engine, node);
    find_target(engine);
    if (!engine->is_broken_off)
        set_tip(engine, best_world(engine));
    if (header_tree_best(engine->tree) != best && engine->config.events.headers)
        engine->config.events.headers(engine->config.events.context,
                                      header_tree_best(engine->tree));
}

void reconsider(struct engine *engine, struct header_node *node)
{
    pthread_mutex_lock(&engine->tree_mutex);
    header_tree_reconsider(engine->tree, node);
    pthread_mutex_unlock(&engine->tree_mutex);
    for (uint32_t i = 0; i < header_tree_count(engine->tree); i++) {
        struct header_node *other = header_tree_at(engine->tree, i);
        if (header_is_ancestor(other, node) || header_is_ancestor(node, other))
            record_block(engine, other);
    }
    find_target(engine);
    for (uint32_t i = 0; i < header_tree_count(engine->tree); i++) {
        struct header_node *other = header_tree_at(engine->tree, i);
        if (node_work(engine, other)->world)
            push_children(engine, other);
    }
    set_tip(engine, best_world(engine));
}

/* Verified, and not by an earlier run only: nothing above may be the tip, or be folded, before it.
 */
static bool is_settled(struct engine *engine, const struct header_node *node)
{
    const struct block_job *job = node_work(engine, node)->job;

    return node_has(node, HEADER_VERIFIED) && (!job || job->state == JOB_DONE);
}

/* All its checks passed, all before it is verified, and its bytes are where others may read them.
 */
static bool can_settle(struct engine *engine, const struct block_job *job)
{
    return job && job->state == JOB_PASSED && !job->is_append_pending &&
           is_settled(engine, job->node->prev);
}

/* node's block is verified: what the tree and the statistics say of it. */
static void take_verified(struct engine *engine, const struct block_job *job)
{
    struct header_node *node = job->node;
    bool was_verified = node_has(node, HEADER_VERIFIED);
    bool was_assumed = node_has(node, HEADER_ASSUMED);

    pthread_mutex_lock(&engine->tree_mutex);
    node->status |= HEADER_VERIFIED;
    if (!was_verified && job->skips_scripts)
        node->status |= HEADER_ASSUMED;
    else if (!job->skips_scripts)
        node->status &= (uint16_t)~HEADER_ASSUMED;
    node->tx_count = job->block.tx_count;
    node->chain_tx_count =
        node->prev->chain_tx_count ? node->prev->chain_tx_count + node->tx_count : 0;
    pthread_mutex_unlock(&engine->tree_mutex);
    if (!was_verified || node_has(node, HEADER_ASSUMED) != was_assumed)
        record_block(engine, node);
    engine->blocks_done++;
    engine->bytes_done += job->raw.size;
    engine->inputs_done += job->block.input_count - 1;
}

static void settle(struct engine *engine, struct block_job *job);

/* What waited for node to be verified. */
static void settle_children(struct engine *engine, struct header_node *node)
{
    struct header_node *child = NULL;

    while ((child = header_tree_next_at_height(engine->tree, node->height + 1, child))) {
        struct block_job *job = child->prev == node ? node_work(engine, child)->job : NULL;

        if (can_settle(engine, job))
            settle(engine, job);
        else if (job && job->state == JOB_FAILED)
            failed_job(engine, job);
    }
}

/* The block is verified, and so is all before it. */
static void settle(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node;

    /* A row of blocks that waited for one: settled here one after the other, not each inside the
     * last. */
    while (job) {
        take_verified(engine, job);
        world_set_user(job->world, NULL);
        if (is_better(node, engine->tip))
            set_tip(engine, node);
        finish_job(engine, job, VALID, SCRIPT_OK);

        struct header_node *child = NULL, *only = NULL;
        size_t count = 0;
        while ((child = header_tree_next_at_height(engine->tree, node->height + 1, child)))
            if (child->prev == node && node_work(engine, child)->job) {
                only = child;
                count++;
            }
        job = count == 1 ? node_work(engine, only)->job : NULL;
        if (!can_settle(engine, job))
            job = NULL;
        if (!job)
            settle_children(engine, node);
        node = only;
    }
}

void failed_job(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node;
    enum verdict verdict;
    enum script_error script_error;
    char hash[65];

    job->state = JOB_FAILED;
    if (!is_settled(engine, node->prev))
        return;
    hash_to_hex(hash, node->hash.bytes);
    engine->rotten = NULL;
    int error = judge_block(engine, node, job->raw, &verdict, &script_error);
    if (error == -EBADMSG && engine->rotten) { /* judged again when that block is there again */
        finish_stored(engine, job);
        lose_block(engine, engine->rotten);
    } else if (error == -EBADMSG) {
        engine_fail(engine, ENGINE_CORRUPT,
                    "the coins that block %s spends contradict blocks.bin. Move ledger/ away to "
                    "have it rebuilt.",
                    hash);
        finish_stored(engine, job);
    } else if (error < 0) {
        engine_fail(engine, ENGINE_DISK, "reading blocks.bin failed: %s", strerror(-error));
        finish_stored(engine, job);
    } else if (verdict == VALID) {
        engine_fail(engine, ENGINE_CORRUPT,
                    "block %s (height %d) failed (%s), but passes when checked plainly: the coin "
                    "index or the memory is "
                    "damaged. Move ledger/ away to have it rebuilt, and test the memory.",
                    hash, node->height, verdict_text(job->verdict));
        finish_stored(engine, job);
    } else {
        finish_job(engine, job, verdict, script_error);
        mark_invalid(engine, node, verdict);
    }
}

/* A block before it failed and is not judged yet: then this one's verdict hangs on that one's. */
static bool hangs_on_failed(struct engine *engine, const struct header_node *node)
{
    const struct block_job *job;

    while ((node = node->prev) && (job = node_work(engine, node)->job))
        if (job->state == JOB_FAILED)
            return true;
    return false;
}

void checked_job(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node;

    if (atomic_load_explicit(&job->is_dropped, memory_order_relaxed)) {
        if (!header_is_invalid(node) && hangs_on_failed(engine, node)) {
            job->state = JOB_FAILED; /* ends with the judgement, or when its branch goes */
        } else {
            give_up(engine, job);
            drop_descendants(engine, node); /* those that came since and waited for it */
        }
        return;
    }
    if (job->read_error && job->read_error != -EBADMSG) {
        engine_fail(engine, ENGINE_DISK, "reading blocks.bin failed: %s",
                    strerror(-job->read_error));
        return;
    }
    if (atomic_load_explicit(&job->script_failed, memory_order_relaxed))
        job->verdict = BLOCK_SCRIPT_VERIFY_FLAG_FAILED;
    if (job->verdict != VALID) {
        world_set_user(job->world, NULL);
        world_drop(engine->ledger, job->world);
        job->world = NULL;
        failed_job(engine, job);
        return;
    }
    job->state = JOB_PASSED;
    if (can_settle(engine, job))
        settle(engine, job);
}

void appended_job(struct engine *engine, struct block_job *job)
{
    job->is_append_pending = false;
    if (job->state == JOB_DONE)
        reap_job(engine, job);
    else if (can_settle(engine, job))
        settle(engine, job);
}

/* What branched off below the new root has lost its world: jobs that still hang on it end. */
static void drop_stale_forks(struct engine *engine, const struct header_node *old,
                             struct header_node *root)
{
    for (struct header_node *node = root; node != old; node = node->prev) {
        struct header_node *child = NULL;

        while ((child = header_tree_next_at_height(engine->tree, node->height, child)))
            if (child != node && child->prev == node->prev) {
                drop_job(engine, child);
                drop_descendants(engine, child);
            }
    }
}

/* The blocks from the root's child up to node. */
static size_t path_to(struct engine *engine, struct header_node *node,
                      struct header_node *path[FOLD_MAX])
{
    const struct header_node *root = world_node(ledger_root(engine->ledger));
    size_t count = (size_t)(node->height - root->height);

    for (size_t i = count; i > 0; node = node->prev)
        path[--i] = node;
    return count;
}

/* The root becomes node's world. */
static void fold(struct engine *engine, struct header_node *node)
{
    struct header_node *path[FOLD_MAX];
    uint64_t *words[FOLD_MAX];
    uint32_t counts[FOLD_MAX];
    size_t count = path_to(engine, node, path);
    uint64_t begun_us = clock_monotonic_us();

    assert(count > 0);
    for (size_t i = 0; i < count; i++) {
        counts[i] = world_undo_count(node_work(engine, path[i])->world);
        words[i] = xmalloc(counts[i] * sizeof *words[i]);
    }
    struct world *world = node_work(engine, node)->world;
    for (size_t i = 0; i < count; i++)
        node_work(engine, path[i]->prev)->world = NULL;
    ledger_fold(engine->ledger, world, words);
    uint64_t each_us = (clock_monotonic_us() - begun_us) / count;
    for (size_t i = 0; i < count; i++)
        save_folded(engine, path[i], words[i], counts[i], each_us);
}

/* The root stops at a block whose coin set is known: there it is compared. */
static struct header_node *first_known(struct engine *engine, struct header_node *goal)
{
    const struct params *params = engine->params;
    int32_t root = world_node(ledger_root(engine->ledger))->height;

    for (uint32_t i = 0; i < params->audit_count; i++)
        if (params->audits[i].height > root && params->audits[i].height < goal->height) {
            struct header_node *node = header_ancestor(goal, params->audits[i].height);
            if (block_hash_equal(&node->hash, &params->audits[i].block))
                goal = node;
        }
    return goal;
}

/* How far the root may go now: along the verified chain to the tip, FOLD_MAX blocks at most, never
 * past a known coin set or a block behind durable_end. NULL: nowhere. */
static struct header_node *fold_goal(struct engine *engine, uint64_t durable_end)
{
    int32_t root = world_node(ledger_root(engine->ledger))->height;
    int32_t height = engine->tip->height - engine->config.horizon;

    if (height <= root)
        return NULL;
    struct header_node *goal =
        header_ancestor(engine->tip, height < root + FOLD_MAX ? height : root + FOLD_MAX);
    if (goal->pos + goal->size > durable_end && height > root + UNSYNCED_MAX &&
        !engine->is_sync_asked) {
        engine->is_sync_asked = true;
        disk_thread_sync(engine->disk_thread);
    }
    while (goal->height > root && goal->pos + goal->size > durable_end)
        goal = goal->prev;
    return goal->height > root ? first_known(engine, goal) : NULL;
}

/* Blocks that come thick and fast are folded together: most coins are spent soon. */
static bool is_fold_worthwhile(struct engine *engine, const struct header_node *goal)
{
    return goal->height - world_node(ledger_root(engine->ledger))->height == FOLD_MAX ||
           params_find_audit(engine->params, &goal->hash) || engine->job_count <= FOLD_MAX ||
           ledger_free_slots(engine->ledger) < 2 * FOLD_MAX;
}

void fold_worlds(struct engine *engine)
{
    while (!engine->is_failed && !engine->audit_feed.is_pinned &&
           checkpointer_has_room(engine->saving.checkpointer)) {
        struct header_node *root = world_node(ledger_root(engine->ledger));
        struct header_node *goal = fold_goal(engine, engine->synced_end);

        if (!goal || !is_fold_worthwhile(engine, goal))
            return;
        fold(engine, goal);
        drop_stale_forks(engine, root, goal);
    }
}

/* Far below the target, stored and verified by an earlier run: its coins can go straight into the
 * root. */
static bool can_absorb(struct engine *engine, const struct header_node *node)
{
    const struct block_job *job = node_work(engine, node)->job;

    return job && job->state == JOB_WAITING && job->is_known_valid && !is_near_tip(engine, node) &&
           node->pos + node->size <= engine->synced_end;
}

/* The blocks behind the root that can be absorbed together; never past a known coin set, and one
 * that replaces coins comes alone. None if the tip on another branch is better. */
static size_t find_absorbed(struct engine *engine, struct block_job *jobs[ABSORB_MAX])
{
    struct header_node *node = world_node(ledger_root(engine->ledger));
    size_t count = 0;

    if (!header_is_ancestor(node, engine->target))
        return 0;
    while (count < ABSORB_MAX && node->height < engine->target->height) {
        node = header_ancestor(engine->target, node->height + 1);
        bool is_repeat = block_is_bip30_repeat(engine->params, node);
        if (!can_absorb(engine, node) || (is_repeat && count > 0))
            break;
        jobs[count++] = node_work(engine, node)->job;
        if (is_repeat || params_find_audit(engine->params, &node->hash))
            break;
    }
    return count > 0 && is_better(jobs[count - 1]->node, engine->tip) ? count : 0;
}

/* Worlds of other branches, which the root is about to leave behind. */
static void drop_beside(struct engine *engine, const struct header_node *node)
{
    struct header_node *child = NULL;

    while ((child = header_tree_next_at_height(engine->tree, node->height, child)))
        if (child != node && child->prev == node->prev)
            drop_world(engine, child);
}

static void absorbed(struct engine *engine, struct block_job *const *jobs,
                     const struct known_block *blocks, size_t count, uint64_t each_us)
{
    struct header_node *root = jobs[0]->node->prev, *last = jobs[count - 1]->node;

    node_work(engine, root)->world = NULL;
    node_work(engine, last)->world = ledger_root(engine->ledger);
    for (size_t i = 0; i < count; i++) {
        struct block_job *job = jobs[i];

        job->skips_scripts = true;
        take_verified(engine, job);
        histogram_add(&engine->pipeline.stats.connects, each_us * 1000);
        save_folded(engine, job->node, blocks[i].undo, job->events.input_count, each_us);
        finish_job(engine, job, VALID, SCRIPT_OK);
    }
    set_tip(engine, last);
    drop_stale_forks(engine, root, last);
    push_children(engine, last);
}

/* Metadata says that they are valid, the coins do not: it is found out which of them by judging. */
static void absorb_failed(struct engine *engine, struct block_job *const *jobs, size_t count,
                          int error)
{
    if (error == -EILSEQ) {
        engine_fail(engine, ENGINE_CORRUPT,
                    "blocks up to height %d contradict the coin set. Move ledger/ and "
                    "metadata.bin away to have both made anew.",
                    jobs[count - 1]->node->height);
    } else {
        engine_log(engine, ENGINE_LOG_WARNING,
                   "blocks up to height %d do not fit the coin set: they are judged anew",
                   jobs[count - 1]->node->height);
        engine->is_doubtful = true;
    }
    struct header_node *root = jobs[0]->node->prev;
    for (size_t i = 0; i < count; i++)
        finish_stored(engine, jobs[i]);
    set_tip(engine, best_world(engine)); /* it may have been beside */
    push_children(engine, root);
}

static bool absorb(struct engine *engine, struct block_job *const *jobs, size_t count)
{
    struct known_block blocks[ABSORB_MAX];
    uint64_t begun_us = clock_monotonic_us();

    drop_beside(engine, jobs[0]->node);
    for (size_t i = 0; i < count; i++) {
        struct block_job *job = jobs[i];
        bool has_undo = engine->target->height - job->node->height < UNDO_RING_BLOCKS;

        blocks[i] = (struct known_block){
            .lb = {&job->block, job->pos, &job->events,
                   block_is_bip30_repeat(engine->params, job->node) ? BIP30_OVERWRITE
                                                                    : BIP30_UNCHECKED},
            .node = job->node,
            .undo = has_undo ? xmalloc((job->events.input_count + 1) * sizeof(uint64_t)) : NULL};
    }
    int error = ledger_absorb(engine->ledger, blocks, count);
    if (error == 0) {
        absorbed(engine, jobs, blocks, count, (clock_monotonic_us() - begun_us) / count);
        return true;
    }
    for (size_t i = 0; i < count; i++)
        free(blocks[i].undo);
    absorb_failed(engine, jobs, count, error);
    return false;
}

bool absorb_known(struct engine *engine)
{
    struct block_job *jobs[ABSORB_MAX];
    size_t count;

    while (!engine->is_failed && !engine->is_doubtful &&
           (count = find_absorbed(engine, jobs)) > 0) {
        if (engine->audit_feed.is_pinned || !checkpointer_has_room(engine->saving.checkpointer))
            return false;
        if (!absorb(engine, jobs, count))
            break;
    }
    return true;
}

void fold_rest(struct engine *engine)
{
    struct header_node *goal;

    while (!engine->is_failed && (goal = fold_goal(engine, UINT64_MAX)))
        fold(engine, goal);
}
