#include "base/random.h"
#include "disk_kinds.h"

#define SECTOR       512
#define SECTOR_COUNT 24

static void write_fill(struct disk *disk, struct disk_file *file, uint8_t fill, size_t size,
                       uint64_t offset)
{
    uint8_t data[SECTOR * 8];

    memset(data, fill, sizeof data);
    ck_assert_int_eq(disk_write_sync(disk, file, data, size, offset), 0);
}

/* What a naive record of the history allows each sector to hold. */
struct history {
    bool may[SECTOR_COUNT][256];
    uint8_t now[SECTOR_COUNT];
};

static void history_sync(struct history *history)
{
    memset(history->may, 0, sizeof history->may);
    for (size_t i = 0; i < SECTOR_COUNT; i++)
        history->may[i][history->now[i]] = true;
}

/* Random writes and syncs until the machine dies at the given change; then every sector holds one
 * of the values it had since its last sync, whole. Returns whether the run ended before the crash.
 */
static bool crash_run(uint64_t seed, uint64_t crash_at, size_t *old_count, size_t *new_count)
{
    struct simdisk *sim = simdisk_new(seed);
    struct disk *disk = simdisk_open(sim);
    struct disk_file *file = must_open(disk, "f", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    struct history history = {.now = {0}};
    struct prng prng;

    prng_init(&prng, seed);
    write_fill(disk, file, 0, SECTOR * 8, 0);
    write_fill(disk, file, 0, SECTOR * 8, SECTOR * 8);
    write_fill(disk, file, 0, SECTOR * 8, SECTOR * 16);
    ck_assert_int_eq(disk_sync(disk, file), 0);
    ck_assert_int_eq(disk_sync_dir(disk, "."), 0);
    history_sync(&history);
    simdisk_crash_at(sim, simdisk_changes(sim) + crash_at);
    for (uint8_t step = 1; step < 60 && !simdisk_has_crashed(sim); step++) {
        uint8_t data[SECTOR * 4];
        size_t first = prng_below(&prng, SECTOR_COUNT - 4);
        size_t count = 1 + prng_below(&prng, 4);

        if (prng_below(&prng, 4) == 0) {
            if (disk_sync(disk, file) == 0)
                history_sync(&history);
            continue;
        }
        memset(data, step, sizeof data);

        int error = disk_write_sync(disk, file, data, count * SECTOR, first * SECTOR);

        ck_assert(error == (simdisk_has_crashed(sim) ? -EIO : 0));
        for (size_t i = first; i < first + count; i++) {
            history.now[i] = step;
            history.may[i][step] = true;
        }
    }

    bool has_crashed = simdisk_has_crashed(sim);
    uint8_t data[SECTOR];

    if (has_crashed) {
        ck_assert_int_eq(disk_read_sync(disk, file, data, 1, 0), -EIO);
        ck_assert_int_eq(disk_sync(disk, file), -EIO);
    }
    simdisk_reboot(sim, seed ^ crash_at);
    ck_assert_int_eq(disk_read_sync(disk, file, data, 1, 0), -EIO); /* opened before */
    disk_close(disk);
    disk = simdisk_open(sim);
    file = must_open(disk, "f", 0);
    for (size_t i = 0; i < SECTOR_COUNT; i++) {
        ck_assert_int_eq(disk_read_sync(disk, file, data, SECTOR, i * SECTOR), 0);
        ck_assert(memcmp(data, data + 1, SECTOR - 1) == 0); /* sectors are not torn */
        ck_assert(history.may[i][data[0]]);
        *old_count += data[0] != history.now[i];
        *new_count += data[0] == history.now[i];
    }
    disk_close(disk);
    simdisk_free(sim);
    return !has_crashed;
}

START_TEST(a_crash_leaves_what_was_synced_and_some_of_the_rest)
{
    size_t old_count = 0;
    size_t new_count = 0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t crash_at = 1;

        while (!crash_run(seed, crash_at, &old_count, &new_count))
            crash_at++;
        ck_assert_uint_gt(crash_at, 20);
    }
    ck_assert_uint_gt(old_count, 100); /* a disk that loses nothing would test nothing */
    ck_assert_uint_gt(new_count, 100);
}
END_TEST

/* Of one write over eight sectors: all outcomes from nothing to everything, out of order too. */
START_TEST(writes_are_torn_lost_and_reordered)
{
    bool is_lost = false, is_whole = false, is_torn = false, is_reordered = false;

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct simdisk *sim = simdisk_new(seed);
        struct disk *disk = simdisk_open(sim);
        struct disk_file *file = must_open(disk, "f", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
        uint8_t data[SECTOR * 8];
        int kept = 0;

        write_fill(disk, file, 1, SECTOR * 8, 0);
        ck_assert_int_eq(disk_sync(disk, file), 0);
        ck_assert_int_eq(disk_sync_dir(disk, "."), 0);
        write_fill(disk, file, 2, SECTOR * 8, 0);
        write_fill(disk, file, 3, SECTOR, 0);
        simdisk_reboot(sim, seed);
        disk_close(disk);
        disk = simdisk_open(sim);
        file = must_open(disk, "f", 0);
        ck_assert_int_eq(disk_read_sync(disk, file, data, sizeof data, 0), 0);
        for (int i = 1; i < 8; i++)
            kept += data[i * SECTOR] == 2;
        is_lost |= kept == 0;
        is_whole |= kept == 7;
        is_torn |= kept > 0 && kept < 7;
        is_reordered |= data[0] == 3 && kept < 7;
        disk_close(disk);
        simdisk_free(sim);
    }
    ck_assert(is_lost && is_whole && is_torn && is_reordered);
}
END_TEST

/* A file that has grown since its last sync has some size between, and zeros where data was lost.
 */
START_TEST(sizes_are_volatile_too)
{
    bool is_old = false, is_new = false, has_zeros = false;

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct simdisk *sim = simdisk_new(seed);
        struct disk *disk = simdisk_open(sim);
        struct disk_file *file = must_open(disk, "f", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
        uint8_t data[3000];
        uint64_t size;

        write_fill(disk, file, 1, 1000, 0);
        ck_assert_int_eq(disk_sync(disk, file), 0);
        ck_assert_int_eq(disk_sync_dir(disk, "."), 0);
        write_fill(disk, file, 2, 1000, 1000);
        write_fill(disk, file, 3, 1000, 2000);
        simdisk_reboot(sim, seed);
        disk_close(disk);
        disk = simdisk_open(sim);
        file = must_open(disk, "f", 0);
        ck_assert_int_eq(disk_file_size(file, &size), 0);
        ck_assert(size == 1000 || size == 2000 || size == 3000);
        ck_assert_int_eq(disk_read_sync(disk, file, data, size, 0), 0);
        for (size_t i = 0; i < size; i++) {
            ck_assert(data[i] == i / 1000 + 1 || (i >= 1000 && data[i] == 0));
            has_zeros |= data[i] == 0;
        }
        is_old |= size == 1000;
        is_new |= size == 3000;
        disk_close(disk);
        simdisk_free(sim);
    }
    ck_assert(is_old && is_new && has_zeros);
}
END_TEST

struct plain_op {
    struct disk_op op;
    int64_t result;
};

static void plain_done(struct disk_op *op, int64_t result)
{
    ((struct plain_op *)op)->result = result;
}

/* A sync submitted while a write is under way promises nothing for it, whichever is done first. */
START_TEST(a_sync_covers_only_what_was_complete_at_its_submission)
{
    int lost_count = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct simdisk *sim = simdisk_new(seed);
        struct disk *disk = simdisk_open(sim);
        struct disk_file *file = must_open(disk, "f", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
        struct plain_op write, sync;
        char byte = 'x';
        char got = 0;

        ck_assert_int_eq(disk_write_sync(disk, file, "-", 1, 0), 0);
        ck_assert_int_eq(disk_sync(disk, file), 0);
        ck_assert_int_eq(disk_sync_dir(disk, "."), 0);
        disk_op_init(&write.op, DISK_WRITE, file, &byte, 1, 0, plain_done);
        disk_op_init(&sync.op, DISK_SYNC, file, NULL, 0, 0, plain_done);
        disk_submit(disk, &write.op);
        disk_submit(disk, &sync.op);
        run_all(disk);
        ck_assert(write.result == 1 && sync.result == 0);
        simdisk_reboot(sim, seed);
        disk_close(disk);
        disk = simdisk_open(sim);
        file = must_open(disk, "f", 0);
        ck_assert_int_eq(disk_read_sync(disk, file, &got, 1, 0), 0);
        lost_count += got == '-';
        disk_close(disk);
        simdisk_free(sim);
    }
    ck_assert(lost_count > 10 && lost_count < 90);
}
END_TEST

/* The way of every file that is replaced: after a crash at any point the old or the new one is
 * there, and after the last step the new one. Leaving out the sync of the file, or of the
 * directory, shows. */
static void replace_file(uint64_t seed, uint64_t crash_at, bool syncs_file, bool syncs_dir,
                         int *old_count, int *new_count, int *bad_count)
{
    struct simdisk *sim = simdisk_new(seed);
    struct disk *disk = simdisk_open(sim);
    struct disk_file *file;
    uint8_t data[2000] = {0};
    uint64_t size = 0;

    memset(data, 1, sizeof data);
    simdisk_put(sim, "dir/f", (struct bytes){data, sizeof data});
    simdisk_crash_at(sim, crash_at);
    memset(data, 2, sizeof data);

    int error = disk_file_open(disk, &file, "dir/f.new", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    if (error == 0)
        error = disk_write_sync(disk, file, data, sizeof data, 0);
    if (error == 0 && syncs_file)
        error = disk_sync(disk, file);
    if (error == 0)
        error = disk_rename(disk, "dir/f.new", "dir/f");
    if (error == 0 && syncs_dir)
        error = disk_sync_dir(disk, "dir");
    simdisk_reboot(sim, seed);
    disk_close(disk);
    disk = simdisk_open(sim);
    file = must_open(disk, "dir/f", 0);
    ck_assert_int_eq(disk_file_size(file, &size), 0);

    bool is_whole = size == sizeof data && disk_read_sync(disk, file, data, size, 0) == 0 &&
                    memcmp(data, data + 1, sizeof data - 1) == 0;

    *bad_count += !is_whole || data[0] == 0;
    *old_count += is_whole && data[0] == 1;
    *new_count += is_whole && data[0] == 2;
    disk_close(disk);
    simdisk_free(sim);
}

START_TEST(a_replaced_file_is_the_old_or_the_new_one)
{
    int old_count = 0, new_count = 0, bad_count = 0;

    for (uint64_t seed = 0; seed < 100; seed++)
        for (uint64_t crash_at = 1; crash_at <= 5; crash_at++)
            replace_file(seed, crash_at, true, true, &old_count, &new_count, &bad_count);
    ck_assert(bad_count == 0 && old_count > 50 && new_count > 50);

    old_count = 0;
    for (uint64_t seed = 0; seed < 100; seed++)
        replace_file(seed, 0, true, true, &old_count, &new_count, &bad_count);
    ck_assert(bad_count == 0 && old_count == 0);

    for (uint64_t seed = 0; seed < 100; seed++)
        replace_file(seed, 0, true, false, &old_count, &new_count, &bad_count);
    ck_assert(bad_count == 0 && old_count > 0);

    for (uint64_t seed = 0; seed < 100; seed++)
        replace_file(seed, 0, false, true, &old_count, &new_count, &bad_count);
    ck_assert_int_gt(bad_count, 0);
}
END_TEST

START_TEST(names_and_directories_survive_when_synced)
{
    int gone_count = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct simdisk *sim = simdisk_new(seed);
        struct disk *disk = simdisk_open(sim);
        struct disk_file *file;

        ck_assert_int_eq(disk_make_dir(disk, "d"), 0);
        file = must_open(disk, "d/synced", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
        ck_assert_int_eq(disk_sync_dir(disk, "d"), 0);
        if (seed % 2 == 0)
            ck_assert_int_eq(disk_sync_dir(disk, "."), 0);
        must_open(disk, "d/other", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
        simdisk_reboot(sim, seed);
        disk_close(disk);
        disk = simdisk_open(sim);
        if (seed % 2 == 0)
            must_open(disk, "d/synced", 0);
        gone_count += disk_file_open(disk, &file, "d/synced", 0) == -ENOENT;
        disk_close(disk);
        simdisk_free(sim);
    }
    ck_assert(gone_count > 5 && gone_count < 50); /* with its directory, which nobody had synced */
}
END_TEST

START_TEST(after_a_failed_sync_a_later_one_does_not_help)
{
    int lost_count = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct simdisk *sim = simdisk_new(seed);
        struct disk *disk = simdisk_open(sim);
        struct disk_file *file = must_open(disk, "f", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
        uint8_t data[2 * SECTOR];

        write_fill(disk, file, 1, 2 * SECTOR, 0);
        ck_assert_int_eq(disk_sync(disk, file), 0);
        ck_assert_int_eq(disk_sync_dir(disk, "."), 0);
        write_fill(disk, file, 2, 2 * SECTOR, 0);
        simdisk_fail(sim, DISK_SYNC, 1, -EIO);
        ck_assert_int_eq(disk_sync(disk, file), -EIO);
        ck_assert_int_eq(disk_sync(disk, file), 0);
        write_fill(disk, file, 3, SECTOR, 0); /* written anew: this counts again */
        ck_assert_int_eq(disk_sync(disk, file), 0);
        simdisk_reboot(sim, seed);
        disk_close(disk);
        disk = simdisk_open(sim);
        file = must_open(disk, "f", 0);
        ck_assert_int_eq(disk_read_sync(disk, file, data, sizeof data, 0), 0);
        ck_assert_uint_eq(data[0], 3);
        lost_count += data[SECTOR] == 1;
        disk_close(disk);
        simdisk_free(sim);
    }
    ck_assert(lost_count > 10 && lost_count < 90);
}
END_TEST

START_TEST(errors_come_when_asked_for)
{
    struct simdisk *sim = simdisk_new(1);
    struct disk *disk = simdisk_open(sim);
    struct disk_file *file = must_open(disk, "f", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    uint8_t data[100] = {0};
    uint64_t size;

    simdisk_fail(sim, DISK_WRITE, 2, -EIO);
    ck_assert_int_eq(disk_write_sync(disk, file, data, 50, 0), 0);
    ck_assert_int_eq(disk_write_sync(disk, file, data, 50, 50), -EIO);
    ck_assert_int_eq(disk_write_sync(disk, file, data, 50, 50), 0);
    simdisk_fail(sim, DISK_READ, 1, -EIO);
    ck_assert_int_eq(disk_read_sync(disk, file, data, 50, 50), -EIO);
    ck_assert_int_eq(disk_read_sync(disk, file, data, 50, 50), 0);
    simdisk_fail(sim, DISK_RENAME, 1, -ENOSPC);
    ck_assert_int_eq(disk_rename(disk, "f", "g"), -ENOSPC);
    simdisk_fail(sim, DISK_SYNC_DIR, 1, -EIO);
    ck_assert_int_eq(disk_sync_dir(disk, "."), -EIO);

    simdisk_set_capacity(sim, 120);
    ck_assert_int_eq(disk_write_sync(disk, file, data, 100, 0), 0); /* nothing new */
    ck_assert_int_eq(disk_write_sync(disk, file, data, 20, 100), 0);
    ck_assert_int_eq(disk_write_sync(disk, file, data, 1, 120), -ENOSPC);
    simdisk_set_capacity(sim, 150);
    ck_assert_int_eq(disk_write_sync(disk, file, data, 50, 110), -ENOSPC);
    ck_assert_int_eq(disk_file_size(file, &size), 0);
    ck_assert_uint_eq(size, 150); /* what fits is written */

    /* the creation, four writes, and two that found no space, one of them after a part */
    ck_assert_uint_eq(simdisk_changes(sim), 1 + 4 + 1 + 2);
    disk_close(disk);
    simdisk_free(sim);
}
END_TEST

START_TEST(files_come_and_go_whole)
{
    struct simdisk *sim = simdisk_new(1);
    const uint8_t text[] = "some bytes";
    char path[] = "/tmp/caesure-sim-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    simdisk_put(sim, "a", (struct bytes){text, sizeof text});
    ck_assert_int_eq(simdisk_save(sim, "a", path), 0);
    ck_assert_int_eq(simdisk_load(sim, "b/c", path), 0);
    ck_assert_int_eq(simdisk_load(sim, "d", "/nowhere/x"), -ENOENT);
    ck_assert_int_eq(simdisk_save(sim, "none", path), -ENOENT);
    ck_assert(simdisk_flip(sim, "b/c", 3, 0x20));
    ck_assert(!simdisk_flip(sim, "b/c", sizeof text, 1));
    ck_assert(!simdisk_flip(sim, "none", 0, 1));
    simdisk_reboot(sim, 5);

    struct bytes got = simdisk_get(sim, "b/c");

    ck_assert_uint_eq(got.size, sizeof text);
    ck_assert_str_eq((const char *)got.data, "somE bytes");
    free((void *)got.data);
    ck_assert_ptr_null(simdisk_get(sim, "none").data);
    unlink(path);
    simdisk_free(sim);
}
END_TEST

int main(void)
{
    return SUITE_RUN("simdisk", a_crash_leaves_what_was_synced_and_some_of_the_rest,
                     writes_are_torn_lost_and_reordered, sizes_are_volatile_too,
                     a_sync_covers_only_what_was_complete_at_its_submission,
                     a_replaced_file_is_the_old_or_the_new_one,
                     names_and_directories_survive_when_synced,
                     after_a_failed_sync_a_later_one_does_not_help, errors_come_when_asked_for,
                     files_come_and_go_whole);
}
