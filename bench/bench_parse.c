/* bench_parse.c - what workers do with a block before anything of it is looked up, step by step,
 * and what handing it on costs. The chain is bench_import's.
 *
 *     bench_parse FILE */
#include "chain/block_rules.h"
#include "ledger/events.h"
#include "pipeline/ring.h"
#include "slices.h"
#include "store/blocks.h"
#include <stdio.h>
#include <stdlib.h>

#define SLICES     20
#define PIECES_MAX 400
#define PUSHES     100000

struct bench {
    struct params params;
    struct ledger_key key;
    uint8_t *data;
    struct bytes blocks[PIECES_MAX]; /* those with inputs */
    size_t count;
    double inputs;
    struct arena arena, other;
    struct block parsed[PIECES_MAX];
    struct spsc spsc;
    struct mpmc mpmc;
};

static void parse(struct bench *bench, bool with_hashes)
{
    for (size_t i = 0; i < bench->count; i++) {
        struct block block;
        bool is_good = block_parse(&block, bench->blocks[i], &bench->other, with_hashes);

        assert(is_good);
        arena_reset(&bench->other, (size_t)8 << 20);
    }
}

static void parse_only(void *context)
{
    parse(context, false);
}

static void parse_and_hash(void *context)
{
    parse(context, true);
}

static void hash(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < bench->count; i++)
        txs_hash(bench->parsed[i].txs, bench->parsed[i].tx_count);
}

static void check(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < bench->count; i++) {
        struct block_facts facts;
        enum verdict verdict =
            block_check(&bench->params, &bench->parsed[i], &bench->other, &facts);

        assert(verdict == VALID);
        arena_reset(&bench->other, (size_t)8 << 20);
    }
}

static void make_events(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < bench->count; i++) {
        struct block_events events;
        bool is_made = block_events_make(&bench->key, &bench->parsed[i], &bench->other, &events);

        assert(is_made);
        block_events_clear(&events);
        arena_reset(&bench->other, (size_t)8 << 20);
    }
}

static void checksum(void *context)
{
    struct bench *bench = context;
    uint8_t digest[32];

    for (size_t i = 0; i < bench->count; i++)
        sha256d_once(digest, bench->blocks[i].data, bench->blocks[i].size);
}

static void through_spsc(void *context)
{
    struct bench *bench = context;

    for (int i = 0; i < PUSHES; i++) {
        bool is_pushed = spsc_push(&bench->spsc, bench);
        void *item = spsc_pop(&bench->spsc);
        assert(is_pushed && item == bench);
    }
}

static void through_mpmc(void *context)
{
    struct bench *bench = context;

    for (int i = 0; i < PUSHES; i++) {
        bool is_pushed = mpmc_push(&bench->mpmc, bench);
        void *item = mpmc_pop(&bench->mpmc);
        assert(is_pushed && item == bench);
    }
}

static void load(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t head[RECORD_HEADER_SIZE];

    if (!file) {
        perror(path);
        exit(1);
    }
    while (bench->count < PIECES_MAX && fread(head, 1, sizeof head, file) == sizeof head) {
        uint32_t size = le32_read(head + 4);
        uint8_t *raw = xmalloc(size);
        struct block *block = &bench->parsed[bench->count];

        if (fread(raw, 1, size, file) != size ||
            !block_parse(block, (struct bytes){raw, size}, &bench->arena, true)) {
            fprintf(stderr, "%s: no chain of blocks\n", path);
            exit(1);
        }
        if (block->input_count == 1) {
            free(raw);
            continue;
        }
        bench->inputs += block->input_count - 1;
        bench->blocks[bench->count++] = (struct bytes){raw, size};
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint8_t key[LEDGER_KEY_SIZE] = {7};

    if (argc != 2) {
        fprintf(stderr, "usage: bench_parse FILE\n");
        return 2;
    }
    params_init(&bench.params, NETWORK_REGTEST);
    ledger_key_init(&bench.key, key, 64, 512);
    arena_init(&bench.arena, SIZE_MAX);
    arena_init(&bench.other, SIZE_MAX);
    spsc_init(&bench.spsc, 64);
    mpmc_init(&bench.mpmc, 64);
    load(&bench, argv[1]);

    const struct slice_way steps[] = {
        {"txid and wtxid", hash, &bench, bench.inputs},
        {"parse", parse_only, &bench, bench.inputs},
        {"parse, txid and wtxid", parse_and_hash, &bench, bench.inputs},
        {"context-free rules, merkle", check, &bench, bench.inputs},
        {"events of the ledger", make_events, &bench, bench.inputs},
        {"checksum of the message", checksum, &bench, bench.inputs}};
    const struct slice_way rings[] = {{"one to one: push and pop", through_spsc, &bench, PUSHES},
                                      {"many to many", through_mpmc, &bench, PUSHES}};
    slices_run("parse stage", "input", steps, ARRAY_COUNT(steps), SLICES);
    slices_run("rings", "item", rings, ARRAY_COUNT(rings), SLICES);
    for (size_t i = 0; i < bench.count; i++)
        free((void *)bench.blocks[i].data);
    arena_clear(&bench.arena);
    arena_clear(&bench.other);
    spsc_clear(&bench.spsc);
    mpmc_clear(&bench.mpmc);
    return 0;
}
