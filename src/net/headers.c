#include "base/arena.h"
#include "chain/header_rules.h"
#include "net/net_private.h"

#include <stdlib.h>

#define GETHEADERS_REPLY_MS 120000
#define SYNC_BASE_MS        900000 /* and a millisecond for each header that there should be */
#define FRESH_S             86400 /* a best header this new: all peers are asked, none is hurried */
#define BEHIND_ASK_MS       1200000
#define BEHIND_CLOSE_MS     120000
#define PROTECTED_MAX       4
#define LOW_WORK_BLOCKS     144
#define WORKS_MAX           16 /* of one peer with the engine */

/* Headers on their way to the ledger thread and back. */
struct headers_work {
    struct command command;
    struct net_task task;
    struct net *net;
    uint64_t peer_id;
    uint32_t count;
    bool is_full;
    struct header *headers;
    struct header_node **nodes;
    enum verdict *verdicts;
};

static void run(struct engine *engine, struct command *command)
{
    struct headers_work *work = command->context;

    engine_accept_headers(engine, work->headers, work->count, work->nodes, work->verdicts);
}

static void done(struct command *command)
{
    struct headers_work *work = command->context;

    net_post(work->net, &work->task);
}

static void work_free(struct headers_work *work)
{
    free(work->headers);
    free(work->nodes);
    free(work->verdicts);
    free(work);
}

static void send_getheaders(struct peer *peer, const struct block_hash *hashes, uint32_t count)
{
    uint8_t payload[LOCATOR_SIZE_MAX];
    struct locator_message message = {
        .version = PROTOCOL_VERSION, .count = count, .hashes = hashes};

    peer->getheaders_ms = net_now_ms(peer->net);
    peer_send(peer, MESSAGE_GETHEADERS, (struct bytes){payload, locator_write(payload, &message)});
}

static uint32_t locator_of(struct net *net, struct block_hash locator[LOCATOR_MAX],
                           const struct header_node *from)
{
    engine_lock_tree(net->engine);
    uint32_t count = header_locator(locator, from);
    engine_unlock_tree(net->engine);
    return count;
}

void headers_ask(struct peer *peer, const struct header_node *from)
{
    struct block_hash locator[LOCATOR_MAX];

    if (peer->presync ||
        (peer->getheaders_ms && net_now_ms(peer->net) - peer->getheaders_ms < GETHEADERS_REPLY_MS))
        return; /* an answer is under way */
    send_getheaders(peer, locator, locator_of(peer->net, locator, from));
}

static void judge(struct peer *peer, enum verdict verdict)
{
    switch (verdict_class(verdict)) {
    case VERDICT_HEADER:
    case VERDICT_INVALID_PARENT:
        peer_punish(peer, verdict_text(verdict));
        break;
    case VERDICT_KNOWN_INVALID:
        if (peer->direction != PEER_INCOMING)
            peer_punish(peer, verdict_text(verdict));
        break;
    case VERDICT_OK:
    case VERDICT_KNOWN:
    case VERDICT_FUTURE:
    case VERDICT_MISSING_PARENT:
    case VERDICT_LOW_WORK:
    case VERDICT_MUTATED:
    case VERDICT_CONTEXT_FREE:
    case VERDICT_CONSENSUS:
        break;
    }
}

static void peer_has(struct peer *peer, struct header_node *node)
{
    if (!peer->best || u256_compare(&node->chainwork, &peer->best->chainwork) >= 0)
        peer->best = node; /* of equals the last that it told of */
    blocks_peer_changed(peer);
}

static void protect(struct peer *peer)
{
    uint32_t count = 0;

    if (peer->direction != PEER_OUTGOING || !peer->net->tip || !peer->best ||
        u256_compare(&peer->best->chainwork, &peer->net->tip->chainwork) < 0)
        return;
    for (const struct peer *other = peer->net->peers; other; other = other->next)
        count += other->is_protected;
    peer->is_protected |= count < PROTECTED_MAX;
}

static void work_done(struct peer *peer, const struct headers_work *work)
{
    struct header_node *last = NULL;
    enum verdict verdict = VALID;

    for (uint32_t i = 0; i < work->count; i++) {
        if (work->nodes[i])
            last = work->nodes[i];
        if (verdict == VALID)
            verdict = work->verdicts[i];
    }
    peer->headers_works--;
    if (peer->is_closing)
        return;
    if (last && verdict == VALID) {
        peer_has(peer, last);
        blocks_ask_peer(peer);
        protect(peer);
        blocks_ask_aside(peer, last);
        if (work->is_full)
            headers_ask(peer, last);
    } else {
        judge(peer, verdict);
    }
}

static void finish(struct net *net, struct net_task *task)
{
    struct headers_work *work = CONTAINER_OF(task, struct headers_work, task);
    struct peer *peer = net_find_peer(net, work->peer_id);

    if (peer)
        work_done(peer, work);
    work_free(work);
}

/* To the engine. Takes headers, which is malloc'ed. */
static void submit(struct peer *peer, struct header *headers, uint32_t count, bool is_full)
{
    struct headers_work *work = xcalloc(1, sizeof *work);

    work->net = peer->net;
    work->task.finish = finish;
    work->peer_id = peer->id;
    work->count = count;
    work->is_full = is_full;
    work->headers = headers;
    work->nodes = xcalloc(count, sizeof *work->nodes);
    work->verdicts = xcalloc(count, sizeof *work->verdicts);
    work->command.run = run;
    work->command.done = done;
    work->command.context = work;
    if (peer->headers_works == WORKS_MAX || !engine_post(peer->net->engine, &work->command)) {
        work_free(work); /* it may announce them again */
        return;
    }
    peer->headers_works++;
}

static void presync_ask(struct peer *peer)
{
    struct block_hash locator[LOCATOR_MAX + 1];
    uint32_t count = locator_of(peer->net, locator + 1, presync_start(peer->presync)) + 1;

    locator[0] = presync_last_hash(peer->presync);
    send_getheaders(peer, locator, count < LOCATOR_COUNT_MAX ? count : LOCATOR_COUNT_MAX);
}

static void presync_end(struct peer *peer)
{
    presync_free(peer->presync);
    peer->presync = NULL;
}

static void presync_feed(struct peer *peer, const struct header *headers, uint32_t count)
{
    bool is_full = count == HEADERS_COUNT_MAX;
    enum presync_result result = presync_add(peer->presync, headers, count, is_full);
    uint32_t released = 0, room = 0;
    struct header *out = NULL, header;

    peer->getheaders_ms = 0;
    while (presync_pop(peer->presync, &header)) {
        if (released == room)
            out = xrealloc(out, (room = room ? 2 * room : 4096) * sizeof *out);
        out[released++] = header;
    }
    if (released)
        submit(peer, out, released, result == PRESYNC_DONE && is_full);
    if (result == PRESYNC_MORE)
        presync_ask(peer);
    else
        presync_end(peer);
}

/* Each meets its own target and follows the one before. */
static const char *check(const struct net *net, const struct header *headers, uint32_t count,
                         struct block_hash *last)
{
    for (uint32_t i = 0; i < count; i++) {
        struct block_hash hash = header_hash(&headers[i]);

        if (i > 0 && !block_hash_equal(&headers[i].prev_hash, last))
            return "headers that do not follow each other";
        if (!header_check_pow(net->params, &hash, headers[i].bits))
            return "a header without its proof of work";
        *last = hash;
    }
    return NULL;
}

/* What a chain must have for its headers to be kept. */
static struct u256 work_threshold(const struct net *net)
{
    struct u256 threshold = net->params->minimum_chain_work;

    if (net->tip) {
        struct u256 block = work_of_bits(net->tip->bits),
                    margin = u256_mul_u32(&block, LOW_WORK_BLOCKS);

        if (u256_compare(&margin, &net->tip->chainwork) < 0) {
            struct u256 near_tip = u256_sub(&net->tip->chainwork, &margin);

            if (u256_compare(&near_tip, &threshold) > 0)
                threshold = near_tip;
        }
    }
    return threshold;
}

static struct u256 work_with(const struct header_node *prev, const struct header *headers,
                             uint32_t count)
{
    struct u256 sum = prev->chainwork;

    for (uint32_t i = 0; i < count; i++) {
        struct u256 work = work_of_bits(headers[i].bits);

        sum = u256_add(&sum, &work);
    }
    return sum;
}

static bool is_in_our_chain(const struct net *net, const struct header_node *node)
{
    return (net->best && header_is_ancestor(node, net->best)) ||
           (net->tip && header_is_ancestor(node, net->tip));
}

static void new_headers(struct peer *peer, const struct header *headers, uint32_t count,
                        const struct block_hash *last)
{
    struct net *net = peer->net;
    struct header_tree *tree = engine_lock_tree(net->engine);
    struct header_node *prev = header_tree_find(tree, &headers[0].prev_hash);
    struct header_node *known = header_tree_find(tree, last);

    engine_unlock_tree(net->engine);
    if (!prev) { /* no answer to what we asked */
        headers_ask(peer, net->best);
        return;
    }
    peer->getheaders_ms = 0;
    if (!known || !is_in_our_chain(net, known)) {
        struct u256 work = work_with(prev, headers, count), threshold = work_threshold(net);

        if (u256_compare(&work, &threshold) < 0) {
            uint8_t entropy[24];

            if (count < HEADERS_COUNT_MAX)
                return; /* a chain that ends with too little work */
            random_bytes(entropy, sizeof entropy);
            peer->presync =
                presync_new(net->params, prev, &threshold, engine_now(net->engine), entropy);
            presync_feed(peer, headers, count);
            return;
        }
    }
    struct header *copy = xmalloc(count * sizeof *copy);
    memcpy(copy, headers, count * sizeof *copy);
    submit(peer, copy, count, count == HEADERS_COUNT_MAX);
}

void headers_message(struct peer *peer, struct bytes payload)
{
    struct net *net = peer->net;
    struct block_hash last;
    uint32_t count;
    enum parse_result result = headers_parse(net->headers, &count, payload);

    if (result == PARSE_EXCEEDED)
        peer_punish(peer, "too many headers");
    if (result != PARSE_OK)
        return;
    if (count == 0) {
        peer->getheaders_ms = 0;
        presync_end(peer);
        return;
    }
    const char *why = check(net, net->headers, count, &last);
    if (why)
        peer_punish(peer, why);
    else if (peer->presync)
        presync_feed(peer, net->headers, count);
    else
        new_headers(peer, net->headers, count, &last);
}

void headers_inv(struct peer *peer, const struct block_hash *hash)
{
    struct net *net = peer->net;
    struct header_tree *tree = engine_lock_tree(net->engine);
    struct header_node *node = header_tree_find(tree, hash);

    engine_unlock_tree(net->engine);
    if (node)
        peer_has(peer, node);
    else
        headers_ask(peer, net->best);
}

static bool is_fresh(const struct net *net)
{
    return (int64_t)net->best->time > engine_now(net->engine) - FRESH_S;
}

/* other is reason enough not to ask peer yet: those that called us come after those that we called,
 * which do not wait for them. */
static bool comes_first(const struct peer *other, const struct peer *peer)
{
    bool is_incoming = peer->direction == PEER_INCOMING;

    if (other->direction == PEER_INCOMING)
        return is_incoming && other->is_header_source;
    return is_incoming || other->is_header_source;
}

/* Of one peer first, of all once the best header is of today. */
static bool may_be_source(const struct peer *peer)
{
    const struct net *net = peer->net;

    if (is_fresh(net))
        return true;
    for (const struct peer *other = net->peers; other; other = other->next)
        if (other != peer && peer_is_up(other) && comes_first(other, peer))
            return false;
    return true;
}

static void source_tick(struct peer *peer, uint64_t now_ms)
{
    struct net *net = peer->net;

    if (!peer->is_header_source) {
        if (!(peer->handshake.services & (SERVICE_NETWORK | SERVICE_NETWORK_LIMITED)) ||
            !may_be_source(peer))
            return;
        int64_t missing_s = engine_now(net->engine) - net->best->time;

        peer->is_header_source = true;
        peer->headers_deadline_ms =
            now_ms + SYNC_BASE_MS + (missing_s > 0 ? (uint64_t)missing_s / 600 : 0);
        headers_ask(peer, net->best->prev ? net->best->prev : net->best);
        return;
    }
    if (!peer->headers_deadline_ms || is_fresh(net)) {
        peer->headers_deadline_ms = 0;
    } else if (now_ms > peer->headers_deadline_ms) {
        peer->headers_deadline_ms = 0;
        for (const struct peer *other = net->peers; other; other = other->next)
            if (other != peer && peer_is_up(other) && other->direction != PEER_INCOMING) {
                if (peer->direction == PEER_MANUAL)
                    peer->is_header_source = false;
                else
                    peer_close(peer, "headers come too slowly");
                return;
            }
    }
}

/* An outgoing peer whose chain stays behind ours is of no use, once it was asked for its headers.
 */
static void behind_tick(struct peer *peer, uint64_t now_ms)
{
    const struct header_node *tip = peer->net->tip;

    if (peer->direction != PEER_OUTGOING || peer->is_protected || !peer->is_header_source ||
        peer->presync || !tip ||
        (peer->best && u256_compare(&peer->best->chainwork, &tip->chainwork) >= 0)) {
        peer->behind_since_ms = 0;
        peer->is_behind_asked = false;
    } else if (!peer->behind_since_ms) {
        peer->behind_since_ms = now_ms;
    } else if (!peer->is_behind_asked && now_ms - peer->behind_since_ms > BEHIND_ASK_MS) {
        peer->is_behind_asked = true;
        headers_ask(peer, tip->prev ? tip->prev : tip);
    } else if (peer->is_behind_asked &&
               now_ms - peer->behind_since_ms > BEHIND_ASK_MS + BEHIND_CLOSE_MS) {
        peer_close(peer, "its chain stays behind ours");
    }
}

void headers_tick(struct peer *peer, uint64_t now_ms)
{
    if (!peer_is_up(peer) || peer->direction == PEER_FETCH || !peer->net->best)
        return;
    source_tick(peer, now_ms);
    if (!peer->is_closing)
        behind_tick(peer, now_ms);
}

void headers_peer_gone(struct peer *peer)
{
    presync_end(peer);
}
