#include "node/node.h"

#include "admin/commands.h"
#include "admin/progress.h"
#include "base/arena.h"
#include "base/version.h"
#include "node/memory.h"
#include "pipeline/import.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONN_MAX     64
#define BUFFER_COUNT 64
#define BUFFER_SIZE  16384

struct node {
    const struct options *options;
    struct params params;
    char *directory;
    struct memory_plan memory;
    struct engine *engine;

    struct reactor *reactor;
    pthread_t reactor_thread;
    struct commands *commands;
    struct monitor *monitor;
    struct reactor_message end_display;
    struct import_progress import;

    _Atomic bool is_stopping; /* set by any thread, read by the import */

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    bool has_news; /* the tip or the best header changed */
    enum exit_code failure;
    struct progress_display *display;
};

/* ---- words for the operator ---- */

static void say(struct node *node, const char *line)
{
    pthread_mutex_lock(&node->mutex);
    if (node->display)
        progress_print(node->display, line);
    else
        fprintf(stderr, "%s\n", line);
    pthread_mutex_unlock(&node->mutex);
}

static void on_log(void *context, enum engine_log_level level, const char *line)
{
    static const char *const prefixes[] = {"error: ", "warning: ", "", ""};
    char whole[1024];

    if (level == ENGINE_LOG_DEBUG)
        return;
    snprintf(whole, sizeof whole, "%s%s", prefixes[level], line);
    say(context, whole);
}

/* ---- events from other threads ---- */

static void request_stop(struct node *node)
{
    atomic_store_explicit(&node->is_stopping, true, memory_order_relaxed);
    pthread_mutex_lock(&node->mutex);
    pthread_cond_signal(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

static void on_shutdown(void *context)
{
    request_stop(context);
}

static void on_signal(void *context, int number)
{
    (void)number;
    request_stop(context);
}

static enum exit_code code_of(enum engine_error error)
{
    switch (error) {
    case ENGINE_OK:
        return EXIT_DONE;
    case ENGINE_DIRECTORY:
        return EXIT_DIRECTORY;
    case ENGINE_LOCKED:
        return EXIT_LOCKED;
    case ENGINE_URING:
        return EXIT_URING;
    case ENGINE_DISK:
        return EXIT_DISK;
    case ENGINE_CORRUPT:
        return EXIT_CORRUPT;
    case ENGINE_MEMORY:
        return EXIT_MEMORY;
    }
    return EXIT_CORRUPT;
}

static void on_failed(void *context, enum engine_error error, const char *text)
{
    struct node *node = context;

    on_log(node, ENGINE_LOG_ERROR, text);
    pthread_mutex_lock(&node->mutex);
    if (!node->failure)
        node->failure = code_of(error);
    pthread_mutex_unlock(&node->mutex);
    request_stop(node);
}

static void on_news(void *context, struct header_node *block)
{
    struct node *node = context;

    (void)block;
    pthread_mutex_lock(&node->mutex);
    node->has_news = true;
    pthread_cond_signal(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

/* ---- the reactor and what hangs on it ---- */

static void *reactor_main(void *context)
{
    struct node *node = context;
    int error = reactor_run(node->reactor);

    if (error)
        on_failed(node, ENGINE_URING, strerror(-error));
    return NULL;
}

/* The second signal ends the process as it stands: what is stored survives that as it survives a
 * crash. */
static void end_at_once(int number)
{
    (void)number;
    _exit(EXIT_STOPPED);
}

static void let_signals_end_us(const sigset_t *signals)
{
    struct sigaction action = {.sa_handler = end_at_once};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static enum exit_code open_monitor(struct node *node)
{
    struct monitor_options options = {.path = node->options->monitor};

    if (!options.path)
        return EXIT_DONE;
    node->commands = commands_new(node->engine, on_shutdown, node);
    commands_fill(node->commands, &options);
    int error = monitor_open(&node->monitor, node->reactor, &options);
    if (!error)
        return EXIT_DONE;
    const char *why = error == -EADDRINUSE     ? "another program answers there"
                      : error == -EEXIST       ? "what is there is no socket of ours; remove it"
                      : error == -ENAMETOOLONG ? "the path is too long for a socket"
                                               : strerror(-error);
    fprintf(stderr, "error: monitor %s: %s\n", options.path, why);
    return EXIT_LISTEN;
}

/* ---- the work ---- */

static void sample(void *context, struct progress_sample *out)
{
    struct node *node = context;
    struct engine_snapshot snapshot;

    engine_snapshot(node->engine, &snapshot);
    out->height = snapshot.height;
    out->header_height = snapshot.header_height;
    out->tip_time = snapshot.tip_time;
    out->blocks = snapshot.blocks;
    out->bytes = snapshot.bytes;
    out->inputs = snapshot.inputs;
    out->work_size = atomic_load_explicit(&node->import.size, memory_order_relaxed);
    out->done_size = atomic_load_explicit(&node->import.done_size, memory_order_relaxed);
}

/* On the reactor's thread. */
static void end_display(struct reactor_message *message)
{
    struct node *node = CONTAINER_OF(message, struct node, end_display);

    pthread_mutex_lock(&node->mutex);
    struct progress_display *display = node->display;
    node->display = NULL;
    if (display)
        progress_end(display);
    pthread_cond_signal(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

static void wait_for_end_of_display(struct node *node)
{
    reactor_post(node->reactor, &node->end_display);
    pthread_mutex_lock(&node->mutex);
    while (node->display)
        pthread_cond_wait(&node->changed, &node->mutex);
    pthread_mutex_unlock(&node->mutex);
}

static enum exit_code import(struct node *node)
{
    struct import_result result;
    char text[512];
    char line[1024];
    enum import_error error = import_file(node->engine, node->options->import, &node->is_stopping,
                                          &node->import, &result, text, sizeof text);

    wait_for_end_of_display(node);
    if (text[0]) {
        snprintf(line, sizeof line, "%s: %s", error ? "error" : "warning", text);
        say(node, line);
    }
    snprintf(line, sizeof line,
             "%s: %" PRIu64 " blocks accepted, %" PRIu64 " known already, %" PRIu64
             " refused, %" PRIu64 " without a parent%s%s",
             node->options->import, result.accepted, result.duplicate, result.refused,
             result.unconnected, result.refused ? "; first refused: " : "", result.first_refused);
    say(node, line);
    switch (error) {
    case IMPORT_OK:
        return EXIT_DONE;
    case IMPORT_STOPPED:
        return EXIT_STOPPED;
    case IMPORT_UNREADABLE:
    case IMPORT_NO_BLOCKS:
    case IMPORT_DAMAGED:
        return EXIT_IMPORT;
    }
    return EXIT_IMPORT;
}

static bool is_synced(struct node *node)
{
    struct engine_snapshot snapshot;

    engine_snapshot(node->engine, &snapshot);
    return snapshot.is_synced && snapshot.height == snapshot.header_height;
}

/* Until somebody stops us, or, if that is wanted, the tip is the best block there is. */
static void wait_for_end(struct node *node, bool ends_when_synced)
{
    while (!atomic_load_explicit(&node->is_stopping, memory_order_relaxed)) {
        if (ends_when_synced && is_synced(node))
            return;
        pthread_mutex_lock(&node->mutex);
        while (!node->has_news && !atomic_load_explicit(&node->is_stopping, memory_order_relaxed))
            pthread_cond_wait(&node->changed, &node->mutex);
        node->has_news = false;
        pthread_mutex_unlock(&node->mutex);
    }
}

static enum exit_code work(struct node *node)
{
    const struct options *options = node->options;

    if (!options->import) {
        wait_for_end(node, options->exit_when_synced);
        return EXIT_DONE;
    }
    enum exit_code code = import(node);
    if (code == EXIT_DONE && !options->exit_when_synced)
        wait_for_end(node, false);
    return code;
}

/* ---- up and down ---- */

static enum exit_code open_engine(struct node *node)
{
    const struct options *options = node->options;
    struct engine_config config = {
        .params = &node->params,
        .directory = node->directory,
        .events = {.log = on_log,
                   .tip = on_news,
                   .headers = on_news,
                   .failed = on_failed,
                   .context = node},
        .worker_count = (uint32_t)options->threads,
        .horizon = (int32_t)options->horizon,
        .in_flight_limit = node->memory.in_flight_size,
        .resident_limit = node->memory.resident_size,
        .tag_bits = 64,
        .uring_without = options->uring_without,
    };
    char text[512];
    struct engine_snapshot snapshot;
    enum engine_error error = engine_open(&node->engine, &config, text, sizeof text);

    if (error) {
        fprintf(stderr, "error: %s\n", text);
        return code_of(error);
    }
    engine_snapshot(node->engine, &snapshot);
    if (snapshot.ledger.index_bytes > node->memory.index_size) {
        fprintf(stderr,
                "error: the coins stored here need %" PRIu64 " MB of memory; there are %" PRIu64
                " MB for them\n",
                snapshot.ledger.index_bytes >> 20, node->memory.index_size >> 20);
        return EXIT_MEMORY;
    }
    return EXIT_DONE;
}

static enum exit_code close_engine(struct node *node)
{
    char text[512];

    if (!node->engine)
        return EXIT_DONE;
    enum engine_error error = engine_close(node->engine, text, sizeof text);
    if (error)
        fprintf(stderr, "error: %s\n", text);
    return code_of(error);
}

static enum exit_code run(struct node *node, const sigset_t *signals)
{
    enum exit_code code = open_engine(node);

    if (!code)
        code = open_monitor(node);
    if (code)
        return code;
    if (reactor_on_signals(node->reactor, signals, on_signal, node) != 0)
        return EXIT_URING;
    if (node->options->import)
        node->display = progress_start(node->reactor, stderr, sample, node);
    if (pthread_create(&node->reactor_thread, NULL, reactor_main, node) != 0) {
        fprintf(stderr, "error: no thread can be started\n");
        return EXIT_MEMORY;
    }
    code = work(node);
    let_signals_end_us(signals);
    reactor_stop(node->reactor);
    pthread_join(node->reactor_thread, NULL);
    return node->failure ? node->failure : code;
}

static void print_start(const struct node *node)
{
    struct text text;

    text_init(&text, 1024);
    memory_print(&node->memory, &text);
    fprintf(stderr, "caesure %s: chain %s in %s, %lld threads, %lld worlds\n%s\n", caesure_version,
            node->params.name, node->directory, (long long)node->options->threads,
            (long long)node->options->horizon, text_cstr(&text));
    text_clear(&text);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* the old one works too, for fewer connections */
    }
}

enum exit_code node_run(const struct options *given)
{
    struct options options = *given;
    struct reactor_options reactor_options = {.without = given->uring_without,
                                              .conn_max = CONN_MAX,
                                              .buffer_count = BUFFER_COUNT,
                                              .buffer_size = BUFFER_SIZE};
    struct node *node = xcalloc(1, sizeof *node);
    char why[REACTOR_WHY_SIZE];
    sigset_t signals;

    if (!options.threads)
        options.threads = sysconf(_SC_NPROCESSORS_ONLN);
    if (options.threads < 1 || options.threads > OPTIONS_THREADS_MAX)
        options.threads = options.threads < 1 ? 1 : OPTIONS_THREADS_MAX;
    node->options = &options;
    node->end_display.run = end_display;
    options_params(&options, &node->params);
    if (!memory_share(&node->memory, memory_total())) {
        fprintf(stderr, "error: %" PRIu64 " MB of memory are too little\n",
                node->memory.total_size >> 20);
        free(node);
        return EXIT_MEMORY;
    }
    if (reactor_new(&node->reactor, &reactor_options, why) != 0) {
        fprintf(stderr, "error: %s\n", why);
        free(node);
        return EXIT_URING;
    }
    raise_descriptor_limit();
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&node->mutex, NULL);
    pthread_cond_init(&node->changed, NULL);
    node->directory = options_directory(&options);
    print_start(node);

    enum exit_code code = run(node, &signals);
    enum exit_code close_code = close_engine(node);
    if (node->monitor)
        monitor_close(node->monitor);
    if (node->commands)
        commands_free(node->commands);
    if (node->display)
        progress_end(node->display);
    reactor_free(node->reactor);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->mutex);
    free(node->directory);
    free(node);
    return code ? code : close_code;
}
