#include "io/simdisk.h"
#include "store/blocks.h"
#include "store/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAGIC      0xd9b4bef9
#define FILE_LIMIT (1ull << 40)

/* A record that is taken has one encoding; gaps and records tile what is asked for; a compacted
 * file says the same as the one it came from. */
static void check_loaded(const struct metadata *metadata, uint64_t end)
{
    uint64_t covered = 0;
    uint64_t start, gap_end;

    for (uint64_t from = 0; metadata_next_gap(metadata, from, end, &start, &gap_end);
         from = gap_end) {
        assert(start >= from && gap_end > start && gap_end <= end);
        covered += gap_end - start;
    }
    for (size_t i = 0; i < metadata->count; i++) {
        const struct metadata_record *record = &metadata->records[i];

        assert(record_end(record->pos, record->size) <= metadata->synced_end);
        assert(i == 0 ||
               record->pos - RECORD_HEADER_SIZE >= record_end(record[-1].pos, record[-1].size));
        covered += RECORD_HEADER_SIZE + record->size;
    }
    assert(covered == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct simdisk *sim = simdisk_new(1);
    struct disk *disk = simdisk_open(sim);
    struct metadata first, second;
    struct metadata_record record;
    struct disk_file *file;
    uint64_t end;

    for (size_t at = 0; at + METADATA_RECORD_SIZE <= size; at += METADATA_RECORD_SIZE)
        if (metadata_record_parse(&record, data + at, MAGIC)) {
            uint8_t again[METADATA_RECORD_SIZE];

            metadata_record_write(again, &record, MAGIC);
            assert(memcmp(again, data + at, sizeof again) == 0);
        }
    simdisk_put(sim, METADATA_NAME, (struct bytes){data, size});
    assert(metadata_load(&first, disk, MAGIC, FILE_LIMIT) == 0);
    check_loaded(&first, FILE_LIMIT);
    assert(metadata_open(&first, disk, MAGIC, &file, &end) == 0);
    assert(metadata_load(&second, disk, MAGIC, FILE_LIMIT) == 0);
    assert(second.count == first.count && second.bad_count == 0 && second.old_count == 0);
    assert(end == second.count * METADATA_RECORD_SIZE);
    metadata_clear(&first);
    metadata_clear(&second);
    disk_close(disk);
    simdisk_free(sim);
    return 0;
}
