/* spill.h - lists of bytes that are larger than memory: parts that spill into files of their own.
 * One thread at a time. */
#ifndef PIPELINE_SPILL_H
#define PIPELINE_SPILL_H
#include "io/disk.h"

#define SPILL_DIR "audit"

struct spill_part {
    struct disk_file *file; /* NULL while all is in memory */
    uint64_t file_size;
    uint8_t *data;
    size_t size, capacity;
};

struct spill {
    struct disk *disk;
    const char *kind; /* of the files' names */
    struct spill_part *parts;
    uint32_t count;
};

void spill_init(struct spill *spill, struct disk *disk, const char *kind, uint32_t count);
/* Removes the files, too. */
void spill_clear(struct spill *spill);
/* 0 or -errno. */
MUST_CHECK int spill_add(struct spill *spill, uint32_t part, const void *data, size_t size);
/* All of a part, for the caller to free; the part is empty then. 0 or -errno. */
MUST_CHECK int spill_take(struct spill *spill, uint32_t part, uint8_t **data, size_t *size);
/* What a run that was cut off left behind. 0 or -errno. */
MUST_CHECK int spill_remove_old(struct disk *disk);
#endif
