/* start.h - the steps from a base directory to a running engine that are files of their own. Each
 * gives ENGINE_OK, or says in the start's text why not. Thread: the one that opens the engine. */
#ifndef PIPELINE_START_H
#define PIPELINE_START_H
#include "pipeline/engine_private.h"

/* What a start works with and throws away. */
struct start {
    struct engine *engine;
    struct disk *disk; /* the starting thread's */
    struct disk_file *blocks, *metadata;
    uint64_t blocks_size;
    struct metadata data;
    uint64_t metadata_end;
    bool is_other_file; /* blocks.bin was exchanged: positions in ledger/ mean nothing */
    char *text;
    size_t text_size;
    size_t scanned_count;
    bool has_metadata;
    struct metadata_record *rotten; /* damaged blocks whose header is whole: their place is kept */
    size_t rotten_count;
    uint64_t progress_us;
};

__attribute__((format(printf, 3, 4))) enum engine_error
start_refuse(struct start *start, enum engine_error error, const char *format, ...);
enum engine_error start_refuse_errno(struct start *start, const char *what, int error);

/* start_blocks.c */
/* Opens blocks.bin; a new one gets the genesis block as its first record. */
enum engine_error start_blocks(struct start *start);
/* What is in blocks.bin, from metadata.bin and a scan of the rest. */
enum engine_error start_metadata(struct start *start);

/* start_scan.c */
/* Looks through a part of blocks.bin that no metadata covers; what it finds comes to data and
 * rotten. *good_end is the end of the last whole record, or from. */
enum engine_error start_scan(struct start *start, uint64_t from, uint64_t to, uint64_t *good_end);

/* start_tree.c */
enum engine_error start_tree(struct start *start);
/* The tip, which wins ties after the next start. 0 or -errno. */
MUST_CHECK int start_write_tip(struct engine *engine, struct disk *disk);
#endif
