/* compact.h - compact sizes: 1, 3, 5 or 9 bytes, the shortest form only. */
#ifndef CODEC_COMPACT_H
#define CODEC_COMPACT_H
#include "base/cursor.h"

#define COMPACT_SIZE_MAX 9

/* 0 and a failed cursor on short input or a form longer than needed. */
static inline uint64_t compact_read(struct cursor *c)
{
    uint8_t first = cursor_u8(c);
    uint64_t v = first;
    uint64_t least = 0;

    if (first < 0xfd)
        return v;
    if (first == 0xfd) {
        v = cursor_le16(c);
        least = 0xfd;
    } else if (first == 0xfe) {
        v = cursor_le32(c);
        least = 0x10000;
    } else {
        v = cursor_le64(c);
        least = 0x100000000;
    }
    if (v < least) {
        cursor_fail(c);
        return 0;
    }
    return v;
}

static inline size_t compact_size(uint64_t v)
{
    return v < 0xfd ? 1 : v <= 0xffff ? 3 : v <= 0xffffffff ? 5 : 9;
}

/* Writes v; returns how many bytes. */
static inline size_t compact_write(uint8_t *out, uint64_t v)
{
    size_t size = compact_size(v);

    if (size == 1) {
        out[0] = (uint8_t)v;
    } else {
        out[0] = size == 3 ? 0xfd : size == 5 ? 0xfe : 0xff;
        memcpy(out + 1, &v, size - 1);
    }
    return size;
}
#endif
