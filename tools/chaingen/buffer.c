#include "chaingen/buffer.h"
#include "base/arena.h"
#include "codec/compact.h"
#include "codec/opcode.h"
#include <stdlib.h>

void buffer_free(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){NULL, 0, 0};
}

void buffer_put(struct buffer *b, const void *data, size_t size)
{
    if (size > b->capacity - b->size) {
        b->capacity = b->capacity * 2 > b->size + size ? b->capacity * 2 : b->size + size + 256;
        b->data = xrealloc(b->data, b->capacity);
    }
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void buffer_u8(struct buffer *b, uint8_t v)
{
    buffer_put(b, &v, 1);
}

void buffer_le32(struct buffer *b, uint32_t v)
{
    buffer_put(b, &v, 4);
}

void buffer_le64(struct buffer *b, uint64_t v)
{
    buffer_put(b, &v, 8);
}

void buffer_compact(struct buffer *b, uint64_t v)
{
    uint8_t encoded[COMPACT_SIZE_MAX];

    size_t size = compact_write(encoded, v);

    buffer_put(b, encoded, size);
}

void buffer_sized(struct buffer *b, struct bytes data)
{
    buffer_compact(b, data.size);
    buffer_put(b, data.data, data.size);
}

void buffer_push(struct buffer *b, struct bytes data)
{
    if (data.size < OP_PUSHDATA1) {
        buffer_u8(b, (uint8_t)data.size);
    } else if (data.size <= 0xff) {
        buffer_u8(b, OP_PUSHDATA1);
        buffer_u8(b, (uint8_t)data.size);
    } else {
        uint16_t size = (uint16_t)data.size;

        assert(data.size <= 0xffff);
        buffer_u8(b, OP_PUSHDATA2);
        buffer_put(b, &size, 2);
    }
    buffer_put(b, data.data, data.size);
}

void buffer_push_number(struct buffer *b, int64_t v)
{
    uint8_t bytes[9];
    size_t size = 0;

    if (v <= 16) {
        buffer_u8(b, v == 0 ? OP_0 : (uint8_t)(OP_1 - 1 + v));
        return;
    }
    for (; v > 0; v >>= 8)
        bytes[size++] = (uint8_t)v;
    if (bytes[size - 1] & 0x80)
        bytes[size++] = 0;
    buffer_push(b, (struct bytes){bytes, size});
}
