/* socks.h - the client's side of SOCKS5 (RFC 1928), without authentication: two answers of the
 * proxy, after which the connection is one with the peer. Pure: the caller sends what is written
 * and keeps the time (SOCKS_TIMEOUT_MS). The net thread. */
#ifndef NET_SOCKS_H
#define NET_SOCKS_H
#include "codec/netaddr.h"

#define SOCKS_PORT       9050                                  /* where none is given: Tor's */
#define SOCKS_TIMEOUT_MS 20000                                 /* for both answers */
#define SOCKS_SIZE_MAX   (4 + 1 + (NETADDR_HOST_SIZE - 1) + 2) /* of a request or an answer */

struct socks {
    struct bytes out; /* to be sent after socks_init, and after SOCKS_SEND */
    const char *why;  /* of SOCKS_FAILED */
    bool is_greeted;  /* the first answer is in */
    uint8_t request[SOCKS_SIZE_MAX], input[SOCKS_SIZE_MAX];
    size_t request_size, input_size;
};

enum socks_result {
    SOCKS_MORE, /* bytes are missing */
    SOCKS_SEND,
    SOCKS_DONE, /* what is left of data is the peer's */
    SOCKS_FAILED,
};

/* To addr, or if its kind is NETADDR_NONE to name (1 to NETADDR_HOST_SIZE - 1 long), which the
 * proxy resolves, as it does onion addresses. The port is addr's. */
void socks_init(struct socks *socks, const struct netaddr *addr, const char *name);

/* Takes from data what the proxy says, and no byte more. */
enum socks_result socks_receive(struct socks *socks, struct bytes *data);
#endif
