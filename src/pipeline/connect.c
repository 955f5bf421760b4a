/* connect.c - the connect stage: a block becomes a world on top of its parent's. Only existence is
 * decided here, in order; everything else runs on workers. Also the bytes of recent blocks, which
 * workers read without a lock. */
#include "base/clock.h"
#include "pipeline/engine_private.h"

#include <stdlib.h>

#define EVENTS_A_HELPER 2000 /* some 0.1 ms: less is not worth waking a thread */

static enum bip30 bip30_of(const struct engine *engine, const struct header_node *node)
{
    if (block_is_bip30_repeat(engine->params, node))
        return BIP30_OVERWRITE;
    return block_enforces_bip30(engine->params, node) ? BIP30_ENFORCED : BIP30_UNCHECKED;
}

void run_parts(void *context, void (*run)(void *arg, uint32_t part), void *arg, uint32_t count,
               uint64_t event_count)
{
    struct engine *engine = context;
    struct pipeline *pipeline = &engine->pipeline;
    uint64_t helpers = pipeline->workers ? event_count / EVENTS_A_HELPER : 0;

    if (helpers > pipeline->worker_count)
        helpers = pipeline->worker_count;
    if (helpers > 0) {
        uint64_t since_ns = thread_cpu_ns(), since_us = clock_monotonic_us();

        parts_do_all(&pipeline->parts, run, arg, count, &pipeline->worker_waiter,
                     (uint32_t)helpers);
        uint64_t cpu_ns = thread_cpu_ns() - since_ns;
        uint64_t wall_ns = (clock_monotonic_us() - since_us) * 1000;
        atomic_fetch_add_explicit(&pipeline->stats.own_parts_ns, cpu_ns, memory_order_relaxed);
        atomic_fetch_add_explicit(&pipeline->stats.parts_wait_us,
                                  wall_ns > cpu_ns ? (wall_ns - cpu_ns) / 1000 : 0,
                                  memory_order_relaxed);
    }
    for (uint32_t part = 0; helpers == 0 && part < count; part++)
        run(arg, part);
}

/* Says when it changes whether scripts are checked, and why. */
static bool skips_scripts(struct engine *engine, const struct header_node *node)
{
    if (node_has(node, HEADER_VERIFIED) && !node_has(node, HEADER_ASSUMED))
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

bool is_known_valid(struct engine *engine, const struct header_node *node)
{
    return node_has(node, HEADER_VERIFIED) && skips_scripts(engine, node);
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
    enum bip30 bip30 = bip30_of(engine, node);

    if (engine->collected_count == CONNECT_MAX || bip30 == BIP30_OVERWRITE)
        connect_collected(engine);
    struct world *parent = node_work(engine, node->prev)->world;
    if (!parent) /* it failed just now: drop_descendants has ended this job, or will */
        return true;
    struct world *world = world_extend(engine->ledger, parent, node);
    if (!world)
        return false;
    world_set_user(world, job);
    node_work(engine, node)->world = world;
    job->world = world;
    job->bip30 = job->is_known_valid && bip30 == BIP30_ENFORCED ? BIP30_UNCHECKED : bip30;
    job->state = JOB_CONNECTED;
    engine->waiting_count--;
    job->script_flags = block_script_flags(engine->params, &node->hash, node->height);
    job->skips_scripts = job->is_known_valid || skips_scripts(engine, node);
    job->is_held = false;
    enlist(engine, job);
    engine->collected[engine->collected_count++] = job;
    push_children(engine, node);
    return true;
}

/* rotten: the block that an -EBADMSG of connecting was about, or NULL. */
static void connected(struct engine *engine, struct block_job *job, const struct connecting *c,
                      struct header_node *rotten)
{
    job->events.events = NULL; /* the world has them, or had */
    if (!job->world) {         /* it hangs on one that failed; the check stage sends it back */
        pipeline_push_check(&engine->pipeline, job);
        return;
    }
    if (c->error == 0 && c->result.verdict == CONNECT_OK) {
        if (job->is_known_valid)
            pipeline_checked(&engine->pipeline, job);
        else
            pipeline_push_check(&engine->pipeline, job);
        return;
    }
    world_set_user(job->world, NULL);
    world_drop(engine->ledger, job->world);
    job->world = NULL;
    if (c->error == -EBADMSG && rotten) { /* tried again when that block is there again */
        finish_stored(engine, job);
        lose_block(engine, rotten);
        return;
    }
    if (c->error < 0) {
        engine_fail(engine, ENGINE_DISK, "reading blocks.bin failed: %s", strerror(-c->error));
        finish_stored(engine, job);
        return;
    }
    job->verdict =
        c->result.verdict == CONNECT_BIP30 ? BAD_TXNS_BIP30 : BAD_TXNS_INPUTS_MISSINGORSPENT;
    failed_job(engine, job);
}

void connect_collected(struct engine *engine)
{
    struct block_job *jobs[CONNECT_MAX];
    struct connecting connecting[CONNECT_MAX];
    size_t count = engine->collected_count;
    uint64_t since_us = clock_monotonic_us();

    if (count == 0)
        return;
    engine->collected_count = 0;
    memcpy(jobs, engine->collected, count * sizeof(struct block_job *));
    for (size_t i = 0; i < count; i++)
        connecting[i] = (struct connecting){.world = jobs[i]->world,
                                            .lb = {.block = &jobs[i]->block,
                                                   .pos = jobs[i]->pos,
                                                   .events = &jobs[i]->events,
                                                   .bip30 = jobs[i]->bip30},
                                            .refs = jobs[i]->refs};
    engine->rotten = NULL;
    worlds_connect(engine->ledger, connecting, count);
    struct header_node *rotten = engine->rotten; /* judging one of them looks for others */
    uint64_t each_ns = (clock_monotonic_us() - since_us) * 1000 / count;
    for (size_t i = 0; i < count; i++) {
        histogram_add(&engine->pipeline.stats.connects, each_ns);
        connected(engine, jobs[i], &connecting[i], rotten);
    }
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
