/* serve_block.c - blocks to those who ask for them.
 *
 *     getdata → wanted → request (one of the peer's next few) → serving (the bytes) → output queue
 *
 * 1. A serving is one block as it goes out, shared by all who ask for it meanwhile. Its bytes are
 *    the engine's while those are in memory, else read by the disk ring; a worker takes the
 *    witnesses out where they were not asked for, and encrypts large blocks.
 * 2. What a peer asked for goes out in its order. Nothing is begun for a peer that has
 *    OUTPUT_MAX unsent, but for the next block.
 * 3. All memory for it is bounded together; who finds none waits for its turn. While somebody
 *    waits, a peer that holds memory and hardly reads is parted with. */
#include "base/arena.h"
#include "base/hash.h"
#include "codec/block.h"
#include "codec/compact.h"
#include "net/net_private.h"

#include <stdlib.h>

#define OUTPUT_MAX  ((size_t)1 << 20)
#define AHEAD       4 /* requests of a peer at once */
#define SERVING_MAX 256
#define COPY_MAX    16384 /* a block up to this is copied to the output */
#define ARENA_MAX   ((size_t)256 << 20)
#define SLOW_MS     10000 /* who has read less than SLOW_SIZE in this time is slow */
#define SLOW_SIZE   200000

enum serving_state { SERVING_COMING, SERVING_READY, SERVING_MISSING };

struct serving {
    struct engine_read read;
    struct work work;
    struct net_task task;
    struct serving *next;
    struct net *net;
    uint32_t references; /* of requests, output, and what is under way for it */
    enum serving_state state;
    bool is_stripped;
    struct header_node *node;
    const struct resident *held; /* the engine's bytes, or */
    uint8_t *memory;             /* our own */
    struct bytes block;
    size_t size;       /* accounted for */
    bool is_plain;     /* asked for by v1, so that a checksum is needed */
    uint32_t checksum; /* of its message; 0: not known */
    struct request *waiting;
};

struct request {
    struct request *next, *next_waiting;
    struct peer *peer;
    struct inv inv;
    struct serving *serving; /* NULL: there is none */
};

/* A block that a worker encrypts. */
struct sealing {
    struct work work;
    struct net_task task;
    struct peer *peer;
    struct net *net;
    struct serving *serving;
    struct conn_place *place;
    struct transport_seal seal;
    uint8_t *frame;
    size_t size;
};

/* ---- memory ---- */

static void give_memory(struct net *net, size_t size)
{
    net->serving_size -= size;
    if (net->serve_full_ms && !net->has_room) {
        net->has_room = true;
        reactor_post(net->reactor, &net->wake);
    }
}

static void serving_release(void *context)
{
    struct serving *serving = context, **link = &serving->net->servings;

    if (--serving->references > 0)
        return;
    while (*link != serving)
        link = &(*link)->next;
    *link = serving->next;
    serving->net->serving_count--;
    if (serving->held)
        engine_release_block(serving->held);
    give_memory(serving->net, serving->size);
    free(serving->memory);
    free(serving);
}

/* ---- to the output ---- */

static void sealing_free(void *context)
{
    struct sealing *sealing = context;

    give_memory(sealing->net, sealing->size);
    free(sealing->frame);
    free(sealing);
}

static void seal_run(struct work *work, struct worker *worker)
{
    struct sealing *sealing = (struct sealing *)work;

    transport_seal_run(&sealing->seal, worker->aead, sealing->serving->block, NULL, sealing->frame);
}

static void seal_done(struct work *work)
{
    struct sealing *sealing = (struct sealing *)work;

    net_post(sealing->net, &sealing->task);
}

static void seal_finish(struct net *net, struct net_task *task)
{
    struct sealing *sealing = CONTAINER_OF(task, struct sealing, task);
    struct peer *peer = sealing->peer;

    (void)net;
    serving_release(sealing->serving);
    if (peer->is_gone || !sealing->work.is_run)
        sealing_free(sealing);
    else
        conn_place_fill(peer->conn, sealing->place, sealing->frame, sealing_free, sealing);
    peer_work_done(peer);
}

/* Encrypted by a worker, while its place in the output is kept; here if they have too much to do.
 */
static bool send_sealed(struct peer *peer, struct serving *serving)
{
    struct net *net = peer->net;
    size_t size = transport_frame_size(peer->transport, MESSAGE_BLOCK, serving->block.size);
    struct conn_place *place = conn_send_place(peer->conn, size);

    if (!place)
        return false;
    struct sealing *sealing = xcalloc(1, sizeof *sealing);
    *sealing = (struct sealing){.work = {.run = seal_run, .done = seal_done},
                                .task.finish = seal_finish,
                                .peer = peer,
                                .net = net,
                                .serving = serving,
                                .place = place,
                                .frame = xmalloc(size),
                                .size = size};
    net->serving_size += size;
    transport_seal(peer->transport, MESSAGE_BLOCK, serving->block.size, &sealing->seal);
    net_count_sent(peer, size);
    if (serving->block.size > TRANSPORT_LARGE_MIN && work_push(&net->gate, &sealing->work)) {
        serving->references++;
        peer->works++;
        return true;
    }
    transport_seal_run(&sealing->seal, net->env.aead, serving->block, NULL, sealing->frame);
    conn_place_fill(peer->conn, place, sealing->frame, sealing_free, sealing);
    return true;
}

static bool is_v1(const struct peer *peer)
{
    return transport_session_id(peer->transport) == NULL;
}

static void note_checksum(struct serving *serving)
{
    uint8_t digest[32];

    if (serving->checksum != 0)
        return;
    sha256d_once(digest, serving->block.data, serving->block.size);
    memcpy(&serving->checksum, digest, sizeof serving->checksum);
}

static bool send_plain(struct peer *peer, struct serving *serving)
{
    struct transport_seal seal;
    uint8_t head[TRANSPORT_V1_HEADER_SIZE], checksum[4];

    note_checksum(serving);
    memcpy(checksum, &serving->checksum, sizeof checksum);
    transport_seal(peer->transport, MESSAGE_BLOCK, serving->block.size, &seal);
    size_t size = transport_seal_run(&seal, NULL, serving->block, checksum, head);

    net_count_sent(peer, size + serving->block.size);
    if (!conn_send(peer->conn, (struct bytes){head, size}))
        return false;
    if (serving->block.size <= COPY_MAX)
        return conn_send(peer->conn, serving->block);
    if (!conn_send_borrowed(peer->conn, serving->block, serving_release, serving))
        return false;
    serving->references++;
    return true;
}

static void send_block(struct peer *peer, struct serving *serving)
{
    struct net *net = peer->net;
    peer_log_packet(peer, "<-", MESSAGE_BLOCK, serving->block);
    if (!(is_v1(peer) ? send_plain(peer, serving) : send_sealed(peer, serving))) {
        peer_close(peer, "does not read what it asked for");
        return;
    }
    net->served_blocks++;
    net->served_bytes += serving->block.size;
}

/* After the last block of a getblocks answer our tip is told, so that the peer goes on. */
static void tell_continue(struct peer *peer, const struct inv *inv)
{
    struct inv tip = {.type = INV_BLOCK};

    if (!peer->has_continue_hash || memcmp(&peer->continue_hash, inv->hash, 32) != 0)
        return;
    peer->has_continue_hash = false;
    memcpy(tip.hash, &peer->net->tip->hash, 32);
    serve_inv(peer, MESSAGE_INV, &tip);
}

static void request_pop(struct peer *peer)
{
    struct request *request = peer->first_request;
    struct serving *serving = request->serving;

    peer->first_request = request->next;
    if (!peer->first_request)
        peer->last_request = NULL;
    peer->request_count--;
    if (serving) {
        struct request **link = &serving->waiting;

        while (*link && *link != request)
            link = &(*link)->next_waiting;
        if (*link)
            *link = request->next_waiting;
        serving_release(serving);
    }
    free(request);
}

/* Those at the front that are ready. */
static void deliver(struct peer *peer)
{
    struct request *request;

    while (!peer->is_closing && (request = peer->first_request) &&
           !(request->serving && request->serving->state == SERVING_COMING) &&
           conn_output_size(peer->conn) < OUTPUT_MAX) {
        if (request->serving && request->serving->state == SERVING_READY)
            send_block(peer, request->serving);
        else
            serve_inv(peer, MESSAGE_NOTFOUND, &request->inv);
        tell_continue(peer, &request->inv);
        request_pop(peer);
    }
}

/* ---- a serving's bytes ---- */

static void settle(struct serving *serving, bool is_good)
{
    struct request *request;

    serving->state = is_good ? SERVING_READY : SERVING_MISSING;
    while ((request = serving->waiting)) {
        serving->waiting = request->next_waiting;
        serve_continue(request->peer);
    }
    serving_release(serving);
}

/* Without witnesses, in memory of its own. False: what was stored is no block. */
static bool strip(struct serving *serving)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, ARENA_MAX);
    bool is_good = block_parse(&block, serving->block, &arena, false);
    if (is_good && block.stripped_size < serving->block.size) {
        uint8_t *out = xmalloc(block.stripped_size), *at = out + HEADER_SIZE;

        memcpy(out, serving->block.data, HEADER_SIZE);
        at += compact_write(at, block.tx_count);
        for (uint32_t i = 0; i < block.tx_count; at += block.txs[i++].stripped_size)
            tx_write_stripped(at, &block.txs[i]);
        assert((size_t)(at - out) == block.stripped_size);
        serving->checksum = 0;
        free(serving->memory);
        serving->memory = out;
        serving->block = (struct bytes){out, block.stripped_size};
    }
    arena_clear(&arena);
    return is_good;
}

static void prepare_run(struct work *work, struct worker *worker)
{
    struct serving *serving = CONTAINER_OF(work, struct serving, work);

    (void)worker;
    if (serving->is_stripped && !strip(serving))
        serving->block.size = 0;
    else if (serving->is_plain)
        note_checksum(serving);
}

static void prepare_done(struct work *work)
{
    struct serving *serving = CONTAINER_OF(work, struct serving, work);

    net_post(serving->net, &serving->task);
}

static void prepare_finish(struct net *net, struct net_task *task)
{
    struct serving *serving = CONTAINER_OF(task, struct serving, task);

    (void)net;
    settle(serving, serving->work.is_run && serving->block.size > 0);
}

/* The block is there as it was stored. */
static void loaded(struct serving *serving)
{
    struct header header = header_of_node(serving->node);
    uint8_t raw[HEADER_SIZE];

    header_write(raw, &header);
    if (memcmp(raw, serving->block.data, HEADER_SIZE) != 0) {
        settle(serving, false);
    } else if (!serving->is_stripped && !(serving->is_plain && serving->checksum == 0)) {
        settle(serving, true);
    } else {
        serving->work = (struct work){.run = prepare_run, .done = prepare_done};
        serving->task.finish = prepare_finish;
        if (!work_push(&serving->net->gate, &serving->work)) {
            prepare_run(&serving->work, NULL);
            settle(serving, serving->block.size > 0);
        }
    }
}

/* Disk thread. */
static void read_done(struct engine_read *read)
{
    struct serving *serving = CONTAINER_OF(read, struct serving, read);

    net_post(serving->net, &serving->task);
}

static void read_finish(struct net *net, struct net_task *task)
{
    struct serving *serving = CONTAINER_OF(task, struct serving, task);

    if (serving->read.error == 0) {
        loaded(serving);
        return;
    }
    net_log(net, ENGINE_LOG_WARNING, "block %d cannot be read: %s", serving->node->height,
            strerror(-serving->read.error));
    settle(serving, false);
}

static struct serving *serving_find(struct net *net, const struct header_node *node,
                                    bool is_stripped)
{
    struct serving *serving = net->servings;

    while (serving && !(serving->node == node && serving->is_stripped == is_stripped))
        serving = serving->next;
    return serving;
}

/* Under the tree's mutex. */
static struct serving *serving_new(struct net *net, struct header_node *node, bool is_stripped,
                                   bool is_plain)
{
    struct serving *serving = xcalloc(1, sizeof *serving);

    *serving = (struct serving){.net = net,
                                .node = node,
                                .is_stripped = is_stripped,
                                .is_plain = is_plain,
                                .size = node->size,
                                .checksum = node->checksum,
                                .references = 1, /* until it has settled */
                                .next = net->servings};
    serving->held = engine_hold_block(net->engine, node, &serving->block);
    serving->read.pos = node->pos;
    serving->read.size = node->size;
    net->servings = serving;
    net->serving_count++;
    net->serving_size += serving->size;
    return serving;
}

static void serving_load(struct serving *serving)
{
    if (serving->held) {
        loaded(serving);
        return;
    }
    serving->memory = xmalloc(serving->read.size);
    serving->block = (struct bytes){serving->memory, serving->read.size};
    serving->read.data = serving->memory;
    serving->read.done = read_done;
    serving->task.finish = read_finish;
    if (!engine_read(serving->net->engine, &serving->read))
        settle(serving, false);
}

/* ---- what is asked ---- */

static bool has_memory(const struct net *net)
{
    return net->serving_size < net->config.serve_memory && net->serving_count < SERVING_MAX;
}

static bool is_over_upload(const struct net *net, const struct header_node *node)
{
    return upload_is_reached(&net->upload, net_now_ms(net)) &&
           net->best->time - (int64_t)node->time > UPLOAD_OLD_S;
}

static void request_add(struct peer *peer, const struct inv *inv, struct serving *serving)
{
    struct request *request = xcalloc(1, sizeof *request);

    *request = (struct request){.peer = peer, .inv = *inv, .serving = serving};
    *(peer->last_request ? &peer->last_request->next : &peer->first_request) = request;
    peer->last_request = request;
    peer->request_count++;
    if (!serving)
        return;
    serving->references++;
    if (serving->state == SERVING_COMING) {
        request->next_waiting = serving->waiting;
        serving->waiting = request;
    }
}

/* False: there is no memory for it now. */
static bool request_block(struct peer *peer, const struct inv *inv)
{
    struct net *net = peer->net;
    struct serving *serving = NULL;
    struct block_hash hash;

    memcpy(&hash, inv->hash, sizeof hash);
    struct header_node *node = header_tree_find(engine_lock_tree(net->engine), &hash);
    bool is_there = node && serve_may(net, node);
    bool is_refused = is_there && is_over_upload(net, node);
    bool is_stripped = inv->type == INV_BLOCK && node && node->height >= net->params->segwit_height;
    if (is_there && !is_refused)
        serving = serving_find(net, node, is_stripped);
    bool is_new = is_there && !is_refused && !serving && has_memory(net);
    if (is_new)
        serving = serving_new(net, node, is_stripped, is_v1(peer));
    engine_unlock_tree(net->engine);

    if (is_refused) {
        peer_close(peer, "asks for an old block when --max-upload is reached");
        return true;
    }
    if (is_there && !serving)
        return false;
    if (is_new) {
        serving->references++;
        serving_load(serving);
    }
    request_add(peer, inv, serving);
    if (is_new)
        serving_release(serving);
    return true;
}

/* Begins the next one, if it is time for it. */
static bool take_next(struct peer *peer)
{
    struct net *net = peer->net;
    uint32_t ahead = conn_output_size(peer->conn) < OUTPUT_MAX ? AHEAD : 1;

    if (!peer_is_up(peer) || peer->wanted_at == peer->wanted_count || peer->request_count >= ahead)
        return false;
    const struct inv *inv = &peer->wanted[peer->wanted_at];
    bool is_block = (inv->type & ~INV_WITNESS_FLAG) == INV_BLOCK || inv->type == INV_CMPCT_BLOCK;
    if (is_block && !request_block(peer, inv)) {
        if (!net->serve_full_ms) {
            net->serve_full_ms = net_now_ms(net);
            net->serve_next_id = peer->id;
        }
        return false;
    }
    if (inv->type == INV_MERKLE_BLOCK)
        peer_close(peer, "filtered blocks without bloom filters");
    else if (!is_block)
        request_add(peer, inv, NULL);
    peer->wanted_at++;
    return true;
}

void serve_continue(struct peer *peer)
{
    do
        deliver(peer);
    while (take_next(peer));
    if (peer->wanted_at == peer->wanted_count) {
        free(peer->wanted);
        peer->wanted = NULL;
        peer->wanted_at = peer->wanted_count = 0;
    }
}

void serve_getdata(struct peer *peer, struct bytes payload)
{
    struct inv_list list;
    enum parse_result result = inv_list_parse(&list, payload);
    uint32_t waiting = peer->wanted_count - peer->wanted_at;

    if (result == PARSE_EXCEEDED)
        peer_punish(peer, "too many getdata entries");
    if (result != PARSE_OK || list.count == 0)
        return;
    if (waiting + list.count > INV_COUNT_MAX) {
        peer_close(peer, "asks for more than it takes");
        return;
    }
    struct inv *wanted = xmalloc((waiting + list.count) * sizeof *wanted);
    if (waiting)
        memcpy(wanted, peer->wanted + peer->wanted_at, waiting * sizeof *wanted);
    memcpy(wanted + waiting, list.items, list.count * sizeof *wanted);
    free(peer->wanted);
    peer->wanted = wanted;
    peer->wanted_at = 0;
    peer->wanted_count = waiting + list.count;
    serve_continue(peer);
}

/* From the one who was refused first, so that each has its turn. */
void serve_room(struct net *net)
{
    uint64_t first = net->serve_next_id;

    net->has_room = false;
    net->serve_full_ms = 0;
    for (int round = 0; round < 2; round++)
        for (struct peer *peer = net->peers; peer && !net->serve_full_ms; peer = peer->next)
            if ((peer->id <= first) == (round == 0)) /* the list goes down */
                serve_continue(peer);
}

void serve_tick(struct net *net, uint64_t now_ms)
{
    struct peer *slowest = NULL;
    uint64_t least = SLOW_SIZE;
    bool is_full = net->serve_full_ms && now_ms - net->serve_full_ms >= SLOW_MS;

    if (now_ms - net->serve_looked_ms < SLOW_MS)
        return;
    net->serve_looked_ms = now_ms;
    for (struct peer *peer = net->peers; peer; peer = peer->next) {
        size_t unsent = conn_output_size(peer->conn);
        uint64_t drained = peer->sent_bytes - unsent;

        if (unsent > COPY_MAX && drained - peer->drained_bytes < least) {
            least = drained - peer->drained_bytes;
            slowest = peer;
        }
        peer->drained_bytes = drained;
    }
    if (is_full && slowest)
        peer_close(slowest, "reads too slowly what others wait for");
}

void serve_peer_gone(struct peer *peer)
{
    while (peer->first_request)
        request_pop(peer);
    free(peer->wanted);
}
