/* What a record costs, against fprintf of the same text to a file (a line with its time, flushed by
 * the line, as a log has to be, and by the buffer). Two tables: the thread that gives the record
 * alone, and the whole process, the writer's thread included. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "slices.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECORDS = 2000, SLICES = 41, WAYS = 4 };

struct work {
    struct log *log;
    FILE *lines, *buffered;
    uint8_t hash[32];
    uint64_t given;
};

static double cpu_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void give_records(struct work *work)
{
    for (int i = 0; i < RECORDS; i++)
        log_event(work->log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "tip", LOG_INTEGER("height", i),
                  LOG_BYTES("hash", work->hash, 32), LOG_INTEGER("time", 1700000000 + i));
    work->given += RECORDS;
}

static void give_unwanted(struct work *work)
{
    for (int i = 0; i < RECORDS; i++)
        log_event(work->log, LOG_FACILITY_CHAIN, LOG_LEVEL_DEBUG, "tip", LOG_INTEGER("height", i),
                  LOG_BYTES("hash", work->hash, 32), LOG_INTEGER("time", 1700000000 + i));
}

static void print(struct work *work, FILE *file, bool is_flushed)
{
    for (int i = 0; i < RECORDS; i++) {
        struct text hash;
        char date[32];
        int64_t now_us = clock_wall_us();
        time_t now = now_us / 1000000;
        struct tm tm;

        gmtime_r(&now, &tm);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
        text_init(&hash, 64);
        text_hash(&hash, work->hash);
        fprintf(file, "%s.%06dZ info chain: tip height=%d hash=%s time=%d\n", date,
                (int)(now_us % 1000000), i, text_cstr(&hash), 1700000000 + i);
        text_clear(&hash);
        if (is_flushed)
            fflush(file);
    }
}

static void give(struct work *work, size_t way)
{
    if (way == 0)
        give_records(work);
    else if (way == 1)
        print(work, work->lines, true);
    else if (way == 2)
        print(work, work->buffered, false);
    else
        give_unwanted(work);
}

/* Until the writer has them: its time belongs to this slice. */
static void settle(struct work *work)
{
    struct log_stats stats;

    fflush(work->buffered);
    while (log_stats(work->log, &stats), stats.records + stats.lost < work->given)
        usleep(500);
    if (stats.lost) {
        fprintf(stderr, "records were lost: nothing is measured\n");
        exit(1);
    }
}

int main(void)
{
    static const char *const names[WAYS] = {"record", "fprintf and fflush", "fprintf, buffered",
                                            "record of an unwanted level"};
    struct slice_series thread[WAYS], process[WAYS];
    char directory[] = "/tmp/bench_log.XXXXXX", path[3][64];
    static const char *const files[3] = {"log.asn1", "lines", "buffered"};
    struct work work = {.log = log_new(1 << 20)};
    const char *bad;

    if (!mkdtemp(directory))
        return 1;
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", directory, files[i]);
    if (log_open(work.log, &(struct log_options){.path = path[0]}, &bad) < 0)
        return 1;
    work.lines = fopen(path[1], "we");
    work.buffered = fopen(path[2], "we");
    for (size_t w = 0; w < WAYS; w++) {
        thread[w] = (struct slice_series){names[w], xcalloc(SLICES, sizeof(double))};
        process[w] = (struct slice_series){names[w], xcalloc(SLICES, sizeof(double))};
    }
    for (int i = -1; i < SLICES; i++) /* the first warms up */
        for (size_t w = 0; w < WAYS; w++) {
            double thread_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID), process_ns = slices_cpu_ns();
            give(&work, w);
            thread_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - thread_ns;
            settle(&work);
            process_ns = slices_cpu_ns() - process_ns;
            if (i >= 0) {
                thread[w].samples[i] = thread_ns / RECORDS;
                process[w].samples[i] = process_ns / RECORDS;
            }
        }
    slices_print("log, the giving thread", "record", thread, WAYS, SLICES);
    slices_print("log, the whole process", "record", process, WAYS, SLICES);
    fclose(work.lines);
    fclose(work.buffered);
    log_close(work.log);
    for (int i = 0; i < 3; i++)
        unlink(path[i]);
    rmdir(directory);
    for (size_t w = 0; w < WAYS; w++) {
        free(thread[w].samples);
        free(process[w].samples);
    }
    return 0;
}
