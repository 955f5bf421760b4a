#include "chaingen/chain_file.h"
#include "chaingen/coin_set.h"
#include "codec/block.h"
#include "script/classify.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_PARENT UINT32_MAX
#define FOREIGN   0xff /* the kind of a coin that is not the wallet's */

static bool map_file(struct chain_file *file, const char *path, char *error, size_t error_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    file->map = mmap(NULL, st.st_size > 0 ? (size_t)st.st_size : 1, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file->map == MAP_FAILED) {
        file->map = NULL;
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    file->data = (struct bytes){file->map, (size_t)st.st_size};
    return true;
}

static bool read_records(struct chain_file *file, const char *path, const uint8_t magic[4],
                         char *error, size_t error_size)
{
    struct cursor c = cursor_of(file->data);
    uint32_t capacity = 0;

    while (cursor_left(&c) > 0) {
        size_t pos = (size_t)(c.at - file->data.data);
        struct bytes found = cursor_take(&c, 4);
        struct bytes raw = cursor_take(&c, cursor_le32(&c));

        if (!cursor_ok(&c) || memcmp(found.data, magic, 4) != 0 || raw.size < HEADER_SIZE) {
            snprintf(error, error_size, "%s: no regtest block at byte %zu", path, pos);
            return false;
        }
        if (file->block_count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            file->blocks = xrealloc(file->blocks, capacity * sizeof *file->blocks);
        }

        struct chain_file_block *block = &file->blocks[file->block_count++];

        *block = (struct chain_file_block){.raw = raw, .height = -1, .parent = NO_PARENT};
        sha256d_80(block->hash.bytes, raw.data);
    }
    return true;
}

static int compare_hashes(const void *a, const void *b, void *blocks)
{
    const struct chain_file_block *all = blocks;

    return memcmp(&all[*(const uint32_t *)a].hash, &all[*(const uint32_t *)b].hash,
                  sizeof all->hash);
}

static void find_parents(struct chain_file *file)
{
    uint32_t *by_hash = xmalloc(((size_t)file->block_count + 1) * sizeof *by_hash);

    for (uint32_t i = 0; i < file->block_count; i++)
        by_hash[i] = i;
    qsort_r(by_hash, file->block_count, sizeof *by_hash, compare_hashes, file->blocks);
    for (uint32_t i = 0; i < file->block_count; i++) {
        const uint8_t *prev_hash = file->blocks[i].raw.data + 4;
        uint32_t low = 0, high = file->block_count;

        while (low < high) {
            uint32_t middle = low + (high - low) / 2;

            if (memcmp(&file->blocks[by_hash[middle]].hash, prev_hash, 32) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < file->block_count && memcmp(&file->blocks[by_hash[low]].hash, prev_hash, 32) == 0)
            file->blocks[i].parent = by_hash[low];
    }
    free(by_hash);
}

/* Walks back from each block to one whose height is known, then sets the heights on the way. */
static void find_heights(struct chain_file *file, const struct block_hash *genesis_hash)
{
    uint32_t *path = xmalloc(((size_t)file->block_count + 1) * sizeof *path);

    for (uint32_t i = 0; i < file->block_count; i++)
        if (block_hash_equal(&file->blocks[i].hash, genesis_hash))
            file->blocks[i].height = 0;
    for (uint32_t i = 0; i < file->block_count; i++) {
        uint32_t count = 0;
        uint32_t at = i;

        while (at != NO_PARENT && file->blocks[at].height < 0 && count < file->block_count) {
            path[count++] = at;
            at = file->blocks[at].parent;
        }
        if (at == NO_PARENT || file->blocks[at].height < 0)
            continue;
        for (int32_t height = file->blocks[at].height; count > 0;)
            file->blocks[path[--count]].height = ++height;
    }
    free(path);
}

static bool find_chain(struct chain_file *file, const char *path, char *error, size_t error_size)
{
    uint32_t tip = NO_PARENT;

    file->tip_height = -1;
    for (uint32_t i = 0; i < file->block_count; i++)
        if (file->blocks[i].height > file->tip_height) {
            file->tip_height = file->blocks[i].height;
            tip = i;
        }
    if (tip == NO_PARENT) {
        snprintf(error, error_size, "%s: the regtest genesis block is not there", path);
        return false;
    }
    file->chain = xmalloc(((size_t)file->tip_height + 1) * sizeof *file->chain);
    for (int32_t height = file->tip_height; height >= 0; height--) {
        file->chain[height] = tip;
        tip = file->blocks[tip].parent;
    }
    return true;
}

bool chain_file_open(struct chain_file *file, const char *path, const struct params *params,
                     char *error, size_t error_size)
{
    *file = (struct chain_file){.tip_height = -1};
    if (!map_file(file, path, error, error_size))
        return false;
    if (!read_records(file, path, params->magic, error, error_size)) {
        chain_file_close(file);
        return false;
    }
    find_parents(file);
    find_heights(file, &params->genesis_hash);
    if (!find_chain(file, path, error, error_size)) {
        chain_file_close(file);
        return false;
    }
    return true;
}

void chain_file_close(struct chain_file *file)
{
    if (file->map)
        munmap(file->map, file->data.size ? file->data.size : 1);
    free(file->blocks);
    free(file->chain);
    *file = (struct chain_file){.tip_height = -1};
}

struct bytes chain_file_block(const struct chain_file *file, int32_t height)
{
    return file->blocks[file->chain[height]].raw;
}

uint32_t chain_file_median_time(const struct chain_file *file, int32_t height)
{
    uint32_t times[11] = {0};
    size_t count = 0;

    for (; count < ARRAY_COUNT(times) && height >= 0; count++, height--) {
        uint32_t time = le32_read(chain_file_block(file, height).data + 68);
        size_t at = count;

        for (; at > 0 && times[at - 1] > time; at--)
            times[at] = times[at - 1];
        times[at] = time;
    }
    return times[count / 2];
}

/* Everything of one block into the set and the totals. */
static bool walk_block(struct coin_set *set, struct totals *totals, const struct block *block,
                       int32_t height, const struct wallet *wallet)
{
    totals->tx_count += block->tx_count;
    totals->output_count += block->output_count;
    for (uint32_t k = 0; k < block->tx_count; k++) {
        const struct tx *tx = &block->txs[k];
        struct coin coin;

        for (uint32_t i = 0; i < tx->input_count && k > 0; i++) {
            if (!coin_set_take(set, &tx->inputs[i].prevout, &coin))
                return false;
            totals->input_count++;
            totals->amount_sat -= coin.amount_sat;
        }
        for (uint32_t i = 0; i < tx->output_count && height > 0; i++) {
            enum wallet_kind kind;
            uint32_t key;

            if (script_is_unspendable(tx->outputs[i].script_pubkey))
                continue;
            coin = (struct coin){.outpoint = {tx->txid, i},
                                 .amount_sat = tx->outputs[i].amount_sat,
                                 .height = height,
                                 .parent = COIN_NO_PARENT,
                                 .kind = FOREIGN,
                                 .is_coinbase = k == 0};
            if (wallet_find(wallet, tx->outputs[i].script_pubkey, &kind, &key)) {
                coin.kind = (uint8_t)kind;
                coin.key = (uint16_t)key;
            }
            coin_set_add(set, &coin);
            totals->amount_sat += coin.amount_sat;
        }
    }
    totals->coin_count = set->count;
    return true;
}

bool chain_file_coins(const struct chain_file *file, int32_t height, const struct wallet *wallet,
                      struct chain_point *point, struct coin_list *coins, char *error,
                      size_t error_size)
{
    struct coin_set set = {NULL, 0, 0};
    struct arena arena;
    bool is_good = true;

    arena_init(&arena, SIZE_MAX);
    *point = (struct chain_point){file->blocks[file->chain[height]].hash, height, {0}};
    for (int32_t h = 0; h <= height && is_good; h++) {
        struct block block;

        arena_reset(&arena, SIZE_MAX);
        is_good = block_parse(&block, chain_file_block(file, h), &arena, true) &&
                  walk_block(&set, &point->totals, &block, h, wallet);
        if (!is_good)
            snprintf(error, error_size, "the block at height %d is not valid", (int)h);
    }
    for (size_t i = 0; i < set.slot_count && is_good; i++)
        if (set.slots[i].amount_sat >= 0 && set.slots[i].kind != FOREIGN)
            coin_list_push(coins, &set.slots[i]);
    coin_set_free(&set);
    arena_clear(&arena);
    return is_good;
}
