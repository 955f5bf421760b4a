#include "base/arena.h"
#include "io/disk_backend.h"
#include "io/uring.h"
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct ring_disk {
    struct plain_disk plain; /* first; its base is the disk */
    struct io_uring ring;
    unsigned depth, in_flight;
    unsigned without;
    bool is_enabled;
    bool is_wake_armed;
    uint64_t wakes; /* what the eventfd gives */
};

/* What does not go through the ring here is done at once. False then, with the result in *result.
 */
static bool prepare(struct ring_disk *disk, struct disk_op *op, struct io_uring_sqe *sqe,
                    int64_t *result)
{
    int fd = op->file != NULL ? ((struct plain_file *)op->file)->fd : -1;
    unsigned iov_count = op->iov_count < IOV_MAX ? op->iov_count : IOV_MAX;

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
        if (disk->without & URING_RENAME)
            goto at_once;
        io_uring_prep_renameat(sqe, disk->plain.dir, op->name, disk->plain.dir, op->new_name, 0);
        break;
    case DISK_SYNC_DIR:
        fd = plain_open_dir(&disk->plain, op->name);
        if (fd < 0)
            goto at_once; /* to the same error */
        op->stamp = (uint64_t)fd;
        io_uring_prep_fsync(sqe, fd, 0);
        break;
    case DISK_RESERVE:
        if (disk->without & URING_FALLOCATE)
            goto at_once;
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_KEEP_SIZE, (off_t)op->offset, (off_t)op->size);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
    return true;

at_once:
    /* The entry is taken: it goes to the kernel as nothing to do. */
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, NULL);
    while (!disk_op_advance(op, plain_execute(&disk->plain, op), result)) {
    }
    return false;
}

/* Gives the kernel what is submitted, up to the queue's depth; returns how many were done at once.
 */
static int start(struct ring_disk *disk)
{
    int done_count = 0;

    if (!disk->is_wake_armed) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);

        if (sqe != NULL) {
            io_uring_prep_read(sqe, disk->plain.event, &disk->wakes, sizeof disk->wakes, 0);
            io_uring_sqe_set_data(sqe, disk);
            disk->is_wake_armed = true;
        }
    }
    while (disk->in_flight < disk->depth && io_uring_sq_space_left(&disk->ring) > 0) {
        struct disk_op *op = disk_take(&disk->plain.base);
        int64_t result;

        if (op == NULL)
            break;
        if (prepare(disk, op, io_uring_get_sqe(&disk->ring), &result)) {
            disk->in_flight++;
        } else {
            disk_finish(&disk->plain.base, op, result);
            done_count++;
        }
    }
    return done_count;
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

    while (io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
        void *data = io_uring_cqe_get_data(cqe);
        int64_t answer = cqe->res;
        int64_t result;

        io_uring_cqe_seen(&disk->ring, cqe);
        if (data == NULL)
            continue;
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

static int enter(struct ring_disk *disk, bool may_sleep, int timeout_ms)
{
    struct __kernel_timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    struct io_uring_cqe *cqe;
    int error;

    if (!may_sleep)
        error = io_uring_submit_and_get_events(&disk->ring);
    else
        error = io_uring_submit_and_wait_timeout(&disk->ring, &cqe, 1,
                                                 timeout_ms < 0 ? NULL : &limit, NULL);
    /* Out of time or interrupted; or the kernel had no memory and takes the rest with the next
     * call. */
    if (error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY)
        return 0;
    return error;
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
        done_count += start(disk);

        unsigned before = disk->in_flight;
        int error = enter(disk, done_count == 0 && timeout_ms != 0, timeout_ms);

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
    while (disk->is_wake_armed && enter(disk, true, -1) == 0)
        reap(disk, &is_woken);
    io_uring_queue_exit(&disk->ring);
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

/* The features of `without`, and the operations this kernel's io_uring does not know. */
static unsigned missing_features(struct io_uring *ring, unsigned without)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);

    if (probe == NULL || !io_uring_opcode_supported(probe, IORING_OP_RENAMEAT))
        without |= URING_RENAME;
    if (probe == NULL || !io_uring_opcode_supported(probe, IORING_OP_FALLOCATE))
        without |= URING_FALLOCATE;
    io_uring_free_probe(probe);
    return without;
}

int disk_open_ring(struct disk **opened, const char *directory, unsigned depth, unsigned without)
{
    struct ring_disk *disk = xcalloc(1, sizeof *disk);
    int error = plain_init(&disk->plain, directory);

    assert(depth > 0);
    if (error < 0) {
        free(disk);
        return error;
    }
    error = uring_open(&disk->ring, depth + 1, without); /* and the wake */
    if (error < 0) {
        plain_clear(&disk->plain);
        free(disk);
        return error;
    }
    disk->plain.base.backend = &ring_backend;
    disk->depth = depth;
    disk->without = missing_features(&disk->ring, without);
    *opened = &disk->plain.base;
    return 0;
}
