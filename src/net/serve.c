#include "base/arena.h"
#include "base/hash.h"
#include "codec/block.h"
#include "codec/compact.h"
#include "net/net_private.h"

#include <stdlib.h>

#define GETBLOCKS_MAX 500
#define STALE_AGE_S   (30 * 86400) /* of blocks aside the best chain, by time and by work */
#define ARENA_MAX     ((size_t)256 << 20)

/* A block that is read for a peer. */
struct serve_work {
    struct command command;
    struct net_task task;
    struct net *net;
    uint64_t peer_id;
    struct inv inv;
    struct header_node *tip;
    bool is_stripped, is_missing;
    uint32_t checksum;
    uint8_t *block;
    size_t size;
};

static bool has_enough_work(const struct net *net)
{
    return net->tip && u256_compare(&net->tip->chainwork, &net->params->minimum_chain_work) >= 0;
}

/* The best chain, or verified and not much older than its end. Under the tree's mutex. */
static bool may_be_served(const struct net *net, const struct header_node *node)
{
    const struct header_node *tip = net->tip;

    if (!(node->status & HEADER_HAS_BLOCK) || !tip)
        return false;
    if (header_is_ancestor(node, tip))
        return true;
    if (!(node->status & HEADER_VERIFIED) || header_is_invalid(node))
        return false;

    struct u256 block = work_of_bits(tip->bits), margin = u256_mul_u32(&block, STALE_AGE_S / 600);
    struct u256 with_margin = u256_add(&node->chainwork, &margin);

    return net->best->time - (int64_t)node->time < STALE_AGE_S &&
           u256_compare(&with_margin, &net->best->chainwork) > 0;
}

/* The last of the locator's blocks that our chain has; the genesis block if there is none. */
static const struct header_node *locator_find(const struct net *net, struct header_tree *tree,
                                              const struct locator_message *locator)
{
    for (uint32_t i = 0; i < locator->count; i++) {
        struct block_hash hash;

        memcpy(&hash, &locator->hashes[i], sizeof hash);
        const struct header_node *node = header_tree_find(tree, &hash);
        if (node && header_is_ancestor(node, net->tip))
            return node;
        if (node && header_is_ancestor(net->tip, node))
            return net->tip;
    }
    return header_ancestor(net->tip, 0);
}

static bool locator_in(struct peer *peer, struct bytes payload, struct locator_message *locator)
{
    enum parse_result result = locator_parse(locator, payload);

    if (result == PARSE_EXCEEDED)
        peer_close(peer, "locator with more than %d hashes", LOCATOR_COUNT_MAX);
    return result == PARSE_OK && peer->net->tip;
}

void serve_getheaders(struct peer *peer, struct bytes payload)
{
    struct net *net = peer->net;
    struct locator_message locator;
    uint32_t count = 0;

    if (!locator_in(peer, payload, &locator))
        return;
    struct header *headers = xmalloc(HEADERS_COUNT_MAX * sizeof *headers);
    uint8_t *out = xmalloc(HEADERS_SIZE_MAX);
    struct header_tree *tree = engine_lock_tree(net->engine);
    bool is_answered = true;

    if (!has_enough_work(net)) {
        /* an empty answer: our chain is of no use yet */
    } else if (locator.count == 0) { /* one header, by its hash */
        const struct header_node *node = header_tree_find(tree, &locator.stop);

        is_answered = node && may_be_served(net, node);
        if (is_answered)
            headers[count++] = header_of_node(node);
    } else {
        const struct header_node *fork = locator_find(net, tree, &locator);
        int32_t last = net->tip->height - fork->height < HEADERS_COUNT_MAX
                           ? net->tip->height
                           : fork->height + HEADERS_COUNT_MAX;
        const struct header_node *node = header_ancestor(net->tip, last);

        count = (uint32_t)(last - fork->height);
        for (uint32_t i = count; i > 0; i--, node = node->prev) {
            headers[i - 1] = header_of_node(node);
            if (block_hash_equal(&node->hash, &locator.stop))
                count = i;
        }
        peer->announced = header_ancestor(net->tip, fork->height + (int32_t)count);
    }
    engine_unlock_tree(net->engine);
    if (is_answered)
        peer_send(peer, MESSAGE_HEADERS, (struct bytes){out, headers_write(out, headers, count)});
    free(headers);
    free(out);
}

void serve_getblocks(struct peer *peer, struct bytes payload)
{
    struct net *net = peer->net;
    struct locator_message locator;
    struct inv items[GETBLOCKS_MAX];
    uint8_t out[9 + sizeof items];
    uint32_t count = 0;

    if (!locator_in(peer, payload, &locator))
        return;
    struct header_tree *tree = engine_lock_tree(net->engine);
    const struct header_node *fork = locator_find(net, tree, &locator);

    for (int32_t height = fork->height + 1; height <= net->tip->height && count < GETBLOCKS_MAX;
         height++) {
        const struct header_node *node = header_ancestor(net->tip, height);

        if (block_hash_equal(&node->hash, &locator.stop))
            break;
        items[count].type = INV_BLOCK;
        memcpy(items[count++].hash, &node->hash, 32);
    }
    engine_unlock_tree(net->engine);
    if (count ==
        GETBLOCKS_MAX) { /* when it asks for the last, it is told of our tip, and goes on */
        memcpy(&peer->continue_hash, items[count - 1].hash, 32);
        peer->has_continue_hash = true;
    }
    if (count)
        peer_send(peer, MESSAGE_INV, (struct bytes){out, inv_list_write(out, items, count)});
}

static void send_inv(struct peer *peer, enum message_type type, const struct inv *inv)
{
    uint8_t out[9 + sizeof *inv];

    peer_send(peer, type, (struct bytes){out, inv_list_write(out, inv, 1)});
}

/* Ledger thread: where the block is. */
static void run(struct engine *engine, struct command *command)
{
    struct serve_work *work = command->context;
    struct header_tree *tree = engine_lock_tree(engine);
    struct block_hash hash;

    memcpy(&hash, work->inv.hash, sizeof hash);
    const struct header_node *node = header_tree_find(tree, &hash);
    work->is_missing = !node || !may_be_served(work->net, node);
    if (!work->is_missing) {
        command->u.block.pos = node->pos;
        command->u.block.size = node->size;
        work->checksum = node->checksum;
    }
    engine_unlock_tree(engine);
}

/* Without witnesses, in place of block. */
static bool strip(struct serve_work *work)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, ARENA_MAX);
    bool is_good = block_parse(&block, (struct bytes){work->block, work->size}, &arena, false);
    if (is_good) {
        uint8_t *out = xmalloc(block.stripped_size), *at = out + HEADER_SIZE;

        memcpy(out, work->block, HEADER_SIZE);
        at += compact_write(at, block.tx_count);
        for (uint32_t i = 0; i < block.tx_count; at += block.txs[i++].stripped_size)
            tx_write_stripped(at, &block.txs[i]);
        assert((size_t)(at - out) == block.stripped_size);
        uint8_t digest[32];
        sha256d_once(digest, out, block.stripped_size);
        work->checksum = le32_read(digest);
        free(work->block);
        work->block = out;
        work->size = block.stripped_size;
    }
    arena_clear(&arena);
    return is_good;
}

/* Jobs thread. */
static void read_block(struct engine *engine, struct command *command)
{
    struct serve_work *work = command->context;

    if (work->is_missing)
        return;
    work->size = command->u.block.size;
    work->block = engine_read_block(engine, command->u.block.pos, command->u.block.size);
    if (!work->block || (work->is_stripped && !strip(work)))
        work->is_missing = true;
}

static void done(struct command *command)
{
    struct serve_work *work = command->context;

    net_post(work->net, &work->task);
}

static void finish(struct net *net, struct net_task *task);

static void ask_engine(struct peer *peer, const struct inv *inv)
{
    struct serve_work *work = xcalloc(1, sizeof *work);

    work->net = peer->net;
    work->task.finish = finish;
    work->peer_id = peer->id;
    work->inv = *inv;
    work->is_stripped = inv->type == INV_BLOCK;
    work->command.run = run;
    work->command.work = read_block;
    work->command.done = done;
    work->command.context = work;
    if (!engine_post(peer->net->engine, &work->command)) {
        free(work);
        peer_close(peer, "too busy to serve it");
        return;
    }
    peer->is_reading = true;
}

void serve_continue(struct peer *peer)
{
    while (peer_is_up(peer) && !peer->is_reading && peer->wanted_at < peer->wanted_count &&
           conn_output_size(peer->conn) < SERVE_OUTPUT_MAX) {
        const struct inv *inv = &peer->wanted[peer->wanted_at++];
        uint32_t type = inv->type & ~INV_WITNESS_FLAG;

        if (type == INV_BLOCK || inv->type == INV_CMPCT_BLOCK)
            ask_engine(peer, inv);
        else if (inv->type == INV_MERKLE_BLOCK)
            peer_close(peer, "filtered blocks without bloom filters");
        else
            send_inv(peer, MESSAGE_NOTFOUND, inv);
    }
    if (peer->wanted_at == peer->wanted_count && !peer->is_reading) {
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

static void send_block(struct peer *peer, struct serve_work *work)
{
    struct net *net = peer->net;
    struct transport_seal seal;
    uint8_t head[TRANSPORT_V1_HEADER_SIZE], checksum[4];
    struct bytes block = {work->block, work->size};
    bool is_sent;

    peer_log_packet(peer, "<-", MESSAGE_BLOCK, block);
    le32_write(checksum, work->checksum);
    transport_seal(peer->transport, MESSAGE_BLOCK, work->size, &seal);
    if (seal.is_v2) {
        size_t size = transport_frame_size(peer->transport, MESSAGE_BLOCK, work->size);
        uint8_t *frame = xmalloc(size);

        transport_seal_run(&seal, net->env.aead, block, NULL, frame);
        is_sent = conn_send_borrowed(peer->conn, (struct bytes){frame, size}, free, frame);
        if (!is_sent)
            free(frame);
    } else {
        size_t size = transport_seal_run(&seal, net->env.aead, block, checksum, head);

        is_sent = conn_send(peer->conn, (struct bytes){head, size}) &&
                  conn_send_borrowed(peer->conn, block, free, work->block);
        if (is_sent)
            work->block = NULL;
    }
    if (!is_sent) {
        peer_close(peer, "does not read what it asked for");
        return;
    }
    peer->sent_bytes += block.size;
    net->sent_bytes += block.size;
    net->served_blocks++;
    net->served_bytes += block.size;
}

static void served(struct peer *peer, struct serve_work *work)
{
    struct net *net = peer->net;

    peer->is_reading = false;
    if (peer->is_closing)
        return;
    if (work->is_missing)
        send_inv(peer, MESSAGE_NOTFOUND, &work->inv);
    else
        send_block(peer, work);
    if (peer->has_continue_hash && memcmp(&peer->continue_hash, work->inv.hash, 32) == 0 &&
        net->tip) {
        struct inv inv = {.type = INV_BLOCK};

        memcpy(inv.hash, &net->tip->hash, 32);
        send_inv(peer, MESSAGE_INV, &inv);
        peer->has_continue_hash = false;
    }
    serve_continue(peer);
}

static void finish(struct net *net, struct net_task *task)
{
    struct serve_work *work =
        (struct serve_work *)((char *)task - offsetof(struct serve_work, task));
    struct peer *peer = net_find_peer(net, work->peer_id);

    if (peer)
        served(peer, work);
    free(work->block);
    free(work);
}

static bool knows(const struct peer *peer, const struct header_node *node)
{
    return (peer->best && header_is_ancestor(node, peer->best)) ||
           (peer->announced && header_is_ancestor(node, peer->announced));
}

/* The blocks of our chain that the peer has not heard of: as headers if it wants them so, if they
 * are few and it knows what they build on; else the tip's name. */
void serve_announce(struct peer *peer)
{
    const struct header_node *tip = peer->net->tip, *node = tip;
    struct header headers[ANNOUNCE_MAX];
    uint8_t out[9 + sizeof headers + ANNOUNCE_MAX];
    uint32_t count = 0;

    if (!peer_is_up(peer) || knows(peer, tip))
        return;
    while (count < ANNOUNCE_MAX && node->prev && !knows(peer, node)) {
        count++;
        node = node->prev;
    }
    if (peer->handshake.wants_headers && knows(peer, node)) {
        node = tip;
        for (uint32_t i = count; i > 0; i--, node = node->prev)
            headers[i - 1] = header_of_node(node);
        peer_send(peer, MESSAGE_HEADERS, (struct bytes){out, headers_write(out, headers, count)});
    } else {
        struct inv inv = {.type = INV_BLOCK};

        memcpy(inv.hash, &tip->hash, 32);
        send_inv(peer, MESSAGE_INV, &inv);
    }
    peer->announced = (struct header_node *)tip;
}
