/* disk_kinds.h - the same test on every backend of io/disk.h. */
#ifndef TESTS_DISK_KINDS_H
#define TESTS_DISK_KINDS_H
#include "io/simdisk.h"
#include "io/uring_features.h"
#include "shared_files.h"
#include <ftw.h>
#include <unistd.h>

enum disk_backend_kind {
    ON_PLAIN,
    ON_RING,
    ON_RING_OF_ONE,  /* depth 1 */
    ON_RING_WITHOUT, /* all features off */
    ON_SIM,
    ON_SIM_DELAYED, /* delays and short transfers */
    DISK_KIND_COUNT
};

struct disk_fixture {
    struct disk *disk;
    struct simdisk *sim; /* or NULL */
    char directory[64];
};

static inline void fixture_open(struct disk_fixture *fixture, enum disk_backend_kind kind)
{
    char why[DISK_WHY_SIZE] = "";
    int error = 0;

    *fixture = (struct disk_fixture){.directory = "/tmp/caesure-disk-XXXXXX"};
    if (kind >= ON_SIM) {
        fixture->sim = simdisk_new(kind);
        fixture->disk = simdisk_open(fixture->sim);
        simdisk_set_delays(fixture->sim, kind == ON_SIM_DELAYED);
        simdisk_set_short(fixture->sim, kind == ON_SIM_DELAYED);
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    if (kind == ON_PLAIN)
        error = disk_open_plain(&fixture->disk, fixture->directory);
    else
        error = disk_open_ring(&fixture->disk, fixture->directory, kind == ON_RING_OF_ONE ? 1 : 16,
                               kind == ON_RING_WITHOUT ? UINT32_MAX : 0, why);
    ck_assert_msg(error == 0, "%s: %s", strerror(-error), why);
}

static inline int fixture_remove(const char *path, const struct stat *st, int type,
                                 struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static inline void fixture_close(struct disk_fixture *fixture)
{
    disk_close(fixture->disk);
    if (fixture->sim != NULL)
        simdisk_free(fixture->sim);
    else
        nftw(fixture->directory, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct disk_file *must_open(struct disk *disk, const char *name, unsigned flags)
{
    struct disk_file *file;
    int error = disk_file_open(disk, &file, name, flags);

    ck_assert_msg(error == 0, "%s: %s", name, strerror(-error));
    return file;
}

/* Waits until nothing is pending. */
static inline void run_all(struct disk *disk)
{
    while (disk_pending(disk) > 0)
        ck_assert_int_ge(disk_run(disk, -1), 0);
}
#endif
