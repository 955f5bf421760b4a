/* text.h - a growing piece of text with a bound. It belongs to one thread; what does not fit is
 * left out and remembered, so that a writer asks once, at the end. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H
#include "base/bytes.h"

struct text {
    char *data; /* ends with a zero byte; NULL while nothing was written */
    size_t size, capacity;
    size_t limit;    /* of size */
    bool is_cut_off; /* something did not fit */
};

void text_init(struct text *text, size_t limit);
void text_clear(struct text *text);

/* The text so far, never NULL. */
const char *text_cstr(const struct text *text);

/* Forgets all from size on; size is not above text->size. */
void text_shorten(struct text *text, size_t size);

void text_append(struct text *text, const void *data, size_t size);
__attribute__((format(printf, 2, 3))) void text_printf(struct text *text, const char *format, ...);
/* As lower-case hexadecimal digits. */
void text_hex(struct text *text, const void *data, size_t size);
/* Of the 32 bytes of a hash in wire order, reversed as Bitcoin shows them. */
void text_hash(struct text *text, const uint8_t bytes[32]);
#endif
