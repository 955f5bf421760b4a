/* start_tree.c - the header tree and the block table at start, from what metadata and scan say; and
 * the tip of the last run. */
#include "pipeline/start.h"

#include "pipeline/order.h"
#include <stdlib.h>

#define TIME_ANY     ((int64_t)UINT32_MAX) /* judged before: the clock has no say */
#define TIP_NAME     "tip"
#define TIP_NEW_NAME "tip.new"

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
    if ((record->mark == MARK_VALID || record->mark == MARK_ASSUMED) &&
        (!node->prev || node_has(node->prev, HEADER_VERIFIED)))
        node->status |=
            record->mark == MARK_VALID ? HEADER_VERIFIED : HEADER_VERIFIED | HEADER_ASSUMED;
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
int start_write_tip(struct engine *engine, struct disk *disk)
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
    link_block(engine, header_tree_at(engine->tree, 0), 0);
    for (size_t i = 0; i < start->data.count; i++) {
        struct header_node *node = header_tree_find(engine->tree, &start->data.records[i].hash);
        if (node && node_has(node, HEADER_HAS_BLOCK))
            link_block(engine, node, node->pos);
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
    return has_room ? ENGINE_OK
                    : start_refuse(start, ENGINE_DIRECTORY, "blocks.bin has more than %u blocks",
                                   NODE_MAX);
}

/* That it is there is taken from nobody: all else hangs on it. */
static void take_genesis(struct engine *engine)
{
    struct header_node *node = header_tree_at(engine->tree, 0);

    node->pos = record_pos(0);
    node->size = engine->params->genesis_size;
    node->status |= HEADER_HAS_BLOCK | HEADER_VERIFIED;
}

enum engine_error start_tree(struct start *start)
{
    struct engine *engine = start->engine;
    size_t item_count = start->data.count + start->rotten_count;
    struct siphash_key key;
    struct ordered_item *items = xcalloc(item_count, sizeof *items);

    random_bytes(&key, sizeof key);
    engine->tree = header_tree_new(engine->params, key);
    engine->table = block_table_new(NODE_MAX);
    take_genesis(engine);
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
