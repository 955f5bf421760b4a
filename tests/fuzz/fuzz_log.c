/* The records of a log: whatever the input, and however it is cut in two, the same records are
 * found and each has one encoding. */
#include "base/arena.h"
#include "base/log_record.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ITEMS_MAX 64

/* Writes it again from its parts: the bytes must be the same. */
static void write_again(const struct log_record *record)
{
    struct log_item items[ITEMS_MAX];
    struct cursor c = cursor_of(record->items);
    size_t count = 0;

    while (count < ITEMS_MAX && log_item_next(&c, &items[count]))
        count++;
    if (cursor_left(&c))
        return;
    size_t size = log_record_size(record, items, count);
    assert(size <= LOG_RECORD_MAX);
    uint8_t *again = xmalloc(size);
    log_record_write(again, size, record, items, count);
    assert(memcmp(again + size - record->items.size, record->items.data, record->items.size) == 0);
    struct log_record read;
    bool is_good = log_record_parse(&read, (struct bytes){again + 8, size - 8});
    assert(is_good && read.time_us == record->time_us && read.level == record->level);
    assert(bytes_equal(read.facility, record->facility) && bytes_equal(read.event, record->event));
    /* the record's bytes end where its items end */
    assert(memcmp(again, record->items.data + record->items.size - size, size) == 0);
    free(again);
}

static uint64_t read_stream(const uint8_t *data, size_t size, size_t step, uint64_t *skipped)
{
    struct log_stream *stream = xcalloc(1, sizeof *stream);
    struct log_record record;
    struct text text;
    uint64_t count = 0;
    size_t at = 0;
    bool is_end = false;

    text_init(&text, 1 << 20);
    while (!is_end) {
        size_t room_size;
        uint8_t *room = log_stream_room(stream, &room_size);
        size_t n = size - at < step ? size - at : step;
        assert(room_size > 0);
        n = n < room_size ? n : room_size;
        if (n)
            memcpy(room, data + at, n);
        at += n;
        is_end = n == 0;
        log_stream_fill(stream, n);
        while (log_stream_next(stream, is_end, &record)) {
            count++;
            write_again(&record);
            text_shorten(&text, 0);
            log_record_print(&text, &record, &(struct log_print){.is_big = true});
            for (size_t i = 0; i < text.size; i++)
                assert((uint8_t)text.data[i] >= 0x20 && text.data[i] != 0x7f);
        }
    }
    *skipped = stream->skipped;
    free(stream);
    text_clear(&text);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t skipped, skipped_too;
    uint64_t count = read_stream(data, size, SIZE_MAX, &skipped);

    assert(read_stream(data, size, size ? 1 + data[0] : 1, &skipped_too) == count);
    assert(skipped == skipped_too);
    return 0;
}
