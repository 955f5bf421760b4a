/* engine.c - the ledger thread's loop, commands, and the jobs thread for what takes long. */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_US 200000 /* at least this often the snapshot is renewed */

void engine_log(struct engine *engine, enum engine_log_level level, const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (engine->config.events.log)
        engine->config.events.log(engine->config.events.context, level, line);
}

void engine_fail(struct engine *engine, enum engine_error error, const char *format, ...)
{
    va_list arguments;

    if (engine->is_failed)
        return;
    engine->is_failed = true;
    engine->error = error;
    va_start(arguments, format);
    vsnprintf(engine->error_text, sizeof engine->error_text, format, arguments);
    va_end(arguments);
    engine_log(engine, ENGINE_LOG_ERROR, "%s", engine->error_text);
    if (engine->config.events.failed)
        engine->config.events.failed(engine->config.events.context, error, engine->error_text);
}

static void publish(struct engine *engine)
{
    struct engine_snapshot snapshot = {
        .height = engine->tip->height,
        .header_height = header_tree_best(engine->tree)->height,
        .tip_hash = engine->tip->hash,
        .tip_time = engine->tip->time,
        .is_synced = atomic_load(&engine->is_synced),
        .blocks = engine->blocks_done,
        .bytes = engine->bytes_done,
        .inputs = engine->inputs_done,
        .jobs_in_flight = engine->job_count,
        .credit_used = atomic_load(&engine->pipeline.credit_used),
        .resident_size = engine->residents.size + engine->limbo.size,
        .ledger = ledger_stats(engine->ledger),
        .root_height = world_node(ledger_root(engine->ledger))->height,
        .whole = engine->target,
    };

    pthread_mutex_lock(&engine->snapshot_mutex);
    engine->snapshot = snapshot;
    pthread_mutex_unlock(&engine->snapshot_mutex);
}

void engine_snapshot(struct engine *engine, struct engine_snapshot *snapshot)
{
    pthread_mutex_lock(&engine->snapshot_mutex);
    *snapshot = engine->snapshot;
    pthread_mutex_unlock(&engine->snapshot_mutex);
}

void engine_disk_stats(struct engine *engine, struct writer_stats *writer,
                       struct prevouts_stats *prevouts)
{
    struct disk_thread_stats stats = disk_thread_stats(engine->disk_thread);

    *writer = stats.writer;
    *prevouts = stats.prevouts;
}

void finish_command(struct engine *engine, struct command *command)
{
    atomic_fetch_sub(&engine->command_count, 1);
    command->done(command);
}

static void push_job_command(struct engine *engine, struct command *command)
{
    bool is_pushed = mpmc_push(&engine->jobs_ring, command);

    assert(is_pushed); /* all that were posted fit, and the engine's own */
    waiter_wake(&engine->jobs_waiter, 1);
}

void start_job(struct engine *engine, struct command *command)
{
    atomic_fetch_add(&engine->command_count, 1);
    push_job_command(engine, command);
}

static void run_command(struct engine *engine, struct command *command)
{
    command->run(engine, command);
    if (command->is_pending)
        return;
    if (command->work)
        push_job_command(engine, command);
    else
        finish_command(engine, command);
}

static void synced(struct engine *engine)
{
    char text[128];
    int error = disk_thread_error(engine->disk_thread, text, sizeof text);

    engine->synced_end = disk_thread_synced_end(engine->disk_thread);
    engine->is_sync_asked = false;
    if (error)
        engine_fail(engine, ENGINE_DISK, "writing to %s failed: %s", engine->directory, text);
}

static void read_back_done(struct engine *engine, struct block_job *job)
{
    if (job->read_error) {
        engine_fail(engine, ENGINE_DISK, "reading blocks.bin failed: %s",
                    strerror(-job->read_error));
        engine->read_count--;
        finish_stored(engine, job);
        return;
    }
    pipeline_submit(job);
}

static void handle(struct engine *engine, struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PARSED:
        accept_job(engine, CONTAINER_OF(message, struct block_job, message));
        break;
    case MESSAGE_CHECKED:
        checked_job(engine, CONTAINER_OF(message, struct block_job, message));
        break;
    case MESSAGE_READ:
        read_back_done(engine, CONTAINER_OF(message, struct block_job, message));
        break;
    case MESSAGE_APPENDED:
        appended_job(engine, CONTAINER_OF(message, struct block_job, appended_message));
        break;
    case MESSAGE_SYNCED:
        synced(engine);
        break;
    case MESSAGE_COMMAND:
        run_command(engine, CONTAINER_OF(message, struct command, message));
        break;
    }
}

static void answer_idle(struct engine *engine)
{
    if (!engine->idle_commands || !is_idle(engine))
        return;
    while (engine->idle_commands) {
        struct command *command = engine->idle_commands;
        engine->idle_commands = command->next;
        finish_command(engine, command);
    }
}

void engine_when_idle(struct engine *engine, struct command *command)
{
    command->is_pending = true;
    command->next = engine->idle_commands;
    engine->idle_commands = command;
}

/* Everything there is, in one go; what follows from it once, after. */
static bool drain(struct engine *engine)
{
    struct message *message;
    bool had_any = false;

    for (int i = 0;
         i < 256 && !engine->is_broken_off && (message = mpmc_pop(&engine->pipeline.ledger_ring));
         i++) {
        handle(engine, message);
        had_any = true;
    }
    return had_any;
}

/* What other threads have done without a message: looked at once more before sleeping, like the
 * ring, or a wake that came before is lost. */
static bool has_work(struct engine *engine)
{
    return !engine->is_failed && (save_has_work(engine) || audit_has_work(engine));
}

static void *ledger_main(void *argument)
{
    struct engine *engine = argument;
    struct waiter *waiter = &engine->pipeline.ledger_waiter;
    uint64_t since = thread_cpu_ns();

    pthread_setname_np(pthread_self(), "ledger");
    push_children(engine, engine->tip);
    for (;;) {
        atomic_fetch_add_explicit(&engine->turns, 1, memory_order_relaxed);
        advance(engine);
        if (engine->is_broken_off)
            return NULL;
        answer_idle(engine);
        publish(engine);
        uint64_t now = thread_cpu_ns();
        atomic_fetch_add_explicit(&engine->pipeline.stats.ledger.busy_ns, now - since,
                                  memory_order_relaxed);
        since = now;

        if (atomic_load(&engine->is_stopping))
            return NULL;
        if (drain(engine))
            continue;
        uint32_t prepared = waiter_prepare(waiter);
        if (drain(engine) || has_work(engine) || atomic_load(&engine->is_stopping))
            waiter_cancel(waiter);
        else
            wait_and_count(waiter, prepared, TICK_US, &engine->pipeline.stats.ledger_wait_us);
    }
}

static void *jobs_main(void *argument)
{
    struct engine *engine = argument;

    pthread_setname_np(pthread_self(), "jobs");
    for (;;) {
        uint32_t prepared = waiter_prepare(&engine->jobs_waiter);
        struct command *command = mpmc_pop(&engine->jobs_ring);

        if (command || atomic_load(&engine->is_stopping))
            waiter_cancel(&engine->jobs_waiter);
        else
            waiter_wait(&engine->jobs_waiter, prepared, -1);
        if (command) {
            command->work(engine, command);
            finish_command(engine, command);
        } else if (atomic_load(&engine->is_stopping)) {
            return NULL;
        }
    }
}

void start_threads(struct engine *engine)
{
    publish(engine);
    int error = pthread_create(&engine->thread, NULL, ledger_main, engine);
    assert(error == 0);
    error = pthread_create(&engine->jobs_thread, NULL, jobs_main, engine);
    assert(error == 0);
    engine->has_threads = true;
}

static void refuse(struct engine *engine, struct command *command)
{
    command->is_refused = true;
    text_printf(&command->text, "error: the node is stopping\n");
    finish_command(engine, command);
}

/* Commands that were posted and not run get an answer too: nobody waits for ever. */
static void refuse_commands(struct engine *engine)
{
    struct message *message;
    struct command *command;

    while ((message = mpmc_pop(&engine->pipeline.ledger_ring)))
        if (message->kind == MESSAGE_COMMAND)
            refuse(engine, CONTAINER_OF(message, struct command, message));
    while ((command = engine->idle_commands)) {
        engine->idle_commands = command->next;
        refuse(engine, command);
    }
    save_refuse_commands(engine);
}

/* What others read is done: they may go when the engine is stopped. */
static void wait_for_reads(struct engine *engine)
{
    while (atomic_load(&engine->outer_reads) > 0 && !disk_thread_is_dead(engine->disk_thread)) {
        uint32_t prepared = waiter_prepare(&engine->outer_waiter);

        if (atomic_load(&engine->outer_reads) > 0)
            waiter_wait(&engine->outer_waiter, prepared, TICK_US);
        else
            waiter_cancel(&engine->outer_waiter);
    }
}

void engine_stop(struct engine *engine)
{
    if (!engine->has_threads)
        return;
    atomic_store(&engine->is_cancelled, true);
    pipeline_close_intake(&engine->pipeline);
    atomic_store(&engine->is_stopping, true);
    atomic_store(&engine->pipeline.is_stopping, true);
    waiter_wake(&engine->pipeline.credit_waiter, WORKER_MAX);
    waiter_wake(&engine->pipeline.ledger_waiter, 1);
    pthread_join(engine->thread, NULL);
    waiter_wake(&engine->jobs_waiter, 1);
    pthread_join(engine->jobs_thread, NULL);
    pipeline_stop(&engine->pipeline);
    wait_for_reads(engine);
    refuse_commands(engine);
    pipeline_give_back(&engine->pipeline);
    engine->has_threads = false;
}

bool engine_post(struct engine *engine, struct command *command)
{
    command->message.kind = MESSAGE_COMMAND;
    pthread_mutex_lock(&engine->pipeline.closing_mutex);
    bool is_good = !engine->pipeline.is_closed && atomic_load(&engine->command_count) < COMMAND_MAX;
    if (is_good) {
        atomic_fetch_add(&engine->command_count, 1);
        pipeline_post(&engine->pipeline, &command->message);
    }
    pthread_mutex_unlock(&engine->pipeline.closing_mutex);
    return is_good;
}

bool engine_read(struct engine *engine, struct engine_read *read)
{
    pthread_mutex_lock(&engine->pipeline.closing_mutex);
    bool is_good = !engine->pipeline.is_closed && atomic_load(&engine->outer_reads) < READ_MAX;
    if (is_good) {
        atomic_fetch_add(&engine->outer_reads, 1);
        read->engine = engine;
        read->task = (struct disk_task){.kind = TASK_READ};
        pipeline_task(&engine->pipeline, &read->task);
    }
    pthread_mutex_unlock(&engine->pipeline.closing_mutex);
    return is_good;
}

void engine_read_done(struct engine_read *read)
{
    struct engine *engine = read->engine;

    read->done(read); /* after which it may be gone */
    if (atomic_fetch_sub(&engine->outer_reads, 1) == 1)
        waiter_wake(&engine->outer_waiter, 1);
}

void engine_accept_headers(struct engine *engine, const struct header *headers, size_t count,
                           struct header_node **nodes, enum verdict *verdicts)
{
    struct header_node *best = header_tree_best(engine->tree);

    pthread_mutex_lock(&engine->tree_mutex);
    for (size_t i = 0; i < count; i++) {
        bool is_new;

        /* What hangs on headers has room for so many. */
        if (header_tree_count(engine->tree) >= NODE_MAX) {
            nodes[i] = NULL;
            verdicts[i] = TOO_LITTLE_CHAINWORK;
            continue;
        }
        verdicts[i] = header_accept(engine->tree, engine->params, &headers[i], engine_now(engine),
                                    &nodes[i], &is_new);
    }
    pthread_mutex_unlock(&engine->tree_mutex);
    if (header_tree_best(engine->tree) != best && engine->config.events.headers)
        engine->config.events.headers(engine->config.events.context,
                                      header_tree_best(engine->tree));
}

struct header_tree *engine_lock_tree(struct engine *engine)
{
    pthread_mutex_lock(&engine->tree_mutex);
    return engine->tree;
}

void engine_unlock_tree(struct engine *engine)
{
    pthread_mutex_unlock(&engine->tree_mutex);
}

int64_t engine_now(struct engine *engine)
{
    int64_t mocktime = atomic_load(&engine->mocktime);

    return mocktime ? mocktime : clock_wall_s();
}

struct engine_beats engine_beats(struct engine *engine)
{
    return (struct engine_beats){
        .ledger = atomic_load_explicit(&engine->turns, memory_order_relaxed),
        .disk = disk_thread_beat(engine->disk_thread),
    };
}

bool engine_is_stepping_back(const struct engine *engine)
{
    return atomic_load(&engine->is_stepping_back);
}

struct pipeline *engine_pipeline(struct engine *engine)
{
    return &engine->pipeline;
}

const struct params *engine_params(const struct engine *engine)
{
    return engine->params;
}

struct block_table *engine_table(struct engine *engine)
{
    return engine->table;
}

uint8_t *engine_read_block(struct engine *engine, uint64_t pos, uint32_t size)
{
    uint8_t *raw = xmalloc(size);

    if (disk_read_sync(engine->jobs_disk, engine->jobs_blocks, raw, size, pos) == 0)
        return raw;
    free(raw);
    return NULL;
}
