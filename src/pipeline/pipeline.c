#include "pipeline/pipeline.h"

#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define ARENA_LIMIT                                                                                \
    ((size_t)2 << 30) /* 100,000 prevouts of 10,000 bytes: dear, but a valid block may have them   \
                       */
#define ARENA_KEEP  ((size_t)8 << 20)  /* of each spare one */
#define NEAR_CREDIT ((size_t)16 << 20) /* a worker; what a block of maximum size takes */

static size_t power_of_two(size_t least)
{
    size_t n = 2;

    while (n < least)
        n *= 2;
    return n;
}

void pipeline_init(struct pipeline *pipeline, const struct params *params,
                   const struct ledger_key *key, struct block_table *table, uint32_t worker_count,
                   size_t credit_limit)
{
    *pipeline = (struct pipeline){.params = params,
                                  .key = key,
                                  .table = table,
                                  .worker_count = worker_count,
                                  .credit_limit = credit_limit};
    pthread_mutex_init(&pipeline->closing_mutex, NULL);
    pthread_mutex_init(&pipeline->arena_mutex, NULL);
    pipeline->work = mmap(NULL, NODE_MAX * sizeof(struct node_work), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(pipeline->work != MAP_FAILED);
    mpmc_init(&pipeline->parse_ring, power_of_two(JOB_MAX));
    mpmc_init(&pipeline->check_ring, power_of_two(JOB_MAX));
    mpmc_init(&pipeline->verify_ring, power_of_two((size_t)JOB_MAX * worker_count));
    mpmc_init(&pipeline->work_ring, WORK_MAX);
    /* A job may be in it twice (parsed or checked, and appended), a block's records not at all. */
    mpmc_init(&pipeline->ledger_ring, power_of_two(2 * JOB_MAX + COMMAND_MAX + 16));
    mpmc_init(&pipeline->disk_ring, power_of_two(16 * JOB_MAX));
    mpmc_init(&pipeline->free_jobs, power_of_two(JOB_MAX));
    pipeline->jobs = xcalloc(JOB_MAX, sizeof(struct block_job));
    for (size_t i = 0; i < JOB_MAX; i++) {
        pipeline->jobs[i].pipeline = pipeline;
        arena_init(&pipeline->jobs[i].arena, ARENA_LIMIT);
        bool is_pushed = mpmc_push(&pipeline->free_jobs, &pipeline->jobs[i]);
        assert(is_pushed);
    }
}

void pipeline_clear(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->spare_arena_count; i++)
        arena_clear(&pipeline->spare_arenas[i]);
    pthread_mutex_destroy(&pipeline->arena_mutex);
    for (size_t i = 0; i < JOB_MAX; i++) {
        arena_clear(&pipeline->jobs[i].arena);
        block_events_clear(&pipeline->jobs[i].events);
        free(pipeline->jobs[i].buffer);
    }
    free(pipeline->jobs);
    mpmc_clear(&pipeline->parse_ring);
    mpmc_clear(&pipeline->check_ring);
    mpmc_clear(&pipeline->verify_ring);
    mpmc_clear(&pipeline->work_ring);
    mpmc_clear(&pipeline->ledger_ring);
    mpmc_clear(&pipeline->disk_ring);
    mpmc_clear(&pipeline->free_jobs);
    pthread_mutex_destroy(&pipeline->closing_mutex);
    munmap(pipeline->work, NODE_MAX * sizeof(struct node_work));
}

uint64_t thread_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void account(struct stage_stats *stats, uint64_t *since)
{
    uint64_t now = thread_cpu_ns();

    atomic_fetch_add_explicit(&stats->busy_ns, now - *since, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->jobs, 1, memory_order_relaxed);
    histogram_add(&stats->times, now - *since);
    *since = now;
}

void wait_and_count(struct waiter *waiter, uint32_t prepared, int64_t timeout_us,
                    _Atomic uint64_t *wait_us)
{
    uint64_t since_us = clock_monotonic_us();

    waiter_wait(waiter, prepared, timeout_us);
    atomic_fetch_add_explicit(wait_us, clock_monotonic_us() - since_us, memory_order_relaxed);
}

static bool work_aside(struct worker *worker, uint64_t *since)
{
    if (!work_pop(worker))
        return false;
    account(&worker->pipeline->stats.work, since);
    return true;
}

/* What the ledger thread waits for, then verification, then what lets more of it begin; every other
 * turn others' tasks before both. */
static bool work_once(struct worker *worker, uint64_t *since)
{
    struct pipeline *pipeline = worker->pipeline;
    struct block_job *job;

    if (parts_are_open(&pipeline->parts) && parts_do_one(&pipeline->parts)) {
        account(&pipeline->stats.parts, since);
        return true;
    }
    if (worker->turn++ % 2 == 0 && work_aside(worker, since))
        return true;
    if ((job = mpmc_pop(&pipeline->verify_ring))) {
        verify_stage(pipeline, job, worker->machine);
        account(&pipeline->stats.verify, since);
    } else if ((job = mpmc_pop(&pipeline->check_ring))) {
        check_stage(pipeline, job);
        account(&pipeline->stats.check, since);
    } else if ((job = mpmc_pop(&pipeline->parse_ring))) {
        parse_stage(pipeline, job);
        account(&pipeline->stats.parse, since);
    } else {
        return work_aside(worker, since);
    }
    return true;
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct pipeline *pipeline = worker->pipeline;
    uint64_t since = thread_cpu_ns();

    pthread_setname_np(pthread_self(), "worker");
    while (!atomic_load(&pipeline->is_stopping)) {
        if (work_once(worker, &since))
            continue;
        uint32_t prepared = waiter_prepare(&pipeline->worker_waiter);
        if (atomic_load(&pipeline->is_stopping) || work_once(worker, &since))
            waiter_cancel(&pipeline->worker_waiter);
        else
            wait_and_count(&pipeline->worker_waiter, prepared, -1,
                           &pipeline->stats.workers_wait_us);
    }
    return NULL;
}

void pipeline_start(struct pipeline *pipeline)
{
    pipeline->workers = xcalloc(pipeline->worker_count, sizeof(struct worker));
    for (uint32_t i = 0; i < pipeline->worker_count; i++) {
        struct worker *worker = &pipeline->workers[i];

        *worker = (struct worker){
            .pipeline = pipeline, .machine = script_machine_new(), .aead = aead_new()};
        int error = pthread_create(&worker->thread, NULL, worker_main, worker);
        assert(error == 0);
    }
}

void pipeline_close_intake(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->closing_mutex);
    pipeline->is_closed = true;
    pthread_mutex_unlock(&pipeline->closing_mutex);
}

static void give_back(struct block_job *job)
{
    struct block_result result = {.verdict = VALID, .is_unjudged = true, .node = job->node};

    if (job->done)
        job->done(job->context, &result);
    job->done = NULL;
}

void pipeline_give_back(struct pipeline *pipeline)
{
    for (size_t i = 0; i < JOB_MAX; i++)
        if (pipeline->jobs[i].is_submitted)
            give_back(&pipeline->jobs[i]);
    work_give_back(pipeline);
}

void pipeline_stop(struct pipeline *pipeline)
{
    if (!pipeline->workers)
        return;
    atomic_store(&pipeline->is_stopping, true);
    waiter_wake(&pipeline->worker_waiter, WORKER_MAX);
    waiter_wake(&pipeline->credit_waiter, WORKER_MAX);
    for (uint32_t i = 0; i < pipeline->worker_count; i++) {
        pthread_join(pipeline->workers[i].thread, NULL);
        script_machine_free(pipeline->workers[i].machine);
        aead_free(pipeline->workers[i].aead);
    }
    free(pipeline->workers);
    pipeline->workers = NULL;
}

size_t pipeline_credit_of(size_t size)
{
    return size * 4 + ((size_t)64 << 10);
}

static bool is_from_file(enum reserve how)
{
    return how == RESERVE_NEAR || how == RESERVE_WAIT;
}

/* Takes credit if the limit allows, or if nothing else has any. */
static bool take(_Atomic size_t *used_of, size_t credit, size_t limit)
{
    size_t used = atomic_load(used_of);

    do {
        if (used != 0 && used + credit > limit)
            return false;
    } while (!atomic_compare_exchange_weak(used_of, &used, used + credit));
    return true;
}

static bool take_credit(struct pipeline *pipeline, size_t credit, enum reserve how)
{
    size_t near_limit = ((size_t)pipeline->worker_count + 1) * NEAR_CREDIT;
    bool is_near = is_from_file(how);

    if (is_near && !take(&pipeline->near_used, credit, near_limit))
        return false;
    if (take(&pipeline->credit_used, credit,
             how == RESERVE_URGENT ? SIZE_MAX : pipeline->credit_limit))
        return true;
    if (is_near)
        atomic_fetch_sub(&pipeline->near_used, credit);
    return false;
}

static void give_credit(struct pipeline *pipeline, size_t credit, bool is_near)
{
    atomic_fetch_sub(&pipeline->credit_used, credit);
    if (is_near)
        atomic_fetch_sub(&pipeline->near_used, credit);
}

static struct block_job *try_reserve(struct pipeline *pipeline, size_t size, enum reserve how)
{
    size_t credit = pipeline_credit_of(size);

    if (how != RESERVE_URGENT && mpmc_count(&pipeline->free_jobs) <= JOB_URGENT)
        return NULL;
    if (!take_credit(pipeline, credit, how))
        return NULL;
    bool is_near = is_from_file(how);
    struct block_job *job = mpmc_pop(&pipeline->free_jobs);
    if (!job) {
        give_credit(pipeline, credit, is_near);
        return NULL;
    }
    job->credit = credit;
    job->is_near = is_near;
    job->state = JOB_RESERVED;
    job->buffer = xmalloc(size);
    job->size = job->capacity = size;
    return job;
}

struct block_job *pipeline_reserve(struct pipeline *pipeline, size_t size, enum reserve how)
{
    assert(size <= BLOCK_SIZE_MAX);
    for (;;) {
        struct block_job *job = try_reserve(pipeline, size, how);
        if (job || how != RESERVE_WAIT)
            return job;
        uint32_t prepared = waiter_prepare(&pipeline->credit_waiter);
        job = try_reserve(pipeline, size, how);
        if (job || atomic_load(&pipeline->is_stopping)) {
            waiter_cancel(&pipeline->credit_waiter);
            return job;
        }
        atomic_fetch_add_explicit(&pipeline->stats.credit_waits, 1, memory_order_relaxed);
        wait_and_count(&pipeline->credit_waiter, prepared, 100000, &pipeline->stats.credit_wait_us);
    }
}

void pipeline_resize(struct block_job *job, size_t size)
{
    assert(size <= job->capacity);
    job->size = size;
}

void pipeline_take_arena(struct pipeline *pipeline, struct block_job *job)
{
    pthread_mutex_lock(&pipeline->arena_mutex);
    if (!job->arena.chunks && pipeline->spare_arena_count > 0)
        job->arena = pipeline->spare_arenas[--pipeline->spare_arena_count];
    pthread_mutex_unlock(&pipeline->arena_mutex);
}

static void give_arena_back(struct pipeline *pipeline, struct arena *arena)
{
    if (!arena->chunks)
        return;
    pthread_mutex_lock(&pipeline->arena_mutex);
    bool is_spare = pipeline->spare_arena_count < SPARE_ARENAS;
    pthread_mutex_unlock(&pipeline->arena_mutex);
    arena_reset(arena, is_spare ? ARENA_KEEP : 0);
    pthread_mutex_lock(&pipeline->arena_mutex);
    if (arena->chunks && pipeline->spare_arena_count < SPARE_ARENAS)
        pipeline->spare_arenas[pipeline->spare_arena_count++] = *arena;
    else
        is_spare = false;
    pthread_mutex_unlock(&pipeline->arena_mutex);
    if (!is_spare)
        arena_clear(arena);
}

/* Resets what a use leaves behind. */
void pipeline_release(struct block_job *job)
{
    struct pipeline *pipeline = job->pipeline;
    size_t credit = job->credit;
    bool is_near = job->is_near;

    if (job->is_submitted)
        atomic_fetch_sub(&pipeline->submitted_count, 1);
    give_arena_back(pipeline, &job->arena);
    block_events_clear(&job->events);
    free(job->buffer);
    memset(job, 0, sizeof *job);
    job->pipeline = pipeline;
    arena_init(&job->arena, ARENA_LIMIT);
    bool is_pushed = mpmc_push(&pipeline->free_jobs, job);
    assert(is_pushed);
    give_credit(pipeline, credit, is_near);
    waiter_wake(&pipeline->credit_waiter, 1);
    if (pipeline->on_credit)
        pipeline->on_credit(pipeline->on_credit_context);
}

void pipeline_submit(struct block_job *job)
{
    struct pipeline *pipeline = job->pipeline;

    pthread_mutex_lock(&pipeline->closing_mutex);
    bool is_closed = pipeline->is_closed;
    if (!is_closed) {
        if (!job->is_submitted)
            atomic_fetch_add(&pipeline->submitted_count, 1);
        job->is_submitted = true;
        atomic_fetch_add(&pipeline->parsing_count, 1);
        job->state = JOB_PARSING;
        if (job->expected)
            atomic_fetch_add_explicit(&work_of(pipeline, job->expected)->submitted, 1,
                                      memory_order_relaxed);
        job->raw = (struct bytes){job->buffer, job->size};
        job->submitted_us = clock_monotonic_us();
        bool is_pushed = mpmc_push(&pipeline->parse_ring, job);
        assert(is_pushed);
    }
    pthread_mutex_unlock(&pipeline->closing_mutex);
    if (is_closed) {
        give_back(job);
        pipeline_release(job);
        return;
    }
    waiter_wake(&pipeline->worker_waiter, 1);
}

void pipeline_push_check(struct pipeline *pipeline, struct block_job *job)
{
    bool is_pushed = mpmc_push(&pipeline->check_ring, job);

    assert(is_pushed);
    waiter_wake(&pipeline->worker_waiter, 1);
}

void pipeline_post(struct pipeline *pipeline, struct message *message)
{
    bool is_pushed = mpmc_push(&pipeline->ledger_ring, message);

    assert(is_pushed);
    waiter_wake(&pipeline->ledger_waiter, 1);
}

void pipeline_checked(struct pipeline *pipeline, struct block_job *job)
{
    job->message.kind = MESSAGE_CHECKED;
    pipeline_post(pipeline, &job->message);
}

void pipeline_task(struct pipeline *pipeline, struct disk_task *task)
{
    bool is_pushed = mpmc_push(&pipeline->disk_ring, task);

    assert(is_pushed);
    disk_wake(pipeline->disk);
}

void block_result_format(char out[VERDICT_FORMAT_SIZE], const struct block_result *result)
{
    verdict_format(out, result->verdict, result->version,
                   result->script_error ? script_error_text(result->script_error) : NULL);
}
