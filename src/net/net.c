#include "base/arena.h"
#include "io/socket.h"
#include "net/net_private.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS         1000
#define WINDOW_BLOCKS   1024
#define PEER_BLOCKS_MAX 128
#define TASKS_MAX       1024 /* with the workers at once */

void net_log(struct net *net, enum engine_log_level level, const char *format, ...)
{
    char line[512];
    va_list args;

    if (!net->config.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    net->config.log(net->config.log_context, level, line);
}

uint64_t net_now_ms(const struct net *net)
{
    return reactor_now_ms(net->reactor);
}

struct peer *net_find_peer(struct net *net, uint64_t id)
{
    struct peer *peer = net->peers;

    while (peer && peer->id != id)
        peer = peer->next;
    return peer;
}

uint64_t net_services(const struct net *net)
{
    return SERVICE_NETWORK | SERVICE_WITNESS | SERVICE_NETWORK_LIMITED |
           (net->env.aead && !net->config.is_v1only ? SERVICE_P2P_V2 : 0);
}

void net_count_sent(struct peer *peer, size_t size)
{
    uint64_t now_ms = net_now_ms(peer->net);

    peer->sent_ms = now_ms;
    peer->sent_bytes += size;
    peer->net->sent_bytes += size;
    upload_sent(&peer->net->upload, size, now_ms);
}

static void accepted(void *context, int fd)
{
    struct net *net = ((struct net_listener *)context)->net;
    uint32_t count = 0;

    for (const struct peer *peer = net->peers; peer; peer = peer->next)
        count += peer->direction == PEER_INCOMING;
    if (net->is_stopping || count >= net->config.incoming_max) {
        close(fd);
        return;
    }
    struct peer *peer = peer_adopt(net, fd);
    if (!peer)
        return;
    if (banlist_is_banned(net->bans, &peer->addr, engine_now(net->engine)))
        peer_close(peer, "banned");
    else if (count + 1 >= net->config.incoming_max &&
             banlist_is_discouraged(net->bans, &peer->addr))
        peer_close(peer, "discouraged, and there is no place to spare");
}

/* ---- the loop's turns ---- */

/* Its events tell of the chain; here what was missed before they reached us, and time that makes it
 * old. */
static void chain_refresh(struct net *net)
{
    struct engine_snapshot snapshot;

    engine_snapshot(net->engine, &snapshot);
    net->is_synced = snapshot.is_synced;
    if (snapshot.whole != net->whole)
        blocks_follow(net);
    if (block_hash_equal(&snapshot.tip_hash, &net->tip->hash))
        return;
    struct header_tree *tree = engine_lock_tree(net->engine);
    struct header_node *tip = header_tree_find(tree, &snapshot.tip_hash);
    engine_unlock_tree(net->engine);
    if (tip && u256_compare(&tip->chainwork, &net->tip->chainwork) > 0) {
        net->tip = tip;
        blocks_follow(net);
    }
}

static void tick(struct reactor_timer *timer)
{
    struct net *net = CONTAINER_OF(timer, struct net, timer);
    uint64_t now_ms = net_now_ms(net);

    if (net->is_stopping)
        return;
    chain_refresh(net);
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        peer_tick(peer, now_ms);
    blocks_tick(net, now_ms);
    serve_tick(net, now_ms);
    calls_tick(net, now_ms);
    files_tick(net, now_ms);
    timer_set(net->reactor, &net->timer, now_ms + TICK_MS);
}

static void heard_chain(struct net *net, struct header_node *tip)
{
    struct engine_snapshot snapshot;
    bool is_new = tip && tip != net->tip;

    if (tip)
        net->tip = tip;
    engine_snapshot(net->engine, &snapshot);
    net->is_synced = snapshot.is_synced;
    blocks_follow(net);
    if (is_new && net->is_synced)
        for (struct peer *peer = net->peers; peer; peer = peer->next)
            serve_announce(peer);
}

void net_post(struct net *net, struct net_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&net->mutex);
    *net->last_task = task;
    net->last_task = &task->next;
    pthread_mutex_unlock(&net->mutex);
    reactor_post(net->reactor, &net->wake);
}

static void finish_tasks(struct net *net)
{
    pthread_mutex_lock(&net->mutex);
    struct net_task *task = net->first_task;
    net->first_task = NULL;
    net->last_task = &net->first_task;
    pthread_mutex_unlock(&net->mutex);
    while (task) {
        struct net_task *next = task->next;

        task->finish(net, task);
        task = next;
    }
    if (net->has_done_blocks && !net->is_stopping)
        blocks_follow(net);
    net->has_done_blocks = false;
}

static void wake(struct reactor_message *message)
{
    struct net *net = CONTAINER_OF(message, struct net, wake);

    pthread_mutex_lock(&net->mutex);
    struct header_node *tip = net->heard_tip, *best = net->heard_best;
    bool has_credit = net->has_credit;
    net->heard_tip = net->heard_best = NULL;
    net->has_credit = false;
    pthread_mutex_unlock(&net->mutex);
    finish_tasks(net);
    if (net->is_stopping)
        return;
    if (tip || best)
        heard_chain(net, tip);
    for (struct peer *peer = net->peers; peer && has_credit; peer = peer->next)
        receive_resume(peer);
    if (net->has_room)
        serve_room(net);
}

void net_notify_tip(struct net *net, struct header_node *tip)
{
    pthread_mutex_lock(&net->mutex);
    net->heard_tip = tip;
    pthread_mutex_unlock(&net->mutex);
    reactor_post(net->reactor, &net->wake);
}

void net_notify_headers(struct net *net, struct header_node *best)
{
    pthread_mutex_lock(&net->mutex);
    net->heard_best = best;
    pthread_mutex_unlock(&net->mutex);
    reactor_post(net->reactor, &net->wake);
}

void net_notify_credit(struct net *net)
{
    pthread_mutex_lock(&net->mutex);
    bool was_set = net->has_credit;
    net->has_credit = true;
    pthread_mutex_unlock(&net->mutex);
    if (!was_set)
        reactor_post(net->reactor, &net->wake);
}

/* ---- opening and closing ---- */

static int listen_on(struct net *net, const struct netaddr *addr)
{
    struct sockaddr_storage storage;
    struct net_listener *slot = &net->listeners[net->listener_count];
    socklen_t size = peer_sockaddr(addr, &storage);
    int fd = socket_listen((struct sockaddr *)&storage, size);

    if (fd < 0)
        return fd;
    slot->net = net;
    int error = reactor_listen(net->reactor, fd, &slot->listener, accepted, slot);
    if (error == 0)
        net->listener_count++;
    return error;
}

static int serve_all(struct net *net, char *text, size_t text_size)
{
    for (size_t i = 0; i < net->config.serve_count; i++) {
        struct netaddr addr;
        const char *given = net->config.serve[i];
        int error = -EINVAL;

        if (net->listener_count < LISTENERS_MAX && netaddr_parse(&addr, given, net->params->port) &&
            (addr.kind == NETADDR_IPV4 || addr.kind == NETADDR_IPV6))
            error = listen_on(net, &addr);
        if (error) {
            snprintf(text, text_size, "cannot serve on %s: %s", given, strerror(-error));
            return error;
        }
        net_log(net, ENGINE_LOG_INFO, "serving on %s", given);
    }
    return 0;
}

static int read_addresses(struct net *net, char *text, size_t text_size)
{
    const struct net_config *config = &net->config;

    net->has_proxy = config->proxy != NULL;
    if (net->has_proxy && (!netaddr_parse(&net->proxy, config->proxy, SOCKS_PORT) ||
                           net->proxy.kind > NETADDR_IPV6)) {
        snprintf(text, text_size, "--proxy %s: not an address of IPv4 or IPv6", config->proxy);
        return -EINVAL;
    }
    for (size_t i = 0; i < config->external_count; i++) {
        struct netaddr *addr = &net->external[net->external_count];
        const char *given = config->external[i];

        if (net->external_count == NET_EXTERNAL_MAX) {
            snprintf(text, text_size, "--external is given more than %d times", NET_EXTERNAL_MAX);
            return -EINVAL;
        }
        if (!netaddr_parse(addr, given, net->params->port) || !netaddr_is_routable(addr)) {
            snprintf(text, text_size, "--external %s: not an address that others can reach", given);
            return -EINVAL;
        }
        net->external_count++;
    }
    return 0;
}

static int connect_all(struct net *net, char *text, size_t text_size)
{
    const char *why;

    for (size_t i = 0; i < net->config.connect_count; i++)
        if (!calls_add_manual(net, net->config.connect[i], &why)) {
            snprintf(text, text_size, "cannot connect to %s: %s", net->config.connect[i], why);
            return -EINVAL;
        }
    return 0;
}

static struct net *net_new(const struct net_config *config)
{
    struct net *net = xcalloc(1, sizeof *net);
    /* Three bytes of credit a byte: what is asked for finds credit when it comes, mostly. */
    struct download_config window = {WINDOW_BLOCKS, PEER_BLOCKS_MAX,
                                     engine_pipeline(config->engine)->credit_limit / 3};
    struct siphash_key keys[3];
    uint8_t seed[32];
    uint64_t jitter;

    random_bytes(keys, sizeof keys);
    random_bytes(seed, sizeof seed);
    random_bytes(&jitter, sizeof jitter);
    net->config = *config;
    net->engine = config->engine;
    net->reactor = config->reactor;
    net->params = engine_params(config->engine);
    memcpy(net->env.magic, net->params->magic, 4);
    net->env.aead = aead_new();
    net->env.ecdh = ecdh_new(seed);
    net->seeds = xmalloc(sizeof *net->seeds);
    net->bans = xmalloc(sizeof *net->bans);
    seeds_init(net->seeds, keys[0]);
    banlist_init(net->bans, keys[1]);
    net->gossip_key = keys[2];
    net->upload = (struct upload){config->upload_max, net_now_ms(net), 0};
    prng_init(&net->prng, jitter);
    net->download = download_new(&window);
    net->next_id = 1;
    net->last_task = &net->first_task;
    work_gate_open(&net->gate, engine_pipeline(net->engine), TASKS_MAX);
    pthread_mutex_init(&net->mutex, NULL);
    net->wake.run = wake;
    net->timer.run = tick;
    return net;
}

/* Where the chain is now; what changes from here on is heard. */
static void chain_begin(struct net *net)
{
    struct engine_snapshot snapshot;

    engine_snapshot(net->engine, &snapshot);
    net->is_synced = snapshot.is_synced;
    struct header_tree *tree = engine_lock_tree(net->engine);
    struct header_node *tip = header_tree_find(tree, &snapshot.tip_hash);
    net->tip = tip ? tip : header_tree_at(tree, 0);
    net->best = header_tree_best(tree);
    engine_unlock_tree(net->engine);
    blocks_follow(net);
}

int net_open(struct net **opened, const struct net_config *config, char *text, size_t text_size)
{
    struct net *net = net_new(config);

    files_load(net);
    chain_begin(net);
    calls_begin(net);
    int error = read_addresses(net, text, text_size);
    if (error == 0)
        error = serve_all(net, text, text_size);
    if (error == 0)
        error = connect_all(net, text, text_size);
    if (error) {
        for (uint32_t i = 0; i < net->listener_count; i++)
            listener_close(net->listeners[i].listener);
        net_free(net);
        return error;
    }
    timer_set(net->reactor, &net->timer, net_now_ms(net));
    net->is_open = true;
    *opened = net;
    return 0;
}

void net_stop(struct net *net)
{
    net->is_stopping = true;
    timer_cancel(net->reactor, &net->timer);
    for (uint32_t i = 0; i < net->listener_count; i++)
        listener_close(net->listeners[i].listener);
    net->listener_count = 0;
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        peer_close(peer, "the node stops");
}

void net_free(struct net *net)
{
    if (!net)
        return;
    assert(!net->peers);
    net->is_stopping = true;
    finish_tasks(net);
    work_gate_close(&net->gate);
    if (net->is_open)
        files_end(net);
    resolver_free(net->resolver);
    download_free(net->download);
    aead_free(net->env.aead);
    ecdh_free(net->env.ecdh);
    free(net->seeds);
    free(net->bans);
    pthread_mutex_destroy(&net->mutex);
    free(net);
}
