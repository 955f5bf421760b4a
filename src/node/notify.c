#include "node/notify.h"

#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#define SEND_TIMEOUT_S 5

void notify_open(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    const char *interval = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    size_t size = path ? strlen(path) : 0;

    *notify = (struct notify){.fd = -1, .addr = {.sun_family = AF_UNIX}};
    if (size < 2 || size > sizeof notify->addr.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(notify->addr.sun_path, path, size);
    if (path[0] == '@')
        notify->addr.sun_path[0] = 0;
    notify->addr_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = SEND_TIMEOUT_S},
               sizeof(struct timeval));
    if (interval && (!pid || strtoull(pid, NULL, 10) == (unsigned long long)getpid()))
        notify->watchdog_us = strtoull(interval, NULL, 10);
}

static void send_lines(const struct notify *notify, const char *lines, int flags)
{
    if (notify->fd < 0)
        return;
    ssize_t sent = sendto(notify->fd, lines, strlen(lines), MSG_NOSIGNAL | flags,
                          (const struct sockaddr *)&notify->addr, notify->addr_size);
    (void)sent; /* a manager that does not listen is no reason to stop */
}

void notify_send(const struct notify *notify, const char *lines)
{
    send_lines(notify, lines, MSG_DONTWAIT);
}

void notify_send_surely(const struct notify *notify, const char *lines)
{
    send_lines(notify, lines, 0);
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}
