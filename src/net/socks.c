#include "net/socks.h"

#define VERSION      5
#define NO_AUTH      0
#define NO_METHOD    0xff
#define CONNECT      1
#define ADDR_IPV4    1
#define ADDR_NAME    3
#define ADDR_IPV6    4
#define METHOD_SIZE  2
#define ANSWER_HEAD  4 /* version, what came of it, zero, kind of address */
#define HEAD_AND_ONE 5 /* and the first byte of the address: the size of a name */

static size_t name_write(uint8_t *out, const char *name)
{
    size_t size = strlen(name);

    assert(size > 0 && size < NETADDR_HOST_SIZE);
    out[0] = (uint8_t)size;
    memcpy(out + 1, name, size);
    return 1 + size;
}

/* Version, what is wanted, zero, kind of address, address, port. */
static size_t request_write(uint8_t *out, const struct netaddr *addr, const char *name)
{
    uint8_t *at = out + ANSWER_HEAD;
    char host[NETADDR_TEXT_SIZE];

    out[0] = VERSION;
    out[1] = CONNECT;
    out[2] = 0;
    if (addr->kind == NETADDR_IPV4 || addr->kind == NETADDR_IPV6) {
        out[3] = addr->kind == NETADDR_IPV4 ? ADDR_IPV4 : ADDR_IPV6;
        memcpy(at, addr->bytes, netaddr_size(addr->kind));
        at += netaddr_size(addr->kind);
    } else {
        out[3] = ADDR_NAME;
        netaddr_print_host(host, addr);
        at += name_write(at, addr->kind == NETADDR_NONE ? name : host);
    }
    at[0] = (uint8_t)(addr->port >> 8);
    at[1] = (uint8_t)addr->port;
    return (size_t)(at + 2 - out);
}

void socks_init(struct socks *socks, const struct netaddr *addr, const char *name)
{
    static const uint8_t greeting[] = {VERSION, 1, NO_AUTH};

    *socks = (struct socks){.out = {greeting, sizeof greeting}};
    socks->request_size = request_write(socks->request, addr, name);
}

/* Until size bytes of the answer are there; false when data does not hold them. */
static bool gather(struct socks *socks, struct bytes *data, size_t size)
{
    size_t missing = size > socks->input_size ? size - socks->input_size : 0;
    size_t taken = missing < data->size ? missing : data->size;

    if (taken)
        memcpy(socks->input + socks->input_size, data->data, taken);
    socks->input_size += taken;
    *data = bytes_sub(*data, taken, data->size - taken);
    return taken == missing;
}

static enum socks_result fail(struct socks *socks, const char *why)
{
    socks->why = why;
    return SOCKS_FAILED;
}

static enum socks_result greeted(struct socks *socks, struct bytes *data)
{
    if (!gather(socks, data, METHOD_SIZE))
        return SOCKS_MORE;
    if (socks->input[0] != VERSION)
        return fail(socks, "proxy: does not speak SOCKS5");
    if (socks->input[1] == NO_METHOD)
        return fail(socks, "proxy: wants us to log in");
    if (socks->input[1] != NO_AUTH)
        return fail(socks, "proxy: chose a method that was not offered");
    socks->is_greeted = true;
    socks->input_size = 0;
    socks->out = (struct bytes){socks->request, socks->request_size};
    return SOCKS_SEND;
}

/* RFC 1928, 6; from 0xf0 on Tor's, of onion services. */
static const char *refusal(uint8_t code)
{
    static const char *const texts[] = {
        NULL,
        "proxy: general failure",
        "proxy: its rules forbid the connection",
        "proxy: network unreachable",
        "proxy: host unreachable",
        "proxy: connection refused",
        "proxy: TTL expired",
        "proxy: command not supported",
        "proxy: kind of address not supported",
    };

    if (code >= 0xf0 && code <= 0xf7)
        return "proxy: onion service cannot be reached";
    return code < ARRAY_COUNT(texts) ? texts[code] : "proxy: failure of a kind unknown";
}

static enum socks_result answered(struct socks *socks, struct bytes *data)
{
    size_t size;

    if (!gather(socks, data, HEAD_AND_ONE))
        return SOCKS_MORE;
    if (socks->input[0] != VERSION || socks->input[2] != 0)
        return fail(socks, "proxy: malformed answer");
    if (socks->input[1] != 0)
        return fail(socks, refusal(socks->input[1]));
    switch (socks->input[3]) {
    case ADDR_IPV4:
        size = 4;
        break;
    case ADDR_IPV6:
        size = 16;
        break;
    case ADDR_NAME:
        size = 1 + (size_t)socks->input[ANSWER_HEAD];
        break;
    default:
        return fail(socks, "proxy: malformed answer");
    }
    return gather(socks, data, ANSWER_HEAD + size + 2) ? SOCKS_DONE : SOCKS_MORE;
}

enum socks_result socks_receive(struct socks *socks, struct bytes *data)
{
    return socks->is_greeted ? answered(socks, data) : greeted(socks, data);
}
