#include "base/log_record.h"

#include <time.h>

enum { TAG_ENUMERATED = 10, TAG_SEQUENCE = 0x30 };

static const uint8_t magic[4] = {0x25, 0xf1, 0xbf, 0x42};

static const char *const level_names[LOG_LEVEL_COUNT] = {"error", "warning", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_find(const char *name, enum log_level *level)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

/* ---- writing ---- */

/* Of a value of size bytes with its tag and length. */
static size_t tlv_size(size_t size)
{
    return size + (size < 0x80 ? 2 : size < 0x100 ? 3 : size < 0x10000 ? 4 : 5);
}

/* The fewest bytes of two's complement that hold n. */
static size_t integer_size(int64_t n)
{
    uint64_t magnitude = (uint64_t)(n < 0 ? ~n : n);

    return magnitude == 0 ? 1 : (size_t)(64 - __builtin_clzll(magnitude)) / 8 + 1;
}

static size_t item_value_size(const struct log_item *item)
{
    switch (item->kind) {
    case LOG_KIND_BOOLEAN:
        return 1;
    case LOG_KIND_INTEGER:
        return integer_size(item->integer);
    case LOG_KIND_BYTES:
    case LOG_KIND_TEXT:
        return item->bytes.size;
    }
    assert(!"a kind of item");
    return 0;
}

static size_t list_size(const struct log_record *record, const struct log_item *list, size_t count)
{
    size_t size = tlv_size(record->event.size);

    for (size_t i = 0; i < count; i++)
        size += tlv_size(list[i].name.size) + tlv_size(item_value_size(&list[i]));
    return size;
}

static size_t body_size(const struct log_record *record, size_t list)
{
    return tlv_size(integer_size(record->time_us)) + tlv_size(record->facility.size) + tlv_size(1) +
           tlv_size(list);
}

size_t log_record_size(const struct log_record *record, const struct log_item *list, size_t count)
{
    return LOG_RECORD_HEAD + tlv_size(body_size(record, list_size(record, list, count)));
}

static uint8_t *put_head(uint8_t *out, uint8_t tag, size_t size)
{
    *out++ = tag;
    if (size >= 0x80)
        *out++ = (uint8_t)(size < 0x100 ? 0x81 : size < 0x10000 ? 0x82 : 0x83);
    if (size >= 0x10000)
        *out++ = (uint8_t)(size >> 16);
    if (size >= 0x100)
        *out++ = (uint8_t)(size >> 8);
    *out++ = (uint8_t)size;
    return out;
}

static uint8_t *put_bytes(uint8_t *out, uint8_t tag, struct bytes bytes)
{
    out = put_head(out, tag, bytes.size);
    if (bytes.size)
        memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

static uint8_t *put_integer(uint8_t *out, uint8_t tag, int64_t n)
{
    size_t size = integer_size(n);

    out = put_head(out, tag, size);
    while (size--)
        *out++ = (uint8_t)((uint64_t)n >> 8 * size);
    return out;
}

static uint8_t *put_item(uint8_t *out, const struct log_item *item)
{
    out = put_bytes(out, LOG_KIND_TEXT, item->name);
    switch (item->kind) {
    case LOG_KIND_BOOLEAN:
        out = put_head(out, LOG_KIND_BOOLEAN, 1);
        *out++ = item->integer ? 0xff : 0;
        break;
    case LOG_KIND_INTEGER:
        out = put_integer(out, LOG_KIND_INTEGER, item->integer);
        break;
    case LOG_KIND_BYTES:
    case LOG_KIND_TEXT:
        out = put_bytes(out, (uint8_t)item->kind, item->bytes);
        break;
    }
    return out;
}

void log_record_write(uint8_t *out, size_t size, const struct log_record *record,
                      const struct log_item *list, size_t count)
{
    const uint8_t *end = out + size;
    size_t items = list_size(record, list, count);

    memcpy(out, magic, 4);
    be32_write(out + 4, (uint32_t)(size - LOG_RECORD_HEAD));
    out = put_head(out + LOG_RECORD_HEAD, TAG_SEQUENCE, body_size(record, items));
    out = put_integer(out, LOG_KIND_INTEGER, record->time_us);
    out = put_bytes(out, LOG_KIND_TEXT, record->facility);
    out = put_integer(out, TAG_ENUMERATED, record->level);
    out = put_head(out, TAG_SEQUENCE, items);
    out = put_bytes(out, LOG_KIND_TEXT, record->event);
    for (size_t i = 0; i < count; i++)
        out = put_item(out, &list[i]);
    assert(out == end);
}

/* ---- reading ---- */

/* The tag and the bytes behind it; 0 at the end and for what is not DER. */
static uint8_t take_tlv(struct cursor *c, struct bytes *value)
{
    uint8_t tag = cursor_u8(c);
    uint32_t size = cursor_u8(c);

    if (size >= 0x80) {
        uint32_t width = size & 0x7f, least = width == 1 ? 0x80 : 1u << 8 * (width - 1) % 32;
        size = 0;
        for (uint32_t i = 0; i < width && width <= 3; i++)
            size = size << 8 | cursor_u8(c);
        if (width < 1 || width > 3 || size < least)
            cursor_fail(c);
    }
    *value = cursor_take(c, size);
    return cursor_ok(c) ? tag : 0;
}

static struct bytes take(struct cursor *c, uint8_t tag)
{
    struct bytes value;

    if (take_tlv(c, &value) != tag)
        cursor_fail(c);
    return value;
}

static bool parse_integer(struct bytes bytes, int64_t *n)
{
    if (bytes.size < 1 || bytes.size > 8)
        return false;
    uint64_t value = bytes.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | bytes.data[i];
    *n = (int64_t)value;
    return integer_size(*n) == bytes.size;
}

bool log_item_next(struct cursor *items, struct log_item *item)
{
    if (cursor_left(items) == 0)
        return false;
    *item = (struct log_item){.name = take(items, LOG_KIND_TEXT)};
    item->kind = (enum log_kind)take_tlv(items, &item->bytes);
    if (!cursor_ok(items))
        return false;
    bool is_good = item->kind == LOG_KIND_TEXT || item->kind == LOG_KIND_BYTES;
    if (item->kind == LOG_KIND_INTEGER)
        is_good = parse_integer(item->bytes, &item->integer);
    if (item->kind == LOG_KIND_BOOLEAN) {
        is_good =
            item->bytes.size == 1 && (item->bytes.data[0] == 0 || item->bytes.data[0] == 0xff);
        item->integer = is_good && item->bytes.data[0];
    }
    if (!is_good)
        cursor_fail(items);
    return is_good;
}

bool log_record_parse(struct log_record *record, struct bytes value)
{
    struct cursor outer = cursor_of(value);
    struct cursor c = cursor_of(take(&outer, TAG_SEQUENCE));
    struct log_item item;
    int64_t level;

    if (!cursor_ok(&outer) || cursor_left(&outer) != 0)
        return false;
    struct bytes time = take(&c, LOG_KIND_INTEGER);
    record->facility = take(&c, LOG_KIND_TEXT);
    struct bytes level_bytes = take(&c, TAG_ENUMERATED);
    struct cursor items = cursor_of(take(&c, TAG_SEQUENCE));
    record->event = take(&items, LOG_KIND_TEXT);
    if (!cursor_ok(&c) || cursor_left(&c) != 0 || !cursor_ok(&items) ||
        !parse_integer(time, &record->time_us) || !parse_integer(level_bytes, &level) ||
        level < 0 || level >= LOG_LEVEL_COUNT)
        return false;
    record->level = (enum log_level)level;
    record->items = (struct bytes){items.at, cursor_left(&items)};
    while (log_item_next(&items, &item))
        ;
    return cursor_ok(&items);
}

/* ---- printing ---- */

/* How many bytes of the UTF-8 character at the beginning; 0: it is none, or one that controls. */
static size_t character_size(struct bytes b)
{
    uint8_t first = b.data[0];
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (size == 0 || first > 0xf4 || size > b.size || first < 0x20 || first == 0x7f)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((b.data[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && b.data[1] < 0xa0) || (first == 0xed && b.data[1] > 0x9f) ||
        (first == 0xf0 && b.data[1] < 0x90) || (first == 0xf4 && b.data[1] > 0x8f) ||
        (first == 0xc2 && b.data[1] < 0xa0))
        return 0;
    return size;
}

void log_print_text(struct text *text, struct bytes bytes)
{
    while (bytes.size) {
        size_t size = character_size(bytes);
        if (size)
            text_append(text, bytes.data, size);
        else
            text_printf(text, "\\x%02x", bytes.data[0]);
        size += size == 0;
        bytes = bytes_sub(bytes, size, bytes.size - size);
    }
}

#define SHOWN_MAX 500 /* of a value's bytes, unless all is asked for */

static void print_item(struct text *text, const struct log_item *item, bool is_big)
{
    bool is_long = item->bytes.size > SHOWN_MAX && !is_big;

    switch (item->kind) {
    case LOG_KIND_BOOLEAN:
        text_printf(text, "%s", item->integer ? "yes" : "no");
        break;
    case LOG_KIND_INTEGER:
        text_printf(text, "%lld", (long long)item->integer);
        break;
    case LOG_KIND_BYTES:
        if (is_long)
            text_printf(text, "<%zu bytes>", item->bytes.size);
        else if (item->bytes.size == 32)
            text_hash(text, item->bytes.data);
        else
            text_hex(text, item->bytes.data, item->bytes.size);
        break;
    case LOG_KIND_TEXT:
        log_print_text(text, bytes_sub(item->bytes, 0, is_long ? SHOWN_MAX : item->bytes.size));
        if (is_long)
            text_printf(text, "<and %zu bytes>", item->bytes.size - SHOWN_MAX);
        break;
    }
}

static void print_time(struct text *text, int64_t time_us, bool is_local)
{
    int rest = (int)(time_us % 1000000);
    time_t seconds = time_us / 1000000 - (rest < 0);
    struct tm tm;
    char date[64], zone[16] = "Z";

    if (!(is_local ? localtime_r(&seconds, &tm) : gmtime_r(&seconds, &tm)) ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        text_printf(text, "%lld us", (long long)time_us);
        return;
    }
    if (is_local && strftime(zone, sizeof zone, "%z", &tm) == 0)
        zone[0] = 0;
    text_printf(text, "%s.%06d%s", date, rest + (rest < 0 ? 1000000 : 0), zone);
}

void log_record_print(struct text *text, const struct log_record *record,
                      const struct log_print *how)
{
    static const char *const colours[LOG_LEVEL_COUNT] = {"\033[1;31m", "\033[33m", "", "\033[2m"};
    const char *colour = how->is_colour ? colours[record->level] : "";
    struct cursor items = cursor_of(record->items);
    bool is_line = bytes_equal(record->event, log_string("line"));
    struct log_item item;

    print_time(text, record->time_us, how->is_local);
    text_printf(text, " %s%-7s ", colour, log_level_name(record->level));
    log_print_text(text, record->facility);
    text_printf(text, ":");
    if (!is_line) {
        text_printf(text, " ");
        log_print_text(text, record->event);
    }
    while (log_item_next(&items, &item)) {
        text_printf(text, " ");
        if (!is_line || !bytes_equal(item.name, log_string("text"))) {
            log_print_text(text, item.name);
            text_printf(text, "=");
        }
        print_item(text, &item, how->is_big);
    }
    if (colour[0])
        text_printf(text, "\033[0m");
}

/* ---- streams ---- */

uint8_t *log_stream_room(struct log_stream *stream, size_t *size)
{
    if (stream->begin) {
        memmove(stream->data, stream->data + stream->begin, stream->end - stream->begin);
        stream->end -= stream->begin;
        stream->begin = 0;
    }
    *size = sizeof stream->data - stream->end;
    return stream->data + stream->end;
}

void log_stream_fill(struct log_stream *stream, size_t size)
{
    assert(size <= sizeof stream->data - stream->end);
    stream->end += size;
}

/* What stands at the beginning of data: a record (its size), nothing (0), or perhaps one, of which
 * more is wanted (SIZE_MAX). The DER value's own length has to agree with the record's, so that a
 * damaged length is seen before so many bytes are waited for. */
static size_t record_at(struct bytes data, struct log_record *record)
{
    uint8_t head[5];

    if (memcmp(data.data, magic, data.size < 4 ? data.size : 4) != 0)
        return 0;
    if (data.size < LOG_RECORD_HEAD)
        return SIZE_MAX;
    size_t size = __builtin_bswap32(le32_read(data.data + 4));
    if (size < 2 || size > LOG_RECORD_MAX - LOG_RECORD_HEAD)
        return 0;
    size_t inner = tlv_size(size - 2) == size ? 2 : tlv_size(size - 3) == size ? 3 : 4;
    if (size < inner || tlv_size(size - inner) != size)
        return 0;
    size_t head_size = (size_t)(put_head(head, TAG_SEQUENCE, size - inner) - head);
    size_t shown = data.size - LOG_RECORD_HEAD;
    if (memcmp(data.data + LOG_RECORD_HEAD, head, shown < head_size ? shown : head_size) != 0)
        return 0;
    if (shown < size)
        return SIZE_MAX;
    return log_record_parse(record, (struct bytes){data.data + LOG_RECORD_HEAD, size})
               ? LOG_RECORD_HEAD + size
               : 0;
}

bool log_stream_next(struct log_stream *stream, bool is_end, struct log_record *record)
{
    while (stream->begin < stream->end) {
        const uint8_t *at = stream->data + stream->begin;
        size_t left = stream->end - stream->begin;
        size_t size = record_at((struct bytes){at, left}, record);

        if (size == SIZE_MAX && !is_end)
            return false;
        if (size > 0 && size < SIZE_MAX) {
            stream->begin += size;
            return true;
        }
        const uint8_t *next = memchr(at + 1, magic[0], left - 1);
        size_t skipped = next ? (size_t)(next - at) : left;
        stream->begin += skipped;
        stream->skipped += skipped;
    }
    return false;
}
