#include "store/lock.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The process id that the holder wrote, or 0. */
static long holder(int fd)
{
    char text[32] = "";
    long pid = 0;

    if (pread(fd, text, sizeof text - 1, 0) > 0)
        sscanf(text, "%ld", &pid);
    return pid;
}

static int write_pid(int fd)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) != size)
        return errno ? -errno : -EIO;
    return 0;
}

int lock_take(const char *directory, char *text, size_t text_size)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/" LOCK_NAME, directory) >= sizeof path) {
        snprintf(text, text_size, "%s: %s", directory, strerror(ENAMETOOLONG));
        return -ENAMETOOLONG;
    }

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int error = 0;

    /* Of the open file, not of the process: it outlives the fork of --daemon. */
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &whole) < 0)
        error = -errno;
    if (error == -EACCES && fd >= 0)
        error = -EAGAIN;
    if (error == 0)
        error = write_pid(fd);
    if (error == 0)
        return fd;
    if (error == -EAGAIN)
        snprintf(text, text_size, "another instance (process %ld) runs in %s", holder(fd),
                 directory);
    else
        snprintf(text, text_size, "%s: %s", path, strerror(-error));
    if (fd >= 0)
        close(fd);
    return error;
}

void lock_release(int lock)
{
    close(lock);
}
