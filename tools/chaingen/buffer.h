/* buffer.h - bytes that grow while something is serialized into them. One thread at a time.
 * A zeroed struct is an empty buffer; views into it end with the next put. */
#ifndef CHAINGEN_BUFFER_H
#define CHAINGEN_BUFFER_H
#include "base/bytes.h"

struct buffer {
    uint8_t *data;
    size_t size, capacity;
};

void buffer_free(struct buffer *b);

static inline void buffer_clear(struct buffer *b)
{
    b->size = 0;
}

static inline struct bytes buffer_bytes(const struct buffer *b)
{
    return (struct bytes){b->data, b->size};
}

void buffer_put(struct buffer *b, const void *data, size_t size);
void buffer_u8(struct buffer *b, uint8_t v);
void buffer_le32(struct buffer *b, uint32_t v);
void buffer_le64(struct buffer *b, uint64_t v);
void buffer_compact(struct buffer *b, uint64_t v);
/* A compact size and the bytes: a script in a transaction, an item of a witness. */
void buffer_sized(struct buffer *b, struct bytes data);
/* A push of a script in its shortest form; of one byte or none no opcode is chosen by its value. */
void buffer_push(struct buffer *b, struct bytes data);
/* A number in a script as BIP34 wants the height: OP_0, OP_1 to OP_16, or a push of its bytes; v >=
 * 0. */
void buffer_push_number(struct buffer *b, int64_t v);
#endif
