#include "catlog/json.h"

#define SHOWN_MAX 500 /* bytes of a value */

/* How many bytes of a whole UTF-8 character, or 0. */
static size_t character_size(struct bytes b)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = b.data[0];
    size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (size <= 1 || first > 0xf4 || size > b.size)
        return first < 0x80;
    uint32_t code = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((b.data[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (b.data[i] & 0x3f);
    }
    return code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

static void print_string(struct text *text, struct bytes bytes)
{
    text_append(text, "\"", 1);
    while (bytes.size) {
        size_t size = character_size(bytes);
        uint8_t c = bytes.data[0];
        if (size == 0)
            text_printf(text, "\\ufffd");
        else if (c == '"' || c == '\\')
            text_printf(text, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            text_printf(text, "\\u%04x", c);
        else
            text_append(text, bytes.data, size);
        size += size == 0;
        bytes = bytes_sub(bytes, size, bytes.size - size);
    }
    text_append(text, "\"", 1);
}

static void print_value(struct text *text, const struct log_item *item, size_t shown)
{
    switch (item->kind) {
    case LOG_KIND_BOOLEAN:
        text_printf(text, "%s", item->integer ? "true" : "false");
        break;
    case LOG_KIND_INTEGER:
        text_printf(text, "%lld", (long long)item->integer);
        break;
    case LOG_KIND_BYTES:
        text_append(text, "\"", 1);
        if (item->bytes.size == 32)
            text_hash(text, item->bytes.data);
        else
            text_hex(text, item->bytes.data, shown);
        text_append(text, "\"", 1);
        break;
    case LOG_KIND_TEXT:
        print_string(text, bytes_sub(item->bytes, 0, shown));
        break;
    }
}

static void print_item(struct text *text, const struct log_item *item, bool is_big)
{
    bool is_cut = item->bytes.size > SHOWN_MAX && !is_big;

    print_string(text, item->name);
    text_append(text, ":", 1);
    print_value(text, item, is_cut ? SHOWN_MAX : item->bytes.size);
    if (!is_cut)
        return;
    text_append(text, ",", 1);
    size_t begin = text->size;
    print_string(text, item->name);
    if (text->size > begin)
        text_shorten(text, text->size - 1);
    text_printf(text, "_size\":%zu", item->bytes.size);
}

void json_print(struct text *text, const struct log_record *record, bool is_big)
{
    struct cursor items = cursor_of(record->items);
    struct log_item item;
    const char *comma = "";
    int64_t time_us = record->time_us;
    uint64_t magnitude = time_us < 0 ? 0 - (uint64_t)time_us : (uint64_t)time_us;

    text_printf(text,
                "{\"time\":%s%llu.%06llu,\"level\":\"%s\",\"facility\":", time_us < 0 ? "-" : "",
                (unsigned long long)magnitude / 1000000, (unsigned long long)magnitude % 1000000,
                log_level_name(record->level));
    print_string(text, record->facility);
    text_printf(text, ",\"event\":");
    print_string(text, record->event);
    text_printf(text, ",\"items\":{");
    while (log_item_next(&items, &item)) {
        text_printf(text, "%s", comma);
        print_item(text, &item, is_big);
        comma = ",";
    }
    text_printf(text, "}}");
}
