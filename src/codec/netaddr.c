#include "codec/netaddr.h"
#include "base/hash.h"
#include "codec/compact.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#define BIP155_SIZE_MAX  512
#define ONION_SUFFIX     ".onion"
#define ONION_CHARS      56
#define ONION_VERSION    3
#define I2P_SUFFIX       ".b32.i2p"
#define I2P_CHARS        52
#define CJDNS_FIRST_BYTE 0xfc

static const uint8_t IPV4_IN_IPV6[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t OLD_ONION_IN_IPV6[6] = {0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43};
static const uint8_t INTERNAL_IN_IPV6[6] = {0xfd, 0x6b, 0x88, 0xc0, 0x87, 0x24};

size_t netaddr_size(uint8_t kind)
{
    switch (kind) {
    case NETADDR_IPV4:
        return 4;
    case NETADDR_IPV6:
    case NETADDR_CJDNS:
        return 16;
    case NETADDR_ONION:
    case NETADDR_I2P:
        return 32;
    default:
        return 0;
    }
}

bool netaddr_same_host(const struct netaddr *a, const struct netaddr *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool has_prefix(const uint8_t *bytes, const void *prefix, size_t size)
{
    return memcmp(bytes, prefix, size) == 0;
}

/* RFC 4648's base32 without padding: size × 5 / 8 bytes, the left-over bits zero. */
static bool base32_decode(uint8_t *out, const char *text, size_t size)
{
    uint32_t bits = 0, bit_count = 0;

    for (size_t i = 0; i < size; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 32) : text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7')))
            return false;
        bits = bits << 5 | (uint32_t)(c >= 'a' ? c - 'a' : c - '2' + 26);
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            *out++ = (uint8_t)(bits >> bit_count);
            bits &= (1u << bit_count) - 1;
        }
    }
    return bits == 0;
}

static char *base32_encode(char *out, const uint8_t *data, size_t size)
{
    uint32_t bits = 0, bit_count = 0;

    for (size_t i = 0; i < size || bit_count > 0; i++) {
        bits = bits << 8 | (i < size ? data[i] : 0);
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            *out++ = "abcdefghijklmnopqrstuvwxyz234567"[bits >> bit_count & 31];
            if (i >= size)
                return out; /* the last character held what was left */
        }
    }
    return out;
}

static void onion_checksum(uint8_t checksum[2], const uint8_t key[32])
{
    uint8_t text[15 + 32 + 1] = ".onion checksum", digest[32];

    memcpy(text + 15, key, 32);
    text[47] = ONION_VERSION;
    sha3_256_once(digest, text, sizeof text);
    memcpy(checksum, digest, 2);
}

static bool onion_parse(struct netaddr *addr, const char *host)
{
    uint8_t raw[35], checksum[2];

    if (strlen(host) != ONION_CHARS + strlen(ONION_SUFFIX) ||
        strcasecmp(host + ONION_CHARS, ONION_SUFFIX) != 0 || !base32_decode(raw, host, ONION_CHARS))
        return false;
    onion_checksum(checksum, raw);
    if (memcmp(raw + 32, checksum, 2) != 0 || raw[34] != ONION_VERSION)
        return false;
    addr->kind = NETADDR_ONION;
    memcpy(addr->bytes, raw, 32);
    return true;
}

static bool i2p_parse(struct netaddr *addr, const char *host)
{
    uint8_t raw[33];

    if (strlen(host) != I2P_CHARS + strlen(I2P_SUFFIX) ||
        strcasecmp(host + I2P_CHARS, I2P_SUFFIX) != 0 || !base32_decode(raw, host, I2P_CHARS))
        return false;
    addr->kind = NETADDR_I2P;
    memcpy(addr->bytes, raw, 32);
    return true;
}

static bool ipv6_parse(struct netaddr *addr, const char *host)
{
    uint8_t raw[16];

    if (inet_pton(AF_INET6, host, raw) != 1)
        return false;
    if (has_prefix(raw, IPV4_IN_IPV6, sizeof IPV4_IN_IPV6)) {
        addr->kind = NETADDR_IPV4;
        memcpy(addr->bytes, raw + 12, 4);
        return true;
    }
    addr->kind = raw[0] == CJDNS_FIRST_BYTE ? NETADDR_CJDNS : NETADDR_IPV6;
    memcpy(addr->bytes, raw, 16);
    return true;
}

static bool port_parse(uint16_t *port, const char *text)
{
    uint32_t value = 0;
    size_t size = strlen(text);

    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

bool netaddr_split(const char *text, uint16_t default_port, char host[NETADDR_HOST_SIZE],
                   uint16_t *port)
{
    bool is_bracketed = text[0] == '[';
    const char *start = text + is_bracketed;
    const char *end = strchr(start, is_bracketed ? ']' : ':');
    const char *after = end ? end + is_bracketed : start + strlen(start);
    size_t size = end ? (size_t)(end - start) : strlen(start);

    if ((is_bracketed && !end) || size == 0 || size >= NETADDR_HOST_SIZE)
        return false;
    memcpy(host, start, size);
    host[size] = 0;
    if (strpbrk(host, " \t\r\n[]"))
        return false;
    *port = default_port;
    return *after == 0 || (*after == ':' && port_parse(port, after + 1));
}

bool netaddr_parse(struct netaddr *addr, const char *text, uint16_t default_port)
{
    char host[NETADDR_HOST_SIZE];
    uint16_t port;

    *addr = (struct netaddr){.port = default_port};
    if (text[0] != '[' && ipv6_parse(addr, text)) /* bare, so without port */
        return true;
    if (!netaddr_split(text, default_port, host, &port))
        return false;
    addr->port = port;
    if (text[0] == '[')
        return ipv6_parse(addr, host) && port != 0;
    if (i2p_parse(addr, host)) { /* I2P knows no ports */
        addr->port = 0;
        return port == 0 || port == default_port;
    }
    if (port == 0)
        return false;
    if (inet_pton(AF_INET, host, addr->bytes) == 1) {
        addr->kind = NETADDR_IPV4;
        return true;
    }
    return onion_parse(addr, host);
}

void netaddr_print_host(char out[NETADDR_TEXT_SIZE], const struct netaddr *addr)
{
    uint8_t onion[35];

    switch (addr->kind) {
    case NETADDR_IPV4:
        inet_ntop(AF_INET, addr->bytes, out, NETADDR_TEXT_SIZE);
        break;
    case NETADDR_IPV6:
    case NETADDR_CJDNS:
        inet_ntop(AF_INET6, addr->bytes, out, NETADDR_TEXT_SIZE);
        break;
    case NETADDR_ONION:
        memcpy(onion, addr->bytes, 32);
        onion_checksum(onion + 32, addr->bytes);
        onion[34] = ONION_VERSION;
        strcpy(base32_encode(out, onion, sizeof onion), ONION_SUFFIX);
        break;
    case NETADDR_I2P:
        strcpy(base32_encode(out, addr->bytes, 32), I2P_SUFFIX);
        break;
    default:
        strcpy(out, "none");
    }
}

void netaddr_print(char out[NETADDR_TEXT_SIZE], const struct netaddr *addr)
{
    char host[NETADDR_TEXT_SIZE];

    netaddr_print_host(host, addr);
    if (addr->kind == NETADDR_NONE)
        strcpy(out, host);
    else if (addr->kind == NETADDR_IPV6 || addr->kind == NETADDR_CJDNS)
        snprintf(out, NETADDR_TEXT_SIZE, "[%.46s]:%u", host, addr->port);
    else
        snprintf(out, NETADDR_TEXT_SIZE, "%.62s:%u", host, addr->port);
}

static uint16_t port_read(struct cursor *c)
{
    return __builtin_bswap16(cursor_le16(c));
}

struct netaddr netaddr_read_legacy(struct cursor *c)
{
    static const uint8_t zero[16];
    struct netaddr addr = {0};
    struct bytes raw = cursor_take(c, 16);
    uint16_t port = port_read(c);

    if (!cursor_ok(c) || has_prefix(raw.data, zero, sizeof zero) ||
        has_prefix(raw.data, OLD_ONION_IN_IPV6, sizeof OLD_ONION_IN_IPV6) ||
        has_prefix(raw.data, INTERNAL_IN_IPV6, sizeof INTERNAL_IN_IPV6))
        return addr;
    addr.port = port;
    if (has_prefix(raw.data, IPV4_IN_IPV6, sizeof IPV4_IN_IPV6)) {
        addr.kind = NETADDR_IPV4;
        memcpy(addr.bytes, raw.data + 12, 4);
    } else {
        addr.kind = NETADDR_IPV6;
        memcpy(addr.bytes, raw.data, 16);
    }
    return addr;
}

static void port_write(uint8_t *out, uint16_t port)
{
    le16_write(out, __builtin_bswap16(port));
}

void netaddr_write_legacy(uint8_t out[NETADDR_LEGACY_SIZE], const struct netaddr *addr)
{
    memset(out, 0, 16);
    if (addr->kind == NETADDR_IPV4) {
        memcpy(out, IPV4_IN_IPV6, sizeof IPV4_IN_IPV6);
        memcpy(out + 12, addr->bytes, 4);
    } else if (addr->kind == NETADDR_IPV6) {
        memcpy(out, addr->bytes, 16);
    }
    port_write(out + 16, addr->port);
}

struct netaddr netaddr_read_bip155(struct cursor *c)
{
    struct netaddr addr = {0};
    uint8_t kind = cursor_u8(c);
    uint64_t size = compact_read(c);
    size_t known_size = netaddr_size(kind);

    if (size > BIP155_SIZE_MAX || (known_size && size != known_size))
        cursor_fail(c);

    struct bytes raw = cursor_take(c, size);
    uint16_t port = port_read(c);

    if (!cursor_ok(c) || !known_size)
        return addr;
    if (kind == NETADDR_IPV6 &&
        (has_prefix(raw.data, IPV4_IN_IPV6, sizeof IPV4_IN_IPV6) ||
         has_prefix(raw.data, OLD_ONION_IN_IPV6, sizeof OLD_ONION_IN_IPV6) ||
         has_prefix(raw.data, INTERNAL_IN_IPV6, sizeof INTERNAL_IN_IPV6)))
        return addr;
    if (kind == NETADDR_CJDNS && raw.data[0] != CJDNS_FIRST_BYTE)
        return addr;
    addr.kind = kind;
    addr.port = port;
    memcpy(addr.bytes, raw.data, known_size);
    return addr;
}

size_t netaddr_write_bip155(uint8_t out[NETADDR_BIP155_MAX], const struct netaddr *addr)
{
    size_t size = netaddr_size(addr->kind);

    out[0] = addr->kind;
    out[1] = (uint8_t)size;
    memcpy(out + 2, addr->bytes, size);
    port_write(out + 2 + size, addr->port);
    return 2 + size + 2;
}

bool netaddr_is_local(const struct netaddr *addr)
{
    static const uint8_t loopback[16] = {[15] = 1};

    return (addr->kind == NETADDR_IPV4 && (addr->bytes[0] == 127 || addr->bytes[0] == 0)) ||
           (addr->kind == NETADDR_IPV6 && has_prefix(addr->bytes, loopback, sizeof loopback));
}

/* A network that is no part of the public internet: the first bits of its addresses. */
struct reserved {
    uint8_t prefix[8];
    uint8_t bits;
};

static bool is_in(const uint8_t *bytes, const struct reserved *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t whole = list[i].bits / 8;
        unsigned rest = list[i].bits % 8;

        if (has_prefix(bytes, list[i].prefix, whole) &&
            (rest == 0 || (bytes[whole] ^ list[i].prefix[whole]) >> (8 - rest) == 0))
            return true;
    }
    return false;
}

static bool ipv4_is_routable(const uint8_t *bytes)
{
    static const struct reserved reserved[] = {
        {{0}, 8},          {{127}, 8},           {{10}, 8},           {{192, 168}, 16},
        {{172, 16}, 12},   {{198, 18}, 15},      {{169, 254}, 16},    {{100, 64}, 10},
        {{192, 0, 2}, 24}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24}, {{255, 255, 255, 255}, 32},
    };

    return !is_in(bytes, reserved, ARRAY_COUNT(reserved));
}

static bool ipv6_is_routable(const uint8_t *bytes)
{
    static const uint8_t none[16], loopback[16] = {[15] = 1};
    static const struct reserved reserved[] = {
        {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* RFC 3849, documentation */
        {{0xfe, 0x80}, 64},             /* RFC 4862, link local */
        {{0xfc}, 7},                    /* RFC 4193, unique local */
        {{0x20, 0x01, 0x00, 0x10}, 28}, /* RFC 4843, ORCHID */
        {{0x20, 0x01, 0x00, 0x20}, 28}, /* RFC 7343, ORCHIDv2 */
    };

    return !has_prefix(bytes, none, 16) && !has_prefix(bytes, loopback, 16) &&
           !is_in(bytes, reserved, ARRAY_COUNT(reserved));
}

bool netaddr_is_routable(const struct netaddr *addr)
{
    switch (addr->kind) {
    case NETADDR_IPV4:
        return ipv4_is_routable(addr->bytes);
    case NETADDR_IPV6:
        return ipv6_is_routable(addr->bytes);
    case NETADDR_CJDNS:
        return addr->bytes[0] == CJDNS_FIRST_BYTE;
    case NETADDR_ONION:
    case NETADDR_I2P:
        return true;
    default:
        return false;
    }
}

struct netaddr netaddr_group(const struct netaddr *addr)
{
    struct netaddr group = {.kind = addr->kind};

    switch (addr->kind) {
    case NETADDR_IPV4:
        memcpy(group.bytes, addr->bytes, 2);
        break;
    case NETADDR_IPV6:
        memcpy(group.bytes, addr->bytes, 4);
        break;
    case NETADDR_CJDNS: /* the first byte is the same for all */
        group.bytes[0] = addr->bytes[0];
        group.bytes[1] = addr->bytes[1] & 0xf0;
        break;
    default:
        group.bytes[0] = addr->bytes[0] & 0xf0;
    }
    return group;
}
