/* gossip.c - addresses told and heard: the answer to getaddr, what comes in (at the rate of a token
 * bucket), the relay of fresh ones, our own. */
#include "base/arena.h"
#include "codec/compact.h"
#include "codec/message_addr.h"
#include "net/net_private.h"

#include <stdlib.h>

#define TOKENS_A_MS       (0.1 / 1000)
#define RELAY_ENTRIES_MAX 10  /* of the message it came in: more are somebody's table */
#define FRESH_S           600 /* seen so lately: relayed */
#define RELAY_PEERS       2
#define DAY_S             86400
#define DAY_MS            (1000 * DAY_S)
#define FLUSH_MS          30000 /* on average, between two messages of relayed addresses */
#define CACHE_MS          (21 * 3600000)
#define CACHE_JITTER_MS   (6 * 3600000)
#define FETCH_MS          300000 /* for a seed to tell addresses */

static bool can_be_told(const struct peer *peer, const struct netaddr *addr)
{
    return peer->handshake.wants_addrv2 || addr->kind <= NETADDR_IPV6;
}

static void send_entries(struct peer *peer, const struct addr_entry *entries, uint32_t count)
{
    bool is_v2 = peer->handshake.wants_addrv2;
    uint8_t *payload = xmalloc(9 + (size_t)count * ADDR_ENTRY_SIZE_MAX), *at = payload;
    uint32_t told = 0;

    for (uint32_t i = 0; i < count; i++)
        told += can_be_told(peer, &entries[i].addr);
    at += compact_write(at, told);
    for (uint32_t i = 0; i < count; i++)
        if (can_be_told(peer, &entries[i].addr))
            at += addr_entry_write(at, &entries[i], is_v2);
    if (told)
        peer_send(peer, is_v2 ? MESSAGE_ADDRV2 : MESSAGE_ADDR,
                  (struct bytes){payload, (size_t)(at - payload)});
    free(payload);
}

static uint64_t tag_of(const struct net *net, const struct netaddr *addr)
{
    return siphash24(net->gossip_key, addr, sizeof *addr);
}

/* From here on it is told addresses, too. */
static struct gossip *begin(struct peer *peer)
{
    if (!peer->gossip)
        peer->gossip = xcalloc(1, sizeof *peer->gossip);
    return peer->gossip;
}

static bool knows(const struct gossip *gossip, uint64_t tag)
{
    for (uint32_t i = 0; i < GOSSIP_KNOWN_MAX; i++)
        if (gossip->known[i] == tag)
            return true;
    return false;
}

static void learn(struct gossip *gossip, uint64_t tag)
{
    if (!knows(gossip, tag))
        gossip->known[gossip->known_count++ % GOSSIP_KNOWN_MAX] = tag;
}

/* ---- relay ---- */

static void queue(struct peer *peer, const struct addr_entry *entry)
{
    struct gossip *gossip = peer->gossip;
    uint64_t tag = tag_of(peer->net, &entry->addr);

    if (knows(gossip, tag))
        return;
    learn(gossip, tag);
    if (gossip->queued_count < GOSSIP_QUEUE_MAX)
        gossip->queued[gossip->queued_count++] = *entry;
    else
        gossip->queued[prng_below(&peer->net->prng, GOSSIP_QUEUE_MAX)] = *entry;
}

/* The same peers for a day, however often somebody says it. */
static void relay(struct net *net, const struct peer *from, const struct addr_entry *entry)
{
    uint64_t tag = tag_of(net, &entry->addr);
    uint64_t words[3] = {tag, ((uint64_t)engine_now(net->engine) + tag % DAY_S) / DAY_S, 0};
    bool is_reachable = calls_can_reach(net, &entry->addr);
    uint32_t wanted = is_reachable || siphash24(net->gossip_key, words, sizeof words) & 1 ? 2 : 1;
    struct peer *best[RELAY_PEERS] = {NULL};
    uint64_t best_score[RELAY_PEERS] = {0};

    for (struct peer *peer = net->peers; peer; peer = peer->next) {
        if (peer == from || !peer->gossip || !peer_is_up(peer) || !can_be_told(peer, &entry->addr))
            continue;
        words[2] = peer->id; /* from 1: so no peer's score is the one above */
        uint64_t score = siphash24(net->gossip_key, words, sizeof words);
        if (score > best_score[0]) {
            best[1] = best[0];
            best_score[1] = best_score[0];
            best[0] = peer;
            best_score[0] = score;
        } else if (score > best_score[1]) {
            best[1] = peer;
            best_score[1] = score;
        }
    }
    for (uint32_t i = 0; i < wanted && best[i]; i++)
        queue(best[i], entry);
}

/* ---- heard ---- */

static void hear(struct peer *peer, struct addr_entry *entry, bool may_be_relayed)
{
    struct net *net = peer->net;
    int64_t now_s = engine_now(net->engine);

    if (!(entry->services & (SERVICE_NETWORK | SERVICE_NETWORK_LIMITED)))
        return;
    learn(peer->gossip, tag_of(net, &entry->addr));
    if (banlist_is_banned(net->bans, &entry->addr, now_s) ||
        banlist_is_discouraged(net->bans, &entry->addr))
        return;
    seeds_add(net->seeds, entry, now_s, false);
    if (may_be_relayed && entry->time > now_s - FRESH_S && entry->time <= now_s + FRESH_S &&
        netaddr_is_routable(&entry->addr))
        relay(net, peer, entry);
}

void gossip_addrs_in(struct peer *peer, struct bytes payload, bool is_v2)
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
    begin(peer);
    if (peer->addr_tokens < ADDR_COUNT_MAX) {
        peer->addr_tokens += (double)(now_ms - peer->addr_tokens_ms) * TOKENS_A_MS;
        if (peer->addr_tokens > ADDR_COUNT_MAX)
            peer->addr_tokens = ADDR_COUNT_MAX;
    }
    peer->addr_tokens_ms = now_ms;
    while (peer->addr_tokens >= 1 && addr_list_next(&list, &entry)) {
        peer->addr_tokens--;
        hear(peer, &entry, !peer->has_asked_addrs && list.count <= RELAY_ENTRIES_MAX);
    }
    if (list.count < ADDR_COUNT_MAX)
        peer->has_asked_addrs = false;                   /* this was the answer, or the end of it */
    if (peer->direction == PEER_FETCH && list.count > 1) /* not only its own address */
        peer_close(peer, "has told us addresses");
}

void gossip_begin(struct peer *peer)
{
    if (peer->direction == PEER_INCOMING)
        return;
    begin(peer);
    peer->has_asked_addrs = true;
    peer->addr_tokens += ADDR_COUNT_MAX;
    peer_send(peer, MESSAGE_GETADDR, (struct bytes){NULL, 0});
}

/* ---- told ---- */

/* One answer for all for a day: who asks by many connections learns no more of our table, nor what
 * changed in it when. */
static void cache_refresh(struct net *net, uint64_t now_ms)
{
    struct gossip_cache *cache = &net->gossip_cache;

    if (cache->count && now_ms < cache->until_ms)
        return;
    cache->count =
        seeds_sample(net->seeds, cache->entries, ADDR_COUNT_MAX, engine_now(net->engine));
    cache->until_ms = now_ms + CACHE_MS + prng_below(&net->prng, CACHE_JITTER_MS);
}

void gossip_getaddr_in(struct peer *peer)
{
    struct net *net = peer->net;

    if (peer->direction != PEER_INCOMING || peer->has_told_addrs)
        return;
    peer->has_told_addrs = true;
    begin(peer);
    cache_refresh(net, net_now_ms(net));
    send_entries(peer, net->gossip_cache.entries, net->gossip_cache.count);
}

static void tell_own(struct peer *peer)
{
    struct net *net = peer->net;
    struct addr_entry entries[NET_EXTERNAL_MAX];

    for (uint32_t i = 0; i < net->external_count; i++) {
        entries[i] = (struct addr_entry){(uint32_t)engine_now(net->engine), net_services(net),
                                         net->external[i]};
        learn(peer->gossip, tag_of(net, &net->external[i]));
    }
    send_entries(peer, entries, net->external_count);
}

void gossip_tick(struct peer *peer, uint64_t now_ms)
{
    struct gossip *gossip = peer->gossip;

    if (peer->direction == PEER_FETCH && now_ms - peer->opened_ms > FETCH_MS) {
        peer_close(peer, "tells no addresses");
        return;
    }
    if (!gossip)
        return;
    if (peer->net->is_synced && peer->net->external_count && now_ms >= gossip->own_due_ms) {
        gossip->own_due_ms = now_ms + DAY_MS;
        tell_own(peer);
    }
    if (now_ms >= gossip->flush_due_ms) {
        gossip->flush_due_ms = now_ms + 1 + prng_below(&peer->net->prng, (uint64_t)2 * FLUSH_MS);
        send_entries(peer, gossip->queued, gossip->queued_count);
        gossip->queued_count = 0;
    }
}
