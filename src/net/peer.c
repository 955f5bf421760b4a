#include "base/arena.h"
#include "codec/message_addr.h"
#include "net/net_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PING_INTERVAL_MS 120000
#define SILENCE_MS       1200000
#define ADDR_TOKENS_A_MS (0.1 / 1000)
#define MONEY_MAX_SAT    2100000000000000ull

static void drop(struct peer *peer)
{
    struct net *net = peer->net;
    struct peer **link = &net->peers;

    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    blocks_peer_gone(peer);
    headers_peer_gone(peer);
    net_peer_gone(net, peer);
    if (peer->job)
        pipeline_release(peer->job);
    transport_free(peer->transport);
    free(peer->held);
    free(peer->small_block);
    free(peer->wanted);
    free(peer);
}

void peer_close(struct peer *peer, const char *format, ...)
{
    va_list args;
    char addr[NETADDR_TEXT_SIZE];

    if (peer->is_closing)
        return;
    va_start(args, format);
    vsnprintf(peer->why, sizeof peer->why, format, args);
    va_end(args);
    netaddr_print(addr, &peer->addr);
    net_log(peer->net, ENGINE_LOG_DEBUG, "peer %llu (%s): closing: %s",
            (unsigned long long)peer->id, addr, peer->why);
    peer->is_closing = true;
    conn_close(peer->conn);
}

void peer_punish(struct peer *peer, const char *why)
{
    if (peer->direction == PEER_MANUAL) {
        net_log(peer->net, ENGINE_LOG_WARNING, "peer %llu misbehaves: %s",
                (unsigned long long)peer->id, why);
        return;
    }
    if (!netaddr_is_local(&peer->addr))
        banlist_discourage(peer->net->bans, &peer->addr);
    peer_close(peer, "misbehaves: %s", why);
}

static void send_bytes(struct peer *peer, struct bytes data)
{
    if (!conn_send(peer->conn, data)) {
        peer_close(peer, "does not read what it asked for");
        return;
    }
    peer->sent_bytes += data.size;
    peer->net->sent_bytes += data.size;
    peer->sent_ms = net_now_ms(peer->net);
}

void peer_log_packet(struct peer *peer, const char *arrow, enum message_type type,
                     struct bytes payload)
{
    if (peer->net->config.is_packet)
        net_log(peer->net, ENGINE_LOG_INFO, "peer %llu %s %s %zu", (unsigned long long)peer->id,
                arrow, message_type_name(type), payload.size);
    log_event(peer->net->config.packets, LOG_FACILITY_PACKET, LOG_LEVEL_DEBUG, "packet",
              LOG_INTEGER("peer", peer->id),
              LOG_TEXT("direction", arrow[0] == '<' ? "send" : "recv"),
              LOG_TEXT("command", message_type_name(type)), LOG_INTEGER("size", payload.size),
              LOG_BYTES("payload", payload.data, payload.size));
}

void peer_send(struct peer *peer, enum message_type type, struct bytes payload)
{
    if (peer->is_closing || !transport_can_send(peer->transport))
        return;
    size_t size = transport_frame_size(peer->transport, type, payload.size);
    uint8_t *frame = xmalloc(size);

    peer_log_packet(peer, "<-", type, payload);
    transport_frame(peer->transport, type, payload, frame);
    send_bytes(peer, (struct bytes){frame, size});
    free(frame);
}

static void send_number(struct peer *peer, enum message_type type, uint64_t number)
{
    uint8_t payload[8];

    le64_write(payload, number);
    peer_send(peer, type, (struct bytes){payload, sizeof payload});
}

static uint64_t our_services(const struct net *net)
{
    return SERVICE_NETWORK | SERVICE_WITNESS | SERVICE_NETWORK_LIMITED |
           (net->env.aead && !net->config.is_v1only ? SERVICE_P2P_V2 : 0);
}

static void send_version(struct peer *peer)
{
    struct net *net = peer->net;
    uint8_t payload[VERSION_SIZE_MAX];
    struct version_message version = {
        .version = PROTOCOL_VERSION,
        .services = our_services(net),
        .time = engine_now(net->engine),
        .receiver = peer->addr,
        .nonce = peer->own_nonce,
        .user_agent = {(const uint8_t *)net->config.user_agent, strlen(net->config.user_agent)},
        .height = net->tip ? net->tip->height : 0,
    };

    peer->has_sent_version = true;
    peer_send(peer, MESSAGE_VERSION, (struct bytes){payload, version_write(payload, &version)});
}

/* What the transport has to say by itself, and our version as soon as it can be said. */
static void flush_handshake(struct peer *peer)
{
    struct bytes out = transport_handshake(peer->transport);

    if (out.size) {
        send_bytes(peer, out);
        transport_pop_handshake(peer->transport);
    }
    if (!peer->has_sent_version && peer->direction != PEER_INCOMING &&
        transport_can_send(peer->transport))
        send_version(peer);
}

static void version_in(struct peer *peer)
{
    enum message_type replies[HANDSHAKE_REPLIES_MAX];

    if (!peer->has_sent_version)
        send_version(peer);
    uint32_t count = handshake_replies(&peer->handshake, replies);
    for (uint32_t i = 0; i < count; i++)
        peer_send(peer, replies[i], (struct bytes){NULL, 0});
}

static void handshake_done(struct peer *peer)
{
    struct net *net = peer->net;
    const struct handshake *h = &peer->handshake;
    struct seed *seed = seeds_find(net->seeds, &peer->addr);

    if (peer->direction != PEER_INCOMING) {
        if (seed)
            seeds_connected(seed, h->services, engine_now(net->engine));
        peer->has_asked_addrs = true;
        peer->addr_tokens += ADDR_COUNT_MAX;
        peer_send(peer, MESSAGE_GETADDR, (struct bytes){NULL, 0});
    }
    if (peer->manual)
        peer->manual->attempts = 0;
    if (h->common_version >= PROTOCOL_SENDHEADERS)
        peer_send(peer, MESSAGE_SENDHEADERS, (struct bytes){NULL, 0});
    if (h->common_version >= PROTOCOL_FEEFILTER) /* no transactions, please */
        send_number(peer, MESSAGE_FEEFILTER, MONEY_MAX_SAT);
    peer->ping_due_ms = net_now_ms(net);
    net_log(net, ENGINE_LOG_DEBUG, "peer %llu: %s %s version %d height %d",
            (unsigned long long)peer->id, transport_name(peer->transport), h->user_agent,
            h->version, h->height);
    blocks_peer_changed(peer);
    headers_tick(peer, net_now_ms(net));
}

static void pong_in(struct peer *peer, struct bytes payload)
{
    uint64_t nonce;

    if (!number_parse(&nonce, payload) || peer->ping_nonce == 0 || nonce != peer->ping_nonce)
        return;
    peer->ping_last_ms = net_now_ms(peer->net) - peer->ping_sent_ms;
    peer->ping_nonce = 0;
}

static void ping_in(struct peer *peer, struct bytes payload)
{
    uint64_t nonce;

    if (peer->handshake.common_version >= PROTOCOL_PING_NONCE && number_parse(&nonce, payload))
        send_number(peer, MESSAGE_PONG, nonce);
}

static void addrs_in(struct peer *peer, struct bytes payload, bool is_v2)
{
    struct net *net = peer->net;
    struct addr_list list;
    struct addr_entry entry;
    uint64_t now_ms = net_now_ms(net);
    enum parse_result result = addr_list_open(&list, payload, is_v2);

    if (result == PARSE_EXCEEDED)
        peer_punish(peer, "too many addresses");
    if (result != PARSE_OK)
        return;
    if (peer->addr_tokens < ADDR_COUNT_MAX)
        peer->addr_tokens += (double)(now_ms - peer->addr_tokens_ms) * ADDR_TOKENS_A_MS;
    peer->addr_tokens_ms = now_ms;
    while (peer->addr_tokens >= 1 && addr_list_next(&list, &entry)) {
        peer->addr_tokens--;
        seeds_add(net->seeds, &entry, engine_now(net->engine), false);
    }
}

static void getaddr_in(struct peer *peer)
{
    struct addr_entry *entries;
    bool is_v2 = peer->handshake.wants_addrv2;

    if (peer->direction != PEER_INCOMING || peer->has_told_addrs)
        return;
    peer->has_told_addrs = true;
    entries = xmalloc(ADDR_COUNT_MAX * sizeof *entries);
    uint32_t count =
        seeds_sample(peer->net->seeds, entries, ADDR_COUNT_MAX, engine_now(peer->net->engine));
    uint8_t *payload = xmalloc(3 + (size_t)count * ADDR_ENTRY_SIZE_MAX), *at = payload + 3;
    uint16_t told = 0;
    for (uint32_t i = 0; i < count; i++)
        if (is_v2 || entries[i].addr.kind <= NETADDR_IPV6) {
            at += addr_entry_write(at, &entries[i], is_v2);
            told++;
        }
    size_t head =
        told < 0xfd ? 1 : 3; /* the compact size of the number, right before the entries */
    if (head == 1) {
        payload[2] = (uint8_t)told;
    } else {
        payload[0] = 0xfd;
        le16_write(payload + 1, told);
    }
    if (told)
        peer_send(peer, is_v2 ? MESSAGE_ADDRV2 : MESSAGE_ADDR,
                  (struct bytes){payload + 3 - head, (size_t)(at - payload) - 3 + head});
    free(payload);
    free(entries);
}

static void inv_in(struct peer *peer, struct bytes payload)
{
    struct inv_list list;
    struct block_hash hash;
    bool has_block = false;
    enum parse_result result = inv_list_parse(&list, payload);

    if (result == PARSE_EXCEEDED)
        peer_punish(peer, "too many inv entries");
    if (result != PARSE_OK)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        struct inv inv = inv_at(&list, i);

        if (inv.type == INV_TX || inv.type == INV_WTX) {
            peer_close(peer, "announces transactions that we did not want");
            return;
        }
        if (inv.type == INV_BLOCK) {
            memcpy(&hash, inv.hash, sizeof hash);
            has_block = true;
        }
    }
    if (has_block) /* the last one: headers bring the rest */
        headers_inv(peer, &hash);
}

static void notfound_in(struct peer *peer, struct bytes payload)
{
    struct inv_list list;
    struct block_hash hash;

    if (!peer->is_downloading || inv_list_parse(&list, payload) != PARSE_OK)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        struct inv inv = inv_at(&list, i);

        memcpy(&hash, inv.hash, sizeof hash);
        download_refused(peer->net->download, &peer->download, &hash);
    }
    blocks_ask(peer->net);
}

/* Blocks go another way, into a job. */
static void message_in(struct peer *peer, enum message_type type, struct bytes payload)
{
    switch ((int)type) {
    case MESSAGE_PING:
        ping_in(peer, payload);
        break;
    case MESSAGE_PONG:
        pong_in(peer, payload);
        break;
    case MESSAGE_ADDR:
    case MESSAGE_ADDRV2:
        addrs_in(peer, payload, type == MESSAGE_ADDRV2);
        break;
    case MESSAGE_GETADDR:
        getaddr_in(peer);
        break;
    case MESSAGE_INV:
        inv_in(peer, payload);
        break;
    case MESSAGE_NOTFOUND:
        notfound_in(peer, payload);
        break;
    case MESSAGE_HEADERS:
        headers_message(peer, payload);
        break;
    case MESSAGE_GETHEADERS:
        serve_getheaders(peer, payload);
        break;
    case MESSAGE_GETBLOCKS:
        serve_getblocks(peer, payload);
        break;
    case MESSAGE_GETDATA:
        serve_getdata(peer, payload);
        break;
    case MESSAGE_TX:
        peer_close(peer, "sends transactions that we did not want");
        break;
    case MESSAGE_MEMPOOL:
    case MESSAGE_FILTERADD:
    case MESSAGE_FILTERCLEAR:
    case MESSAGE_FILTERLOAD:
        peer_close(peer, "%s without bloom filters", message_type_name(type));
        break;
    default:
        break;
    }
}

/* The nonces of those we called and who have not said verack: one of them coming in is our own. */
static void nonces_collect(struct net *net, struct handshake *handshake)
{
    uint32_t count = 0;

    for (const struct peer *peer = net->peers; peer && count < NONCES_MAX; peer = peer->next)
        if (peer->direction != PEER_INCOMING && !peer->handshake.is_done)
            net->nonces[count++] = peer->own_nonce;
    handshake->own_nonces = net->nonces;
    handshake->own_nonce_count = count;
}

static void dispatch(struct peer *peer, enum message_type type, struct bytes payload)
{
    peer_log_packet(peer, "->", type, payload);
    if (type == MESSAGE_VERSION)
        nonces_collect(peer->net, &peer->handshake);
    switch (handshake_receive(&peer->handshake, type, payload)) {
    case HANDSHAKE_IGNORED:
        break;
    case HANDSHAKE_VERSION:
        version_in(peer);
        break;
    case HANDSHAKE_DONE:
        handshake_done(peer);
        break;
    case HANDSHAKE_OTHER:
        message_in(peer, type, payload);
        break;
    case HANDSHAKE_CLOSE:
        peer_close(peer, "%s", peer->handshake.why);
        break;
    case HANDSHAKE_MISBEHAVES:
        peer_punish(peer, peer->handshake.why);
        break;
    }
}

/* The rest of what came waits; no more is read. */
static void hold(struct peer *peer, struct bytes rest)
{
    if (!peer->is_held)
        conn_pause(peer->conn);
    peer->is_held = true;
    if (rest.size == 0)
        return;
    peer->held = xrealloc(peer->held, peer->held_size + rest.size);
    memcpy(peer->held + peer->held_size, rest.data, rest.size);
    peer->held_size += rest.size;
}

/* A small block that came whole; false when it has to wait for its job. */
static bool small_block_in(struct peer *peer, struct bytes payload)
{
    struct block_job *job = blocks_reserve(peer, payload.size);

    if (!job)
        return false;
    memcpy(job->buffer, payload.data, payload.size);
    blocks_received(peer, job);
    return true;
}

/* False when the peer is to be held up. */
static bool block_in(struct peer *peer, struct bytes payload)
{
    peer_log_packet(peer, "->", MESSAGE_BLOCK, payload);
    if (payload.size < HEADER_SIZE || small_block_in(peer, payload))
        return true;
    peer->wanted_size = payload.size;
    peer->small_block = xmalloc(payload.size);
    memcpy(peer->small_block, payload.data, payload.size);
    return false;
}

static bool large_begins(struct peer *peer, size_t size)
{
    peer->job = blocks_reserve(peer, size);
    if (peer->job) {
        transport_place(peer->transport, peer->job->buffer);
        return true;
    }
    peer->wanted_size = size;
    return false;
}

static void large_done(struct peer *peer, const struct transport_message *message)
{
    struct transport_check check;
    struct block_job *job = peer->job;

    peer->job = NULL;
    transport_check(peer->transport, &check);
    enum transport_verdict verdict = transport_check_run(&check, peer->net->env.aead);
    if (verdict == TRANSPORT_CLOSE)
        peer_close(peer, "packet not authentic");
    if (job && verdict == TRANSPORT_GOOD)
        peer_log_packet(peer, "->", MESSAGE_BLOCK,
                        (struct bytes){job->buffer, message->payload.size});
    if (job && verdict == TRANSPORT_GOOD)
        blocks_received(peer, job);
    else if (job)
        pipeline_release(job);
    else if (verdict == TRANSPORT_GOOD)
        dispatch(peer, message->type, message->payload);
}

/* False when the rest has to wait. */
static bool handle(struct peer *peer, enum transport_event event,
                   const struct transport_message *message)
{
    bool is_block = message->type == MESSAGE_BLOCK && peer->handshake.is_done;

    if (event == TRANSPORT_LARGE)
        return !is_block || large_begins(peer, message->payload.size);
    if (event == TRANSPORT_LARGE_DONE)
        large_done(peer, message);
    else if (is_block)
        return block_in(peer, message->payload);
    else
        dispatch(peer, message->type, message->payload);
    return true;
}

static void process(struct peer *peer, struct bytes data)
{
    struct transport_message message;
    size_t room;

    while (!peer->is_closing) {
        enum transport_event event = transport_receive(peer->transport, &data, &message);

        if (event == TRANSPORT_MORE)
            break;
        if (event == TRANSPORT_BROKEN) {
            peer_close(peer, "%s", transport_error(peer->transport));
        } else if (!handle(peer, event, &message)) {
            hold(peer, data);
            return;
        }
    }
    if (peer->is_closing)
        return;
    flush_handshake(peer);
    transport_trim(peer->transport);
    uint8_t *at = transport_room(peer->transport, &room);
    if (room && !peer->is_closing)
        conn_receive_into(peer->conn, at, room);
}

void peer_resume(struct peer *peer)
{
    if (!peer->is_held || peer->is_closing)
        return;
    if (peer->small_block) {
        if (!small_block_in(peer, (struct bytes){peer->small_block, peer->wanted_size}))
            return;
        free(peer->small_block);
        peer->small_block = NULL;
    } else if (!large_begins(peer, peer->wanted_size)) {
        return;
    }
    uint8_t *held = peer->held;
    struct bytes data = {held, peer->held_size};

    peer->wanted_size = 0;
    peer->held = NULL;
    peer->held_size = 0;
    peer->is_held = false;
    process(peer, data);
    free(held);
    if (!peer->is_held && !peer->is_closing)
        conn_resume(peer->conn);
}

static void on_connected(void *owner)
{
    struct peer *peer = owner;

    peer->is_connected = true;
    peer->opened_ms = peer->received_ms = net_now_ms(peer->net);
    flush_handshake(peer);
}

static void on_received(void *owner, struct bytes data)
{
    struct peer *peer = owner;

    if (peer->is_closing)
        return;
    if (data.size == 0) {
        peer->wants_retry_v1 = transport_wants_v1(peer->transport, peer->sent_bytes);
        peer_close(peer, "closed by the other side");
        return;
    }
    peer->received_ms = net_now_ms(peer->net);
    peer->received_bytes += data.size;
    peer->net->received_bytes += data.size;
    if (peer->is_held)
        hold(peer, data);
    else
        process(peer, data);
}

static void on_filled(void *owner)
{
    struct peer *peer = owner;
    size_t room;

    transport_room(peer->transport, &room);
    peer->received_ms = net_now_ms(peer->net);
    peer->received_bytes += room;
    peer->net->received_bytes += room;
    transport_filled(peer->transport, room);
    process(peer, (struct bytes){NULL, 0});
}

static void on_drained(void *owner)
{
    serve_continue(owner);
}

static void on_closed(void *owner, int error)
{
    struct peer *peer = owner;

    if (error) {
        peer->wants_retry_v1 =
            peer->is_connected && transport_wants_v1(peer->transport, peer->sent_bytes);
        if (!peer->is_closing)
            snprintf(peer->why, sizeof peer->why, "%s", strerror(-error));
    }
    peer->is_closing = true;
    drop(peer);
}

static const struct conn_events EVENTS = {
    .connected = on_connected,
    .received = on_received,
    .filled = on_filled,
    .drained = on_drained,
    .closed = on_closed,
};

static const struct conn_limits LIMITS = {.output_max = PEER_OUTPUT_MAX,
                                          .notsent_lowat = 256 << 10};

static struct peer *peer_new(struct net *net, enum peer_direction direction, bool is_v1)
{
    struct peer *peer = xcalloc(1, sizeof *peer);
    enum transport_kind kind = direction == PEER_INCOMING ? TRANSPORT_DETECT : TRANSPORT_V2;
    uint8_t seed[32];

    random_bytes(seed, sizeof seed);
    random_bytes(&peer->own_nonce, sizeof peer->own_nonce);
    peer->net = net;
    peer->id = net->next_id++;
    peer->direction = direction;
    peer->transport =
        transport_new(&net->env, is_v1 || net->config.is_v1only ? TRANSPORT_V1 : kind, seed);
    cipher_wipe(seed, sizeof seed);
    handshake_init(&peer->handshake, direction, net->is_synced);
    peer->opened_ms = peer->received_ms = peer->addr_tokens_ms = net_now_ms(net);
    peer->addr_tokens = 1;
    peer->download.has_height = -1;
    return peer;
}

static struct peer *link_peer(struct peer *peer)
{
    if (!peer->conn) {
        transport_free(peer->transport);
        free(peer);
        return NULL;
    }
    peer->next = peer->net->peers;
    peer->net->peers = peer;
    return peer;
}

static struct netaddr addr_of_sockaddr(const struct sockaddr_storage *storage)
{
    struct netaddr addr = {0};
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;

    if (storage->ss_family == AF_INET) {
        addr.kind = NETADDR_IPV4;
        addr.port = ntohs(v4->sin_port);
        memcpy(addr.bytes, &v4->sin_addr, 4);
    } else if (storage->ss_family == AF_INET6) {
        addr.kind = NETADDR_IPV6;
        addr.port = ntohs(v6->sin6_port);
        memcpy(addr.bytes, &v6->sin6_addr, 16);
    }
    return addr;
}

socklen_t peer_sockaddr(const struct netaddr *addr, struct sockaddr_storage *storage)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;

    memset(storage, 0, sizeof *storage);
    if (addr->kind == NETADDR_IPV4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(addr->port);
        memcpy(&v4->sin_addr, addr->bytes, 4);
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(addr->port);
    memcpy(&v6->sin6_addr, addr->bytes, 16);
    return sizeof *v6;
}

struct peer *peer_adopt(struct net *net, int fd)
{
    struct peer *peer = peer_new(net, PEER_INCOMING, false);
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;

    peer->conn = conn_adopt(net->reactor, fd, &LIMITS, &EVENTS, peer);
    if (peer->conn && conn_peer_address(peer->conn, (struct sockaddr *)&storage, &size) == 0)
        peer->addr = addr_of_sockaddr(&storage);
    peer->is_connected = true;
    return link_peer(peer);
}

struct peer *peer_call(struct net *net, const struct netaddr *addr, enum peer_direction direction,
                       bool is_v1)
{
    struct peer *peer = peer_new(net, direction, is_v1);
    struct sockaddr_storage storage;
    socklen_t size = peer_sockaddr(addr, &storage);

    peer->addr = *addr;
    peer->conn =
        conn_connect(net->reactor, (struct sockaddr *)&storage, size, &LIMITS, &EVENTS, peer);
    return link_peer(peer);
}

void peer_tick(struct peer *peer, uint64_t now_ms)
{
    if (peer->is_closing)
        return;
    if (!peer->handshake.is_done) {
        if (now_ms - peer->opened_ms > HANDSHAKE_TIMEOUT_MS)
            peer_close(peer, "no handshake in a minute");
        return;
    }
    if (peer->ping_nonce && now_ms - peer->ping_sent_ms > SILENCE_MS) {
        peer_close(peer, "no answer to ping");
    } else if (!peer->ping_nonce && now_ms >= peer->ping_due_ms &&
               peer->handshake.common_version >= PROTOCOL_PING_NONCE) {
        do
            random_bytes(&peer->ping_nonce, sizeof peer->ping_nonce);
        while (peer->ping_nonce == 0);
        peer->ping_sent_ms = now_ms;
        peer->ping_due_ms = now_ms + PING_INTERVAL_MS;
        send_number(peer, MESSAGE_PING, peer->ping_nonce);
    }
    headers_tick(peer, now_ms);
}
