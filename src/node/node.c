#include "node/node.h"

#include "admin/commands.h"
#include "admin/metrics.h"
#include "admin/scrape.h"
#include "base/clock.h"
#include "base/version.h"
#include "net/net.h"
#include "node/memory.h"
#include "node/node_log.h"
#include "pipeline/import.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define COINS_EXPECTED_MAIN 190000000

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

    struct reactor_message tip_message, failed_message, import_message;
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

static struct node *node_of(void *member, size_t offset)
{
    return (struct node *)((char *)member - offset);
}

static void log_line(void *context, enum engine_log_level level, const char *line)
{
    struct node *node = context;

    node_log_line(&node->log, LOG_FACILITY_CHAIN, level, line);
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

    if (tip)
        node_log_tip(&node->log, tip);
    if (net && tip)
        net_notify_tip(net, tip);
    reactor_post(node->reactor, &node->tip_message);
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
    struct node *node = node_of(message, offsetof(struct node, failed_message));

    node->code = (enum exit_code)atomic_load(&node->failed_code);
    end(node);
}

/* --exit-when-synced without an import. */
static void on_tip(struct reactor_message *message)
{
    struct node *node = node_of(message, offsetof(struct node, tip_message));
    struct engine_snapshot snapshot;

    if (!node->options->exit_when_synced || node->options->import)
        return;
    engine_snapshot(node->engine, &snapshot);
    if (snapshot.is_synced && snapshot.height == snapshot.header_height)
        end(node);
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
    struct node *node = node_of(message, offsetof(struct node, import_message));

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

static void on_signal(void *context, int number)
{
    struct node *node = context;

    if (number == SIGHUP) {
        log_reopen(node->log.log);
        return;
    }
    if (atomic_exchange(&node->is_stopping, true))
        _exit(EXIT_STOPPED); /* the second one: whatever is on the disk is good as it is */
    print_line(node, ENGINE_LOG_INFO, "stopping");
    if (node->options->import && node->options->exit_when_synced && node->code == EXIT_DONE)
        node->code = EXIT_STOPPED;
    end(node);
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

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP); /* the log's files are opened anew */
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool plan_memory(struct node *node)
{
    struct text text;
    bool is_main = node->params.network == NETWORK_MAIN;

    memory_plan(&node->memory, memory_total(), 0, is_main ? 1000000 : 200000,
                (int32_t)node->options->horizon);
    text_init(&text, 4096);
    memory_print(&node->memory, &text);
    fprintf(stderr, "memory, at the start (the coin index grows to %llu MB on mainnet):\n%s",
            (unsigned long long)COINS_EXPECTED_MAIN * 22 / 1000000, text_cstr(&text));
    text_clear(&text);
    if (memory_sum(&node->memory) <= node->memory.total)
        return true;
    fprintf(stderr, "caesure: this machine (or its cgroup) has too little memory: see above\n");
    return false;
}

static enum exit_code open_engine(struct node *node)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct engine_config config = {.params = &node->params,
                                   .directory = node->directory,
                                   .events = {.log = log_line,
                                              .tip = engine_tip,
                                              .headers = engine_headers,
                                              .invalid = engine_invalid,
                                              .failed = engine_failed,
                                              .credit = engine_credit,
                                              .context = node},
                                   .worker_count =
                                       (uint32_t)(node->options->threads ? node->options->threads
                                                  : cores > 0            ? cores
                                                                         : 1),
                                   .horizon = (int32_t)node->options->horizon,
                                   .in_flight_limit = node->memory.in_flight,
                                   .resident_limit = node->memory.resident,
                                   .uring_without = node->options->uring_without};
    char text[512];

    enum engine_error error = engine_open(&node->engine, &config, text, sizeof text);
    if (error != ENGINE_OK)
        fprintf(stderr, "caesure: %s\n", text);
    return code_of(error);
}

static enum exit_code open_reactor(struct node *node, const sigset_t *signals)
{
    struct reactor_options options = {
        .without = node->options->uring_without,
        .conn_max = (uint32_t)(node->options->outgoing + node->options->incoming) + 128,
        .buffer_count = 256,
        .buffer_size = 16384};
    char why[REACTOR_WHY_SIZE];

    if (reactor_new(&node->reactor, &options, why) < 0) {
        fprintf(stderr, "caesure: %s\n", why);
        return EXIT_URING;
    }
    int error = reactor_on_signals(node->reactor, signals, on_signal, node);
    if (error < 0) {
        fprintf(stderr, "caesure: signals: %s\n", strerror(-error));
        return EXIT_URING;
    }
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
    node->commands =
        commands_new(node->engine, atomic_load(&node->net), node->log.log, on_shutdown, node);
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

    if (has_import || isatty(STDERR_FILENO))
        atomic_store(&node->log.display, progress_start(node->reactor, stderr, take_sample, node));
    if (has_import) {
        int error = pthread_create(&node->import_thread, NULL, import_main, node);
        assert(error == 0);
        node->has_import_thread = true;
    }
    engine_tip(node, NULL);
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

enum exit_code node_run(const struct options *options)
{
    struct node node = {.options = options};
    sigset_t signals;

    node.tip_message.run = on_tip;
    node.failed_message.run = on_failed;
    node.import_message.run = on_imported;
    options_params(options, &node.params);
    node.directory = options_directory(options);
    block_signals(&signals);
    raise_descriptors();
    node_log_init(&node.log, options);
    log_event(node.log.log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "start",
              LOG_TEXT("version", caesure_version), LOG_TEXT("network", node.params.name),
              LOG_INTEGER("pid", getpid()));
    node.code = plan_memory(&node) ? open_reactor(&node, &signals) : EXIT_MEMORY;
    if (node.code == EXIT_DONE)
        node.code = open_engine(&node);
    if (node.code == EXIT_DONE) {
        node.code = open_log(&node);
        if (node.code == EXIT_DONE)
            node.code = open_net(&node);
        if (node.code == EXIT_DONE)
            node.code = open_monitor(&node);
        if (node.code == EXIT_DONE)
            node.code = open_scrape(&node);
        if (node.code != EXIT_DONE)
            end(&node); /* what is open already is closed by a short run */
        run(&node);
        stop(&node);
    }
    if (node.reactor)
        reactor_free(node.reactor);
    log_event(node.log.log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "stop",
              LOG_INTEGER("code", node.code));
    node_log_close(&node.log);
    free(node.directory);
    return node.code;
}
