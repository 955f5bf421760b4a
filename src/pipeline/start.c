/* start.c - from a base directory to a running engine, and back.
 *
 * The order at start: lock, blocks.bin and its genesis record, metadata, the gaps that metadata
 * leaves (scanned), the header tree, the last checkpoint and its replay (recover.c), threads; the
 * blocks above the root are read back like any stored block. At the end: threads, blocks.bin,
 * metadata, checkpoint. */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include "base/hex.h"
#include "ledger/undo.h"
#include "pipeline/order.h"
#include "pipeline/spill.h"
#include "store/lock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DISK_DEPTH  256
#define WORLD_SLOTS 1024
#define PROGRESS_S  5
#define TIME_ANY                                                                                   \
    ((int64_t)UINT32_MAX) /* stored headers were judged before: the clock has no say               \
                           */
#define TIP_NAME     "tip"
#define TIP_NEW_NAME "tip.new"

/* What a start works with and throws away. */
struct start {
    struct engine *engine;
    struct disk *disk; /* the starting thread's */
    struct disk_file *blocks, *metadata;
    uint64_t blocks_size;
    struct metadata data;
    uint64_t metadata_end;
    bool is_other_file; /* blocks.bin was exchanged: positions in ledger/ mean nothing */
    char *text;
    size_t text_size;
    size_t scanned_count;
    bool has_metadata;
    struct metadata_record *rotten; /* damaged blocks whose header is whole: their place is kept */
    size_t rotten_count;
    uint64_t progress_us;
};

__attribute__((format(printf, 3, 4))) static enum engine_error
refuse(struct start *start, enum engine_error error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(start->text, start->text_size, format, arguments);
    va_end(arguments);
    return error;
}

static enum engine_error refuse_errno(struct start *start, const char *what, int error)
{
    enum engine_error kind = error == -EIO || error == -ENOSPC ? ENGINE_DISK : ENGINE_DIRECTORY;
    const char *remedy =
        error == -ENOSPC ? "; make room on the disk"
        : error == -EACCES || error == -EROFS || error == -EPERM
            ? "; give this user the right to write there, or choose another with -b"
            : "";

    return refuse(start, kind, "%s in %s: %s%s", what, start->engine->directory, strerror(-error),
                  remedy);
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

static int make_directories(const char *path)
{
    char *copy = strdup(path);
    int error = 0;

    for (char *p = copy + 1; error == 0 && *p; p++)
        if (*p == '/') {
            *p = 0;
            if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                error = -errno;
            *p = '/';
        }
    if (error == 0 && mkdir(copy, 0755) < 0 && errno != EEXIST)
        error = -errno;
    free(copy);
    return error;
}

static enum engine_error take_directory(struct start *start)
{
    struct engine *engine = start->engine;
    int error;

    if (!engine->config.has_lock) {
        error = make_directories(engine->directory);
        if (error < 0)
            return refuse_errno(start, "the base directory cannot be made", error);
        engine->lock = lock_take(engine->directory, start->text, start->text_size);
        if (engine->lock < 0)
            return engine->lock == -EWOULDBLOCK ? ENGINE_LOCKED : ENGINE_DIRECTORY;
    }
    error = open_disk(engine, &engine->disk, DISK_DEPTH);
    if (error < 0)
        return refuse(start, ENGINE_URING, "%s", engine->error_text);
    if ((error = open_disk(engine, &start->disk, 1)) < 0 ||
        (error = open_disk(engine, &engine->sync_disk, 1)) < 0 ||
        (error = open_disk(engine, &engine->jobs_disk, 1)) < 0)
        return refuse_errno(start, "no access", error);
    return ENGINE_OK;
}

/* A new file gets the genesis block as its first record; another's file is not touched. */
static enum engine_error open_blocks(struct start *start)
{
    struct engine *engine = start->engine;
    const struct params *params = engine->params;
    unsigned flags = DISK_OPEN_WRITE | DISK_OPEN_CREATE;
    int error = disk_file_open(start->disk, &start->blocks, BLOCKS_NAME, flags);

    if (error == 0)
        error = disk_file_size(start->blocks, &start->blocks_size);
    if (error < 0)
        return refuse_errno(start, "blocks.bin cannot be opened", error);
    if (start->blocks_size <= RECORD_HEADER_SIZE + params->genesis_size) {
        uint8_t record[RECORD_HEADER_SIZE + PARAMS_GENESIS_SIZE_MAX];
        uint8_t old[sizeof record];
        size_t size = RECORD_HEADER_SIZE + params->genesis_size;

        record_header_write(record, engine->magic, params->genesis_size);
        memcpy(record + RECORD_HEADER_SIZE, params->genesis_block, params->genesis_size);
        /* What is left of a first start that was cut off, its size perhaps without its bytes, is
         * completed; anything else is somebody's. */
        error = disk_read_sync(start->disk, start->blocks, old, start->blocks_size, 0);
        if (error == 0 && start->blocks_size == size && memcmp(old, record, size) == 0)
            return ENGINE_OK;
        for (size_t i = 0; error == 0 && i < start->blocks_size; i++)
            if (old[i] != record[i] && old[i] != 0)
                return refuse(start, ENGINE_DIRECTORY,
                              "%s/blocks.bin is not a block file of chain %s", engine->directory,
                              params->name);
        if (error == 0)
            error = disk_write_sync(start->disk, start->blocks, record, size, 0);
        if (error == 0)
            error = disk_sync(start->disk, start->blocks);
        if (error == 0)
            error = disk_sync_dir(start->disk, ".");
        if (error < 0)
            return refuse_errno(start, "blocks.bin cannot be written", error);
        start->blocks_size = size;
    }
    return ENGINE_OK;
}

static enum engine_error check_first_record(struct start *start)
{
    struct engine *engine = start->engine;
    struct scanner scanner;
    struct record record;
    char what[160];

    scanner_init(&scanner, start->disk, start->blocks, engine->magic, 0, start->blocks_size);
    enum scan_result result = scanner_next(&scanner, &record);
    bool is_genesis = result == SCAN_RECORD && record.size == engine->params->genesis_size &&
                      memcmp(record.data.data, engine->params->genesis_block, record.size) == 0;
    scan_describe(what, sizeof what, result, &scanner);
    scanner_clear(&scanner);
    if (is_genesis || start->data.count)
        return ENGINE_OK;
    return refuse(start, ENGINE_DIRECTORY,
                  "%s/blocks.bin does not begin with the genesis block of chain %s%s%s",
                  engine->directory, engine->params->name, result == SCAN_RECORD ? "" : ": ",
                  result == SCAN_RECORD ? "" : what);
}

/* Everything that the bytes alone can say. */
static bool record_is_whole(struct engine *engine, const struct record *record, struct arena *arena,
                            struct metadata_record *out)
{
    struct block block;
    struct block_facts facts;
    uint8_t digest[32];
    bool is_genesis = record->pos <= RECORD_HEADER_SIZE;

    arena_reset(arena, SIZE_MAX);
    if (!block_parse(&block, record->data, arena, true))
        return false;
    if (!is_genesis && block_check(engine->params, &block, arena, &facts) != VALID)
        return false;
    if (!is_genesis && facts.commitment != COMMITMENT_MATCHES && facts.has_witness)
        return false;
    *out = (struct metadata_record){
        .hash = block.hash,
        .header = block.header,
        .pos = record->pos,
        .synced_end = record_end(record->pos,
                                 record->size), /* the file is synced before metadata is written */
        .size = record->size,
        .mark = MARK_NONE};
    sha256d_once(digest, record->data.data, record->data.size);
    memcpy(out->checksum, digest, sizeof out->checksum);
    return true;
}

static void show_scan(struct start *start, uint64_t at)
{
    uint64_t now = clock_monotonic_us();

    if (now - start->progress_us < PROGRESS_S * 1000000)
        return;
    start->progress_us = now;
    engine_log(start->engine, ENGINE_LOG_INFO, "reading blocks.bin: %llu of %llu MB (%llu %%)",
               (unsigned long long)(at / 1000000),
               (unsigned long long)(start->blocks_size / 1000000),
               (unsigned long long)(at * 100 / (start->blocks_size ? start->blocks_size : 1)));
}

/* A block that is damaged behind its header keeps its place in the tree, so that the same bytes can
 * be written there again when it is fetched. Whether the header is real the header rules will say.
 */
static void keep_rotten(struct start *start, const struct record *record)
{
    struct metadata_record item = {.pos = record->pos, .size = record->size};

    if (!header_parse(&item.header, bytes_sub(record->data, 0, HEADER_SIZE)))
        return;
    item.hash = header_hash(&item.header);
    start->rotten = xrealloc(start->rotten, (start->rotten_count + 1) * sizeof *start->rotten);
    start->rotten[start->rotten_count++] = item;
}

/* Scans one part that no metadata covers. *good_end is the end of the last whole record. */
static enum engine_error scan_gap(struct start *start, uint64_t from, uint64_t to,
                                  uint64_t *good_end)
{
    struct engine *engine = start->engine;
    struct scanner scanner;
    struct record record;
    struct metadata_record item;
    struct arena arena;
    enum scan_result result;
    char what[160];

    arena_init(&arena, SIZE_MAX);
    scanner_init(&scanner, start->disk, start->blocks, engine->magic, from, to);
    *good_end = from;
    while ((result = scanner_next(&scanner, &record)) == SCAN_RECORD) {
        if (!record_is_whole(engine, &record, &arena, &item)) {
            engine_log(engine, ENGINE_LOG_WARNING, "blocks.bin: the block at byte %llu is damaged",
                       (unsigned long long)record.pos);
            if (record.pos >= start->data.synced_end && start->has_metadata)
                break;
            keep_rotten(start, &record);
        } else {
            metadata_add(&start->data, &item);
            start->scanned_count++;
            *good_end = record_end(record.pos, record.size);
        }
        show_scan(start, record.pos);
    }
    scan_describe(what, sizeof what, result, &scanner);
    int error = scanner.error;
    scanner_clear(&scanner);
    arena_clear(&arena);
    if (result == SCAN_READ_ERROR)
        return refuse_errno(start, "blocks.bin cannot be read", error < 0 ? error : -error);
    if (result != SCAN_END && result != SCAN_RECORD)
        engine_log(engine, ENGINE_LOG_WARNING, "blocks.bin: %s", what);
    return ENGINE_OK;
}

/* Behind the last synced position the file is cut at the first record that is not whole; before it
 * never. Where there is no metadata at all (lost, or a bootstrap.dat put in place) nothing says
 * what was synced: then only what follows the last whole record goes. */
static enum engine_error cut_blocks(struct start *start, uint64_t end)
{
    if (end >= start->blocks_size || end < start->data.synced_end)
        return ENGINE_OK;
    engine_log(start->engine, ENGINE_LOG_WARNING, "blocks.bin: cut from %llu to %llu bytes",
               (unsigned long long)start->blocks_size, (unsigned long long)end);
    int error = disk_truncate(start->blocks, end);
    if (error == 0)
        error = disk_sync(start->disk, start->blocks);
    if (error < 0)
        return refuse_errno(start, "blocks.bin cannot be cut", error);
    start->blocks_size = end;
    return ENGINE_OK;
}

static enum engine_error load_metadata(struct start *start)
{
    struct engine *engine = start->engine;
    uint64_t gap_start, gap_end, end = start->blocks_size, from = 0;
    int error = metadata_load(&start->data, start->disk, engine->magic, start->blocks_size);

    if (error < 0)
        return refuse_errno(start, "metadata.bin cannot be read", error);
    error = metadata_check(&start->data, start->disk, start->blocks);
    if (error == -ESTALE) {
        engine_log(engine, ENGINE_LOG_WARNING,
                   "metadata.bin is of another blocks.bin: reading that anew");
        metadata_forget(&start->data);
        start->is_other_file = true;
    } else if (error < 0) {
        return refuse_errno(start, "blocks.bin cannot be read", error);
    }
    size_t known_count = start->data.count;
    start->has_metadata = known_count > 0;
    enum engine_error refused = check_first_record(start);
    start->progress_us = clock_monotonic_us();
    while (refused == ENGINE_OK &&
           metadata_next_gap(&start->data, from, start->blocks_size, &gap_start, &gap_end)) {
        uint64_t good_end;

        refused = scan_gap(start, gap_start, gap_end, &good_end);
        if (gap_end >= start->data.synced_end && good_end < gap_end)
            end = good_end > start->data.synced_end ? good_end : start->data.synced_end;
        from = gap_end;
    }
    if (refused == ENGINE_OK)
        refused = cut_blocks(start, end);
    if (refused != ENGINE_OK)
        return refused;
    engine_log(engine, ENGINE_LOG_INFO, "metadata: %zu blocks known, %zu scanned in blocks.bin",
               known_count, start->scanned_count);
    error = disk_sync(start->disk, start->blocks);
    if (error == 0) {
        start->data.synced_end = start->blocks_size;
        error = metadata_open(&start->data, start->disk, engine->magic, &start->metadata,
                              &start->metadata_end);
    }
    if (error < 0)
        return refuse_errno(start, "metadata.bin cannot be written", error);
    return ENGINE_OK;
}

static bool tree_knows(void *context, const struct block_hash *hash)
{
    struct start *start = context;

    return header_tree_find(start->engine->tree, hash) != NULL;
}

static const struct metadata_record *record_at(const struct start *start, size_t index)
{
    return index < start->data.count ? &start->data.records[index]
                                     : &start->rotten[index - start->data.count];
}

static bool insert_item(void *context, size_t index)
{
    struct start *start = context;
    struct engine *engine = start->engine;
    const struct metadata_record *record = record_at(start, index);
    struct header_node *node;
    bool is_new;

    header_accept(engine->tree, engine->params, &record->header, TIME_ANY, &node, &is_new);
    if (!node || node_has(node, HEADER_HAS_BLOCK))
        return node != NULL;
    node->pos = record->pos;
    node->size = record->size;
    if (index >= start->data.count)
        return true;
    memcpy(&node->checksum, record->checksum, sizeof node->checksum);
    node->status |= HEADER_HAS_BLOCK;
    if (record->mark == MARK_VALID && (!node->prev || node_has(node->prev, HEADER_VERIFIED)))
        node->status |= HEADER_VERIFIED;
    return true;
}

/* Marks come after all headers are in: a header after a marked one would be refused. */
static void apply_marks(struct start *start)
{
    for (size_t i = 0; i < start->data.count; i++) {
        const struct metadata_record *record = &start->data.records[i];
        struct header_node *node = header_tree_find(start->engine->tree, &record->hash);

        if (node && node->prev && record->mark == MARK_INVALID && record->reason < VERDICT_COUNT &&
            verdict_marks(record->reason))
            header_tree_mark_invalid(start->engine->tree, node, record->reason);
    }
}

static int read_tip(struct start *start, struct block_hash *hash)
{
    struct disk_file *file;
    int error = disk_file_open(start->disk, &file, TIP_NAME, 0);

    if (error < 0)
        return error;
    error = disk_read_sync(start->disk, file, hash, sizeof *hash, 0);
    disk_file_close(file);
    return error;
}

/* The tip of the last run, which wins ties; lost in a crash, then the order in the file decides. */
static int write_tip(struct engine *engine, struct disk *disk)
{
    struct disk_file *file;
    int error = disk_file_open(disk, &file, TIP_NEW_NAME,
                               DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);

    if (error < 0)
        return error;
    error = disk_write_sync(disk, file, &engine->tip->hash, sizeof engine->tip->hash, 0);
    if (error == 0)
        error = disk_sync(disk, file);
    disk_file_close(file);
    if (error == 0)
        error = disk_rename(disk, TIP_NEW_NAME, TIP_NAME);
    return error ? error : disk_sync_dir(disk, ".");
}

static void link_all(struct start *start)
{
    struct engine *engine = start->engine;
    struct block_hash tip_hash;
    struct header_node *tip =
        read_tip(start, &tip_hash) == 0 ? header_tree_find(engine->tree, &tip_hash) : NULL;

    /* The old tip's chain first, so that it has the lowest numbers. */
    for (int32_t height = 0; tip && height <= tip->height; height++) {
        struct header_node *node = header_ancestor(tip, height);
        if (!node_has(node, HEADER_HAS_BLOCK))
            break;
        node->sequence = ++engine->next_sequence;
    }
    for (size_t i = 0; i < start->data.count; i++) {
        struct header_node *node = header_tree_find(engine->tree, &start->data.records[i].hash);
        if (node && node_has(node, HEADER_HAS_BLOCK))
            link_block(engine, node);
    }
    find_target(engine);
}

static int by_pos(const void *a, const void *b)
{
    const struct block_entry *x = a, *y = b;

    return (x->pos > y->pos) - (x->pos < y->pos);
}

/* A block may stand in the file twice; coins may point to either copy. */
static enum engine_error fill_table(struct start *start)
{
    struct engine *engine = start->engine;
    size_t item_count = start->data.count + start->rotten_count, count = 0;
    struct block_entry *entries = xcalloc(item_count, sizeof *entries);
    bool has_room = true;

    for (size_t i = 0; i < item_count; i++) {
        const struct metadata_record *record = record_at(start, i);
        struct header_node *node = header_tree_find(engine->tree, &record->hash);

        if (node)
            entries[count++] =
                (struct block_entry){.pos = record->pos, .node = node, .size = record->size};
    }
    qsort(entries, count, sizeof *entries, by_pos);
    for (size_t i = 0; i < count && has_room; i++)
        has_room =
            block_table_append(engine->table, entries[i].pos, entries[i].size, entries[i].node);
    free(entries);
    return has_room
               ? ENGINE_OK
               : refuse(start, ENGINE_DIRECTORY, "blocks.bin has more than %u blocks", NODE_MAX);
}

static enum engine_error fill_tree(struct start *start)
{
    struct engine *engine = start->engine;
    size_t item_count = start->data.count + start->rotten_count;
    struct siphash_key key;
    struct ordered_item *items = xcalloc(item_count, sizeof *items);

    random_bytes(&key, sizeof key);
    engine->tree = header_tree_new(engine->params, key);
    engine->table = block_table_new(NODE_MAX);
    header_tree_at(engine->tree, 0)->status |= HEADER_VERIFIED;
    for (size_t i = 0; i < item_count; i++)
        items[i] =
            (struct ordered_item){record_at(start, i)->hash, record_at(start, i)->header.prev_hash};
    size_t count = order_visit(items, item_count, tree_knows, insert_item, start);
    free(items);
    if (count < item_count)
        engine_log(engine, ENGINE_LOG_WARNING, "blocks.bin: %zu blocks have no known parent",
                   item_count - count);
    apply_marks(start);
    enum engine_error error = fill_table(start);
    if (error == ENGINE_OK)
        link_all(start);
    return error;
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

static enum engine_error load_ledger(struct start *start)
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
        return refuse_errno(start, "ledger/key cannot be used", error);
    ledger_key_init(&engine->key, secret, engine->config.tag_bits, SHARD_COUNT);
    error = open_disk(engine, &engine->checkpoint_disk, 1);
    if (error == 0)
        error = checkpointer_start(&engine->saving.checkpointer, engine->checkpoint_disk,
                                   &engine->key, engine->magic, &engine->pipeline.ledger_waiter);
    if (error < 0)
        return refuse_errno(start, "the undo words cannot be read", error);
    error = recover_ledger(engine, replay_goal(engine), NULL);
    if (error < 0)
        return refuse_errno(start, "the checkpoint cannot be read", error);

    struct header_node *root = world_node(ledger_root(engine->ledger));
    for (struct header_node *node = root; node && !node_has(node, HEADER_VERIFIED);
         node = node->prev)
        node->status |= HEADER_VERIFIED;
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
    return error < 0 ? refuse_errno(start, "files cannot be opened", error) : ENGINE_OK;
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
        take_directory, open_blocks,   load_metadata, fill_tree,
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
    pthread_mutex_init(&engine->tree_mutex, NULL);
    pthread_mutex_init(&engine->snapshot_mutex, NULL);
    pthread_mutex_init(&engine->audit_feed.mutex, NULL);
    pthread_cond_init(&engine->audit_feed.changed, NULL);
    mpmc_init(&engine->jobs_ring, COMMAND_MAX);

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
    int error = write_tip(engine, engine->sync_disk);

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
    if (!engine->is_failed)
        save_tip(engine);
    enum engine_error result = engine->error;
    snprintf(text, text_size, "%s", engine->error_text);
    free_engine(engine);
    return result;
}
