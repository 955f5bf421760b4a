/* number.h - integers as scripts have them: little endian, the highest bit of the last byte is the
 * sign, nothing is zero. Pure. */
#ifndef SCRIPT_NUMBER_H
#define SCRIPT_NUMBER_H
#include "base/bytes.h"

#define NUMBER_SIZE_MAX           4 /* of an operand; results may be longer */
#define NUMBER_LOCK_TIME_SIZE_MAX 5

/* False if bytes is longer than size_max (at most 8) or, if only minimal ones will do, longer than
 * needed. */
static inline bool number_read(int64_t *value, struct bytes bytes, size_t size_max, bool minimal)
{
    uint64_t v = 0;

    if (bytes.size > size_max)
        return false;
    *value = 0;
    if (bytes.size == 0)
        return true;

    uint8_t last = bytes.data[bytes.size - 1];

    /* A last byte without digits is needed only to hold the sign when the byte before is full. */
    if (minimal && (last & 0x7f) == 0 && (bytes.size == 1 || !(bytes.data[bytes.size - 2] & 0x80)))
        return false;
    memcpy(&v, bytes.data, bytes.size);
    v &= ~((uint64_t)0x80 << 8 * (bytes.size - 1));
    *value = last & 0x80 ? -(int64_t)v : (int64_t)v;
    return true;
}

/* The minimal form, up to 9 bytes; returns its size. */
static inline size_t number_write(uint8_t *out, int64_t value)
{
    uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
    size_t size = 0;

    for (; v > 0; v >>= 8)
        out[size++] = (uint8_t)v;
    if (size == 0)
        return 0;
    if (out[size - 1] & 0x80)
        out[size++] = 0;
    if (value < 0)
        out[size - 1] |= 0x80;
    return size;
}

/* Anything but zeros, of which the last may be negative. */
static inline bool bytes_are_true(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != 0)
            return i + 1 < bytes.size || bytes.data[i] != 0x80;
    return false;
}
#endif
