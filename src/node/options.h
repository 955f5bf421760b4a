/* options.h - what the operator wants: from the environment (CAESURE_NAME), files (@FILE) and the
 * command line, each stronger than the one before. Pure but for reading the files. */
#ifndef NODE_OPTIONS_H
#define NODE_OPTIONS_H
#include "base/text.h"
#include "chain/params.h"

#define OPTIONS_BASE_DEFAULT    "/usr/local/caesure"
#define OPTIONS_MONITOR_DEFAULT "/tmp/caesure.bd"
#define OPTIONS_THREADS_MAX     256
#define OPTIONS_HORIZON_MIN     20
#define OPTIONS_HORIZON_MAX     512
#define OPTIONS_LIST_MAX        64

struct option_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t count;
};

struct options {
    enum network network;
    bool is_testnet;    /* -t was given: network says so too */
    const char *base;   /* as given: the networks other than main are in folders of it */
    const char *import; /* NULL: none */
    bool exit_when_synced;
    int64_t threads; /* 0: as many as there are cores */
    int64_t horizon;
    const char *monitor;                        /* path of the socket, NULL: none */
    const char *assumevalid, *minimumchainwork; /* NULL: the network's */
    struct option_list activations;
    bool is_bip94;
    uint32_t uring_without;

    int64_t outgoing, incoming;
    struct option_list serve, connect, external;
    const char *proxy, *user, *logfile, *pidfile, *metrics;
    bool is_relay, is_verbose, is_packet, is_daemon, is_webui, is_v1only, is_without_dns;
    int64_t max_upload; /* bytes a day, 0: no limit */

    void *memory; /* what the files said: the strings above may point there */
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* message: with OPTIONS_BAD the one line that says what is wrong; else empty, or warnings, a line
 * each. argv[0] is not looked at; both lists end with NULL. Strings of argv and envp are borrowed
 * for the life of options. */
MUST_CHECK enum options_result options_parse(struct options *options, char *const *argv,
                                             char *const *envp, struct text *message);
void options_clear(struct options *options);

/* The network's parameters with what the options change of them. */
void options_params(const struct options *options, struct params *params);

/* The directory of the network, base itself for main: text to free. */
char *options_directory(const struct options *options);

/* The page of --help: only what works. */
void options_help(struct text *text);
#endif
