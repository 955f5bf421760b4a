/* disk_backend.h - what io/ shares between the backends of disk.h. Nobody else includes it. */
#ifndef IO_DISK_BACKEND_H
#define IO_DISK_BACKEND_H
#include "io/disk.h"

#define DISK_PRIORITY_COUNT 3

struct disk_file {
    struct disk *disk;
    struct disk_file *next, *prev; /* all of the disk */
};

struct disk_backend {
    void (*close)(struct disk *disk); /* frees it; its files are closed */
    int (*run)(struct disk *disk, int timeout_ms);
    void (*wake)(struct disk *disk);
    int (*file_open)(struct disk *disk, struct disk_file **file, const char *name, unsigned flags);
    void (*file_close)(struct disk_file *file);
    int (*file_size)(struct disk_file *file, uint64_t *size);
    int (*truncate)(struct disk_file *file, uint64_t size);
    int (*unlink)(struct disk *disk, const char *name);
    int (*make_dir)(struct disk *disk, const char *name);
    int (*list)(struct disk *disk, const char *directory,
                void (*each)(void *context, const char *name), void *context);
    void (*submitted)(struct disk *disk, struct disk_op *op); /* may be NULL */
};

struct op_queue {
    struct disk_op *first, *last;
};

struct disk {
    const struct disk_backend *backend;
    struct disk_file *files;
    struct op_queue queues[DISK_PRIORITY_COUNT]; /* submitted, not started */
    size_t pending;
};

/* The next operation to start, or NULL. */
struct disk_op *disk_take(struct disk *disk);

/* Accounts for a transfer's answer (moved bytes or -errno). True when the operation is complete,
 * with its result; false when the rest is still to be transferred. */
bool disk_op_advance(struct disk_op *op, int64_t answer, int64_t *result);
static inline bool disk_op_is_transfer(const struct disk_op *op)
{
    return op->kind <= DISK_WRITE;
}

/* Under ASan the buffers of reads are out of bounds from disk_submit to disk_finish; a backend that
 * writes to them itself, not by the kernel's hand, takes that off meanwhile. */
void disk_op_forbid(const struct disk_op *op);
void disk_op_allow(const struct disk_op *op);

/* Takes op out of the books and calls its done. */
void disk_finish(struct disk *disk, struct disk_op *op, int64_t result);

/* The plain backend's calls and memory, which the ring's includes. */
struct plain_disk {
    struct disk base;
    int dir;
    int event; /* an eventfd: disk_wake */
};
struct plain_file {
    struct disk_file base;
    int fd;
};
int plain_init(struct plain_disk *disk, const char *directory);
void plain_clear(struct plain_disk *disk);
void plain_wake(struct disk *disk);
int plain_file_open(struct disk *disk, struct disk_file **file, const char *name, unsigned flags);
void plain_file_close(struct disk_file *file);
int plain_file_size(struct disk_file *file, uint64_t *size);
int plain_truncate(struct disk_file *file, uint64_t size);
int plain_unlink(struct disk *disk, const char *name);
int plain_make_dir(struct disk *disk, const char *name);
int plain_list(struct disk *disk, const char *directory,
               void (*each)(void *context, const char *name), void *context);
/* Does a rename, directory sync or reserve, or a part of a transfer, now: disk_op_advance's answer.
 */
int64_t plain_execute(struct plain_disk *disk, const struct disk_op *op);
int plain_open_dir(const struct plain_disk *disk, const char *name);
#endif
