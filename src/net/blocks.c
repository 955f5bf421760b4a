#include "base/arena.h"
#include "net/net_private.h"

#include <stdlib.h>

#define GETDATA_MAX 1000

/* A block on its way through the pipeline and what became of it. */
struct block_done {
    struct net_task task;
    struct net *net;
    uint64_t peer_id;
    struct header_node *node; /* that was expected */
    struct block_result result;
    bool is_stored;
};

static bool is_urgent(const struct peer *peer)
{
    return peer->is_downloading && download_waits_for(peer->net->download, &peer->download);
}

struct block_job *blocks_reserve(struct peer *peer, size_t size)
{
    return pipeline_reserve(engine_pipeline(peer->net->engine), size,
                            is_urgent(peer) ? RESERVE_URGENT : RESERVE_TRY);
}

/* Ledger thread. */
static void job_done(void *context, const struct block_result *result)
{
    struct block_done *done = context;

    done->result = *result;
    done->is_stored = done->node && (done->node->status & HEADER_HAS_BLOCK);
    net_post(done->net, &done->task);
}

static void judge(struct peer *peer, const struct block_result *result)
{
    switch (verdict_class(result->verdict)) {
    case VERDICT_HEADER:
    case VERDICT_MISSING_PARENT:
    case VERDICT_INVALID_PARENT:
    case VERDICT_MUTATED:
    case VERDICT_CONSENSUS:
        peer_punish(peer, verdict_text(result->verdict));
        break;
    case VERDICT_CONTEXT_FREE:
        if (result->verdict != BLOCK_DECODE_FAILED)
            peer_punish(peer, verdict_text(result->verdict));
        break;
    case VERDICT_KNOWN_INVALID:
        if (peer->direction != PEER_INCOMING)
            peer_punish(peer, verdict_text(result->verdict));
        break;
    case VERDICT_OK:
    case VERDICT_KNOWN:
    case VERDICT_FUTURE:
    case VERDICT_LOW_WORK:
        break;
    }
}

/* What is kept until the blocks before it are here is judged without us: remember who sent it. */
static void remember_sender(struct net *net, struct header_node *node, uint64_t peer_id)
{
    net->unjudged[net->unjudged_at++ % UNJUDGED_MAX] = (struct sender){node, peer_id};
}

static void judge_senders(struct net *net)
{
    for (uint32_t i = 0; i < UNJUDGED_MAX; i++) {
        struct sender *sender = &net->unjudged[i];

        if (!sender->node)
            continue;
        engine_lock_tree(net->engine);
        uint16_t status = sender->node->status;
        struct block_result result = {.verdict = sender->node->failure};
        engine_unlock_tree(net->engine);
        struct peer *peer = net_find_peer(net, sender->peer_id);
        if (peer && !peer->is_closing && (status & HEADER_INVALID) &&
            result.verdict != INVALIDATED_BY_HAND)
            judge(peer, &result);
        if (!peer || (status & (HEADER_VERIFIED | HEADER_INVALID | HEADER_INVALID_ANCESTOR)))
            sender->node = NULL;
    }
}

static void finish(struct net *net, struct net_task *task)
{
    struct block_done *done = (struct block_done *)task;
    struct peer *peer = net_find_peer(net, done->peer_id);

    if (done->is_stored)
        download_stored(net->download, done->node);
    else if (done->node)
        download_failed(net->download, done->node,
                        peer && peer->is_downloading ? &peer->download : NULL);
    if (done->result.is_unjudged && done->is_stored)
        remember_sender(net, done->node, done->peer_id);
    else if (peer && !peer->is_closing && !done->result.is_unjudged)
        judge(peer, &done->result);
    free(done);
    net->has_done_blocks = true;
}

static void send_getdata(struct peer *peer, struct header_node *const *nodes, uint32_t count)
{
    struct inv items[GETDATA_MAX];
    uint8_t payload[9 + sizeof items];

    for (uint32_t i = 0; i < count; i++) {
        items[i].type = INV_BLOCK | INV_WITNESS_FLAG;
        memcpy(items[i].hash, &nodes[i]->hash, 32);
    }
    if (count)
        peer_send(peer, MESSAGE_GETDATA,
                  (struct bytes){payload, inv_list_write(payload, items, count)});
}

void blocks_ask_peer(struct peer *peer)
{
    struct header_node *nodes[GETDATA_MAX], *node;
    uint64_t now_ms = net_now_ms(peer->net);
    uint32_t count = 0;
    bool is_lowest;

    if (!peer->is_downloading || !peer_is_up(peer))
        return;
    while (count < GETDATA_MAX &&
           (node = download_next(peer->net->download, &peer->download, now_ms, &is_lowest)))
        nodes[count++] = node;
    send_getdata(peer, nodes, count);
}

static struct block_hash hash_of(const uint8_t *block)
{
    struct header header;
    bool is_header = header_parse(&header, (struct bytes){block, HEADER_SIZE});

    assert(is_header);
    return header_hash(&header);
}

void blocks_spoilt(struct peer *peer, const uint8_t *block)
{
    struct block_hash hash = hash_of(block);

    if (peer->is_downloading)
        download_refused(peer->net->download, &peer->download, &hash);
    blocks_ask(peer->net);
}

void blocks_received(struct peer *peer, struct block_job *job, const uint8_t *checksum)
{
    struct net *net = peer->net;
    struct header_node *node = NULL;
    enum download_arrival arrival = DOWNLOAD_NOT_ASKED;

    assert(job->size >= HEADER_SIZE);
    struct block_hash hash = hash_of(job->buffer);
    if (peer->is_downloading)
        arrival = download_arrived(net->download, &peer->download, &hash, job->size,
                                   net_now_ms(net), &node);
    if (arrival == DOWNLOAD_AGAIN) {
        pipeline_release(job);
        blocks_ask_peer(peer);
        return;
    }
    struct block_done *done = xcalloc(1, sizeof *done);
    done->net = net;
    done->task.finish = finish;
    done->peer_id = peer->id;
    done->node = arrival == DOWNLOAD_FIRST ? node : NULL;
    job->expected = done->node;
    job->is_requested = job->is_awaited = arrival == DOWNLOAD_FIRST;
    job->done = job_done;
    job->context = done;
    if (checksum)
        memcpy(&job->checksum, checksum, sizeof job->checksum);
    pipeline_submit(job);
    blocks_ask_peer(peer);
}

static bool has_work(const struct net *net, const struct header_node *node)
{
    return u256_compare(&node->chainwork, &net->params->minimum_chain_work) >= 0 &&
           (!net->tip || u256_compare(&node->chainwork, &net->tip->chainwork) >= 0);
}

void blocks_peer_changed(struct peer *peer)
{
    struct net *net = peer->net;
    uint64_t services = peer->handshake.services;

    if (!peer_is_up(peer) || peer->direction == PEER_FETCH || !(services & SERVICE_WITNESS) ||
        !(services & (SERVICE_NETWORK | SERVICE_NETWORK_LIMITED)))
        return;
    peer->download.is_limited = !(services & SERVICE_NETWORK);
    peer->download.has_height = -1;
    if (peer->best && net->best && has_work(net, peer->best)) {
        peer->download.best_height = peer->best->height;
        peer->download.has_height = header_fork_point(peer->best, net->best)->height;
    }
    if (!peer->is_downloading) {
        peer->is_downloading = true;
        download_add_peer(net->download, &peer->download, net_now_ms(net));
    }
}

void blocks_peer_gone(struct peer *peer)
{
    if (peer->is_downloading)
        download_remove_peer(peer->net->download, &peer->download);
    peer->is_downloading = false;
    if (!peer->net->is_stopping)
        blocks_ask(peer->net);
}

void blocks_ask_aside(struct peer *peer, struct header_node *last)
{
    struct net *net = peer->net;
    struct header_node *nodes[DOWNLOAD_ASIDE_MAX];
    uint32_t first = DOWNLOAD_ASIDE_MAX, count = 0;

    if (!peer->is_downloading || !peer_is_up(peer) || !net->tip || last == net->tip ||
        !has_work(net, last))
        return;
    engine_lock_tree(net->engine);
    int32_t fork_height = header_fork_point(last, net->tip)->height;
    if (last->height - fork_height <= DOWNLOAD_ASIDE_MAX && !header_is_invalid(last))
        for (struct header_node *node = last; node->height > fork_height; node = node->prev)
            if (!(node->status & HEADER_HAS_BLOCK))
                nodes[--first] = node;
    engine_unlock_tree(net->engine);
    for (uint32_t i = first; i < DOWNLOAD_ASIDE_MAX; i++)
        if (download_ask_aside(net->download, &peer->download, nodes[i], net_now_ms(net)))
            nodes[count++] = nodes[i];
    send_getdata(peer, nodes, count);
}

void blocks_ask(struct net *net)
{
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        blocks_ask_peer(peer);
}

void blocks_follow(struct net *net)
{
    struct engine_snapshot snapshot;

    engine_snapshot(net->engine, &snapshot);
    net->whole = snapshot.whole;
    struct header_tree *tree = engine_lock_tree(net->engine);
    net->best = header_tree_best(tree);
    if (net->whole)
        download_follow(net->download, net->best, net->whole);
    engine_unlock_tree(net->engine);
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        blocks_peer_changed(peer);
    blocks_ask(net);
}

void blocks_tick(struct net *net, uint64_t now_ms)
{
    enum download_fault fault;
    struct download_peer *faulty = download_find_fault(net->download, now_ms, &fault);

    for (struct peer *peer = net->peers; peer && faulty; peer = peer->next)
        if (&peer->download == faulty && peer->direction != PEER_MANUAL) {
            peer_close(peer,
                       fault == DOWNLOAD_STALLS ? "stalls the download" : "a block is overdue");
            break;
        }
    judge_senders(net);
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        if (peer->best)
            blocks_ask_aside(peer, peer->best);
    blocks_ask(net);
}
