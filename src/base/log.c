#include "base/log.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log_file.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHE_LINE 64
#define NAP_NS     10000000 /* between two passes of the writer while records come */
#define ENTRY_STEP 16       /* entries begin at multiples, so that a head never wraps */
#define SKIP       UINT32_MAX

/* An entry of a ring: this head, the record as it goes to the file, and room up to a multiple of
 * ENTRY_STEP. One that would pass the ring's end begins at its start, after a head with SKIP. */
struct entry {
    int64_t time_us;
    uint32_t size;
    uint32_t reserved;
};
_Static_assert(sizeof(struct entry) == ENTRY_STEP, "a head is one step");

struct ring {
    _Alignas(CACHE_LINE) _Atomic uint64_t tail; /* producer writes */
    uint64_t head_seen;                         /* producer's copy of head */
    _Atomic uint64_t lost_count;                /* producer writes */
    _Alignas(CACHE_LINE) _Atomic uint64_t head; /* writer writes */
    uint64_t lost_seen;                         /* writer's: lost_count that is accounted for */
    _Alignas(CACHE_LINE) struct log *log;
    uint8_t *data;
    bool is_taken; /* under the log's mutex: a thread has it */
};

enum { AWAKE, NAPPING, SLEEPING }; /* the writer */

struct log {
    _Atomic uint8_t levels[LOG_FACILITY_COUNT];
    size_t ring_size;
    pthread_key_t key; /* a thread's ring */
    pthread_mutex_t mutex;
    struct ring *rings[LOG_THREADS_MAX];
    _Atomic uint32_t ring_count; /* Pairs release with acquire: the rings below it are whole. */
    _Atomic uint64_t ringless_lost;
    uint64_t ringless_seen; /* writer's */

    _Alignas(CACHE_LINE) _Atomic uint32_t state; /* futex word */
    _Atomic bool is_ending, is_reopening;
    pthread_t thread;
    bool has_thread;
    struct log_file records, lines; /* the writer's */
    uint64_t lost_untold;           /* the writer's: lost and not said in the file yet */
    struct text line;
    _Atomic uint64_t stat_records, stat_bytes, stat_lost, stat_rotations, stat_errors;
};

#define X(name, text) text,
static const char *const facility_names[LOG_FACILITY_COUNT] = {LOG_FACILITIES(X)};
#undef X

const char *log_facility_name(enum log_facility facility)
{
    return facility_names[facility];
}

bool log_facility_find(const char *name, enum log_facility *facility)
{
    for (int i = 0; i < LOG_FACILITY_COUNT; i++)
        if (strcmp(name, facility_names[i]) == 0) {
            *facility = (enum log_facility)i;
            return true;
        }
    return false;
}

/* ---- levels ---- */

void log_set_level(struct log *log, enum log_facility facility, enum log_level level)
{
    assert(log);
    atomic_store_explicit(&log->levels[facility], (uint8_t)level, memory_order_relaxed);
}

enum log_level log_level_of(const struct log *log, enum log_facility facility)
{
    return (enum log_level)atomic_load_explicit(&log->levels[facility], memory_order_relaxed);
}

bool log_is_on(const struct log *log, enum log_facility facility, enum log_level level)
{
    return log && level <= log_level_of(log, facility);
}

/* ---- waking the writer ---- */

static void wake(struct log *log)
{
    if (atomic_exchange(&log->state, AWAKE) != AWAKE)
        syscall(SYS_futex, &log->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Until wake, at most ns (0: no limit). */
static void sleep_as(struct log *log, uint32_t state, long ns)
{
    struct timespec limit = {0, ns};

    syscall(SYS_futex, &log->state, FUTEX_WAIT_PRIVATE, state, ns ? &limit : NULL, NULL, 0);
    atomic_store(&log->state, AWAKE);
}

/* ---- the threads that give records ---- */

/* A thread ends: its ring is for the next one. What is in it stays in order. */
static void give_ring_back(void *value)
{
    struct ring *ring = value;

    pthread_mutex_lock(&ring->log->mutex);
    ring->is_taken = false;
    pthread_mutex_unlock(&ring->log->mutex);
}

static struct ring *ring_new(struct log *log)
{
    struct ring *ring = aligned_alloc(CACHE_LINE, sizeof *ring);

    assert(ring);
    *ring = (struct ring){.log = log, .data = xmalloc(log->ring_size)};
    return ring;
}

/* NULL when all are taken. */
static struct ring *find_ring(struct log *log)
{
    uint32_t i = 0;

    pthread_mutex_lock(&log->mutex);
    uint32_t count = atomic_load(&log->ring_count);
    while (i < count && log->rings[i]->is_taken)
        i++;
    if (i == count && count < LOG_THREADS_MAX) {
        log->rings[i] = ring_new(log);
        atomic_store(&log->ring_count, count + 1);
    }
    struct ring *ring = i < LOG_THREADS_MAX ? log->rings[i] : NULL;
    if (ring && pthread_setspecific(log->key, ring) == 0)
        ring->is_taken = true;
    else
        ring = NULL;
    pthread_mutex_unlock(&log->mutex);
    return ring;
}

/* Where an entry of size bytes may be written, or NULL; *tail is the tail once it is. */
static struct entry *reserve(struct ring *ring, size_t ring_size, size_t size, uint64_t *tail)
{
    uint64_t begin = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t at = begin & (ring_size - 1);
    size_t skipped = size > ring_size - at ? ring_size - at : 0;

    *tail = begin + skipped + size;
    if (*tail - ring->head_seen > ring_size) {
        /* Pairs with the writer's release: it has copied what is to be overwritten here. */
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (*tail - ring->head_seen > ring_size)
            return NULL;
    }
    struct entry *entry = (struct entry *)(ring->data + at);
    if (!skipped)
        return entry;
    *entry = (struct entry){.size = SKIP};
    return (struct entry *)ring->data;
}

static bool is_half_full(struct ring *ring, size_t ring_size, uint64_t tail)
{
    if (tail - ring->head_seen <= ring_size / 2)
        return false;
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    return tail - ring->head_seen > ring_size / 2;
}

static void give(struct log *log, const struct log_record *record, const struct log_item *items,
                 size_t count, size_t size)
{
    struct ring *ring = pthread_getspecific(log->key);
    uint64_t tail;

    if (!ring)
        ring = find_ring(log);
    if (!ring) {
        atomic_fetch_add_explicit(&log->ringless_lost, 1, memory_order_relaxed);
        return;
    }
    size_t entry_size = (sizeof(struct entry) + size + ENTRY_STEP - 1) & ~(size_t)(ENTRY_STEP - 1);
    struct entry *entry =
        entry_size <= log->ring_size ? reserve(ring, log->ring_size, entry_size, &tail) : NULL;
    if (!entry) {
        atomic_fetch_add_explicit(&ring->lost_count, 1, memory_order_relaxed);
        return;
    }
    *entry = (struct entry){.time_us = record->time_us, .size = (uint32_t)size};
    log_record_write((uint8_t *)(entry + 1), size, record, items, count);
    /* The writer's acquire of tail sees the entry. Sequentially consistent with the state: either
     * the writer sees this entry before it sleeps, or we see that it sleeps. */
    atomic_store(&ring->tail, tail);
    uint32_t state = atomic_load(&log->state);
    if (state == SLEEPING || (state == NAPPING && is_half_full(ring, log->ring_size, tail)))
        wake(log);
}

/* Cuts what is long so that the record fits. */
static void give_cut(struct log *log, const struct log_record *record, const struct log_item *items,
                     size_t count)
{
    struct log_item list[LOG_ITEMS_MAX + 1];
    size_t cut = 0, each = (LOG_RECORD_MAX - 4096) / count;

    for (size_t i = 0; i < count; i++) {
        list[i] = items[i];
        if ((list[i].kind == LOG_KIND_TEXT || list[i].kind == LOG_KIND_BYTES) &&
            list[i].bytes.size > each) {
            cut += list[i].bytes.size - each;
            list[i].bytes.size = each;
        }
    }
    list[count] = LOG_INTEGER("cut", cut);
    size_t size = log_record_size(record, list, count + 1);
    assert(size <= LOG_RECORD_MAX);
    give(log, record, list, count + 1, size);
}

void log_give(struct log *log, enum log_facility facility, enum log_level level, const char *event,
              const struct log_item *items, size_t count)
{
    if (!log_is_on(log, facility, level))
        return;
    assert(count <= LOG_ITEMS_MAX);
    struct log_record record = {.time_us = clock_wall_us(),
                                .facility = log_string(facility_names[facility]),
                                .level = level,
                                .event = log_string(event)};
    size_t size = log_record_size(&record, items, count);
    if (size <= LOG_RECORD_MAX)
        give(log, &record, items, count, size);
    else
        give_cut(log, &record, items, count);
}

void log_text(struct log *log, enum log_facility facility, enum log_level level, const char *line)
{
    log_event(log, facility, level, "line", LOG_TEXT("text", line));
}

/* ---- the writer ---- */

static void write_record(struct log *log, const uint8_t *data, size_t size)
{
    uint8_t *room = log_file_room(&log->records, size);
    struct log_record record;

    if (room) {
        memcpy(room, data, size);
        log_file_add(&log->records, size);
    }
    if (!log->lines.path)
        return;
    bool is_good =
        log_record_parse(&record, (struct bytes){data + LOG_RECORD_HEAD, size - LOG_RECORD_HEAD});
    assert(is_good);
    text_shorten(&log->line, 0);
    log_record_print(&log->line, &record, &(struct log_print){0});
    text_append(&log->line, "\n", 1);
    room = log_file_room(&log->lines, log->line.size);
    memcpy(room, log->line.data, log->line.size);
    log_file_add(&log->lines, log->line.size);
}

/* What was lost since the last pass goes into the file as a record. The buffer is empty. */
static void tell_lost(struct log *log)
{
    uint8_t data[256];
    struct log_record record = {.time_us = clock_wall_us(),
                                .facility = log_string(facility_names[LOG_FACILITY_LOG]),
                                .level = LOG_LEVEL_WARNING,
                                .event = log_string("lost")};
    struct log_item item = LOG_INTEGER("count", log->lost_untold);
    size_t size = log_record_size(&record, &item, 1);

    log_record_write(data, size, &record, &item, 1);
    write_record(log, data, size);
    uint64_t errors = log->records.errors;
    log_file_flush(&log->records);
    if (log->records.errors == errors)
        log->lost_untold = 0;
    else
        log->records.lost_count--; /* this record told nothing that is lost */
}

struct source {
    struct ring *ring;
    uint64_t head, tail;
};

/* The entry at the head, or NULL. */
static const struct entry *front(struct source *source, size_t ring_size)
{
    if (source->head == source->tail)
        return NULL;
    size_t at = source->head & (ring_size - 1);
    const struct entry *entry = (const struct entry *)(source->ring->data + at);
    if (entry->size != SKIP)
        return entry;
    source->head += ring_size - at;
    return (const struct entry *)source->ring->data;
}

/* The entries there are now, merged by time. */
static bool drain(struct log *log)
{
    struct source sources[LOG_THREADS_MAX];
    uint32_t count = 0, ring_count = atomic_load_explicit(&log->ring_count, memory_order_acquire);

    for (uint32_t i = 0; i < ring_count; i++) {
        struct ring *ring = log->rings[i];
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        uint64_t tail = atomic_load(&ring->tail);
        if (head != tail)
            sources[count++] = (struct source){ring, head, tail};
    }
    bool found = count > 0;
    while (count) {
        const struct entry *first = front(&sources[0], log->ring_size);
        uint32_t which = 0;
        for (uint32_t i = 1; i < count; i++) {
            const struct entry *entry = front(&sources[i], log->ring_size);
            if (entry->time_us < first->time_us) {
                first = entry;
                which = i;
            }
        }
        struct source *source = &sources[which];
        write_record(log, (const uint8_t *)(first + 1), first->size);
        source->head +=
            (sizeof *first + first->size + ENTRY_STEP - 1) & ~(uint64_t)(ENTRY_STEP - 1);
        /* Pairs with the producer's acquire: the entry is copied before it is overwritten. */
        atomic_store_explicit(&source->ring->head, source->head, memory_order_release);
        if (source->head == source->tail)
            *source = sources[--count];
    }
    return found;
}

static void count_lost(struct log *log, uint64_t *seen, _Atomic uint64_t *count)
{
    uint64_t now = atomic_load_explicit(count, memory_order_relaxed);

    log->lost_untold += now - *seen;
    atomic_fetch_add_explicit(&log->stat_lost, now - *seen, memory_order_relaxed);
    *seen = now;
}

static void publish_stats(struct log *log)
{
    const struct log_file *a = &log->records, *b = &log->lines;

    atomic_store_explicit(&log->stat_records, a->written_count, memory_order_relaxed);
    atomic_store_explicit(&log->stat_bytes, a->written_size + b->written_size,
                          memory_order_relaxed);
    atomic_store_explicit(&log->stat_rotations, a->rotations + b->rotations, memory_order_relaxed);
    atomic_store_explicit(&log->stat_errors, a->errors + b->errors, memory_order_relaxed);
}

/* Everything that is there goes out; whether there was anything. */
static bool pass(struct log *log)
{
    uint64_t lost_before = log->records.lost_count;
    bool found = drain(log);
    uint32_t ring_count = atomic_load_explicit(&log->ring_count, memory_order_acquire);

    log_file_flush(&log->records);
    for (uint32_t i = 0; i < ring_count; i++)
        count_lost(log, &log->rings[i]->lost_seen, &log->rings[i]->lost_count);
    count_lost(log, &log->ringless_seen, &log->ringless_lost);
    log->lost_untold += log->records.lost_count - lost_before;
    atomic_fetch_add_explicit(&log->stat_lost, log->records.lost_count - lost_before,
                              memory_order_relaxed);
    if (log->lost_untold && found)
        tell_lost(log);
    log_file_flush(&log->lines);
    publish_stats(log);
    return found;
}

static bool has_work(struct log *log)
{
    uint32_t ring_count = atomic_load(&log->ring_count);

    for (uint32_t i = 0; i < ring_count; i++)
        if (atomic_load(&log->rings[i]->tail) !=
            atomic_load_explicit(&log->rings[i]->head, memory_order_relaxed))
            return true;
    return atomic_load(&log->is_ending) || atomic_load(&log->is_reopening);
}

static void *writer_main(void *argument)
{
    struct log *log = argument;

    pthread_setname_np(pthread_self(), "log");
    while (true) {
        bool is_ending = atomic_load(&log->is_ending);
        if (atomic_exchange(&log->is_reopening, false)) {
            log_file_reopen(&log->records);
            log_file_reopen(&log->lines);
        }
        bool found = pass(log);
        if (is_ending && !found)
            return NULL;
        atomic_store(&log->state, found ? NAPPING : SLEEPING);
        if (found)
            sleep_as(log, NAPPING, is_ending ? 1 : NAP_NS);
        else if (!has_work(log))
            sleep_as(log, SLEEPING, 0);
        else
            atomic_store(&log->state, AWAKE);
    }
}

/* ---- the whole ---- */

struct log *log_new(size_t ring_size)
{
    struct log *log = aligned_alloc(CACHE_LINE, sizeof *log);

    assert(log);
    memset(log, 0, sizeof *log);
    log->ring_size = ring_size ? ring_size : LOG_RING_SIZE;
    assert(log->ring_size >= 256 && (log->ring_size & (log->ring_size - 1)) == 0);
    for (int i = 0; i < LOG_FACILITY_COUNT; i++)
        log->levels[i] = LOG_LEVEL_INFO;
    pthread_mutex_init(&log->mutex, NULL);
    int error = pthread_key_create(&log->key, give_ring_back);
    assert(error == 0);
    text_init(&log->line, 4 * LOG_RECORD_MAX - 2);
    return log;
}

int log_open(struct log *log, const struct log_options *options, const char **bad)
{
    *bad = options->path;
    int error = log_file_open(&log->records, options->path, options->size_max, options->keep_count);
    if (error < 0)
        return error;
    *bad = options->text_path;
    error = log_file_open(&log->lines, options->text_path, options->size_max, options->keep_count);
    if (error < 0) {
        log_file_close(&log->records);
        return error;
    }
    error = pthread_create(&log->thread, NULL, writer_main, log);
    assert(error == 0);
    log->has_thread = true;
    return 0;
}

void log_close(struct log *log)
{
    if (log->has_thread) {
        atomic_store(&log->is_ending, true);
        wake(log);
        pthread_join(log->thread, NULL);
        if (log->lost_untold)
            tell_lost(log);
    }
    pthread_key_delete(log->key);
    log_file_close(&log->records);
    log_file_close(&log->lines);
    for (uint32_t i = 0; i < atomic_load(&log->ring_count); i++) {
        free(log->rings[i]->data);
        free(log->rings[i]);
    }
    pthread_mutex_destroy(&log->mutex);
    text_clear(&log->line);
    free(log);
}

void log_reopen(struct log *log)
{
    atomic_store(&log->is_reopening, true);
    wake(log);
}

void log_stats(const struct log *log, struct log_stats *stats)
{
    *stats = (struct log_stats){
        .records = atomic_load_explicit(&log->stat_records, memory_order_relaxed),
        .bytes = atomic_load_explicit(&log->stat_bytes, memory_order_relaxed),
        .lost = atomic_load_explicit(&log->stat_lost, memory_order_relaxed),
        .rotations = atomic_load_explicit(&log->stat_rotations, memory_order_relaxed),
        .write_errors = atomic_load_explicit(&log->stat_errors, memory_order_relaxed)};
}

/* ---- the journal ---- */

bool log_is_journal(int fd, const char *journal_stream)
{
    unsigned long long device, inode;
    struct stat status;

    return journal_stream && sscanf(journal_stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fd, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

const char *log_priority(enum log_level level)
{
    static const char *const priorities[LOG_LEVEL_COUNT] = {"<3>", "<4>", "<6>", "<7>"};

    return priorities[level];
}
