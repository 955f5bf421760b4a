#include "base/crc32c.h"
#include "store_blocks.h"

#define COUNT 40

/* A blocks.bin of COUNT records and the metadata of all of them. */
struct world_of_files {
    struct test_block blocks[COUNT];
    struct metadata_record records[COUNT];
    struct test_file blocks_file, metadata_file;
};

static void add_record(struct test_file *file, const struct metadata_record *record)
{
    uint8_t data[METADATA_RECORD_SIZE];

    metadata_record_write(data, record, TEST_MAGIC);
    test_file_append(file, data, sizeof data);
}

static void make_files(struct world_of_files *files)
{
    struct prng prng;

    *files = (struct world_of_files){.blocks_file.data = NULL};
    prng_init(&prng, 11);
    for (size_t i = 0; i < COUNT; i++) {
        files->blocks[i] = test_block_new(&prng, (uint32_t)(81 + prng_below(&prng, 1000)));
        test_file_add(&files->blocks_file, &files->blocks[i], i % 5 == 2);
    }
    for (size_t i = 0; i < COUNT; i++) {
        files->records[i] = test_record(&files->blocks[i], files->blocks_file.size);
        files->records[i].mark = i % 3;
        files->records[i].reason = (uint16_t)(i * 7);
        add_record(&files->metadata_file, &files->records[i]);
    }
}

static void free_files(struct world_of_files *files)
{
    for (size_t i = 0; i < COUNT; i++)
        free(files->blocks[i].data);
    free(files->blocks_file.data);
    free(files->metadata_file.data);
}

static bool is_same(const struct metadata_record *a, const struct metadata_record *b)
{
    return block_hash_equal(&a->hash, &b->hash) &&
           memcmp(&a->header, &b->header, sizeof a->header) == 0 && a->pos == b->pos &&
           a->synced_end == b->synced_end && a->size == b->size &&
           memcmp(a->checksum, b->checksum, 4) == 0 && a->mark == b->mark && a->reason == b->reason;
}

/* A simulated disk with the two files. */
static struct simdisk *put_files(const struct world_of_files *files)
{
    struct simdisk *sim = simdisk_new(1);

    simdisk_put(sim, BLOCKS_NAME, (struct bytes){files->blocks_file.data, files->blocks_file.size});
    simdisk_put(sim, METADATA_NAME,
                (struct bytes){files->metadata_file.data, files->metadata_file.size});
    return sim;
}

START_TEST(what_is_written_is_read_back)
{
    struct world_of_files files;
    struct metadata metadata;
    uint64_t start, end;

    make_files(&files);

    struct simdisk *sim = put_files(&files);
    struct disk *disk = simdisk_open(sim);

    ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), 0);
    ck_assert_uint_eq(metadata.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert(is_same(&metadata.records[i], &files.records[i]));
    ck_assert_uint_eq(metadata.synced_end, files.blocks_file.size);
    ck_assert(metadata.bad_count == 0 && metadata.old_count == 0 && !metadata.is_stale);
    ck_assert(!metadata_next_gap(&metadata, 0, files.blocks_file.size, &start, &end));
    ck_assert(metadata_next_gap(&metadata, 0, files.blocks_file.size + 5, &start, &end));
    ck_assert(start == files.blocks_file.size && end == start + 5);

    struct disk_file *blocks = must_open(disk, BLOCKS_NAME, 0);

    ck_assert_int_eq(metadata_check(&metadata, disk, blocks), 0);
    simdisk_flip(sim, BLOCKS_NAME, files.blocks[0].pos + 79, 1); /* one may be rot */
    ck_assert_int_eq(metadata_check(&metadata, disk, blocks), 0);
    simdisk_flip(sim, BLOCKS_NAME, files.blocks[COUNT - 1].pos, 1);
    ck_assert_int_eq(metadata_check(&metadata, disk, blocks), -ESTALE);
    simdisk_fail(sim, DISK_READ, 9, -EIO);
    ck_assert_int_eq(metadata_check(&metadata, disk, blocks), -EIO);
    metadata_forget(&metadata);
    ck_assert(metadata.count == 0 && metadata.synced_end == 0);
    metadata_clear(&metadata);
    disk_close(disk);
    simdisk_free(sim);
    free_files(&files);
}
END_TEST

/* Every byte of a record, every bit: it is refused, and all others stay as they were. */
START_TEST(a_damaged_byte_costs_its_record_only)
{
    struct world_of_files files;
    size_t victim = 17;

    make_files(&files);

    struct simdisk *sim = put_files(&files);
    struct disk *disk = simdisk_open(sim);

    for (size_t i = 0; i < METADATA_RECORD_SIZE * 8; i++) {
        uint64_t offset = victim * METADATA_RECORD_SIZE + i / 8;
        struct metadata metadata;
        uint64_t start, end;

        simdisk_flip(sim, METADATA_NAME, offset, (uint8_t)(1 << i % 8));
        ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), 0);
        ck_assert(metadata.count == COUNT - 1 && metadata.bad_count == 1 && metadata.is_stale);
        for (size_t k = 0; k < COUNT - 1; k++)
            ck_assert(is_same(&metadata.records[k], &files.records[k + (k >= victim)]));
        ck_assert(metadata_next_gap(&metadata, 0, files.blocks_file.size, &start, &end));
        ck_assert_uint_eq(start, files.blocks[victim].pos - RECORD_HEADER_SIZE);
        ck_assert_uint_eq(end, files.blocks[victim].pos + files.blocks[victim].size);
        ck_assert(!metadata_next_gap(&metadata, end, files.blocks_file.size, &start, &end));
        metadata_clear(&metadata);
        simdisk_flip(sim, METADATA_NAME, offset, (uint8_t)(1 << i % 8));
    }
    disk_close(disk);
    simdisk_free(sim);
    free_files(&files);
}
END_TEST

/* A record whose CRC is right and whose content makes no sense, as another version might write it.
 */
static void write_unchecked(uint8_t out[METADATA_RECORD_SIZE], struct metadata_record record,
                            size_t offset, uint64_t value, size_t size)
{
    uint8_t prefix[8] = {1, 0, 0, 0};

    metadata_record_write(out, &record, TEST_MAGIC);
    memcpy(out + offset, &value, size);
    le32_write(prefix + 4, TEST_MAGIC);
    le32_write(out + 140, crc32c(crc32c(0, prefix, 8), out, 140));
}

START_TEST(records_that_make_no_sense_are_refused)
{
    struct world_of_files files;
    struct metadata_record record;
    uint8_t data[METADATA_RECORD_SIZE];

    make_files(&files);

    const struct metadata_record *good = &files.records[3];

    metadata_record_write(data, good, TEST_MAGIC);
    ck_assert(metadata_record_parse(&record, data, TEST_MAGIC) && is_same(&record, good));
    ck_assert(!metadata_record_parse(&record, data, TEST_MAGIC ^ 1)); /* another network's */
    write_unchecked(data, *good, 112, good->pos, 8);
    ck_assert(metadata_record_parse(&record, data, TEST_MAGIC)); /* the test's own CRC is right */

    static const struct {
        size_t offset, size;
        uint64_t good, bad;
    } cases[] = {
        {112, 8, 8, 7},   /* pos: behind the framing */
        {128, 4, 81, 80}, /* size: a block's */
        {136, 2, MARK_INVALID, MARK_COUNT},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        write_unchecked(data, *good, cases[i].offset, cases[i].good, cases[i].size);
        ck_assert(metadata_record_parse(&record, data, TEST_MAGIC));
        write_unchecked(data, *good, cases[i].offset, cases[i].bad, cases[i].size);
        ck_assert(!metadata_record_parse(&record, data, TEST_MAGIC));
    }

    uint64_t end = good->pos + good->size;

    write_unchecked(data, *good, 120, end, 8); /* synced just to the block's end */
    ck_assert(metadata_record_parse(&record, data, TEST_MAGIC));
    write_unchecked(data, *good, 120, end - 1, 8);
    ck_assert(!metadata_record_parse(&record, data, TEST_MAGIC));
    write_unchecked(data, *good, 112, UINT64_MAX - 10, 8); /* pos + size wraps */
    ck_assert(!metadata_record_parse(&record, data, TEST_MAGIC));

    struct metadata_record large = *good;

    large.synced_end = 1 << 30;
    write_unchecked(data, large, 128, BLOCK_SIZE_MAX, 4);
    ck_assert(metadata_record_parse(&record, data, TEST_MAGIC));
    write_unchecked(data, large, 128, BLOCK_SIZE_MAX + 1, 4);
    ck_assert(!metadata_record_parse(&record, data, TEST_MAGIC));
    write_unchecked(data, *good, 0, 0, 1); /* not the header's hash (unless by 1 in 256) */
    ck_assert(good->hash.bytes[0] == 0 || !metadata_record_parse(&record, data, TEST_MAGIC));
    free_files(&files);
}
END_TEST

START_TEST(the_last_record_of_a_position_counts_and_overlaps_count_for_nothing)
{
    struct world_of_files files;
    struct metadata metadata;
    uint64_t start, end;

    make_files(&files);

    struct metadata_record later = files.records[7];
    struct metadata_record wrong = files.records[20];

    later.mark = MARK_INVALID;
    later.reason = 999;
    add_record(&files.metadata_file, &later);
    wrong.pos += 40; /* into the block of 20, and of 21 if that is long enough */
    wrong.size = files.blocks[20].size;
    wrong.synced_end = files.blocks_file.size;
    add_record(&files.metadata_file, &wrong);
    test_file_append(&files.metadata_file, "torn", 4);

    struct simdisk *sim = put_files(&files);
    struct disk *disk = simdisk_open(sim);

    ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), 0);
    ck_assert_uint_eq(metadata.old_count, 1);
    ck_assert_uint_eq(metadata.bad_count, 1 + 3); /* the torn end; 20, the wrong one, and 21 */
    ck_assert_uint_eq(metadata.count, COUNT - 2);
    ck_assert(is_same(&metadata.records[7], &later));
    ck_assert(metadata_next_gap(&metadata, 0, files.blocks_file.size, &start, &end));
    ck_assert_uint_eq(start, files.blocks[20].pos - RECORD_HEADER_SIZE);
    ck_assert_uint_eq(end, files.blocks[22].pos - RECORD_HEADER_SIZE);
    metadata_clear(&metadata);

    /* A blocks.bin that is shorter than it was: what is beyond its end counts for nothing. */
    uint64_t cut = files.blocks[30].pos + files.blocks[30].size - 1;

    ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, cut), 0);
    ck_assert_uint_eq(metadata.count, 30 - 2);
    ck_assert_uint_eq(metadata.synced_end, cut);
    metadata_clear(&metadata);
    disk_close(disk);
    simdisk_free(sim);
    free_files(&files);
}
END_TEST

/* Scans the gaps and adds what it finds, as recovery does. */
static void fill_gaps(struct metadata *metadata, struct disk *disk, uint64_t blocks_size)
{
    struct disk_file *file = must_open(disk, BLOCKS_NAME, 0);
    uint64_t start, end;

    for (uint64_t from = 0; metadata_next_gap(metadata, from, blocks_size, &start, &end);
         from = end) {
        struct scanner scanner;
        struct record record;

        scanner_init(&scanner, disk, file, TEST_MAGIC, start, end);
        while (scanner_next(&scanner, &record) == SCAN_RECORD) {
            struct test_block block = {(uint8_t *)record.data.data, record.size, record.pos};
            struct metadata_record found = test_record(&block, blocks_size);

            metadata_add(metadata, &found);
        }
        ck_assert_uint_eq(scanner.at, end);
        scanner_clear(&scanner);
    }
    disk_file_close(file);
}

static void check_all_there(struct metadata *metadata, const struct world_of_files *files)
{
    uint64_t start, end;

    metadata_settle(metadata);
    ck_assert_uint_eq(metadata->count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert(block_hash_equal(&metadata->records[i].hash, &files->records[i].hash));
        ck_assert_uint_eq(metadata->records[i].pos, files->records[i].pos);
        ck_assert_uint_eq(metadata->records[i].size, files->records[i].size);
    }
    ck_assert(!metadata_next_gap(metadata, 0, files->blocks_file.size, &start, &end));
}

/* Crashes after every operation while damaged metadata is written new; the next start always gets
 * there. */
START_TEST(compaction_survives_a_crash_after_every_operation)
{
    struct world_of_files files;
    bool is_through = false;

    make_files(&files);
    for (size_t i = 5; i < 15; i++)
        files.metadata_file.data[i * METADATA_RECORD_SIZE] ^= 1;
    for (uint64_t crash_at = 1; !is_through; crash_at++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct simdisk *sim = put_files(&files);
            struct disk *disk = simdisk_open(sim);
            struct metadata metadata;
            struct disk_file *file;
            uint64_t end;

            ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), 0);
            fill_gaps(&metadata, disk, files.blocks_file.size);
            check_all_there(&metadata, &files);
            simdisk_crash_at(sim, crash_at);

            int error = metadata_open(&metadata, disk, TEST_MAGIC, &file, &end);

            is_through = error == 0;
            ck_assert(error == 0 || (error == -EIO && simdisk_has_crashed(sim)));
            metadata_clear(&metadata);
            simdisk_reboot(sim, seed);
            disk_close(disk);

            disk = simdisk_open(sim);
            ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), 0);
            ck_assert(metadata.bad_count == 10 || metadata.bad_count == 0); /* old or new */
            ck_assert(!is_through || metadata.bad_count == 0);
            fill_gaps(&metadata, disk, files.blocks_file.size);
            check_all_there(&metadata, &files);
            ck_assert_int_eq(metadata_open(&metadata, disk, TEST_MAGIC, &file, &end), 0);
            ck_assert_uint_eq(end, COUNT * METADATA_RECORD_SIZE);
            ck_assert(!metadata.is_stale);
            metadata_clear(&metadata);
            disk_close(disk);
            simdisk_free(sim);
        }
    free_files(&files);
}
END_TEST

START_TEST(without_the_file_everything_is_a_gap)
{
    struct world_of_files files;
    struct metadata metadata;
    struct disk_file *file;
    uint64_t start, end;

    make_files(&files);

    struct simdisk *sim = put_files(&files);
    struct disk *disk = simdisk_open(sim);

    ck_assert_int_eq(disk_unlink(disk, METADATA_NAME), 0);
    ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), 0);
    ck_assert(metadata.count == 0 && metadata.synced_end == 0);
    ck_assert(metadata_next_gap(&metadata, 0, files.blocks_file.size, &start, &end));
    ck_assert(start == 0 && end == files.blocks_file.size);
    fill_gaps(&metadata, disk, files.blocks_file.size);
    check_all_there(&metadata, &files);
    ck_assert_int_eq(metadata_open(&metadata, disk, TEST_MAGIC, &file, &end), 0);
    ck_assert_uint_eq(end, COUNT * METADATA_RECORD_SIZE);
    metadata_clear(&metadata);

    simdisk_fail(sim, DISK_READ, 1, -EIO);
    ck_assert_int_eq(metadata_load(&metadata, disk, TEST_MAGIC, files.blocks_file.size), -EIO);
    disk_close(disk);
    simdisk_free(sim);
    free_files(&files);
}
END_TEST

int main(void)
{
    return SUITE_RUN("metadata", what_is_written_is_read_back, a_damaged_byte_costs_its_record_only,
                     records_that_make_no_sense_are_refused,
                     the_last_record_of_a_position_counts_and_overlaps_count_for_nothing,
                     compaction_survives_a_crash_after_every_operation,
                     without_the_file_everything_is_a_gap);
}
