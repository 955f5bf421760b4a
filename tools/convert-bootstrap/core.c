#include "convert-bootstrap/core.h"
#include "base/arena.h"
#include "pipeline/order.h"
#include "store/blocks.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_NAME    "xor.dat"
#define KEY_SIZE    8
#define WINDOW_SIZE (1 << 20)
#define WINDOW_MIN  4096 /* where blocks are skipped */

struct item {
    struct block_hash hash, prev_hash;
    uint32_t file, size; /* index into files; bytes of the block */
    uint64_t pos;
};

struct source_file {
    char name[24];
    uint64_t size;
};

struct run {
    struct core_copy *c;
    char *text;
    uint8_t key[KEY_SIZE];
    struct source_file *files;
    size_t file_count;
    struct disk_file *open; /* one at a time: there may be thousands */
    size_t open_file;       /* which, if open */
    uint64_t all_size, done_size;
    struct item *items;
    size_t item_count, item_capacity;
    uint32_t *order; /* indexes of items */
    size_t order_count;
    struct block_hash *known; /* in NAME.part already, sorted */
    size_t known_count;
    uint8_t window[WINDOW_SIZE];
    uint64_t window_pos;
    size_t window_size;
    size_t window_file;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct run *run, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(run->text, CORE_TEXT_SIZE, format, arguments);
    va_end(arguments);
    return error;
}

static int refuse_errno(struct run *run, const char *name, int error)
{
    return refuse(run, error, "%s: %s", name, strerror(-error));
}

static void show(const struct run *run, bool is_index, uint64_t done)
{
    if (run->c->progress)
        run->c->progress(run->c->context, is_index, done, run->all_size);
}

/* ---- the directory ---- */

static void note_file(void *context, const char *name)
{
    struct run *run = context;
    size_t size = strlen(name);

    if (size < 8 || size >= sizeof run->files->name || strncmp(name, "blk", 3) != 0 ||
        strcmp(name + size - 4, ".dat") != 0 || strspn(name + 3, "0123456789") != size - 7)
        return;
    run->files = xrealloc(run->files, (run->file_count + 1) * sizeof *run->files);
    run->files[run->file_count] = (struct source_file){.size = 0};
    memcpy(run->files[run->file_count++].name, name, size + 1);
}

static int by_number(const void *a, const void *b)
{
    unsigned long x = strtoul(((const struct source_file *)a)->name + 3, NULL, 10);
    unsigned long y = strtoul(((const struct source_file *)b)->name + 3, NULL, 10);

    return (x > y) - (x < y);
}

static int read_key(struct run *run)
{
    struct disk_file *file;
    uint64_t size;
    int error = disk_file_open(run->c->source, &file, KEY_NAME, 0);

    if (error == -ENOENT) /* a directory of an older version: nothing is hidden */
        return 0;
    if (error == 0) {
        error = disk_file_size(file, &size);
        if (error == 0)
            error = size == KEY_SIZE ? disk_read_sync(run->c->source, file, run->key, KEY_SIZE, 0)
                                     : -EILSEQ;
        disk_file_close(file);
    }
    if (error == -EILSEQ)
        return refuse(run, error, KEY_NAME " does not have %d bytes", KEY_SIZE);
    return error < 0 ? refuse_errno(run, KEY_NAME, error) : 0;
}

static int open_file(struct run *run, size_t file)
{
    if (run->open && run->open_file == file)
        return 0;
    if (run->open)
        disk_file_close(run->open);
    run->open = NULL;
    run->open_file = file;
    return disk_file_open(run->c->source, &run->open, run->files[file].name, 0);
}

static int list_files(struct run *run)
{
    int error = disk_list(run->c->source, ".", note_file, run);

    if (error < 0)
        return refuse_errno(run, "the directory", error);
    if (run->file_count == 0)
        return refuse(run, -ENOENT, "there is no blk*.dat in the directory");
    qsort(run->files, run->file_count, sizeof *run->files, by_number);
    for (size_t i = 0; i < run->file_count; i++) {
        struct source_file *file = &run->files[i];

        error = open_file(run, i);
        if (error == 0)
            error = disk_file_size(run->open, &file->size);
        if (error < 0)
            return refuse_errno(run, file->name, error);
        run->all_size += file->size;
    }
    run->c->file_count = run->file_count;
    return read_key(run);
}

/* ---- reading without the key ---- */

static void unhide(const struct run *run, uint8_t *data, size_t size, uint64_t pos)
{
    for (size_t i = 0; i < size; i++)
        data[i] ^= run->key[(pos + i) % KEY_SIZE];
}

static int read_plain(struct run *run, size_t file, uint8_t *out, size_t size, uint64_t pos)
{
    int error = open_file(run, file);

    if (error == 0)
        error = disk_read_sync(run->c->source, run->open, out, size, pos);
    if (error == 0)
        unhide(run, out, size, pos);
    return error;
}

/* size bytes at pos of the file, which has them; want: how many to read if they are not there. */
static const uint8_t *look(struct run *run, size_t file, uint64_t pos, size_t size, size_t want,
                           int *error)
{
    uint64_t left = run->files[file].size - pos;

    if (run->window_file == file && pos >= run->window_pos &&
        pos + size <= run->window_pos + run->window_size)
        return run->window + (pos - run->window_pos);
    want = want < size ? size : want;
    want = want > left ? (size_t)left : want;
    run->window_size = 0;
    *error = read_plain(run, file, run->window, want, pos);
    if (*error < 0)
        return NULL;
    run->window_file = file;
    run->window_pos = pos;
    run->window_size = want;
    return run->window;
}

/* ---- the index ---- */

static void add_item(struct run *run, size_t file, uint64_t pos, uint32_t size,
                     const uint8_t *header_bytes)
{
    struct header header;

    if (run->item_count == run->item_capacity) {
        run->item_capacity = run->item_capacity ? run->item_capacity * 2 : 1024;
        run->items = xrealloc(run->items, run->item_capacity * sizeof *run->items);
    }
    if (header_parse(&header, (struct bytes){header_bytes, HEADER_SIZE}))
        run->items[run->item_count++] =
            (struct item){header_hash(&header), header.prev_hash, (uint32_t)file, size, pos};
}

/* Whether the byte is padding: zeros are written as they are, without the key. */
static bool is_padding(const struct run *run, uint8_t byte, uint64_t pos)
{
    return byte == run->key[pos % KEY_SIZE];
}

/* The next place at or behind pos where a magic or the end is; counts what is no padding. */
static int find_record(struct run *run, size_t file, uint64_t *pos)
{
    int error = 0;

    for (; *pos + 4 <= run->files[file].size; ++*pos) {
        const uint8_t *data = look(run, file, *pos, 4, WINDOW_SIZE, &error);

        if (!data)
            return error;
        if (memcmp(data, run->c->params->magic, 4) == 0)
            return 0;
        if (!is_padding(run, data[0], *pos) && data[0] != 0)
            run->c->skipped_size++;
    }
    *pos = run->files[file].size;
    return 0;
}

static int index_file(struct run *run, size_t file)
{
    const size_t head = RECORD_HEADER_SIZE + HEADER_SIZE;
    uint64_t size = run->files[file].size, pos = 0;
    int error = find_record(run, file, &pos);

    while (error == 0 && pos + head <= size) {
        const uint8_t *data = look(run, file, pos, head, WINDOW_MIN, &error);

        if (!data)
            break;
        uint32_t block_size = le32_read(data + 4);
        bool is_record = memcmp(data, run->c->params->magic, 4) == 0 &&
                         block_size >= BLOCK_SIZE_MIN && block_size <= BLOCK_SIZE_MAX &&
                         block_size <= size - pos - RECORD_HEADER_SIZE;

        if (is_record) {
            add_item(run, file, pos + RECORD_HEADER_SIZE, block_size, data + RECORD_HEADER_SIZE);
            pos += RECORD_HEADER_SIZE + block_size;
        } else {
            bool is_magic = memcmp(data, run->c->params->magic, 4) == 0;

            run->c->skipped_size += is_magic;
            pos += is_magic;
            error = find_record(run, file, &pos);
        }
        show(run, true, run->done_size + pos);
    }
    run->done_size += size;
    return error < 0 ? refuse_errno(run, run->files[file].name, error) : 0;
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct block_hash));
}

struct sorted {
    struct block_hash hash;
    uint32_t index;
};

static int by_hash_and_index(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int order = by_hash(&x->hash, &y->hash);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Keeps the first of equal blocks; the genesis block is written by itself. */
static void drop_doubles(struct run *run)
{
    struct sorted *sorted = xcalloc(run->item_count + 1, sizeof *sorted);
    size_t kept = 0;

    for (size_t i = 0; i < run->item_count; i++)
        sorted[i] = (struct sorted){run->items[i].hash, (uint32_t)i};
    qsort(sorted, run->item_count, sizeof *sorted, by_hash_and_index);
    for (size_t i = 0; i < run->item_count; i++)
        if (i > 0 && block_hash_equal(&sorted[i].hash, &sorted[i - 1].hash)) {
            run->items[sorted[i].index].size = 0;
            run->c->double_count++;
        }
    free(sorted);
    for (size_t i = 0; i < run->item_count; i++)
        if (run->items[i].size > 0 &&
            !block_hash_equal(&run->items[i].hash, &run->c->params->genesis_hash))
            run->items[kept++] = run->items[i];
    run->item_count = kept;
}

static bool is_genesis(void *context, const struct block_hash *hash)
{
    const struct run *run = context;

    return block_hash_equal(hash, &run->c->params->genesis_hash);
}

static bool take(void *context, size_t index)
{
    struct run *run = context;

    run->order[run->order_count++] = (uint32_t)index;
    return true;
}

static void put_in_order(struct run *run)
{
    struct ordered_item *items = xcalloc(run->item_count + 1, sizeof *items);

    run->order = xcalloc(run->item_count + 1, sizeof *run->order);
    for (size_t i = 0; i < run->item_count; i++)
        items[i] = (struct ordered_item){run->items[i].hash, run->items[i].prev_hash};
    if (run->c->is_file_order)
        for (size_t i = 0; i < run->item_count; i++)
            take(run, i);
    else
        order_visit(items, run->item_count, is_genesis, take, run);
    run->c->orphan_count = run->item_count - run->order_count;
    free(items);
}

/* ---- the copy ---- */

struct copy {
    struct disk_file *file;
    uint64_t end, synced;
};

/* Rule 4: what may stay of an earlier run's file, and whose blocks those are. */
static int keep_part(struct run *run, struct copy *out)
{
    struct scanner scanner;
    struct record record;
    struct header header;
    uint64_t size, keep;
    size_t capacity = 0;
    int error = disk_file_size(out->file, &size);

    if (error < 0)
        return error;
    keep = size > run->c->sync_size ? size - run->c->sync_size : 0;
    scanner_init(&scanner, run->c->target, out->file, le32_read(run->c->params->magic), 0, size);
    while (scanner_next_header(&scanner, &record) == SCAN_RECORD && scanner.at <= keep &&
           record.is_native == run->c->is_native && header_parse(&header, record.data)) {
        if (run->known_count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            run->known = xrealloc(run->known, capacity * sizeof *run->known);
        }
        run->known[run->known_count++] = header_hash(&header);
        out->end = scanner.at;
    }
    scanner_clear(&scanner);
    run->c->kept_count = run->known_count;
    if (run->known_count > 0)
        qsort(run->known, run->known_count, sizeof *run->known, by_hash);
    out->synced = out->end;
    return disk_truncate(out->file, out->end);
}

static int put(struct run *run, struct copy *out, uint8_t *record, uint32_t size)
{
    if (run->c->is_native)
        le64_write(record, size);
    else
        record_header_write(record, le32_read(run->c->params->magic), size);

    int error =
        disk_write_sync(run->c->target, out->file, record, RECORD_HEADER_SIZE + size, out->end);
    out->end += RECORD_HEADER_SIZE + size;
    run->c->block_count++;
    if (error == 0 && out->end - out->synced >= run->c->sync_size) {
        error = disk_sync(run->c->target, out->file);
        out->synced = out->end;
    }
    return error;
}

static bool is_known(const struct run *run, const struct block_hash *hash)
{
    return run->known_count > 0 &&
           bsearch(hash, run->known, run->known_count, sizeof *hash, by_hash);
}

static int copy_blocks(struct run *run, struct copy *out)
{
    uint8_t *record = xmalloc(RECORD_HEADER_SIZE + BLOCK_SIZE_MAX);
    const struct params *params = run->c->params;
    int error = 0;

    if (!is_known(run, &params->genesis_hash)) {
        memcpy(record + RECORD_HEADER_SIZE, params->genesis_block, params->genesis_size);
        error = put(run, out, record, params->genesis_size);
    }
    run->done_size = 0;
    for (size_t i = 0; i < run->order_count && error == 0; i++) {
        const struct item *item = &run->items[run->order[i]];

        run->done_size += item->size;
        if (is_known(run, &item->hash))
            continue;
        error = read_plain(run, item->file, record + RECORD_HEADER_SIZE, item->size, item->pos);
        if (error < 0) {
            refuse_errno(run, run->files[item->file].name, error);
            break;
        }
        error = put(run, out, record, item->size);
        if (error < 0)
            refuse_errno(run, run->c->name, error);
        show(run, false, run->done_size);
    }
    free(record);
    return error;
}

static int write_file(struct run *run)
{
    char part[NAME_MAX + 1];
    struct copy out = {.file = NULL};
    struct disk_file *old;

    snprintf(part, sizeof part, "%s.part", run->c->name);
    if (disk_file_open(run->c->target, &old, run->c->name, 0) == 0) {
        disk_file_close(old);
        return refuse(run, -EEXIST, "%s is there already", run->c->name);
    }
    int error = disk_file_open(run->c->target, &out.file, part, DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    if (error < 0)
        return refuse_errno(run, part, error);
    error = keep_part(run, &out);
    if (error < 0)
        refuse_errno(run, part, error);
    else
        error = copy_blocks(run, &out);
    if (error == 0 && (error = disk_sync(run->c->target, out.file)) < 0)
        refuse_errno(run, part, error);
    disk_file_close(out.file);
    if (error < 0)
        return error;
    error = disk_rename(run->c->target, part, run->c->name);
    if (error == 0)
        error = disk_sync_dir(run->c->target, ".");
    return error < 0 ? refuse_errno(run, run->c->name, error) : 0;
}

int core_copy(struct core_copy *copy, char text[CORE_TEXT_SIZE])
{
    struct run *run = xcalloc(1, sizeof *run);

    run->c = copy;
    run->text = text;
    run->window_file = SIZE_MAX;
    copy->file_count = copy->block_count = copy->kept_count = copy->double_count = 0;
    copy->orphan_count = copy->skipped_size = 0;

    int error = list_files(run);
    for (size_t i = 0; i < run->file_count && error == 0; i++)
        error = index_file(run, i);
    if (error == 0) {
        drop_doubles(run);
        put_in_order(run);
        error = write_file(run);
    }
    if (run->open)
        disk_file_close(run->open);
    free(run->files);
    free(run->items);
    free(run->order);
    free(run->known);
    free(run);
    return error;
}
