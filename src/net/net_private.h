/* net_private.h - what the files of net share: net.c (listeners, the turns of the loop), calls.c
 * (whom to call), files.c (what is kept over restarts), peer.c (a connection), receive.c and
 * messages.c (what comes in by it), gossip.c (addresses), headers.c and blocks.c (what we ask),
 * serve.c (what we are asked), report.c (the operator's view). All of it is the reactor
 * thread's, except where a mutex is named. */
#ifndef NET_NET_PRIVATE_H
#define NET_NET_PRIVATE_H
#include "base/random.h"
#include "codec/message_chain.h"
#include "net/banlist.h"
#include "net/download.h"
#include "net/handshake.h"
#include "net/net.h"
#include "net/presync.h"
#include "net/seeds.h"
#include "net/socks.h"
#include "net/transport.h"
#include "net/upload.h"
#include <pthread.h>
#include <sys/socket.h>

#define PEER_OUTPUT_MAX (8u << 20) /* queued to one peer */
#define ANNOUNCE_MAX    8
#define LISTENERS_MAX   16
#define MANUAL_MAX      64
#define NONCES_MAX      1024

#define NET_EXTERNAL_MAX 8
#define GOSSIP_KNOWN_MAX 512
#define GOSSIP_QUEUE_MAX 64
#define UNJUDGED_MAX     1024 /* as many as the window has blocks */

/* Part of what another thread does for us. It comes home in the order of net_post; when the node
 * has stopped too, so that finish frees it then. */
struct net_task {
    struct net_task *next;
    void (*finish)(struct net *net, struct net_task *task);
};

struct arrival;
struct request;
struct serving;

/* Of a peer that is told addresses. */
struct gossip {
    uint64_t known[GOSSIP_KNOWN_MAX]; /* tags of what it told or was told last */
    uint32_t known_count;             /* ever */
    uint32_t queued_count;
    struct addr_entry queued[GOSSIP_QUEUE_MAX];
    uint64_t flush_due_ms, own_due_ms;
};

/* Of a block that is kept but not judged yet. */
struct sender {
    struct header_node *node; /* NULL: none */
    uint64_t peer_id;
};

struct peer {
    struct net *net;
    struct peer *next;
    uint64_t id;
    struct conn *conn;
    struct netaddr addr; /* NETADDR_NONE: only its name is known; the port is right */
    char *name;          /* that the proxy resolves, or NULL */
    enum peer_direction direction;
    struct manual *manual; /* whose connection this is, or NULL */
    struct socks *socks;   /* until the proxy has made the connection */
    struct transport *transport;
    struct handshake handshake;
    uint64_t own_nonce;
    bool is_connected, has_sent_version, is_closing, wants_retry_v1;
    char why[96]; /* it is closing */

    /* receiving: what came while the peer is held up, and messages that a worker checks, with those
     * behind them */
    bool is_held;
    uint8_t *held;
    size_t held_size;
    size_t wanted_size;    /* of the large block whose job is awaited; 0: none */
    struct block_job *job; /* that a large block arrives in */
    struct arrival *first_arrival, *last_arrival;
    size_t arrivals_size; /* of their memory; blocks have a credit */

    uint32_t works; /* tasks of workers that point here: freed when the last is home */
    bool is_gone;

    uint64_t opened_ms, received_ms, sent_ms;
    uint64_t received_bytes, sent_bytes;
    uint64_t ping_nonce, ping_sent_ms, ping_due_ms, ping_last_ms;

    /* headers */
    bool is_header_source; /* it was asked for its headers from the start */
    uint64_t getheaders_ms;
    uint64_t headers_deadline_ms;
    struct presync *presync;
    struct header_node *best;      /* the best header that we know it to have */
    struct header_node *announced; /* the last block that we told it of */
    uint32_t headers_works;
    uint64_t behind_since_ms; /* an outgoing peer with less work than our tip */
    bool is_behind_asked;
    bool is_protected; /* one of the few that may stay behind */

    /* blocks */
    struct download_peer download;
    bool is_downloading; /* in the plan */

    /* serving */
    struct inv *wanted;
    uint32_t wanted_count, wanted_at;
    struct request *first_request, *last_request; /* blocks on their way to it, in order */
    uint32_t request_count;
    uint64_t drained_bytes; /* had gone out when serve_tick looked last */
    struct block_hash continue_hash;
    bool has_continue_hash;

    /* addresses */
    struct gossip *gossip; /* NULL: it is told none */
    bool has_asked_addrs, has_told_addrs;
    double addr_tokens;
    uint64_t addr_tokens_ms;
};

/* One that the operator wants connected. */
struct manual {
    uint64_t id;
    char name[NETADDR_HOST_SIZE]; /* empty: it is known by its address */
    struct netaddr addr;          /* of a name: the last one found, or only its port */
    struct peer *peer;
    uint32_t attempts;
    uint64_t due_ms;
    bool is_asked; /* the resolver, for its address */
    bool is_v1;    /* it would not speak v2 just now */
};

enum net_file_kind { NET_FILE_PEERS, NET_FILE_BANS, NET_FILE_COUNT };

/* One that is kept over restarts, on its way to the disk. */
struct net_file {
    struct net *net;
    enum net_file_kind kind;
    bool is_due, is_saving;
    struct bytes data; /* malloc'ed, while it is saved */
    int error;
    struct command command;
    struct reactor_message message;
};

/* The answer to getaddr. */
struct gossip_cache {
    uint32_t count;
    uint64_t until_ms;
    struct addr_entry entries[ADDR_COUNT_MAX];
};

struct net_listener {
    struct net *net;
    struct listener *listener;
};

struct net {
    struct net_config config;
    struct engine *engine;
    struct reactor *reactor;
    const struct params *params;
    struct transport_env env;
    struct peer *peers;
    uint64_t next_id;
    bool is_open, is_stopping;
    struct net_listener listeners[LISTENERS_MAX];
    uint32_t listener_count;
    struct manual manuals[MANUAL_MAX];
    uint32_t manual_count;
    uint64_t next_manual_id;
    bool has_proxy;
    struct netaddr proxy, external[NET_EXTERNAL_MAX];
    uint32_t external_count;
    struct resolver *resolver;
    uint32_t seeds_first, seeds_asked; /* of the DNS seeds */
    uint64_t seeds_due_ms;
    struct seeds *seeds;
    struct banlist *bans;
    struct net_file files[NET_FILE_COUNT];
    uint64_t peers_saved_ms;
    struct siphash_key gossip_key;
    struct gossip_cache gossip_cache;
    struct upload upload;
    struct prng prng; /* jitter, and what needs no secrecy */
    struct reactor_timer timer;

    struct download *download;
    struct sender unjudged[UNJUDGED_MAX]; /* the last ones, a ring */
    uint32_t unjudged_at;
    struct header_node *tip, *best; /* as last heard */
    struct header_node *whole;      /* of the engine's snapshot, as last followed */
    bool is_synced;

    /* from other threads, under mutex; wake runs on ours */
    pthread_mutex_t mutex;
    struct reactor_message wake;
    struct net_task *first_task, **last_task;
    struct header_node *heard_tip, *heard_best;
    bool has_credit;

    struct header headers[HEADERS_COUNT_MAX]; /* of the message at hand */
    uint64_t nonces[NONCES_MAX];              /* of the version at hand */
    uint64_t received_bytes, sent_bytes, served_blocks, served_bytes;
    struct work_gate gate;
    struct serving *servings; /* blocks as they go out */
    uint32_t serving_count;
    size_t serving_size; /* of all memory for serving */
    uint64_t serve_looked_ms;
    uint64_t serve_full_ms; /* somebody waits for memory since then; 0: nobody */
    uint64_t serve_next_id; /* the peer whose turn it is when memory comes back */
    bool has_room;          /* it has */
    bool has_done_blocks;   /* among the tasks that just came home */
};

/* net.c */
__attribute__((format(printf, 3, 4))) void net_log(struct net *net, enum engine_log_level level,
                                                   const char *format, ...);
uint64_t net_now_ms(const struct net *net);
struct peer *net_find_peer(struct net *net, uint64_t id);
void net_post(struct net *net, struct net_task *task); /* any thread */
uint64_t net_services(const struct net *net);          /* ours */
void net_count_sent(struct peer *peer, size_t size);

/* calls.c */
void calls_begin(struct net *net);
void calls_tick(struct net *net, uint64_t now_ms);
/* False with the reason in why. */
MUST_CHECK bool calls_add_manual(struct net *net, const char *given, const char **why);
void calls_forget(struct net *net, struct peer *peer); /* it is not called again */
void calls_peer_gone(struct net *net, struct peer *peer);
bool calls_can_reach(const struct net *net, const struct netaddr *addr);

/* files.c */
void files_load(struct net *net);
void files_tick(struct net *net, uint64_t now_ms);
void files_end(struct net *net); /* the loop has ended */

/* gossip.c */
void gossip_begin(struct peer *peer); /* after the handshake */
void gossip_addrs_in(struct peer *peer, struct bytes payload, bool is_v2);
void gossip_getaddr_in(struct peer *peer);
void gossip_tick(struct peer *peer, uint64_t now_ms);

/* peer.c */
socklen_t peer_sockaddr(const struct netaddr *addr, struct sockaddr_storage *storage);
struct peer *peer_adopt(struct net *net, int fd);
/* To addr, or through the proxy to name if addr has only a port. */
struct peer *peer_call(struct net *net, const struct netaddr *addr, const char *name,
                       enum peer_direction direction, bool is_v1);
#define PEER_TEXT_SIZE (NETADDR_HOST_SIZE + 8)
void peer_print(char out[PEER_TEXT_SIZE], const struct peer *peer); /* its address or name */
void peer_send(struct peer *peer, enum message_type type, struct bytes payload);
/* arrow: "<-" sent, "->" received. */
void peer_log_packet(struct peer *peer, const char *arrow, enum message_type type,
                     struct bytes payload);
__attribute__((format(printf, 2, 3))) void peer_close(struct peer *peer, const char *format, ...);
/* For what the peer did: an operator's own is only told of, a local one only disconnected. */
void peer_punish(struct peer *peer, const char *why);
/* What the transport has to say by itself, and our version as soon as it can be said. */
void peer_flush_handshake(struct peer *peer);
void peer_tick(struct peer *peer, uint64_t now_ms);
/* A task of a worker that points to the peer is home: it may be the one its memory waited for. */
void peer_work_done(struct peer *peer);
static inline bool peer_is_up(const struct peer *peer)
{
    return peer->handshake.is_done && !peer->is_closing;
}

/* receive.c */
void receive_bytes(struct peer *peer, struct bytes data);
size_t receive_filled(struct peer *peer); /* the place it was received into is full: its size */
void receive_resume(struct peer *peer);   /* after credit came back */
void receive_peer_gone(struct peer *peer);

/* messages.c */
void messages_in(struct peer *peer, enum message_type type, struct bytes payload);
void messages_send_version(struct peer *peer);
void messages_tick(struct peer *peer, uint64_t now_ms); /* the handshake's time, pings */

/* headers.c */
void headers_message(struct peer *peer, struct bytes payload);
void headers_tick(struct peer *peer, uint64_t now_ms);
void headers_ask(struct peer *peer, const struct header_node *from);
void headers_inv(struct peer *peer, const struct block_hash *hash);
void headers_peer_gone(struct peer *peer);

/* blocks.c */
struct block_job *blocks_reserve(struct peer *peer, size_t size);
/* checksum: of its message, found right; NULL if it has none. */
void blocks_received(struct peer *peer, struct block_job *job, const uint8_t *checksum);
/* The message with this block was not as its sender made it. */
void blocks_spoilt(struct peer *peer, const uint8_t *block);
void blocks_follow(struct net *net);
void blocks_ask(struct net *net);
void blocks_ask_peer(struct peer *peer);
/* Of peer what leads to last, if it has no less work than our tip, branches off near it and is not
 * in the plan already. */
void blocks_ask_aside(struct peer *peer, struct header_node *last);
void blocks_peer_changed(struct peer *peer);
void blocks_peer_gone(struct peer *peer);
void blocks_tick(struct net *net, uint64_t now_ms);

/* serve.c */
void serve_getheaders(struct peer *peer, struct bytes payload);
void serve_getblocks(struct peer *peer, struct bytes payload);
/* Whether the node's block may be shown: of the best chain, or verified and not much older than its
 * end. Under the tree's mutex. */
bool serve_may(const struct net *net, const struct header_node *node);
void serve_inv(struct peer *peer, enum message_type type, const struct inv *inv);

/* serve_block.c */
void serve_getdata(struct peer *peer, struct bytes payload);
void serve_continue(struct peer *peer); /* what was queued for it has been sent */
void serve_room(struct net *net);       /* memory for serving has come back */
void serve_tick(struct net *net, uint64_t now_ms);
void serve_peer_gone(struct peer *peer);
void serve_announce(struct peer *peer);
#endif
