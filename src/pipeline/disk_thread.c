#include "pipeline/disk_thread.h"

#include "base/clock.h"
#include "pipeline/engine.h"
#include <stdio.h>
#include <stdlib.h>

#define PREVOUT_BUFFERS 1024

struct disk_thread {
    struct disk_thread_setup setup;
    pthread_t thread;
    struct writer *writer;
    struct prevouts *prevouts;
    struct message synced_message;
    _Atomic bool is_synced_posted; /* it is in the ledger thread's ring: not twice */
    struct disk_task stop_task;
    _Atomic uint64_t turns; /* the disk thread writes */
    uint64_t given_end;     /* of the appends the writer has; the disk thread's */
    struct sync_wait last_sync;
    bool is_stopping, is_last_synced;
    _Atomic bool is_dead; /* its ring failed: nothing given to it comes back */
    int last_error;

    pthread_mutex_t mutex; /* guards what follows: small copies for other threads */
    uint64_t synced_end;
    int error;
    char error_text[128];
    struct disk_thread_stats stats;
    struct record_item *records, **records_end; /* oldest first */
};

struct record_item {
    struct record_item *next;
    struct metadata_record record;
};

static void post_synced(struct disk_thread *thread)
{
    if (!atomic_exchange(&thread->is_synced_posted, true))
        pipeline_post(thread->setup.pipeline, &thread->synced_message);
}

static void on_synced(void *context, uint64_t synced_end)
{
    struct disk_thread *thread = context;

    pthread_mutex_lock(&thread->mutex);
    thread->synced_end = synced_end;
    pthread_mutex_unlock(&thread->mutex);
    post_synced(thread);
}

static void on_error(void *context, int error, const char *what)
{
    struct disk_thread *thread = context;

    pthread_mutex_lock(&thread->mutex);
    if (!thread->error) {
        thread->error = error;
        snprintf(thread->error_text, sizeof thread->error_text, "%s: %s", what, strerror(-error));
    }
    pthread_mutex_unlock(&thread->mutex);
    post_synced(thread);
}

static void appended(struct append *append, int error)
{
    struct block_job *job = CONTAINER_OF(append, struct block_job, append);

    (void)error; /* on_error has told */
    pipeline_post(job->pipeline, &job->appended_message);
}

static void prevouts_done(struct prevout_request *request, int error)
{
    struct block_job *job = CONTAINER_OF(request, struct block_job, request);

    job->read_error = error;
    histogram_add(&job->pipeline->stats.reads, (clock_monotonic_us() - job->request_us) * 1000);
    pipeline_push_check(job->pipeline, job);
}

static void block_read(struct disk_op *op, int64_t result)
{
    struct block_job *job = CONTAINER_OF(op, struct block_job, read_op);

    job->read_error = result < 0 ? (int)result : 0;
    job->message.kind = MESSAGE_READ;
    pipeline_post(job->pipeline, &job->message);
}

static void outer_read(struct disk_op *op, int64_t result)
{
    struct engine_read *read = CONTAINER_OF(op, struct engine_read, op);

    read->error = result < 0 ? (int)result : 0;
    engine_read_done(read);
}

static void start_read(struct disk_thread *thread, struct engine_read *read)
{
    disk_op_init(&read->op, DISK_READ, thread->setup.blocks_random, read->data, read->size,
                 read->pos, outer_read);
    read->op.priority = DISK_LATER;
    disk_submit(thread->setup.pipeline->disk, &read->op);
}

static void last_synced(struct sync_wait *wait, int error, uint64_t synced_end)
{
    struct disk_thread *thread = CONTAINER_OF(wait, struct disk_thread, last_sync);

    (void)synced_end;
    thread->last_error = error;
    thread->is_last_synced = true;
}

static void free_sync(struct sync_wait *wait, int error, uint64_t synced_end)
{
    (void)error;
    (void)synced_end;
    free(wait);
}

static void start_task(struct disk_thread *thread, struct disk_task *task)
{
    switch (task->kind) {
    case TASK_APPEND:
        task->job->append.done = appended;
        thread->given_end = record_end(task->job->pos, (uint32_t)task->job->size);
        writer_append(thread->writer, &task->job->append);
        break;
    case TASK_REPAIR:
        task->job->append.done = appended;
        writer_repair(thread->writer, &task->job->append);
        break;
    case TASK_PREVOUTS:
        task->job->request.done = prevouts_done;
        task->job->request_us = clock_monotonic_us();
        prevouts_read(thread->prevouts, &task->job->request);
        break;
    case TASK_READ_BLOCK:
        disk_op_init(&task->job->read_op, DISK_READ, thread->setup.blocks_random, task->job->buffer,
                     task->job->size, task->job->pos, block_read);
        disk_submit(thread->setup.pipeline->disk, &task->job->read_op);
        break;
    case TASK_READ:
        start_read(thread, (struct engine_read *)task);
        break;
    case TASK_SYNC: {
        struct sync_wait *wait = xcalloc(1, sizeof *wait);
        wait->done = free_sync;
        writer_sync(thread->writer, wait);
        free(task);
        break;
    }
    case TASK_STOP:
        thread->is_stopping = true;
        break;
    }
}

static void publish(struct disk_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    thread->stats.writer = writer_stats(thread->writer);
    thread->stats.prevouts = prevouts_stats(thread->prevouts);
    pthread_mutex_unlock(&thread->mutex);
}

/* The oldest record whose append was given to the writer, or NULL. A record can be seen before its
 * append: the ring shows nothing behind an item that some other thread is still putting there. */
static struct record_item *take_record(struct disk_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    struct record_item *item = thread->records;
    if (item && record_end(item->record.pos, item->record.size) > thread->given_end)
        item = NULL;
    if (item) {
        thread->records = item->next;
        if (!thread->records)
            thread->records_end = &thread->records;
    }
    pthread_mutex_unlock(&thread->mutex);
    return item;
}

static void write_records(struct disk_thread *thread)
{
    struct record_item *item;

    while ((item = take_record(thread))) {
        writer_record(thread->writer, &item->record);
        free(item);
    }
}

/* What was not CPU time was waiting, as the thread does nothing between. */
static void account_disk(struct pipeline *pipeline, uint64_t *since_ns, uint64_t *since_us)
{
    uint64_t cpu_ns = thread_cpu_ns(), now_us = clock_monotonic_us();
    uint64_t busy_ns = cpu_ns - *since_ns, wall_ns = (now_us - *since_us) * 1000;

    atomic_fetch_add_explicit(&pipeline->stats.disk.busy_ns, busy_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&pipeline->stats.disk_wait_us,
                              wall_ns > busy_ns ? (wall_ns - busy_ns) / 1000 : 0,
                              memory_order_relaxed);
    *since_ns = cpu_ns;
    *since_us = now_us;
}

static void *disk_main(void *argument)
{
    struct disk_thread *thread = argument;
    struct pipeline *pipeline = thread->setup.pipeline;

    uint64_t since_ns = thread_cpu_ns(), since_us = clock_monotonic_us();

    pthread_setname_np(pthread_self(), "disk");
    for (;;) {
        struct disk_task *task;
        atomic_fetch_add_explicit(&thread->turns, 1, memory_order_relaxed);
        while ((task = mpmc_pop(&pipeline->disk_ring))) {
            start_task(thread, task);
            atomic_fetch_add_explicit(&pipeline->stats.disk.jobs, 1, memory_order_relaxed);
        }
        write_records(thread);
        if (thread->is_stopping && !thread->last_sync.done) {
            thread->last_sync.done = last_synced;
            writer_sync(thread->writer, &thread->last_sync);
        }
        int wait_ms = writer_tick(thread->writer, clock_monotonic_us() / 1000);
        publish(thread);
        if (thread->is_last_synced && writer_is_idle(thread->writer) &&
            disk_pending(pipeline->disk) == 0)
            return NULL;
        int done = disk_run(pipeline->disk, wait_ms);
        account_disk(pipeline, &since_ns, &since_us);
        if (done < 0) {
            on_error(thread, done, "io_uring");
            thread->last_error = done;
            atomic_store(&thread->is_dead, true);
            return NULL;
        }
    }
}

struct disk_thread *disk_thread_start(const struct disk_thread_setup *setup)
{
    struct disk_thread *thread = xcalloc(1, sizeof *thread);
    struct writer_setup writer = {.disk = setup->pipeline->disk,
                                  .blocks = setup->blocks,
                                  .metadata = setup->metadata,
                                  .magic = setup->magic,
                                  .blocks_end = setup->blocks_end,
                                  .synced_end = setup->synced_end,
                                  .metadata_end = setup->metadata_end,
                                  .on_synced = on_synced,
                                  .on_error = on_error,
                                  .context = thread};

    thread->setup = *setup;
    thread->synced_end = setup->synced_end;
    thread->given_end = setup->blocks_end;
    thread->synced_message.kind = MESSAGE_SYNCED;
    thread->stop_task.kind = TASK_STOP;
    thread->records_end = &thread->records;
    pthread_mutex_init(&thread->mutex, NULL);
    thread->writer = writer_new(&writer);
    thread->prevouts = prevouts_new(setup->pipeline->disk, setup->blocks_random, PREVOUT_BUFFERS);
    publish(thread);
    int error = pthread_create(&thread->thread, NULL, disk_main, thread);
    assert(error == 0);
    return thread;
}

uint64_t disk_thread_synced_end(struct disk_thread *thread)
{
    atomic_store(&thread->is_synced_posted, false);
    pthread_mutex_lock(&thread->mutex);
    uint64_t end = thread->synced_end;
    pthread_mutex_unlock(&thread->mutex);
    return end;
}

int disk_thread_error(struct disk_thread *thread, char *text, size_t text_size)
{
    pthread_mutex_lock(&thread->mutex);
    int error = thread->error;
    snprintf(text, text_size, "%s", thread->error_text);
    pthread_mutex_unlock(&thread->mutex);
    return error;
}

bool disk_thread_is_dead(struct disk_thread *thread)
{
    return atomic_load(&thread->is_dead);
}

void disk_thread_sync(struct disk_thread *thread)
{
    struct disk_task *task = xcalloc(1, sizeof *task);

    task->kind = TASK_SYNC;
    pipeline_task(thread->setup.pipeline, task);
}

void disk_thread_record(struct disk_thread *thread, const struct metadata_record *record)
{
    struct record_item *item = xcalloc(1, sizeof *item);

    item->record = *record;
    pthread_mutex_lock(&thread->mutex);
    *thread->records_end = item;
    thread->records_end = &item->next;
    pthread_mutex_unlock(&thread->mutex);
    disk_wake(thread->setup.pipeline->disk);
}

uint64_t disk_thread_beat(struct disk_thread *thread)
{
    disk_wake(thread->setup.pipeline->disk);
    return atomic_load_explicit(&thread->turns, memory_order_relaxed);
}

int disk_thread_stop(struct disk_thread *thread)
{
    pipeline_task(thread->setup.pipeline, &thread->stop_task);
    pthread_join(thread->thread, NULL);
    int error = thread->last_error;
    writer_free(thread->writer);
    prevouts_free(thread->prevouts);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
    return error;
}

struct disk_thread_stats disk_thread_stats(struct disk_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    struct disk_thread_stats stats = thread->stats;
    pthread_mutex_unlock(&thread->mutex);
    return stats;
}
