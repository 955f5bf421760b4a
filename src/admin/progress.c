#include "admin/progress.h"

#include "base/arena.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_MS  500
#define PLAIN_MS 5000 /* between lines where nobody watches */

/* ---- the line ---- */

void progress_add(struct progress *progress, const struct progress_sample *sample)
{
    progress->newest = (progress->newest + 1) % PROGRESS_SAMPLES;
    progress->samples[progress->newest] = *sample;
    if (progress->count < PROGRESS_SAMPLES)
        progress->count++;
}

/* Of a counter over seconds; a counter that fell (a restart) counts as still. */
static double rate(uint64_t from, uint64_t to, double seconds)
{
    return to > from && seconds > 0 ? (double)(to - from) / seconds : 0;
}

static void print_date(char out[16], uint32_t time)
{
    time_t t = time;
    struct tm tm;

    if (time == 0 || !gmtime_r(&t, &tm) || strftime(out, 16, "%Y-%m-%d", &tm) == 0)
        snprintf(out, 16, "-");
}

static void print_time_left(char out[32], double seconds)
{
    out[0] = 0;
    if (seconds < 0)
        return;
    if (seconds < 60)
        snprintf(out, 32, ", %d s left", (int)seconds);
    else if (seconds < 3600)
        snprintf(out, 32, ", %d min left", (int)(seconds / 60));
    else if (seconds < 86400)
        snprintf(out, 32, ", %d h %02d min left", (int)(seconds / 3600), (int)(seconds / 60) % 60);
    else if (seconds < 86400 * 1000.0)
        snprintf(out, 32, ", %d d %d h left", (int)(seconds / 86400), (int)(seconds / 3600) % 24);
}

static void print_size(char out[16], uint64_t size)
{
    if (size >= (uint64_t)10 << 30)
        snprintf(out, 16, "%.0f GB", (double)size / (1 << 30));
    else if (size >= (uint64_t)1 << 30)
        snprintf(out, 16, "%.1f GB", (double)size / (1 << 30));
    else
        snprintf(out, 16, "%.0f MB", (double)size / (1 << 20));
}

/* 1234567 as 1.2M: a line keeps its width. */
static void print_count(char out[16], double n)
{
    if (n >= 999500)
        snprintf(out, 16, "%.1fM", n / 1e6);
    else if (n >= 9999.5)
        snprintf(out, 16, "%.0fk", n / 1e3);
    else if (n >= 99.95)
        snprintf(out, 16, "%.0f", n);
    else
        snprintf(out, 16, "%.1f", n);
}

size_t progress_line(const struct progress *progress, char line[PROGRESS_LINE_SIZE])
{
    const struct progress_sample *now = &progress->samples[progress->newest];
    const struct progress_sample *then =
        &progress->samples[(progress->newest + PROGRESS_SAMPLES + 1 - progress->count) %
                           PROGRESS_SAMPLES];
    double seconds = (double)(now->time_ms - then->time_ms) / 1000;
    char date[16], blocks[16], inputs[16], left[32], memory[16];

    line[0] = 0;
    if (progress->count == 0)
        return 0;
    bool is_by_size = now->work_size > 0;
    double whole = is_by_size ? (double)now->work_size : (double)now->header_height;
    double done = is_by_size ? (double)now->done_size : (double)now->height;
    double speed = is_by_size ? rate(then->done_size, now->done_size, seconds)
                              : rate((uint64_t)then->height, (uint64_t)now->height, seconds);
    if (done > whole)
        done = whole;
    /* Cut, not rounded: 100 % means all of it. */
    double percent = whole > 0 ? (double)(int64_t)(done / whole * 1000) / 10 : 0;

    print_date(date, now->tip_time);
    print_count(blocks, rate(then->blocks, now->blocks, seconds));
    print_count(inputs, rate(then->inputs, now->inputs, seconds));
    print_time_left(left, speed > 0 && done < whole ? (whole - done) / speed : -1);
    print_size(memory, now->memory_size);
    int size = snprintf(line, PROGRESS_LINE_SIZE,
                        "%.1f %%  height %d (%s)  %s blocks/s  %.1f MB/s  %s inputs/s  %s%s",
                        percent, now->height, date, blocks,
                        rate(then->bytes, now->bytes, seconds) / 1e6, inputs, memory, left);
    return (size_t)size;
}

uint64_t process_memory(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- the display ---- */

struct progress_display {
    struct reactor *reactor;
    struct reactor_timer timer;
    void (*sample)(void *context, struct progress_sample *sample);
    void *context;
    struct progress progress; /* reactor's thread */
    uint64_t next_plain_ms;
    pthread_mutex_t mutex; /* guards what follows */
    FILE *out;
    bool is_terminal;
    char line[PROGRESS_LINE_SIZE]; /* on the terminal's last row */
};

static void take_sample(struct progress_display *display)
{
    struct progress_sample sample = {.time_ms = clock_monotonic_us() / 1000,
                                     .memory_size = process_memory()};

    display->sample(display->context, &sample);
    progress_add(&display->progress, &sample);
}

/* A line longer than the row would leave a part of itself behind. */
static void cut_to_row(struct progress_display *display)
{
    struct winsize window;

    if (display->is_terminal && ioctl(fileno(display->out), TIOCGWINSZ, &window) == 0 &&
        window.ws_col > 1 && window.ws_col <= PROGRESS_LINE_SIZE)
        display->line[window.ws_col - 1] = 0;
}

static void tick(struct reactor_timer *timer)
{
    struct progress_display *display = CONTAINER_OF(timer, struct progress_display, timer);
    uint64_t now_ms = reactor_now_ms(display->reactor);

    take_sample(display);
    pthread_mutex_lock(&display->mutex);
    progress_line(&display->progress, display->line);
    cut_to_row(display);
    if (display->is_terminal) {
        fprintf(display->out, "\r%s\033[K", display->line);
        fflush(display->out);
    } else if (now_ms >= display->next_plain_ms) {
        fprintf(display->out, "%s\n", display->line);
        fflush(display->out);
        display->next_plain_ms = now_ms + PLAIN_MS;
    }
    pthread_mutex_unlock(&display->mutex);
    timer_set(display->reactor, timer, now_ms + TICK_MS);
}

struct progress_display *
progress_start(struct reactor *reactor, FILE *out,
               void (*sample)(void *context, struct progress_sample *sample), void *context)
{
    struct progress_display *display = xcalloc(1, sizeof *display);
    const char *term = getenv("TERM");

    display->reactor = reactor;
    display->timer.run = tick;
    display->sample = sample;
    display->context = context;
    display->out = out;
    display->is_terminal = isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
    display->next_plain_ms = reactor_now_ms(reactor) + PLAIN_MS;
    pthread_mutex_init(&display->mutex, NULL);
    take_sample(display);
    timer_set(reactor, &display->timer, reactor_now_ms(reactor) + TICK_MS);
    return display;
}

void progress_print(struct progress_display *display, const char *line)
{
    pthread_mutex_lock(&display->mutex);
    if (display->is_terminal)
        fprintf(display->out, "\r\033[K%s\n%s", line, display->line);
    else
        fprintf(display->out, "%s\n", line);
    fflush(display->out);
    pthread_mutex_unlock(&display->mutex);
}

void progress_end(struct progress_display *display)
{
    timer_cancel(display->reactor, &display->timer);
    take_sample(display);
    progress_line(&display->progress, display->line);
    fprintf(display->out, display->is_terminal ? "\r%s\033[K\n" : "%s\n", display->line);
    fflush(display->out);
    pthread_mutex_destroy(&display->mutex);
    free(display);
}
