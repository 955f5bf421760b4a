/* chain_file.h - a file of blocks (magic, size le32, raw block, one after the other, in any order)
 * read as a chain: its longest, the first of equals. For chaingen --from and for tests; whole in
 * memory by mmap. */
#ifndef CHAINGEN_CHAIN_FILE_H
#define CHAINGEN_CHAIN_FILE_H
#include "chaingen/generate.h"

struct chain_file {
    void *map;
    struct bytes data; /* all of it */
    struct chain_file_block {
        struct bytes raw;
        struct block_hash hash;
        int32_t height; /* -1: its ancestors are not in the file */
        uint32_t parent;
    } * blocks; /* in file order */
    uint32_t block_count;
    uint32_t *chain; /* index in blocks of each height of the longest chain */
    int32_t tip_height;
};

/* False with the reason in error. A file without the genesis block of params has no chain. */
MUST_CHECK bool chain_file_open(struct chain_file *file, const char *path,
                                const struct params *params, char *error, size_t error_size);
void chain_file_close(struct chain_file *file);
struct bytes chain_file_block(const struct chain_file *file, int32_t height);

/* The least time that a block behind the one at height may have, less one. */
uint32_t chain_file_median_time(const struct chain_file *file, int32_t height);

/* Walks the chain up to height and gives the point reached and, of its coins, those of the wallet.
 * Spends of coins that are not there are an error; nothing else is checked. */
MUST_CHECK bool chain_file_coins(const struct chain_file *file, int32_t height,
                                 const struct wallet *wallet, struct chain_point *point,
                                 struct coin_list *coins, char *error, size_t error_size);
#endif
