/* cursor.h - reads fields from a view in order and remembers the first short read.
 * After a short read every later read gives zero or an empty view; ask cursor_ok once at the end.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H
#include "base/bytes.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool is_short;
};

static inline struct cursor cursor_of(struct bytes b)
{
    /* An empty view may have no data, and NULL + 0 is undefined. */
    return (struct cursor){b.data, b.size ? b.data + b.size : b.data, false};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline bool cursor_ok(const struct cursor *c)
{
    return !c->is_short;
}

static inline void cursor_fail(struct cursor *c)
{
    c->is_short = true;
    c->at = c->end;
}

/* The next size bytes, or an empty view (data NULL) if there are fewer. */
static inline struct bytes cursor_take(struct cursor *c, uint64_t size)
{
    if (size > cursor_left(c)) {
        cursor_fail(c);
        return (struct bytes){NULL, 0};
    }
    struct bytes b = {c->at, (size_t)size};
    c->at += size;
    return b;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    struct bytes b = cursor_take(c, 1);
    return b.size ? b.data[0] : 0;
}

static inline uint16_t cursor_le16(struct cursor *c)
{
    struct bytes b = cursor_take(c, 2);
    return b.size ? le16_read(b.data) : 0;
}

static inline uint32_t cursor_le32(struct cursor *c)
{
    struct bytes b = cursor_take(c, 4);
    return b.size ? le32_read(b.data) : 0;
}

static inline uint64_t cursor_le64(struct cursor *c)
{
    struct bytes b = cursor_take(c, 8);
    return b.size ? le64_read(b.data) : 0;
}
#endif
