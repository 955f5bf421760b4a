/* scan.h - many blocks of blocks.bin at once, on several threads, with a line of progress. */
#ifndef CAESURE_DB_SCAN_H
#define CAESURE_DB_SCAN_H
#include "base/arena.h"
#include "caesure-db/view.h"

struct scan_item {
    uint64_t pos;
    uint32_t size;
};

struct scan {
    const struct view *view;
    const struct scan_item *items;
    size_t count;
    unsigned thread_count;
    const char *verb; /* of the progress line: "searched" */
    bool is_quiet;
    /* On any of the threads, which take items in their order. record: the 8 bytes of framing and
     * the block; data NULL if it cannot be read, then error is -errno. arena is empty. False:
     * nothing behind this item is needed. */
    bool (*each)(void *context, size_t index, struct bytes record, int error, struct arena *arena);
    void *context;
};

/* 0, or -errno when blocks.bin cannot be opened. */
MUST_CHECK int scan_run(const struct scan *scan);
#endif
