/* convert.h - changes the framing of a file of blocks in place, between (magic le32, size le32), as
 * in bootstrap.dat, and (size le64), as the first Caesure had it (store/blocks.h).
 *
 * 1. Only the 8 bytes before each block change. Files of both forms mixed are read by everything of
 *    ours, so a file half done is of use.
 * 2. The framing of the whole file is read first. If anything is wrong with it, nothing is changed.
 * 3. A batch of records at a time: its journal, NAME.convert, is written as NAME.convert.new,
 * synced, renamed, and the directory synced. Then the batch's framing is written and the file
 * synced. Then the next batch's journal takes its place; the last one's is removed.
 * 4. So at any time at most the batch of the journal has framing that is neither form, torn in the
 *    middle by a kill or a power cut. The journal has the sizes: whoever finds one writes that
 * batch again and goes on behind it, in the journal's direction. It counts only if each byte of the
 *    batch's framing is that of the one form or the other.
 * 5. NAME.convert.new never counts.
 * Thread: one; with the disk's plain backend or the simulated one. */
#ifndef CONVERT_BOOTSTRAP_CONVERT_H
#define CONVERT_BOOTSTRAP_CONVERT_H
#include "io/disk.h"

#define JOURNAL_SUFFIX ".convert"

struct conversion {
    struct disk *disk;
    const char *name; /* in the disk's directory */
    uint32_t magic;
    bool to_native;
    size_t batch_max; /* records; 0: the usual number */
    /* May be NULL. is_check: still reading (rule 2). */
    void (*progress)(void *context, bool is_check, uint64_t at, uint64_t end);
    void *context;
    /* results */
    uint64_t record_count, changed_count;
    bool is_resumed;
};

#define CONVERT_TEXT_SIZE 320

/* 0, or -errno with a line that says why; -EILSEQ: the file, or the journal, is not as it should
 * be. */
MUST_CHECK int convert(struct conversion *conversion, char text[CONVERT_TEXT_SIZE]);
#endif
