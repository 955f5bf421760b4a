/* socket.h - listening sockets for the reactor. Any thread; where an address is taken, they wait up
 * to three seconds for it, which the kernel may need after a node was killed. Errors are -errno. */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H
#include "base/bytes.h"

#include <sys/socket.h>

/* A descriptor, or an error. v6 sockets do not take v4 connections. */
MUST_CHECK int socket_listen(const struct sockaddr *addr, socklen_t addr_size);

/* A unix stream socket at path, mode 0600. One there of our own that nobody listens on any more is
 * replaced; anything else is refused: -EADDRINUSE where somebody listens, -EEXIST for what is no
 * socket of ours, -ENAMETOOLONG. */
MUST_CHECK int socket_listen_unix(const char *path);
#endif
