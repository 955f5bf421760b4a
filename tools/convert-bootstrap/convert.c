#include "convert-bootstrap/convert.h"
#include "base/arena.h"
#include "base/crc32c.h"
#include "store/blocks.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_MAX    16384
#define MAGIC        "CAECONV1"
#define JOURNAL_HEAD (8 + 4 + 4 + 8 + 4) /* magic, network, direction, start, count */

struct run {
    struct conversion *c;
    struct disk_file *file;
    uint64_t size;
    char journal[NAME_MAX + 1], journal_new[NAME_MAX + 1];
    /* the batch */
    uint64_t start;
    uint32_t *sizes;
    size_t count, batch_max;
    char *text;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct run *run, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(run->text, CONVERT_TEXT_SIZE, format, arguments);
    va_end(arguments);
    return error;
}

static int refuse_errno(struct run *run, const char *name, int error)
{
    return refuse(run, error, "%s: %s", name, strerror(-error));
}

static void frame(uint8_t out[RECORD_HEADER_SIZE], bool is_native, uint32_t magic, uint32_t size)
{
    if (is_native)
        le64_write(out, size);
    else
        record_header_write(out, magic, size);
}

static void show(const struct run *run, bool is_check, uint64_t at)
{
    if (run->c->progress)
        run->c->progress(run->c->context, is_check, at, run->size);
}

/* Rule 4: each byte is of one form or the other. */
static bool is_ours(const struct run *run, const uint8_t *framing, uint32_t size)
{
    uint8_t a[RECORD_HEADER_SIZE], b[RECORD_HEADER_SIZE];

    frame(a, true, run->c->magic, size);
    frame(b, false, run->c->magic, size);
    for (size_t i = 0; i < RECORD_HEADER_SIZE; i++)
        if (framing[i] != a[i] && framing[i] != b[i])
            return false;
    return true;
}

/* Writes the batch's framing where it is not there yet, and syncs. */
static int write_batch(struct run *run)
{
    uint64_t at = run->start;
    int error = 0;

    for (size_t i = 0; i < run->count && error == 0; i++) {
        uint8_t old[RECORD_HEADER_SIZE], new[RECORD_HEADER_SIZE];

        frame(new, run->c->to_native, run->c->magic, run->sizes[i]);
        error = disk_read_sync(run->c->disk, run->file, old, sizeof old, at);
        if (error == 0 && memcmp(old, new, sizeof old) != 0) {
            error = disk_write_sync(run->c->disk, run->file, new, sizeof new, at);
            run->c->changed_count++;
        }
        at += RECORD_HEADER_SIZE + run->sizes[i];
        show(run, false, at);
    }
    if (error == 0)
        error = disk_sync(run->c->disk, run->file);
    run->c->record_count += run->count;
    run->start = at;
    run->count = 0;
    return error < 0 ? refuse_errno(run, run->c->name, error) : 0;
}

static int save_journal(struct run *run)
{
    size_t size = JOURNAL_HEAD + run->count * 4 + 4;
    uint8_t *data = xmalloc(size);
    struct disk_file *file;
    int error = disk_file_open(run->c->disk, &file, run->journal_new,
                               DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);

    memcpy(data, MAGIC, 8);
    le32_write(data + 8, run->c->magic);
    le32_write(data + 12, run->c->to_native);
    le64_write(data + 16, run->start);
    le32_write(data + 24, (uint32_t)run->count);
    for (size_t i = 0; i < run->count; i++)
        le32_write(data + JOURNAL_HEAD + i * 4, run->sizes[i]);
    le32_write(data + size - 4, crc32c(0, data, size - 4));
    if (error == 0) {
        error = disk_write_sync(run->c->disk, file, data, size, 0);
        if (error == 0)
            error = disk_sync(run->c->disk, file);
        disk_file_close(file);
    }
    free(data);
    if (error == 0)
        error = disk_rename(run->c->disk, run->journal_new, run->journal);
    if (error == 0)
        error = disk_sync_dir(run->c->disk, ".");
    return error < 0 ? refuse_errno(run, run->journal, error) : 0;
}

static bool parse_journal(struct run *run, const uint8_t *data, size_t size)
{
    if (size < JOURNAL_HEAD + 4 || memcmp(data, MAGIC, 8) != 0 ||
        crc32c(0, data, size - 4) != le32_read(data + size - 4) ||
        le32_read(data + 8) != run->c->magic ||
        size != JOURNAL_HEAD + 4 + (size_t)le32_read(data + 24) * 4)
        return false;
    run->start = le64_read(data + 16);
    run->count = le32_read(data + 24);
    run->sizes = xrealloc(run->sizes, (run->count + 1) * sizeof *run->sizes);
    for (size_t i = 0; i < run->count; i++)
        run->sizes[i] = le32_read(data + JOURNAL_HEAD + i * 4);
    return true;
}

/* 0 if the batch is one of this file. */
static int check_batch(struct run *run)
{
    uint64_t at = run->start;

    for (size_t i = 0; i < run->count; i++) {
        uint8_t framing[RECORD_HEADER_SIZE];

        if (at > run->size || run->size - at < RECORD_HEADER_SIZE + (uint64_t)run->sizes[i])
            return -EILSEQ;
        int error = disk_read_sync(run->c->disk, run->file, framing, sizeof framing, at);
        if (error < 0)
            return error;
        if (!is_ours(run, framing, run->sizes[i]))
            return -EILSEQ;
        at += RECORD_HEADER_SIZE + run->sizes[i];
    }
    return 0;
}

/* Ends what an earlier run began with its last batch. -ENOENT: there was none. */
static int resume(struct run *run)
{
    struct disk_file *file;
    uint64_t size;
    int error = disk_file_open(run->c->disk, &file, run->journal, 0);

    if (error < 0)
        return error;
    error = disk_file_size(file, &size);
    if (error == 0 && size > JOURNAL_HEAD + 4 + (uint64_t)1024 * BATCH_MAX)
        error = -EILSEQ;
    if (error == 0) {
        uint8_t *data = xmalloc(size + 1);

        error = disk_read_sync(run->c->disk, file, data, size, 0);
        if (error == 0 && !parse_journal(run, data, size))
            error = -EILSEQ;
        else if (error == 0 && le32_read(data + 12) != run->c->to_native)
            error = -EALREADY;
        free(data);
    }
    disk_file_close(file);
    if (error == 0)
        error = check_batch(run);
    if (error == -EALREADY)
        return refuse(run, error, "%s was being converted to %s: do that to its end first",
                      run->c->name, run->c->to_native ? "bootstrap" : "native");
    if (error == -EILSEQ)
        return refuse(run, error, "%s is damaged, or of another file than %s: nothing was changed",
                      run->journal, run->c->name);
    if (error < 0)
        return refuse_errno(run, run->journal, error);
    run->c->is_resumed = true;
    return write_batch(run);
}

/* Rule 2. *end is behind the last record. */
static int check_rest(struct run *run, uint64_t *end)
{
    struct scanner scanner;
    struct record record;
    enum scan_result result;
    char what[160];

    scanner_init(&scanner, run->c->disk, run->file, run->c->magic, run->start, run->size);
    while ((result = scanner_next_header(&scanner, &record)) == SCAN_RECORD)
        show(run, true, scanner.at);
    *end = scanner.at;
    scan_describe(what, sizeof what, result, &scanner);
    int error = scanner.error;
    scanner_clear(&scanner);
    if (result == SCAN_END || result == SCAN_ZEROS)
        return 0;
    if (result == SCAN_READ_ERROR)
        return refuse_errno(run, run->c->name, error);
    return refuse(run, -EILSEQ, "%s %s: %s", run->c->name, what,
                  run->c->is_resumed ? "what comes before is converted" : "nothing was changed");
}

/* Takes the records up to end, of which those that have the wanted form already cost nothing. */
static int convert_rest(struct run *run, uint64_t end)
{
    struct scanner scanner;
    struct record record;
    enum scan_result result = SCAN_RECORD;
    bool is_needed = false;
    int error = 0;

    scanner_init(&scanner, run->c->disk, run->file, run->c->magic, run->start, end);
    while (error == 0 && result == SCAN_RECORD) {
        result = scanner_next_header(&scanner, &record);
        if (result == SCAN_RECORD) {
            run->sizes[run->count++] = record.size;
            is_needed = is_needed || record.is_native != run->c->to_native;
        }
        if (result == SCAN_RECORD && run->count < run->batch_max)
            continue;
        if (is_needed)
            error = save_journal(run);
        if (error == 0)
            error = write_batch(run);
        is_needed = false;
    }
    if (error == 0 && result != SCAN_END) /* it was whole a moment ago */
        error = refuse(run, -EILSEQ, "%s changes while it is converted", run->c->name);
    scanner_clear(&scanner);
    return error;
}

static int remove_journal(struct run *run)
{
    int error = disk_unlink(run->c->disk, run->journal);

    if (error == -ENOENT)
        return 0;
    if (error == 0)
        error = disk_sync_dir(run->c->disk, ".");
    return error < 0 ? refuse_errno(run, run->journal, error) : 0;
}

int convert(struct conversion *conversion, char text[CONVERT_TEXT_SIZE])
{
    struct run run = {.c = conversion, .text = text};
    uint64_t end;

    conversion->record_count = conversion->changed_count = 0;
    conversion->is_resumed = false;
    run.batch_max = conversion->batch_max ? conversion->batch_max : BATCH_MAX;
    snprintf(run.journal, sizeof run.journal, "%s" JOURNAL_SUFFIX, conversion->name);
    snprintf(run.journal_new, sizeof run.journal_new, "%s" JOURNAL_SUFFIX ".new", conversion->name);

    int error = disk_file_open(conversion->disk, &run.file, conversion->name, DISK_OPEN_WRITE);
    if (error == 0 && (error = disk_file_size(run.file, &run.size)) < 0)
        disk_file_close(run.file);
    if (error < 0)
        return refuse_errno(&run, conversion->name, error);

    error = resume(&run);
    if (error == -ENOENT)
        error = 0;
    run.sizes = xrealloc(run.sizes, run.batch_max * sizeof *run.sizes);
    if (error == 0)
        error = check_rest(&run, &end);
    if (error == 0)
        error = convert_rest(&run, end);
    if (error == 0)
        error = remove_journal(&run);
    free(run.sizes);
    disk_file_close(run.file);
    return error;
}
