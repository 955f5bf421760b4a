/* The log: records and the stream they are found in, rings and the writer, files and rotation. */
#include "../../src/base/log.c"

#include <check.h>
#include <dirent.h>

static char directory[64];

static void make_directory(void)
{
    strcpy(directory, "/tmp/test_log.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
    char path[512];
    DIR *d = opendir(directory);
    struct dirent *entry;

    while ((entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            ck_assert_int_eq(unlink(path), 0);
    }
    closedir(d);
    ck_assert_int_eq(rmdir(directory), 0);
}

static const char *in_directory(const char *name)
{
    static char path[8][128];
    static unsigned next;
    char *out = path[next++ % 8];

    snprintf(out, 128, "%s/%s", directory, name);
    return out;
}

static struct log *open_log(size_t ring_size, const struct log_options *options)
{
    struct log *log = log_new(ring_size);
    const char *bad;

    ck_assert_int_eq(log_open(log, options, &bad), 0);
    return log;
}

/* What a file holds. */
struct found {
    uint64_t count, lost_said, skipped;
    uint64_t of_thread[8]; /* records, by the item "thread" */
    bool is_ordered;       /* those of a thread by their item "n" */
    struct text text;      /* the printed lines */
};

static void take_record(struct found *found, const struct log_record *record, int64_t next[8])
{
    struct cursor items = cursor_of(record->items);
    struct log_item item;
    int64_t thread = -1;

    found->count++;
    while (log_item_next(&items, &item)) {
        if (bytes_equal(record->event, log_string("lost")))
            found->lost_said += (uint64_t)item.integer;
        else if (bytes_equal(item.name, log_string("thread")))
            thread = item.integer;
        else if (bytes_equal(item.name, log_string("n")) && thread >= 0) {
            found->is_ordered &= item.integer >= next[thread];
            next[thread] = item.integer + 1;
            found->of_thread[thread]++;
        }
    }
    if (found->text.limit) {
        log_record_print(&found->text, record, &(struct log_print){0});
        text_append(&found->text, "\n", 1);
    }
}

static void read_file(struct found *found, const char *path, size_t text_limit)
{
    struct log_stream *stream = xcalloc(1, sizeof *stream);
    struct log_record record;
    int64_t next[8] = {0};
    FILE *file = fopen(path, "re");
    bool is_end = false;

    ck_assert_ptr_nonnull(file);
    *found = (struct found){.is_ordered = true};
    text_init(&found->text, text_limit);
    while (!is_end) {
        size_t size;
        uint8_t *room = log_stream_room(stream, &size);
        ck_assert_uint_gt(size, 0);
        size_t n = fread(room, 1, size, file);
        is_end = n == 0;
        log_stream_fill(stream, n);
        while (log_stream_next(stream, is_end, &record))
            take_record(found, &record, next);
    }
    found->skipped = stream->skipped;
    fclose(file);
    free(stream);
}

/* ---- records ---- */

static const uint8_t some_bytes[70000] = {1, 2, 3};

static size_t encode(uint8_t *out, int64_t time_us, const struct log_item *items, size_t count)
{
    struct log_record record = {.time_us = time_us,
                                .facility = log_string("chain"),
                                .level = LOG_LEVEL_INFO,
                                .event = log_string("event")};
    size_t size = log_record_size(&record, items, count);

    log_record_write(out, size, &record, items, count);
    return size;
}

START_TEST(a_record_has_the_bytes_that_der_wants)
{
    static const uint8_t wanted[] = {
        0x25, 0xf1, 0xbf, 0x42, 0x00, 0x00, 0x00, 0x31, 0x30, 0x2f, 0x02, 0x02, 0x00, 0x80, 0x0c,
        0x05, 0x63, 0x68, 0x61, 0x69, 0x6e, 0x0a, 0x01, 0x02, 0x30, 0x1f, 0x0c, 0x05, 0x65, 0x76,
        0x65, 0x6e, 0x74, 0x0c, 0x01, 0x6e, 0x02, 0x01, 0xff, 0x0c, 0x01, 0x62, 0x01, 0x01, 0xff,
        0x0c, 0x01, 0x73, 0x0c, 0x01, 0x78, 0x0c, 0x01, 0x68, 0x04, 0x01, 0xfe};
    const struct log_item items[] = {LOG_INTEGER("n", -1), LOG_BOOLEAN("b", true),
                                     LOG_TEXT("s", "x"), LOG_BYTES("h", "\xfe", 1)};
    uint8_t out[128];
    size_t size = encode(out, 128, items, ARRAY_COUNT(items));

    ck_assert_uint_eq(size, sizeof wanted);
    ck_assert_mem_eq(out, wanted, size);
}
END_TEST

START_TEST(integers_and_lengths_are_read_back)
{
    static const int64_t integers[] = {0,
                                       1,
                                       127,
                                       128,
                                       -128,
                                       -129,
                                       255,
                                       32767,
                                       32768,
                                       -32768,
                                       -32769,
                                       1 << 23,
                                       INT64_MAX,
                                       INT64_MIN,
                                       INT64_MAX >> 8,
                                       -(INT64_MAX >> 8) - 1};
    static const size_t sizes[] = {0, 1, 98, 99, 100, 127, 128, 226, 227, 228, 255, 256, 65400};
    static uint8_t out[LOG_RECORD_MAX];

    for (size_t i = 0; i < ARRAY_COUNT(integers); i++)
        for (size_t j = 0; j < ARRAY_COUNT(sizes); j++) {
            const struct log_item items[] = {LOG_INTEGER("n", integers[i]),
                                             LOG_BYTES("b", some_bytes, sizes[j])};
            size_t size = encode(out, integers[i], items, 2);
            struct log_record record;
            struct log_item item;
            ck_assert(log_record_parse(&record, (struct bytes){out + 8, size - 8}));
            ck_assert_int_eq(record.time_us, integers[i]);
            struct cursor c = cursor_of(record.items);
            ck_assert(log_item_next(&c, &item));
            ck_assert_int_eq(item.integer, integers[i]);
            ck_assert(log_item_next(&c, &item));
            ck_assert(bytes_equal(item.bytes, (struct bytes){some_bytes, sizes[j]}));
            ck_assert(!log_item_next(&c, &item));
            /* any byte less or more is refused */
            ck_assert(!log_record_parse(&record, (struct bytes){out + 8, size - 9}));
            ck_assert(!log_record_parse(&record, (struct bytes){out + 8, size - 7}));
        }
}
END_TEST

START_TEST(what_is_not_der_is_refused)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } changes[] = {
        {"the outer tag", 8, 0x31},
        {"the outer length", 9, 0x80},
        {"no integer for the time", 10, 4},
        {"a time of 9 bytes", 11, 9},
        {"a padded time", 12, 0},
        {"no text for the facility", 14, 4},
        {"a level of 2 bytes", 22, 2},
        {"level 4", 23, 4},
        {"level -1", 23, 0xff},
        {"a list that is none", 24, 0x31},
        {"a list too short", 25, 1},
        {"an event that is too long", 27, 90},
        {"a name that is no text", 33, 2},
        {"a value of an unknown kind", 36, 5},
        {"a boolean of 1", 38, 1},
    };
    const struct log_item items[] = {LOG_BOOLEAN("b", true)};
    uint8_t good[64], bad[64];
    struct log_record record;
    size_t size = encode(good, 256, items, 1);

    ck_assert(log_record_parse(&record, (struct bytes){good + 8, size - 8}));
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        memcpy(bad, good, size);
        ck_assert_int_ne(bad[changes[i].at], changes[i].value);
        bad[changes[i].at] = changes[i].value;
        ck_assert_msg(!log_record_parse(&record, (struct bytes){bad + 8, size - 8}), "%s",
                      changes[i].what);
    }
}
END_TEST

START_TEST(nothing_printed_controls_a_terminal)
{
    static const uint8_t hostile[] = "a\033[2J\n\x7f\xc2\x9b\xff\xc3\xa9\xe2\x82\xac\xed\xa0\x80";
    struct text text;

    text_init(&text, 1000);
    log_print_text(&text, (struct bytes){hostile, sizeof hostile - 1});
    ck_assert_str_eq(text_cstr(&text), "a\\x1b[2J\\x0a\\x7f\\xc2\\x9b\\xff\xc3\xa9\xe2\x82\xac"
                                       "\\xed\\xa0\\x80");
    text_clear(&text);
}
END_TEST

START_TEST(a_line_for_people)
{
    uint8_t hash[32] = {0xab};
    const struct log_item items[] = {LOG_INTEGER("height", 7), LOG_BYTES("hash", hash, 32),
                                     LOG_BYTES("long", some_bytes, 501), LOG_TEXT("s", "x y")};
    static uint8_t out[2000];
    struct log_record record;
    struct text text;
    size_t size = encode(out, 1700000000000001, items, 4);

    text_init(&text, 10000);
    ck_assert(log_record_parse(&record, (struct bytes){out + 8, size - 8}));
    log_record_print(&text, &record, &(struct log_print){0});
    ck_assert_str_eq(text_cstr(&text),
                     "2023-11-14T22:13:20.000001Z info    chain: event height=7 hash="
                     "00000000000000000000000000000000000000000000000000000000000000ab"
                     " long=<501 bytes> s=x y");
    text_shorten(&text, 0);
    log_record_print(&text, &record, &(struct log_print){.is_big = true});
    ck_assert_ptr_nonnull(strstr(text_cstr(&text), " long=01020300"));
    text_shorten(&text, 0);
    record.time_us = -1;
    log_record_print(&text, &record, &(struct log_print){0});
    ck_assert_int_eq(strncmp(text_cstr(&text), "1969-12-31T23:59:59.999999Z", 27), 0);
    text_shorten(&text, 0);
    record.time_us = INT64_MIN; /* a hostile file */
    log_record_print(&text, &record, &(struct log_print){.is_local = true});
    ck_assert_ptr_nonnull(text.data);
    text_clear(&text);
}
END_TEST

/* ---- streams ---- */

/* Feeds data in pieces of step bytes; the records' first integers come out. */
static size_t feed(const uint8_t *data, size_t size, size_t step, int64_t *numbers,
                   uint64_t *skipped)
{
    struct log_stream *stream = xcalloc(1, sizeof *stream);
    struct log_record record;
    struct log_item item;
    size_t count = 0, at = 0;
    bool is_end = false;

    while (!is_end) {
        size_t room_size;
        uint8_t *room = log_stream_room(stream, &room_size);
        ck_assert_uint_gt(room_size, 0);
        size_t n = size - at < step ? size - at : step;
        n = n < room_size ? n : room_size;
        memcpy(room, data + at, n);
        at += n;
        is_end = n == 0;
        log_stream_fill(stream, n);
        while (log_stream_next(stream, is_end, &record)) {
            struct cursor c = cursor_of(record.items);
            ck_assert(log_item_next(&c, &item));
            numbers[count++] = item.integer;
        }
    }
    *skipped = stream->skipped;
    free(stream);
    return count;
}

static size_t numbered(uint8_t *out, int64_t n, size_t size)
{
    const struct log_item items[] = {LOG_INTEGER("n", n), LOG_BYTES("b", some_bytes, size)};

    return encode(out, 1000000 + n, items, 2);
}

START_TEST(a_stream_in_pieces_of_any_size)
{
    static uint8_t data[100 * 400];
    int64_t numbers[100];
    uint64_t skipped;
    size_t size = 0;

    for (int64_t i = 0; i < 100; i++)
        size += numbered(data + size, i, (size_t)i * 3);
    for (size_t step = 1; step < 2000; step += step < 20 ? 1 : 97) {
        ck_assert_uint_eq(feed(data, size, step, numbers, &skipped), 100);
        ck_assert_uint_eq(skipped, 0);
        for (int64_t i = 0; i < 100; i++)
            ck_assert_int_eq(numbers[i], i);
    }
}
END_TEST

/* Whatever one byte becomes, at most its own record is missed. */
START_TEST(one_damaged_byte_costs_one_record)
{
    static uint8_t data[5 * 200], copy[sizeof data];
    int64_t numbers[8];
    uint64_t skipped;
    size_t size = 0, starts[6];

    for (int64_t i = 0; i < 5; i++) {
        starts[i] = size;
        size += numbered(data + size, i, 100);
    }
    starts[5] = size;
    size_t refused = 0;
    for (size_t at = 0; at < size; at++)
        for (unsigned flip = 1; flip < 256; flip += 11) {
            memcpy(copy, data, size);
            copy[at] ^= (uint8_t)flip;
            size_t count = feed(copy, size, 64, numbers, &skipped);
            ck_assert_uint_ge(count, 4);
            refused += count == 4;
            ck_assert_uint_eq(skipped, count == 4 ? starts[1] : 0);
        }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(records_after_a_cut_one_are_found)
{
    static uint8_t data[4000];
    int64_t numbers[8];
    uint64_t skipped;
    size_t whole = numbered(data, 0, 1000), rest = 2 * numbered(data, 1, 10);

    /* A cut in the last value that what follows can fill cannot be seen. */
    for (size_t cut = 0; cut + rest < whole; cut++) {
        size_t size = cut;
        numbered(data, 0, 1000);
        size += numbered(data + size, 1, 10);
        size += numbered(data + size, 2, 10);
        ck_assert_uint_eq(feed(data, size, 100, numbers, &skipped), 2);
        ck_assert_int_eq(numbers[0], 1);
        ck_assert_int_eq(numbers[1], 2);
        ck_assert_uint_eq(skipped, cut);
    }
}
END_TEST

/* A damaged length must not make a reader of a pipe wait for as many bytes. */
START_TEST(a_damaged_length_is_not_waited_for)
{
    struct log_stream *stream = xcalloc(1, sizeof *stream);
    struct log_record record;
    size_t room_size;
    uint8_t *room = log_stream_room(stream, &room_size);
    size_t first = numbered(room, 0, 10), second = numbered(room + first, 1, 10);

    room[6] = 0x80;
    log_stream_fill(stream, first + second);
    ck_assert(log_stream_next(stream, false, &record));
    ck_assert_int_eq(record.time_us, 1000001);
    ck_assert_uint_eq(stream->skipped, first);
    free(stream);
}
END_TEST

/* ---- the log ---- */

START_TEST(a_log_is_written_and_read_back)
{
    const char *path = in_directory("log.asn1"), *lines = in_directory("log.txt");
    struct log *log =
        open_log(0, &(struct log_options){.path = path, .text_path = lines, .size_max = 0});
    uint8_t hash[32] = {1};
    struct found found;

    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_WARNING, "a line");
    log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "tip", LOG_INTEGER("height", 5),
              LOG_BYTES("hash", hash, 32));
    log_text(log, LOG_FACILITY_NET, LOG_LEVEL_DEBUG, "not wanted");
    log_set_level(log, LOG_FACILITY_NET, LOG_LEVEL_DEBUG);
    log_text(log, LOG_FACILITY_NET, LOG_LEVEL_DEBUG, "wanted now");
    log_set_level(log, LOG_FACILITY_NODE, LOG_LEVEL_ERROR);
    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_WARNING, "not wanted any more");
    log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "large",
              LOG_BYTES("b", some_bytes, sizeof some_bytes), LOG_INTEGER("after", 1));
    log_text(NULL, LOG_FACILITY_NODE, LOG_LEVEL_ERROR, "nowhere");
    log_close(log);
    read_file(&found, path, 100000);
    ck_assert_uint_eq(found.count, 4);
    ck_assert_uint_eq(found.skipped, 0);
    const char *text = text_cstr(&found.text);
    ck_assert_ptr_nonnull(strstr(text, " warning node: a line\n"));
    ck_assert_ptr_nonnull(strstr(text, " info    chain: tip height=5 hash=0000"));
    ck_assert_ptr_nonnull(strstr(text, " debug   net: wanted now\n"));
    ck_assert_ptr_nonnull(strstr(text, " large b=<30720 bytes> after=1 cut=39280\n"));
    ck_assert_ptr_null(strstr(text, "not wanted"));
    static char plain[10000];
    FILE *file = fopen(lines, "re");
    plain[fread(plain, 1, sizeof plain - 1, file)] = 0;
    fclose(file);
    ck_assert_str_eq(plain, text);
    text_clear(&found.text);
}
END_TEST

START_TEST(records_before_the_opening_are_kept)
{
    const char *path = in_directory("log.asn1"), *bad;
    struct log *log = log_new(0);
    struct found found;

    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "early");
    ck_assert_int_eq(log_open(log, &(struct log_options){.path = in_directory("no/log")}, &bad),
                     -ENOENT);
    ck_assert_str_eq(bad, in_directory("no/log"));
    ck_assert_int_eq(log_open(log, &(struct log_options){.path = path}, &bad), 0);
    log_close(log);
    read_file(&found, path, 0);
    ck_assert_uint_eq(found.count, 1);
    log = log_new(0);
    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "never opened");
    log_close(log);
}
END_TEST

struct giver {
    struct log *log;
    int thread;
    uint64_t count;
};

static void *give_many(void *argument)
{
    const struct giver *giver = argument;

    for (uint64_t n = 0; n < giver->count; n++)
        log_event(giver->log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "count",
                  LOG_INTEGER("thread", giver->thread), LOG_INTEGER("n", n),
                  LOG_BYTES("b", some_bytes, n % 50));
    return NULL;
}

/* Gives count records from each of 4 threads; what is found and what was lost make up all of them.
 */
static void give_from_threads(size_t ring_size, uint64_t count, struct found *found)
{
    const char *path = in_directory("log.asn1");
    struct log *log = open_log(ring_size, &(struct log_options){.path = path});
    struct giver givers[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        givers[i] = (struct giver){log, i, count};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, give_many, &givers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_le(atomic_load(&log->ring_count), 4);
    log_close(log);
    read_file(found, path, 0);
    uint64_t records = 0;
    for (int i = 0; i < 4; i++)
        records += found->of_thread[i];
    ck_assert_uint_eq(records + found->lost_said, 4 * count);
    ck_assert_uint_eq(found->skipped, 0);
    ck_assert(found->is_ordered);
}

START_TEST(of_4_threads_none_is_lost_uncounted)
{
    const char *wanted = getenv("LOG_RECORDS");
    uint64_t count = wanted ? strtoull(wanted, NULL, 10) : 250000;
    struct found found;

    give_from_threads(0, count, &found);
    printf("4 × %llu records: %llu lost, all counted\n", (unsigned long long)count,
           (unsigned long long)found.lost_said);
}
END_TEST

START_TEST(small_rings_lose_and_say_so)
{
    struct found found;

    give_from_threads(8192, 50000, &found);
    ck_assert_uint_gt(found.lost_said, 0);
    ck_assert_uint_gt(found.count, 100);
}
END_TEST

START_TEST(a_ring_that_is_full_loses_the_rest)
{
    const char *path = in_directory("log.asn1"), *bad;
    struct log *log = log_new(1024);
    struct found found;

    for (int i = 0; i < 1000; i++)
        log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "count", LOG_INTEGER("thread", 0),
                  LOG_INTEGER("n", i));
    log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "never fits",
              LOG_BYTES("b", some_bytes, 2000));
    ck_assert_int_eq(log_open(log, &(struct log_options){.path = path}, &bad), 0);
    log_close(log);
    read_file(&found, path, 0);
    /* an entry has 80 bytes, with its head and padding */
    ck_assert_uint_eq(found.of_thread[0], 1024 / 80);
    ck_assert_uint_eq(found.lost_said, 1001 - 1024 / 80);
}
END_TEST

START_TEST(a_threads_ring_serves_the_next_thread)
{
    struct log *log = open_log(0, &(struct log_options){.path = in_directory("log.asn1")});
    struct giver giver = {log, 1, 10};
    struct found found;
    pthread_t thread;

    for (int i = 0; i < 100; i++) {
        pthread_create(&thread, NULL, give_many, &giver);
        pthread_join(thread, NULL);
    }
    ck_assert_uint_eq(atomic_load(&log->ring_count), 1);
    log_close(log);
    read_file(&found, in_directory("log.asn1"), 0);
    ck_assert_uint_eq(found.count, 1000);
}
END_TEST

/* /dev/full takes nothing: everything is lost, and counted when the file can be written again. */
START_TEST(records_that_a_full_disk_refuses_are_counted)
{
    const char *path = in_directory("log.asn1");
    struct log_stats stats;
    struct found found;

    ck_assert_int_eq(symlink("/dev/full", path), 0);
    struct log *log = open_log(0, &(struct log_options){.path = path});
    for (int i = 0; i < 100; i++)
        log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "count", LOG_INTEGER("thread", 0),
                  LOG_INTEGER("n", i));
    do {
        usleep(1000);
        log_stats(log, &stats);
    } while (stats.lost < 100);
    ck_assert_uint_eq(stats.lost, 100);
    ck_assert_uint_gt(stats.write_errors, 0);
    ck_assert_int_eq(unlink(path), 0);
    log_reopen(log);
    while (access(path, F_OK) < 0)
        usleep(1000);
    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "there is room again");
    log_close(log);
    read_file(&found, path, 0);
    ck_assert_uint_eq(found.lost_said, 100);
    ck_assert_uint_eq(found.count, 2);
}
END_TEST

START_TEST(files_are_rotated_and_the_oldest_go)
{
    const char *path = in_directory("log.asn1");
    struct log *log =
        open_log(0, &(struct log_options){.path = path, .size_max = 2000, .keep_count = 2});
    struct log_stats stats;
    struct found found[3];

    for (int i = 0; i < 100; i++) {
        log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "count", LOG_INTEGER("thread", 0),
                  LOG_INTEGER("n", i), LOG_BYTES("b", some_bytes, 150));
        do { /* one write a record: the files' sizes are then known */
            usleep(500);
            log_stats(log, &stats);
        } while (stats.records <= (uint64_t)i);
    }
    log_close(log);
    read_file(&found[0], path, 0);
    read_file(&found[1], in_directory("log.asn1.1"), 0);
    read_file(&found[2], in_directory("log.asn1.2"), 0);
    ck_assert_int_ne(access(in_directory("log.asn1.3"), F_OK), 0);
    size_t size = 8 + 188 + 3; /* about that of a record */
    for (int i = 1; i < 3; i++) {
        ck_assert_uint_ge(found[i].count, 2000 / size - 2);
        ck_assert_uint_le(found[i].count, 2000 / (size - 12));
    }
    ck_assert_uint_ge(found[0].count, 1);
    ck_assert_uint_eq(stats.rotations, (100 - found[0].count) / found[1].count);
}
END_TEST

START_TEST(a_moved_file_is_left_when_asked)
{
    const char *path = in_directory("log.asn1"), *moved = in_directory("moved");
    struct log *log = open_log(0, &(struct log_options){.path = path});
    struct found found;
    struct log_stats stats;

    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "first");
    do {
        usleep(1000);
        log_stats(log, &stats);
    } while (stats.records < 1);
    ck_assert_int_eq(rename(path, moved), 0);
    log_reopen(log);
    while (access(path, F_OK) < 0)
        usleep(1000);
    log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "second");
    log_close(log);
    read_file(&found, moved, 0);
    ck_assert_uint_eq(found.count, 1);
    read_file(&found, path, 0);
    ck_assert_uint_eq(found.count, 1);
}
END_TEST

START_TEST(the_writer_sleeps_when_nothing_comes)
{
    struct log *log = open_log(0, &(struct log_options){.path = in_directory("log.asn1")});
    struct log_stats stats;

    for (int i = 0; i < 50; i++) {
        log_text(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "wake up");
        do {
            usleep(1000);
            log_stats(log, &stats);
        } while (stats.records <= (uint64_t)i);
        while (i % 10 == 0 && atomic_load(&log->state) != SLEEPING)
            usleep(1000);
    }
    log_close(log);
}
END_TEST

START_TEST(the_journal_is_known_by_its_inode)
{
    struct stat status;
    char name[64];

    ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    ck_assert(log_is_journal(STDERR_FILENO, name));
    snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino + 1);
    ck_assert(!log_is_journal(STDERR_FILENO, name));
    ck_assert(!log_is_journal(STDERR_FILENO, NULL));
    ck_assert(!log_is_journal(STDERR_FILENO, ""));
    ck_assert(!log_is_journal(-1, name));
    ck_assert_str_eq(log_priority(LOG_LEVEL_ERROR), "<3>");
    ck_assert_str_eq(log_priority(LOG_LEVEL_DEBUG), "<7>");
}
END_TEST

START_TEST(names_are_found)
{
    enum log_facility facility;
    enum log_level level;

    for (int i = 0; i < LOG_FACILITY_COUNT; i++) {
        ck_assert(log_facility_find(log_facility_name((enum log_facility)i), &facility));
        ck_assert_int_eq(facility, i);
    }
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        ck_assert(log_level_find(log_level_name((enum log_level)i), &level));
        ck_assert_int_eq(level, i);
    }
    ck_assert(!log_facility_find("", &facility));
    ck_assert(!log_level_find("loud", &level));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *records = tcase_create("records"), *log = tcase_create("log");

    tcase_add_test(records, a_record_has_the_bytes_that_der_wants);
    tcase_add_test(records, integers_and_lengths_are_read_back);
    tcase_add_test(records, what_is_not_der_is_refused);
    tcase_add_test(records, nothing_printed_controls_a_terminal);
    tcase_add_test(records, a_line_for_people);
    tcase_add_test(records, a_stream_in_pieces_of_any_size);
    tcase_add_test(records, one_damaged_byte_costs_one_record);
    tcase_add_test(records, records_after_a_cut_one_are_found);
    tcase_add_test(records, a_damaged_length_is_not_waited_for);
    tcase_add_checked_fixture(log, make_directory, remove_directory);
    tcase_set_timeout(log, 280);
    tcase_add_test(log, a_log_is_written_and_read_back);
    tcase_add_test(log, records_before_the_opening_are_kept);
    tcase_add_test(log, of_4_threads_none_is_lost_uncounted);
    tcase_add_test(log, small_rings_lose_and_say_so);
    tcase_add_test(log, a_ring_that_is_full_loses_the_rest);
    tcase_add_test(log, a_threads_ring_serves_the_next_thread);
    tcase_add_test(log, records_that_a_full_disk_refuses_are_counted);
    tcase_add_test(log, files_are_rotated_and_the_oldest_go);
    tcase_add_test(log, a_moved_file_is_left_when_asked);
    tcase_add_test(log, the_writer_sleeps_when_nothing_comes);
    tcase_add_test(log, the_journal_is_known_by_its_inode);
    tcase_add_test(log, names_are_found);
    suite_add_tcase(suite, records);
    suite_add_tcase(suite, log);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
