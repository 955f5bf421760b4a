#include "store/metadata.h"
#include "base/arena.h"
#include "base/crc32c.h"
#include "store/blocks.h"
#include <stdlib.h>

#define VERSION    1
#define NEW_NAME   METADATA_NAME ".new"
#define PART_COUNT 7168 /* records read and written at a time: 1 MB */
#define SAMPLE_MAX 64

static uint32_t record_crc(const uint8_t *data, uint32_t magic)
{
    uint8_t prefix[8];

    le32_write(prefix, VERSION);
    le32_write(prefix + 4, magic);
    return crc32c(crc32c(0, prefix, sizeof prefix), data, METADATA_RECORD_SIZE - 4);
}

/* Rule 2, what one record shows. */
static bool record_is_good(const struct metadata_record *record)
{
    struct block_hash hash = header_hash(&record->header);

    return block_hash_equal(&hash, &record->hash) && record->size >= BLOCK_SIZE_MIN &&
           record->size <= BLOCK_SIZE_MAX && record->pos >= RECORD_HEADER_SIZE &&
           record->synced_end >= record->size && record->pos <= record->synced_end - record->size &&
           record->mark < MARK_COUNT;
}

void metadata_record_write(uint8_t out[METADATA_RECORD_SIZE], const struct metadata_record *record,
                           uint32_t magic)
{
    assert(record_is_good(record));
    memcpy(out, record->hash.bytes, 32);
    header_write(out + 32, &record->header);
    le64_write(out + 112, record->pos);
    le64_write(out + 120, record->synced_end);
    le32_write(out + 128, record->size);
    memcpy(out + 132, record->checksum, 4);
    le16_write(out + 136, record->mark);
    le16_write(out + 138, record->reason);
    le32_write(out + 140, record_crc(out, magic));
}

bool metadata_record_parse(struct metadata_record *record, const uint8_t data[METADATA_RECORD_SIZE],
                           uint32_t magic)
{
    if (le32_read(data + 140) != record_crc(data, magic) ||
        !header_parse(&record->header, (struct bytes){data + 32, HEADER_SIZE}))
        return false;
    memcpy(record->hash.bytes, data, 32);
    record->pos = le64_read(data + 112);
    record->synced_end = le64_read(data + 120);
    record->size = le32_read(data + 128);
    memcpy(record->checksum, data + 132, 4);
    record->mark = le16_read(data + 136);
    record->reason = le16_read(data + 138);
    return record_is_good(record);
}

static void add(struct metadata *metadata, const struct metadata_record *record)
{
    if (metadata->count == metadata->capacity) {
        metadata->capacity = metadata->capacity ? metadata->capacity * 3 / 2 : 1024;
        metadata->records =
            xrealloc(metadata->records, metadata->capacity * sizeof *metadata->records);
    }
    metadata->records[metadata->count] = *record;
    metadata->records[metadata->count].order = (uint32_t)metadata->count;
    metadata->count++;
}

static int by_position(const void *a, const void *b)
{
    const struct metadata_record *x = a;
    const struct metadata_record *y = b;

    if (x->pos != y->pos)
        return x->pos < y->pos ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static uint64_t start_of(const struct metadata_record *record)
{
    return record->pos - RECORD_HEADER_SIZE;
}

static uint64_t end_of(const struct metadata_record *record)
{
    return record_end(record->pos, record->size);
}

/* Takes out records that overlap: of two such no one can say which is right, so both places are
 * scanned. */
static void drop_overlaps(struct metadata *metadata)
{
    struct metadata_record *records = metadata->records;
    uint64_t covered = 0;
    size_t kept = 0;

    for (size_t i = 0; i < metadata->count; i++) {
        bool is_free = start_of(&records[i]) >= covered;

        if (!is_free && kept > 0 && end_of(&records[kept - 1]) > start_of(&records[i])) {
            kept--;
            metadata->bad_count++;
        }
        if (end_of(&records[i]) > covered)
            covered = end_of(&records[i]);
        if (is_free)
            records[kept++] = records[i];
        else
            metadata->bad_count++;
    }
    metadata->count = kept;
}

void metadata_settle(struct metadata *metadata)
{
    struct metadata_record *records = metadata->records;
    size_t kept = 0;
    bool is_sorted = true;

    for (size_t i = 1; i < metadata->count && is_sorted; i++)
        is_sorted = by_position(&records[i - 1], &records[i]) < 0;
    if (!is_sorted)
        qsort(records, metadata->count, sizeof *records, by_position);
    for (size_t i = 0; i < metadata->count; i++) {
        if (i + 1 < metadata->count && records[i + 1].pos == records[i].pos)
            metadata->old_count++;
        else
            records[kept++] = records[i];
    }
    metadata->count = kept;
    drop_overlaps(metadata);
    for (size_t i = 0; i < metadata->count; i++)
        records[i].order = (uint32_t)i;
    metadata->sorted_count = metadata->count;
    if (metadata->old_count + metadata->bad_count > 0)
        metadata->is_stale = true;
}

static int read_records(struct metadata *metadata, struct disk *disk, struct disk_file *file,
                        uint32_t magic, uint64_t blocks_size)
{
    uint8_t *part = xmalloc((size_t)PART_COUNT * METADATA_RECORD_SIZE);
    uint64_t count = metadata->file_size / METADATA_RECORD_SIZE;
    int error = 0;

    for (uint64_t i = 0; i < count && error == 0; i += PART_COUNT) {
        size_t part_count = count - i < PART_COUNT ? (size_t)(count - i) : PART_COUNT;

        error = disk_read_sync(disk, file, part, part_count * METADATA_RECORD_SIZE,
                               i * METADATA_RECORD_SIZE);
        for (size_t j = 0; j < part_count && error == 0; j++) {
            struct metadata_record record;

            if (metadata_record_parse(&record, part + j * METADATA_RECORD_SIZE, magic) &&
                end_of(&record) <= blocks_size)
                add(metadata, &record);
            else
                metadata->bad_count++;
        }
    }
    free(part);
    return error;
}

int metadata_load(struct metadata *metadata, struct disk *disk, uint32_t magic,
                  uint64_t blocks_size)
{
    struct disk_file *file;

    *metadata = (struct metadata){.is_stale = true};

    int error = disk_file_open(disk, &file, METADATA_NAME, 0);

    if (error == -ENOENT)
        return 0;
    if (error < 0)
        return error;
    error = disk_file_size(file, &metadata->file_size);
    if (error == 0)
        error = read_records(metadata, disk, file, magic, blocks_size);
    disk_file_close(file);
    if (error < 0) {
        metadata_clear(metadata);
        return error;
    }
    if (metadata->file_size % METADATA_RECORD_SIZE != 0)
        metadata->bad_count++;
    for (size_t i = 0; i < metadata->count; i++)
        if (metadata->records[i].synced_end > metadata->synced_end)
            metadata->synced_end = metadata->records[i].synced_end;
    if (metadata->synced_end > blocks_size)
        metadata->synced_end = blocks_size;
    metadata->is_stale = false;
    metadata_settle(metadata);
    return 0;
}

void metadata_clear(struct metadata *metadata)
{
    free(metadata->records);
    *metadata = (struct metadata){.records = NULL};
}

void metadata_forget(struct metadata *metadata)
{
    metadata->bad_count += metadata->count;
    metadata->count = metadata->sorted_count = 0;
    metadata->synced_end = 0;
    metadata->is_stale = true;
}

int metadata_check(const struct metadata *metadata, struct disk *disk, struct disk_file *blocks)
{
    size_t samples = metadata->sorted_count < SAMPLE_MAX ? metadata->sorted_count : SAMPLE_MAX;
    size_t wrong_count = 0;

    for (size_t i = 0; i < samples; i++) {
        size_t index = samples < 2 ? 0 : i * (metadata->sorted_count - 1) / (samples - 1);
        uint8_t stored[HEADER_SIZE];
        uint8_t expected[HEADER_SIZE];
        int error = disk_read_sync(disk, blocks, stored, HEADER_SIZE, metadata->records[index].pos);

        if (error < 0)
            return error;
        header_write(expected, &metadata->records[index].header);
        wrong_count += memcmp(stored, expected, HEADER_SIZE) != 0;
    }
    return wrong_count > 1 || (wrong_count == 1 && samples == 1) ? -ESTALE : 0;
}

void metadata_add(struct metadata *metadata, const struct metadata_record *record)
{
    add(metadata, record);
    metadata->is_stale = true;
}

/* The first of the sorted records that ends behind pos. */
static size_t find_from(const struct metadata *metadata, uint64_t pos)
{
    size_t low = 0;
    size_t high = metadata->sorted_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (end_of(&metadata->records[middle]) > pos)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool metadata_next_gap(const struct metadata *metadata, uint64_t from, uint64_t end,
                       uint64_t *gap_start, uint64_t *gap_end)
{
    for (size_t i = find_from(metadata, from); from < end; i++) {
        uint64_t next = i < metadata->sorted_count ? start_of(&metadata->records[i]) : end;

        if (from < next) {
            *gap_start = from;
            *gap_end = next < end ? next : end;
            return true;
        }
        from = end_of(&metadata->records[i]);
    }
    return false;
}

static int write_records(const struct metadata *metadata, struct disk *disk, struct disk_file *file,
                         uint32_t magic)
{
    uint8_t *part = xmalloc((size_t)PART_COUNT * METADATA_RECORD_SIZE);
    int error = 0;

    for (size_t i = 0; i < metadata->count && error == 0; i += PART_COUNT) {
        size_t part_count = metadata->count - i < PART_COUNT ? metadata->count - i : PART_COUNT;

        for (size_t j = 0; j < part_count; j++)
            metadata_record_write(part + j * METADATA_RECORD_SIZE, &metadata->records[i + j],
                                  magic);
        error = disk_write_sync(disk, file, part, part_count * METADATA_RECORD_SIZE,
                                (uint64_t)i * METADATA_RECORD_SIZE);
    }
    free(part);
    return error;
}

/* Rule 5. */
static int rewrite(struct metadata *metadata, struct disk *disk, uint32_t magic)
{
    struct disk_file *file;
    int error = disk_file_open(disk, &file, NEW_NAME,
                               DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);

    if (error < 0)
        return error;
    error = write_records(metadata, disk, file, magic);
    if (error == 0)
        error = disk_sync(disk, file);
    disk_file_close(file);
    if (error == 0)
        error = disk_rename(disk, NEW_NAME, METADATA_NAME);
    if (error == 0)
        error = disk_sync_dir(disk, ".");
    if (error < 0)
        return error;
    metadata->file_size = (uint64_t)metadata->count * METADATA_RECORD_SIZE;
    metadata->bad_count = metadata->old_count = 0;
    metadata->is_stale = false;
    return 0;
}

int metadata_open(struct metadata *metadata, struct disk *disk, uint32_t magic,
                  struct disk_file **file, uint64_t *end)
{
    int error = 0;

    metadata_settle(metadata);
    if (metadata->is_stale)
        error = rewrite(metadata, disk, magic);
    if (error < 0)
        return error;
    *end = metadata->file_size;
    return disk_file_open(disk, file, METADATA_NAME, DISK_OPEN_WRITE);
}
