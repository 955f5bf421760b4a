/* import.h - the fetch stage for a file: reads all headers first, then submits the blocks in chain
 * order. Any file of records: bootstrap.dat, another node's blocks.bin, blocks in any order, forks.
 */
#ifndef PIPELINE_IMPORT_H
#define PIPELINE_IMPORT_H
#include "pipeline/engine.h"

/* Read by any thread while the import runs. */
struct import_progress {
    _Atomic uint64_t size;      /* bytes of blocks to go through in all */
    _Atomic uint64_t done_size; /* of them with a verdict */
    _Atomic uint64_t block_count, done_count;
};

struct import_result {
    uint64_t accepted, duplicate, unjudged, refused, unconnected;
    char first_refused[256]; /* height or hash, and the reason */
};

enum import_error {
    IMPORT_OK,
    IMPORT_UNREADABLE, /* the file cannot be opened or read */
    IMPORT_NO_BLOCKS,  /* it is empty, of another network, or no block file at all */
    IMPORT_DAMAGED,    /* what comes before the damage was imported */
    IMPORT_STOPPED,    /* by is_stopping, or the engine failed */
};

/* Works on the calling thread until every block of the file has a verdict. text gets one line about
 * any error, with the position. */
enum import_error import_file(struct engine *engine, const char *path,
                              const _Atomic bool *is_stopping, struct import_progress *progress,
                              struct import_result *result, char *text, size_t text_size);
#endif
