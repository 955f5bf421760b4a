/* The undo ring on the simulated disk. */
#include "base/random.h"
#include "io/simdisk.h"
#include "ledger/checkpoint.h"
#include "ledger/undo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS      20
#define FILE_BLOCKS 7

static struct block_hash hash_of(uint32_t i)
{
    struct block_hash hash = {{0xab}};

    le32_write(hash.bytes + 4, i);
    return hash;
}

/* Block i has i % 50 words, each tenth 5,000. */
static uint64_t *words_of(uint32_t i, uint32_t *count)
{
    struct prng prng;

    prng_init(&prng, i);
    *count = i % 10 == 9 ? 5000 : i % 50;
    uint64_t *words = xmalloc(*count * sizeof *words);
    prng_fill(&prng, words, *count * sizeof *words);
    return words;
}

static int append(struct undo_ring *ring, uint32_t i)
{
    struct block_hash hash = hash_of(i);
    uint32_t count;
    uint64_t *words = words_of(i, &count);
    int rc = undo_append(ring, (int32_t)i, &hash, words, count);

    free(words);
    return rc;
}

static int read_checked(struct undo_ring *ring, uint32_t i)
{
    struct block_hash hash = hash_of(i);
    uint32_t count, got_count;
    uint64_t *got;
    int rc = undo_read(ring, &hash, &got, &got_count);

    ck_assert_int_eq(undo_has(ring, &hash), rc != -ENOENT);
    if (rc != 0)
        return rc;
    uint64_t *words = words_of(i, &count);
    ck_assert_uint_eq(count, got_count);
    if (count > 0)
        ck_assert_mem_eq(words, got, count * sizeof *words);
    free(words);
    free(got);
    return 0;
}

static struct simdisk *disk_with_directory(void)
{
    struct simdisk *simdisk = simdisk_new(3);
    struct disk *disk = simdisk_open(simdisk);
    uint8_t key[LEDGER_KEY_SIZE] = {0};

    ck_assert_int_eq(checkpoint_key_save(disk, key), 0);
    disk_close(disk);
    return simdisk;
}

START_TEST(the_last_blocks_are_kept_and_older_files_go)
{
    struct simdisk *simdisk = disk_with_directory();
    struct disk *disk = simdisk_open(simdisk);
    struct undo_ring *ring;

    ck_assert_int_eq(undo_open(disk, BLOCKS, FILE_BLOCKS, &ring), 0);
    for (uint32_t i = 0; i < 300; i++) {
        ck_assert_int_eq(append(ring, i), 0);
        for (uint32_t k = i < BLOCKS ? 0 : i - BLOCKS + 1; k <= i; k++)
            ck_assert_int_eq(read_checked(ring, k), 0);
        if (i >= BLOCKS + 2 * FILE_BLOCKS)
            ck_assert_int_eq(read_checked(ring, i - BLOCKS - 2 * FILE_BLOCKS), -ENOENT);
        if (i % 40 == 39) { /* what was synced is there when it is opened again */
            ck_assert_int_eq(undo_sync(ring), 0);
            undo_close(ring);
            ck_assert_int_eq(undo_open(disk, BLOCKS, FILE_BLOCKS, &ring), 0);
        }
    }
    undo_close(ring);
    disk_close(disk);
    simdisk_free(simdisk);
}
END_TEST

START_TEST(what_was_synced_survives_a_crash_at_any_change)
{
    bool is_over = false;

    for (uint64_t change = 1; !is_over; change++) {
        struct simdisk *simdisk = disk_with_directory();
        struct disk *disk = simdisk_open(simdisk);
        struct undo_ring *ring = NULL;
        uint32_t synced = 0, i = 0;

        simdisk_crash_at(simdisk, simdisk_changes(simdisk) + change);
        int rc = undo_open(disk, BLOCKS, FILE_BLOCKS, &ring);
        for (; rc == 0 && i < 60; i++) {
            rc = append(ring, i);
            if (rc == 0 && i % 4 == 3 && (rc = undo_sync(ring)) == 0)
                synced = i + 1;
        }
        is_over = !simdisk_has_crashed(simdisk);
        undo_close(ring);
        disk_close(disk);
        simdisk_reboot(simdisk, change);

        disk = simdisk_open(simdisk);
        ck_assert_int_eq(undo_open(disk, BLOCKS, FILE_BLOCKS, &ring), 0);
        for (uint32_t k = i < BLOCKS ? 0 : i - BLOCKS; k < 80; k++) {
            rc = read_checked(ring, k);
            ck_assert_msg(rc == 0 || (rc == -ENOENT && k >= synced),
                          "change %llu, block %u of %u synced: %d", (unsigned long long)change, k,
                          synced, rc);
        }
        for (uint32_t k = synced; k < 80; k++) { /* replayed and on */
            struct block_hash hash = hash_of(k);
            if (!undo_has(ring, &hash))
                ck_assert_int_eq(append(ring, k), 0);
        }
        for (uint32_t k = 80 - BLOCKS; k < 80; k++)
            ck_assert_int_eq(read_checked(ring, k), 0);
        undo_close(ring);
        disk_close(disk);
        simdisk_free(simdisk);
    }
}
END_TEST

START_TEST(a_damaged_byte_never_gives_other_words)
{
    struct simdisk *simdisk = disk_with_directory();
    struct disk *disk = simdisk_open(simdisk);
    struct undo_ring *ring;
    uint32_t damaged = 0;

    ck_assert_int_eq(undo_open(disk, BLOCKS, FILE_BLOCKS, &ring), 0);
    for (uint32_t i = 0; i < 9; i++) /* the first file is whole, the second begun */
        ck_assert_int_eq(append(ring, i), 0);
    ck_assert_int_eq(undo_sync(ring), 0);
    undo_close(ring);
    for (uint64_t at = 0; simdisk_flip(simdisk, CHECKPOINT_DIR "/undo.1", at, 4); at++) {
        ck_assert_int_eq(undo_open(disk, BLOCKS, FILE_BLOCKS, &ring), 0);
        for (uint32_t i = 0; i < 9; i++) {
            int rc = read_checked(ring, i);
            ck_assert(rc == 0 || rc == -ENOENT || rc == -EILSEQ);
            ck_assert(rc == 0 || i < 7);
            damaged += rc != 0;
        }
        undo_close(ring);
        simdisk_flip(simdisk, CHECKPOINT_DIR "/undo.1", at, 4);
    }
    ck_assert_uint_gt(damaged, 300);
    disk_close(disk);
    simdisk_free(simdisk);
}
END_TEST

START_TEST(a_failing_disk_is_told)
{
    static const enum disk_kind kinds[] = {DISK_WRITE, DISK_SYNC, DISK_SYNC_DIR};

    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        struct simdisk *simdisk = disk_with_directory();
        struct disk *disk = simdisk_open(simdisk);
        struct undo_ring *ring;
        int rc = 0;

        ck_assert_int_eq(undo_open(disk, BLOCKS, FILE_BLOCKS, &ring), 0);
        simdisk_fail(simdisk, kinds[k], 1, -EIO);
        for (uint32_t i = 0; rc == 0 && i < 10; i++)
            rc = append(ring, i);
        ck_assert_int_eq(rc, -EIO);
        undo_close(ring);
        disk_close(disk);
        simdisk_free(simdisk);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("undo");
    TCase *tcase = tcase_create("undo");

    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, the_last_blocks_are_kept_and_older_files_go);
    tcase_add_test(tcase, what_was_synced_survives_a_crash_at_any_change);
    tcase_add_test(tcase, a_damaged_byte_never_gives_other_words);
    tcase_add_test(tcase, a_failing_disk_is_told);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
