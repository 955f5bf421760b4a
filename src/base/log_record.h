/* log_record.h - one record of the binary log, its encoding and how it is found again in a damaged
 * stream. A record is
 *
 *     magic 25 f1 bf 42 · length, 4 bytes, big-endian · a DER value of that length:
 *     SEQUENCE { INTEGER microseconds since 1970, UTF8String facility, ENUMERATED level,
 *                SEQUENCE { UTF8String event, { UTF8String name, value } … } }
 *
 * where a value is an INTEGER of 64 bits, a BOOLEAN, a UTF8String or an OCTET STRING. Lengths are
 * minimal as DER wants them, so one record has one encoding. Thread: any; no state. */
#ifndef BASE_LOG_RECORD_H
#define BASE_LOG_RECORD_H
#include "base/cursor.h"
#include "base/text.h"

#define LOG_RECORD_MAX  65536 /* with magic and length */
#define LOG_RECORD_HEAD 8     /* magic and length */
#define LOG_ITEMS_MAX   16    /* that a writer gives; a reader takes any number */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
#define LOG_LEVEL_COUNT 4

const char *log_level_name(enum log_level level);
/* False if there is no level of this name. */
MUST_CHECK bool log_level_find(const char *name, enum log_level *level);

enum log_kind {
    LOG_KIND_BOOLEAN = 1,
    LOG_KIND_INTEGER = 2,
    LOG_KIND_BYTES = 4,
    LOG_KIND_TEXT = 12
};

struct log_item {
    struct bytes name;
    enum log_kind kind;
    int64_t integer;    /* of BOOLEAN and INTEGER */
    struct bytes bytes; /* of TEXT and BYTES */
};

struct log_record {
    int64_t time_us;
    struct bytes facility;
    enum log_level level;
    struct bytes event;
    struct bytes items; /* their encoding: log_item_next */
};

static inline struct bytes log_string(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* Of the record with magic and length; items is not looked at, the list is. */
size_t log_record_size(const struct log_record *record, const struct log_item *list, size_t count);
/* Writes it, size as just computed. */
void log_record_write(uint8_t *out, size_t size, const struct log_record *record,
                      const struct log_item *list, size_t count);

/* Reads the DER value, all of it. Views point into value. */
MUST_CHECK bool log_record_parse(struct log_record *record, struct bytes value);
/* The next of record->items, read with a cursor; false at the end. Of a parsed record none is
 * malformed. */
MUST_CHECK bool log_item_next(struct cursor *items, struct log_item *item);

/* What people read of it, a line without its end: time, level, facility and items. Nothing in it
 * controls a terminal. */
struct log_print {
    bool is_local;  /* the time; otherwise UTC */
    bool is_colour; /* by terminal sequences */
    bool is_big;    /* shows long values whole */
};
void log_record_print(struct text *text, const struct log_record *record,
                      const struct log_print *how);
/* A text with what is not printable, or not UTF-8, escaped. */
void log_print_text(struct text *text, struct bytes bytes);

/* Finds records in a stream that comes in pieces. */
struct log_stream {
    uint8_t data[2 * LOG_RECORD_MAX];
    size_t begin, end; /* what is not yet used of data */
    uint64_t skipped;  /* bytes that belong to no record, so far */
};

/* Room for the next piece, never empty after log_stream_next said false; log_stream_fill says how
 * much of it was filled. */
uint8_t *log_stream_room(struct log_stream *stream, size_t *size);
void log_stream_fill(struct log_stream *stream, size_t size);
/* The next record, or false when more bytes are wanted. is_end: there will be no more. The views
 * live until the next log_stream_room. */
MUST_CHECK bool log_stream_next(struct log_stream *stream, bool is_end, struct log_record *record);
#endif
