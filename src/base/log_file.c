#include "base/log_file.h"

#include "base/arena.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (256 << 10)

static int open_path(struct log_file *file)
{
    struct stat status;
    int fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (fd < 0)
        return -errno;
    file->size = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    file->fd = fd;
    return 0;
}

int log_file_open(struct log_file *file, const char *path, uint64_t size_max, unsigned keep_count)
{
    *file = (struct log_file){.fd = -1, .size_max = size_max, .keep_count = keep_count};
    if (!path)
        return 0;
    file->path = strdup(path);
    assert(file->path);
    file->buffer = xmalloc(BUFFER_SIZE);
    int error = open_path(file);
    if (error < 0)
        log_file_close(file);
    return error;
}

static void close_fd(struct log_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void log_file_reopen(struct log_file *file)
{
    if (!file->path)
        return;
    log_file_flush(file);
    close_fd(file);
    if (open_path(file) < 0)
        file->errors++;
}

/* PATH.1 is the newest; the oldest is replaced by the one before it. Without any to keep, PATH
 * goes. */
static void rotate(struct log_file *file)
{
    size_t size = strlen(file->path) + 16;
    char *from = xmalloc(size), *to = xmalloc(size);

    for (unsigned i = file->keep_count; i > 0; i--) {
        snprintf(to, size, "%s.%u", file->path, i);
        if (i > 1)
            snprintf(from, size, "%s.%u", file->path, i - 1);
        else
            snprintf(from, size, "%s", file->path);
        if (rename(from, to) < 0 && errno != ENOENT)
            file->errors++;
    }
    if (file->keep_count == 0 && unlink(file->path) < 0)
        file->errors++;
    free(from);
    free(to);
    close_fd(file);
    if (open_path(file) < 0)
        file->errors++;
    file->rotations++;
}

static bool write_all(struct log_file *file)
{
    size_t done = 0;

    while (done < file->used) {
        ssize_t n = write(file->fd, file->buffer + done, file->used - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == file->used)
        return true;
    /* A part of a record is worse than none; where even this fails the reader finds its way. */
    if (done && ftruncate(file->fd, (off_t)file->size) < 0)
        file->size += done;
    return false;
}

void log_file_flush(struct log_file *file)
{
    if (!file->used)
        return;
    if (file->size_max && file->size && file->size + file->used > file->size_max)
        rotate(file);
    if (file->fd < 0 && open_path(file) < 0)
        file->fd = -1;
    if (file->fd >= 0 && write_all(file)) {
        file->size += file->used;
        file->written_size += file->used;
        file->written_count += file->used_count;
    } else {
        file->errors++;
        file->lost_count += file->used_count;
    }
    file->used = 0;
    file->used_count = 0;
}

uint8_t *log_file_room(struct log_file *file, size_t size)
{
    if (!file->path)
        return NULL;
    if (file->used + size > BUFFER_SIZE)
        log_file_flush(file);
    assert(size <= BUFFER_SIZE - file->used);
    return file->buffer + file->used;
}

void log_file_add(struct log_file *file, size_t size)
{
    file->used += size;
    file->used_count++;
}

void log_file_close(struct log_file *file)
{
    if (!file->path)
        return;
    log_file_flush(file);
    close_fd(file);
    free(file->path);
    free(file->buffer);
    file->path = NULL;
    file->buffer = NULL;
}
