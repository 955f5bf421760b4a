#include "ledger/undo.h"
#include "base/arena.h"
#include "base/crc32c.h"
#include "ledger/checkpoint_names.h"

#define MAGIC       "UNDO"
#define HEAD_SIZE   (4 + 4 + 32 + 4 + 4 + 4)
#define BUFFER_SIZE ((size_t)1 << 20)
#define COUNT_MAX   (4000000 / 41) /* inputs of a block */

struct record {
    struct block_hash hash;
    int32_t height;
    uint32_t count;
    uint32_t crc;
    uint64_t file;
    uint64_t offset; /* of the words */
};

struct undo_ring {
    struct disk *disk;
    uint32_t blocks, file_blocks;
    struct record *records; /* by file, then offset */
    size_t record_count, record_capacity;
    struct disk_file *file; /* the newest, being written */
    uint64_t file_number;
    uint32_t file_records;
    uint64_t written; /* bytes of it on their way to the disk; the rest is in buffer */
    uint8_t *buffer;
    size_t buffered, capacity;
    bool is_named; /* its name is durable */
};

static struct checkpoint_name file_name(uint64_t number)
{
    return checkpoint_name("undo", number);
}

static void add_record(struct undo_ring *ring, const struct record *record)
{
    if (ring->record_count == ring->record_capacity) {
        ring->record_capacity = ring->record_capacity * 2 + 256;
        ring->records = xrealloc(ring->records, ring->record_capacity * sizeof *ring->records);
    }
    ring->records[ring->record_count++] = *record;
}

static const struct record *find(const struct undo_ring *ring, const struct block_hash *hash)
{
    for (size_t i = ring->record_count; i-- > 0;)
        if (block_hash_equal(&ring->records[i].hash, hash))
            return &ring->records[i];
    return NULL;
}

static void write_head(uint8_t head[HEAD_SIZE], const struct record *record)
{
    memcpy(head, MAGIC, 4);
    le32_write(head + 4, (uint32_t)record->height);
    memcpy(head + 8, &record->hash, 32);
    le32_write(head + 40, record->count);
    le32_write(head + 44, record->crc);
    le32_write(head + 48, crc32c(0, head + 4, 44));
}

static bool parse_head(struct record *record, const uint8_t head[HEAD_SIZE])
{
    if (memcmp(head, MAGIC, 4) != 0 || le32_read(head + 48) != crc32c(0, head + 4, 44))
        return false;
    record->height = (int32_t)le32_read(head + 4);
    memcpy(&record->hash, head + 8, 32);
    record->count = le32_read(head + 40);
    record->crc = le32_read(head + 44);
    return record->count <= COUNT_MAX;
}

/* 0, -EILSEQ or -errno. */
static int read_words(struct disk *disk, struct disk_file *file, const struct record *record,
                      uint64_t *words)
{
    size_t size = record->count * sizeof *words;
    int rc = size ? disk_read_sync(disk, file, words, size, record->offset) : 0;

    if (rc == 0 && crc32c(0, words, size) != record->crc)
        rc = -EILSEQ;
    return rc == -ENODATA ? -EILSEQ : rc;
}

/* Takes in the records of a file up to the first that is not whole; words are looked at in the
 * newest only (rule 3). *end: where the whole ones end. */
static int scan(struct undo_ring *ring, struct disk_file *file, uint64_t number, bool is_newest,
                uint64_t *end, uint32_t *count)
{
    uint64_t *words = xmalloc(COUNT_MAX * sizeof *words);
    uint8_t head[HEAD_SIZE];
    uint64_t size;
    int rc = disk_file_size(file, &size);

    *end = 0;
    *count = 0;
    while (rc == 0 && *end + HEAD_SIZE <= size) {
        struct record record = {.file = number, .offset = *end + HEAD_SIZE};

        rc = disk_read_sync(ring->disk, file, head, HEAD_SIZE, *end);
        if (rc != 0 || !parse_head(&record, head))
            break;
        if (is_newest)
            rc = read_words(ring->disk, file, &record, words);
        if (rc != 0)
            break;
        add_record(ring, &record);
        *end = record.offset + record.count * sizeof *words;
        ++*count;
    }
    free(words);
    return rc == -EILSEQ ? 0 : rc;
}

struct numbers {
    uint64_t *at;
    size_t count;
};

static void note(void *ctx, const char *name)
{
    struct numbers *numbers = ctx;
    uint64_t number = checkpoint_number(name, "undo");

    if (number == 0)
        return;
    numbers->at = xrealloc(numbers->at, (numbers->count + 1) * sizeof *numbers->at);
    numbers->at[numbers->count++] = number;
}

static int oldest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

int undo_forget(struct disk *disk)
{
    struct numbers numbers = {0};
    int rc = disk_list(disk, CHECKPOINT_DIR, note, &numbers);

    for (size_t i = 0; rc == 0 && i < numbers.count; i++)
        rc = disk_unlink(disk, file_name(numbers.at[i]).text);
    if (rc == 0 && numbers.count > 0)
        rc = disk_sync_dir(disk, CHECKPOINT_DIR);
    free(numbers.at);
    return rc == -ENOENT ? 0 : rc;
}

static int open_newest(struct undo_ring *ring, uint64_t number)
{
    uint64_t end;
    int rc = disk_file_open(ring->disk, &ring->file, file_name(number).text,
                            DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    if (rc == 0)
        rc = scan(ring, ring->file, number, true, &end, &ring->file_records);
    if (rc == 0)
        rc = disk_truncate(ring->file, end);
    if (rc == 0) {
        ring->file_number = number;
        ring->written = end;
        ring->is_named = false;
    }
    return rc;
}

static int open_older(struct undo_ring *ring, uint64_t number)
{
    struct disk_file *file;
    uint64_t end;
    uint32_t count;
    int rc = disk_file_open(ring->disk, &file, file_name(number).text, 0);

    if (rc != 0)
        return rc;
    rc = scan(ring, file, number, false, &end, &count);
    disk_file_close(file);
    return rc;
}

int undo_open(struct disk *disk, uint32_t blocks, uint32_t file_blocks, struct undo_ring **result)
{
    struct undo_ring *ring = xcalloc(1, sizeof *ring);
    struct numbers numbers = {0};
    int rc = disk_list(disk, CHECKPOINT_DIR, note, &numbers);

    ring->disk = disk;
    ring->blocks = blocks;
    ring->file_blocks = file_blocks;
    if (numbers.count > 0)
        qsort(numbers.at, numbers.count, sizeof *numbers.at, oldest_first);
    for (size_t i = 0; rc == 0 && i + 1 < numbers.count; i++)
        rc = open_older(ring, numbers.at[i]);
    if (rc == 0)
        rc = open_newest(ring, numbers.count ? numbers.at[numbers.count - 1] : 1);
    free(numbers.at);
    if (rc != 0) {
        undo_close(ring);
        return rc;
    }
    *result = ring;
    return 0;
}

void undo_close(struct undo_ring *ring)
{
    if (!ring)
        return;
    if (ring->file)
        disk_file_close(ring->file);
    free(ring->records);
    free(ring->buffer);
    free(ring);
}

bool undo_has(const struct undo_ring *ring, const struct block_hash *hash)
{
    return find(ring, hash) != NULL;
}

static int flush(struct undo_ring *ring)
{
    int rc = 0;

    if (ring->buffered > 0)
        rc = disk_write_sync(ring->disk, ring->file, ring->buffer, ring->buffered, ring->written);
    ring->written += ring->buffered;
    ring->buffered = 0;
    return rc;
}

/* Rule 4: all records are durable. */
static int remove_oldest(struct undo_ring *ring)
{
    while (ring->record_count > 0 && ring->records[0].file != ring->file_number) {
        uint64_t oldest = ring->records[0].file;
        size_t count = 0;

        while (ring->records[count].file == oldest)
            count++;
        if (ring->record_count - count < ring->blocks)
            return 0;
        int rc = disk_unlink(ring->disk, file_name(oldest).text);
        if (rc != 0)
            return rc;
        ring->record_count -= count;
        memmove(ring->records, ring->records + count, ring->record_count * sizeof *ring->records);
    }
    return 0;
}

int undo_sync(struct undo_ring *ring)
{
    int rc = flush(ring);

    if (rc == 0)
        rc = disk_sync(ring->disk, ring->file);
    if (rc == 0 && !ring->is_named)
        rc = disk_sync_dir(ring->disk, CHECKPOINT_DIR);
    ring->is_named = rc == 0;
    return rc == 0 ? remove_oldest(ring) : rc;
}

static int next_file(struct undo_ring *ring)
{
    int rc = undo_sync(ring); /* rule 3 */

    if (rc != 0)
        return rc;
    disk_file_close(ring->file);
    ring->file = NULL;
    return open_newest(ring, ring->file_number + 1);
}

int undo_append(struct undo_ring *ring, int32_t height, const struct block_hash *hash,
                const uint64_t *words, uint32_t count)
{
    size_t words_size = count * sizeof *words, size = HEAD_SIZE + words_size;
    struct record record = {.hash = *hash, .height = height, .count = count};
    int rc = ring->file_records == ring->file_blocks ? next_file(ring) : 0;

    assert(count <= COUNT_MAX);
    if (rc == 0 && ring->buffered + size > BUFFER_SIZE)
        rc = flush(ring);
    if (rc != 0)
        return rc;
    if (ring->buffered + size > ring->capacity) {
        ring->capacity = size > BUFFER_SIZE ? size : BUFFER_SIZE;
        ring->buffer = xrealloc(ring->buffer, ring->capacity);
    }
    record.crc = crc32c(0, words, words_size);
    record.file = ring->file_number;
    record.offset = ring->written + ring->buffered + HEAD_SIZE;
    write_head(ring->buffer + ring->buffered, &record);
    if (words_size > 0)
        memcpy(ring->buffer + ring->buffered + HEAD_SIZE, words, words_size);
    ring->buffered += size;
    ring->file_records++;
    add_record(ring, &record);
    return 0;
}

int undo_read(struct undo_ring *ring, const struct block_hash *hash, uint64_t **words,
              uint32_t *count)
{
    const struct record *record = find(ring, hash);
    struct disk_file *file;

    if (!record)
        return -ENOENT;
    int rc = flush(ring);
    if (rc == 0)
        rc = disk_file_open(ring->disk, &file, file_name(record->file).text, 0);
    if (rc != 0)
        return rc;
    *words = xmalloc(record->count * sizeof **words);
    *count = record->count;
    rc = read_words(ring->disk, file, record, *words);
    disk_file_close(file);
    if (rc != 0) {
        free(*words);
        *words = NULL;
    }
    return rc;
}
