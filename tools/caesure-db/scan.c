#include "caesure-db/scan.h"
#include "base/clock.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENA_KEEP ((size_t)16 << 20)

struct run {
    const struct scan *scan;
    _Atomic size_t next, done;
    _Atomic size_t end; /* items from here on are not needed */
    _Atomic uint64_t size;
    _Atomic int error;
    pthread_mutex_t mutex; /* guards running */
    pthread_cond_t ended;
    unsigned running;
};

static void lower(_Atomic size_t *value, size_t limit)
{
    size_t old = atomic_load(value);

    while (limit < old && !atomic_compare_exchange_weak(value, &old, limit)) {
    }
}

static void take_items(struct run *run, struct disk *disk, struct disk_file *file)
{
    const struct scan *scan = run->scan;
    uint8_t *record = xmalloc(RECORD_HEADER_SIZE + BLOCK_SIZE_MAX);
    struct arena arena;
    size_t i;

    arena_init(&arena, SIZE_MAX);
    while ((i = atomic_fetch_add(&run->next, 1)) < atomic_load(&run->end)) {
        const struct scan_item *item = &scan->items[i];
        size_t size = RECORD_HEADER_SIZE + item->size;
        int error = disk_read_sync(disk, file, record, size, item->pos - RECORD_HEADER_SIZE);
        struct bytes bytes = {error < 0 ? NULL : record, error < 0 ? 0 : size};

        if (!scan->each(scan->context, i, bytes, error, &arena))
            lower(&run->end, i + 1);
        arena_reset(&arena, ARENA_KEEP);
        atomic_fetch_add(&run->done, 1);
        atomic_fetch_add(&run->size, size);
    }
    arena_clear(&arena);
    free(record);
}

static void *work(void *context)
{
    struct run *run = context;
    struct disk *disk;
    struct disk_file *file;
    int error = disk_open_plain(&disk, run->scan->view->directory);

    if (error == 0) {
        error = disk_file_open(disk, &file, BLOCKS_NAME, 0);
        if (error == 0)
            take_items(run, disk, file);
        disk_close(disk);
    }
    if (error < 0)
        atomic_store(&run->error, error);
    pthread_mutex_lock(&run->mutex);
    run->running--;
    pthread_cond_signal(&run->ended);
    pthread_mutex_unlock(&run->mutex);
    return NULL;
}

static void show(struct run *run, uint64_t start_us, bool is_last)
{
    const struct scan *scan = run->scan;
    size_t done = atomic_load(&run->done);
    double seconds = (double)(clock_monotonic_us() - start_us) / 1e6;
    double megabytes = (double)atomic_load(&run->size) / 1e6;
    bool is_terminal = isatty(STDERR_FILENO);

    fprintf(stderr, "%s%s %zu of %zu blocks (%zu %%), %.0f MB, %.0f MB/s%s",
            is_terminal ? "\r" : "", scan->verb, done, scan->count,
            scan->count ? done * 100 / scan->count : 100, megabytes,
            seconds > 0 ? megabytes / seconds : 0, is_terminal && !is_last ? " " : "\n");
}

/* Until the threads have ended; a line a second, a first one soon enough to be seen. */
static void wait_and_show(struct run *run)
{
    uint64_t start_us = clock_monotonic_us();
    bool is_shown = false;

    pthread_mutex_lock(&run->mutex);
    while (run->running > 0) {
        struct timespec when;

        clock_gettime(CLOCK_REALTIME, &when);
        when.tv_sec++;
        int rc = pthread_cond_timedwait(&run->ended, &run->mutex, &when);
        if (rc == ETIMEDOUT && !run->scan->is_quiet) {
            show(run, start_us, false);
            is_shown = true;
        }
    }
    pthread_mutex_unlock(&run->mutex);
    if (is_shown)
        show(run, start_us, true);
}

int scan_run(const struct scan *scan)
{
    struct run run = {.scan = scan, .end = scan->count, .running = scan->thread_count};
    pthread_t *threads = xcalloc(scan->thread_count, sizeof *threads);
    unsigned started = 0;

    pthread_mutex_init(&run.mutex, NULL);
    pthread_cond_init(&run.ended, NULL);
    while (started < scan->thread_count && pthread_create(&threads[started], NULL, work, &run) == 0)
        started++;
    pthread_mutex_lock(&run.mutex);
    run.running -= scan->thread_count - started;
    pthread_mutex_unlock(&run.mutex);
    wait_and_show(&run);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    pthread_cond_destroy(&run.ended);
    pthread_mutex_destroy(&run.mutex);
    return started ? atomic_load(&run.error) : -EAGAIN;
}
