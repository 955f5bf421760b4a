/* calls.c - whom we call: the peers that the operator names, others of the table, and the DNS seeds
 * when the table is of no help. With a proxy nothing is looked up here: names go to the proxy. */
#include "net/net_private.h"

#include <stdio.h>

#define SEED_PREFIX       "x9." /* of nodes with all blocks and witnesses only */
#define SEEDS_AT_ONCE     3
#define SEEDS_WAIT_MS     11000  /* between such, and for what the table has */
#define SEEDS_LATER_MS    300000 /* if it has many */
#define SEEDS_AGAIN_MS    3600000
#define SEEDS_MANY        1000
#define PEERS_ENOUGH      2
#define LEARNT_AGE_S      (3 * 86400) /* of what DNS says, and up to four days more */
#define LEARNT_AGE_MORE_S (4 * 86400)
#define SEED_TAG          ((uint64_t)1 << 63) /* of a question to the resolver */

bool calls_can_reach(const struct net *net, const struct netaddr *addr)
{
    return addr->port != 0 && (addr->kind == NETADDR_IPV4 || addr->kind == NETADDR_IPV6 ||
                               (addr->kind == NETADDR_ONION && net->has_proxy));
}

/* ---- the operator's ---- */

static void call_later(struct net *net, struct manual *manual)
{
    manual->due_ms = net_now_ms(net) + backoff_ms(manual->attempts, &net->prng);
}

static bool is_called(const struct net *net, const struct netaddr *addr)
{
    for (const struct peer *peer = net->peers; peer; peer = peer->next)
        if (peer->direction != PEER_INCOMING && netaddr_equal(&peer->addr, addr))
            return true;
    return false;
}

static void connect_manual(struct net *net, struct manual *manual)
{
    if (manual->addr.kind != NETADDR_NONE && is_called(net, &manual->addr))
        return;
    manual->peer = peer_call(net, &manual->addr, manual->name, PEER_MANUAL, manual->is_v1);
    if (manual->peer)
        manual->peer->manual = manual;
}

static void call_manual(struct net *net, struct manual *manual)
{
    manual->attempts++;
    call_later(net, manual);
    if (!manual->name[0] || net->has_proxy)
        connect_manual(net, manual);
    else
        manual->is_asked = resolver_ask(net->resolver, manual->name, manual->id);
}

static void manual_answered(struct net *net, uint64_t id, const struct netaddr *addrs,
                            uint32_t count)
{
    struct manual *manual = net->manuals, *end = net->manuals + net->manual_count;

    while (manual < end && manual->id != id)
        manual++;
    if (manual == end) /* the operator does not want it any more */
        return;
    manual->is_asked = false;
    call_later(net, manual);
    if (count == 0) {
        net_log(net, ENGINE_LOG_INFO, "%s: no address is found for this name", manual->name);
        return;
    }
    uint16_t port = manual->addr.port;
    manual->addr = addrs[(manual->attempts - 1) % count]; /* another one each time */
    manual->addr.port = port;
    connect_manual(net, manual);
}

void calls_peer_gone(struct net *net, struct peer *peer)
{
    struct manual *manual = peer->manual;
    char addr[PEER_TEXT_SIZE];

    peer_print(addr, peer);
    /* Many in the table do not answer. */
    bool is_usual = peer->direction == PEER_OUTGOING && !peer->handshake.is_done;
    net_log(net, is_usual ? ENGINE_LOG_DEBUG : ENGINE_LOG_INFO, "peer %llu (%s) is gone: %s",
            (unsigned long long)peer->id, addr, peer->why);
    if (manual) {
        manual->peer = NULL;
        manual->is_v1 = peer->wants_retry_v1; /* the next call only: it may learn v2 */
        call_later(net, manual);
        if (peer->wants_retry_v1)
            manual->due_ms = 0;
    } else if (peer->wants_retry_v1 && !net->is_stopping) {
        peer_call(net, &peer->addr, peer->name, peer->direction, true);
    }
}

/* Letters, digits, dots, hyphens and underscores. */
static bool is_name(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
           strlen(text);
}

/* False with the reason in why. */
static bool manual_parse(const struct net *net, struct manual *manual, const char *given,
                         const char **why)
{
    uint16_t port;

    *manual = (struct manual){0};
    if (netaddr_parse(&manual->addr, given, net->params->port)) {
        *why = manual->addr.kind == NETADDR_ONION ? "an onion address needs --proxy"
                                                  : "cannot be reached from here";
        return calls_can_reach(net, &manual->addr);
    }
    *why = "not an address or name, with or without a port";
    manual->addr = (struct netaddr){0};
    if (given[0] == '[' || !netaddr_split(given, net->params->port, manual->name, &port) ||
        port == 0 || !is_name(manual->name))
        return false;
    manual->addr.port = port;
    return true;
}

bool calls_add_manual(struct net *net, const char *given, const char **why)
{
    struct manual manual;

    if (!manual_parse(net, &manual, given, why))
        return false;
    for (uint32_t i = 0; i < net->manual_count; i++) {
        const struct manual *other = &net->manuals[i];

        if (strcmp(other->name, manual.name) == 0 && other->addr.port == manual.addr.port &&
            (manual.name[0] || netaddr_equal(&other->addr, &manual.addr)))
            return true;
    }
    *why = "too many already";
    if (net->manual_count == MANUAL_MAX)
        return false;
    manual.id = net->next_manual_id++;
    net->manuals[net->manual_count++] = manual;
    return true;
}

void calls_forget(struct net *net, struct peer *peer)
{
    struct manual *gone = peer->manual;

    if (!gone)
        return;
    peer->manual = NULL;
    gone->peer = NULL;
    *gone = net->manuals[--net->manual_count]; /* the last one takes its place */
    if (gone->peer)
        gone->peer->manual = gone;
}

/* ---- of the table ---- */

static bool may_call(void *context, const struct seed *seed)
{
    struct net *net = context;
    struct netaddr group = netaddr_group(&seed->addr);

    if (!calls_can_reach(net, &seed->addr) ||
        banlist_is_banned(net->bans, &seed->addr, engine_now(net->engine)) ||
        banlist_is_discouraged(net->bans, &seed->addr))
        return false;
    for (const struct peer *peer = net->peers; peer; peer = peer->next) {
        struct netaddr other = netaddr_group(&peer->addr);

        if (netaddr_same_host(&peer->addr, &seed->addr) ||
            (peer->direction == PEER_OUTGOING && netaddr_equal(&group, &other)))
            return false;
    }
    for (uint32_t i = 0; i < net->external_count; i++)
        if (netaddr_equal(&net->external[i], &seed->addr))
            return false;
    return true;
}

static void call_one(struct net *net)
{
    int64_t now_s = engine_now(net->engine);
    struct seed *seed = seeds_pick(net->seeds, now_s, may_call, net);

    if (seed) {
        seeds_tried(seed, now_s);
        peer_call(net, &seed->addr, NULL, PEER_OUTGOING, !(seed->services & SERVICE_P2P_V2));
    }
}

/* ---- DNS seeds ---- */

static uint32_t seed_count(const struct net *net)
{
    uint32_t count = 0;

    while (count < PARAMS_SEED_MAX && net->params->dns_seeds[count])
        count++;
    return count;
}

/* Through the proxy the seed is called as a peer, which tells addresses; here it is only a name. */
static void ask_seed(struct net *net, uint32_t index)
{
    const char *seed = net->params->dns_seeds[index];
    char name[NETADDR_HOST_SIZE];

    net_log(net, ENGINE_LOG_INFO, "asking the seed %s for addresses", seed);
    if (net->has_proxy) {
        struct netaddr none = {.port = net->params->port};

        peer_call(net, &none, seed, PEER_FETCH, false);
        return;
    }
    snprintf(name, sizeof name, SEED_PREFIX "%s", seed);
    if (!resolver_ask(net->resolver, name, SEED_TAG | index))
        net_log(net, ENGINE_LOG_WARNING, "no thread to look up names");
}

static void seed_answered(struct net *net, uint32_t index, const struct netaddr *addrs,
                          uint32_t count)
{
    int64_t now_s = engine_now(net->engine);

    for (uint32_t i = 0; i < count; i++) {
        int64_t age_s = LEARNT_AGE_S + (int64_t)prng_below(&net->prng, LEARNT_AGE_MORE_S);
        struct addr_entry entry = {(uint32_t)(now_s - age_s), SERVICE_NETWORK | SERVICE_WITNESS,
                                   addrs[i]};

        entry.addr.port = net->params->port;
        seeds_add(net->seeds, &entry, now_s, false);
    }
    net_log(net, ENGINE_LOG_INFO, "the seed %s told %u addresses", net->params->dns_seeds[index],
            count);
}

/* Asked a few at a time, in an order of chance, and only while the table alone is of no help: they
 * see who asks, and say whom we meet. */
static void ask_seeds(struct net *net, uint64_t now_ms)
{
    uint32_t count = seed_count(net), up = 0;

    if (net->config.is_without_dns || now_ms < net->seeds_due_ms)
        return;
    net->seeds_due_ms = now_ms + SEEDS_WAIT_MS;
    for (const struct peer *peer = net->peers; peer; peer = peer->next)
        up += peer->direction == PEER_OUTGOING && peer_is_up(peer);
    if (up >= PEERS_ENOUGH)
        return;
    for (uint32_t i = 0; i < SEEDS_AT_ONCE && net->seeds_asked < count; i++)
        ask_seed(net, (net->seeds_first + net->seeds_asked++) % count);
    if (net->seeds_asked == count) {
        net->seeds_asked = 0;
        net->seeds_due_ms = now_ms + SEEDS_AGAIN_MS;
    }
}

static void answered(void *context, uint64_t tag, const struct netaddr *addrs, uint32_t count)
{
    struct net *net = context;

    if (net->is_stopping)
        return;
    if (tag & SEED_TAG)
        seed_answered(net, (uint32_t)tag, addrs, count);
    else
        manual_answered(net, tag, addrs, count);
}

void calls_tick(struct net *net, uint64_t now_ms)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < net->manual_count; i++)
        if (!net->manuals[i].peer && !net->manuals[i].is_asked && now_ms >= net->manuals[i].due_ms)
            call_manual(net, &net->manuals[i]);
    for (const struct peer *peer = net->peers; peer; peer = peer->next)
        count += peer->direction == PEER_OUTGOING;
    if (count >= net->config.outgoing_max)
        return;
    call_one(net);
    ask_seeds(net, now_ms);
}

void calls_begin(struct net *net)
{
    struct resolver_config config = {.reactor = net->reactor,
                                     .lookup =
                                         net->config.lookup ? net->config.lookup : resolver_system,
                                     .lookup_context = net->config.lookup_context,
                                     .answered = answered,
                                     .context = net};
    uint32_t count = seed_count(net);

    net->resolver = resolver_new(&config);
    net->seeds_first = count ? (uint32_t)prng_below(&net->prng, count) : 0;
    net->seeds_due_ms = net_now_ms(net) + (net->seeds->count == 0           ? 0
                                           : net->seeds->count < SEEDS_MANY ? SEEDS_WAIT_MS
                                                                            : SEEDS_LATER_MS);
}
