/* serve.c - what we are asked about the chain, and what we tell of it unasked. */
#include "base/arena.h"
#include "net/net_private.h"

#include <stdlib.h>

#define GETBLOCKS_MAX 500
#define STALE_AGE_S   (30 * 86400) /* of blocks aside the best chain, by time and by work */

static bool has_enough_work(const struct net *net)
{
    return net->tip && u256_compare(&net->tip->chainwork, &net->params->minimum_chain_work) >= 0;
}

bool serve_may(const struct net *net, const struct header_node *node)
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

        is_answered = node && serve_may(net, node);
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

void serve_inv(struct peer *peer, enum message_type type, const struct inv *inv)
{
    uint8_t out[9 + sizeof *inv];

    peer_send(peer, type, (struct bytes){out, inv_list_write(out, inv, 1)});
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
        serve_inv(peer, MESSAGE_INV, &inv);
    }
    peer->announced = (struct header_node *)tip;
}
