/* real_block.h - a block of the test data with the outputs its inputs spend. */
#ifndef TESTS_REAL_BLOCK_H
#define TESTS_REAL_BLOCK_H
#include "chain/block_rules.h"
#include "script/sighash.h"
#include "shared_files.h"

struct real_block {
    const char *name; /* main-277647 */
    struct bytes file, prevouts_file;
    struct arena arena;
    struct block block;
    uint32_t flags;
    /* One an input of all transactions but the coinbase, in order; first_input[tx] is where tx
     * begins. */
    struct tx_output *prevouts;
    uint32_t *first_input;
    uint32_t input_count;
    struct sighash_parts *parts; /* one a transaction */
};

static inline void real_block_read_prevouts(struct real_block *b)
{
    struct cursor c = cursor_of(b->prevouts_file);
    uint32_t count = b->block.input_count - 1;

    b->prevouts = arena_array(&b->arena, count, sizeof *b->prevouts);
    b->first_input = arena_array(&b->arena, b->block.tx_count, sizeof *b->first_input);
    b->parts = arena_array(&b->arena, b->block.tx_count, sizeof *b->parts);
    for (uint32_t i = 0; i < count; i++) {
        b->prevouts[i].amount_sat = (int64_t)cursor_le64(&c);
        cursor_take(&c, 5); /* height and coinbase */
        b->prevouts[i].script_pubkey = cursor_take(&c, cursor_le32(&c));
    }
    ck_assert(cursor_ok(&c) && cursor_left(&c) == 0);
    b->input_count = 0;
    for (uint32_t t = 1; t < b->block.tx_count; t++) {
        b->first_input[t] = b->input_count;
        sighash_parts_init(&b->parts[t], &b->block.txs[t], b->prevouts + b->input_count);
        b->input_count += b->block.txs[t].input_count;
    }
    ck_assert_uint_eq(b->input_count, count);
}

/* path is that of the .prevouts file; network and height are in its name. */
static inline void real_block_load(struct real_block *b, const char *path)
{
    struct params *params = xmalloc(sizeof *params);
    char block_path[4096];
    char network[16];
    int height;

    b->name = strrchr(path, '/') + 1;
    ck_assert_int_eq(sscanf(b->name, "%15[^-]-%d.", network, &height), 2);
    ck_assert(strcmp(network, "main") == 0 || strcmp(network, "test3") == 0);
    snprintf(block_path, sizeof block_path, "%.*s.blk", (int)(strlen(path) - strlen(".prevouts")),
             path);
    b->file = file_load(block_path);
    b->prevouts_file = file_load(path);
    arena_init(&b->arena, 1 << 28);
    ck_assert(block_parse(&b->block, b->file, &b->arena, true));
    params_init(params, strcmp(network, "main") == 0 ? NETWORK_MAIN : NETWORK_TEST);
    b->flags = block_script_flags(params, &b->block.hash, height);
    free(params);
    real_block_read_prevouts(b);
}

static inline void real_block_clear(struct real_block *b)
{
    arena_clear(&b->arena);
    free((void *)b->file.data);
    free((void *)b->prevouts_file.data);
}
#endif
