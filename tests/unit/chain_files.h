/* chain_files.h - the blocks of a bootstrap.dat, for tests. */
#ifndef TESTS_CHAIN_FILES_H
#define TESTS_CHAIN_FILES_H
#include "base/cursor.h"
#include "chain/params.h"
#include "shared_files.h"

/* The file `name` of a folder below the shared folder. End with free((void *)b.data). */
static inline struct bytes shared_load(const char *folder, const char *name)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_load(path);
}

/* The next record's block; false at the end. A record that is not one fails the test. */
static inline bool bootstrap_next(struct cursor *file, const struct params *params,
                                  struct bytes *block)
{
    if (cursor_left(file) == 0)
        return false;
    struct bytes magic = cursor_take(file, 4);
    ck_assert(bytes_equal(magic, (struct bytes){params->magic, 4}));
    *block = cursor_take(file, cursor_le32(file));
    ck_assert(cursor_ok(file));
    return true;
}

struct chain_file {
    const char *name;
    enum network network;
    int32_t tip_height;
    uint32_t coins; /* after the tip, and their sum */
    int64_t sum_sat;
};

/* All of data/chains. */
static const struct chain_file chain_files[] = {
    {"data/chains/mainnet-0-2100.dat", NETWORK_MAIN, 2100, 2030, 10500000000000},
    {"data/chains/mainnet-alt-0-2016.dat", NETWORK_MAIN, 2016, 2016, 10080000000000},
    {"data/chains/testnet3-0-2100.dat", NETWORK_TEST, 2100, 2297, 10500000000000},
    {"data/chains/regtest-floresta-0-150.dat", NETWORK_REGTEST, 150, 150, 747500000000},
    {"data/chains/regtest-kernel-0-206.dat", NETWORK_REGTEST, 206, 230, 887500000000},
    {"data/chains/regtest-reorg-A.dat", NETWORK_REGTEST, 10, 10, 50000000000},
    {"data/chains/regtest-reorg-B.dat", NETWORK_REGTEST, 16, 16, 80000000000},
    {"data/chains/regtest-wallet-A.dat", NETWORK_REGTEST, 620, 557, 1407812500000},
};
#endif
