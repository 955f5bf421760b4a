#include "node/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_BY_SIGNAL 128 /* and its number, as shells say it */

/* The child's word, or how it ended. */
static int wait_for_child(int fd, pid_t child)
{
    char word;
    ssize_t size;
    int status;

    do
        size = read(fd, &word, 1);
    while (size < 0 && errno == EINTR);
    if (size == 1)
        return 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_BY_SIGNAL;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "caesure: ended by signal %d (%s)\n", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    return EXIT_BY_SIGNAL + WTERMSIG(status);
}

int daemon_begin(struct daemon *daemon)
{
    int fds[2];

    *daemon = (struct daemon){.ready_fd = -1, .null_fd = open("/dev/null", O_RDWR | O_CLOEXEC)};
    if (daemon->null_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child > 0) {
        close(fds[1]);
        _exit(wait_for_child(fds[0], child));
    }
    close(fds[0]);
    daemon->ready_fd = fds[1];
    return 0;
}

/* The directory stays: relative paths in options keep their meaning. */
void daemon_ready(struct daemon *daemon)
{
    if (daemon->ready_fd < 0)
        return;
    setsid();
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(daemon->null_fd, fd);
    ssize_t sent = write(daemon->ready_fd, "1", 1);
    (void)sent; /* nobody is left to hear it */
    close(daemon->ready_fd);
    close(daemon->null_fd);
    *daemon = (struct daemon){-1, -1};
}

int pidfile_open(struct pidfile *pidfile, const char *path)
{
    struct stat status;

    *pidfile = (struct pidfile){.fd = -1};
    if (!path)
        return 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    *pidfile = (struct pidfile){path, fd};
    return 0;
}

int pidfile_write(struct pidfile *pidfile)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    if (pidfile->path &&
        (ftruncate(pidfile->fd, 0) < 0 || pwrite(pidfile->fd, text, (size_t)size, 0) != size))
        return errno ? -errno : -EIO;
    return 0;
}

void pidfile_remove(struct pidfile *pidfile)
{
    char text[32] = "";
    long pid = 0;

    if (!pidfile->path)
        return;
    bool is_empty = pread(pidfile->fd, text, sizeof text - 1, 0) == 0;
    if (is_empty || (sscanf(text, "%ld", &pid) == 1 && pid == getpid()))
        unlink(pidfile->path);
}
