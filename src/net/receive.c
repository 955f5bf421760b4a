/* receive.c - a connection's bytes on their way in: messages to messages.c, blocks into a job that
 * holds a credit; without one the peer is held up. */
#include "base/arena.h"
#include "net/net_private.h"

#include <stdlib.h>

/* The rest of what came waits; no more is read. */
static void hold(struct peer *peer, struct bytes rest)
{
    if (!peer->is_held)
        conn_pause(peer->conn);
    peer->is_held = true;
    if (rest.size == 0)
        return;
    peer->held = xrealloc(peer->held, peer->held_size + rest.size);
    memcpy(peer->held + peer->held_size, rest.data, rest.size);
    peer->held_size += rest.size;
}

/* A small block that came whole; false when it has to wait for its job. */
static bool small_block_in(struct peer *peer, struct bytes payload)
{
    struct block_job *job = blocks_reserve(peer, payload.size);

    if (!job)
        return false;
    memcpy(job->buffer, payload.data, payload.size);
    blocks_received(peer, job);
    return true;
}

/* False when the peer is to be held up. */
static bool block_in(struct peer *peer, struct bytes payload)
{
    peer_log_packet(peer, "->", MESSAGE_BLOCK, payload);
    if (payload.size < HEADER_SIZE || small_block_in(peer, payload))
        return true;
    peer->wanted_size = payload.size;
    peer->small_block = xmalloc(payload.size);
    memcpy(peer->small_block, payload.data, payload.size);
    return false;
}

static bool large_begins(struct peer *peer, size_t size)
{
    peer->job = blocks_reserve(peer, size);
    if (peer->job) {
        transport_place(peer->transport, peer->job->buffer);
        return true;
    }
    peer->wanted_size = size;
    return false;
}

static void large_done(struct peer *peer, const struct transport_message *message)
{
    struct transport_check check;
    struct block_job *job = peer->job;

    peer->job = NULL;
    transport_check(peer->transport, &check);
    enum transport_verdict verdict = transport_check_run(&check, peer->net->env.aead);
    if (verdict == TRANSPORT_CLOSE)
        peer_close(peer, "packet not authentic");
    if (job && verdict == TRANSPORT_GOOD)
        peer_log_packet(peer, "->", MESSAGE_BLOCK,
                        (struct bytes){job->buffer, message->payload.size});
    if (job && verdict == TRANSPORT_GOOD)
        blocks_received(peer, job);
    else if (job)
        pipeline_release(job);
    else if (verdict == TRANSPORT_GOOD)
        messages_in(peer, message->type, message->payload);
}

/* False when the rest has to wait. */
static bool handle(struct peer *peer, enum transport_event event,
                   const struct transport_message *message)
{
    bool is_block = message->type == MESSAGE_BLOCK && peer->handshake.is_done;

    if (event == TRANSPORT_LARGE)
        return !is_block || large_begins(peer, message->payload.size);
    if (event == TRANSPORT_LARGE_DONE)
        large_done(peer, message);
    else if (is_block)
        return block_in(peer, message->payload);
    else
        messages_in(peer, message->type, message->payload);
    return true;
}

static void process(struct peer *peer, struct bytes data)
{
    struct transport_message message;
    size_t room;

    while (!peer->is_closing) {
        enum transport_event event = transport_receive(peer->transport, &data, &message);

        if (event == TRANSPORT_MORE)
            break;
        if (event == TRANSPORT_BROKEN) {
            peer_close(peer, "%s", transport_error(peer->transport));
        } else if (!handle(peer, event, &message)) {
            hold(peer, data);
            return;
        }
    }
    if (peer->is_closing)
        return;
    peer_flush_handshake(peer);
    transport_trim(peer->transport);
    uint8_t *at = transport_room(peer->transport, &room);
    if (room && !peer->is_closing)
        conn_receive_into(peer->conn, at, room);
}

void receive_resume(struct peer *peer)
{
    if (!peer->is_held || peer->is_closing)
        return;
    if (peer->small_block) {
        if (!small_block_in(peer, (struct bytes){peer->small_block, peer->wanted_size}))
            return;
        free(peer->small_block);
        peer->small_block = NULL;
    } else if (!large_begins(peer, peer->wanted_size)) {
        return;
    }
    uint8_t *held = peer->held;
    struct bytes data = {held, peer->held_size};

    peer->wanted_size = 0;
    peer->held = NULL;
    peer->held_size = 0;
    peer->is_held = false;
    process(peer, data);
    free(held);
    if (!peer->is_held && !peer->is_closing)
        conn_resume(peer->conn);
}

void receive_bytes(struct peer *peer, struct bytes data)
{
    if (peer->is_held)
        hold(peer, data);
    else
        process(peer, data);
}

size_t receive_filled(struct peer *peer)
{
    size_t size;

    transport_room(peer->transport, &size);
    transport_filled(peer->transport, size);
    process(peer, (struct bytes){NULL, 0});
    return size;
}
