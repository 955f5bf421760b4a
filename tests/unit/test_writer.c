#include "store/writer.h"
#include "store_blocks.h"

#define COUNT 30

/* What a node would do with a writer: appends blocks, records each once it is written, asks for
 * syncs. */
struct scenario {
    struct disk *disk;
    struct writer *writer;
    struct test_block blocks[COUNT];
    struct test_file expected; /* blocks.bin when all is well */
    struct append appends[COUNT];
    struct sync_wait wait;
    bool is_waiting;
    size_t given, written, promised; /* blocks */
    size_t promise_asked;
    int append_error, sync_error, reported_error;
    int error_reports;
    uint64_t synced_end, now_ms;
};

/* The callbacks' way back: one scenario at a time in this program. */
static struct scenario *current;

static void on_synced(void *context, uint64_t synced_end)
{
    ((struct scenario *)context)->synced_end = synced_end;
}

static void on_error(void *context, int error, const char *what)
{
    struct scenario *scenario = context;

    ck_assert_ptr_nonnull(what);
    scenario->reported_error = error;
    scenario->error_reports++;
}

static void appended(struct append *append, int error)
{
    size_t index = (size_t)(append - current->appends);

    if (error < 0) {
        current->append_error = error;
        return;
    }
    ck_assert_uint_eq(index, current->written); /* in order */
    current->written++;

    struct metadata_record record = test_record(&current->blocks[index], 0);

    writer_record(current->writer, &record);
}

static void synced(struct sync_wait *wait, int error, uint64_t synced_end)
{
    (void)wait;
    current->is_waiting = false;
    current->sync_error = error;
    if (error == 0) {
        ck_assert_uint_eq(synced_end, writer_stats(current->writer).synced_end);
        current->promised = current->promise_asked;
    }
}

static void make_blocks(struct scenario *scenario, uint64_t seed)
{
    struct prng prng;

    *scenario = (struct scenario){.now_ms = 1};
    current = scenario;
    prng_init(&prng, seed);
    for (size_t i = 0; i < COUNT; i++) {
        scenario->blocks[i] = test_block_new(&prng, (uint32_t)(81 + prng_below(&prng, 1500)));
        test_file_add(&scenario->expected, &scenario->blocks[i], false);
    }
}

static void free_blocks(struct scenario *scenario)
{
    for (size_t i = 0; i < COUNT; i++)
        free(scenario->blocks[i].data);
    free(scenario->expected.data);
}

/* Scans what no record covers and adds what it finds. Behind the last synced position the first
 * record that is not as it should be ends the file: *end is there. */
static void scan_gaps(const struct scenario *scenario, struct metadata *metadata, struct disk *disk,
                      struct disk_file *blocks, uint64_t *end)
{
    uint64_t size = *end;
    uint64_t start, gap_end;

    for (uint64_t from = 0; metadata_next_gap(metadata, from, size, &start, &gap_end);
         from = gap_end) {
        struct scanner scanner;
        struct record record;

        scanner_init(&scanner, disk, blocks, TEST_MAGIC, start, gap_end);
        while (scanner_next(&scanner, &record) == SCAN_RECORD) {
            struct test_block block = {(uint8_t *)record.data.data, record.size, record.pos};
            struct metadata_record found = test_record(&block, record.pos + record.size);

            if (record_end(record.pos, record.size) > scenario->expected.size ||
                memcmp(record.data.data, scenario->expected.data + record.pos, record.size) != 0) {
                scanner.at = record.pos - RECORD_HEADER_SIZE;
                break;
            }
            metadata_add(metadata, &found);
        }
        if (scanner.at < gap_end) { /* what was synced is whole */
            ck_assert_uint_ge(scanner.at, metadata->synced_end);
            *end = scanner.at;
        }
        scanner_clear(&scanner);
    }
}

/* Opens the store as it is on the disk: 0 or -errno. */
static int open_store(struct scenario *scenario, struct disk *disk)
{
    struct disk_file *blocks, *metadata_file;
    struct metadata metadata;
    uint64_t size, end, metadata_end;
    int error = disk_file_open(disk, &blocks, BLOCKS_NAME, DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    if (error == 0)
        error = disk_sync_dir(disk, ".");
    if (error == 0)
        error = disk_file_size(blocks, &size);
    if (error == 0)
        error = metadata_load(&metadata, disk, TEST_MAGIC, size);
    if (error < 0)
        return error;
    ck_assert_uint_ge(metadata.count, scenario->promised);
    for (size_t i = 0; i < metadata.count; i++) { /* writer.h, rule 4: the records do not lie */
        uint8_t data[1600];
        uint64_t pos = metadata.records[i].pos;

        error = disk_read_sync(disk, blocks, data, metadata.records[i].size, pos);
        ck_assert_int_eq(error, 0);
        ck_assert_mem_eq(data, scenario->expected.data + pos, metadata.records[i].size);
    }
    end = size;
    scan_gaps(scenario, &metadata, disk, blocks, &end);
    if (end < size)
        error = disk_truncate(blocks, end);
    if (error == 0) /* before any metadata points there */
        error = disk_sync(disk, blocks);
    if (error == 0)
        error = metadata_open(&metadata, disk, TEST_MAGIC, &metadata_file, &metadata_end);
    scenario->given = scenario->written = metadata.count;
    metadata_clear(&metadata);
    if (error < 0)
        return error;
    scenario->disk = disk;
    scenario->writer = writer_new(&(struct writer_setup){.disk = disk,
                                                         .blocks = blocks,
                                                         .metadata = metadata_file,
                                                         .magic = TEST_MAGIC,
                                                         .blocks_end = end,
                                                         .synced_end = end,
                                                         .metadata_end = metadata_end,
                                                         .on_synced = on_synced,
                                                         .on_error = on_error,
                                                         .context = scenario});
    return 0;
}

static void give(struct scenario *scenario, size_t count)
{
    for (; count > 0 && scenario->given < COUNT; count--, scenario->given++) {
        struct append *append = &scenario->appends[scenario->given];
        const struct test_block *block = &scenario->blocks[scenario->given];

        *append = (struct append){
            .pos = block->pos, .block = {block->data, block->size}, .done = appended};
        writer_append(scenario->writer, append);
    }
}

static void ask_for_sync(struct scenario *scenario)
{
    scenario->promise_asked = scenario->written; /* those with their records given */
    scenario->is_waiting = true;
    scenario->wait.done = synced;
    writer_sync(scenario->writer, &scenario->wait);
}

static void turn(struct scenario *scenario)
{
    writer_tick(scenario->writer, scenario->now_ms);
    ck_assert_int_ge(disk_run(scenario->disk, disk_pending(scenario->disk) > 0 ? -1 : 0), 0);
}

static void run_until_idle(struct scenario *scenario)
{
    do
        turn(scenario);
    while (!writer_is_idle(scenario->writer));
}

static void close_store(struct scenario *scenario)
{
    run_until_idle(scenario);
    writer_free(scenario->writer);
    disk_close(scenario->disk);
}

/* Gives all that is left, a few at a time, with syncs between. */
static void give_all(struct scenario *scenario, struct prng *prng)
{
    while (scenario->written < COUNT && scenario->append_error == 0) {
        give(scenario, prng_below(prng, 5));
        if (!scenario->is_waiting && prng_below(prng, 4) == 0)
            ask_for_sync(scenario);
        turn(scenario);
    }
    while (scenario->is_waiting)
        turn(scenario);
    ask_for_sync(scenario);
    run_until_idle(scenario);
}

static void check_whole(struct scenario *scenario)
{
    struct metadata metadata;
    uint8_t *data = xmalloc(scenario->expected.size);
    struct disk_file *file = must_open(scenario->disk, BLOCKS_NAME, 0);
    uint64_t size, start, end;

    ck_assert_int_eq(disk_file_size(file, &size), 0);
    ck_assert_uint_eq(size, scenario->expected.size);
    ck_assert_int_eq(disk_read_sync(scenario->disk, file, data, size, 0), 0);
    ck_assert_mem_eq(data, scenario->expected.data, size);
    ck_assert_int_eq(metadata_load(&metadata, scenario->disk, TEST_MAGIC, size), 0);
    ck_assert_uint_eq(metadata.count, COUNT);
    ck_assert_uint_eq(metadata.bad_count, 0);
    ck_assert_uint_eq(metadata.synced_end, size);
    ck_assert(!metadata_next_gap(&metadata, 0, size, &start, &end));
    metadata_clear(&metadata);
    free(data);
}

START_TEST(appends_and_records_are_where_they_belong)
{
    struct disk_fixture fixture;
    struct scenario scenario;
    struct prng prng;

    fixture_open(&fixture, _i);
    prng_init(&prng, (uint64_t)_i);
    make_blocks(&scenario, 1);
    ck_assert_int_eq(open_store(&scenario, fixture.disk), 0);
    give_all(&scenario, &prng);
    ck_assert_uint_eq(scenario.promised, COUNT);
    ck_assert_uint_eq(scenario.synced_end, scenario.expected.size);
    check_whole(&scenario);

    struct writer_stats stats = writer_stats(scenario.writer);

    ck_assert_uint_eq(stats.append_count, COUNT);
    ck_assert_uint_eq(stats.appended_size, scenario.expected.size);
    ck_assert_uint_eq(stats.written_end, scenario.expected.size);
    ck_assert_uint_lt(stats.write_count, COUNT); /* several go in one write */
    writer_free(scenario.writer);
    fixture_close(&fixture);
    free_blocks(&scenario);
}
END_TEST

/* Whole records, as far as the size that was seen. */
static size_t read_along(struct disk *disk, const struct scenario *scenario)
{
    struct disk_file *file = must_open(disk, BLOCKS_NAME, 0);
    struct scanner scanner;
    struct record record;
    enum scan_result result;
    uint64_t size;
    size_t count = 0;

    ck_assert_int_eq(disk_file_size(file, &size), 0);
    scanner_init(&scanner, disk, file, TEST_MAGIC, 0, size);
    while ((result = scanner_next(&scanner, &record)) == SCAN_RECORD) {
        ck_assert_mem_eq(record.data.data, scenario->blocks[count].data, record.size);
        count++;
    }
    ck_assert(result == SCAN_END || result == SCAN_TRUNCATED);
    scanner_clear(&scanner);
    disk_file_close(file);
    return count;
}

/* A tool with plain reads and without the lock, while the node writes. */
START_TEST(another_process_reads_along)
{
    struct disk_fixture fixture;
    struct scenario scenario;
    struct disk *reader;
    size_t seen = 0;

    fixture_open(&fixture, ON_RING);
    make_blocks(&scenario, 1);
    ck_assert_int_eq(open_store(&scenario, fixture.disk), 0);
    ck_assert_int_eq(disk_open_plain(&reader, fixture.directory), 0);
    while (scenario.written < COUNT) {
        give(&scenario, 1);
        turn(&scenario);

        size_t count = read_along(reader, &scenario);

        ck_assert(count >= seen && count >= scenario.written);
        seen = count;
    }
    disk_close(reader);
    run_until_idle(&scenario);
    writer_free(scenario.writer);
    fixture_close(&fixture);
    free_blocks(&scenario);
}
END_TEST

/* The machine dies at its nth change, comes up, is looked at, and goes on to the end. */
static bool crash_run(uint64_t seed, uint64_t crash_at)
{
    struct simdisk *sim = simdisk_new(seed);
    struct scenario scenario;
    struct prng prng;

    make_blocks(&scenario, seed);
    prng_init(&prng, seed);
    simdisk_set_delays(sim, seed % 2);
    simdisk_set_short(sim, seed % 2);
    simdisk_crash_at(sim, crash_at);

    struct disk *disk = simdisk_open(sim);
    int error = open_store(&scenario, disk);

    if (error == 0) {
        give_all(&scenario, &prng);
        close_store(&scenario);
    } else {
        ck_assert(error == -EIO && simdisk_has_crashed(sim));
        disk_close(disk);
    }

    bool has_crashed = simdisk_has_crashed(sim);

    ck_assert(has_crashed || scenario.promised == COUNT);
    scenario.is_waiting = false;
    scenario.append_error = 0;
    simdisk_reboot(sim, seed * 1000 + crash_at);
    ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
    give_all(&scenario, &prng);
    check_whole(&scenario);
    close_store(&scenario);
    free_blocks(&scenario);
    simdisk_free(sim);
    return has_crashed;
}

START_TEST(nothing_promised_is_lost_in_a_crash_after_any_operation)
{
    uint64_t runs = 0;

    for (uint64_t seed = 0; seed < 12; seed++)
        for (uint64_t crash_at = 1; crash_run(seed, crash_at); crash_at++)
            runs++;
    printf("%llu crashes\n", (unsigned long long)runs);
    ck_assert_uint_gt(runs, 100);
}
END_TEST

/* Rule 3: what waits is synced after ten seconds and not before. */
START_TEST(unsynced_data_waits_ten_seconds)
{
    struct simdisk *sim = simdisk_new(1);
    struct scenario scenario;

    make_blocks(&scenario, 1);
    ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
    ck_assert_int_eq(writer_tick(scenario.writer, 1000), -1);
    scenario.now_ms = 5000;
    give(&scenario, 3);
    run_until_idle(&scenario);
    ck_assert_int_eq(writer_tick(scenario.writer, 5000), WRITER_SYNC_MS);
    ck_assert_int_eq(writer_tick(scenario.writer, 5000 + WRITER_SYNC_MS - 1), 1);
    ck_assert_uint_eq(disk_pending(scenario.disk), 0);
    ck_assert_uint_eq(writer_stats(scenario.writer).sync_count, 0);
    scenario.now_ms = 5000 + WRITER_SYNC_MS;
    run_until_idle(&scenario);
    ck_assert_uint_eq(writer_stats(scenario.writer).sync_count, 1);
    ck_assert_uint_eq(scenario.synced_end, scenario.blocks[3].pos - RECORD_HEADER_SIZE);
    ck_assert_int_eq(writer_tick(scenario.writer, scenario.now_ms), -1);

    /* A changed mark alone waits as long, and needs no sync of blocks.bin. */
    struct metadata_record record = test_record(&scenario.blocks[0], 0);

    record.mark = MARK_INVALID;
    writer_record(scenario.writer, &record);
    ck_assert_int_eq(writer_tick(scenario.writer, 50000), WRITER_SYNC_MS);
    scenario.now_ms = 50000 + WRITER_SYNC_MS;
    run_until_idle(&scenario);
    ck_assert_uint_eq(writer_stats(scenario.writer).sync_count, 1);

    struct metadata metadata;

    ck_assert_int_eq(metadata_load(&metadata, scenario.disk, TEST_MAGIC, 1 << 20), 0);
    ck_assert(metadata.count == 3 && metadata.records[0].mark == MARK_INVALID);
    ck_assert_uint_eq(metadata.old_count, 1);
    metadata_clear(&metadata);
    close_store(&scenario);
    simdisk_free(sim);
    free_blocks(&scenario);
}
END_TEST

START_TEST(much_unsynced_data_does_not_wait)
{
    enum { BLOCKS = WRITER_SYNC_SIZE / (BLOCK_SIZE_MAX + RECORD_HEADER_SIZE) + 1 };
    struct disk_fixture fixture;
    struct scenario scenario;
    struct prng prng;

    fixture_open(&fixture, ON_RING);
    make_blocks(&scenario, 1);
    prng_init(&prng, 1);

    struct test_block large = test_block_new(&prng, BLOCK_SIZE_MAX);

    ck_assert_int_eq(open_store(&scenario, fixture.disk), 0);
    for (size_t i = 0; i < COUNT; i++)
        free(scenario.blocks[i].data);
    for (uint64_t i = 0, end = 0; i < BLOCKS; i++) { /* COUNT of them have a place in the arrays */
        struct append *append = &scenario.appends[i % COUNT];

        *append = (struct append){
            .pos = record_pos(end), .block = {large.data, large.size}, .done = appended};
        scenario.blocks[i % COUNT] = large;
        scenario.blocks[i % COUNT].pos = append->pos;
        scenario.written = i % COUNT;
        writer_append(scenario.writer, append);
        end = record_end(append->pos, large.size);
        run_until_idle(&scenario); /* written */
        run_until_idle(&scenario); /* and synced, if that is due */
        ck_assert_uint_eq(writer_stats(scenario.writer).sync_count,
                          end >= WRITER_SYNC_SIZE ? 1 : 0);
    }
    ck_assert_uint_ge(scenario.synced_end, WRITER_SYNC_SIZE);
    writer_free(scenario.writer);
    fixture_close(&fixture);
    free(large.data);
    free(scenario.expected.data);
}
END_TEST

/* Rule 5, for each operation that can fail. */
START_TEST(the_first_failure_is_the_last_try)
{
    static const struct {
        enum disk_kind kind;
        uint64_t nth;
        int error;
    } cases[] = {
        {DISK_WRITE, 1, -EIO}, {DISK_WRITE, 1, -ENOSPC}, {DISK_WRITE, 2, -EIO},
        {DISK_SYNC, 1, -EIO},  {DISK_SYNC, 2, -EIO},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct simdisk *sim = simdisk_new(i);
        struct scenario scenario;

        make_blocks(&scenario, i);
        ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
        simdisk_fail(sim, cases[i].kind, cases[i].nth, cases[i].error);
        give(&scenario, 3);
        ask_for_sync(&scenario);
        run_until_idle(&scenario);
        /* The second write and sync are those of metadata.bin: the appends are done by then. */
        ck_assert_int_eq(scenario.append_error,
                         cases[i].kind == DISK_WRITE && cases[i].nth == 1 ? cases[i].error : 0);
        ck_assert_int_eq(scenario.sync_error, cases[i].error);
        ck_assert_int_eq(scenario.reported_error, cases[i].error);

        uint64_t changes = simdisk_changes(sim);

        give(&scenario, 1);
        ask_for_sync(&scenario);
        scenario.now_ms += 100000;
        run_until_idle(&scenario);
        ck_assert_int_eq(scenario.append_error, cases[i].error);
        ck_assert_uint_eq(simdisk_changes(sim), changes);
        ck_assert_int_eq(scenario.error_reports, 1);
        ck_assert_uint_eq(scenario.synced_end, 0);
        close_store(&scenario);
        simdisk_free(sim);
        free_blocks(&scenario);
    }
}
END_TEST

/* What was written before is not synced after a failure either. */
START_TEST(after_a_failure_nothing_is_tried)
{
    struct simdisk *sim = simdisk_new(1);
    struct scenario scenario;

    make_blocks(&scenario, 1);
    ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
    give(&scenario, 2);
    run_until_idle(&scenario);
    simdisk_fail(sim, DISK_WRITE, 1, -EIO);
    give(&scenario, 1);
    run_until_idle(&scenario);
    ck_assert_int_eq(scenario.reported_error, -EIO);

    uint64_t changes = simdisk_changes(sim);

    for (int i = 0; i < 5; i++) {
        scenario.now_ms += 2 * WRITER_SYNC_MS;
        ck_assert_int_eq(writer_tick(scenario.writer, scenario.now_ms), -1);
        run_until_idle(&scenario);
    }
    ck_assert_uint_eq(simdisk_changes(sim), changes);
    ck_assert_uint_eq(scenario.synced_end, 0);
    close_store(&scenario);
    simdisk_free(sim);
    free_blocks(&scenario);
}
END_TEST

START_TEST(many_waiting_records_are_written)
{
    struct simdisk *sim = simdisk_new(1);
    struct scenario scenario;
    struct metadata metadata;

    make_blocks(&scenario, 1);
    ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
    give(&scenario, 1);
    run_until_idle(&scenario);

    struct metadata_record record = test_record(&scenario.blocks[0], 0);

    for (int i = 1; i < 16383; i++)
        writer_record(scenario.writer, &record);
    run_until_idle(&scenario);
    ck_assert_uint_eq(scenario.synced_end, 0);
    writer_record(scenario.writer, &record);
    run_until_idle(&scenario);
    ck_assert_uint_eq(scenario.synced_end, record.pos + record.size);
    ck_assert_int_eq(metadata_load(&metadata, scenario.disk, TEST_MAGIC, 1 << 20), 0);
    ck_assert(metadata.count == 1 && metadata.old_count == 16383);
    metadata_clear(&metadata);
    close_store(&scenario);
    simdisk_free(sim);
    free_blocks(&scenario);
}
END_TEST

START_TEST(a_full_disk_loses_nothing_that_was_stored)
{
    struct scenario scenario;
    struct prng prng;

    make_blocks(&scenario, 1);
    prng_init(&prng, 1);
    for (uint64_t capacity = 0; capacity < scenario.expected.size; capacity += 500) {
        struct simdisk *sim = simdisk_new(capacity);

        scenario.promised = scenario.promise_asked = 0;
        scenario.is_waiting = false;
        scenario.append_error = 0;
        ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
        simdisk_set_capacity(sim, capacity);
        give_all(&scenario, &prng);
        ck_assert_int_eq(scenario.reported_error, -ENOSPC);
        close_store(&scenario);
        simdisk_reboot(sim, capacity); /* there is room again */
        scenario.is_waiting = false;
        scenario.append_error = 0;
        ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
        give_all(&scenario, &prng);
        check_whole(&scenario);
        close_store(&scenario);
        simdisk_free(sim);
    }
    free_blocks(&scenario);
}
END_TEST

static void repaired(struct append *append, int error)
{
    (void)append;
    ck_assert_int_eq(error, 0);
    current->written = COUNT + 1;
}

START_TEST(a_rotten_block_is_put_right_in_place)
{
    struct simdisk *sim = simdisk_new(1);
    struct scenario scenario;
    struct prng prng;

    make_blocks(&scenario, 1);
    prng_init(&prng, 1);
    ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
    give_all(&scenario, &prng);

    const struct test_block *block = &scenario.blocks[9];
    struct append repair = {
        .pos = block->pos, .block = {block->data, block->size}, .done = repaired};

    ck_assert(simdisk_flip(sim, BLOCKS_NAME, block->pos + 77, 4));
    writer_repair(scenario.writer, &repair);
    ask_for_sync(&scenario);
    run_until_idle(&scenario);
    ck_assert(scenario.written == COUNT + 1 && !scenario.is_waiting && scenario.sync_error == 0);
    writer_free(scenario.writer);
    simdisk_reboot(sim, 1);
    disk_close(scenario.disk);
    ck_assert_int_eq(open_store(&scenario, simdisk_open(sim)), 0);
    check_whole(&scenario);
    close_store(&scenario);
    simdisk_free(sim);
    free_blocks(&scenario);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("writer");
    TCase *each = tcase_create("each backend");
    TCase *rules = tcase_create("rules");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(rules, 120);
    tcase_add_loop_test(each, appends_and_records_are_where_they_belong, 0, DISK_KIND_COUNT);
    tcase_add_test(rules, another_process_reads_along);
    tcase_add_test(rules, nothing_promised_is_lost_in_a_crash_after_any_operation);
    tcase_add_test(rules, unsynced_data_waits_ten_seconds);
    tcase_add_test(rules, much_unsynced_data_does_not_wait);
    tcase_add_test(rules, the_first_failure_is_the_last_try);
    tcase_add_test(rules, after_a_failure_nothing_is_tried);
    tcase_add_test(rules, many_waiting_records_are_written);
    tcase_add_test(rules, a_full_disk_loses_nothing_that_was_stored);
    tcase_add_test(rules, a_rotten_block_is_put_right_in_place);
    suite_add_tcase(suite, each);
    suite_add_tcase(suite, rules);
    srunner_run_all(runner, CK_NORMAL);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed > 0;
}
