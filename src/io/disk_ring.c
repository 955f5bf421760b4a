#include "base/arena.h"
#include "io/disk_backend.h"
#include "io/uring.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(DISK_WHY_SIZE >= URING_WHY_SIZE, "uring_open's text fits");

struct ring_disk {
    struct plain_disk plain; /* first; its base is the disk */
    struct uring ring;
    unsigned depth, in_flight;
    bool is_enabled;
    bool is_wake_armed;
    uint64_t wakes; /* what the eventfd gives */
};

/* Hands op to the ring; -errno if it cannot be begun. */
static int begin(struct ring_disk *disk, struct disk_op *op)
{
    int fd = op->file != NULL ? ((struct plain_file *)op->file)->fd : -1;
    unsigned iov_count = op->iov_count < IOV_MAX ? op->iov_count : IOV_MAX;

    if (op->kind == DISK_SYNC_DIR) {
        fd = plain_open_dir(&disk->plain, op->name);
        if (fd < 0)
            return fd;
        op->stamp = (uint64_t)fd;
    }

    struct io_uring_sqe *sqe = uring_sqe(&disk->ring);

    switch (op->kind) {
    case DISK_READ:
    case DISK_READ_MAX:
        io_uring_prep_readv(sqe, fd, op->iov, iov_count, op->offset);
        break;
    case DISK_WRITE:
        io_uring_prep_writev(sqe, fd, op->iov, iov_count, op->offset);
        break;
    case DISK_SYNC:
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        break;
    case DISK_RENAME:
        io_uring_prep_renameat(sqe, disk->plain.dir, op->name, disk->plain.dir, op->new_name, 0);
        break;
    case DISK_SYNC_DIR:
        io_uring_prep_fsync(sqe, fd, 0);
        break;
    case DISK_RESERVE:
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_KEEP_SIZE, (off_t)op->offset, (off_t)op->size);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
    disk->in_flight++;
    return 0;
}

/* Begins what is submitted, up to the queue's depth; returns how many failed at once. */
static int begin_all(struct ring_disk *disk)
{
    struct disk_op *op;
    int failed_count = 0;

    if (!disk->is_wake_armed) {
        struct io_uring_sqe *sqe = uring_sqe(&disk->ring);

        io_uring_prep_read(sqe, disk->plain.event, &disk->wakes, sizeof disk->wakes, 0);
        io_uring_sqe_set_data(sqe, disk);
        disk->is_wake_armed = true;
    }
    while (disk->in_flight < disk->depth && (op = disk_take(&disk->plain.base)) != NULL) {
        int error = begin(disk, op);

        if (error < 0) {
            disk_finish(&disk->plain.base, op, error);
            failed_count++;
        }
    }
    return failed_count;
}

/* Puts an operation whose rest is still to be transferred before all others of its priority. */
static void put_back(struct disk *disk, struct disk_op *op)
{
    struct op_queue *queue = &disk->queues[op->priority];

    op->next = queue->first;
    if (queue->first == NULL)
        queue->last = op;
    queue->first = op;
}

/* Calls done for what the kernel has completed; *is_woken if disk_wake is among it. */
static int reap(struct ring_disk *disk, bool *is_woken)
{
    struct io_uring_cqe *cqe;
    int done_count = 0;

    while (io_uring_peek_cqe(&disk->ring.ring, &cqe) == 0) {
        void *data = io_uring_cqe_get_data(cqe);
        int64_t answer = cqe->res;
        int64_t result;

        io_uring_cqe_seen(&disk->ring.ring, cqe);
        if (data == disk) {
            disk->is_wake_armed = false;
            *is_woken = true;
            continue;
        }

        struct disk_op *op = data;

        disk->in_flight--;
        if (op->kind == DISK_SYNC_DIR)
            close((int)op->stamp);
        if (disk_op_advance(op, answer, &result)) {
            disk_finish(&disk->plain.base, op, result);
            done_count++;
        } else {
            put_back(&disk->plain.base, op);
        }
    }
    return done_count;
}

static int ring_run(struct disk *base, int timeout_ms)
{
    struct ring_disk *disk = (struct ring_disk *)base;
    bool is_woken = false;
    bool has_moved; /* a part of a transfer came, no whole operation: its rest is to be started */
    int done_count = 0;

    if (!disk->is_enabled) {
        int error = uring_enable(&disk->ring);

        if (error < 0)
            return error;
        disk->is_enabled = true;
    }
    do {
        done_count += begin_all(disk);

        unsigned before = disk->in_flight;
        int error = uring_enter(&disk->ring, done_count > 0 ? 0 : timeout_ms);

        if (error < 0)
            return error;
        done_count += reap(disk, &is_woken);
        has_moved = disk->in_flight < before;
    } while (done_count == 0 && !is_woken && has_moved);
    return done_count;
}

static void ring_close(struct disk *base)
{
    struct ring_disk *disk = (struct ring_disk *)base;
    bool is_woken = false;

    /* The kernel must not hold a read into memory that is freed. (Where the owner thread has ended,
     * the kernel cancelled it then, and refuses this one's entry.) */
    if (disk->is_wake_armed)
        plain_wake(base);
    while (disk->is_wake_armed && uring_enter(&disk->ring, -1) == 0)
        reap(disk, &is_woken);
    uring_close(&disk->ring);
    plain_clear(&disk->plain);
    free(disk);
}

static const struct disk_backend ring_backend = {
    .close = ring_close,
    .run = ring_run,
    .wake = plain_wake,
    .file_open = plain_file_open,
    .file_close = plain_file_close,
    .file_size = plain_file_size,
    .truncate = plain_truncate,
    .unlink = plain_unlink,
    .make_dir = plain_make_dir,
    .list = plain_list,
};

int disk_open_ring(struct disk **opened, const char *directory, unsigned depth, uint32_t without,
                   char why[DISK_WHY_SIZE])
{
    static const uint8_t operations[] = {IORING_OP_READ,  IORING_OP_READV,    IORING_OP_WRITEV,
                                         IORING_OP_FSYNC, IORING_OP_RENAMEAT, IORING_OP_FALLOCATE};
    const struct uring_options ring = {.entries = depth + 1, /* and the wake */
                                       .cq_entries = 2 * (depth + 1),
                                       .without = without,
                                       .operations = operations,
                                       .operation_count = ARRAY_COUNT(operations)};
    struct ring_disk *disk = xcalloc(1, sizeof *disk);
    int error = plain_init(&disk->plain, directory);

    assert(depth > 0);
    if (error < 0) {
        snprintf(why, DISK_WHY_SIZE, "%s: %s", directory, strerror(-error));
        free(disk);
        return error;
    }
    error = uring_open(&disk->ring, &ring, why);
    if (error < 0) {
        plain_clear(&disk->plain);
        free(disk);
        return error;
    }
    disk->plain.base.backend = &ring_backend;
    disk->depth = depth;
    *opened = &disk->plain.base;
    return 0;
}
