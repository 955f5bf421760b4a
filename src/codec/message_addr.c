#include "codec/message_addr.h"
#include "codec/compact.h"

#define ENTRY_V1_SIZE     30
#define ENTRY_V2_SIZE_MIN 9 /* time, services, network, an empty address, port */

static struct addr_entry entry_read(struct cursor *c, bool is_v2)
{
    struct addr_entry entry = {.time = cursor_le32(c)};

    entry.services = is_v2 ? compact_read(c) : cursor_le64(c);
    entry.addr = is_v2 ? netaddr_read_bip155(c) : netaddr_read_legacy(c);
    return entry;
}

enum parse_result addr_list_open(struct addr_list *list, struct bytes payload, bool is_v2)
{
    struct cursor c = cursor_of(payload);
    uint64_t count = compact_read(&c);

    if (!cursor_ok(&c) || count > cursor_left(&c) / (is_v2 ? ENTRY_V2_SIZE_MIN : ENTRY_V1_SIZE))
        return PARSE_MALFORMED;
    if (count > ADDR_COUNT_MAX)
        return PARSE_EXCEEDED;
    *list = (struct addr_list){c, (uint32_t)count, (uint32_t)count, is_v2};
    for (uint64_t i = 0; i < count; i++)
        entry_read(&c, is_v2);
    return cursor_ok(&c) ? PARSE_OK : PARSE_MALFORMED;
}

bool addr_list_next(struct addr_list *list, struct addr_entry *entry)
{
    while (list->left > 0) {
        list->left--;
        *entry = entry_read(&list->cursor, list->is_v2);
        if (entry->addr.kind != NETADDR_NONE)
            return true;
    }
    return false;
}

size_t addr_entry_write(uint8_t out[ADDR_ENTRY_SIZE_MAX], const struct addr_entry *entry,
                        bool is_v2)
{
    uint8_t *at = out + 4;

    le32_write(out, entry->time);
    if (is_v2) {
        at += compact_write(at, entry->services);
        at += netaddr_write_bip155(at, &entry->addr);
    } else {
        le64_write(at, entry->services);
        netaddr_write_legacy(at + 8, &entry->addr);
        at += 8 + NETADDR_LEGACY_SIZE;
    }
    return (size_t)(at - out);
}
