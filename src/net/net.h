/* net.h - the node among others: connections, headers and blocks from peers to the engine, and from
 * the engine to peers. Everything runs on the reactor's thread, net_notify_* excepted, which may
 * come from any. */
#ifndef NET_NET_H
#define NET_NET_H
#include "base/log.h"
#include "base/text.h"
#include "io/reactor.h"
#include "net/download.h"
#include "net/resolver.h"
#include "pipeline/engine.h"

struct net;

struct net_config {
    struct engine *engine; /* borrowed, as is all else */
    struct reactor *reactor;
    const char *directory; /* where peers.bin and bans.bin are; NULL: nowhere */
    const char *user_agent;
    const char *const *serve, *const *connect, *const *external; /* texts */
    size_t serve_count, connect_count, external_count;
    const char *proxy; /* NULL: none */
    uint32_t outgoing_max, incoming_max;
    bool is_v1only, is_packet, is_without_dns;
    size_t serve_memory;     /* bytes of blocks on their way to peers, about */
    uint64_t upload_max;     /* bytes a day, before blocks older than a week are refused; 0: none */
    resolver_lookup *lookup; /* NULL: the system's */
    void *lookup_context;
    struct log *packets; /* takes every message; NULL: none */
    void (*log)(void *context, enum engine_log_level level, const char *line);
    void *log_context;
};

/* Listens and begins to connect. On failure text has one line with the reason: -EINVAL for an
 * address that cannot be understood. To be called before reactor_run. */
MUST_CHECK int net_open(struct net **net, const struct net_config *config, char *text,
                        size_t text_size);
/* Closes listeners and connections. The reactor runs until their closed callbacks are in. */
void net_stop(struct net *net);
/* After reactor_run has returned, between engine_stop and engine_close. peers.bin and bans.bin are
 * written. */
void net_free(struct net *net);

/* Any thread: the engine's events. */
void net_notify_tip(struct net *net, struct header_node *tip);
void net_notify_headers(struct net *net, struct header_node *best);
void net_notify_credit(struct net *net);

struct net_stats {
    uint32_t incoming, outgoing, known_addresses;
    uint64_t received_bytes, sent_bytes, served_blocks, served_bytes;
    struct download_stats download;
};
void net_stats(const struct net *net, struct net_stats *stats);

/* The operator's commands, answered in text (lines, or one line "error: …"). */
void net_print_peers(struct net *net, const char *unused, struct text *text);
void net_print_stats(struct net *net, const char *unused, struct text *text);
void net_print_banned(struct net *net, const char *unused, struct text *text);
void net_connect(struct net *net, const char *addr, struct text *text);
void net_disconnect(struct net *net, const char *id, struct text *text);
void net_ban(struct net *net, const char *addr_and_seconds, struct text *text);
void net_unban(struct net *net, const char *addr, struct text *text);
#endif
