#include "pipeline/import.h"

#include "base/hex.h"
#include "pipeline/order.h"
#include <stdio.h>
#include <stdlib.h>

#define HEADER_BATCH 2000

struct item {
    struct header header;
    uint64_t pos;
    uint32_t size;
};

struct import {
    struct engine *engine;
    const _Atomic bool *is_stopping;
    struct import_progress *progress;
    struct import_result *result;
    struct disk *disk;
    struct disk_file *file;

    struct item *items;
    struct header_node **nodes; /* of items, once their headers are accepted */
    struct ordered_item *hashes;
    size_t count, capacity;
    uint32_t *order; /* indexes into items */
    size_t order_count;

    pthread_mutex_t mutex; /* guards result and done_count */
    pthread_cond_t is_done;
    uint64_t submitted, done;
    bool is_answered; /* of the command in hand */
};

struct submission {
    struct import *import;
    uint32_t size;
};

static void add_item(struct import *import, const struct record *record)
{
    if (import->count == import->capacity) {
        import->capacity = import->capacity ? import->capacity * 2 : 1024;
        import->items = xrealloc(import->items, import->capacity * sizeof *import->items);
        import->hashes = xrealloc(import->hashes, import->capacity * sizeof *import->hashes);
    }
    struct item *item = &import->items[import->count];
    struct bytes data = {record->data.data, HEADER_SIZE};
    bool is_parsed = header_parse(&item->header, data);
    assert(is_parsed);
    item->pos = record->pos;
    item->size = record->size;
    import->hashes[import->count++] =
        (struct ordered_item){header_hash(&item->header), item->header.prev_hash};
    atomic_fetch_add(&import->progress->size, item->size);
    atomic_fetch_add(&import->progress->block_count, 1);
}

/* Pass one. The text stays empty unless the file is damaged somewhere. */
static enum import_error read_headers(struct import *import, const char *path, char *text,
                                      size_t text_size)
{
    struct scanner scanner;
    struct record record;
    enum scan_result result;
    uint64_t size;
    char what[160];
    int error = disk_file_size(import->file, &size);

    if (error < 0) {
        snprintf(text, text_size, "%s: %s", path, strerror(-error));
        return IMPORT_UNREADABLE;
    }
    scanner_init(&scanner, import->disk, import->file,
                 le32_read(engine_params(import->engine)->magic), 0, size);
    while ((result = scanner_next_header(&scanner, &record)) == SCAN_RECORD &&
           !atomic_load(import->is_stopping))
        add_item(import, &record);
    scan_describe(what, sizeof what, result, &scanner);
    scanner_clear(&scanner);
    if (result == SCAN_READ_ERROR) {
        snprintf(text, text_size, "%s: %s", path, what);
        return IMPORT_UNREADABLE;
    }
    if (import->count == 0 && size == 0)
        snprintf(text, text_size, "%s: the file is empty", path);
    else if (result != SCAN_END && result != SCAN_RECORD && result != SCAN_ZEROS)
        snprintf(text, text_size, "%s: %s", path, what);
    if (import->count == 0)
        return IMPORT_NO_BLOCKS;
    return text[0] ? IMPORT_DAMAGED : IMPORT_OK;
}

static bool tree_knows(void *context, const struct block_hash *hash)
{
    struct import *import = context;
    bool is_known = header_tree_find(engine_lock_tree(import->engine), hash) != NULL;

    engine_unlock_tree(import->engine);
    return is_known;
}

static bool take_order(void *context, size_t index)
{
    struct import *import = context;

    import->order[import->order_count++] = (uint32_t)index;
    return true;
}

static void answer(struct command *command)
{
    struct import *import = command->context;

    pthread_mutex_lock(&import->mutex);
    import->is_answered = true;
    pthread_cond_signal(&import->is_done);
    pthread_mutex_unlock(&import->mutex);
}

static bool ask(struct import *import, void (*run)(struct engine *, struct command *), void *state)
{
    struct command command = {.run = run, .done = answer, .context = import, .u.state = state};

    import->is_answered = false;
    if (!engine_post(import->engine, &command))
        return false;
    pthread_mutex_lock(&import->mutex);
    while (!import->is_answered)
        pthread_cond_wait(&import->is_done, &import->mutex);
    pthread_mutex_unlock(&import->mutex);
    return !command.is_refused;
}

struct header_batch {
    struct header headers[HEADER_BATCH];
    struct header_node *nodes[HEADER_BATCH];
    enum verdict verdicts[HEADER_BATCH];
    size_t count;
};

static void accept_batch(struct engine *engine, struct command *command)
{
    struct header_batch *batch = command->u.state;

    engine_accept_headers(engine, batch->headers, batch->count, batch->nodes, batch->verdicts);
}

static void note_refused(struct import *import, const struct block_hash *hash, const char *reason)
{
    char hex[65];

    import->result->refused++;
    if (import->result->first_refused[0])
        return;
    hash_to_hex(hex, hash->bytes);
    snprintf(import->result->first_refused, sizeof import->result->first_refused, "block %s: %s",
             hex, reason);
}

/* All headers, parents first, so that the tree is known before the first block. False: the engine
 * stops. */
static bool accept_headers(struct import *import)
{
    struct header_batch *batch = xmalloc(sizeof *batch);
    bool is_good = true;
    size_t kept = 0;

    for (size_t at = 0; at < import->order_count && is_good; at += batch->count) {
        batch->count =
            import->order_count - at < HEADER_BATCH ? import->order_count - at : HEADER_BATCH;
        for (size_t i = 0; i < batch->count; i++)
            batch->headers[i] = import->items[import->order[at + i]].header;
        is_good = ask(import, accept_batch, batch);
        for (size_t i = 0; i < batch->count && is_good; i++) {
            uint32_t index = import->order[at + i];

            import->nodes[index] = batch->nodes[i];
            if (batch->verdicts[i] == VALID) {
                import->order[kept++] = index;
                continue;
            }
            note_refused(import, &import->hashes[index].hash, verdict_text(batch->verdicts[i]));
            atomic_fetch_add(&import->progress->done_size, import->items[index].size);
            atomic_fetch_add(&import->progress->done_count, 1);
        }
    }
    import->order_count = kept;
    free(batch);
    return is_good;
}

static void block_done(void *context, const struct block_result *block)
{
    struct submission *submission = context;
    struct import *import = submission->import;
    char reason[VERDICT_FORMAT_SIZE];

    pthread_mutex_lock(&import->mutex);
    if (block->verdict == DUPLICATE) {
        import->result->duplicate++;
    } else if (block->verdict != VALID) {
        block_result_format(reason, block);
        note_refused(import, block->node ? &block->node->hash : &(struct block_hash){{0}}, reason);
    } else if (block->is_unjudged) {
        import->result->unjudged++;
    } else {
        import->result->accepted++;
    }
    import->done++;
    atomic_fetch_add(&import->progress->done_size, submission->size);
    atomic_fetch_add(&import->progress->done_count, 1);
    pthread_cond_signal(&import->is_done);
    pthread_mutex_unlock(&import->mutex);
    free(submission);
}

/* Pass two: one block. 0 or -errno; -ECANCELED when the engine stops. */
static int submit_item(struct import *import, const struct item *item, struct header_node *node)
{
    struct block_job *job =
        pipeline_reserve(engine_pipeline(import->engine), item->size, RESERVE_WAIT);

    if (!job)
        return -ECANCELED;
    int error = disk_read_sync(import->disk, import->file, job->buffer, item->size, item->pos);
    if (error < 0) {
        pipeline_release(job);
        return error;
    }
    struct submission *submission = xmalloc(sizeof *submission);
    *submission = (struct submission){import, item->size};
    job->is_requested = true;
    job->expected = node;
    job->done = block_done;
    job->context = submission;
    import->submitted++;
    pipeline_submit(job);
    return 0;
}

static void wait_for_blocks(struct import *import)
{
    pthread_mutex_lock(&import->mutex);
    while (import->done < import->submitted)
        pthread_cond_wait(&import->is_done, &import->mutex);
    pthread_mutex_unlock(&import->mutex);
}

static bool has_block(struct import *import, const struct header_node *node)
{
    engine_lock_tree(import->engine);
    bool has = node->status & HEADER_HAS_BLOCK;
    engine_unlock_tree(import->engine);
    return has;
}

static enum import_error submit_blocks(struct import *import, const char *path, char *text,
                                       size_t text_size)
{
    for (size_t i = 0; i < import->order_count; i++) {
        const struct item *item = &import->items[import->order[i]];
        struct header_node *node = import->nodes[import->order[i]];

        if (atomic_load(import->is_stopping))
            return IMPORT_STOPPED;
        if (has_block(import, node)) {
            pthread_mutex_lock(&import->mutex);
            import->result->duplicate++;
            pthread_mutex_unlock(&import->mutex);
            atomic_fetch_add(&import->progress->done_size, item->size);
            atomic_fetch_add(&import->progress->done_count, 1);
            continue;
        }
        int error = submit_item(import, item, node);
        if (error == -ECANCELED)
            return IMPORT_STOPPED;
        if (error < 0) {
            snprintf(text, text_size, "%s: reading at byte %llu: %s", path,
                     (unsigned long long)item->pos, strerror(-error));
            return IMPORT_UNREADABLE;
        }
    }
    return IMPORT_OK;
}

static enum import_error run(struct import *import, const char *path, char *text, size_t text_size)
{
    enum import_error scanned = read_headers(import, path, text, text_size);

    if (scanned != IMPORT_OK && scanned != IMPORT_DAMAGED)
        return scanned;
    import->order = xcalloc(import->count, sizeof *import->order);
    import->nodes = xcalloc(import->count, sizeof *import->nodes);
    order_visit(import->hashes, import->count, tree_knows, take_order, import);
    import->result->unconnected = import->count - import->order_count;
    if (!accept_headers(import))
        return IMPORT_STOPPED;
    enum import_error error = submit_blocks(import, path, text, text_size);
    if (error != IMPORT_STOPPED) {
        wait_for_blocks(import);
        if (!ask(import, engine_when_idle, NULL))
            error = IMPORT_STOPPED;
    }
    if (error == IMPORT_OK && import->order_count == 0 && import->result->refused == 0) {
        snprintf(text, text_size, "%s: no block of it follows a known one", path);
        return IMPORT_NO_BLOCKS;
    }
    return error == IMPORT_OK ? scanned : error;
}

enum import_error import_file(struct engine *engine, const char *path,
                              const _Atomic bool *is_stopping, struct import_progress *progress,
                              struct import_result *result, char *text, size_t text_size)
{
    struct import import = {
        .engine = engine, .is_stopping = is_stopping, .progress = progress, .result = result};
    enum import_error outcome = IMPORT_UNREADABLE;

    memset(result, 0, sizeof *result);
    text[0] = 0;
    pthread_mutex_init(&import.mutex, NULL);
    pthread_cond_init(&import.is_done, NULL);
    int error = disk_open_plain(&import.disk, ".");
    if (error == 0)
        error = disk_file_open(import.disk, &import.file, path, 0);
    if (error < 0)
        snprintf(text, text_size, "%s: %s", path, strerror(-error));
    else
        outcome = run(&import, path, text, text_size);
    if (outcome == IMPORT_STOPPED) /* what was submitted still points here */
        wait_for_blocks(&import);
    if (import.disk)
        disk_close(import.disk);
    free(import.items);
    free(import.hashes);
    free(import.order);
    free(import.nodes);
    pthread_mutex_destroy(&import.mutex);
    pthread_cond_destroy(&import.is_done);
    return outcome;
}
