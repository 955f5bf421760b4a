/* net_rig.h - the whole of net/ with everything below it made up: a clock that the test turns, an
 * engine that is a header tree, connections whose other end is the test, a resolver that answers
 * when told. The functions here take the places of those of io/ and pipeline/ when the test is
 * linked: all that net/ uses of these must be here, or the linker takes theirs, too. */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H
#include "base/arena.h"
#include "io/socket.h"
#include "net/net_private.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define RIG_CONNS_MAX 256
#define RIG_SAID_MAX  512
#define RIG_START_MS  1000000
#define RIG_START_S   1700000000

struct reactor {
    uint64_t now_ms;
    struct reactor_timer *timer;
    struct reactor_message *messages;
};

struct engine {
    struct params params;
    struct header_tree *tree;
    struct header_node *tip;
    bool is_synced;
    int64_t now_s;
};

struct said {
    enum message_type type;
    struct bytes payload;
};

/* One of net's, seen from the other end. */
struct conn {
    const struct conn_events *events;
    void *owner;
    struct netaddr addr;
    bool is_called, is_closing, is_gone;
    uint8_t raw[8192]; /* what came before the other end speaks as a peer */
    size_t raw_size;
    struct transport *end; /* NULL: it does not */
    struct said said[RIG_SAID_MAX];
    uint32_t said_count;
    bool is_lively; /* answers pings */
};

struct listener {
    int unused;
};

struct question {
    char name[NETADDR_HOST_SIZE];
    uint64_t tag;
};

static struct reactor reactor;
static struct engine engine;
static struct net *net;
static struct conn *conns[RIG_CONNS_MAX]; /* in the order of their beginnings */
static uint32_t conn_count;
static struct transport_env end_env;
static void (*rig_accepted)(void *context, int fd);
static void *rig_accepted_context;
static struct netaddr next_caller;
static struct resolver_config resolver_config;
static struct question questions[64];
static uint32_t question_count;
static char last_log[512];
static bool rig_has_v2;

/* ---- in the place of io/ ---- */

uint64_t reactor_now_ms(const struct reactor *r)
{
    return r->now_ms;
}

void reactor_post(struct reactor *r, struct reactor_message *message)
{
    if (atomic_exchange(&message->is_posted, true))
        return;
    message->next = r->messages;
    r->messages = message;
}

void timer_set(struct reactor *r, struct reactor_timer *timer, uint64_t due_ms)
{
    timer->due_ms = due_ms;
    r->timer = timer;
}

void timer_cancel(struct reactor *r, struct reactor_timer *timer)
{
    (void)timer;
    r->timer = NULL;
}

int socket_listen(const struct sockaddr *addr, socklen_t addr_size)
{
    (void)addr, (void)addr_size;
    return 1000000; /* no descriptor of anybody's */
}

int reactor_listen(struct reactor *r, int fd, struct listener **listener,
                   void (*accepted)(void *context, int fd), void *context)
{
    static struct listener only;

    (void)r, (void)fd;
    *listener = &only;
    rig_accepted = accepted;
    rig_accepted_context = context;
    return 0;
}

void listener_close(struct listener *listener)
{
    (void)listener;
}

static struct conn *conn_new(const struct conn_events *events, void *owner)
{
    struct conn *conn = xcalloc(1, sizeof *conn);

    ck_assert_uint_lt(conn_count, RIG_CONNS_MAX);
    conn->events = events;
    conn->owner = owner;
    return conns[conn_count++] = conn;
}

struct conn *conn_adopt(struct reactor *r, int fd, const struct conn_limits *limits,
                        const struct conn_events *events, void *owner)
{
    struct conn *conn = conn_new(events, owner);

    (void)r, (void)fd, (void)limits;
    conn->addr = next_caller;
    return conn;
}

struct conn *conn_connect(struct reactor *r, const struct sockaddr *addr, socklen_t addr_size,
                          const struct conn_limits *limits, const struct conn_events *events,
                          void *owner)
{
    struct conn *conn = conn_new(events, owner);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;

    (void)r, (void)addr_size, (void)limits;
    conn->is_called = true;
    if (addr->sa_family == AF_INET) {
        conn->addr = (struct netaddr){.kind = NETADDR_IPV4, .port = ntohs(v4->sin_port)};
        memcpy(conn->addr.bytes, &v4->sin_addr, 4);
    }
    return conn;
}

bool conn_send(struct conn *conn, struct bytes data)
{
    struct transport_message message;

    ck_assert(!conn->is_closing);
    if (!conn->end) {
        ck_assert_uint_le(conn->raw_size + data.size, sizeof conn->raw);
        memcpy(conn->raw + conn->raw_size, data.data, data.size);
        conn->raw_size += data.size;
        return true;
    }
    while (transport_receive(conn->end, &data, &message) == TRANSPORT_MESSAGE) {
        uint8_t *copy = xmalloc(message.payload.size + 1);

        ck_assert_uint_lt(conn->said_count, RIG_SAID_MAX);
        if (message.payload.size)
            memcpy(copy, message.payload.data, message.payload.size);
        conn->said[conn->said_count++] = (struct said){message.type, {copy, message.payload.size}};
    }
    return true;
}

bool conn_send_borrowed(struct conn *conn, struct bytes data, void (*release)(void *context),
                        void *context)
{
    bool is_sent = conn_send(conn, data);

    if (is_sent)
        release(context);
    return is_sent;
}

struct conn_place *conn_send_place(struct conn *conn, size_t size)
{
    (void)conn, (void)size;
    return NULL;
}

void conn_place_fill(struct conn *conn, struct conn_place *place, const uint8_t *data,
                     void (*release)(void *context), void *context)
{
    (void)conn, (void)place, (void)data, (void)release, (void)context;
}

size_t conn_output_size(const struct conn *conn)
{
    (void)conn;
    return 0;
}

void conn_receive_into(struct conn *conn, uint8_t *buffer, size_t size)
{
    (void)conn, (void)buffer, (void)size;
    ck_abort_msg("no test sends large messages");
}

void conn_pause(struct conn *conn)
{
    (void)conn;
}

void conn_resume(struct conn *conn)
{
    (void)conn;
}

void conn_close(struct conn *conn)
{
    conn->is_closing = true;
}

int conn_peer_address(const struct conn *conn, struct sockaddr *addr, socklen_t *size)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(conn->addr.port)};

    memcpy(&v4.sin_addr, conn->addr.bytes, 4);
    memcpy(addr, &v4, sizeof v4);
    *size = sizeof v4;
    return 0;
}

/* ---- in the place of pipeline/ ---- */

const struct params *engine_params(const struct engine *e)
{
    return &e->params;
}

int64_t engine_now(struct engine *e)
{
    return e->now_s;
}

struct pipeline *engine_pipeline(struct engine *e)
{
    (void)e;
    return NULL;
}

struct header_tree *engine_lock_tree(struct engine *e)
{
    return e->tree;
}

void engine_unlock_tree(struct engine *e)
{
    (void)e;
}

void engine_snapshot(struct engine *e, struct engine_snapshot *snapshot)
{
    *snapshot = (struct engine_snapshot){
        .height = e->tip->height, .tip_hash = e->tip->hash, .is_synced = e->is_synced};
}

bool engine_post(struct engine *e, struct command *command)
{
    command->run(e, command);
    if (command->work)
        command->work(e, command);
    command->done(command);
    return true;
}

void engine_accept_headers(struct engine *e, const struct header *headers, size_t count,
                           struct header_node **nodes, enum verdict *verdicts)
{
    for (size_t i = 0; i < count; i++) {
        struct block_hash hash = header_hash(&headers[i]);
        struct header_node *prev = header_tree_find(e->tree, &headers[i].prev_hash);

        nodes[i] = header_tree_find(e->tree, &hash);
        if (!nodes[i])
            nodes[i] = header_tree_insert(e->tree, &e->params, prev, &headers[i], &hash);
        verdicts[i] = VALID;
    }
}

const struct resident *engine_hold_block(struct engine *e, const struct header_node *node,
                                         struct bytes *raw)
{
    (void)e, (void)node, (void)raw;
    return NULL;
}

void engine_release_block(const struct resident *resident)
{
    (void)resident;
}

bool engine_read(struct engine *e, struct engine_read *read)
{
    (void)e, (void)read;
    return false; /* no test is served blocks */
}

struct block_job *pipeline_reserve(struct pipeline *pipeline, size_t size, enum reserve how)
{
    (void)pipeline, (void)size, (void)how;
    return NULL;
}

void pipeline_submit(struct block_job *job)
{
    (void)job;
    ck_abort_msg("no test sends blocks");
}

void pipeline_release(struct block_job *job)
{
    (void)job;
}

void work_gate_open(struct work_gate *gate, struct pipeline *pipeline, uint32_t limit)
{
    (void)gate, (void)pipeline, (void)limit;
}

void work_gate_close(struct work_gate *gate)
{
    (void)gate;
}

bool work_push(struct work_gate *gate, struct work *work)
{
    (void)gate, (void)work;
    return false;
}

/* ---- in the place of the resolver ---- */

struct resolver *resolver_new(const struct resolver_config *config)
{
    resolver_config = *config;
    question_count = 0;
    return NULL;
}

bool resolver_ask(struct resolver *resolver, const char *name, uint64_t tag)
{
    (void)resolver;
    ck_assert_uint_lt(question_count, ARRAY_COUNT(questions));
    struct question *question = &questions[question_count++];
    snprintf(question->name, sizeof question->name, "%s", name);
    question->tag = tag;
    return true;
}

void resolver_free(struct resolver *resolver)
{
    (void)resolver;
}

uint32_t resolver_system(void *unused, const char *name, struct netaddr addrs[RESOLVER_ADDRS_MAX])
{
    (void)unused, (void)name, (void)addrs;
    ck_abort_msg("nobody is asked");
}

static inline void rig_answer(uint32_t question, const struct netaddr *addrs, uint32_t count)
{
    resolver_config.answered(resolver_config.context, questions[question].tag, addrs, count);
}

/* ---- the other end ---- */

static inline struct peer *rig_peer(const struct conn *conn)
{
    return conn->owner;
}

/* It ends from the other side. */
static inline void rig_fail(struct conn *conn, int error)
{
    ck_assert(!conn->is_gone);
    conn->is_gone = true;
    conn->events->closed(conn->owner, error);
}

/* What was posted is run and what is closed goes. */
static inline void rig_settle(void)
{
    while (reactor.messages) {
        struct reactor_message *message = reactor.messages;

        reactor.messages = message->next;
        atomic_store(&message->is_posted, false);
        message->run(message);
    }
    for (uint32_t i = 0; i < conn_count; i++)
        if (conns[i]->is_closing && !conns[i]->is_gone) {
            conns[i]->is_gone = true;
            conns[i]->events->closed(conns[i]->owner, 0);
        }
}

static inline void rig_raw(struct conn *conn, const void *data, size_t size)
{
    conn->events->received(conn->owner, (struct bytes){data, size});
    rig_settle();
}

static inline void rig_tell(struct conn *conn, enum message_type type, const void *payload,
                            size_t size)
{
    size_t frame_size = transport_frame_size(conn->end, type, size);
    uint8_t *frame = xmalloc(frame_size);

    transport_frame(conn->end, type, (struct bytes){payload, size}, frame);
    rig_raw(conn, frame, frame_size);
    free(frame);
}

/* From here on it speaks v1. */
static inline void rig_speak(struct conn *conn)
{
    static const uint8_t seed[32];

    conn->end = transport_new(&end_env, TRANSPORT_V1, seed);
}

static inline void rig_forget(struct conn *conn)
{
    while (conn->said_count)
        free((void *)conn->said[--conn->said_count].payload.data);
}

static inline void rig_version_of(struct conn *conn, int32_t number, uint64_t services)
{
    uint8_t payload[VERSION_SIZE_MAX];
    struct version_message version = {
        .version = number, .services = services, .nonce = (uintptr_t)conn, .height = 1};

    rig_tell(conn, MESSAGE_VERSION, payload, version_write(payload, &version));
}

static inline void rig_version(struct conn *conn, uint64_t services, bool wants_addrv2)
{
    rig_version_of(conn, 70016, services);
    if (wants_addrv2)
        rig_tell(conn, MESSAGE_SENDADDRV2, NULL, 0);
}

/* It is called, answers, and has shaken hands. */
static inline void rig_up(struct conn *conn)
{
    rig_speak(conn);
    conn->is_lively = true;
    if (conn->is_called)
        conn->events->connected(conn->owner);
    rig_version(conn, SERVICE_NETWORK | SERVICE_WITNESS, false);
    rig_tell(conn, MESSAGE_VERACK, NULL, 0);
    ck_assert(!conn->is_gone && rig_peer(conn)->handshake.is_done);
}

static inline uint32_t rig_heard(const struct conn *conn, enum message_type type)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < conn->said_count; i++)
        count += conn->said[i].type == type;
    return count;
}

/* The last such message. */
static inline struct bytes rig_last(const struct conn *conn, enum message_type type)
{
    for (uint32_t i = conn->said_count; i > 0; i--)
        if (conn->said[i - 1].type == type)
            return conn->said[i - 1].payload;
    ck_abort_msg("no %s was said", message_type_name(type));
}

/* Pings are answered, and forgotten. */
static inline void rig_pong(struct conn *conn)
{
    for (uint32_t i = 0; i < conn->said_count && !conn->is_gone; i++)
        if (conn->said[i].type == MESSAGE_PING) {
            struct bytes nonce = conn->said[i].payload;

            conn->said_count--;
            memmove(&conn->said[i], &conn->said[i + 1],
                    (conn->said_count - i) * sizeof conn->said[0]);
            rig_tell(conn, MESSAGE_PONG, nonce.data, nonce.size);
            free((void *)nonce.data);
        }
}

/* The clocks go on by so much, a turn of the loop a second. */
static inline void rig_pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 1000 ? ms : 1000;
        uint64_t was_ms = reactor.now_ms;

        ms -= step;
        reactor.now_ms += step;
        engine.now_s += (int64_t)(reactor.now_ms / 1000 - was_ms / 1000);
        if (reactor.timer && reactor.now_ms >= reactor.timer->due_ms)
            reactor.timer->run(reactor.timer);
        rig_settle();
        for (uint32_t i = 0; i < conn_count; i++)
            if (conns[i]->is_lively)
                rig_pong(conns[i]);
    }
}

/* Somebody calls from there. NULL: refused at once. */
static inline struct conn *rig_call(struct netaddr addr)
{
    uint32_t count = conn_count;

    next_caller = addr;
    rig_accepted(rig_accepted_context, -1);
    rig_settle();
    return conn_count > count ? conns[count] : NULL;
}

static inline struct netaddr rig_addr(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct netaddr){.kind = NETADDR_IPV4, .port = 8333, .bytes = {a, b, c, d}};
}

/* count blocks on top of node, stored and verified. */
static inline struct header_node *rig_grow(struct header_node *node, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct header header = {
            .version = 4, .prev_hash = node->hash, .time = node->time + 600, .bits = node->bits};
        struct block_hash hash;

        do {
            header.nonce++;
            hash = header_hash(&header);
        } while (hash.bytes[31] >= 0x7f);
        node = header_tree_insert(engine.tree, &engine.params, node, &header, &hash);
        node->status |= HEADER_HAS_BLOCK | HEADER_VERIFIED;
    }
    return node;
}

static inline void rig_tell_header(struct conn *conn, const struct header_node *node)
{
    struct header header = header_of_node(node);
    uint8_t payload[9 + HEADER_SIZE + 1];

    rig_tell(conn, MESSAGE_HEADERS, payload, headers_write(payload, &header, 1));
}

static inline void rig_log(void *context, enum engine_log_level level, const char *line)
{
    (void)context, (void)level;
    snprintf(last_log, sizeof last_log, "%s", line);
}

static inline void rig_engine(enum network network)
{
    params_init(&engine.params, network);
    engine.tree = header_tree_new(&engine.params, (struct siphash_key){1, 2});
    engine.tip = header_tree_at(engine.tree, 0);
    engine.is_synced = false;
    engine.now_s = RIG_START_S;
    memcpy(end_env.magic, engine.params.magic, 4);
    reactor = (struct reactor){.now_ms = RIG_START_MS};
    conn_count = 0;
    rig_has_v2 = false;
}

/* config: what the test sets of it. */
static inline void rig_open(struct net_config config)
{
    static const char *const serve[] = {"127.0.0.1:1"};
    char text[256];

    config.engine = &engine;
    config.reactor = &reactor;
    config.user_agent = "/rig/";
    config.is_v1only = !rig_has_v2;
    config.serve = serve;
    config.serve_count = 1;
    config.log = rig_log;
    if (!config.incoming_max)
        config.incoming_max = 16;
    int error = net_open(&net, &config, text, sizeof text);
    ck_assert_msg(error == 0, "%s", error ? text : "");
}

static inline void rig_close(void)
{
    net_stop(net);
    rig_settle();
    for (uint32_t i = 0; i < conn_count; i++) {
        ck_assert(conns[i]->is_gone);
        rig_forget(conns[i]);
        transport_free(conns[i]->end);
        free(conns[i]);
    }
    conn_count = 0;
    net_free(net);
    header_tree_free(engine.tree);
}
#endif
