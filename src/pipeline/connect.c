/* connect.c - the connect stage: a block becomes a world on top of its parent's. Only existence is
 * decided here, in order; everything else runs on workers. Also the bytes of recent blocks, which
 * workers read without a lock. */
#include "base/clock.h"
#include "pipeline/engine_private.h"

#include <stdlib.h>

static enum bip30 bip30_of(const struct engine *engine, const struct header_node *node)
{
    if (block_is_bip30_repeat(engine->params, node))
        return BIP30_OVERWRITE;
    return block_enforces_bip30(engine->params, node) ? BIP30_ENFORCED : BIP30_UNCHECKED;
}

/* Says when it changes whether scripts are checked, and why. */
static bool skips_scripts(struct engine *engine, const struct header_node *node)
{
    if (node_has(node, HEADER_VERIFIED))
        return true;
    const char *reason = block_needs_scripts(engine->params, engine->tree, node);
    if (reason != engine->script_reason || !engine->has_script_reason) {
        engine->script_reason = reason;
        engine->has_script_reason = true;
        if (reason)
            engine_log(engine, ENGINE_LOG_INFO, "scripts are verified from height %d on: %s",
                       node->height, reason);
        else
            engine_log(engine, ENGINE_LOG_INFO, "scripts are assumed valid from height %d on",
                       node->height);
    }
    return reason == NULL;
}

static void enlist(struct engine *engine, struct block_job *job)
{
    job->serial = ++engine->serial;
    job->older = engine->newest;
    job->newer = NULL;
    *(engine->newest ? &engine->newest->newer : &engine->oldest) = job;
    engine->newest = job;
}

bool connect_job(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node;
    struct world *world = world_extend(engine->ledger, node_work(engine, node->prev)->world, node);
    struct ledger_block lb = {.block = &job->block,
                              .pos = job->pos,
                              .inputs = job->input_hashes,
                              .outputs = job->output_hashes,
                              .checks = job->coin_checks,
                              .bip30 = bip30_of(engine, node)};
    struct connect_result result;

    if (!world)
        return false;
    uint64_t since_us = clock_monotonic_us();
    int error = world_connect(engine->ledger, world, &lb, job->refs, &result);
    histogram_add(&engine->pipeline.stats.connects, (clock_monotonic_us() - since_us) * 1000);
    if (error < 0) {
        world_drop(engine->ledger, world);
        engine_fail(engine, ENGINE_DISK, "reading blocks.bin failed: %s", strerror(-error));
        finish_stored(engine, job);
        return true;
    }
    enlist(engine, job);
    if (result.verdict != CONNECT_OK) {
        world_drop(engine->ledger, world);
        job->verdict =
            result.verdict == CONNECT_BIP30 ? BAD_TXNS_BIP30 : BAD_TXNS_INPUTS_MISSINGORSPENT;
        failed_job(engine, job);
        return true;
    }
    world_set_user(world, job);
    node_work(engine, node)->world = world;
    job->world = world;
    job->script_flags = block_script_flags(engine->params, &node->hash, node->height);
    job->skips_scripts = skips_scripts(engine, node);
    job->state = JOB_CONNECTED;
    pipeline_push_check(&engine->pipeline, job);
    push_children(engine, node);
    return true;
}

/* Out of sight of later jobs; the bytes go when no job connected before can still read them. */
static void retire(struct engine *engine, struct resident *resident)
{
    atomic_store_explicit(&node_work(engine, resident->node)->resident, NULL, memory_order_release);
    pthread_mutex_lock(&engine->tree_mutex);
    node_work(engine, resident->node)->held_by = NULL;
    pthread_mutex_unlock(&engine->tree_mutex);
    resident->serial = engine->serial;
    resident->newer = NULL;
    *engine->limbo.newest = resident;
    engine->limbo.newest = &resident->newer;
    engine->limbo.size += resident->size;
}

static struct resident *take_oldest(struct resident_list *list)
{
    struct resident *resident = list->oldest;

    list->oldest = resident->newer;
    if (!list->oldest)
        list->newest = &list->oldest;
    list->size -= resident->size;
    return resident;
}

void residents_evict(struct engine *engine, size_t limit)
{
    while (engine->residents.oldest && engine->residents.size > limit &&
           !engine->residents.oldest->job)
        retire(engine, take_oldest(&engine->residents));
    while (engine->limbo.oldest &&
           (!engine->oldest || engine->oldest->serial > engine->limbo.oldest->serial))
        engine_release_block(take_oldest(&engine->limbo));
}

const struct resident *engine_hold_block(struct engine *engine, const struct header_node *node,
                                         struct bytes *raw)
{
    struct resident *resident = node_work(engine, node)->held_by;

    if (!resident)
        return NULL;
    atomic_fetch_add_explicit(&resident->references, 1, memory_order_relaxed);
    *raw = (struct bytes){resident->buffer, resident->size};
    return resident;
}

void engine_release_block(const struct resident *held)
{
    struct resident *resident = (struct resident *)held;

    /* Release what this thread read; who frees acquires it. */
    if (atomic_fetch_sub_explicit(&resident->references, 1, memory_order_acq_rel) > 1)
        return;
    free(resident->buffer);
    free(resident);
}
