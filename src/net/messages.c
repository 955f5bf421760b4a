/* messages.c - what is said once a connection speaks: the handshake, and the small messages that
 * are neither headers nor blocks. */
#include "net/net_private.h"

#define CONNECT_MS       5000
#define PING_INTERVAL_MS 120000
#define SILENCE_MS       1200000
#define MONEY_MAX_SAT    2100000000000000ull

static void send_number(struct peer *peer, enum message_type type, uint64_t number)
{
    uint8_t payload[8];

    le64_write(payload, number);
    peer_send(peer, type, (struct bytes){payload, sizeof payload});
}

void messages_send_version(struct peer *peer)
{
    struct net *net = peer->net;
    uint8_t payload[VERSION_SIZE_MAX];
    struct version_message version = {
        .version = PROTOCOL_VERSION,
        .services = net_services(net),
        .time = engine_now(net->engine),
        .receiver = peer->addr,
        .nonce = peer->own_nonce,
        .user_agent = {(const uint8_t *)net->config.user_agent, strlen(net->config.user_agent)},
        .height = net->tip ? net->tip->height : 0,
    };

    peer->has_sent_version = true;
    peer_send(peer, MESSAGE_VERSION, (struct bytes){payload, version_write(payload, &version)});
}

static void version_in(struct peer *peer)
{
    enum message_type replies[HANDSHAKE_REPLIES_MAX];

    if (!peer->has_sent_version)
        messages_send_version(peer);
    uint32_t count = handshake_replies(&peer->handshake, replies);
    for (uint32_t i = 0; i < count; i++)
        peer_send(peer, replies[i], (struct bytes){NULL, 0});
}

static void handshake_done(struct peer *peer)
{
    struct net *net = peer->net;
    const struct handshake *h = &peer->handshake;
    struct seed *seed = seeds_find(net->seeds, &peer->addr);

    if (peer->direction != PEER_INCOMING && seed)
        seeds_connected(seed, h->services, engine_now(net->engine));
    gossip_begin(peer);
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
        gossip_addrs_in(peer, payload, type == MESSAGE_ADDRV2);
        break;
    case MESSAGE_GETADDR:
        gossip_getaddr_in(peer);
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
    case MESSAGE_GETCFILTERS:
    case MESSAGE_GETCFHEADERS:
    case MESSAGE_GETCFCHECKPT:
        peer_close(peer, "%s without block filters", message_type_name(type));
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

void messages_in(struct peer *peer, enum message_type type, struct bytes payload)
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

void messages_tick(struct peer *peer, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - peer->opened_ms; /* of the stage it is in */

    if (!peer->is_connected) {
        if (age_ms > CONNECT_MS)
            peer_close(peer, "does not answer the call");
    } else if (peer->socks) {
        if (age_ms > SOCKS_TIMEOUT_MS)
            peer_close(peer, "proxy: no connection in time");
    } else if (!peer->handshake.is_done) {
        if (age_ms > HANDSHAKE_TIMEOUT_MS)
            peer_close(peer, "no handshake in a minute");
    } else if (peer->is_held) {
        peer->ping_sent_ms = now_ms; /* by us, so it cannot answer: its time does not run */
    } else if (peer->handshake.common_version < PROTOCOL_PING_NONCE) {
        if (now_ms - peer->received_ms > SILENCE_MS)
            peer_close(peer, "silent for 20 minutes");
    } else if (peer->ping_nonce && now_ms - peer->ping_sent_ms > SILENCE_MS) {
        peer_close(peer, "no answer to ping");
    } else if (!peer->ping_nonce && now_ms >= peer->ping_due_ms) {
        do
            random_bytes(&peer->ping_nonce, sizeof peer->ping_nonce);
        while (peer->ping_nonce == 0);
        peer->ping_sent_ms = now_ms;
        peer->ping_due_ms = now_ms + PING_INTERVAL_MS;
        send_number(peer, MESSAGE_PING, peer->ping_nonce);
    }
}
