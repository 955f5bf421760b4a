#include "base/arena.h"
#include "io/socket.h"
#include "net/net_private.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS         1000
#define SEEDS_SAVE_MS   900000
#define WINDOW_BLOCKS   1024
#define PEER_BLOCKS_MAX 128
#define WINDOW_BYTES    ((size_t)256 << 20)
#define TASKS_MAX       1024 /* with the workers at once */
#define PEERS_FILE      "peers.bin"
#define PEERS_FILE_MAX  (1 << 20)

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

static uint32_t count_direction(const struct net *net, enum peer_direction direction)
{
    uint32_t count = 0;

    for (const struct peer *peer = net->peers; peer; peer = peer->next)
        count += peer->direction == direction;
    return count;
}

static bool is_refused(const struct net *net, const struct netaddr *addr)
{
    return banlist_is_banned(net->bans, addr, engine_now(net->engine));
}

static void accepted(void *context, int fd)
{
    struct net *net = ((struct net_listener *)context)->net;
    uint32_t count = count_direction(net, PEER_INCOMING);

    if (net->is_stopping || count >= net->config.incoming_max) {
        close(fd);
        return;
    }
    struct peer *peer = peer_adopt(net, fd);
    if (!peer)
        return;
    if (is_refused(net, &peer->addr))
        peer_close(peer, "banned");
    else if (count + 1 >= net->config.incoming_max &&
             banlist_is_discouraged(net->bans, &peer->addr))
        peer_close(peer, "discouraged, and there is no place to spare");
}

/* ---- whom we call ---- */

static void call_manual(struct net *net, struct manual *manual)
{
    manual->attempts++;
    manual->due_ms = net_now_ms(net) + backoff_ms(manual->attempts, &net->prng);
    manual->peer = peer_call(net, &manual->addr, PEER_MANUAL, manual->is_v1);
    if (manual->peer)
        manual->peer->manual = manual;
}

void net_peer_gone(struct net *net, struct peer *peer)
{
    struct manual *manual = peer->manual;
    char addr[NETADDR_TEXT_SIZE];

    netaddr_print(addr, &peer->addr);
    net_log(net, ENGINE_LOG_INFO, "peer %llu (%s) is gone: %s", (unsigned long long)peer->id, addr,
            peer->why);
    if (manual) {
        manual->peer = NULL;
        if (peer->wants_retry_v1)
            manual->is_v1 = true;
        manual->due_ms =
            net_now_ms(net) + (peer->wants_retry_v1 ? 0 : backoff_ms(manual->attempts, &net->prng));
    } else if (peer->wants_retry_v1 && !net->is_stopping) {
        peer_call(net, &peer->addr, peer->direction, true);
    }
}

static bool may_call(void *context, const struct seed *seed)
{
    struct net *net = context;
    struct netaddr group = netaddr_group(&seed->addr);

    if (seed->addr.kind > NETADDR_IPV6 || is_refused(net, &seed->addr) ||
        banlist_is_discouraged(net->bans, &seed->addr))
        return false;
    for (const struct peer *peer = net->peers; peer; peer = peer->next) {
        struct netaddr other = netaddr_group(&peer->addr);

        if (netaddr_same_host(&peer->addr, &seed->addr) ||
            (peer->direction == PEER_OUTGOING && netaddr_equal(&group, &other)))
            return false;
    }
    return true;
}

static void call_others(struct net *net, uint64_t now_ms)
{
    for (uint32_t i = 0; i < net->manual_count; i++)
        if (!net->manuals[i].peer && now_ms >= net->manuals[i].due_ms)
            call_manual(net, &net->manuals[i]);
    if (count_direction(net, PEER_OUTGOING) >= net->config.outgoing_max)
        return;
    int64_t now_s = engine_now(net->engine);
    struct seed *seed = seeds_pick(net->seeds, now_s, may_call, net);
    if (seed) {
        seeds_tried(seed, now_s);
        peer_call(net, &seed->addr, PEER_OUTGOING, !(seed->services & SERVICE_P2P_V2));
    }
}

/* ---- peers.bin ---- */

static bool peers_path(const struct net *net, const char *suffix, char *path, size_t size)
{
    return net->config.directory && (size_t)snprintf(path, size, "%s/%s%s", net->config.directory,
                                                     PEERS_FILE, suffix) < size;
}

static void seeds_to_file(struct net *net)
{
    char path[4096], new_path[4096];
    size_t size;

    if (!peers_path(net, "", path, sizeof path) ||
        !peers_path(net, ".new", new_path, sizeof new_path))
        return;
    FILE *file = fopen(new_path, "wb");
    if (!file)
        return;
    uint8_t *data = seeds_save(net->seeds, &size);
    bool is_written = fwrite(data, 1, size, file) == size;
    is_written = fclose(file) == 0 && is_written; /* only convenience is lost with it: no sync */
    if (!is_written || rename(new_path, path) != 0)
        net_log(net, ENGINE_LOG_WARNING, "%s cannot be written", path);
    free(data);
}

static void seeds_from_file(struct net *net)
{
    char path[4096];

    if (!peers_path(net, "", path, sizeof path))
        return;
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    uint8_t *data = xmalloc(PEERS_FILE_MAX);
    size_t size = fread(data, 1, PEERS_FILE_MAX, file);
    fclose(file);
    if (!seeds_load(net->seeds, (struct bytes){data, size}))
        net_log(net, ENGINE_LOG_WARNING, "%s is damaged: beginning without it", path);
    free(data);
}

/* ---- the loop's turns ---- */

/* Its events tell of the chain; here what was missed before they reached us, and time that makes it
 * old. */
static void chain_refresh(struct net *net)
{
    struct engine_snapshot snapshot;

    engine_snapshot(net->engine, &snapshot);
    net->is_synced = snapshot.is_synced;
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
    struct net *net = (struct net *)((char *)timer - offsetof(struct net, timer));
    uint64_t now_ms = net_now_ms(net);

    if (net->is_stopping)
        return;
    chain_refresh(net);
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        peer_tick(peer, now_ms);
    blocks_tick(net, now_ms);
    call_others(net, now_ms);
    if (now_ms - net->seeds_saved_ms > SEEDS_SAVE_MS) {
        net->seeds_saved_ms = now_ms;
        seeds_to_file(net);
    }
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
    struct net *net = (struct net *)((char *)message - offsetof(struct net, wake));

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

/* False with the reason in why. */
bool net_add_manual(struct net *net, const char *given, const char **why)
{
    struct manual *manual = &net->manuals[net->manual_count];
    struct netaddr addr;

    *why = "not an address with a port of IPv4 or IPv6";
    if (strlen(given) >= sizeof manual->text || !netaddr_parse(&addr, given, net->params->port) ||
        (addr.kind != NETADDR_IPV4 && addr.kind != NETADDR_IPV6))
        return false;
    for (uint32_t i = 0; i < net->manual_count; i++)
        if (netaddr_equal(&net->manuals[i].addr, &addr))
            return true;
    *why = "too many already";
    if (net->manual_count == MANUAL_MAX)
        return false;
    *manual = (struct manual){.addr = addr};
    strcpy(manual->text, given);
    net->manual_count++;
    return true;
}

static int connect_all(struct net *net, char *text, size_t text_size)
{
    const char *why;

    for (size_t i = 0; i < net->config.connect_count; i++)
        if (!net_add_manual(net, net->config.connect[i], &why)) {
            snprintf(text, text_size, "cannot connect to %s: %s", net->config.connect[i], why);
            return -EINVAL;
        }
    return 0;
}

static struct net *net_new(const struct net_config *config)
{
    struct net *net = xcalloc(1, sizeof *net);
    struct download_config window = {WINDOW_BLOCKS, PEER_BLOCKS_MAX, WINDOW_BYTES};
    struct siphash_key keys[2];
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

    seeds_from_file(net);
    chain_begin(net);
    int error = serve_all(net, text, text_size);
    if (error == 0)
        error = connect_all(net, text, text_size);
    if (error) {
        for (uint32_t i = 0; i < net->listener_count; i++)
            listener_close(net->listeners[i].listener);
        net_free(net);
        return error;
    }
    timer_set(net->reactor, &net->timer, net_now_ms(net));
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
    seeds_to_file(net);
}

void net_free(struct net *net)
{
    if (!net)
        return;
    assert(!net->peers);
    net->is_stopping = true;
    finish_tasks(net);
    work_gate_close(&net->gate);
    download_free(net->download);
    aead_free(net->env.aead);
    ecdh_free(net->env.ecdh);
    free(net->seeds);
    free(net->bans);
    pthread_mutex_destroy(&net->mutex);
    free(net);
}
