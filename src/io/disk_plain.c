#include "base/arena.h"
#include "io/disk_backend.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

static int fd_of(const struct disk_file *file)
{
    return ((const struct plain_file *)file)->fd;
}

static int error_of(int result)
{
    return result < 0 ? -errno : 0;
}

int disk_make_path(const char *path)
{
    char *copy = strdup(path);
    int error = 0;

    for (char *p = copy + 1; error == 0 && *p; p++)
        if (*p == '/') {
            *p = 0;
            if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                error = -errno;
            *p = '/';
        }
    if (error == 0 && mkdir(copy, 0755) < 0 && errno != EEXIST)
        error = -errno;
    free(copy);
    return error;
}

int plain_init(struct plain_disk *disk, const char *directory)
{
    disk->dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC); /* where names begin, no more */
    if (disk->dir < 0)
        return -errno;
    disk->event = eventfd(0, EFD_CLOEXEC);
    if (disk->event < 0) {
        int error = -errno;

        close(disk->dir);
        return error;
    }
    return 0;
}

void plain_clear(struct plain_disk *disk)
{
    close(disk->dir);
    close(disk->event);
}

void plain_wake(struct disk *disk)
{
    const uint64_t one = 1;
    ssize_t written = write(((struct plain_disk *)disk)->event, &one, sizeof one);

    (void)written; /* fails only after 2^64 wakes without a sleep */
}

/* Only what can be read anywhere and has a size is a file to us. */
static int check_type(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return S_ISREG(st.st_mode) ? 0 : -ESPIPE;
}

int plain_file_open(struct disk *disk, struct disk_file **file, const char *name, unsigned flags)
{
    /* Without O_NONBLOCK a pipe without a writer would be waited for. */
    int mode = O_CLOEXEC | O_NONBLOCK | (flags & DISK_OPEN_WRITE ? O_RDWR : O_RDONLY);

    if (flags & DISK_OPEN_CREATE)
        mode |= O_CREAT;
    if (flags & DISK_OPEN_TRUNCATE)
        mode |= O_TRUNC;

    int fd = openat(((struct plain_disk *)disk)->dir, name, mode,
                    flags & DISK_OPEN_PRIVATE ? 0600 : 0644);

    if (fd < 0)
        return -errno;

    int error = check_type(fd);

    if (error < 0) {
        close(fd);
        return error;
    }
    fcntl(fd, F_SETFL, 0);
    if (flags & DISK_OPEN_RANDOM)
        posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);

    struct plain_file *opened = xmalloc(sizeof *opened);

    opened->fd = fd;
    *file = &opened->base;
    return 0;
}

void plain_file_close(struct disk_file *file)
{
    close(fd_of(file));
    free(file);
}

int plain_file_size(struct disk_file *file, uint64_t *size)
{
    struct stat st;

    if (fstat(fd_of(file), &st) < 0)
        return -errno;
    *size = (uint64_t)st.st_size;
    return 0;
}

int plain_truncate(struct disk_file *file, uint64_t size)
{
    return error_of(ftruncate(fd_of(file), (off_t)size));
}

int plain_unlink(struct disk *disk, const char *name)
{
    return error_of(unlinkat(((struct plain_disk *)disk)->dir, name, 0));
}

int plain_make_dir(struct disk *disk, const char *name)
{
    int error = error_of(mkdirat(((struct plain_disk *)disk)->dir, name, 0755));

    return error == -EEXIST ? 0 : error;
}

int plain_open_dir(const struct plain_disk *disk, const char *name)
{
    int fd = openat(disk->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int plain_list(struct disk *disk, const char *directory,
               void (*each)(void *context, const char *name), void *context)
{
    int fd = plain_open_dir((struct plain_disk *)disk, directory);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (dir == NULL)
        return fd < 0 ? fd : -errno;
    while ((errno = 0, entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(context, entry->d_name);

    int error = -errno;

    closedir(dir);
    return error;
}

int64_t plain_execute(struct plain_disk *disk, const struct disk_op *op)
{
    int iov_count = (int)(op->iov_count < IOV_MAX ? op->iov_count : IOV_MAX);
    ssize_t result = -1;
    int dir;

    switch (op->kind) {
    case DISK_READ:
    case DISK_READ_MAX:
        result = preadv(fd_of(op->file), op->iov, iov_count, (off_t)op->offset);
        break;
    case DISK_WRITE:
        result = pwritev(fd_of(op->file), op->iov, iov_count, (off_t)op->offset);
        break;
    case DISK_SYNC:
        result = fdatasync(fd_of(op->file));
        break;
    case DISK_RENAME:
        result = renameat(disk->dir, op->name, disk->dir, op->new_name);
        break;
    case DISK_SYNC_DIR:
        dir = plain_open_dir(disk, op->name);
        if (dir < 0)
            return dir;
        result = fsync(dir) < 0 ? -errno : 0;
        close(dir);
        return result;
    case DISK_RESERVE:
        result =
            fallocate(fd_of(op->file), FALLOC_FL_KEEP_SIZE, (off_t)op->offset, (off_t)op->size);
        break;
    }
    return result < 0 ? -errno : result;
}

static int plain_run(struct disk *disk, int timeout_ms)
{
    struct plain_disk *plain = (struct plain_disk *)disk;
    struct disk_op *op;
    int done_count = 0;

    while ((op = disk_take(disk)) != NULL) {
        int64_t result;

        disk_op_allow(op);
        while (!disk_op_advance(op, plain_execute(plain, op), &result)) {
        }
        disk_finish(disk, op, result);
        done_count++;
    }

    struct pollfd event = {plain->event, POLLIN, 0};
    uint64_t wakes;

    if (poll(&event, 1, done_count > 0 ? 0 : timeout_ms) > 0 &&
        read(plain->event, &wakes, sizeof wakes) < 0)
        return -errno;
    return done_count;
}

static void plain_close(struct disk *disk)
{
    plain_clear((struct plain_disk *)disk);
    free(disk);
}

static const struct disk_backend plain_backend = {
    .close = plain_close,
    .run = plain_run,
    .wake = plain_wake,
    .file_open = plain_file_open,
    .file_close = plain_file_close,
    .file_size = plain_file_size,
    .truncate = plain_truncate,
    .unlink = plain_unlink,
    .make_dir = plain_make_dir,
    .list = plain_list,
};

int disk_open_plain(struct disk **disk, const char *directory)
{
    struct plain_disk *plain = xcalloc(1, sizeof *plain);
    int error = plain_init(plain, directory);

    if (error < 0) {
        free(plain);
        return error;
    }
    plain->base.backend = &plain_backend;
    *disk = &plain->base;
    return 0;
}
