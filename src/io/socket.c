#include "io/socket.h"

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel takes down a killed process's ring, and the sockets that hang on it, a moment after
 * the process: until then they still listen. Three seconds in all. */
#define GONE_TRIES   60
#define GONE_WAIT_US 50000
#define BACKLOG      1024 /* the system's own limit is lower or the same */

static int close_with(int fd, int error)
{
    close(fd);
    return error;
}

int socket_listen(const struct sockaddr *addr, socklen_t addr_size)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
        return close_with(fd, -errno);
    if (addr->sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0)
        return close_with(fd, -errno);
    int error = bind(fd, addr, addr_size) == 0 ? 0 : -errno;
    for (int i = 0; error == -EADDRINUSE && i < GONE_TRIES; i++) {
        usleep(GONE_WAIT_US);
        error = bind(fd, addr, addr_size) == 0 ? 0 : -errno;
    }
    if (error == 0 && listen(fd, BACKLOG) != 0)
        error = -errno;
    return error ? close_with(fd, error) : fd;
}

/* Whether somebody listens at addr: 1, 0, or an error. */
static int is_alive(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    int error = connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 ? 0 : errno;
    close(fd);
    return error == 0 || error == EAGAIN ? 1 : error == ECONNREFUSED ? 0 : -error;
}

static int remove_stale(const struct sockaddr_un *addr)
{
    struct stat st;

    if (lstat(addr->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return -EEXIST;
    int alive = is_alive(addr);
    for (int i = 0; alive == 1 && i < GONE_TRIES; i++) {
        usleep(GONE_WAIT_US);
        alive = is_alive(addr);
    }
    if (alive)
        return alive < 0 ? alive : -EADDRINUSE;
    return unlink(addr->sun_path) == 0 ? 0 : -errno;
}

int socket_listen_unix(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof addr.sun_path)
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, size + 1);
    int error = remove_stale(&addr);
    if (error)
        return error;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The mode of the descriptor is that of the file from its first moment. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        listen(fd, BACKLOG) != 0)
        return close_with(fd, -errno);
    return fd;
}
