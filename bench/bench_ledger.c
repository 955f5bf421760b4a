/* bench_ledger.c - what the ledger costs: CPU a lookup, insert and delete of the root index, CPU a
 * block of connect and fold, bytes a coin by part, checkpoints; and what that comes to on the main
 * chain.
 *
 *   bench_ledger [COINS [DIRECTORY]]     default 5000000, a new directory in $TMPDIR or /tmp
 *
 * CPU is the thread's own (CLOCK_THREAD_CPUTIME_ID), the best and the median of 21 slices each, so
 * that other work on the machine hardly shows. Coins have outpoints from a counter; blocks are made
 * up without bytes, as connect reads none: 2,300 transactions of 3 inputs and 3 to 4 outputs, 41 %
 * of the inputs from the last 10 blocks, the rest from anywhere. */
#include "base/random.h"
#include "ledger/state.h"
#include "ledger_costs.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICES    21
#define GROUP     32
#define TXS       2300
#define TX_INPUTS 3
#define BLOCK_IN  (TXS * TX_INPUTS)
#define BLOCK_OUT (TXS * 10 / 3)
#define HORIZON   20

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median. */
static double report(const char *what, double *slices, double per_slice)
{
    qsort(slices, SLICES, sizeof *slices, rising);
    printf("  %-44s best %7.1f ns, median %7.1f ns\n", what, slices[0] / per_slice,
           slices[SLICES / 2] / per_slice);
    return slices[SLICES / 2] / per_slice;
}

/* A line of /proc/self/smaps_rollup, in bytes. */
static double memory(const char *field)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long long kib = 0;

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), "%llu", &kib);
    if (file)
        fclose(file);
    return (double)kib * 1024;
}

struct bench {
    struct prng prng;
    struct ledger *ledger;
    struct ledger_key key;
    uint64_t
        *live; /* numbers of coins in the root or in worlds, oldest first as far as they last */
    uint64_t live_count, next;
    struct header_node nodes[4096];
    uint32_t height;
    struct world *tip;
    double sink;
    struct ledger_costs costs;
};

static struct outpoint outpoint_of(uint64_t number)
{
    struct outpoint outpoint = {.vout = (uint32_t)(number % 3)};
    uint64_t word = number / 3 * 0x9e3779b97f4a7c15;

    memcpy(outpoint.txid.bytes, &word, sizeof word);
    return outpoint;
}

static struct coin_hash hash_of(const struct bench *bench, uint64_t number)
{
    struct outpoint outpoint = outpoint_of(number);

    return coin_hash_of(&bench->key, &outpoint);
}

static void bench_hashes(struct bench *bench)
{
    static const uint8_t txout[34] = {1};
    double tag[SLICES], check[SLICES];
    uint64_t sum = 0;

    for (int s = 0; s < SLICES; s++) {
        double start = cpu_ns();
        for (uint64_t i = 0; i < 100000; i++)
            sum += hash_of(bench, i).tag;
        tag[s] = cpu_ns() - start;
        start = cpu_ns();
        for (uint64_t i = 0; i < 100000; i++) {
            struct outpoint outpoint = outpoint_of(i);
            sum += coin_check_of(&bench->key, &outpoint, (struct bytes){txout, sizeof txout});
        }
        check[s] = cpu_ns() - start;
    }
    bench->sink += (double)sum;
    report("coin_hash_of (on workers)", tag, 100000);
    report("coin_check_of, 34 bytes (on workers)", check, 100000);
}

/* Inserts up to count coins, block by block, so that shards grow as in a node. */
static void fill(struct bench *bench, uint64_t count)
{
    struct index *index = &bench->ledger->root.index;
    struct coin_hash hashes[7000];
    double total = 0;

    bench->live = xmalloc((count + 64 * BLOCK_OUT) * sizeof *bench->live);
    while (bench->live_count < count) {
        for (uint32_t i = 0; i < 7000; i++)
            hashes[i] = hash_of(bench, bench->next + i);
        double start = cpu_ns();
        for (uint32_t i = 0; i < 7000; i++) {
            if (i + 8 < 7000)
                index_prefetch(index, hashes[i + 8].shard, hashes[i + 8].tag);
            index_insert(index, hashes[i].shard, hashes[i].tag, bench->next + i + 1);
        }
        index_grow_step(index, 0, index->shard_count);
        total += cpu_ns() - start;
        for (uint32_t i = 0; i < 7000; i++)
            bench->live[bench->live_count++] = bench->next++;
    }
    printf("  %-44s mean %7.1f ns (growth and first touch included)\n", "fill: insert with growth",
           total / (double)bench->live_count);
}

/* What root_insert would have added up: a checkpoint is refused without. */
static void set_sums(struct root *root)
{
    for (uint32_t s = 0; s < root->index.shard_count; s++) {
        const struct index_shard *shard = &root->index.shards[s];
        for (uint64_t i = 0; i < shard->capacity; i++)
            if (shard->entries[i].word != 0)
                root->sums[s] +=
                    coin_sum_of(&root->key, shard->entries[i].tag, shard->entries[i].word);
    }
}

static void bench_lookups(struct bench *bench)
{
    enum { N = GROUP * 2000 };
    struct index *index = &bench->ledger->root.index;
    struct coin_hash *hashes = xmalloc(N * sizeof *hashes);
    double hit[SLICES], miss[SLICES], alone[SLICES];
    uint64_t found = 0;

    for (int s = 0; s < SLICES; s++) {
        for (int is_miss = 0; is_miss < 2; is_miss++) {
            for (uint32_t i = 0; i < N; i++)
                hashes[i] = hash_of(
                    bench, is_miss ? bench->next + prng_below(&bench->prng, 1u << 30)
                                   : bench->live[prng_below(&bench->prng, bench->live_count)]);
            double start = cpu_ns();
            for (uint32_t i = 0; i < N; i += GROUP) {
                for (uint32_t k = i; k < i + GROUP; k++)
                    index_prefetch(index, hashes[k].shard, hashes[k].tag);
                for (uint32_t k = i; k < i + GROUP; k++)
                    found += index_find(index, hashes[k].shard, hashes[k].tag) != 0;
            }
            (is_miss ? miss : hit)[s] = cpu_ns() - start;
        }
        double start = cpu_ns();
        uint64_t last = 0;
        for (uint32_t i = 0; i < N; i++) { /* each waits for the one before */
            struct coin_hash *hash = &hashes[(i * 7919 + (last & 1)) % N];
            last = index_find(index, hash->shard, hash->tag);
        }
        alone[s] = cpu_ns() - start;
        bench->sink += (double)last;
    }
    bench->sink += (double)found;
    bench->costs.lookup_ns = report("lookup, batched, there", hit, N);
    report("lookup, batched, not there", miss, N);
    report("lookup, one after the other", alone, N);
    free(hashes);
}

static void bench_changes(struct bench *bench)
{
    enum { N = 20000 };
    struct index *index = &bench->ledger->root.index;
    struct coin_hash hashes[N];
    uint64_t words[N];
    double delete[SLICES], insert[SLICES];

    for (int s = 0; s < SLICES; s++) {
        for (uint32_t i = 0; i < N; i++)
            hashes[i] = hash_of(
                bench, bench->live[(prng_next(&bench->prng) % (bench->live_count / N)) * N + i]);
        double start = cpu_ns();
        for (uint32_t i = 0; i < N; i++) {
            if (i + 8 < N)
                index_prefetch(index, hashes[i + 8].shard, hashes[i + 8].tag);
            words[i] = index_delete(index, hashes[i].shard, hashes[i].tag, 0);
        }
        delete[s] = cpu_ns() - start;
        start = cpu_ns();
        for (uint32_t i = 0; i < N; i++) {
            if (i + 8 < N)
                index_prefetch(index, hashes[i + 8].shard, hashes[i + 8].tag);
            index_insert(index, hashes[i].shard, hashes[i].tag, words[i]);
        }
        insert[s] = cpu_ns() - start;
    }
    bench->costs.delete_ns = report("delete, ahead by 8", delete, N);
    bench->costs.insert_ns = report("insert, ahead by 8", insert, N);
}

#define TXOUT_SIZE 34
static const uint8_t txouts[(BLOCK_OUT + 8) * TXOUT_SIZE];

/* A block of which there are only the outputs' bytes, all zero. */
struct made_block {
    struct block block;
    struct ledger_block lb;
    struct tx txs[TXS + 1];
    struct tx_input inputs[BLOCK_IN + 1];
    struct tx_output outputs[BLOCK_OUT + 8];
    struct arena arena;
    struct block_events events;
};

static uint64_t take_live(struct bench *bench)
{
    uint64_t recent = 10 * BLOCK_OUT;
    uint64_t i = prng_below(&bench->prng, 100) < 41
                     ? bench->live_count - 1 - prng_below(&bench->prng, recent)
                     : prng_below(&bench->prng, bench->live_count);
    uint64_t number = bench->live[i];

    bench->live[i] = bench->live[--bench->live_count];
    return number;
}

static void make_block(struct bench *bench, struct made_block *made)
{
    uint32_t in = 0, out = 0;

    memset(made, 0, sizeof *made);
    arena_init(&made->arena, SIZE_MAX);
    for (uint32_t k = 0; k < BLOCK_IN; k++) {
        made->inputs[k + 1].prevout = outpoint_of(take_live(bench));
    }
    bench->next = (bench->next + 2) / 3 * 3;
    for (uint32_t t = 0; t <= TXS; t++) {
        struct tx *tx = &made->txs[t];

        tx->inputs = made->inputs + in;
        tx->outputs = made->outputs + out;
        tx->input_count = t ? TX_INPUTS : 1;
        tx->output_count = t ? 3 : 1;
        tx->txid = outpoint_of(bench->next).txid;
        in += tx->input_count;
        for (uint32_t i = 0; i < tx->output_count; i++, out++) {
            made->outputs[out].offset = out * TXOUT_SIZE;
            made->outputs[out].script_pubkey =
                (struct bytes){txouts + out * TXOUT_SIZE + 9, TXOUT_SIZE - 9};
            bench->live[bench->live_count++] = bench->next + i;
        }
        bench->next += 3;
    }
    made->block = (struct block){.tx_count = TXS + 1,
                                 .txs = made->txs,
                                 .input_count = in,
                                 .output_count = out,
                                 .raw = {txouts, sizeof txouts}};
    bool is_made = block_events_make(&bench->key, &made->block, &made->arena, &made->events);
    assert(is_made);
    arena_clear(&made->arena);
    made->lb = (struct ledger_block){
        .block = &made->block, .pos = ((uint64_t)bench->height + 1) << 24, .events = &made->events};
}

/* Blocks on top of each other, the horizon folded; each lookup finds what it looks for. */
static void bench_blocks(struct bench *bench)
{
    struct made_block *made = xmalloc(sizeof *made);
    struct coin_ref *refs = xmalloc(BLOCK_IN * sizeof *refs);
    double connect[SLICES], fold[SLICES];

    for (int s = -HORIZON; s < SLICES; s++) {
        struct connect_result result;
        make_block(bench, made);
        struct header_node *node = &bench->nodes[++bench->height];
        node->prev = node - 1;
        node->height = (int32_t)bench->height;

        double start = cpu_ns();
        struct world *world = world_extend(bench->ledger, bench->tip, node);
        int rc = world_connect(bench->ledger, world, &made->lb, refs, &result);
        double middle = cpu_ns();
        assert(rc == 0 && result.verdict == CONNECT_OK);
        bench->tip = world;
        struct world *next = ledger_to_fold(bench->ledger, world);
        if (next)
            ledger_fold(bench->ledger, next, NULL);
        if (s >= 0) {
            connect[s] = middle - start;
            fold[s] = cpu_ns() - middle;
        }
    }
    printf("  a block of %d inputs and %d outputs:\n", BLOCK_IN, TXS * 3 + 1);
    bench->costs.connect_ns =
        report("  connect, an input or output", connect, BLOCK_IN + TXS * 3 + 1);
    bench->costs.fold_ns = report("  fold, an input or output", fold, BLOCK_IN + TXS * 3 + 1);
    free(made);
    free(refs);
}

static int never_read(void *ctx, uint64_t pos, struct outpoint *outpoint, uint32_t *check)
{
    (void)ctx;
    (void)pos;
    (void)outpoint;
    (void)check;
    return -EIO; /* no two of the 64-bit tags are equal */
}

static void bench_memory(struct bench *bench, double before)
{
    struct ledger_stats stats = ledger_stats(bench->ledger);
    struct ledger_costs *costs = &bench->costs;
    double live = (double)bench->live_count * sizeof *bench->live;

    costs->coins = (double)stats.root_coins;
    costs->index_bytes = (double)stats.index_bytes / costs->coins;
    costs->resident_bytes = (memory("Rss:") - before - live) / costs->coins;
    printf("  index: %.2f bytes a coin mapped, %.2f resident (%.0f %% in huge pages), %llu "
           "growths\n",
           costs->index_bytes, costs->resident_bytes,
           100 * memory("AnonHugePages:") / (double)stats.index_bytes,
           (unsigned long long)stats.growths);
}

static int run(uint64_t coins, const char *directory)
{
    struct bench *bench = xcalloc(1, sizeof *bench);
    uint8_t key[LEDGER_KEY_SIZE] = {7};

    prng_init(&bench->prng, 1);
    ledger_key_init(&bench->key, key, 64, 512);
    struct ledger_config config = {
        .key = bench->key, .world_slots = 1024, .horizon = HORIZON, .outpoint_at = never_read};
    double before = memory("Rss:");
    bench->ledger = ledger_new(&config, &bench->nodes[0]);
    bench->tip = ledger_root(bench->ledger);

    printf("%llu coins\n", (unsigned long long)coins);
    bench_hashes(bench);
    fill(bench, coins);
    set_sums(&bench->ledger->root);
    bench_memory(bench, before);
    bench_lookups(bench);
    bench_changes(bench);
    bench_blocks(bench);
    struct ledger_stats stats = ledger_stats(bench->ledger);
    bench->costs.event_bytes = (double)stats.recent_bytes / (double)stats.recent_events;
    printf("  %u worlds: %.1f bytes an input or output, %.2f MB a block; %llu coins aside\n",
           stats.worlds - 1, bench->costs.event_bytes,
           (double)stats.recent_bytes / (stats.worlds - 1) / 1e6,
           (unsigned long long)stats.side_coins);
    if (bench->sink == 0) /* so that nothing measured is left out as unused */
        puts("  nothing was found");
    free(bench->live);
    int rc = checkpoint_costs(bench->ledger, directory, &bench->costs);
    if (rc == 0)
        mainnet_costs(&bench->costs);
    else
        fprintf(stderr, "bench_ledger: %s: %s\n", directory, strerror(-rc));
    ledger_free(bench->ledger);
    free(bench);
    return rc != 0;
}

int main(int argc, char **argv)
{
    uint64_t coins = argc > 1 ? strtoull(argv[1], NULL, 0) : 5000000;
    const char *tmp = getenv("TMPDIR");
    char directory[4096], command[4200];

    if (argc > 2)
        return run(coins, argv[2]);
    snprintf(directory, sizeof directory, "%s/caesure-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(directory))
        return 1;
    int result = run(coins, directory);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command) != 0 || result;
}
