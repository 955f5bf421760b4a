/* bench_checkpoint.c - writing and loading a checkpoint against writing and reading the same bytes
 * plainly.
 *
 *   bench_checkpoint [COINS [DIRECTORY]]     default 5000000, a new directory in $TMPDIR or /tmp
 *
 * Plain is write + fdatasync, and read, in pieces of a shard's size. Times are the clock's, of
 * three rounds the best; the page cache is warm for both loads. The pause is what the ledger thread
 * spends on a copy. */
#include "base/clock.h"
#include "ledger/checkpoint.h"
#include "ledger/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHARDS 512
#define ROUNDS 3

static struct header_node genesis;

static int never_read(void *ctx, uint64_t pos, struct outpoint *outpoint)
{
    (void)ctx;
    (void)pos;
    memset(outpoint, 0xff, sizeof *outpoint); /* another coin, for equal tags by chance */
    return 0;
}

static struct header_node *the_node(void *ctx, int32_t height, const struct block_hash *hash)
{
    (void)ctx;
    return height == 0 && block_hash_equal(hash, &genesis.hash) ? &genesis : NULL;
}

static struct ledger *make(const struct ledger_key *key)
{
    struct ledger_config config = {.key = *key, .world_slots = 2, .outpoint_at = never_read};

    return ledger_new(&config, &genesis);
}

static void fill(struct ledger *ledger, uint64_t coins)
{
    for (uint64_t i = 1; i <= coins; i++) {
        struct outpoint outpoint = {.vout = (uint32_t)i};
        uint64_t word = i * 0x9e3779b97f4a7c15;
        memcpy(outpoint.txid.bytes, &word, sizeof word);
        struct coin_hash hash = coin_hash_of(&ledger->config.key, &outpoint);
        int rc = root_insert(&ledger->root, &outpoint, &hash, i, false);
        assert(rc == 0);
        if (i % 1000 == 0)
            index_grow_step(&ledger->root.index, 0, ledger->root.index.shard_count);
    }
}

static double seconds_since(uint64_t start_us)
{
    return (double)(clock_monotonic_us() - start_us) / 1e6;
}

/* Writes and reads size bytes; *write_s and *read_s become the least so far. */
static void plain(const char *directory, size_t size, double *write_s, double *read_s)
{
    char path[4200];
    size_t piece = size / SHARDS + 1;
    uint8_t *data = xcalloc(1, piece);

    snprintf(path, sizeof path, "%s/plain", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert(fd >= 0);
    uint64_t start = clock_monotonic_us();
    for (int i = 0; i < SHARDS; i++) {
        ssize_t written = write(fd, data, piece);
        assert(written == (ssize_t)piece);
    }
    int rc = fdatasync(fd);
    assert(rc == 0);
    double s = seconds_since(start);
    *write_s = s < *write_s ? s : *write_s;

    start = clock_monotonic_us();
    for (int i = 0; i < SHARDS; i++) {
        ssize_t got = pread(fd, data, piece, (off_t)((size_t)i * piece));
        assert(got == (ssize_t)piece);
    }
    s = seconds_since(start);
    *read_s = s < *read_s ? s : *read_s;
    close(fd);
    unlink(path);
    free(data);
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the copies of all shards. */
static double median_copy(const struct ledger *ledger)
{
    struct shard_image image = {0};
    double took[SHARDS];

    for (uint32_t s = 0; s < SHARDS; s++) {
        uint64_t start = clock_monotonic_us();
        checkpoint_copy_shard(ledger, s, &image);
        took[s] = seconds_since(start);
    }
    shard_image_clear(&image);
    qsort(took, SHARDS, sizeof *took, rising);
    return took[SHARDS / 2];
}

int main(int argc, char **argv)
{
    uint64_t coins = argc > 1 ? strtoull(argv[1], NULL, 0) : 5000000;
    const char *tmp = getenv("TMPDIR");
    char directory[4096];
    struct ledger_key key;
    struct disk *disk;
    uint8_t bytes[LEDGER_KEY_SIZE] = {9};
    double save_s = 1e9, load_s = 1e9, write_s = 1e9, read_s = 1e9;
    uint64_t sequence = 0;

    snprintf(directory, sizeof directory, "%s/caesure-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (argc > 2)
        snprintf(directory, sizeof directory, "%s", argv[2]);
    else if (!mkdtemp(directory))
        return 1;
    ledger_key_init(&key, bytes, 64, SHARDS);
    struct ledger *ledger = make(&key);
    fill(ledger, coins);
    int rc = disk_open_plain(&disk, directory);
    if (rc == 0)
        rc = checkpoint_key_save(disk, bytes);

    size_t size = (size_t)coins * sizeof(struct index_entry);
    for (int round = 0; rc == 0 && round < ROUNDS; round++) {
        struct checkpoint_loaded loaded;
        uint64_t start = clock_monotonic_us();
        rc = checkpoint_save(disk, ledger, 1, &sequence);
        double s = seconds_since(start);
        save_s = s < save_s ? s : save_s;

        struct ledger *again = make(&key);
        start = clock_monotonic_us();
        if (rc == 0)
            rc = checkpoint_load(disk, again, 1, the_node, NULL, UINT64_MAX, &loaded);
        s = seconds_since(start);
        load_s = s < load_s ? s : load_s;
        assert(rc != 0 || ledger_stats(again).root_coins == coins);
        ledger_free(again);
        plain(directory, size, &write_s, &read_s);
    }
    if (rc != 0) {
        fprintf(stderr, "bench_checkpoint: %s: %s\n", directory, strerror(-rc));
        return 1;
    }
    printf("%llu coins, %.0f MB in %s\n", (unsigned long long)coins, (double)size / 1e6, directory);
    printf("  save %.3f s (%.0f MB/s), plain write + sync %.3f s\n", save_s,
           (double)size / save_s / 1e6, write_s);
    printf("  load %.3f s (%.0f MB/s), plain read %.3f s\n", load_s, (double)size / load_s / 1e6,
           read_s);
    printf("  median pause for a shard's copy %.2f ms\n", median_copy(ledger) * 1e3);
    disk_close(disk);
    ledger_free(ledger);
    if (argc <= 2) {
        char command[4200];
        snprintf(command, sizeof command, "rm -rf '%s'", directory);
        return system(command) != 0;
    }
    return 0;
}
