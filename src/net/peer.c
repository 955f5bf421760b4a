#include "base/arena.h"
#include "net/net_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void destroy(struct peer *peer)
{
    transport_free(peer->transport);
    free(peer->name);
    free(peer->socks);
    free(peer->gossip);
    free(peer);
}

static void drop(struct peer *peer)
{
    struct net *net = peer->net;
    struct peer **link = &net->peers;

    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    blocks_peer_gone(peer);
    headers_peer_gone(peer);
    receive_peer_gone(peer);
    serve_peer_gone(peer);
    calls_peer_gone(net, peer);
    peer->is_gone = true;
    if (peer->works == 0)
        destroy(peer);
}

void peer_work_done(struct peer *peer)
{
    if (--peer->works == 0 && peer->is_gone)
        destroy(peer);
}

void peer_print(char out[PEER_TEXT_SIZE], const struct peer *peer)
{
    if (peer->name)
        snprintf(out, PEER_TEXT_SIZE, "%s:%u", peer->name, peer->addr.port);
    else
        netaddr_print(out, &peer->addr);
}

void peer_close(struct peer *peer, const char *format, ...)
{
    va_list args;
    char addr[PEER_TEXT_SIZE];

    if (peer->is_closing)
        return;
    va_start(args, format);
    vsnprintf(peer->why, sizeof peer->why, format, args);
    va_end(args);
    peer_print(addr, peer);
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
    if (!netaddr_is_local(&peer->addr) && peer->addr.kind != NETADDR_NONE)
        banlist_discourage(peer->net->bans, &peer->addr);
    peer_close(peer, "misbehaves: %s", why);
}

static void send_bytes(struct peer *peer, struct bytes data)
{
    if (!conn_send(peer->conn, data)) {
        peer_close(peer, "does not read what it asked for");
        return;
    }
    net_count_sent(peer, data.size);
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

void peer_flush_handshake(struct peer *peer)
{
    struct bytes out = transport_handshake(peer->transport);

    if (out.size) {
        send_bytes(peer, out);
        transport_pop_handshake(peer->transport);
    }
    if (!peer->has_sent_version && peer->direction != PEER_INCOMING &&
        transport_can_send(peer->transport))
        messages_send_version(peer);
}

static void on_connected(void *owner)
{
    struct peer *peer = owner;

    peer->is_connected = true;
    peer->opened_ms = peer->received_ms = net_now_ms(peer->net);
    if (peer->socks)
        send_bytes(peer, peer->socks->out);
    else
        peer_flush_handshake(peer);
}

/* What the proxy says; false when nothing is left for the peer. */
static bool proxy_in(struct peer *peer, struct bytes *data)
{
    switch (socks_receive(peer->socks, data)) {
    case SOCKS_MORE:
        return false;
    case SOCKS_SEND:
        send_bytes(peer, peer->socks->out);
        return !peer->is_closing && proxy_in(peer, data);
    case SOCKS_FAILED:
        peer_close(peer, "%s", peer->socks->why);
        return false;
    case SOCKS_DONE:
        break;
    }
    free(peer->socks);
    peer->socks = NULL;
    peer->opened_ms = net_now_ms(peer->net);
    peer_flush_handshake(peer);
    return data->size > 0;
}

static void count_received(struct peer *peer, size_t size)
{
    peer->received_ms = net_now_ms(peer->net);
    peer->received_bytes += size;
    peer->net->received_bytes += size;
}

static bool wants_retry_v1(const struct peer *peer)
{
    return peer->is_connected && !peer->socks &&
           transport_wants_v1(peer->transport, peer->sent_bytes);
}

static void on_received(void *owner, struct bytes data)
{
    struct peer *peer = owner;

    if (peer->is_closing)
        return;
    if (data.size == 0) {
        peer->wants_retry_v1 = wants_retry_v1(peer);
        peer_close(peer, peer->socks ? "closed by the proxy" : "closed by the other side");
        return;
    }
    count_received(peer, data.size);
    if (!peer->socks || proxy_in(peer, &data))
        receive_bytes(peer, data);
}

static void on_filled(void *owner)
{
    struct peer *peer = owner;

    count_received(peer, receive_filled(peer));
}

static void on_drained(void *owner)
{
    serve_continue(owner);
}

static void on_closed(void *owner, int error)
{
    struct peer *peer = owner;

    if (error) {
        peer->wants_retry_v1 = wants_retry_v1(peer);
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

/* The kernel's buffers are capped in the direction in which little goes: who calls us asks, whom we
 * call answers. In the other they grow with the line's delay, as far as the system lets them. */
#define SMALL_BUFFER (256 << 10)

static const struct conn_limits LIMITS_IN = {.output_max = PEER_OUTPUT_MAX,
                                             .receive_buffer = SMALL_BUFFER,
                                             .notsent_lowat = 256 << 10},
                                LIMITS_OUT = {.output_max = PEER_OUTPUT_MAX,
                                              .send_buffer = SMALL_BUFFER,
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
        destroy(peer);
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

    peer->conn = conn_adopt(net->reactor, fd, &LIMITS_IN, &EVENTS, peer);
    if (peer->conn && conn_peer_address(peer->conn, (struct sockaddr *)&storage, &size) == 0)
        peer->addr = addr_of_sockaddr(&storage);
    peer->is_connected = true;
    return link_peer(peer);
}

struct peer *peer_call(struct net *net, const struct netaddr *addr, const char *name,
                       enum peer_direction direction, bool is_v1)
{
    struct peer *peer = peer_new(net, direction, is_v1);
    struct sockaddr_storage storage;
    socklen_t size = peer_sockaddr(net->has_proxy ? &net->proxy : addr, &storage);

    peer->addr = *addr;
    if (addr->kind == NETADDR_NONE) {
        size_t name_size = strlen(name) + 1;

        assert(net->has_proxy);
        peer->name = xmalloc(name_size);
        memcpy(peer->name, name, name_size);
    }
    if (net->has_proxy) {
        peer->socks = xmalloc(sizeof *peer->socks);
        socks_init(peer->socks, addr, name);
    }
    peer->conn =
        conn_connect(net->reactor, (struct sockaddr *)&storage, size, &LIMITS_OUT, &EVENTS, peer);
    return link_peer(peer);
}

void peer_tick(struct peer *peer, uint64_t now_ms)
{
    if (peer->is_closing)
        return;
    messages_tick(peer, now_ms);
    if (!peer_is_up(peer))
        return;
    headers_tick(peer, now_ms);
    gossip_tick(peer, now_ms);
}
