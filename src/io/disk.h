/* disk.h - the one way to files. Backends: the ring (io_uring), plain system calls (for tools,
 * which work where io_uring is forbidden), and the simulated disk of simdisk.h.
 *
 * Thread: a struct disk belongs to the thread that makes its first disk_run; until then to the one
 * that opened it. It is closed there, or when that thread has ended. The plain and the simulated
 * one may also go from thread to thread under a lock. Several may be open over one directory; a
 * file is used only with the disk that opened it. disk_wake is for any thread.
 *
 * An operation lives in the struct of who waits for it and must stay, with all it points to, until
 * its done is called; done is called inside disk_run only and may submit more. Operations of equal
 * priority start in the order of submission, up to the queue depth, and complete in any order.
 * Short transfers are continued inside. Results are the full size (0 for what transfers nothing) or
 * -errno. */
#ifndef IO_DISK_H
#define IO_DISK_H
#include "base/bytes.h"
#include <sys/uio.h>

struct disk;
struct disk_file;

enum disk_kind {
    DISK_READ,     /* -ENODATA when the file ends before */
    DISK_READ_MAX, /* what there is up to the end of the file */
    DISK_WRITE,
    DISK_SYNC,   /* fdatasync: what was completed before this was submitted. Never retried: after a
                  * failure nobody knows what is on the disk. */
    DISK_RENAME, /* name to new_name, in one directory */
    DISK_SYNC_DIR, /* of directory name, "." for the disk's own: names created, renamed, removed
                      there */
    DISK_RESERVE,  /* size bytes of space from offset on; the file's size stays. -EOPNOTSUPP is no
                      harm */
};

enum disk_priority { DISK_URGENT, DISK_NORMAL, DISK_LATER };

struct disk_op {
    enum disk_kind kind;
    enum disk_priority priority;
    struct disk_file *file;
    uint64_t offset;
    struct iovec *iov; /* may be changed; any count (more than IOV_MAX goes in parts) */
    uint32_t iov_count;
    uint64_t size;               /* of DISK_RESERVE */
    const char *name, *new_name; /* relative to the disk's directory, or absolute */
    void (*done)(struct disk_op *op, int64_t result);

    struct iovec one; /* for an operation with one buffer: iov = &one */
    /* the backend's: */
    struct disk_op *next;
    struct disk_op *prev;
    uint64_t total, moved;
    uint64_t stamp;
};

/* A read or write of one buffer, all fields set. */
void disk_op_init(struct disk_op *op, enum disk_kind kind, struct disk_file *file, void *data,
                  size_t size, uint64_t offset, void (*done)(struct disk_op *op, int64_t result));

#define DISK_WHY_SIZE 256

/* Opening: 0 or -errno; the directory must be there. Of the ring why says what is wrong with it or
 * with io_uring here; without: enum uring_feature of uring_features.h. */
MUST_CHECK int disk_open_ring(struct disk **disk, const char *directory, unsigned depth,
                              uint32_t without, char why[DISK_WHY_SIZE]);
MUST_CHECK int disk_open_plain(struct disk **disk, const char *directory);
/* Makes the directory path and what is missing above it. 0 or -errno. */
MUST_CHECK int disk_make_path(const char *path);
/* No operation may be under way. Closes the files too. */
void disk_close(struct disk *disk);

void disk_submit(struct disk *disk, struct disk_op *op);
/* Starts what was submitted and calls done for what is complete. If nothing is, sleeps until
 * something is or disk_wake was called, timeout_ms at most (0: not at all, -1: no limit). Returns
 * how many are done, or -errno when the ring itself failed. */
MUST_CHECK int disk_run(struct disk *disk, int timeout_ms);
/* Any thread: ends the sleep of disk_run, this one or the next. */
void disk_wake(struct disk *disk);
/* Operations submitted and not done. */
size_t disk_pending(const struct disk *disk);

/* The same, waiting; other operations' done may be called meanwhile. 0 or -errno. */
MUST_CHECK int disk_read_sync(struct disk *disk, struct disk_file *file, void *data, size_t size,
                              uint64_t offset);
MUST_CHECK int disk_write_sync(struct disk *disk, struct disk_file *file, const void *data,
                               size_t size, uint64_t offset);
MUST_CHECK int disk_sync(struct disk *disk, struct disk_file *file);
MUST_CHECK int disk_rename(struct disk *disk, const char *name, const char *new_name);
MUST_CHECK int disk_sync_dir(struct disk *disk, const char *name);

/* Plain system calls: at start, at shutdown and on threads that may wait. 0 or -errno. */
enum disk_open_flags {
    DISK_OPEN_WRITE = 1,  /* else for reading only */
    DISK_OPEN_CREATE = 2, /* if it is not there, with mode 0644 */
    DISK_OPEN_TRUNCATE = 4,
    DISK_OPEN_RANDOM = 8,   /* no read-ahead: a descriptor of its own for random access */
    DISK_OPEN_PRIVATE = 16, /* mode 0600 when created */
};
/* name: relative to the disk's directory, or absolute. -EISDIR, or -ESPIPE for a pipe or device. */
MUST_CHECK int disk_file_open(struct disk *disk, struct disk_file **file, const char *name,
                              unsigned flags);
void disk_file_close(struct disk_file *file);
MUST_CHECK int disk_file_size(struct disk_file *file, uint64_t *size);
MUST_CHECK int disk_truncate(struct disk_file *file, uint64_t size);
MUST_CHECK int disk_unlink(struct disk *disk, const char *name);
MUST_CHECK int disk_make_dir(struct disk *disk, const char *name); /* 0 also if it is there */
/* Calls each for every name in directory ("." for the disk's own), without "." and "..". */
MUST_CHECK int disk_list(struct disk *disk, const char *directory,
                         void (*each)(void *context, const char *name), void *context);
#endif
