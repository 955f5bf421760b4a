/* start.c - from a base directory to a running engine, and back; start_blocks.c and start_tree.c
 * have the first steps.
 *
 * The order at start: lock, blocks.bin and its genesis record, metadata, the gaps that metadata
 * leaves (scanned), the header tree, workers, the last checkpoint and its replay (recover.c), the
 * other threads; the blocks above the root are read back like any stored block. At the end:
 * threads, blocks.bin, metadata, checkpoint. */
#include "pipeline/start.h"

#include "ledger/undo.h"
#include "pipeline/spill.h"
#include "store/lock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DISK_DEPTH  256
#define WORLD_SLOTS 1024

enum engine_error start_refuse(struct start *start, enum engine_error error, const char *format,
                               ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(start->text, start->text_size, format, arguments);
    va_end(arguments);
    return error;
}

/* One line with the remedy. */
static enum engine_error explain_errno(const char *what, const char *directory, int error,
                                       char *text, size_t text_size)
{
    const char *remedy =
        error == -ENOSPC ? "; make room on the disk"
        : error == -EACCES || error == -EROFS || error == -EPERM
            ? "; give this user the right to write there, or choose another with -b"
            : "";

    snprintf(text, text_size, "%s in %s: %s%s", what, directory, strerror(-error), remedy);
    return error == -EIO || error == -ENOSPC ? ENGINE_DISK
           : error == -ECANCELED             ? ENGINE_STOPPED
                                             : ENGINE_DIRECTORY;
}

enum engine_error start_refuse_errno(struct start *start, const char *what, int error)
{
    return explain_errno(what, start->engine->directory, error, start->text, start->text_size);
}

bool is_given_up(const struct engine *engine)
{
    return atomic_load(&engine->is_stopping) ||
           (engine->config.is_cancelled &&
            engine->config.is_cancelled(engine->config.is_cancelled_context));
}

enum engine_error engine_make_directory(const char *directory, char *text, size_t text_size)
{
    int error = disk_make_path(directory);

    return error == 0 ? ENGINE_OK
                      : explain_errno("the base directory cannot be made", directory, error, text,
                                      text_size);
}

static int open_ring(void *context, struct disk **disk, unsigned depth)
{
    struct engine *engine = context;

    return depth > 1 ? disk_open_ring(disk, engine->directory, depth, engine->config.uring_without,
                                      engine->error_text)
                     : disk_open_plain(disk, engine->directory);
}

static int open_disk(struct engine *engine, struct disk **disk, unsigned depth)
{
    return engine->config.open_disk(engine->config.open_disk_context, disk, depth);
}

static enum engine_error take_directory(struct start *start)
{
    struct engine *engine = start->engine;
    int error;

    if (!engine->config.has_lock) {
        enum engine_error refused =
            engine_make_directory(engine->directory, start->text, start->text_size);
        if (refused != ENGINE_OK)
            return refused;
        engine->lock = lock_take(engine->directory, start->text, start->text_size);
        if (engine->lock < 0)
            return engine->lock == -EWOULDBLOCK ? ENGINE_LOCKED : ENGINE_DIRECTORY;
    }
    error = open_disk(engine, &engine->disk, DISK_DEPTH);
    if (error < 0)
        return start_refuse(start, ENGINE_URING, "%s", engine->error_text);
    if ((error = open_disk(engine, &start->disk, 1)) < 0 ||
        (error = open_disk(engine, &engine->sync_disk, 1)) < 0 ||
        (error = open_disk(engine, &engine->jobs_disk, 1)) < 0)
        return start_refuse_errno(start, "no access", error);
    return ENGINE_OK;
}

struct ledger *new_ledger(struct engine *engine, struct header_node *root)
{
    struct ledger_config config = {.key = engine->key,
                                   .world_slots = WORLD_SLOTS,
                                   .horizon = engine->config.horizon,
                                   .outpoint_at = outpoint_at,
                                   .run_parts = run_parts,
                                   .dropped = world_dropped,
                                   .ctx = engine};

    return ledger_new(&config, root);
}

/* The best chain's blocks that were verified before, less those that stay above the root. */
static struct header_node *replay_goal(struct engine *engine)
{
    struct header_node *node = engine->target;

    while (!node_has(node, HEADER_VERIFIED))
        node = node->prev;
    return header_ancestor(
        node, node->height > engine->config.horizon ? node->height - engine->config.horizon : 0);
}

/* The key of the coin set, a new one where it is of no use, and the checkpoint thread. */
static enum engine_error open_ledger(struct start *start)
{
    struct engine *engine = start->engine;
    uint8_t secret[LEDGER_KEY_SIZE];
    int error = checkpoint_key_load(start->disk, secret);

    if (error == -ENOENT || error == -EILSEQ || (error == 0 && start->is_other_file)) {
        if (error == -EILSEQ)
            engine_log(engine, ENGINE_LOG_WARNING,
                       "ledger/key is damaged: the coin set is rebuilt from blocks.bin");
        random_bytes(secret, sizeof secret);
        error = undo_forget(start->disk);
        if (error == 0)
            error = checkpoint_key_save(start->disk, secret);
    }
    if (error < 0)
        return start_refuse_errno(start, "ledger/key cannot be used", error);
    ledger_key_init(&engine->key, secret, engine->config.tag_bits, SHARD_COUNT);
    error = open_disk(engine, &engine->checkpoint_disk, 1);
    if (error == 0)
        error = checkpointer_start(&engine->saving.checkpointer, engine->checkpoint_disk,
                                   &engine->key, engine->magic, &engine->pipeline.ledger_waiter);
    if (error < 0)
        return start_refuse_errno(start, "the undo words cannot be read", error);
    return ENGINE_OK;
}

/* Nothing in ledger/ counts: it is of another blocks.bin. */
static enum engine_error open_ledger_anew(struct start *start)
{
    struct engine *engine = start->engine;

    engine_log(engine, ENGINE_LOG_WARNING,
               "ledger/ is of another blocks.bin: the coin set is rebuilt from this one");
    (void)checkpointer_stop(engine->saving.checkpointer); /* nothing was given to it */
    engine->saving.checkpointer = NULL;
    disk_close(engine->checkpoint_disk);
    engine->checkpoint_disk = NULL;
    start->is_other_file = true;
    return open_ledger(start);
}

static enum engine_error load_ledger(struct start *start)
{
    struct engine *engine = start->engine;
    enum engine_error refused = open_ledger(start);

    if (refused != ENGINE_OK)
        return refused;
    pipeline_start(&engine->pipeline); /* loading and replay are done in parts */
    int error = recover_ledger(engine, replay_goal(engine), NULL);
    if (error == -ESTALE) {
        refused = open_ledger_anew(start);
        if (refused != ENGINE_OK)
            return refused;
        error = recover_ledger(engine, replay_goal(engine), NULL);
    }
    if (error < 0)
        return start_refuse_errno(start, "the checkpoint cannot be read", error);

    struct header_node *root = world_node(ledger_root(engine->ledger));
    for (struct header_node *node = root; node && !node_has(node, HEADER_VERIFIED);
         node = node->prev)
        node->status |= HEADER_VERIFIED | HEADER_ASSUMED; /* its mark is lost */
    engine_log(engine, ENGINE_LOG_INFO, "ledger: %llu coins at height %d",
               (unsigned long long)ledger_stats(engine->ledger).root_coins, root->height);
    engine->tip = root;
    node_work(engine, root)->world = ledger_root(engine->ledger);
    return ENGINE_OK;
}

/* The files again, on the disks of the threads that will use them. */
static enum engine_error open_files(struct start *start)
{
    struct engine *engine = start->engine;
    int error = disk_file_open(engine->disk, &engine->blocks, BLOCKS_NAME, DISK_OPEN_WRITE);

    if (error == 0)
        error = disk_file_open(engine->disk, &engine->blocks_random, BLOCKS_NAME, DISK_OPEN_RANDOM);
    if (error == 0)
        error = disk_file_open(engine->disk, &engine->metadata, METADATA_NAME, DISK_OPEN_WRITE);
    if (error == 0)
        error =
            disk_file_open(engine->sync_disk, &engine->sync_blocks, BLOCKS_NAME, DISK_OPEN_RANDOM);
    if (error == 0)
        error = disk_file_open(engine->jobs_disk, &engine->jobs_blocks, BLOCKS_NAME, 0);
    if (error == 0)
        error = spill_remove_old(start->disk);
    return error < 0 ? start_refuse_errno(start, "files cannot be opened", error) : ENGINE_OK;
}

static enum engine_error make_pipeline(struct start *start)
{
    struct engine *engine = start->engine;

    engine->blocks_end = engine->synced_end = start->blocks_size;
    engine->residents.newest = &engine->residents.oldest;
    engine->limbo.newest = &engine->limbo.oldest;
    pipeline_init(&engine->pipeline, engine->params, &engine->key, engine->table,
                  engine->config.worker_count, engine->config.in_flight_limit);
    engine->pipeline.disk = engine->disk;
    engine->pipeline.on_credit = engine->config.events.credit;
    engine->pipeline.on_credit_context = engine->config.events.context;
    engine->has_pipeline = true;
    return ENGINE_OK;
}

static void start_all(struct start *start)
{
    struct engine *engine = start->engine;
    struct disk_thread_setup setup = {.pipeline = &engine->pipeline,
                                      .blocks = engine->blocks,
                                      .metadata = engine->metadata,
                                      .blocks_random = engine->blocks_random,
                                      .magic = engine->magic,
                                      .blocks_end = engine->blocks_end,
                                      .synced_end = engine->synced_end,
                                      .metadata_end = start->metadata_end};
    engine->disk_thread = disk_thread_start(&setup);
    start_threads(engine);
}

static enum engine_error run_start(struct start *start)
{
    static enum engine_error (*const steps[])(struct start *) = {
        take_directory, start_blocks,  start_metadata, start_tree,
        open_files,     make_pipeline, load_ledger};

    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        enum engine_error error = steps[i](start);
        if (error != ENGINE_OK)
            return error;
    }
    start_all(start);
    return ENGINE_OK;
}

static void free_residents(struct engine *engine)
{
    for (struct resident *resident = engine->residents.oldest; resident; resident = resident->newer)
        resident->job = NULL;
    engine->oldest = NULL;
    residents_evict(engine, 0);
}

static void free_engine(struct engine *engine)
{
    if (engine->has_pipeline) {
        pipeline_stop(&engine->pipeline);
        free_residents(engine);
        pipeline_clear(&engine->pipeline);
    }
    mpmc_clear(&engine->jobs_ring);
    if (engine->saving.checkpointer)
        checkpointer_stop(engine->saving.checkpointer);
    if (engine->ledger)
        ledger_free(engine->ledger);
    if (engine->tree)
        header_tree_free(engine->tree);
    if (engine->table)
        block_table_free(engine->table);
    struct disk *disks[] = {engine->disk, engine->sync_disk, engine->jobs_disk,
                            engine->checkpoint_disk};
    for (size_t i = 0; i < ARRAY_COUNT(disks); i++)
        if (disks[i])
            disk_close(disks[i]);
    if (engine->lock >= 0)
        lock_release(engine->lock);
    pthread_mutex_destroy(&engine->sync_mutex);
    pthread_mutex_destroy(&engine->tree_mutex);
    pthread_mutex_destroy(&engine->snapshot_mutex);
    pthread_mutex_destroy(&engine->audit_feed.mutex);
    pthread_cond_destroy(&engine->audit_feed.changed);
    shard_image_clear(&engine->audit_feed.image);
    free(engine->ready);
    free(engine->directory);
    free(engine);
}

enum engine_error engine_open(struct engine **out, const struct engine_config *config, char *text,
                              size_t text_size)
{
    struct engine *engine = xcalloc(1, sizeof *engine);
    struct start start = {.engine = engine, .text = text, .text_size = text_size};

    engine->config = *config;
    engine->params = config->params;
    engine->magic = le32_read(config->params->magic);
    engine->directory = strdup(config->directory);
    engine->lock = -1;
    if (!engine->config.open_disk) {
        engine->config.open_disk = open_ring;
        engine->config.open_disk_context = engine;
    }
    if (!engine->config.tag_bits)
        engine->config.tag_bits = 64;
    pthread_mutex_init(&engine->sync_mutex, NULL);
    pthread_mutex_init(&engine->tree_mutex, NULL);
    pthread_mutex_init(&engine->snapshot_mutex, NULL);
    pthread_mutex_init(&engine->audit_feed.mutex, NULL);
    pthread_cond_init(&engine->audit_feed.changed, NULL);
    mpmc_init(&engine->jobs_ring, 2 * COMMAND_MAX);

    enum engine_error error = run_start(&start);
    metadata_clear(&start.data);
    free(start.rotten);
    if (start.disk)
        disk_close(start.disk);
    if (error == ENGINE_OK)
        *out = engine;
    else
        free_engine(engine);
    return error;
}

static void save_tip(struct engine *engine)
{
    int error = start_write_tip(engine, engine->sync_disk);

    if (error < 0)
        engine_fail(engine, ENGINE_DISK, "writing to %s failed: %s", engine->directory,
                    strerror(-error));
}

enum engine_error engine_close(struct engine *engine, char *text, size_t text_size)
{
    engine_stop(engine);
    int error = disk_thread_stop(engine->disk_thread);
    if (error < 0)
        engine_fail(engine, ENGINE_DISK, "writing to %s failed: %s", engine->directory,
                    strerror(-error));
    save_close(engine);
    if (!engine->is_failed || engine->is_broken_off)
        save_tip(engine);
    enum engine_error result = engine->error;
    snprintf(text, text_size, "%s", engine->error_text);
    free_engine(engine);
    return result;
}
