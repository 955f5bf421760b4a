#include "codec/message_filter.h"
#include "codec/compact.h"

bool filter_range_parse(struct filter_range_message *message, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    message->filter_type = cursor_u8(&c);
    message->start_height = cursor_le32(&c);
    struct bytes stop = cursor_take(&c, 32);
    if (cursor_ok(&c))
        memcpy(&message->stop, stop.data, 32);
    return cursor_ok(&c);
}

void filter_range_write(uint8_t out[FILTER_RANGE_SIZE], const struct filter_range_message *message)
{
    out[0] = message->filter_type;
    le32_write(out + 1, message->start_height);
    memcpy(out + 5, &message->stop, 32);
}

bool filter_checkpoint_parse(struct filter_checkpoint_message *message, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    message->filter_type = cursor_u8(&c);
    struct bytes stop = cursor_take(&c, 32);
    if (cursor_ok(&c))
        memcpy(&message->stop, stop.data, 32);
    return cursor_ok(&c);
}

static uint8_t *head_write(uint8_t *out, uint8_t filter_type, const struct block_hash *block)
{
    out[0] = filter_type;
    memcpy(out + 1, block, 32);
    return out + 33;
}

/* count, then size bytes. */
static uint8_t *list_write(uint8_t *at, uint64_t count, const void *data, size_t size)
{
    at += compact_write(at, count);
    if (size)
        memcpy(at, data, size);
    return at + size;
}

size_t cfilter_write(uint8_t *out, uint8_t filter_type, const struct block_hash *block,
                     struct bytes filter)
{
    return (size_t)(list_write(head_write(out, filter_type, block), filter.size, filter.data,
                               filter.size) -
                    out);
}

size_t cfheaders_write(uint8_t *out, uint8_t filter_type, const struct block_hash *stop,
                       const uint8_t previous_header[32], const uint8_t (*hashes)[32],
                       uint32_t count)
{
    uint8_t *at = head_write(out, filter_type, stop);

    memcpy(at, previous_header, 32);
    return (size_t)(list_write(at + 32, count, hashes, (size_t)count * 32) - out);
}

size_t cfcheckpt_write(uint8_t *out, uint8_t filter_type, const struct block_hash *stop,
                       const uint8_t (*headers)[32], uint32_t count)
{
    return (
        size_t)(list_write(head_write(out, filter_type, stop), count, headers, (size_t)count * 32) -
                out);
}
