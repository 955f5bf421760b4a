#include "catlog/packet.h"

#include "base/arena.h"
#include "codec/block.h"
#include "codec/message_addr.h"
#include "codec/message_chain.h"
#include "codec/message_handshake.h"
#include "codec/message_type.h"
#include <stdlib.h>

/* The value of the item, empty if there is none. */
static struct bytes find(const struct log_record *record, const char *name)
{
    struct cursor items = cursor_of(record->items);
    struct log_item item;

    while (log_item_next(&items, &item))
        if (bytes_equal(item.name, log_string(name)))
            return item.bytes;
    return (struct bytes){NULL, 0};
}

bool packet_is(const struct log_record *record, const char *command)
{
    return bytes_equal(record->event, log_string("packet")) &&
           bytes_equal(find(record, "command"), log_string(command));
}

static enum message_type type_of(const struct log_record *record)
{
    uint8_t command[MESSAGE_COMMAND_SIZE] = {0};
    struct bytes name = find(record, "command");

    if (!bytes_equal(record->event, log_string("packet")) || name.size == 0 ||
        name.size > sizeof command)
        return MESSAGE_UNKNOWN;
    memcpy(command, name.data, name.size);
    return message_type_of_command(command);
}

static bool print_version(struct text *text, struct bytes payload)
{
    struct version_message version;

    if (!version_parse(&version, payload))
        return false;
    text_printf(text, " version=%d services=%llx height=%d agent=", version.version,
                (unsigned long long)version.services, version.height);
    log_print_text(text, version.user_agent);
    return true;
}

static bool print_number(struct text *text, struct bytes payload, const char *name)
{
    uint64_t number;

    if (!number_parse(&number, payload))
        return false;
    text_printf(text, " %s=%llu", name, (unsigned long long)number);
    return true;
}

static const char *inv_name(uint32_t type)
{
    switch (type & ~INV_WITNESS_FLAG) {
    case INV_TX:
        return "tx";
    case INV_BLOCK:
        return "block";
    case INV_MERKLE_BLOCK:
        return "merkleblock";
    case INV_CMPCT_BLOCK:
        return "cmpctblock";
    case INV_WTX:
        return "wtx";
    default:
        return "?";
    }
}

#define INV_SHOWN 3

static bool print_inv(struct text *text, struct bytes payload)
{
    struct inv_list list;

    if (inv_list_parse(&list, payload) != PARSE_OK)
        return false;
    text_printf(text, " count=%u", list.count);
    for (uint32_t i = 0; i < list.count && i < INV_SHOWN; i++) {
        struct inv inv = inv_at(&list, i);
        text_printf(text, " %s=", inv_name(inv.type));
        text_hash(text, inv.hash);
    }
    if (list.count > INV_SHOWN)
        text_printf(text, " …");
    return true;
}

static bool print_locator(struct text *text, struct bytes payload)
{
    struct locator_message message;

    if (locator_parse(&message, payload) != PARSE_OK)
        return false;
    text_printf(text, " locator=%u", message.count);
    if (message.count) {
        text_printf(text, " from=");
        text_hash(text, message.hashes[0].bytes);
    }
    return true;
}

static bool print_headers(struct text *text, struct bytes payload)
{
    struct header *headers = xmalloc(HEADERS_COUNT_MAX * sizeof *headers);
    uint32_t count;
    bool is_good = headers_parse(headers, &count, payload) == PARSE_OK;

    if (is_good)
        text_printf(text, " count=%u", count);
    if (is_good && count) {
        struct block_hash hash = header_hash(&headers[count - 1]);
        text_printf(text, " last=");
        text_hash(text, hash.bytes);
    }
    free(headers);
    return is_good;
}

/* Only the header: a large block was cut. */
static bool print_block(struct text *text, struct bytes payload)
{
    struct header header;

    if (payload.size < HEADER_SIZE || !header_parse(&header, bytes_sub(payload, 0, HEADER_SIZE)))
        return false;
    struct block_hash hash = header_hash(&header);
    text_printf(text, " hash=");
    text_hash(text, hash.bytes);
    text_printf(text, " prev=");
    text_hash(text, header.prev_hash.bytes);
    return true;
}

static bool print_tx(struct text *text, struct bytes payload)
{
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 64 << 20);
    bool is_good = tx_parse(&tx, payload, &arena);
    if (is_good) {
        text_printf(text, " txid=");
        text_hash(text, tx.txid.bytes);
        text_printf(text, " inputs=%u outputs=%u weight=%u", tx.input_count, tx.output_count,
                    tx_weight(&tx));
    }
    arena_clear(&arena);
    return is_good;
}

static bool print_addr(struct text *text, struct bytes payload, bool is_v2)
{
    struct addr_list list;

    if (addr_list_open(&list, payload, is_v2) != PARSE_OK)
        return false;
    text_printf(text, " count=%u", list.count);
    return true;
}

static bool print_sendcmpct(struct text *text, struct bytes payload)
{
    struct sendcmpct_message message;

    if (!sendcmpct_parse(&message, payload))
        return false;
    text_printf(text, " announce=%u version=%llu", message.announce,
                (unsigned long long)message.version);
    return true;
}

void packet_print(struct text *text, const struct log_record *record)
{
    struct bytes payload = find(record, "payload");
    bool is_good = true;

    switch (type_of(record)) { /* the others say all by their name, or are shown as bytes */
    case MESSAGE_VERSION:
        is_good = print_version(text, payload);
        break;
    case MESSAGE_PING:
    case MESSAGE_PONG:
        is_good = print_number(text, payload, "nonce");
        break;
    case MESSAGE_FEEFILTER:
        is_good = print_number(text, payload, "feerate");
        break;
    case MESSAGE_INV:
    case MESSAGE_GETDATA:
    case MESSAGE_NOTFOUND:
        is_good = print_inv(text, payload);
        break;
    case MESSAGE_GETBLOCKS:
    case MESSAGE_GETHEADERS:
        is_good = print_locator(text, payload);
        break;
    case MESSAGE_HEADERS:
        is_good = print_headers(text, payload);
        break;
    case MESSAGE_BLOCK:
    case MESSAGE_CMPCTBLOCK:
    case MESSAGE_MERKLEBLOCK:
        is_good = print_block(text, payload);
        break;
    case MESSAGE_TX:
        is_good = print_tx(text, payload);
        break;
    case MESSAGE_ADDR:
    case MESSAGE_ADDRV2:
        is_good = print_addr(text, payload, type_of(record) == MESSAGE_ADDRV2);
        break;
    case MESSAGE_SENDCMPCT:
        is_good = print_sendcmpct(text, payload);
        break;
    default:
        break;
    }
    if (!is_good)
        text_printf(text, " (cut or malformed)");
}
