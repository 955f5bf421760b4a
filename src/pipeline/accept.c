/* accept.c - what a parsed block may do: the header rules and the context rules decide whether it
 * is stored, and its place in blocks.bin is given here, so that nothing later waits for the write.
 */
#include "pipeline/engine_private.h"

#include "base/hex.h"
#include <stdlib.h>

#define AHEAD_MAX 288 /* an unrequested block this far above the tip is not stored */

void node_set(struct engine *engine, struct header_node *node, unsigned status)
{
    pthread_mutex_lock(&engine->tree_mutex);
    node->status |= (uint16_t)status;
    pthread_mutex_unlock(&engine->tree_mutex);
}

void record_block(struct engine *engine, const struct header_node *node)
{
    struct metadata_record record = {.hash = node->hash,
                                     .header = header_of_node(node),
                                     .pos = node->pos,
                                     .size = node->size,
                                     .mark = MARK_NONE};

    if (!node_has(node, HEADER_HAS_BLOCK))
        return;
    if (node_has(node, HEADER_INVALID)) {
        record.mark = MARK_INVALID;
        record.reason = node->failure;
    } else if (node_has(node, HEADER_VERIFIED)) { /* a rebuild need not check it again */
        record.mark = node_has(node, HEADER_ASSUMED) ? MARK_ASSUMED : MARK_VALID;
    }
    memcpy(record.checksum, &node->checksum, sizeof record.checksum);
    disk_thread_record(engine->disk_thread, &record);
}

/* Frees the job once its bytes are written: until then the block counts as in hand, and is not read
 * back. */
void reap_job(struct engine *engine, struct block_job *job)
{
    if (job->is_append_pending)
        return;
    if (job->resident)
        job->resident->job = NULL;
    if (job->node && node_work(engine, job->node)->job == job) {
        node_work(engine, job->node)->job = NULL;
        push_ready(engine, job->node); /* now it may be read back, if it is to be judged again */
    }
    engine->job_count--;
    pipeline_release(job);
}

static void end_job(struct engine *engine, struct block_job *job, const struct block_result *result)
{
    if (job->serial) {
        *(job->older ? &job->older->newer : &engine->oldest) = job->newer;
        *(job->newer ? &job->newer->older : &engine->newest) = job->older;
        job->serial = 0;
    }
    if (job->done)
        job->done(job->context, result);
    job->done = NULL;
    engine->waiting_count -= job->state == JOB_WAITING;
    job->state = JOB_DONE;
    reap_job(engine, job);
}

void finish_job(struct engine *engine, struct block_job *job, enum verdict verdict,
                enum script_error script_error)
{
    struct block_result result = {.verdict = verdict,
                                  .script_error = script_error,
                                  .node = job->node,
                                  .version = job->block.header.version};

    end_job(engine, job, &result);
}

void finish_stored(struct engine *engine, struct block_job *job)
{
    struct block_result result = {.verdict = VALID, .is_unjudged = true, .node = job->node};

    end_job(engine, job, &result);
}

bool is_better(const struct header_node *a, const struct header_node *b)
{
    int order = u256_compare(&a->chainwork, &b->chainwork);

    return order > 0 || (order == 0 && a->sequence < b->sequence);
}

static void link_one(struct engine *engine, struct header_node *node)
{
    pthread_mutex_lock(&engine->tree_mutex);
    node->sequence = ++engine->next_sequence;
    pthread_mutex_unlock(&engine->tree_mutex);
    if (!header_is_invalid(node) && (!engine->target || is_better(node, engine->target)))
        engine->target = node;
    if (engine->has_pipeline && node->prev && node_work(engine, node->prev)->world)
        push_ready(engine, node);
}

/* Breadth first, so that order is by height as the blocks would have come. */
void link_block(struct engine *engine, struct header_node *node, uint64_t before)
{
    struct header_node **queue = NULL;
    size_t head = 0, count = 0, capacity = 0;

    if (node->sequence || (node->prev && !node->prev->sequence))
        return;
    link_one(engine, node);
    for (;;) {
        struct header_node *child = NULL;
        while ((child = header_tree_next_at_height(engine->tree, node->height + 1, child))) {
            if (child->prev != node || child->sequence || !node_has(child, HEADER_HAS_BLOCK) ||
                child->pos >= before)
                continue;
            link_one(engine, child);
            if (count == capacity)
                queue = xrealloc(queue, (capacity = capacity ? capacity * 2 : 64) * sizeof *queue);
            queue[count++] = child;
        }
        if (head == count)
            break;
        node = queue[head++];
    }
    free(queue);
}

void find_target(struct engine *engine)
{
    engine->target = NULL;
    for (uint32_t i = 0; i < header_tree_count(engine->tree); i++) {
        struct header_node *node = header_tree_at(engine->tree, i);

        if (node->sequence && !header_is_invalid(node) &&
            (!engine->target || is_better(node, engine->target)))
            engine->target = node;
    }
}

static void make_resident(struct engine *engine, struct block_job *job)
{
    struct resident *resident = xcalloc(1, sizeof *resident);

    *resident = (struct resident){
        .node = job->node, .buffer = job->buffer, .size = job->size, .job = job, .references = 1};
    job->resident = resident;
    job->buffer = NULL;
    *engine->residents.newest = resident;
    engine->residents.newest = &resident->newer;
    engine->residents.size += resident->size;
    pthread_mutex_lock(&engine->tree_mutex);
    node_work(engine, job->node)->held_by = resident;
    pthread_mutex_unlock(&engine->tree_mutex);
    atomic_store_explicit(&node_work(engine, job->node)->resident, resident->buffer,
                          memory_order_release);
}

/* The block's bytes go to the end of blocks.bin; or back to their place if they had rotten there.
 */
static bool store_block(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node;
    bool is_repair = node->pos != 0 && node->size == job->size;

    job->pos = is_repair ? node->pos : record_pos(engine->blocks_end);
    if (!is_repair && !block_table_append(engine->table, job->pos, (uint32_t)job->size, node))
        return false;

    pthread_mutex_lock(&engine->tree_mutex);
    node->pos = job->pos;
    node->size = (uint32_t)job->size;
    node->tx_count = job->block.tx_count;
    node->checksum = job->checksum;
    node->status |= HEADER_HAS_BLOCK;
    pthread_mutex_unlock(&engine->tree_mutex);
    if (!is_repair)
        engine->blocks_end = record_end(job->pos, (uint32_t)job->size);

    make_resident(engine, job);
    job->append = (struct append){.pos = job->pos, .block = job->raw};
    job->appended_message.kind = MESSAGE_APPENDED;
    job->append_task =
        (struct disk_task){.kind = is_repair ? TASK_REPAIR : TASK_APPEND, .job = job};
    job->is_append_pending = true;
    pipeline_task(&engine->pipeline, &job->append_task);
    record_block(engine, node);
    return true;
}

/* Whether a block that nobody asked for is worth keeping (the reference's AcceptBlock). */
static bool is_wanted(struct engine *engine, const struct block_job *job)
{
    const struct header_node *node = job->node;

    return job->is_requested ||
           (u256_compare(&node->chainwork, &engine->tip->chainwork) >= 0 &&
            node->height <= engine->tip->height + AHEAD_MAX &&
            u256_compare(&node->chainwork, &engine->params->minimum_chain_work) >= 0);
}

/* Its bytes are with the workers. A block's submission happens before that of its children, so this
 * cannot be missed: the ring that brought the child orders it. */
static bool is_submitted(struct engine *engine, const struct header_node *node)
{
    return atomic_load_explicit(&node_work(engine, node)->submitted, memory_order_relaxed) > 0;
}

/* A job that is done stays until its bytes are written, but nothing comes of it any more. */
static bool has_live_job(struct engine *engine, const struct header_node *node)
{
    const struct block_job *job = node_work(engine, node)->job;

    return job && job->state != JOB_DONE;
}

/* Its world is there, or on its way. */
static bool may_have_world(struct engine *engine, const struct header_node *node)
{
    return node_work(engine, node)->world || has_live_job(engine, node) ||
           is_submitted(engine, node);
}

/* Ends those that waited for a block of which nothing comes. */
static void drop_waiting(struct engine *engine, struct header_node *node)
{
    struct header_node *child = NULL;

    while ((child = header_tree_next_at_height(engine->tree, node->height + 1, child)))
        if (child->prev == node && node_work(engine, child)->job) {
            drop_descendants(engine, node);
            return;
        }
}

/* Blocks from many peers overtake each other: one whose parent is still under way somewhere stays
 * in memory while less than half of the credit is taken, so that there is always room for what it
 * waits for. Others are remembered by position and read again. */
static bool may_hold(struct engine *engine, const struct block_job *job)
{
    struct pipeline *pipeline = &engine->pipeline;

    return job->is_awaited && atomic_load(&pipeline->credit_used) < pipeline->credit_limit / 2 &&
           mpmc_count(&pipeline->free_jobs) > JOB_MAX / 2;
}

static bool is_held(struct engine *engine, const struct header_node *node)
{
    const struct block_job *job = node_work(engine, node)->job;

    return job && job->is_held;
}

static void connect_or_wait(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node, *prev = node->prev;

    if (node_work(engine, node)->world) { /* it was verified, and had rotten since */
        finish_job(engine, job, VALID, SCRIPT_OK);
        return;
    }
    job->state = JOB_WAITING;
    engine->waiting_count++;
    if (node_work(engine, prev)->world) {
        push_ready(engine, node);
        return;
    }
    job->is_held = !may_have_world(engine, prev) || is_held(engine, prev);
    if (job->is_held && !may_hold(engine, job)) {
        finish_stored(engine, job);
        drop_waiting(engine, node);
    }
}

static void unlink_block(struct engine *engine, struct header_node *node)
{
    struct header_node *next = node;

    pthread_mutex_lock(&engine->tree_mutex);
    for (; next; next = header_tree_next_descendant(engine->tree, node, next))
        next->sequence = 0;
    pthread_mutex_unlock(&engine->tree_mutex);
    find_target(engine);
}

void lose_block(struct engine *engine, struct header_node *node)
{
    char hash[65];

    if (!node_has(node, HEADER_HAS_BLOCK))
        return;
    hash_to_hex(hash, node->hash.bytes);
    engine_log(
        engine, ENGINE_LOG_ERROR,
        "block %s (height %d) is damaged at byte %llu of blocks.bin: it has to be fetched again",
        hash, node->height, (unsigned long long)node->pos);
    pthread_mutex_lock(&engine->tree_mutex);
    node->status &= (uint16_t)~HEADER_HAS_BLOCK;
    pthread_mutex_unlock(&engine->tree_mutex);
    unlink_block(engine, node);
    drop_descendants(engine, node);
}

/* A block that was read back was whole when it was stored, its witnesses too. */
static bool is_whole(struct engine *engine, const struct block_job *job)
{
    return job->verdict == VALID && block_hash_equal(&job->block.hash, &job->node->hash) &&
           verdict_class(block_check_context(engine->params, &job->facts, job->node->prev)) !=
               VERDICT_MUTATED;
}

bool is_near_tip(const struct engine *engine, const struct header_node *node)
{
    return !engine->target || engine->target->height - node->height <= engine->config.horizon;
}

static void accept_read(struct engine *engine, struct block_job *job)
{
    struct header_node *node = job->node;

    engine->read_count--;
    if (!is_whole(engine, job)) {
        lose_block(engine, node);
        finish_stored(engine, job);
        return;
    }
    if (!job->is_known_valid || is_near_tip(engine, node))
        make_resident(engine, job);
    if (header_is_invalid(node))
        finish_job(engine, job, DUPLICATE_INVALID, SCRIPT_OK);
    else
        connect_or_wait(engine, job);
}

/* Nothing is marked before it was judged on the plain path too. */
static void refuse_block(struct engine *engine, struct block_job *job, enum verdict verdict)
{
    struct header_node *node = job->node;

    if (verdict_marks(verdict) && judge_without_coins(engine, node, job->raw) != verdict) {
        engine_fail(engine, ENGINE_CORRUPT,
                    "two checks of the block at height %d disagree (%s): test the memory",
                    node->height, verdict_text(verdict));
        finish_stored(engine, job);
        return;
    }
    if (verdict_marks(verdict))
        mark_invalid(engine, node, verdict);
    finish_job(engine, job, verdict, SCRIPT_OK);
}

static void accept_new(struct engine *engine, struct block_job *job)
{
    if (job->verdict != VALID) {
        job->node = NULL;
        finish_job(engine, job, job->verdict, SCRIPT_OK);
        return;
    }
    enum verdict verdict;
    engine_accept_headers(engine, &job->block.header, 1, &job->node, &verdict);
    if (verdict == VALID &&
        (node_has(job->node, HEADER_HAS_BLOCK) || node_work(engine, job->node)->job))
        verdict = DUPLICATE;
    if (verdict == VALID && !is_wanted(engine, job)) {
        finish_stored(engine, job);
        return;
    }
    if (verdict == VALID)
        verdict = block_check_context(engine->params, &job->facts, job->node->prev);
    if (verdict != VALID) {
        refuse_block(engine, job, verdict);
        return;
    }
    node_work(engine, job->node)->job = job;
    if (!store_block(engine, job)) {
        engine_fail(engine, ENGINE_DISK, "the block table is full: more than %u blocks", NODE_MAX);
        finish_stored(engine, job);
        return;
    }
    link_block(engine, job->node, UINT64_MAX);
    connect_or_wait(engine, job);
}

void accept_job(struct engine *engine, struct block_job *job)
{
    struct header_node *expected = job->expected;

    atomic_fetch_sub(&engine->pipeline.parsing_count, 1);
    if (job->is_stored) {
        accept_read(engine, job);
        return;
    }
    engine->job_count++;
    if (expected)
        atomic_fetch_sub_explicit(&node_work(engine, expected)->submitted, 1, memory_order_relaxed);
    accept_new(engine, job);
    /* It was not what it should have been, or it was known: what waits for it is kept by position
     * only. */
    if (expected && !may_have_world(engine, expected))
        drop_waiting(engine, expected);
}
