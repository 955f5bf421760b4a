#include "io/disk.h"
#include "io/disk_backend.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* The kernel writes behind a sanitizer's back: while a read is under way, nobody may touch its
 * buffer. (What is being written may be read: the tail's blocks are.) */
static void allow(const void *data, size_t size)
{
#ifdef HAS_ASAN
    ASAN_UNPOISON_MEMORY_REGION(data, size);
#else
    (void)data, (void)size;
#endif
}

void disk_op_forbid(const struct disk_op *op)
{
#ifdef HAS_ASAN
    if (op->kind == DISK_READ || op->kind == DISK_READ_MAX)
        for (uint32_t i = 0; i < op->iov_count; i++)
            ASAN_POISON_MEMORY_REGION(op->iov[i].iov_base, op->iov[i].iov_len);
#else
    (void)op;
#endif
}

void disk_op_allow(const struct disk_op *op)
{
    if (op->kind == DISK_READ || op->kind == DISK_READ_MAX)
        for (uint32_t i = 0; i < op->iov_count; i++)
            allow(op->iov[i].iov_base, op->iov[i].iov_len);
}

void disk_op_init(struct disk_op *op, enum disk_kind kind, struct disk_file *file, void *data,
                  size_t size, uint64_t offset, void (*done)(struct disk_op *op, int64_t result))
{
    *op = (struct disk_op){.kind = kind,
                           .priority = DISK_NORMAL,
                           .file = file,
                           .offset = offset,
                           .iov_count = 1,
                           .done = done,
                           .one = {data, size}};
    op->iov = &op->one;
}

void disk_submit(struct disk *disk, struct disk_op *op)
{
    struct op_queue *queue = &disk->queues[op->priority];

    assert(op->done != NULL);
    assert(op->kind == DISK_RENAME || op->kind == DISK_SYNC_DIR || op->file->disk == disk);
    op->next = NULL;
    op->moved = 0;
    op->total = 0;
    if (disk_op_is_transfer(op))
        for (uint32_t i = 0; i < op->iov_count; i++)
            op->total += op->iov[i].iov_len;
    disk_op_forbid(op);
    if (queue->first == NULL)
        queue->first = op;
    else
        queue->last->next = op;
    queue->last = op;
    disk->pending++;
    if (disk->backend->submitted != NULL)
        disk->backend->submitted(disk, op);
}

struct disk_op *disk_take(struct disk *disk)
{
    for (int i = 0; i < DISK_PRIORITY_COUNT; i++) {
        struct disk_op *op = disk->queues[i].first;

        if (op != NULL) {
            disk->queues[i].first = op->next;
            op->next = NULL;
            return op;
        }
    }
    return NULL;
}

bool disk_op_advance(struct disk_op *op, int64_t answer, int64_t *result)
{
    if ((answer == -EINTR || answer == -EAGAIN) && op->kind != DISK_SYNC)
        return false;
    *result = answer;
    if (!disk_op_is_transfer(op) || answer < 0)
        return true;
    if (answer == 0 && op->moved < op->total) {
        *result = op->kind == DISK_READ_MAX ? (int64_t)op->moved
                  : op->kind == DISK_READ   ? -ENODATA
                                            : -EIO;
        return true;
    }
    op->moved += (uint64_t)answer;
    op->offset += (uint64_t)answer;
    while (op->iov_count > 0 && (uint64_t)answer >= op->iov->iov_len) {
        allow(op->iov->iov_base, op->iov->iov_len);
        answer -= (int64_t)op->iov->iov_len;
        op->iov++;
        op->iov_count--;
    }
    if (op->moved < op->total) {
        allow(op->iov->iov_base, (size_t)answer);
        op->iov->iov_base = (uint8_t *)op->iov->iov_base + answer;
        op->iov->iov_len -= (size_t)answer;
        return false;
    }
    *result = (int64_t)op->total;
    return true;
}

void disk_finish(struct disk *disk, struct disk_op *op, int64_t result)
{
    disk_op_allow(op);
    disk->pending--;
    op->done(op, result);
}

size_t disk_pending(const struct disk *disk)
{
    return disk->pending;
}

int disk_run(struct disk *disk, int timeout_ms)
{
    return disk->backend->run(disk, timeout_ms);
}

void disk_wake(struct disk *disk)
{
    disk->backend->wake(disk);
}

void disk_close(struct disk *disk)
{
    if (disk == NULL)
        return;
    assert(disk->pending == 0);
    while (disk->files != NULL)
        disk_file_close(disk->files);
    disk->backend->close(disk);
}

struct waiting_op {
    struct disk_op op; /* first */
    bool is_done;
    int64_t result;
};

static void waiting_done(struct disk_op *op, int64_t result)
{
    struct waiting_op *waiting = (struct waiting_op *)op;

    waiting->is_done = true;
    waiting->result = result;
}

static int wait_for(struct disk *disk, struct waiting_op *waiting)
{
    waiting->op.done = waiting_done;
    waiting->is_done = false;
    disk_submit(disk, &waiting->op);
    while (!waiting->is_done) {
        int error = disk_run(disk, -1);

        /* A ring that fails with an operation in it cannot be told to forget the operation's
         * buffers. */
        assert(error >= 0);
    }
    return waiting->result < 0 ? (int)waiting->result : 0;
}

static int transfer_sync(struct disk *disk, enum disk_kind kind, struct disk_file *file, void *data,
                         size_t size, uint64_t offset)
{
    struct waiting_op waiting;

    disk_op_init(&waiting.op, kind, file, data, size, offset, waiting_done);
    return wait_for(disk, &waiting);
}

int disk_read_sync(struct disk *disk, struct disk_file *file, void *data, size_t size,
                   uint64_t offset)
{
    return transfer_sync(disk, DISK_READ, file, data, size, offset);
}

int disk_write_sync(struct disk *disk, struct disk_file *file, const void *data, size_t size,
                    uint64_t offset)
{
    return transfer_sync(disk, DISK_WRITE, file, (void *)data, size, offset);
}

int disk_sync(struct disk *disk, struct disk_file *file)
{
    struct waiting_op waiting = {.op = {.kind = DISK_SYNC, .priority = DISK_NORMAL, .file = file}};

    return wait_for(disk, &waiting);
}

int disk_rename(struct disk *disk, const char *name, const char *new_name)
{
    struct waiting_op waiting = {
        .op = {.kind = DISK_RENAME, .priority = DISK_NORMAL, .name = name, .new_name = new_name}};

    return wait_for(disk, &waiting);
}

int disk_sync_dir(struct disk *disk, const char *name)
{
    struct waiting_op waiting = {
        .op = {.kind = DISK_SYNC_DIR, .priority = DISK_NORMAL, .name = name}};

    return wait_for(disk, &waiting);
}

int disk_file_open(struct disk *disk, struct disk_file **file, const char *name, unsigned flags)
{
    int error = disk->backend->file_open(disk, file, name, flags);

    if (error < 0)
        return error;
    (*file)->disk = disk;
    (*file)->prev = NULL;
    (*file)->next = disk->files;
    if (disk->files != NULL)
        disk->files->prev = *file;
    disk->files = *file;
    return 0;
}

void disk_file_close(struct disk_file *file)
{
    if (file == NULL)
        return;
    if (file->prev != NULL)
        file->prev->next = file->next;
    else
        file->disk->files = file->next;
    if (file->next != NULL)
        file->next->prev = file->prev;
    file->disk->backend->file_close(file);
}

int disk_file_size(struct disk_file *file, uint64_t *size)
{
    return file->disk->backend->file_size(file, size);
}

int disk_truncate(struct disk_file *file, uint64_t size)
{
    return file->disk->backend->truncate(file, size);
}

int disk_unlink(struct disk *disk, const char *name)
{
    return disk->backend->unlink(disk, name);
}

int disk_make_dir(struct disk *disk, const char *name)
{
    return disk->backend->make_dir(disk, name);
}

int disk_list(struct disk *disk, const char *directory,
              void (*each)(void *context, const char *name), void *context)
{
    return disk->backend->list(disk, directory, each, context);
}
