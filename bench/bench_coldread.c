/* bench_coldread.c - reads of 4 KiB all over a file, as the prevouts of whole blocks are read:
 * through the page cache, and with O_DIRECT. bench/coldread runs it where the page cache cannot
 * hold the file.
 *
 *   bench_coldread FILE SIZE_MB [BLOCKS]     makes FILE if it is not there
 *
 * A slice is a block of 2,000 reads, sorted, 256 at once, and both ways take turns; what is read is
 * compared. CPU is the process's, the kernel's part for it included. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/disk.h"
#include "slices.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE  ((size_t)4096)
#define READS 2000
#define DEPTH 256
#define PIECE ((size_t)8 << 20)

enum way { BUFFERED, DIRECT, WAY_COUNT };

static const char *const names[] = {"through the page cache", "O_DIRECT"};

static uint64_t word_at(uint64_t offset)
{
    return (offset / 8 + 1) * 0x9e3779b97f4a7c15;
}

static int make(struct disk *disk, const char *path, uint64_t size)
{
    struct disk_file *file;
    uint64_t *piece = xmalloc(PIECE);
    int rc = disk_file_open(disk, &file, path, DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    for (uint64_t at = 0; rc == 0 && at < size; at += PIECE) {
        for (size_t i = 0; i < PIECE / 8; i++)
            piece[i] = word_at(at + i * 8);
        rc = disk_write_sync(disk, file, piece, PIECE, at);
    }
    if (rc == 0)
        rc = disk_sync(disk, file);
    free(piece);
    return rc;
}

/* The layer below opens files for the page cache only. */
static int make_direct(const char *path)
{
    char link[64], target[PATH_MAX], wanted[PATH_MAX];
    int found = -1;

    if (!realpath(path, wanted))
        return -errno;
    for (int fd = 3; fd < 64; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, target, sizeof target - 1);
        if (size > 0 && (target[size] = 0, strcmp(target, wanted) == 0))
            found = fd; /* the last opened */
    }
    return found >= 0 && fcntl(found, F_SETFL, O_DIRECT) == 0 ? 0 : -EINVAL;
}

struct page_read {
    struct disk_op op; /* first */
    uint64_t offset;
    uint8_t *data;
};

static void read_done(struct disk_op *op, int64_t result)
{
    struct page_read *read = (struct page_read *)op;
    uint64_t word;

    memcpy(&word, read->data, sizeof word);
    if (result != (int64_t)PAGE || word != word_at(read->offset)) {
        fprintf(stderr, "wrong bytes at %llu: %lld\n", (unsigned long long)read->offset,
                (long long)result);
        exit(1);
    }
}

static int rising(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int read_block(struct disk *disk, struct disk_file *file, struct page_read *reads,
                      const uint64_t *pages)
{
    int rc = 0;

    for (size_t i = 0; i < READS; i++) {
        reads[i].offset = pages[i] * PAGE;
        disk_op_init(&reads[i].op, DISK_READ, file, reads[i].data, PAGE, reads[i].offset,
                     read_done);
        disk_submit(disk, &reads[i].op);
    }
    while (rc >= 0 && disk_pending(disk) > 0)
        rc = disk_run(disk, -1);
    return rc < 0 ? rc : 0;
}

static int doubles_rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int measure(struct disk *disk, struct disk_file *files[WAY_COUNT], uint64_t page_count,
                   size_t blocks)
{
    struct page_read *reads = xcalloc(READS, sizeof *reads);
    uint8_t *memory = aligned_alloc(PAGE, READS * PAGE);
    double *cpu[WAY_COUNT], *wall_ms[WAY_COUNT];
    struct prng prng;
    int rc = 0;

    prng_init(&prng, 1);
    for (size_t i = 0; i < READS; i++)
        reads[i].data = memory + i * PAGE;
    for (int way = 0; way < WAY_COUNT; way++) {
        cpu[way] = xcalloc(blocks, sizeof(double));
        wall_ms[way] = xcalloc(blocks, sizeof(double));
    }
    for (size_t block = 0; block < blocks; block++)
        for (int way = 0; rc == 0 && way < WAY_COUNT; way++) {
            uint64_t pages[READS];
            for (size_t i = 0; i < READS; i++)
                pages[i] = prng_below(&prng, page_count);
            qsort(pages, READS, sizeof pages[0], rising);
            double cpu_start = slices_cpu_ns();
            uint64_t start = clock_monotonic_us();
            rc = read_block(disk, files[way], reads, pages);
            cpu[way][block] = (slices_cpu_ns() - cpu_start) / READS;
            wall_ms[way][block] = (double)(clock_monotonic_us() - start) / 1e3;
        }
    struct slice_series series[WAY_COUNT];
    for (int way = 0; way < WAY_COUNT; way++)
        series[way] = (struct slice_series){names[way], cpu[way]};
    if (rc == 0)
        slices_print("coldread", "read", series, WAY_COUNT, blocks);
    for (int way = 0; way < WAY_COUNT; way++) {
        qsort(wall_ms[way], blocks, sizeof(double), doubles_rising);
        printf("  %-34s a block: best %.1f ms, median %.1f, worst %.1f: %.0f thousand reads/s\n",
               names[way], wall_ms[way][0], wall_ms[way][blocks / 2], wall_ms[way][blocks - 1],
               READS / wall_ms[way][blocks / 2]);
        free(cpu[way]);
        free(wall_ms[way]);
    }
    free(memory);
    free(reads);
    return rc;
}

int main(int argc, char **argv)
{
    uint64_t size = argc > 2 ? strtoull(argv[2], NULL, 10) << 20 : 0;
    size_t blocks = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    struct disk_file *files[WAY_COUNT];
    struct disk *disk;
    char why[DISK_WHY_SIZE];

    if (size < PIECE || blocks < 1) {
        fprintf(stderr, "bench_coldread FILE SIZE_MB [BLOCKS]\n");
        return 2;
    }
    int rc = disk_open_ring(&disk, ".", DEPTH, 0, why);
    if (rc == 0 && access(argv[1], F_OK) != 0)
        rc = make(disk, argv[1], size / PIECE * PIECE);
    for (int way = 0; rc == 0 && way < WAY_COUNT; way++)
        rc = disk_file_open(disk, &files[way], argv[1], DISK_OPEN_RANDOM);
    if (rc == 0)
        rc = make_direct(argv[1]);
    if (rc == 0)
        rc = measure(disk, files, size / PIECE * PIECE / PAGE, blocks);
    if (rc != 0)
        fprintf(stderr, "bench_coldread: %s\n", strerror(-rc));
    return rc != 0;
}
