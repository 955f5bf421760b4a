#include "store/blocks.h"
#include "base/arena.h"
#include "chain/params.h"
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_SIZE   (BLOCK_SIZE_MAX + 1024 * 1024)
#define READ_SIZE_MIN 4096 /* where most of the file is skipped */
#define READ_SIZE_MAX (1024 * 1024)

void record_header_write(uint8_t out[RECORD_HEADER_SIZE], uint32_t magic, uint32_t size)
{
    le32_write(out, magic);
    le32_write(out + 4, size);
}

void scanner_init(struct scanner *scanner, struct disk *disk, struct disk_file *file,
                  uint32_t magic, uint64_t start, uint64_t end)
{
    *scanner = (struct scanner){.at = start,
                                .end = end,
                                .disk = disk,
                                .file = file,
                                .magic = magic,
                                .buffer = xmalloc(BUFFER_SIZE),
                                .read_size = READ_SIZE_MAX};
}

void scanner_clear(struct scanner *scanner)
{
    free(scanner->buffer);
    scanner->buffer = NULL;
}

/* The size bytes at pos, which end before scanner->end; NULL if they cannot be read. Reads on from
 * what the buffer has, or anew at pos when that is elsewhere. */
static const uint8_t *bytes_at(struct scanner *scanner, uint64_t pos, size_t size)
{
    uint64_t have_end = scanner->buffer_pos + scanner->buffer_size;

    if (pos >= scanner->buffer_pos && pos + size <= have_end)
        return scanner->buffer + (pos - scanner->buffer_pos);

    bool is_next = pos >= scanner->buffer_pos && pos <= have_end;
    size_t kept = is_next ? (size_t)(have_end - pos) : 0;
    uint64_t left = scanner->end - pos;
    size_t want = size > kept + scanner->read_size ? size : kept + scanner->read_size;

    /* Small records follow each other closely: the more of what was read is used, the more is read.
     */
    if (!is_next)
        scanner->read_size = READ_SIZE_MIN;
    else if (scanner->read_size < READ_SIZE_MAX)
        scanner->read_size *= 2;
    if (want > BUFFER_SIZE)
        want = BUFFER_SIZE;
    if (want > left)
        want = (size_t)left;
    memmove(scanner->buffer, scanner->buffer + scanner->buffer_size - kept, kept);
    scanner->buffer_pos = pos;
    scanner->buffer_size = kept;
    scanner->error = disk_read_sync(scanner->disk, scanner->file, scanner->buffer + kept,
                                    want - kept, pos + kept);
    if (scanner->error < 0)
        return NULL;
    scanner->buffer_size = want;
    return scanner->buffer;
}

static bool is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* SCAN_ZEROS if nothing else comes from here on. */
static enum scan_result zeros_or(struct scanner *scanner, enum scan_result otherwise)
{
    for (uint64_t pos = scanner->at; pos < scanner->end;) {
        uint64_t left = scanner->end - pos;
        size_t size = left < READ_SIZE_MIN ? (size_t)left : READ_SIZE_MIN;
        const uint8_t *data = bytes_at(scanner, pos, size);

        if (data == NULL)
            return SCAN_READ_ERROR;
        if (!is_zero(data, size))
            return otherwise;
        pos += size;
    }
    return SCAN_ZEROS;
}

static bool is_other_magic(uint32_t magic)
{
    for (int network = 0; network < NETWORK_COUNT; network++) {
        struct params params;

        params_init(&params, network);
        if (le32_read(params.magic) == magic)
            return true;
    }
    return false;
}

static bool is_block_size(uint32_t size)
{
    return size >= BLOCK_SIZE_MIN && size <= BLOCK_SIZE_MAX;
}

bool scanner_peek(struct scanner *scanner, uint64_t pos, size_t size, struct bytes *data)
{
    uint64_t left = scanner->end - pos;

    size = size < left ? size : (size_t)left;
    *data = (struct bytes){size > 0 ? bytes_at(scanner, pos, size) : NULL, size};
    return size == 0 || data->data != NULL;
}

bool scanner_find_magic(struct scanner *scanner)
{
    uint8_t magic[4];
    struct bytes part;

    le32_write(magic, scanner->magic);
    for (; scanner->end - scanner->at >= RECORD_HEADER_SIZE; scanner->at += part.size - 3) {
        if (!scanner_peek(scanner, scanner->at, READ_SIZE_MAX, &part))
            return false;
        const uint8_t *found = memmem(part.data, part.size, magic, sizeof magic);
        if (found != NULL)
            scanner->at += (uint64_t)(found - part.data);
        if (found != NULL || part.size < READ_SIZE_MAX)
            return found != NULL;
    }
    return false;
}

/* Reads the framing at `at`. */
static enum scan_result read_framing(struct scanner *scanner, struct record *record)
{
    uint64_t left = scanner->end - scanner->at;
    const uint8_t *framing;

    if (left < RECORD_HEADER_SIZE)
        return left == 0 ? SCAN_END : zeros_or(scanner, SCAN_TRUNCATED);
    framing = bytes_at(scanner, scanner->at, RECORD_HEADER_SIZE);
    if (framing == NULL)
        return SCAN_READ_ERROR;

    uint32_t first = le32_read(framing);
    uint32_t second = le32_read(framing + 4);

    record->pos = scanner->at + RECORD_HEADER_SIZE;
    record->is_native = first != scanner->magic;
    record->size = record->is_native ? first : second;
    if (first == 0)
        return zeros_or(scanner, SCAN_NO_RECORD);
    if (record->is_native && is_other_magic(first))
        return SCAN_WRONG_NETWORK;
    if (record->is_native && (second != 0 || !is_block_size(first)))
        return SCAN_NO_RECORD;
    if (!is_block_size(record->size))
        return SCAN_BAD_SIZE;
    if (record->size > left - RECORD_HEADER_SIZE)
        return SCAN_TRUNCATED;
    return SCAN_RECORD;
}

static enum scan_result next(struct scanner *scanner, struct record *record, size_t data_size)
{
    enum scan_result result = read_framing(scanner, record);

    if (result != SCAN_RECORD)
        return result;

    size_t size = record->size < data_size ? record->size : data_size;
    const uint8_t *data = bytes_at(scanner, record->pos, size);

    if (data == NULL)
        return SCAN_READ_ERROR;
    record->data = (struct bytes){data, size};
    scanner->at = record->pos + record->size;
    return SCAN_RECORD;
}

enum scan_result scanner_next(struct scanner *scanner, struct record *record)
{
    return next(scanner, record, BLOCK_SIZE_MAX);
}

enum scan_result scanner_next_header(struct scanner *scanner, struct record *record)
{
    return next(scanner, record, HEADER_SIZE);
}

void scan_describe(char *text, size_t text_size, enum scan_result result,
                   const struct scanner *scanner)
{
    const char *what = "";

    switch (result) {
    case SCAN_RECORD:
        what = "the records so far are whole";
        break;
    case SCAN_END:
        what = scanner->end == 0 ? "the file is empty" : "the file ends behind a whole record";
        break;
    case SCAN_ZEROS:
        what = "only zeros from here to the end";
        break;
    case SCAN_TRUNCATED:
        what = "the record goes beyond the end of the file";
        break;
    case SCAN_WRONG_NETWORK:
        what = "a record of another network";
        break;
    case SCAN_NO_RECORD:
        what = "no record of a block begins here";
        break;
    case SCAN_BAD_SIZE:
        what = "the record's size is no block's";
        break;
    case SCAN_READ_ERROR:
        what = strerror(-scanner->error);
        break;
    }
    snprintf(text, text_size, "at byte %llu of %llu: %s", (unsigned long long)scanner->at,
             (unsigned long long)scanner->end, what);
}
