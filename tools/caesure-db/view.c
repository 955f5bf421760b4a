#include "caesure-db/view.h"
#include "base/random.h"
#include "chain/header_rules.h"
#include "pipeline/order.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_STEP 10000 /* headers */

__attribute__((format(printf, 2, 3))) static bool fail(char error[VIEW_ERROR_SIZE],
                                                       const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, VIEW_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static bool open_files(struct view *view, char error[VIEW_ERROR_SIZE])
{
    int rc = disk_open_plain(&view->disk, view->directory);

    if (rc < 0)
        return fail(error, "%s: %s; -b names the base directory, --chain the network",
                    view->directory, strerror(-rc));
    rc = disk_file_open(view->disk, &view->blocks, BLOCKS_NAME, 0);
    if (rc == 0)
        rc = disk_file_size(view->blocks, &view->blocks_size); /* before metadata.bin is read */
    if (rc < 0)
        return fail(error, "%s/" BLOCKS_NAME ": %s", view->directory, strerror(-rc));
    return true;
}

static void add_trouble(struct view *view, enum scan_result result, const struct scanner *scanner)
{
    view->troubles = xrealloc(view->troubles, (view->trouble_count + 1) * sizeof *view->troubles);

    struct view_trouble *trouble = &view->troubles[view->trouble_count++];
    *trouble = (struct view_trouble){.at = scanner->at,
                                     .size = scanner->end - scanner->at,
                                     .is_tail = scanner->end == view->blocks_size &&
                                                scanner->at >= view->metadata.synced_end &&
                                                (result == SCAN_TRUNCATED || result == SCAN_ZEROS)};
    scan_describe(trouble->text, sizeof trouble->text, result, scanner);
}

/* The records of a part of blocks.bin that metadata.bin does not cover, by their headers only. */
static void scan_gap(struct view *view, uint64_t from, uint64_t to)
{
    struct scanner scanner;
    struct record record;
    struct metadata_record item = {.mark = MARK_NONE};
    enum scan_result result;
    size_t count = 0;

    scanner_init(&scanner, view->disk, view->blocks, view->magic, from, to);
    while ((result = scanner_next_header(&scanner, &record)) == SCAN_RECORD) {
        if (!header_parse(&item.header, record.data))
            break;
        item.hash = header_hash(&item.header);
        item.pos = record.pos;
        item.size = record.size;
        metadata_add(&view->metadata, &item);
        if (++count % PROGRESS_STEP == 0 && isatty(STDERR_FILENO))
            fprintf(stderr, "\rreading headers: %zu", count);
    }
    if (count >= PROGRESS_STEP && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%40s\r", "");
    if (result != SCAN_END)
        add_trouble(view, result, &scanner);
    scanner_clear(&scanner);
}

static bool load_records(struct view *view, char error[VIEW_ERROR_SIZE])
{
    int rc = metadata_load(&view->metadata, view->disk, view->magic, view->blocks_size);

    if (rc == 0 && (rc = metadata_check(&view->metadata, view->disk, view->blocks)) == -ESTALE) {
        metadata_forget(&view->metadata);
        rc = 0;
    }
    if (rc < 0)
        return fail(error, "%s/" METADATA_NAME ": %s", view->directory, strerror(-rc));

    uint64_t start, end, from = 0;
    while (metadata_next_gap(&view->metadata, from, view->blocks_size, &start, &end)) {
        scan_gap(view, start, end);
        from = end;
    }
    metadata_settle(&view->metadata);
    return true;
}

static bool is_known(void *context, const struct block_hash *hash)
{
    const struct view *view = context;

    return header_tree_find(view->tree, hash) != NULL;
}

/* The rules of the chain were the node's business: a parent and work are enough here. */
static bool insert(void *context, size_t index)
{
    struct view *view = context;
    const struct metadata_record *record = &view->metadata.records[index];
    struct header_node *node = header_tree_find(view->tree, &record->hash);
    struct header_node *prev = header_tree_find(view->tree, &record->header.prev_hash);

    if (!node && prev && header_check_pow(view->params, &record->hash, record->header.bits))
        node = header_tree_insert(view->tree, view->params, prev, &record->header, &record->hash);
    if (!node || node->status & HEADER_HAS_BLOCK)
        return false;
    node->pos = record->pos;
    node->size = record->size;
    node->status |= HEADER_HAS_BLOCK;
    if (record->mark == MARK_VALID || record->mark == MARK_ASSUMED)
        node->status |= HEADER_VERIFIED;
    view->orphan_count--;
    return true;
}

static void apply_marks(struct view *view)
{
    for (size_t i = 0; i < view->metadata.count; i++) {
        const struct metadata_record *record = &view->metadata.records[i];
        struct header_node *node = header_tree_find(view->tree, &record->hash);

        if (node && node->prev && record->mark == MARK_INVALID && record->reason < VERDICT_COUNT &&
            verdict_marks(record->reason))
            header_tree_mark_invalid(view->tree, node, record->reason);
    }
    /* Verified means all before it, too, even if their own marks are lost. */
    for (uint32_t i = header_tree_count(view->tree); i-- > 1;) {
        const struct header_node *node = header_tree_at(view->tree, i);

        if (node->status & HEADER_VERIFIED)
            node->prev->status |= HEADER_VERIFIED;
    }
}

/* The tip of the last run wins ties; else the chain that was whole first. */
static void find_last(struct view *view)
{
    struct block_hash tip = {{0}};
    struct disk_file *file;

    if (disk_file_open(view->disk, &file, "tip", 0) == 0) {
        if (disk_read_sync(view->disk, file, &tip, sizeof tip, 0) < 0)
            memset(&tip, 0, sizeof tip);
        disk_file_close(file);
    }
    const struct header_node *old = header_tree_find(view->tree, &tip);
    for (uint32_t i = 0; i < header_tree_count(view->tree); i++) {
        struct header_node *node = header_tree_at(view->tree, i);

        if (!(node->status & HEADER_HAS_BLOCK) || header_is_invalid(node))
            continue;
        node->sequence =
            node->prev && node->prev->sequence > node->pos ? node->prev->sequence : node->pos;
        int order = view->last ? u256_compare(&node->chainwork, &view->last->chainwork) : 1;
        if (order == 0 && view->last != old)
            order = node == old || node->sequence < view->last->sequence ? 1 : -1;
        if (order > 0)
            view->last = node;
    }
}

static bool fill_tree(struct view *view, char error[VIEW_ERROR_SIZE])
{
    struct ordered_item *items = xcalloc(view->metadata.count + 1, sizeof *items);
    struct siphash_key key;

    random_bytes(&key, sizeof key);
    view->tree = header_tree_new(view->params, key);
    view->orphan_count = view->metadata.count;
    for (size_t i = 0; i < view->metadata.count; i++)
        items[i] = (struct ordered_item){view->metadata.records[i].hash,
                                         view->metadata.records[i].header.prev_hash};
    order_visit(items, view->metadata.count, is_known, insert, view);
    free(items);
    apply_marks(view);
    find_last(view);
    if (view->last)
        return true;
    return fail(error, "%s/" BLOCKS_NAME " has no block of chain %s%s%s", view->directory,
                view->params->name, view->trouble_count ? ": " : "",
                view->trouble_count ? view->troubles[0].text : "");
}

bool view_open(struct view *view, const char *directory, const struct params *params,
               char error[VIEW_ERROR_SIZE])
{
    *view =
        (struct view){.directory = directory, .params = params, .magic = le32_read(params->magic)};
    if (open_files(view, error) && load_records(view, error) && fill_tree(view, error))
        return true;
    view_close(view);
    return false;
}

void view_close(struct view *view)
{
    if (view->tree)
        header_tree_free(view->tree);
    if (view->disk)
        disk_close(view->disk);
    metadata_clear(&view->metadata);
    free(view->troubles);
    *view = (struct view){.directory = NULL};
}

const struct metadata_record *view_record_at(const struct view *view, uint64_t pos)
{
    const struct metadata_record *records = view->metadata.records;
    size_t low = 0, high = view->metadata.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (records[middle].pos <= pos)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && pos - records[low - 1].pos < records[low - 1].size ? &records[low - 1] : NULL;
}

bool view_is_whole(const struct block *block, struct arena *arena)
{
    uint8_t *scratch = arena_array(arena, (size_t)block->tx_count + 1, 32);
    uint8_t root[32];
    bool is_mutated;

    if (!scratch || block->tx_count == 0)
        return false;
    block_merkle_root(root, &is_mutated, block, scratch);
    return memcmp(root, block->header.merkle_root, sizeof root) == 0;
}

uint8_t *view_read(const struct view *view, const struct header_node *node, struct block *block,
                   struct arena *arena, char error[VIEW_ERROR_SIZE])
{
    uint8_t *raw = xmalloc(node->size);
    int rc = disk_read_sync(view->disk, view->blocks, raw, node->size, node->pos);

    if (rc < 0)
        fail(error, "the block at byte %llu cannot be read: %s", (unsigned long long)node->pos,
             strerror(-rc));
    else if (!block_parse(block, (struct bytes){raw, node->size}, arena, true) ||
             !block_hash_equal(&block->hash, &node->hash) || !view_is_whole(block, arena))
        fail(error, "the block at byte %llu of " BLOCKS_NAME " is damaged",
             (unsigned long long)node->pos);
    else
        return raw;
    free(raw);
    return NULL;
}

void view_status(char *text, size_t text_size, const struct header_node *node)
{
    if (node->status & HEADER_INVALID)
        snprintf(text, text_size, "invalid %s", verdict_text(node->failure));
    else if (node->status & HEADER_INVALID_ANCESTOR)
        snprintf(text, text_size, "invalid %s", verdict_text(BAD_PREVBLK));
    else
        snprintf(text, text_size, "%s", node->status & HEADER_VERIFIED ? "valid" : "unverified");
}
