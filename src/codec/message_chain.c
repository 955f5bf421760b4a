#include "codec/message_chain.h"
#include "codec/compact.h"

#define COUNT_READABLE_MAX 0x02000000 /* the reference cannot read a larger one, so punishes none  \
                                       */

enum parse_result inv_list_parse(struct inv_list *list, struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint64_t count = compact_read(&c);

    if (count > cursor_left(&c) / sizeof(struct inv))
        cursor_fail(&c);
    list->items = c.at;
    list->count = (uint32_t)count;
    return !cursor_ok(&c) ? PARSE_MALFORMED : count > INV_COUNT_MAX ? PARSE_EXCEEDED : PARSE_OK;
}

size_t inv_list_write(uint8_t *out, const struct inv *items, uint32_t count)
{
    size_t size = compact_write(out, count);

    if (count)
        memcpy(out + size, items, (size_t)count * sizeof *items);
    return size + (size_t)count * sizeof *items;
}

enum parse_result locator_parse(struct locator_message *message, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    message->version = cursor_le32(&c);
    uint64_t count = compact_read(&c);
    if (count > cursor_left(&c) / 32)
        cursor_fail(&c);
    struct bytes hashes = cursor_take(&c, cursor_ok(&c) ? count * 32 : 0);
    struct bytes stop = cursor_take(&c, 32);
    if (!cursor_ok(&c))
        return PARSE_MALFORMED;
    message->count = (uint32_t)count;
    message->hashes = (const struct block_hash *)hashes.data;
    memcpy(&message->stop, stop.data, 32);
    return count > LOCATOR_COUNT_MAX ? PARSE_EXCEEDED : PARSE_OK;
}

size_t locator_write(uint8_t out[LOCATOR_SIZE_MAX], const struct locator_message *message)
{
    uint8_t *at = out;

    assert(message->count <= LOCATOR_COUNT_MAX);
    le32_write(at, message->version);
    at += 4;
    at += compact_write(at, message->count);
    if (message->count)
        memcpy(at, message->hashes, (size_t)message->count * 32);
    at += (size_t)message->count * 32;
    memcpy(at, &message->stop, 32);
    return (size_t)(at + 32 - out);
}

enum parse_result headers_parse(struct header headers[HEADERS_COUNT_MAX], uint32_t *count,
                                struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint64_t claimed = compact_read(&c);

    if (claimed > COUNT_READABLE_MAX)
        return PARSE_MALFORMED;
    if (cursor_ok(&c) && claimed > HEADERS_COUNT_MAX)
        return PARSE_EXCEEDED;
    for (uint64_t i = 0; i < claimed && cursor_ok(&c); i++) {
        struct bytes raw = cursor_take(&c, HEADER_SIZE);

        if (raw.size && !header_parse(&headers[i], raw))
            cursor_fail(&c);
        compact_read(&c); /* the number of transactions: 0, and never minded */
    }
    *count = (uint32_t)claimed;
    return cursor_ok(&c) ? PARSE_OK : PARSE_MALFORMED;
}

size_t headers_write(uint8_t *out, const struct header *headers, uint32_t count)
{
    uint8_t *at = out + compact_write(out, count);

    for (uint32_t i = 0; i < count; i++, at += HEADER_SIZE + 1) {
        header_write(at, &headers[i]);
        at[HEADER_SIZE] = 0;
    }
    return (size_t)(at - out);
}
