#include "base/text.h"
#include "base/arena.h"
#include "base/hex.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void text_init(struct text *text, size_t limit)
{
    *text = (struct text){.limit = limit};
}

void text_clear(struct text *text)
{
    free(text->data);
    text_init(text, text->limit);
}

const char *text_cstr(const struct text *text)
{
    return text->data == NULL ? "" : text->data;
}

void text_shorten(struct text *text, size_t size)
{
    assert(size <= text->size);
    text->size = size;
    if (text->data != NULL)
        text->data[size] = '\0';
}

/* Makes room for size more characters and the zero byte; false if they would pass the limit. */
static bool reserve(struct text *text, size_t size)
{
    if (text->is_cut_off || size > text->limit - text->size) {
        text->is_cut_off = true;
        return false;
    }

    size_t needed = text->size + size + 1;

    if (needed > text->capacity) {
        text->capacity = needed > 2 * text->capacity ? needed : 2 * text->capacity;
        text->data = xrealloc(text->data, text->capacity);
    }
    return true;
}

void text_append(struct text *text, const void *data, size_t size)
{
    if (size == 0 || !reserve(text, size))
        return;
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args); /* NOLINT: as below */
    va_end(args);
    assert(size >= 0);
    if (!reserve(text, (size_t)size))
        return;
    va_start(args, format);
    /* clang-tidy 14 takes args for uninitialized when it reads several files at once. */
    vsnprintf(text->data + text->size, (size_t)size + 1, format, args); /* NOLINT */
    va_end(args);
    text->size += (size_t)size;
}

void text_hex(struct text *text, const void *data, size_t size)
{
    if (size > SIZE_MAX / 2 || !reserve(text, 2 * size))
        return;
    hex_encode(text->data + text->size, data, size);
    text->size += 2 * size;
}

void text_hash(struct text *text, const uint8_t bytes[32])
{
    char hex[65];

    hash_to_hex(hex, bytes);
    text_append(text, hex, 64);
}
