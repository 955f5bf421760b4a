/* bytes.h - views of memory and little- and big-endian integers.
 * A view owns nothing and lives as long as the buffer it points into. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK     __attribute__((warn_unused_result))
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* The struct that holds *pointer as its member. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The part of b from offset on, at most size bytes; offset <= b.size. */
static inline struct bytes bytes_sub(struct bytes b, size_t offset, size_t size)
{
    size_t left = b.size - offset;

    return (struct bytes){b.data + offset, size < left ? size : left};
}

static inline uint16_t le16_read(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t le32_read(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t le64_read(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void le16_write(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void le32_write(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void le64_write(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline uint32_t be32_read(const uint8_t *p)
{
    return __builtin_bswap32(le32_read(p));
}

static inline void be32_write(uint8_t *p, uint32_t v)
{
    le32_write(p, __builtin_bswap32(v));
}

static inline void be64_write(uint8_t *p, uint64_t v)
{
    le64_write(p, __builtin_bswap64(v));
}
#endif
