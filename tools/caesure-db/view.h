/* view.h - a base directory as another process sees it, also while a node runs there: what
 * blocks.bin had when it was opened, and what metadata.bin says of that. Nothing is written or
 * locked. Thread: one opens and closes; in between any may read. */
#ifndef CAESURE_DB_VIEW_H
#define CAESURE_DB_VIEW_H
#include "chain/header_tree.h"
#include "store/blocks.h"
#include "store/metadata.h"

struct view_trouble {
    uint64_t at, size; /* of the part of blocks.bin that holds no record */
    bool is_tail;      /* behind what was ever synced: a record being written, or left by a crash */
    char text[160];
};

struct view {
    const char *directory;
    const struct params *params;
    uint32_t magic;
    struct disk *disk;
    struct disk_file *blocks;
    uint64_t blocks_size;
    struct metadata
        metadata; /* a record for each of blocks.bin; synced_end 0: from its header only */
    struct header_tree *tree;
    struct header_node *last; /* most work of those stored with all before them and not invalid */
    size_t orphan_count;      /* records that are not in the tree */
    struct view_trouble *troubles;
    size_t trouble_count;
};

#define VIEW_ERROR_SIZE 512

/* False with what is wrong. directory and params are borrowed until view_close. */
MUST_CHECK bool view_open(struct view *view, const char *directory, const struct params *params,
                          char error[VIEW_ERROR_SIZE]);
void view_close(struct view *view);

/* The record whose block has the byte at pos, or NULL. */
const struct metadata_record *view_record_at(const struct view *view, uint64_t pos);

/* Reads and parses a block, which is whole: its bytes, for the caller to free, or NULL with what is
 * wrong. */
uint8_t *view_read(const struct view *view, const struct header_node *node, struct block *block,
                   struct arena *arena, char error[VIEW_ERROR_SIZE]);

/* The transactions, without their witnesses, are those that the header commits to. Scratch memory
 * comes from the arena. */
bool view_is_whole(const struct block *block, struct arena *arena);

/* "valid", "invalid REASON", "unverified": as the monitor says it. */
void view_status(char *text, size_t text_size, const struct header_node *node);
#endif
