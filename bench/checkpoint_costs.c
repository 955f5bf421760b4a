/* checkpoint_costs.c - a checkpoint against cp and cat of the same bytes. Times are the clock's,
 * the best of three rounds; cold: with the file put out of the page cache. The ledger thread's part
 * is its CPU. */
#include "base/clock.h"
#include "ledger/checkpoint.h"
#include "ledger/state.h"
#include "ledger_costs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 3

static double seconds_since(uint64_t start_us)
{
    return (double)(clock_monotonic_us() - start_us) / 1e6;
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void keep_least(double *least, double value)
{
    if (*least == 0 || value < *least)
        *least = value;
}

static struct header_node *the_node(void *ctx, int32_t height, const struct block_hash *hash)
{
    struct header_node *node = ctx;

    return node->height == height && block_hash_equal(hash, &node->hash) ? node : NULL;
}

static void forget_pages(const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        fprintf(stderr, "%s: still in the page cache\n", path);
    if (fd >= 0)
        close(fd);
}

static int load(struct disk *disk, const struct ledger *ledger, double *least_s)
{
    struct ledger_config config = *ledger_config(ledger);
    struct header_node *root = ledger->root_world->node;
    struct header_node genesis = {0};
    struct ledger *again = ledger_new(&config, &genesis);
    struct checkpoint_loaded loaded;
    uint64_t start = clock_monotonic_us();
    int rc = checkpoint_load(disk, again, 1, the_node, NULL, root, UINT64_MAX, &loaded);

    keep_least(least_s, seconds_since(start));
    assert(rc != 0 || ledger_stats(again).root_coins == ledger_stats(ledger).root_coins);
    ledger_free(again);
    return rc;
}

static int run(const char *format, const char *path, double *least_s)
{
    char command[8400];

    snprintf(command, sizeof command, format, path);
    uint64_t start = clock_monotonic_us();
    if (system(command) != 0)
        return -EIO;
    keep_least(least_s, seconds_since(start));
    return 0;
}

static int measure(struct disk *disk, const struct ledger *ledger, const char *directory,
                   uint64_t *sequence, struct ledger_costs *costs)
{
    char path[4200];
    uint64_t start = clock_monotonic_us();
    int rc = checkpoint_save(disk, ledger, 1, sequence);

    keep_least(&costs->save_s, seconds_since(start));
    snprintf(path, sizeof path, "%s/" CHECKPOINT_DIR "/checkpoint.%llu", directory,
             (unsigned long long)*sequence);
    if (rc == 0)
        rc = run("f='%s'; cp \"$f\" \"$f.copy\" && sync -d \"$f.copy\"", path, &costs->cp_s);
    if (rc == 0)
        rc = run("rm '%s.copy'", path, &(double){0});
    if (rc == 0)
        rc = load(disk, ledger, &costs->load_s);
    if (rc == 0)
        rc = run("cat '%s' >/dev/null", path, &costs->cat_s);
    forget_pages(path);
    if (rc == 0)
        rc = load(disk, ledger, &costs->cold_load_s);
    forget_pages(path);
    if (rc == 0)
        rc = run("cat '%s' >/dev/null", path, &costs->cold_cat_s);
    return rc;
}

/* What the ledger thread does for one: it copies each shard, one between two blocks. */
static void measure_copies(const struct ledger *ledger, struct ledger_costs *costs)
{
    struct shard_image image = {0};

    for (int round = 0; round < ROUNDS; round++) {
        double total = 0, longest = 0;
        for (uint32_t s = 0; s < ledger->root.index.shard_count; s++) {
            double start = cpu_s();
            checkpoint_copy_shard(ledger, s, &image);
            double took = cpu_s() - start;
            total += took;
            longest = took > longest ? took : longest;
        }
        keep_least(&costs->copy_ms, total * 1e3);
        keep_least(&costs->pause_ms, longest * 1e3);
    }
    shard_image_clear(&image);
}

int checkpoint_costs(const struct ledger *ledger, const char *directory, struct ledger_costs *costs)
{
    struct disk *disk;
    uint64_t sequence = 0;
    int rc = disk_open_plain(&disk, directory);

    if (rc != 0)
        return rc;
    rc = checkpoint_key_save(disk, ledger_config(ledger)->key.bytes);
    for (int round = 0; rc == 0 && round < ROUNDS; round++)
        rc = measure(disk, ledger, directory, &sequence, costs);
    disk_close(disk);
    if (rc != 0)
        return rc;
    measure_copies(ledger, costs);
    double mb = (double)ledger_stats(ledger).root_coins * 16 / 1e6;
    printf("  a checkpoint of %.0f MB:\n", mb);
    printf("    written %.2f s, cp and sync %.2f s: %.2f x\n", costs->save_s, costs->cp_s,
           costs->save_s / costs->cp_s);
    printf("    loaded %.2f s, cat %.2f s; not in the page cache %.2f s, cat %.2f s\n",
           costs->load_s, costs->cat_s, costs->cold_load_s, costs->cold_cat_s);
    printf("    the ledger thread copies for %.0f ms of CPU, %.2f ms at once at most\n",
           costs->copy_ms, costs->pause_ms);
    return 0;
}
