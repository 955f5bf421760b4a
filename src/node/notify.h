/* notify.h - tells the service manager that started us how we are: datagrams of NAME=VALUE lines to
 * the socket that its environment names, as systemd's sd_notify(3) describes them. */
#ifndef NODE_NOTIFY_H
#define NODE_NOTIFY_H
#include "base/bytes.h"
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un addr;
    socklen_t addr_size;
    uint64_t watchdog_us; /* it wants to hear WATCHDOG=1 at least so often; 0: never */
};

/* From NOTIFY_SOCKET (a path, or @NAME for an abstract one), WATCHDOG_USEC and WATCHDOG_PID. */
void notify_open(struct notify *notify);
/* lines: separated by newlines. Never waits: what the manager has no room for is lost. */
void notify_send(const struct notify *notify, const char *lines);
/* The same for what must arrive: waits for room, some seconds at most. */
void notify_send_surely(const struct notify *notify, const char *lines);
void notify_close(struct notify *notify);
#endif
