/* core.h - copies the blocks of the reference node's directory (blk*.dat, with the key of xor.dat
 * if there is one) into one file, the genesis block first.
 *
 * 1. A record there is (magic le32, size le32, block). Zeros between records are padding. Where no
 *    record begins, the next magic is searched, as the reference node does; what is skipped is
 * counted.
 * 2. A block that is there twice is taken once. In chain order each block comes after its parent,
 *    lower heights first, and blocks without a way to the genesis block are left out; in file order
 *    they are as in the files, all of them.
 * 3. The blocks are not verified: the node does that when it imports the file.
 * 4. The copy is written as NAME.part, synced every sync_size bytes, and renamed when it is whole.
 * A run that finds NAME.part keeps its records but for the last sync_size bytes, which a power cut
 * may have torn, and appends what is missing. Thread: one. */
#ifndef CONVERT_BOOTSTRAP_CORE_H
#define CONVERT_BOOTSTRAP_CORE_H
#include "chain/params.h"
#include "io/disk.h"

#define CORE_SYNC_SIZE 128000000
#define CORE_TEXT_SIZE 320

struct core_copy {
    struct disk *source; /* the reference node's directory blocks/ */
    struct disk *target;
    const char *name; /* of the new file, in target's directory */
    const struct params *params;
    bool is_native, is_file_order;
    uint64_t sync_size;
    /* May be NULL. is_index: still reading headers. In bytes. */
    void (*progress)(void *context, bool is_index, uint64_t done, uint64_t all);
    void *context;
    /* results */
    uint64_t file_count, block_count, kept_count, double_count, orphan_count, skipped_size;
};

/* 0, or -errno with a line that says why. */
MUST_CHECK int core_copy(struct core_copy *copy, char text[CORE_TEXT_SIZE]);
#endif
