#include "node/node.h"

#include "admin/commands.h"
#include "admin/metrics.h"
#include "admin/scrape.h"
#include "base/clock.h"
#include "base/version.h"
#include "net/net.h"
#include "node/crash.h"
#include "node/daemon.h"
#include "node/limits.h"
#include "node/node_log.h"
#include "node/sandbox.h"
#include "node/service.h"
#include "node/state.h"
#include "pipeline/import.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYNCED_CHECK_MS 200
#define CONN_OTHER      128 /* the monitor's, scrapes, those still closing */

struct node {
    const struct options *options;
    struct params params;
    char *directory;
    struct memory_plan memory;
    struct reactor *reactor;
    struct engine *engine;
    char agent[64];            /* of our version messages */
    _Atomic(struct net *) net; /* the main thread writes, the engine's read it for their events */
    struct commands *commands;
    struct monitor *monitor;
    struct metrics metrics;
    struct scrape *scrape;
    struct node_log log;
    struct daemon daemon;
    struct pidfile pidfile;
    struct service *service;
    struct reactor_message stop_message, beat_message, state_message;
    _Atomic uint64_t turns; /* of the reactor, when asked */

    struct reactor_message failed_message, import_message;
    struct reactor_timer synced_timer;
    struct import_progress import_progress;
    struct import_result import_result;
    enum import_error import_error;
    char import_text[256];
    pthread_t import_thread;
    bool has_import_thread;
    _Atomic bool is_stopping;

    enum exit_code code; /* the main thread's, but for failed_code */
    _Atomic int failed_code;
};

static void log_line(void *context, enum engine_log_level level, const char *line)
{
    struct node *node = context;

    node_log_line(&node->log, LOG_FACILITY_CHAIN, level, line);
    service_say(node->service, line);
}

static void log_net_line(void *context, enum engine_log_level level, const char *line)
{
    struct node *node = context;

    node_log_line(&node->log, LOG_FACILITY_NET, level, line);
}

static void print_line(struct node *node, enum engine_log_level level, const char *line)
{
    node_log_line(&node->log, LOG_FACILITY_NODE, level, line);
}

/* Who is told to stop before the import is through has not done what it was asked for. */
static enum exit_code stopped_code(const struct node *node)
{
    return node->options->import && node->options->exit_when_synced ? EXIT_STOPPED : EXIT_DONE;
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
    case ENGINE_STOPPED:
        return EXIT_STOPPED;
    }
    return EXIT_CORRUPT;
}

/* On the ledger thread. */
static void engine_failed(void *context, enum engine_error error, const char *text)
{
    struct node *node = context;

    (void)text; /* the log had it */
    atomic_store(&node->failed_code, (int)code_of(error));
    reactor_post(node->reactor, &node->failed_message);
}

static void engine_tip(void *context, struct header_node *tip)
{
    struct node *node = context;
    struct net *net = atomic_load(&node->net);

    node_log_tip(&node->log, tip);
    if (net)
        net_notify_tip(net, tip);
}

static void engine_invalid(void *context, const struct header_node *block, enum verdict verdict)
{
    struct node *node = context;

    node_log_invalid(&node->log, block, verdict);
}

static void engine_headers(void *context, struct header_node *best)
{
    struct node *node = context;
    struct net *net = atomic_load(&node->net);

    if (net)
        net_notify_headers(net, best);
}

static void engine_credit(void *context)
{
    struct node *node = context;
    struct net *net = atomic_load(&node->net);

    if (net)
        net_notify_credit(net);
}

/* On the reactor's thread: the end begins. */
static void end(struct node *node)
{
    struct net *net = atomic_load(&node->net);

    if (net)
        net_stop(net);
    reactor_stop(node->reactor);
}

static void on_failed(struct reactor_message *message)
{
    struct node *node = CONTAINER_OF(message, struct node, failed_message);

    node->code = (enum exit_code)atomic_load(&node->failed_code);
    end(node);
}

/* --exit-when-synced without an import. By a timer, since the engine's figures may be a moment
 * older than what it tells of. */
static void is_synced_yet(struct reactor_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, synced_timer);
    struct engine_snapshot snapshot;

    engine_snapshot(node->engine, &snapshot);
    if (snapshot.is_synced && snapshot.height == snapshot.header_height)
        end(node);
    else
        timer_set(node->reactor, timer, reactor_now_ms(node->reactor) + SYNCED_CHECK_MS);
}

static void print_import(struct node *node)
{
    const struct import_result *result = &node->import_result;
    char line[512];

    snprintf(line, sizeof line,
             "import: %llu blocks accepted, %llu known already, %llu refused, %llu stored without "
             "a verdict, %llu "
             "without a known parent",
             (unsigned long long)result->accepted, (unsigned long long)result->duplicate,
             (unsigned long long)result->refused, (unsigned long long)result->unjudged,
             (unsigned long long)result->unconnected);
    print_line(node, ENGINE_LOG_INFO, line);
    if (result->first_refused[0]) {
        snprintf(line, sizeof line, "import: first refused: %s", result->first_refused);
        print_line(node, ENGINE_LOG_INFO, line);
    }
    if (node->import_text[0])
        print_line(node, ENGINE_LOG_ERROR, node->import_text);
}

static void on_imported(struct reactor_message *message)
{
    struct node *node = CONTAINER_OF(message, struct node, import_message);

    print_import(node);
    if (node->import_error != IMPORT_OK) {
        if (node->code == EXIT_DONE)
            node->code = node->import_error == IMPORT_STOPPED ? EXIT_STOPPED : EXIT_IMPORT;
        end(node);
    } else if (node->options->exit_when_synced) {
        end(node);
    }
}

static void *import_main(void *argument)
{
    struct node *node = argument;

    pthread_setname_np(pthread_self(), "import");
    node->import_error =
        import_file(node->engine, node->options->import, &node->is_stopping, &node->import_progress,
                    &node->import_result, node->import_text, sizeof node->import_text);
    reactor_post(node->reactor, &node->import_message);
    return NULL;
}

/* ---- what the service's thread calls ---- */

static void on_stop(struct reactor_message *message)
{
    struct node *node = CONTAINER_OF(message, struct node, stop_message);

    print_line(node, ENGINE_LOG_INFO, "stopping");
    if (node->code == EXIT_DONE)
        node->code = stopped_code(node);
    end(node);
}

static void service_stops(void *context)
{
    struct node *node = context;

    atomic_store(&node->is_stopping, true);
    reactor_post(node->reactor, &node->stop_message);
}

/* Whatever is on the disk is good as it is. */
static void service_kills(void *context)
{
    struct node *node = context;

    pidfile_remove(&node->pidfile);
    _exit(EXIT_STOPPED);
}

static void service_reopens(void *context)
{
    struct node *node = context;

    log_reopen(node->log.log);
}

static void on_state(struct reactor_message *message)
{
    struct node *node = CONTAINER_OF(message, struct node, state_message);

    state_log(&node->log, node->engine, atomic_load(&node->net));
}

static void service_tells(void *context, bool is_running)
{
    struct node *node = context;

    if (!is_running) {
        print_line(node, ENGINE_LOG_INFO, "state: starting or stopping");
        return;
    }
    state_log_short(&node->log, node->engine);
    reactor_post(node->reactor, &node->state_message);
}

static void on_beat(struct reactor_message *message)
{
    struct node *node = CONTAINER_OF(message, struct node, beat_message);

    atomic_fetch_add(&node->turns, 1);
}

static void service_looks(void *context, struct service_look *look)
{
    struct node *node = context;
    struct engine_beats beats = engine_beats(node->engine);
    struct engine_snapshot snapshot;

    engine_snapshot(node->engine, &snapshot);
    reactor_post(node->reactor, &node->beat_message);
    look->beats[0] = atomic_load(&node->turns);
    look->beats[1] = beats.ledger;
    look->beats[2] = beats.disk;
    snprintf(look->line, sizeof look->line, "%s: height %d of %d (%.1f %%)",
             snapshot.is_synced ? "synced" : "syncing", snapshot.height, snapshot.header_height,
             snapshot.header_height > 0 ? 100.0 * snapshot.height / snapshot.header_height : 100.0);
}

static bool is_stopping(void *context)
{
    struct node *node = context;

    return atomic_load(&node->is_stopping);
}

static void on_shutdown(void *context)
{
    struct node *node = context;

    atomic_store(&node->is_stopping, true);
    end(node);
}

static void take_sample(void *context, struct progress_sample *sample)
{
    struct node *node = context;
    struct engine_snapshot snapshot;

    engine_snapshot(node->engine, &snapshot);
    *sample = (struct progress_sample){.time_ms = reactor_now_ms(node->reactor),
                                       .height = snapshot.height,
                                       .header_height = snapshot.header_height,
                                       .tip_time = snapshot.tip_time,
                                       .blocks = snapshot.blocks,
                                       .bytes = snapshot.bytes,
                                       .inputs = snapshot.inputs,
                                       .work_size = atomic_load(&node->import_progress.size),
                                       .done_size = atomic_load(&node->import_progress.done_size),
                                       .memory_size = process_memory()};
}

static uint32_t conn_max(const struct options *options)
{
    return (uint32_t)(options->outgoing + options->incoming) + CONN_OTHER;
}

static enum exit_code open_engine(struct node *node)
{
    struct engine_config config = {.params = &node->params,
                                   .directory = node->directory,
                                   .events = {.log = log_line,
                                              .tip = engine_tip,
                                              .headers = engine_headers,
                                              .invalid = engine_invalid,
                                              .failed = engine_failed,
                                              .credit = engine_credit,
                                              .context = node},
                                   .worker_count = limits_workers(node->options),
                                   .horizon = (int32_t)node->options->horizon,
                                   .in_flight_limit = node->memory.in_flight,
                                   .resident_limit = node->memory.resident,
                                   .is_cancelled = is_stopping,
                                   .is_cancelled_context = node,
                                   .uring_without = node->options->uring_without};
    char text[512];

    enum engine_error error = engine_open(&node->engine, &config, text, sizeof text);
    if (error == ENGINE_STOPPED)
        return stopped_code(node);
    if (error != ENGINE_OK)
        fprintf(stderr, "caesure: %s\n", text);
    return code_of(error);
}

static enum exit_code open_reactor(struct node *node)
{
    struct reactor_options options = {.without = node->options->uring_without,
                                      .conn_max = conn_max(node->options),
                                      .buffer_count = 256,
                                      .buffer_size = 16384};
    char why[REACTOR_WHY_SIZE];

    if (reactor_new(&node->reactor, &options, why) < 0) {
        fprintf(stderr, "caesure: %s\n", why);
        return EXIT_URING;
    }
    node->service = service_start(&(struct service_events){.stop = service_stops,
                                                           .kill = service_kills,
                                                           .reopen = service_reopens,
                                                           .tell = service_tells,
                                                           .look = service_looks,
                                                           .context = node});
    return EXIT_DONE;
}

/* The directory is locked: nobody else writes there. */
static enum exit_code open_log(struct node *node)
{
    return node_log_open(&node->log, node->options, node->directory) ? EXIT_DONE : EXIT_DIRECTORY;
}

static enum exit_code open_net(struct node *node)
{
    const struct options *options = node->options;
    char text[512];
    struct net_config config = {.engine = node->engine,
                                .reactor = node->reactor,
                                .directory = node->directory,
                                .user_agent = node->agent,
                                .serve = options->serve.items,
                                .serve_count = options->serve.count,
                                .connect = options->connect.items,
                                .connect_count = options->connect.count,
                                .external = options->external.items,
                                .external_count = options->external.count,
                                .proxy = options->proxy,
                                .outgoing_max = (uint32_t)options->outgoing,
                                .incoming_max = (uint32_t)options->incoming,
                                .is_v1only = options->is_v1only,
                                .is_without_dns = options->is_without_dns,
                                .serve_memory = node->memory.serving,
                                .upload_max = (uint64_t)options->max_upload,
                                .is_packet = options->is_verbose,
                                .packets = options->is_packet ? node->log.log : NULL,
                                .log = log_net_line,
                                .log_context = node};
    struct net *net;

    snprintf(node->agent, sizeof node->agent, "/Caesure:%s/", caesure_version);
    int error = net_open(&net, &config, text, sizeof text);
    if (error < 0) {
        fprintf(stderr, "caesure: %s\n", text);
        return error == -EINVAL ? EXIT_USAGE : EXIT_LISTEN;
    }
    atomic_store(&node->net, net);
    return EXIT_DONE;
}

static enum exit_code open_monitor(struct node *node)
{
    struct monitor_options options = {.path = node->options->monitor};

    if (!node->options->monitor)
        return EXIT_DONE;
    node->commands = commands_new(node->engine, atomic_load(&node->net), node->log.log,
                                  &node->log.warnings, on_shutdown, node);
    commands_fill(node->commands, &options);
    int error = monitor_open(&node->monitor, node->reactor, &options);
    if (error == 0)
        return EXIT_DONE;
    fprintf(
        stderr, "caesure: the socket %s cannot be opened: %s%s\n", options.path, strerror(-error),
        error == -EADDRINUSE ? " (another node answers there)"
        : error == -EEXIST
            ? " (what is there is no socket of ours: move it away or name another with --monitor)"
            : "");
    return EXIT_LISTEN;
}

static void print_metrics(void *context, struct text *text)
{
    metrics_print(context, text);
}

static enum exit_code open_scrape(struct node *node)
{
    struct scrape_options options = {
        .address = node->options->metrics, .print = print_metrics, .context = &node->metrics};

    node->metrics = (struct metrics){node->engine, atomic_load(&node->net), node->log.log};
    if (!options.address)
        return EXIT_DONE;
    int error = scrape_open(&node->scrape, node->reactor, &options);
    if (error == 0)
        return EXIT_DONE;
    fprintf(stderr, "caesure: --metrics %s: %s\n", options.address,
            error == -EINVAL ? "not an address with a port (127.0.0.1:9332) or a port"
                             : strerror(-error));
    return EXIT_LISTEN;
}

static void run(struct node *node)
{
    bool has_import = node->options->import != NULL;

    if (!node->options->is_daemon &&
        (has_import || node->options->exit_when_synced || isatty(STDERR_FILENO)))
        atomic_store(&node->log.display, progress_start(node->reactor, stderr, take_sample, node));
    if (has_import) {
        int error = pthread_create(&node->import_thread, NULL, import_main, node);
        assert(error == 0);
        node->has_import_thread = true;
    }
    if (node->options->exit_when_synced && !has_import)
        timer_set(node->reactor, &node->synced_timer, 0);
    int error = reactor_run(node->reactor);
    if (error < 0) {
        fprintf(stderr, "caesure: io_uring: %s\n", strerror(-error));
        node->code = EXIT_URING;
    }
}

/* The reactor has ended: nobody starts anything new. */
static void stop(struct node *node)
{
    char text[512];

    atomic_store(&node->is_stopping, true);
    engine_stop(node->engine);
    if (node->has_import_thread)
        pthread_join(node->import_thread, NULL);
    net_free(atomic_exchange(&node->net, NULL));
    struct progress_display *display = atomic_exchange(&node->log.display, NULL);
    if (display)
        progress_end(display);
    enum engine_error error = engine_close(node->engine, text, sizeof text);
    if (error != ENGINE_OK && node->code == EXIT_DONE) {
        fprintf(stderr, "caesure: %s\n", text);
        node->code = code_of(error);
    }
    if (node->monitor)
        monitor_close(node->monitor);
    if (node->scrape)
        scrape_close(node->scrape);
    if (node->commands)
        commands_free(node->commands);
}

static enum exit_code enter_sandbox(struct node *node)
{
    int error = sandbox_enter(node->options, node->directory);

    if (error == -ENOSYS || error == -EOPNOTSUPP)
        print_line(node, ENGINE_LOG_INFO,
                   "this kernel has no Landlock: all files of this user stay in reach");
    else if (error < 0)
        print_line(node, ENGINE_LOG_WARNING,
                   "Landlock failed: all files of this user stay in reach");
    return EXIT_DONE;
}

/* What comes before the first thread. */
static enum exit_code prepare(struct node *node)
{
    const struct options *options = node->options;
    char text[512];

    enum engine_error refused = engine_make_directory(node->directory, text, sizeof text);
    if (refused != ENGINE_OK) {
        fprintf(stderr, "caesure: %s\n", text);
        return code_of(refused);
    }
    crash_install(node->directory);
    enum exit_code code = limits_check(options, node->directory, conn_max(options), &node->memory);
    if (code != EXIT_DONE)
        return code;
    int error = pidfile_open(&node->pidfile, options->pidfile);
    if (error < 0) {
        fprintf(stderr, "caesure: --pidfile %s: %s\n", options->pidfile, strerror(-error));
        return EXIT_DIRECTORY;
    }
    return enter_sandbox(node);
}

/* Nobody waits any more for how the start went. */
static enum exit_code tell_ready(struct node *node)
{
    int error = pidfile_write(&node->pidfile);

    if (error < 0) {
        fprintf(stderr, "caesure: --pidfile %s: %s\n", node->pidfile.path, strerror(-error));
        return EXIT_DIRECTORY;
    }
    service_ready(node->service);
    daemon_ready(&node->daemon);
    return EXIT_DONE;
}

/* The engine is open: whatever else fails, a short run closes what is open. */
static void run_node(struct node *node)
{
    static enum exit_code (*const steps[])(struct node *) = {open_log, open_net, open_monitor,
                                                             open_scrape, tell_ready};

    for (size_t i = 0; node->code == EXIT_DONE && i < ARRAY_COUNT(steps); i++)
        node->code = steps[i](node);
    if (node->code != EXIT_DONE)
        end(node);
    run(node);
    service_ending(node->service);
    stop(node);
}

enum exit_code node_run(const struct options *options)
{
    struct node node = {.options = options, .daemon = {-1, -1}, .pidfile = {.fd = -1}};

    int error = options->is_daemon ? daemon_begin(&node.daemon) : 0;
    if (error < 0) {
        fprintf(stderr, "caesure: --daemon: %s\n", strerror(-error));
        return EXIT_MEMORY;
    }
    node.synced_timer.run = is_synced_yet;
    node.failed_message.run = on_failed;
    node.import_message.run = on_imported;
    node.stop_message.run = on_stop;
    node.beat_message.run = on_beat;
    node.state_message.run = on_state;
    options_params(options, &node.params);
    node.directory = options_directory(options);
    service_block_signals();
    node_log_init(&node.log, options);
    log_event(node.log.log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "start",
              LOG_TEXT("version", caesure_version), LOG_TEXT("network", node.params.name),
              LOG_INTEGER("pid", getpid()));
    static enum exit_code (*const steps[])(struct node *) = {prepare, open_reactor, open_engine};
    for (size_t i = 0; node.code == EXIT_DONE && i < ARRAY_COUNT(steps); i++)
        node.code = steps[i](&node);
    if (node.engine)
        run_node(&node);
    pidfile_remove(&node.pidfile);
    if (node.service)
        service_stop(node.service);
    if (node.reactor)
        reactor_free(node.reactor);
    log_event(node.log.log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "stop",
              LOG_INTEGER("code", node.code));
    node_log_close(&node.log);
    free(node.directory);
    return node.code;
}
