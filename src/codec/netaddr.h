/* netaddr.h - network addresses: memory, text, and the two forms of messages (BIP155). Pure; any
 * thread. */
#ifndef CODEC_NETADDR_H
#define CODEC_NETADDR_H
#include "base/cursor.h"

#define NETADDR_TEXT_SIZE   80 /* the longest is an onion's: 62 characters, colon, port */
#define NETADDR_HOST_SIZE   256
#define NETADDR_LEGACY_SIZE 18 /* 16 bytes, port */
#define NETADDR_BIP155_MAX  36 /* network, size, 32 bytes, port */

enum netaddr_kind { /* the numbers are BIP155's */
                    NETADDR_NONE = 0,
                    NETADDR_IPV4 = 1,
                    NETADDR_IPV6 = 2,
                    NETADDR_ONION = 4, /* version 3 */
                    NETADDR_I2P = 5,
                    NETADDR_CJDNS = 6,
};

/* Unused bytes are zero, so that equal addresses are equal memory. */
struct netaddr {
    uint8_t kind;
    uint8_t zero;
    uint16_t port;
    uint8_t bytes[32];
};
_Static_assert(sizeof(struct netaddr) == 36, "no padding");

static inline bool netaddr_equal(const struct netaddr *a, const struct netaddr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The same machine, whatever the ports. */
bool netaddr_same_host(const struct netaddr *a, const struct netaddr *b);

/* How many of bytes a kind uses; 0 for unknown kinds. */
size_t netaddr_size(uint8_t kind);

/* Operator's text, strictly: `1.2.3.4`, `1.2.3.4:8333`, `::1`, `[::1]`, `[::1]:8333`,
 * `….onion[:port]`, `….b32.i2p[:0]`; fc00::/8 is CJDNS. default_port where none is given (I2P: 0).
 * False for all else, names included. */
MUST_CHECK bool netaddr_parse(struct netaddr *addr, const char *text, uint16_t default_port);

/* Splits `name`, `name:port`, `[v6]:port` for a resolver or proxy; false when it is neither. */
MUST_CHECK bool netaddr_split(const char *text, uint16_t default_port, char host[NETADDR_HOST_SIZE],
                              uint16_t *port);

/* With port; "none" for NETADDR_NONE. netaddr_parse reads it again. */
void netaddr_print(char out[NETADDR_TEXT_SIZE], const struct netaddr *addr);
void netaddr_print_host(char out[NETADDR_TEXT_SIZE],
                        const struct netaddr *addr); /* without brackets or port */

/* The 16 bytes of version and addr messages: NETADDR_NONE for what they cannot say (0 and old
 * onions), and zeros when writing what has no such form. */
struct netaddr netaddr_read_legacy(struct cursor *c);
void netaddr_write_legacy(uint8_t out[NETADDR_LEGACY_SIZE], const struct netaddr *addr);

/* BIP155. Unknown networks, and addresses that should have come in another form, are NETADDR_NONE;
 * a size over 512 or wrong for a known network fails the cursor. */
struct netaddr netaddr_read_bip155(struct cursor *c);
size_t netaddr_write_bip155(uint8_t out[NETADDR_BIP155_MAX], const struct netaddr *addr);

bool netaddr_is_local(const struct netaddr *addr); /* loopback */
bool netaddr_is_routable(
    const struct netaddr *addr); /* of the public internet or an overlay network */

/* The part of an address that one owner tends to hold: IPv4 /16, IPv6 /32, and 4 bits of the rest.
 */
struct netaddr netaddr_group(const struct netaddr *addr);
#endif
