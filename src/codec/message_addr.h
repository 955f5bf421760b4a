/* message_addr.h - addr and addrv2 (BIP155). Pure; a list is read in place. */
#ifndef CODEC_MESSAGE_ADDR_H
#define CODEC_MESSAGE_ADDR_H
#include "codec/netaddr.h"
#include "codec/parse_result.h"

#define ADDR_COUNT_MAX      1000
#define ADDR_ENTRY_SIZE_MAX (4 + 9 + NETADDR_BIP155_MAX) /* the other form has 30 bytes */

struct addr_entry {
    uint32_t time; /* when it was seen last */
    uint64_t services;
    struct netaddr addr;
};

struct addr_list {
    struct cursor cursor;
    uint32_t count; /* as the message says, unusable ones included */
    uint32_t left;
    bool is_v2;
};

/* Looks through the whole payload, so that addr_list_next cannot fail later. */
MUST_CHECK enum parse_result addr_list_open(struct addr_list *list, struct bytes payload,
                                            bool is_v2);

/* The next entry with an address that has a meaning to us; false at the end. */
bool addr_list_next(struct addr_list *list, struct addr_entry *entry);

/* One entry; returns the size. Before the first goes the compact size of their number. addr (not
 * v2) can say only IPv4 and IPv6. */
size_t addr_entry_write(uint8_t out[ADDR_ENTRY_SIZE_MAX], const struct addr_entry *entry,
                        bool is_v2);
#endif
